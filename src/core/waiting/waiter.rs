//! Who waits for the next event of a future or a stream: a task by its waker, or a parked thread.
//!
//! Wakers are user code: they are cloned before the lock, and woken and dropped after it.

use std::ops::ControlFlow;
use std::task::{Poll, Waker};
use std::time::Instant;

use crate::core::failure::panics::catch;
use crate::core::handler::entry::Head;
use crate::core::handler::failures;
use crate::core::primitives::flavour::{Primitives, Shared};
use crate::core::primitives::sync::Lock;

/// Stands beside what is waited for, under the same lock.
#[derive(Default)]
pub(crate) struct Waiter {
    waker: Option<Waker>,
    /// A thread waits for the bell.
    parked: bool,
}

/// Somebody was taken out of a [`Waiter`], and is to be told once the lock is released.
#[must_use = "whoever waits has to be told"]
#[derive(Default)]
pub(crate) struct PendingWake(Waiter);

impl Waiter {
    /// There is something, or nothing comes any more.
    pub(crate) fn take(&mut self) -> PendingWake {
        PendingWake(Waiter {
            waker: self.waker.take(),
            parked: self.parked,
        })
    }

    /// Nobody waits any more. What comes back is to be dropped once the lock is released.
    pub(crate) fn forget(&mut self) -> Option<Waker> {
        self.waker.take()
    }
}

impl PendingWake {
    /// Wakes. What a waker does wrong unwinds into the caller.
    pub(crate) fn wake<M: Primitives>(self, condvar: &M::Condvar) {
        let PendingWake(Waiter { waker, parked }) = self;
        if parked {
            M::notify_all(condvar);
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Wakes where nothing may unwind: a panic of the waker is a failure of the handler.
    pub(crate) fn wake_guarded<M: Primitives>(self, condvar: &M::Condvar, head: &Head<M>) {
        if self.0.waker.is_none() && !self.0.parked {
            return;
        }
        if let Err(payload) = catch(|| self.wake::<M>(condvar)) {
            failures::panicked(head, None, payload);
        }
    }
}

/// What `ask` finds under the lock. If that is nothing, the waker is kept for what comes.
pub(crate) fn poll<S, R>(
    at: &impl Lock<S>,
    waker: &Waker,
    waiter: impl Fn(&mut S) -> &mut Waiter,
    mut ask: impl FnMut(&mut S) -> Option<R>,
) -> Poll<R> {
    // Before the lock, though it may not be needed: a second lock costs more.
    let mut new = Some(waker.clone());
    let (poll, old) = at.with(|state| {
        if let Some(found) = ask(state) {
            return (Poll::Ready(found), None);
        }
        let registered = &mut waiter(state).waker;
        (Poll::Pending, std::mem::replace(registered, new.take()))
    });
    drop((old, new));
    poll
}

/// The same for a thread, which parks until there is something. `None`: the time was up first.
pub(crate) fn wait<S, R>(
    at: &<Shared as Primitives>::Lock<S>,
    condvar: &<Shared as Primitives>::Condvar,
    until: Option<Instant>,
    waiter: impl Fn(&mut S) -> &mut Waiter,
    mut ask: impl FnMut(&mut S) -> Option<R>,
) -> Option<R> {
    Shared::wait(at, condvar, |state| {
        waiter(state).parked = false;
        if let Some(found) = ask(state) {
            return ControlFlow::Break(Some(found));
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            return ControlFlow::Break(None);
        }
        waiter(state).parked = true;
        ControlFlow::Continue(until)
    })
}
