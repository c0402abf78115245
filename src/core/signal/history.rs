//! The last events of a signal, as the signal sees them: what keeps them is made elsewhere.

use crate::core::handler::entry::{StrongRef, WeakRef};
use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::sync::Lock;
use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::retain::Retain;
use crate::core::signal::signal::Signal;

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// What is kept, if something is.
    pub(crate) fn retained(&self) -> Option<StrongRef<M, dyn Retain<M, E, C>>> {
        match self.info.topic_info.retains() {
            true => self
                .state
                .with(|state| state.ext.as_ref()?.retained.as_ref()?.upgrade()),
            false => None,
        }
    }

    /// Keeps an event, and in the same moment gathers who is to hear it. `None`: nothing is kept
    /// here any more. An error: the signal is closed.
    pub(crate) fn keep(
        &self,
        event: &E,
        give: &mut impl FnMut(HandlerRef<M, C>),
    ) -> Option<Result<u64, ()>> {
        let (retained, unhandled) = (self.retained()?, self.unhandled());
        let (mut collected, mut scope_guard) = (None, None);
        let inside = self.address();
        let collect_handlers = &mut || {
            collected = self.collect_handlers(unhandled.as_ref(), give);
            // There are strong references, and events to be dropped.
            let enter = |&(sequence_limit, _): &_| {
                thread::enter_scope(ActiveScope {
                    inside,
                    sequence_limit,
                })
            };
            scope_guard = collected.as_ref().map(enter);
            collected.is_some()
        };
        retained.keep(event, &self.info, collect_handlers);
        drop(scope_guard);
        // The groups go outside of both locks.
        Some(
            collected
                .map(|(sequence_limit, _patterns)| sequence_limit)
                .ok_or(()),
        )
    }

    /// Keeps so many events from now on, in what `make` makes if there is nothing to keep them in.
    pub(crate) fn retain(
        this: &M::Ptr<Self>,
        most: usize,
        make: impl FnOnce() -> WeakRef<M, dyn Retain<M, E, C>>,
    ) {
        if let (Some(retained), true) = (this.retained(), most > 0) {
            return retained.resize(most, &this.info);
        }
        let new = (most > 0).then(make);
        let (gone, old, kept) = this.state.with(|state| {
            if state.roster.is_closed() {
                return (new, None, None);
            }
            this.info.topic_info.set_retains(new.is_some());
            if state.in_bus && new.is_some() && state.self_ref.is_none() {
                state.self_ref = Some(this.clone());
            }
            let gone = std::mem::replace(&mut state.ext().retained, new);
            state.trim();
            let old = this.published.take(state.idle_state(&this.info));
            (gone, old, state.take_self_ref())
        });
        drop(old);
        gone.as_ref().into_iter().for_each(WeakRef::release);
        drop(kept);
    }
}
