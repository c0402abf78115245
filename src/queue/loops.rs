//! Waiting until a queue has events to drain.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::FusedFuture;

use crate::core::failure::log::no_threads;
use crate::core::flavour::{Flavour, Shared, SyncBound};
use crate::core::primitives::clock::Instant;
use crate::core::primitives::sync::THREADS;
use crate::core::primitives::unwind::unwind_safe;
use crate::core::queue::active_drain::DrainSummary;
use crate::core::queue::queue::Queue as Core;
use crate::core::queue::ready::ReadyKey;
use crate::core::settings::observer::observer;
use crate::queue::Queue;
use crate::queue::drained::Drained;

#[doc = include_str!("../flavour/ready.md")]
#[must_use = "a future does nothing until it is polled"]
pub struct Ready<M: Flavour, C: 'static = ()> {
    core: M::Ptr<Core<M, C>>,
    ready_key: ReadyKey,
    /// Whether it has completed.
    done: bool,
}

impl<M: Flavour, C: 'static> Queue<M, C> {
    /// Sets the callback that is called when there are events to drain, in place of the one set
    /// before.
    ///
    /// It is called when the queue becomes non-empty, at once if events are waiting already, and
    /// after a drain that leaves events behind. No such moment is missed, but a call may be
    /// spurious. If it drains, and handlers defer again, it is called again when it has returned, and
    /// not inside of itself. It runs on the thread that defers, outside of all locks, and should only wake the
    /// loop that drains: post to the window system's event loop, unpark a thread, or, as here, send
    /// on a channel with a capacity of one. A panic in it is reported as a failure of the queue.
    ///
    /// The passing of time does not call it: [`next_deadline`](Self::next_deadline) says when the
    /// first delayed event is due. It is called when an event is delayed with an earlier deadline
    /// than all others, so that a loop that sleeps until the next deadline looks at it again.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let queue = slotcast::Queue::new();
    /// let (wake, woken) = mpsc::sync_channel(1); // one wake is as good as ten
    /// queue.on_ready(move || _ = wake.try_send(()));
    /// std::thread::spawn({ let queue = queue.clone(); move || queue.post(|| ()) });
    /// woken.recv()?;
    /// assert_eq!(queue.drain().delivered(), 1);
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    #[track_caller]
    pub fn on_ready<F>(&self, wake: F)
    where
        F: Fn() + 'static,
        M: SyncBound<F>,
    {
        self.core
            .on_ready(observer(move |(): &()| wake(), Location::caller()));
    }

    /// Takes the callback of [`on_ready`](Self::on_ready) out again, and returns whether there was one: for
    /// a loop that ends before its queue does. Its captures are dropped in this call, outside of locks, or
    /// with the call of it that is under way.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = slotcast::Queue::new();
    /// queue.on_ready(|| unreachable!("the loop has ended"));
    /// assert!(queue.clear_on_ready());
    /// queue.post(|| ())?;
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    pub fn clear_on_ready(&self) -> bool {
        self.core.clear_on_ready()
    }

    /// Returns a future that completes when the queue has events: with `true`, or with `false` once
    /// the queue is closed and has none. Works with every executor.
    ///
    /// It completes at once if events are waiting that a drain on another thread has not taken
    /// already, and is woken when the queue becomes non-empty
    /// and when it is closed. There may be several at a time, and all are woken. The wakers are
    /// called by the thread that defers, outside of all locks; a panic in one is reported as a
    /// failure of the queue. No such moment is missed, but a wake-up may be spurious: by the time
    /// the task runs, another thread may have drained the queue.
    ///
    /// The passing of time does not wake it: if events are delayed, wait for
    /// [`next_deadline`](Self::next_deadline) as well. An event that gets an earlier deadline than
    /// all others wakes and completes it, so that the deadline is read again: create the future
    /// first, and read the deadline then. The future keeps the queue alive; dropping it unregisters
    /// its waker.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Queue;
    ///
    /// async fn serve(queue: Queue) {
    ///     while queue.ready().await {
    ///         queue.drain();
    ///     }
    /// }
    /// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
    /// let queue = Queue::new();
    /// queue.post(|| println!("called by the drain"))?;
    /// queue.close();
    /// let mut context = Context::from_waker(Waker::noop());
    /// assert_eq!(pin!(serve(queue)).poll(&mut context), Poll::Ready(()));
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    pub fn ready(&self) -> Ready<M, C> {
        Ready {
            core: self.core.clone(),
            ready_key: self.core.listen(),
            done: false,
        }
    }
}

impl<C: 'static> Queue<Shared, C> {
    /// Parks until there are events to drain, delayed ones that are due included, but no longer
    /// than `timeout`; returns whether there are. A timeout of zero does not wait.
    ///
    /// Events that a drain on another thread has taken are not waited for: they are ready when it
    /// leaves them behind. Inside of a drain on this thread those are ready that it has not delivered
    /// yet, so that a handler can wait and drain in a loop. Returns `false` at once if the queue is
    /// closed and has no events.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let queue = slotcast::Queue::new();
    /// assert!(!queue.wait_timeout(Duration::ZERO));
    /// std::thread::spawn({ let queue = queue.clone(); move || queue.post(|| ()) });
    /// assert!(queue.wait_timeout(Duration::from_secs(60)));
    /// assert_eq!(queue.drain().delivered(), 1);
    /// ```
    #[must_use]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        // A time beyond the range of the clock is never reached.
        let until = Instant::now().checked_add(timeout);
        self.core.wait(until)
    }

    /// Like [`run`](Queue::run), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// As `run`.
    #[track_caller]
    pub fn run_with(&self, context: &mut C) -> Drained {
        let mut all = DrainSummary::default();
        while self.core.wait(None) {
            let batch = self.drain_with(context);
            // The failures are logged here, if there is no hook.
            all.count(&batch.0);
            if batch.is_stuck() {
                (all.busy, all.remaining) = (batch.is_busy(), batch.remaining());
                break;
            }
        }
        if !THREADS && !self.is_closed() {
            no_threads("Queue::run");
        }
        Drained(all)
    }
}

impl Queue<Shared> {
    /// Drains until the queue is closed and empty; parks while there are no events, until the next
    /// delayed one is due.
    ///
    /// On a target without threads it drains what is ready, returns, and logs that it does not wait.
    ///
    /// Inside of a drain it does not wait for another thread that drains: it returns, and
    /// [`Drained::is_busy`] returns `true`. Once the queue is closed it does not wait for delayed
    /// events: those that are not due stay in it. The return value has the number of events delivered. Failures are reported to the hook,
    /// or logged, after each batch, and are not in the return value.
    ///
    /// # Panics
    ///
    /// If a handler panics: after the batch it was in. The remaining events stay in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = slotcast::Queue::new();
    /// let worker = std::thread::spawn({ let queue = queue.clone(); move || queue.run().delivered() });
    /// queue.post(|| ())?;
    /// queue.close();
    /// assert_eq!(worker.join().unwrap(), 1);
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    #[track_caller]
    pub fn run(&self) -> Drained {
        self.run_with(&mut ())
    }
}

impl<M: Flavour, C: 'static> Future for Ready<M, C> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        let Ready {
            core,
            ready_key,
            done,
        } = &mut *self;
        let poll = core.poll_ready(ready_key, context.waker());
        *done |= poll.is_ready();
        poll
    }
}

impl<M: Flavour, C: 'static> FusedFuture for Ready<M, C> {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

// No field is pinned structurally.
impl<M: Flavour, C: 'static> Unpin for Ready<M, C> {}

impl<M: Flavour, C: 'static> Drop for Ready<M, C> {
    fn drop(&mut self) {
        self.core.forget(&self.ready_key);
    }
}

impl<M: Flavour, C: 'static> fmt::Debug for Ready<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}

unwind_safe! {
    [M: Flavour, C] Ready<M, C>;
}
