//! Keeps the last events of a signal for those who subscribe later.
//!
//! One lock makes two pairs of steps atomic towards each other: an emission keeps its event and
//! gathers who is to be called; a subscription inserts its handler and looks what is kept. So each
//! event reaches each handler once: by the emission if the handler was there, or else from here.

use std::collections::VecDeque;
use std::ptr::NonNull;

use crate::core::emission::gathered as held;
use crate::core::failure::pending as faults;
use crate::core::handler::entry::{Anchor, Contents, Draft, Entity, Entry, Hold};
use crate::core::mode::Mode;
use crate::core::primitives::sync::{Fault, Lock, planted};
use crate::core::primitives::thread::{self, Frame};
use crate::core::reclaim::publication::Handler;
use crate::core::settings::signal_info::{Home, Place};
use crate::core::signal::signal::Signal;

/// What a signal keeps, whatever its events are.
pub(crate) trait Retain<M: Mode, C>: Entity<M> {
    /// Keeps a clone of the event if `gather` says that the emission takes place.
    ///
    /// # Safety
    ///
    /// The caller has a hold, and `event` points to an event of the signal.
    unsafe fn keep(&self, event: NonNull<()>, home: &Home<M>, gather: &mut dyn FnMut() -> bool);
    /// Inserts a handler and calls it with what is kept, the oldest first.
    ///
    /// # Safety
    ///
    /// The caller has a hold, and the handler is one of the signal.
    unsafe fn hand_over(&self, home: &Home<M>, insert: &mut dyn FnMut() -> Option<Handler<M, C>>);
    /// Keeps so many from now on.
    ///
    /// # Safety
    ///
    /// The caller has a hold.
    unsafe fn resize(&self, most: usize, home: &Home<M>);
}

/// The last events.
struct Retained<M: Mode, E: 'static> {
    kept: M::Lock<Kept<M, E>>,
}

impl<M: Mode, E> Contents for Retained<M, E> {}

struct Kept<M: Mode, E: 'static> {
    events: VecDeque<M::Ptr<E>>,
    most: usize,
}

/// Nothing kept yet. The caller has to release it in time.
pub(crate) fn retain<M: Mode, E: Clone + 'static>(
    most: usize,
    place: Place,
) -> Anchor<M, dyn Retain<M, ()>> {
    let draft = Draft::alone(place, None);
    let events = VecDeque::new();
    let kept = M::Lock::new(Kept { events, most });
    let entry = Anchor::<M, Entry<M, _, _>>::new(draft, (), Retained::<M, E> { kept });
    entry.cast::<dyn Retain<M, ()>>(|entry| entry)
}

impl<M: Mode, E: Clone + 'static> Retain<M, ()> for Entry<M, (), Retained<M, E>> {
    unsafe fn keep(&self, event: NonNull<()>, home: &Home<M>, gather: &mut dyn FnMut() -> bool) {
        // SAFETY: the caller says so.
        let (event, retained) = unsafe { (event.cast::<E>().as_ref(), self.captures()) };
        let place = self.head().place;
        let mut clone = None;
        // A panic is a failure of the topic. Whoever is subscribed gets the event nevertheless.
        faults::guarded(Some(home), None, place, || {
            clone = Some(M::ptr(event.clone()))
        });
        let gone = retained.kept.with(|kept| {
            if gather() {
                kept.events.extend(clone.take());
            }
            match kept.events.len() > kept.most {
                true => kept.events.pop_front(),
                false => None,
            }
        });
        faults::drop_event((gone, clone), home, place);
    }

    unsafe fn hand_over(&self, home: &Home<M>, insert: &mut dyn FnMut() -> Option<Handler<M, ()>>) {
        // SAFETY: the caller says so.
        let retained = unsafe { self.captures() };
        let too_early = planted(Fault::Unlocked).then(&mut *insert);
        let (handler, events) = retained.kept.with(|kept| {
            let handler = too_early.unwrap_or_else(insert);
            (handler, kept.events.clone())
        });
        let inside = handler.as_ref().map_or(0, |it| it.entry().address());
        let occupied = thread::occupy(Frame { inside, horizon: 0 });
        for event in events {
            if let Some(handler) = &handler {
                // There is no emission to tell of failures. What no hook was told of is logged here.
                drop(held::run_one(handler, &*event, home, &mut ()));
            }
            faults::drop_event(event, home, self.head().place);
        }
        drop(handler);
        drop(occupied);
    }

    unsafe fn resize(&self, most: usize, home: &Home<M>) {
        // SAFETY: the caller says so.
        let retained = unsafe { self.captures() };
        let gone: Vec<_> = retained.kept.with(|kept| {
            kept.most = most;
            let too_many = kept.events.len().saturating_sub(most);
            kept.events.drain(..too_many).collect()
        });
        for event in gone {
            faults::drop_event(event, home, self.head().place);
        }
    }
}

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
