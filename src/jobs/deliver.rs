//! Delivery of outcomes and progress through a queue.

use std::panic::Location;
use std::sync::Arc;

use super::context::{Listener, Progress};
use super::error::Outcome;
use super::host::QueueSender;
use super::job::{Job, JobHandle};
use crate::core::primitives::sync::{AtomicUsize, Mutex, Ordering, lock};
use crate::flavour::Shared;
use crate::outcome::Outcome as Returned;
use crate::queue::Queue;

impl<T: Send + 'static> Job<T> {
    /// Calls `f` with the outcome by value and the context of the drain, where `queue` is drained.
    /// Returns a handle to the job without its value.
    ///
    /// The outcome is put into the queue after the callbacks have run, by the thread that ran them;
    /// by this call if they already have. It keeps the queue's order, and a failure of `f` is in the
    /// [`Drained`](crate::Drained). Does not keep the queue alive.
    ///
    /// The bound of the queue does not count it: an outcome joins a full queue, is not dropped by
    /// overflow, and its worker never waits. If the queue is closed or dropped, the outcome and `f`
    /// are dropped. That is reported to the error hook of the queue's bus or logged, as
    /// [`Undelivered`](crate::FailureKind::Undelivered). If this job was awaited by reference and gave
    /// its outcome, `f` is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Jobs, Queue};
    ///
    /// struct App { title: String }
    /// let ui = Queue::<App>::with_context();
    /// let jobs = Jobs::new(1);
    /// let handle = jobs
    ///     .submit(|_| "report.txt".to_owned())
    ///     .on_done_in(&ui, |app, outcome| app.title = outcome.unwrap_or_default());
    ///
    /// let mut app = App { title: String::new() };
    /// while app.title.is_empty() && ui.wait_timeout(std::time::Duration::from_secs(60)) {
    ///     ui.drain_with(&mut app);
    /// }
    /// assert!(app.title == "report.txt" && handle.is_done());
    /// ```
    #[track_caller]
    pub fn on_done_in<C: 'static, F, R: Returned>(self, queue: &Queue<Shared, C>, f: F) -> JobHandle
    where
        F: FnOnce(&mut C, Outcome<T>) -> R + Send + 'static,
    {
        let sender = QueueSender::new(queue, Location::caller());
        self.send_outcome_to(Box::new(move |outcome| {
            if let Err(kind) = sender.post(move |context: &mut C| f(context, outcome)) {
                sender.report_lost(kind);
            }
        }))
    }

    /// Calls `f` with the newest progress and the context of the drain, where `queue` is drained.
    ///
    /// At most one such call waits in the queue: a job that reports every byte does not flood a
    /// thread that drains sixty times a second. Progress reported before the job completes is
    /// delivered before what [`on_done_in`](Self::on_done_in) puts into the same queue. If progress
    /// was reported already, a call is put there now. The bound of the queue does not count it. Does
    /// not keep the queue alive; one that is closed or dropped refuses progress in silence.
    ///
    /// # Examples
    ///
    /// ```
    /// let ui = slotcast::Queue::<Vec<u64>>::with_context();
    /// let (promise, job) = slotcast::promise::<()>();
    /// job.on_progress_in(&ui, |seen: &mut Vec<u64>, progress| seen.push(progress.done));
    /// for done in 1..=1000 {
    ///     promise.progress(done, 1000);
    /// }
    /// let mut seen = Vec::new();
    /// ui.drain_with(&mut seen);
    /// assert_eq!(seen, [1000]);
    /// ```
    #[track_caller]
    pub fn on_progress_in<C: 'static, F, R: Returned>(&self, queue: &Queue<Shared, C>, f: F)
    where
        F: FnMut(&mut C, Progress) -> R + Send + 'static,
    {
        let Some(core) = self.core() else { return };
        let location = Location::caller();
        let relay = Arc::new(Relay {
            sender: QueueSender::new(queue, location),
            newest: Mutex::new(None),
            queued: AtomicUsize::new(0),
            f: Mutex::new(Some(f)),
        });
        let send = move |progress| Relay::send(&relay, progress);
        core.context.add_listener(Listener::new(location, send));
    }
}

/// Passes progress on to a queue, at most one call at a time.
struct Relay<C: 'static, F> {
    sender: QueueSender<C>,
    newest: Mutex<Option<Progress>>,
    /// Not 0: a call waits in the queue.
    queued: AtomicUsize,
    /// `None` while it is called.
    f: Mutex<Option<F>>,
}

impl<C: 'static, F, R: Returned> Relay<C, F>
where
    F: FnMut(&mut C, Progress) -> R + Send + 'static,
{
    fn send(relay: &Arc<Self>, progress: Progress) {
        *lock(&relay.newest) = Some(progress);
        // AcqRel; pairs with the swap in `QueuedCall::deliver`: a call that still waits sees this
        // swap before it reads `newest`.
        if relay.queued.swap(1, Ordering::AcqRel) == 0 {
            let call = QueuedCall(Some(relay.clone()));
            // If the queue refuses the call, its drop resets `queued`.
            let _ = relay.sender.post(move |context: &mut C| {
                // One drain at a time, so the closure is always there.
                call.deliver(context).ok_or("it is being delivered already")
            });
        }
    }
}

/// A call that waits in the queue. Dropped undelivered, it lets the next one be queued.
struct QueuedCall<C: 'static, F>(Option<Arc<Relay<C, F>>>);

impl<C: 'static, F> QueuedCall<C, F> {
    fn deliver<R: Returned>(mut self, context: &mut C) -> Option<R>
    where
        F: FnMut(&mut C, Progress) -> R,
    {
        let relay = self.0.take()?;
        // Before reading: progress that comes after this queues a call of its own. AcqRel; pairs
        // with the swap in `Relay::send`.
        relay.queued.swap(0, Ordering::AcqRel);
        let progress = (*lock(&relay.newest))?;
        let f = lock(&relay.f).take()?;
        let mut guard = PutBack(&relay.f, Some(f));
        let f = guard.1.as_mut()?;
        Some(f(context, progress))
    }
}

impl<C: 'static, F> Drop for QueuedCall<C, F> {
    fn drop(&mut self) {
        if let Some(relay) = self.0.take() {
            relay.queued.swap(0, Ordering::AcqRel);
        }
    }
}

/// Puts the closure back when it is dropped, after a panic, too.
struct PutBack<'r, F>(&'r Mutex<Option<F>>, Option<F>);

impl<F> Drop for PutBack<'_, F> {
    fn drop(&mut self) {
        let f = self.1.take();
        *lock(self.0) = f;
    }
}
