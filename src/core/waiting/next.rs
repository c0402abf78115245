//! The handler behind a `Next`: it keeps the first event that passes, and removes itself.
//!
//! The place for the event is in the entry, so that a future and its handler are one allocation.

use std::task::{Poll, Waker};

use crate::core::handler::entry::{CallResult, Connection, Entry, Header, state};
use crate::core::handler::erased::EmitContext;
use crate::core::handler::handler_fn::{BackRef, Condition, HandlerFn, Subscribed};
use crate::core::handler::owner::Owner;
use crate::core::primitives::clock::Instant;
use crate::core::primitives::flavour::{Primitives, Shared};
use crate::core::primitives::sync::Lock;
use crate::core::reclaim::counted::Live;
use crate::core::waiting::waiter::{self, PendingWake, Waiter};
use crate::wiring::handler::HandlerKind;

/// A place for one value, and the waiter for it.
pub(crate) struct Oneshot<M: Primitives, T: 'static> {
    state: M::Lock<State<T>>,
    /// Notified for a thread that waits.
    condvar: M::Condvar,
}

struct State<T> {
    value: Option<T>,
    /// No value is accepted any more: there has been one, or there will be none.
    over: bool,
    waiter: Waiter,
}

impl<T> State<T> {
    /// The value, or `Some(None)` if there is none and will be none. `None` while there may still be
    /// one.
    fn take(&mut self) -> Option<Option<T>> {
        self.over.then(|| self.value.take())
    }

    fn waiter(&mut self) -> &mut Waiter {
        &mut self.waiter
    }
}

impl<M: Primitives, T> Default for Oneshot<M, T> {
    fn default() -> Self {
        Oneshot {
            state: M::Lock::new(State {
                value: None,
                over: false,
                waiter: Waiter::default(),
            }),
            condvar: M::condvar(),
        }
    }
}

impl<M: Primitives, T> Oneshot<M, T> {
    /// Accepts a value, if it is the first.
    fn fill(&self, value: T) -> Result<PendingWake, T> {
        self.state.with(|state| {
            if state.over {
                return Err(value);
            }
            (state.value, state.over) = (Some(value), true);
            Ok(state.waiter.take())
        })
    }

    /// Refuses further values; one that was accepted stays. Returns the waiter, to be woken.
    pub(crate) fn end(&self) -> PendingWake {
        self.state.with(|state| {
            state.over = true;
            state.waiter.take()
        })
    }

    /// Refuses further values, because the future is dropped. Returns whether one could still have
    /// been accepted, and what has to be dropped outside of the lock.
    pub(crate) fn abandon(&self) -> (bool, Option<T>, Option<Waker>) {
        self.state.with(|state| {
            let was_over = std::mem::replace(&mut state.over, true);
            (!was_over, state.value.take(), state.waiter.forget())
        })
    }

    /// The value, or `Some(None)` if there will be none. `None` while there may still be one.
    pub(crate) fn take(&self) -> Option<Option<T>> {
        self.state.with(State::take)
    }

    /// The value, or `None` if there will be none. Otherwise registers the waker.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Option<T>> {
        waiter::poll(&self.state, waker, State::waiter, State::take)
    }
}

impl<T> Oneshot<Shared, T> {
    /// Parks until there is a value, or there will be none. Returns `None` if `until` comes first.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Option<Option<T>> {
        waiter::wait(
            &self.state,
            &self.condvar,
            until,
            State::waiter,
            State::take,
        )
    }
}

/// The handler, as its future sees it.
pub(crate) trait NextEntry<M: Primitives, T>: Connection<M> {
    fn oneshot(&self) -> &Oneshot<M, T>;
}

impl<M: Primitives, S, T, K> NextEntry<M, T> for Entry<M, BackRef<M, S, Oneshot<M, T>>, K>
where
    Self: Connection<M>,
{
    fn oneshot(&self) -> &Oneshot<M, T> {
        &self.link().state
    }
}

/// A closure that maps an event to the value, or skips it. `ALL`: it skips none.
pub(crate) struct NextHandler<F, const ALL: bool>(pub(crate) F);

impl<M, E, C, T, F, const ALL: bool> HandlerFn<M, E, C> for NextHandler<F, ALL>
where
    M: Primitives,
    E: 'static,
    C: 'static,
    T: 'static,
    F: Fn(&E) -> Option<T> + 'static,
{
    const WAITS: bool = true;
    const ENDS: bool = ALL;
    type EntryState = Oneshot<M, T>;
    fn kind(&self) -> (HandlerKind, usize) {
        (HandlerKind::Next, 0)
    }

    fn call_with_entry<S: Owner<M, Event = E, Context = C>, P: Condition<E>>(
        entry: &Live<Subscribed<M, S, P, Self>>,
        event: &E,
        _: &mut EmitContext<'_, C>,
    ) -> CallResult {
        let NextHandler(map) = &*entry.captures().callee;
        // User code, and so is the drop of a value that is too late: both outside of the lock. A
        // panic leaves the handler waiting.
        let Some(value) = map(event) else {
            return CallResult::Skipped;
        };
        let oneshot = &entry.link().state;
        match oneshot.fill(value) {
            Ok(wake) => {
                // Before the waiter is woken, so that it can wait anew. There is no subscription to it.
                entry.registered().remove(state::DROPPED);
                wake.wake::<M>(&oneshot.condvar);
                CallResult::Ran
            }
            Err(_late) => CallResult::Skipped,
        }
    }

    fn on_removed(&self, state: &Oneshot<M, T>, head: &Header<M>) {
        state.end().wake_guarded(&state.condvar, head);
    }
}
