//! The handler behind a `Next`: it keeps the first event that passes, and leaves.
//!
//! The place for the event stands in the entry, so that a future and its handler are one allocation.

use std::task::{Poll, Waker};
use std::time::Instant;

use crate::core::handler::entry::{CallResult, Connection, Header, WeakRef, state};
use crate::core::handler::erased::EmitContext;
use crate::core::handler::handler_fn::{Filter, HandlerFn, Subscribed};
use crate::core::handler::owner::Owner;
use crate::core::primitives::flavour::{Primitives, Shared};
use crate::core::primitives::sync::Lock;
use crate::core::reclaim::counted::Live;
use crate::core::waiting::waiter::{self, PendingWake, Waiter};

/// A place for one value, and who waits for it.
pub(crate) struct Oneshot<M: Primitives, T: 'static> {
    state: M::Lock<State<T>>,
    /// Rung for a thread that waits.
    condvar: M::Condvar,
}

struct State<T> {
    value: Option<T>,
    /// Nothing is let in any more: a value has come, or none will.
    over: bool,
    waiter: Waiter,
}

impl<T> State<T> {
    /// What came: `None` if nothing did and nothing will. Nothing at all while it may still come.
    fn ask(&mut self) -> Option<Option<T>> {
        self.over.then(|| self.value.take())
    }
}

impl<M: Primitives, T> Default for Oneshot<M, T> {
    fn default() -> Self {
        let state = State {
            value: None,
            over: false,
            waiter: Waiter::default(),
        };
        Oneshot {
            state: M::Lock::new(state),
            condvar: M::condvar(),
        }
    }
}

impl<M: Primitives, T> Oneshot<M, T> {
    /// Lets a value in, if it is the first.
    fn fill(&self, value: T) -> Result<PendingWake, T> {
        self.state.with(|state| {
            if state.over {
                return Err(value);
            }
            (state.value, state.over) = (Some(value), true);
            Ok(state.waiter.take())
        })
    }

    /// Nothing comes any more. What came before stays.
    fn end(&self) -> PendingWake {
        self.state.with(|state| {
            state.over = true;
            state.waiter.take()
        })
    }

    /// Nobody waits any more: whether anybody could have got something, and what is to be dropped.
    pub(crate) fn abandon(&self) -> (bool, Option<T>, Option<Waker>) {
        self.state.with(|state| {
            let was_over = std::mem::replace(&mut state.over, true);
            (!was_over, state.value.take(), state.waiter.forget())
        })
    }

    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Option<T>> {
        waiter::poll(&self.state, waker, |state| &mut state.waiter, State::ask)
    }
}

impl<T> Oneshot<Shared, T> {
    /// Parks until something came, or nothing will. `None`: the time was up first.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Option<Option<T>> {
        waiter::wait(
            &self.state,
            &self.condvar,
            until,
            |state| &mut state.waiter,
            State::ask,
        )
    }
}

/// What a future sees of its handler.
pub(crate) trait NextEntry<M: Primitives, T>: Connection<M> {
    fn oneshot(&self) -> &Oneshot<M, T>;
}

/// The entry of such a handler.
type Awaiting<M, S, P, T, F> = Subscribed<M, S, P, NextHandler<M, T, F>>;

/// A closure that makes the value out of an event, or passes over it.
pub(crate) struct NextHandler<M: Primitives, T, F> {
    map: F,
    types: std::marker::PhantomData<fn() -> (M, T)>,
}

impl<M, E, C, T, F> HandlerFn<M, E, C> for NextHandler<M, T, F>
where
    M: Primitives,
    E: 'static,
    C: 'static,
    T: 'static,
    F: Fn(&E) -> Option<T> + 'static,
{
    type EntryState = Oneshot<M, T>;

    fn call(&self, _: &Header<M>, _: &E, _: &mut EmitContext<'_, C>) -> CallResult {
        unreachable!("it is called with its entry")
    }

    fn call_with_entry<S: Owner<M, Event = E, Context = C>, P: Filter<E>>(
        entry: &Live<Subscribed<M, S, P, Self>>,
        event: &E,
        _: &mut EmitContext<'_, C>,
    ) -> CallResult {
        let map = &entry.captures().callee.map;
        // User code, and so is the drop of what comes too late: both outside of the lock. A panic
        // leaves the handler waiting.
        let Some(value) = map(event) else {
            return CallResult::Skipped;
        };
        let oneshot = &entry.link().state;
        match oneshot.fill(value) {
            Ok(wake) => {
                // Before anybody hears of it, so that it can be waited for anew.
                entry.remove(0);
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

impl<M, S, P, T, F> NextEntry<M, T> for Awaiting<M, S, P, T, F>
where
    M: Primitives,
    S: Owner<M>,
    P: Filter<S::Event>,
    T: 'static,
    F: Fn(&S::Event) -> Option<T> + 'static,
{
    fn oneshot(&self) -> &Oneshot<M, T> {
        &self.link().state
    }
}

impl<M: Primitives, T, F> NextHandler<M, T, F> {
    pub(crate) fn new(map: F) -> Self {
        NextHandler {
            map,
            types: std::marker::PhantomData,
        }
    }
}

/// What a future keeps of a new handler.
pub(crate) fn awaited<M, S, P, T, F>(
    entry: WeakRef<M, Awaiting<M, S, P, T, F>>,
) -> WeakRef<M, dyn NextEntry<M, T>>
where
    M: Primitives,
    S: Owner<M>,
    P: Filter<S::Event>,
    T: 'static,
    F: Fn(&S::Event) -> Option<T> + 'static,
{
    if entry.head().has(state::REMOVED) {
        // Refused, or called already with an event that is retained, which this leaves there. Nobody
        // waits yet.
        let _nobody = entry.link().state.end();
    }
    entry.erase(|entry| entry as &dyn NextEntry<M, T>)
}
