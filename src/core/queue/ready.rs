//! Who is told that something waits: the wake of `on_ready`, futures, threads.
//!
//! All of them are called outside of the lock; wakes and wakers are user code.

use std::ops::ControlFlow;
use std::task::{Poll, Waker};
use std::time::Instant;

use crate::core::primitives::flavour::{Primitives, Shared};
use crate::core::primitives::sync::Lock;
use crate::core::queue::lanes::QueueFlavour;
use crate::core::queue::queue::{Inbox, Queue};
use crate::core::queue::wakers::{WakerKey, Woken};
use crate::core::settings::failure_source::guarded;
use crate::core::settings::observer::ObserverRef;

/// What ends a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Something can be drained.
    Ready,
    /// Closed, and nothing can be drained.
    Closed,
    TimedOut,
}

/// A future's place among those that wait.
#[derive(Debug)]
pub(crate) struct ReadyKey {
    key: Option<WakerKey>,
    /// How many events had had the earliest deadline when it was told last, or made.
    firsts: u64,
}

impl<M: QueueFlavour, C: 'static> Inbox<M, C> {
    /// Whether somebody has to be told of the first event. Asked when that was added to lanes that
    /// were empty.
    pub(super) fn has_waiters(&self) -> bool {
        self.wake.is_some() || self.waiting > 0 || !self.wakers.is_empty()
    }
}

impl<M: QueueFlavour, C: 'static> Queue<M, C> {
    /// Tells whoever wants to know that something waits.
    #[cold]
    pub(super) fn notify_ready(&self) {
        let (wake, wakers, waiting) = self.inbox.with(|inbox| {
            let wakers = inbox.wakers.take();
            (inbox.wake.clone(), wakers, inbox.waiting > 0)
        });
        if waiting {
            M::notify_all(&self.condvar);
        }
        self.wake_all(wakers);
        if let Some(wake) = wake {
            self.wake(&wake);
        }
    }

    /// Calls the wake. A panic in it is a failure of the queue, and told as such.
    fn wake(&self, wake: &ObserverRef<M, ()>) {
        let Some(hold) = wake.hold() else { return };
        guarded(Some(&*self.info), None, wake.location(), || {
            hold.observe(&())
        });
    }

    /// Calls the wakers, each by itself.
    pub(super) fn wake_all(&self, wakers: Woken) {
        for waker in wakers {
            guarded(Some(&*self.info), None, self.location, || waker.wake());
        }
    }

    pub(crate) fn on_ready(&self, wake: ObserverRef<M, ()>) {
        let (old, fire) = self.inbox.with(|inbox| {
            let waits = self.there(inbox) > 0;
            (inbox.wake.replace(wake.clone()), waits)
        });
        if let Some(old) = old {
            old.release();
        }
        if fire {
            self.wake(&wake);
        }
    }

    /// A future is made.
    pub(crate) fn listen(&self) -> ReadyKey {
        let firsts = self.inbox.with(|inbox| inbox.firsts);
        ReadyKey { key: None, firsts }
    }

    /// Whether something waits, `false` if nothing does and the queue is closed. Until then the
    /// waker is called when that has changed.
    pub(crate) fn poll_ready(&self, ready_key: &mut ReadyKey, waker: &Waker) -> Poll<bool> {
        // Cloned and dropped outside of the lock: both are user code.
        let mut new = Some(waker.clone());
        let (poll, old) = self.inbox.with(|inbox| {
            // Whoever sleeps until the next deadline has to look at it again.
            let seen = std::mem::replace(&mut ready_key.firsts, inbox.firsts);
            if self.there(inbox) > 0 || seen < inbox.firsts {
                return (Poll::Ready(true), None);
            }
            if inbox.closed {
                return (Poll::Ready(false), None);
            }
            let wakers = inbox.wakers.0.get_or_insert_default();
            let registered = ready_key.key.and_then(|key| wakers.get_mut(key));
            match (registered, new.take()) {
                (Some(old), Some(new)) => (Poll::Pending, Some(std::mem::replace(old, new))),
                (None, Some(new)) => {
                    ready_key.key = Some(wakers.insert(new));
                    (Poll::Pending, None)
                }
                (_, None) => (Poll::Pending, None),
            }
        });
        drop((old, new));
        poll
    }

    /// Forgets a future.
    pub(crate) fn forget(&self, ready_key: &ReadyKey) {
        let Some(key) = ready_key.key else { return };
        let waker = self
            .inbox
            .with(|inbox| inbox.wakers.0.as_mut()?.remove(key));
        // Outside of the lock: user code.
        drop(waker);
    }
}

impl<C: 'static> Queue<Shared, C> {
    /// Parks until there is something to drain, until the queue is closed, or until the time is up.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Waited {
        let mut waiting = false;
        Shared::wait(&self.inbox, &self.condvar, |inbox| {
            inbox.waiting -= usize::from(std::mem::take(&mut waiting));
            if self.there(inbox) > 0 {
                return ControlFlow::Break(Waited::Ready);
            }
            let due = inbox.delayed.as_ref().and_then(|delayed| delayed.next());
            // The clock is asked only where there is something to ask it for.
            let now = due.or(until).map(|_| Instant::now());
            if due.is_some() && due <= now {
                return ControlFlow::Break(Waited::Ready);
            }
            if inbox.closed {
                return ControlFlow::Break(Waited::Closed);
            }
            if until.is_some() && until <= now {
                return ControlFlow::Break(Waited::TimedOut);
            }
            inbox.waiting += 1;
            waiting = true;
            ControlFlow::Continue(match (due, until) {
                (Some(due), Some(until)) => Some(due.min(until)),
                (due, until) => due.or(until),
            })
        })
    }
}
