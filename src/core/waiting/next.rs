//! The handler behind a `Next`: it keeps the first event that passes, and leaves.
//!
//! The place for the event stands in the entry, so that a future and its handler are one allocation.

use std::ptr::NonNull;
use std::task::{Poll, Waker};
use std::time::Instant;

use crate::core::handler::entry::{Anchor, Code, Control, Entity, Head, Round, state};
use crate::core::handler::handler_fn::{Callee, Filter, Subscribed, remove};
use crate::core::handler::owner::Owner;
use crate::core::primitives::flavour::{Primitives as Mode, Shared};
use crate::core::primitives::sync::{Fault, Lock, planted};
use crate::core::waiting::waiter::{self, Told, Waiter};

/// A place for one value, and who waits for it.
pub(crate) struct Slot<M: Mode, T: 'static> {
    state: M::Lock<State<T>>,
    /// Rung for a thread that waits.
    bell: M::Bell,
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

impl<M: Mode, T> Default for Slot<M, T> {
    fn default() -> Self {
        let state = State {
            value: None,
            over: false,
            waiter: Waiter::default(),
        };
        Slot {
            state: M::Lock::new(state),
            bell: M::bell(),
        }
    }
}

impl<M: Mode, T> Slot<M, T> {
    /// Lets a value in, if it is the first.
    fn fill(&self, value: T) -> Result<Told, T> {
        self.state.with(|state| {
            if state.over {
                return Err(value);
            }
            (state.value, state.over) = (Some(value), true);
            Ok(state.waiter.take())
        })
    }

    /// Nothing comes any more. What came before stays.
    fn end(&self) -> Told {
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

impl<T> Slot<Shared, T> {
    /// Parks until something came, or nothing will. `None`: the time was up first.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Option<Option<T>> {
        waiter::wait(
            &self.state,
            &self.bell,
            until,
            |state| &mut state.waiter,
            State::ask,
        )
    }
}

/// What a future sees of its handler.
pub(crate) trait Awaited<M: Mode, T>: Control<M> {
    fn slot(&self) -> &Slot<M, T>;
}

/// The entry of such a handler.
type Awaiting<M, S, P, T, F> = Subscribed<M, S, P, First<M, T, F>>;

/// A closure that makes the value out of an event, or passes over it.
pub(crate) struct First<M: Mode, T, F> {
    map: F,
    types: std::marker::PhantomData<fn() -> (M, T)>,
}

impl<M, E, C, T, F> Callee<M, E, C> for First<M, T, F>
where
    M: Mode,
    E: 'static,
    C: 'static,
    T: 'static,
    F: Fn(&E) -> Option<T> + 'static,
{
    type Kept = Slot<M, T>;

    fn call(&self, _: &Head<M>, _: &E, _: &mut Round<'_, C>) -> Code {
        unreachable!("it is called with its entry")
    }

    unsafe fn call_in<S: Owner<M, Event = E, Context = C>, P: Filter<E>>(
        entry: &Subscribed<M, S, P, Self>,
        event: &E,
        _: &mut Round<'_, C>,
    ) -> Code {
        // SAFETY: the caller has a hold.
        let map = unsafe { &entry.captures().callee.map };
        // User code, and so is the drop of what comes too late: both outside of the lock. A panic
        // leaves the handler waiting.
        let Some(value) = map(event) else {
            return Code::Skipped;
        };
        let slot = &entry.link.kept;
        match slot.fill(value) {
            Ok(told) => {
                // Before anybody hears of it, so that it can be waited for anew.
                remove(entry, 0);
                told.tell::<M>(&slot.bell);
                Code::Ran
            }
            Err(_late) => Code::Skipped,
        }
    }

    fn ended(&self, kept: &Slot<M, T>, head: &Head<M>) {
        if !planted(Fault::Unended) {
            kept.end().tell_guarded(&kept.bell, head);
        }
    }
}

impl<M, S, P, T, F> Awaited<M, T> for Awaiting<M, S, P, T, F>
where
    M: Mode,
    S: Owner<M>,
    P: Filter<S::Event>,
    T: 'static,
    F: Fn(&S::Event) -> Option<T> + 'static,
{
    fn slot(&self) -> &Slot<M, T> {
        &self.link.kept
    }
}

impl<M: Mode, T, F> First<M, T, F> {
    pub(crate) fn new(map: F) -> Self {
        First {
            map,
            types: std::marker::PhantomData,
        }
    }
}

/// What a future keeps of a new handler.
pub(crate) fn awaited<M, S, P, T, F>(
    entry: Anchor<M, Awaiting<M, S, P, T, F>>,
) -> Anchor<M, dyn Awaited<M, T>>
where
    M: Mode,
    S: Owner<M>,
    P: Filter<S::Event>,
    T: 'static,
    F: Fn(&S::Event) -> Option<T> + 'static,
{
    if entry.head().has(state::REMOVED) {
        // Refused, or called already with an event that is retained, which this leaves there. Nobody
        // waits yet.
        let _nobody = entry.link.kept.end();
    }
    entry.erase(|entry: NonNull<_>| entry as NonNull<dyn Awaited<M, T>>)
}
