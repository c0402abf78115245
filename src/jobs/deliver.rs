//! Outcomes and progress, delivered where a queue is drained.

use std::panic::Location;
use std::sync::Arc;

use super::context::{Listener, Progress};
use super::error::Outcome;
use super::host::QueueSender;
use super::job::{Job, JobHandle};
use crate::core::primitives::sync::{AtomicUsize, Mutex, Ordering, lock};
use crate::outcome::Outcome as Returned;
use crate::queue::Queue;

impl<T: Send + 'static> Job<T> {
    /// Calls `f` with the outcome by value, where `queue` is drained, with the context of the drain; a
    /// handle to the job without its value.
    ///
    /// The outcome is put into the queue when the callbacks that are there have run, by the thread that
    /// ran them, or here and now if they have. Being an item like any other there, it keeps the order
    /// of the queue, and its failure is in the [`Drained`](crate::Drained). Does not keep the queue.
    ///
    /// Where the queue does not take it, because it is full, closed, or gone, the outcome and `f` are
    /// dropped, and that is told to the error hook of the queue's bus or logged, as
    /// [`Undelivered`](crate::FailureKind::Undelivered). A queue that lets its threads wait for room lets
    /// the job's worker wait, too.
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
    pub fn on_done_in<C, F, R>(self, queue: &Queue<crate::flavour::Shared, C>, f: F) -> JobHandle
    where
        C: 'static,
        F: FnOnce(&mut C, Outcome<T>) -> R + Send + 'static,
        R: Returned,
    {
        let sender = QueueSender::to(queue, Location::caller());
        self.send_outcome_to(Box::new(move |outcome| {
            if let Err(kind) = sender.post(move |context: &mut C| f(context, outcome)) {
                sender.lost(kind);
            }
        }))
    }

    /// Calls `f` with the newest progress where `queue` is drained, with the context of the drain.
    ///
    /// At most one call of it waits in the queue: a job that tells of every byte does not flood a
    /// thread that looks sixty times a second. What it has told when the job completes is delivered
    /// before what [`on_done_in`](Self::on_done_in) puts into the same queue. If it has told something
    /// already, a call is put there now. Does not keep the queue; one that is full or closed does not
    /// take progress, and nobody is told of that, because the next progress says the same and more.
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
    pub fn on_progress_in<C, F, R>(&self, queue: &Queue<crate::flavour::Shared, C>, f: F)
    where
        C: 'static,
        F: FnMut(&mut C, Progress) -> R + Send + 'static,
        R: Returned,
    {
        let Some(core) = self.core() else { return };
        let location = Location::caller();
        let relay = Arc::new(Relay {
            sender: QueueSender::to(queue, location),
            newest: Mutex::new(None),
            waits: AtomicUsize::new(0),
            f: Mutex::new(Some(f)),
        });
        core.context
            .listen(Listener::new(location, move |progress| {
                Relay::tell(&relay, progress);
            }));
    }
}

/// Progress on its way into a queue.
struct Relay<C: 'static, F> {
    sender: QueueSender<C>,
    newest: Mutex<Option<Progress>>,
    /// Whether a call waits in the queue.
    waits: AtomicUsize,
    /// Taken out while it is called.
    f: Mutex<Option<F>>,
}

impl<C, F, R> Relay<C, F>
where
    C: 'static,
    F: FnMut(&mut C, Progress) -> R + Send + 'static,
    R: Returned,
{
    fn tell(relay: &Arc<Self>, progress: Progress) {
        *lock(&relay.newest) = Some(progress);
        if relay.waits.swap(1, Ordering::AcqRel) == 0 {
            let call = Call(Some(relay.clone()));
            // Refused, the call is dropped, and does not wait.
            let _ = relay.sender.post(move |context: &mut C| {
                // Drains take turns, so it is always there.
                call.deliver(context).ok_or("it is being delivered already")
            });
        }
    }
}

/// A call that waits. Dropped undelivered, it makes room for the next.
struct Call<C: 'static, F>(Option<Arc<Relay<C, F>>>);

impl<C: 'static, F> Call<C, F> {
    fn deliver<R: Returned>(mut self, context: &mut C) -> Option<R>
    where
        F: FnMut(&mut C, Progress) -> R,
    {
        let relay = self.0.take()?;
        // Before looking: what is told after this puts a call of its own into the queue.
        relay.waits.swap(0, Ordering::AcqRel);
        let progress = (*lock(&relay.newest))?;
        let f = lock(&relay.f).take()?;
        let mut turn = Turn(&relay.f, Some(f));
        let f = turn.1.as_mut()?;
        Some(f(context, progress))
    }
}

impl<C: 'static, F> Drop for Call<C, F> {
    fn drop(&mut self) {
        if let Some(relay) = self.0.take() {
            relay.waits.swap(0, Ordering::AcqRel);
        }
    }
}

/// Puts the closure back, after a panic, too.
struct Turn<'r, F>(&'r Mutex<Option<F>>, Option<F>);

impl<F> Drop for Turn<'_, F> {
    fn drop(&mut self) {
        let f = self.1.take();
        *lock(self.0) = f;
    }
}
