//! What waits for the next event of a future or a stream: a task by its waker, or a parked thread.
//!
//! Wakers are user code: they are cloned before the lock is acquired, and called and dropped after
//! it is released.
//!
//! # Decision
//!
//! **`wait` and wakers share one mechanism**, because a future may be polled first and waited for
//! later.

use std::ops::ControlFlow;
use std::task::{Poll, Waker};

use crate::core::failure::panics::catch;
use crate::core::follow;
use crate::core::handler::entry::Header;
use crate::core::handler::failures;
use crate::core::primitives::clock::Instant;
use crate::core::primitives::flavour::{Primitives, Shared};
use crate::core::primitives::sync::{Lock, THREADS};

/// The one task or thread that waits. Stands beside what it waits for, under the same lock.
#[derive(Default)]
pub(crate) struct Waiter {
    waker: Option<Waker>,
    /// A thread is parked on the condition variable.
    parked: bool,
}

/// What was taken out of a [`Waiter`], to be woken once the lock is released.
#[must_use = "the waiter has to be woken"]
#[derive(Default)]
pub(crate) struct PendingWake(Waiter);

impl Waiter {
    /// Takes what is to be woken, because there is an event or because none comes any more.
    pub(crate) fn take(&mut self) -> PendingWake {
        PendingWake(Waiter {
            waker: self.waker.take(),
            parked: self.parked,
        })
    }

    /// Removes the waker of a future that is dropped. It has to be dropped once the lock is
    /// released.
    pub(crate) fn forget(&mut self) -> Option<Waker> {
        self.waker.take()
    }
}

impl PendingWake {
    /// Wakes. A panic of the waker unwinds into the caller.
    pub(crate) fn wake<M: Primitives>(self, condvar: &M::Condvar) {
        let PendingWake(Waiter { waker, parked }) = self;
        if parked {
            M::notify_all(condvar);
        }
        if let Some(waker) = waker {
            // What waits is somebody else's code, and may be polled in here.
            let _here = follow::enter_nothing();
            waker.wake();
        }
    }

    /// Wakes without unwinding: a panic of the waker is a failure of the handler.
    pub(crate) fn wake_guarded<M: Primitives>(self, condvar: &M::Condvar, head: &Header<M>) {
        if self.0.waker.is_none() && !self.0.parked {
            return;
        }
        if let Err(payload) = catch(|| self.wake::<M>(condvar)) {
            failures::panicked(head, None, payload);
        }
    }
}

/// Returns what `check` finds under the lock. If that is nothing, registers the waker.
pub(crate) fn poll<S, R>(
    lock: &impl Lock<S>,
    waker: &Waker,
    waiter: impl Fn(&mut S) -> &mut Waiter,
    mut check: impl FnMut(&mut S) -> Option<R>,
) -> Poll<R> {
    // Cloned before the lock, even if it may not be needed: to lock twice costs more.
    let new = Some(waker.clone());
    let (poll, unused) = lock.with(|state| match check(state) {
        Some(found) => (Poll::Ready(found), new),
        None => (
            Poll::Pending,
            std::mem::replace(&mut waiter(state).waker, new),
        ),
    });
    drop(unused);
    poll
}

/// Parks the thread until `check` finds something under the lock. Returns `None` if `until` comes
/// first, and where there are no threads.
pub(crate) fn wait<S, R>(
    lock: &<Shared as Primitives>::Lock<S>,
    condvar: &<Shared as Primitives>::Condvar,
    until: Option<Instant>,
    waiter: impl Fn(&mut S) -> &mut Waiter,
    mut check: impl FnMut(&mut S) -> Option<R>,
) -> Option<R> {
    Shared::wait(lock, condvar, |state| {
        waiter(state).parked = false;
        if let Some(found) = check(state) {
            return ControlFlow::Break(Some(found));
        }
        if !THREADS || until.is_some_and(|until| Instant::now() >= until) {
            return ControlFlow::Break(None);
        }
        waiter(state).parked = true;
        ControlFlow::Continue(until)
    })
}
