//! How a signal publishes the list of its handlers, and changes it.
//!
//! # Decision
//!
//! **A list that nobody reads is changed, and published again.** A change takes the published list out, and if no
//! emission reads it, inserts or removes its one handler there; the next emission publishes the result. Before, each
//! emission after a change built a list anew, with a strong reference to each handler: thirteen times the cost of
//! the emission itself with a thousand handlers, and now a tenth more. It is given up where the changes have cost as
//! much as building it would (see [`HandlerList::is_worth_it`]), so a row of changes stays O(1) each. Changes that
//! are about more than one handler give it up at once, and so does the first handler where the list has nobody but the
//! hook for unhandled events.

use smallvec::SmallVec;

use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::sync::Lock;
use crate::core::primitives::thread::ActiveScope;
use crate::core::reclaim::hazard::{Publish, SnapshotState};
use crate::core::reclaim::publication::{Retired, SnapshotGuard, Unpublished};
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::handler_list::{HandlerList, LoadedList};
use crate::core::signal::signal::{PatternSignals, Signal, SignalState, sequence_limit};

/// What a change has taken out. To be dropped after the lock: it may run the `Drop` of captures.
#[must_use = "drop it after the lock"]
pub(super) struct Outdated<M: SignalFlavour, C: 'static> {
    _list: Option<Retired<M>>,
    _handler: Option<HandlerRef<M, C>>,
}

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// The snapshot for an emission that begins now, without a lock. `None`: load it under the lock.
    #[inline(always)]
    pub(crate) fn try_load(
        &self,
        level: usize,
    ) -> Option<SnapshotGuard<M, HandlerList<M, C>, M::ReadGuard>> {
        self.published.try_load(level)
    }

    /// Returns whether there is no handler to call, without a lock.
    #[inline(always)]
    pub(crate) fn is_silent(&self) -> bool {
        self.published.is_empty()
    }

    /// Loads the snapshot under the lock, and publishes one if there is none: aside, and perhaps without handlers, if
    /// the bus is followed. `None`: what is published has changed on the way, and the emission has to look again.
    pub(crate) fn load_slow(&self) -> Option<LoadedList<M, C>> {
        M::Published::prepare();
        let hook = self.info.config.unhandled_hook();
        let unhandled = self.unhandled();
        let (loaded, _patterns) = self.state.with(|state| {
            let mut patterns = PatternSignals::<M, C>::new();
            // Whoever has changed one of these has invalidated the signal, or waits for its lock in order to.
            let config = &self.info.config;
            if state.retains() || config.unhandled_hook() != hook {
                return (None, patterns);
            }
            let is_followed = config.follower() != 0;
            let loaded = self.published.read_or_publish(is_followed, || {
                // One without handlers is dropped here, which runs no user code.
                let kept = state.next_list.take();
                kept.and_then(|mut list| list.value().renew().then_some(list))
                    .or_else(|| {
                        let (mut handlers, unhandled) = (SmallVec::new(), unhandled.as_ref());
                        let mut give = |it| handlers.push(it);
                        let reader = Some(self.info.key);
                        patterns = state.collect_handlers(unhandled, reader, &mut give);
                        let has_patterns = state.patterns().next().is_some();
                        let info = self.info.clone();
                        let list = HandlerList::new(handlers, unhandled, info, has_patterns);
                        let is_needed = is_followed || !list.is_empty();
                        is_needed.then(|| Unpublished::new(self.scope(), list))
                    })
            });
            // A pattern may have lost its last handle meanwhile, and must not be dropped under the lock.
            (Some(loaded), patterns)
        });
        loaded
    }

    /// The scope of the emissions that read a list of the handlers that there are now.
    fn scope(&self) -> ActiveScope {
        ActiveScope {
            inside: self.address(),
            sequence_limit: sequence_limit(),
        }
    }

    /// Takes the published list out after a change of one handler, which `edit` repeats in the list if that is kept.
    /// It returns what it has removed.
    pub(super) fn edit(
        &self,
        state: &mut SignalState<M, E, C>,
        edit: impl FnOnce(&mut HandlerList<M, C>, &SignalState<M, E, C>) -> Option<HandlerRef<M, C>>,
    ) -> Outdated<M, C> {
        let idle = state.idle_state(&self.info);
        let list = match self.published.take(idle) {
            Some(Ok(list)) => Some(list),
            Some(Err(read)) => return Outdated::list(read),
            None => state.next_list.take(),
        };
        let Some(mut list) = list else {
            return Outdated::NOTHING;
        };
        if idle == SnapshotState::Closed || list.value().is_of_hook() {
            return Outdated::list(list.retire());
        }
        let removed = edit(list.value(), state);
        // Whether or not it is published again: while its captures are dropped, this thread is inside of all of it.
        list.set_scope(self.scope());
        if !list.value().is_worth_it() {
            return Outdated {
                _handler: removed,
                ..Outdated::list(list.retire())
            };
        }
        state.next_list = Some(list);
        Outdated {
            _handler: removed,
            _list: None,
        }
    }

    /// Takes the list out after any other change.
    pub(super) fn unpublish(&self, state: &mut SignalState<M, E, C>) -> Outdated<M, C> {
        let taken = self.published.take(state.idle_state(&self.info));
        let taken = taken.map(|list| list.map_or_else(|read| read, Unpublished::retire));
        Outdated {
            _list: taken.or_else(|| Some(state.next_list.take()?.retire())),
            _handler: None,
        }
    }
}

impl<M: SignalFlavour, C: 'static> Outdated<M, C> {
    pub(super) const NOTHING: Self = Outdated {
        _list: None,
        _handler: None,
    };

    fn list(list: Retired<M>) -> Self {
        Outdated {
            _list: Some(list),
            _handler: None,
        }
    }
}

impl<M: SignalFlavour, E, C: 'static> SignalState<M, E, C> {
    /// What is published until the next emission publishes a list, or for ever if the signal is closed.
    pub(super) fn idle_state(&self, info: &SignalInfo<M>) -> SnapshotState {
        let is_empty = self.roster.is_empty() && self.patterns().next().is_none();
        if self.roster.is_closed() {
            SnapshotState::Closed
        } else if is_empty
            && !self.retains()
            && !info.config.has_unhandled_hook()
            && info.config.follower() == 0
        {
            SnapshotState::Empty
        } else {
            SnapshotState::Stale
        }
    }
}
