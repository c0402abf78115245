//! The last events of a signal, as the signal sees them: what keeps them is made elsewhere.

use std::ptr::NonNull;

use crate::core::handler::entry::{Anchor, Handler, Hold};
use crate::core::primitives::sync::Lock;
use crate::core::primitives::thread::{self, Frame};
use crate::core::signal::directory::Signals as Mode;
use crate::core::signal::retain::Retain;
use crate::core::signal::signal::Signal;

impl<M: Mode, E, C: 'static> Signal<M, E, C> {
    /// What is kept, if something is.
    pub(crate) fn retained(&self) -> Option<Hold<M, dyn Retain<M, C>>> {
        match self.home.subject.retains() {
            true => self
                .writer
                .with(|writer| writer.more.as_ref()?.retained.as_ref()?.hold()),
            false => None,
        }
    }

    /// Keeps an event, and in the same moment gathers who is to hear it. `None`: nothing is kept
    /// here any more. An error: the signal is closed.
    pub(crate) fn keep(
        &self,
        event: &E,
        give: &mut impl FnMut(Handler<M, C>),
    ) -> Option<Result<u64, ()>> {
        let (retained, unhandled) = (self.retained()?, self.unhandled());
        let (mut gathered, mut occupied) = (None, None);
        let inside = self.address();
        let gather = &mut || {
            gathered = self.gather(unhandled.as_ref(), give);
            // There are holds, and events to be dropped.
            let occupy = |&(horizon, _): &_| thread::occupy(Frame { inside, horizon });
            occupied = gathered.as_ref().map(occupy);
            gathered.is_some()
        };
        // SAFETY: `retained` is a hold, and the event one of this signal.
        unsafe {
            retained
                .entry()
                .keep(NonNull::from(event).cast(), &self.home, gather)
        };
        drop(occupied);
        // The groups go outside of both locks.
        Some(gathered.map(|(horizon, _groups)| horizon).ok_or(()))
    }

    /// Keeps so many events from now on, in what `make` makes if there is nothing to keep them in.
    pub(crate) fn retain(
        this: &M::Ptr<Self>,
        most: usize,
        make: impl FnOnce() -> Anchor<M, dyn Retain<M, C>>,
    ) {
        if let (Some(retained), true) = (this.retained(), most > 0) {
            // SAFETY: this is a hold.
            return unsafe { retained.entry().resize(most, &this.home) };
        }
        let new = (most > 0).then(make);
        let (gone, old, kept) = this.writer.with(|writer| {
            if writer.roster.is_closed() {
                return (new, None, None);
            }
            this.home.subject.set_retains(new.is_some());
            if writer.listed && new.is_some() && writer.keeps_itself.is_none() {
                writer.keeps_itself = Some(this.clone());
            }
            let gone = std::mem::replace(&mut writer.more().retained, new);
            writer.trim();
            let old = this.published.take(writer.tag(&this.home));
            (gone, old, writer.let_go())
        });
        drop(old);
        gone.as_ref().into_iter().for_each(Anchor::release);
        drop(kept);
    }
}
