//! Notification that a queue has events to drain: the `on_ready` callback, futures, parked threads.
//!
//! All are notified outside of the lock: callbacks and wakers are user code.
//!
//! # Decisions
//!
//! **A thread calls the callback of a queue once at a time.** What a callback makes ready itself, by a
//! drain whose handlers defer, is notified when it has returned. So a callback that drains needs constant
//! stack.
//!
//! **A waker is called for a first event and for an earlier deadline, never because time has
//! passed.** The crate has no thread that could do so.

use std::ops::ControlFlow;
use std::task::{Poll, Waker};

use crate::core::primitives::clock::Instant;
use crate::core::primitives::flavour::Shared;
use crate::core::primitives::sync::THREADS;
use crate::core::primitives::thread;
use crate::core::queue::inbox::Inbox;
use crate::core::queue::lanes::QueueFlavour;
use crate::core::queue::queue::Queue;
use crate::core::queue::wakers::{Notifying, WakerKey, Woken};
use crate::core::settings::failure_source::guarded;
use crate::core::settings::observer::ObserverRef;

/// What a future that waits for a queue remembers.
#[derive(Debug)]
pub(crate) struct ReadyKey {
    key: Option<WakerKey>,
    /// The value of [`Inbox::firsts`] when it was created or last polled.
    firsts: u64,
}

impl<M: QueueFlavour, C: 'static> Inbox<M, C> {
    /// Whether a notification would reach anything: the callback, a parked thread, or a future.
    pub(super) fn has_waiters(&self) -> bool {
        self.on_ready.is_some() || self.waiting > 0 || !self.wakers.is_empty()
    }
}

impl<M: QueueFlavour, C: 'static> Inbox<M, C> {
    /// What a thread is to call. `None` if there is nothing, or if it is calling already: then it does so
    /// once more afterwards.
    fn begin_notifying(&mut self, own: usize) -> Option<(Option<ObserverRef<M, ()>>, Woken)> {
        if let Some(outer) = self.notifying.iter_mut().find(|it| it.thread == own) {
            outer.again = true;
            return None;
        }
        if self.on_ready.is_none() && self.wakers.is_empty() {
            return None;
        }
        self.notifying.push(Notifying {
            thread: own,
            again: false,
        });
        Some((self.on_ready.clone(), self.wakers.take()))
    }

    /// Returns whether there is more to notify of.
    fn end_notifying(&mut self, own: usize) -> bool {
        let at = self.notifying.iter().position(|it| it.thread == own);
        at.is_some_and(|at| self.notifying.swap_remove(at).again)
    }
}

impl<M: QueueFlavour, C: 'static> Queue<M, C> {
    /// Notifies all that wait for events to drain.
    #[cold]
    pub(super) fn notify_ready(&self) {
        let own = thread::token();
        loop {
            let (called, waiting) = self.boxes.with(|inbox| {
                let called = inbox.begin_notifying(own);
                (called, inbox.waiting > 0)
            });
            if waiting {
                M::notify_all(&self.not_empty);
            }
            let Some((on_ready, wakers)) = called else {
                return;
            };
            self.wake_all(wakers);
            if let Some(on_ready) = on_ready {
                self.call_on_ready(&on_ready);
            }
            if !self.boxes.with(|inbox| inbox.end_notifying(own)) {
                return;
            }
        }
    }

    /// Calls the callback. A panic in it is reported as a failure of the queue.
    fn call_on_ready(&self, on_ready: &ObserverRef<M, ()>) {
        if let Some(strong) = on_ready.upgrade() {
            let location = on_ready.head().location;
            guarded(Some(&*self.info), None, location, || strong.observe(&()));
        }
    }

    /// Calls the wakers. A panic in one is reported as a failure of the queue, and does not affect
    /// the others.
    pub(super) fn wake_all(&self, wakers: Woken) {
        for waker in wakers {
            guarded(Some(&*self.info), None, self.location, || waker.wake());
        }
    }

    /// Takes the callback out, and returns whether there was one.
    pub(crate) fn clear_on_ready(&self) -> bool {
        let old = self.boxes.with(|inbox| inbox.on_ready.take());
        // Outside of the lock: dropping it runs user code.
        old.inspect(ObserverRef::<M, _>::release).is_some()
    }

    /// Sets the callback, and calls it if there are events to drain already.
    pub(crate) fn on_ready(&self, on_ready: ObserverRef<M, ()>) {
        let (old, is_ready) = self.boxes.with(|inbox| {
            let is_ready = self.has_ready(inbox);
            (inbox.on_ready.replace(on_ready.clone()), is_ready)
        });
        if let Some(old) = old {
            old.release();
        }
        if is_ready {
            self.call_on_ready(&on_ready);
        }
    }

    /// The key of a new future.
    pub(crate) fn listen(&self) -> ReadyKey {
        let firsts = self.boxes.with(|inbox| inbox.firsts);
        ReadyKey { key: None, firsts }
    }

    /// Ready with `true` if there are events to drain or the earliest deadline has changed, and
    /// with `false` if the queue is closed and has none. Otherwise registers the waker, which is
    /// called when that changes.
    pub(crate) fn poll_ready(&self, ready_key: &mut ReadyKey, waker: &Waker) -> Poll<bool> {
        // Cloned and dropped outside of the lock: both are user code.
        let new = waker.clone();
        let (poll, unused) = self.boxes.with(|inbox| {
            // A task that sleeps until the next deadline has to look at it again.
            let seen = std::mem::replace(&mut ready_key.firsts, inbox.firsts);
            if self.has_ready(inbox) || seen < inbox.firsts {
                return (Poll::Ready(true), Some(new));
            }
            if inbox.closed && self.boxes.pending(inbox) == 0 {
                return (Poll::Ready(false), Some(new));
            }
            let wakers = inbox.wakers.0.get_or_insert_default();
            let registered = ready_key.key.and_then(|key| wakers.get_mut(key));
            match registered {
                Some(old) => (Poll::Pending, Some(std::mem::replace(old, new))),
                None => {
                    ready_key.key = Some(wakers.insert(new));
                    (Poll::Pending, None)
                }
            }
        });
        drop(unused);
        poll
    }

    /// Removes the waker of a future that is dropped.
    pub(crate) fn forget(&self, ready_key: &ReadyKey) {
        let Some(key) = ready_key.key else { return };
        let waker = self
            .boxes
            .with(|inbox| inbox.wakers.0.as_mut()?.remove(key));
        // Outside of the lock: user code.
        drop(waker);
    }
}

impl<C: 'static> Queue<Shared, C> {
    /// Parks until there are events to drain, delayed ones that are due included, until the queue
    /// is closed, or until `until`; returns whether there are. Where there are no threads it does not wait.
    pub(crate) fn wait(&self, until: Option<Instant>) -> bool {
        let mut waiting = false;
        let (is_inside, is_mine) = (thread::is_draining(), self.boxes.is_mine());
        self.boxes.wait(&self.not_empty, |inbox| {
            inbox.waiting -= usize::from(std::mem::take(&mut waiting));
            // Inside of a drain it waits for no turn: the drain that follows says that it is busy.
            let is_busy = self.boxes.is_taken() && until.is_none() && is_inside && !is_mine;
            if self.has_ready(inbox) || is_busy {
                return ControlFlow::Break(true);
            }
            let due = inbox.next_deadline();
            // The clock is read only if there is a time to compare it with.
            let now = due.or(until).map(|_| Instant::now());
            if due.is_some() && due <= now {
                return ControlFlow::Break(true);
            }
            let is_over = inbox.closed && self.boxes.pending(inbox) == 0;
            if is_over || !THREADS || (until.is_some() && until <= now) {
                return ControlFlow::Break(false);
            }
            inbox.waiting += 1;
            waiting = true;
            ControlFlow::Continue(due.into_iter().chain(until).min())
        })
    }
}
