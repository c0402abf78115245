//! The retained events of a signal, as the signal sees them. What retains them is created elsewhere.

use crate::core::handler::entry::{StrongRef, WeakRef};
use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::sync::Lock;
use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::retain::{KeptPtr, Retain};
use crate::core::signal::signal::Signal;

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// The retained events, if the signal retains events.
    pub(crate) fn retained(&self) -> Option<StrongRef<M, dyn Retain<M, E, C>>> {
        if !self.info.topic_info.retains() {
            return None;
        }
        self.state
            .with(|state| state.ext.as_ref()?.retained.as_ref()?.upgrade())
    }

    /// Retains an event with `retained`, and collects its handlers in the same step: its sequence limit, and the
    /// retained event. `in_turn`: the handlers get it by [`Retain::deliver`]. `None`: the signal is closed.
    pub(crate) fn keep(
        &self,
        retained: &StrongRef<M, dyn Retain<M, E, C>>,
        event: &E,
        in_turn: bool,
        give: &mut impl FnMut(HandlerRef<M, C>),
    ) -> Option<(u64, Option<KeptPtr<M, E>>)> {
        let unhandled = self.unhandled();
        let (mut collected, mut scope_guard) = (None, None);
        let collect_handlers = &mut |note: &mut dyn FnMut(&HandlerRef<M, C>)| {
            collected = self.collect_handlers(unhandled.as_ref(), &mut |handler| {
                if in_turn {
                    note(&handler);
                }
                give(handler);
            });
            // From here on there are strong references to handlers, and events that will be dropped.
            scope_guard = collected.as_ref().map(|&(sequence_limit, _)| {
                thread::enter_scope(ActiveScope {
                    inside: self.address(),
                    sequence_limit,
                })
            });
            collected.is_some()
        };
        let kept = retained.keep(event, &self.info, collect_handlers);
        drop(scope_guard);
        // The patterns are dropped outside of both locks.
        let (sequence_limit, _patterns) = collected?;
        Some((sequence_limit, kept))
    }

    /// Sets the number of events to retain. `make` creates what retains them, if there is nothing yet.
    pub(crate) fn retain(
        this: &M::Ptr<Self>,
        most: usize,
        make: impl FnOnce() -> WeakRef<M, dyn Retain<M, E, C>>,
    ) {
        if let (Some(retained), true) = (this.retained(), most > 0) {
            return retained.resize(most, &this.info);
        }
        let new = (most > 0).then(make);
        let (removed, old, kept) = this.state.with(|state| {
            if state.roster.is_closed() {
                return (new, None, None);
            }
            this.info.topic_info.set_retains(new.is_some());
            if state.roster.in_bus && new.is_some() && state.self_ref.is_none() {
                state.self_ref = Some(this.clone());
            }
            let removed = std::mem::replace(&mut state.ext().retained, new);
            state.trim();
            let old = this.unpublish(state);
            (removed, Some(old), state.take_self_ref())
        });
        drop(old);
        removed.as_ref().into_iter().for_each(WeakRef::release);
        drop(kept);
    }
}
