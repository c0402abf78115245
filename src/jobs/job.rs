//! The handles to a job: one that takes its outcome, and one that does not.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::FusedFuture;

use crate::core::primitives::unwind::unwind_safe;

use super::context::{Listener, Progress};
use super::core::{Callback, Consumer, Core};
use super::error::{JobError, Outcome};
use super::pool;
use super::task::{DynJob, TypedJob};

/// Background work that completes once: with a value, or with a [`JobError`].
///
/// Made by [`Jobs::submit`](super::Jobs::submit) and [`promise`](super::promise()). Any number of
/// callbacks see the outcome by reference; one consumer takes it by value: `wait`, `try_take`,
/// `.await`, or [`on_done_in`](Self::on_done_in), which all consume the handle.
///
/// # Order
///
/// Callbacks run once each, in the order they were added, on the thread that completes the job. One
/// that is added while they run joins the end; one that is added later runs at once, on the thread
/// that adds it. When all of them have run, the outcome can be taken, and its waiters are woken. So a
/// callback that blocks delays the job's worker and the consumer of its outcome.
///
/// # Threads and locks
///
/// `Send` and `Sync`, if `T` is `Send`. No lock is held while callbacks, wakers, or a `Drop` of yours
/// run, so they may use this job and others. A callback that panics stops neither the other callbacks
/// nor the waiters; the panic is logged, once.
///
/// # Dropping
///
/// A job whose handle is dropped continues, callbacks included, and its outcome is dropped. With
/// [`abort_on_drop`](Self::abort_on_drop), dropping the handle cancels the job instead.
///
/// # Examples
///
/// ```
/// let jobs = slotcast::Jobs::new(1);
/// let job = jobs.submit(|_| 6 * 7);
/// job.on_done(|outcome| println!("{outcome:?}"));
/// assert_eq!(job.wait()?, 42);
/// # Ok::<(), slotcast::JobError>(())
/// ```
pub struct Job<T> {
    inner: Arc<dyn TypedJob<T>>,
    /// The outcome was taken by `poll`, or handed on.
    taken: bool,
    abort_on_drop: bool,
}

impl<T: Send + 'static> Job<T> {
    pub(super) fn new(inner: Arc<dyn TypedJob<T>>) -> Self {
        Job {
            inner,
            taken: false,
            abort_on_drop: false,
        }
    }

    /// Calls `f` with the outcome, on the thread that completes the job; at once and on this thread, if
    /// the job has completed.
    ///
    /// Allocates, if `f` captures something. See [the order](Job#order).
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::promise;
    /// use std::sync::{Arc, Mutex};
    ///
    /// let log = Arc::new(Mutex::new(Vec::new()));
    /// let (promise, job) = promise::<u32>();
    /// let first = log.clone();
    /// job.on_done(move |outcome| first.lock().unwrap().push(("first", outcome.clone())));
    /// promise.complete(7);
    /// let late = log.clone();
    /// job.on_done(move |outcome| late.lock().unwrap().push(("late", outcome.clone())));
    /// assert_eq!(*log.lock().unwrap(), [("first", Ok(7)), ("late", Ok(7))]);
    /// ```
    #[track_caller]
    pub fn on_done<F: FnOnce(&Outcome<T>) + Send + 'static>(&self, f: F) {
        if let Some(core) = self.core() {
            core.on_done(Box::new(Callback::new(Location::caller(), f)));
        }
    }

    /// Calls `f` whenever the job reports progress, on the thread that reports it; and at once, on this
    /// thread, with the newest progress, if there is any.
    ///
    /// The job waits while `f` runs. If it reports from several threads, `f` runs on several. `f` is
    /// dropped when the job completes, before its callbacks run. A panic in it is logged, and later
    /// progress calls it again. To be called on another thread, use
    /// [`on_progress_in`](Self::on_progress_in).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    ///
    /// let (promise, job) = slotcast::promise::<()>();
    /// let seen = Arc::new(Mutex::new(Vec::new()));
    /// let sees = seen.clone();
    /// job.on_progress(move |progress| sees.lock().unwrap().push(progress.done));
    /// promise.progress(1, 2);
    /// promise.progress(2, 2);
    /// assert_eq!(*seen.lock().unwrap(), [1, 2]);
    /// ```
    #[track_caller]
    pub fn on_progress<F: Fn(Progress) + Send + Sync + 'static>(&self, f: F) {
        if let Some(core) = self.core() {
            let listener = Listener::new(Location::caller(), f);
            core.context.add_listener(listener);
        }
    }

    /// The newest progress, if the job has reported any. A snapshot.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        self.inner.core().context.latest()
    }

    /// Whether the job has completed and the callbacks added until then have run: the outcome can be
    /// taken. A snapshot; `true` stays `true`.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.inner.core().is_done()
    }

    /// Cancels a job that waits to begin; asks a running one to stop. Returns whether it waited.
    ///
    /// A waiting job never begins, and is removed from its pool's backlog: what its work captured is
    /// dropped in this call, and it completes as [`JobError::Cancelled`], with its callbacks. A running
    /// job sees the request in [`JobContext::is_cancelled`](super::JobContext::is_cancelled), and so
    /// does a [`Promise`](super::Promise); it completes with what it returns. Constant time.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{JobError, Jobs};
    ///
    /// let jobs = Jobs::new(1);
    /// let (began, begins) = std::sync::mpsc::channel();
    /// let busy = jobs.submit(move |cx| {
    ///     began.send(()).unwrap();
    ///     while !cx.is_cancelled() {
    ///         std::thread::yield_now();
    ///     }
    ///     "told"
    /// });
    /// begins.recv()?;
    /// let waits = jobs.submit(|_| "never");
    /// assert!(waits.cancel() && !busy.cancel());
    /// assert_eq!(waits.wait(), Err(JobError::Cancelled));
    /// assert_eq!(busy.wait(), Ok("told"));
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.inner.clone().erase().cancel()
    }

    /// A handle that cancels and reads the progress, for those that do not take the outcome.
    ///
    /// After this one was awaited by reference and gave its outcome, the handle says that the job is done.
    #[must_use]
    pub fn handle(&self) -> JobHandle {
        JobHandle {
            job: self.inner.clone().erase(),
        }
    }

    /// Makes dropping this handle cancel the job, as [`cancel`](Self::cancel) does.
    ///
    /// That includes dropping it as a future, before it has completed. It ends when the outcome is
    /// handed on by [`on_done_in`](Self::on_done_in).
    ///
    /// # Examples
    ///
    /// ```
    /// let (promise, job) = slotcast::promise::<u32>();
    /// drop(job.abort_on_drop());
    /// assert!(promise.is_cancelled());
    /// ```
    pub fn abort_on_drop(mut self) -> Self {
        self.abort_on_drop = true;
        self
    }

    /// Parks until the job is done, and takes the outcome.
    ///
    /// A job of the same pool can use it freely: if the job that it waits for has not begun, it is run
    /// by this call, and otherwise the pool has one more thread while this one waits. So even a pool of
    /// one does not deadlock.
    ///
    /// # Errors
    ///
    /// The [`JobError`] that the job completed with. [`JobError::Inside`] at once, if it is waited for
    /// by its own work or callback on this thread. Jobs that wait for each other in a circle on
    /// several threads wait for ever; [`wait_timeout`](Self::wait_timeout) bounds that.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Jobs;
    ///
    /// let jobs = Jobs::new(1);
    /// let pool = jobs.clone();
    /// let sum = jobs.submit(move |_| {
    ///     let half = pool.submit(|_| (51..=100).sum::<u32>());
    ///     (1..=50).sum::<u32>() + half.wait().unwrap()
    /// });
    /// assert_eq!(sum.wait(), Ok(5050));
    /// ```
    pub fn wait(self) -> Outcome<T> {
        let Some(core) = self.core() else {
            return Err(JobError::Inside);
        };
        // An outcome that is there needs no preparation.
        if let Some(outcome) = core.try_take() {
            return outcome;
        }
        let _blocking = self.inner.clone().prepare_wait();
        core.wait(None).unwrap_or(Err(JobError::Inside))
    }

    /// Takes the outcome, if the job is done within `timeout`. A timeout of zero does not wait.
    ///
    /// # Errors
    ///
    /// The job comes back when the time is up; and at once where [`wait`](Self::wait) would return
    /// [`JobError::Inside`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (promise, job) = slotcast::promise();
    /// let job = job.wait_timeout(Duration::from_millis(1)).unwrap_err();
    /// promise.complete("late");
    /// assert_eq!(job.wait_timeout(Duration::ZERO).unwrap(), Ok("late"));
    /// ```
    pub fn wait_timeout(self, timeout: Duration) -> Result<Outcome<T>, Job<T>> {
        let Some(core) = self.core() else {
            return Err(self);
        };
        if let Some(outcome) = core.try_take() {
            return Ok(outcome);
        }
        // The job is not run by this thread: that could take longer than the timeout.
        let _blocking = if timeout.is_zero() {
            Vec::new()
        } else {
            pool::enter_blocking()
        };
        // A deadline beyond the clock's range means none.
        core.wait(Instant::now().checked_add(timeout)).ok_or(self)
    }

    /// Takes the outcome, if the job is done. Never waits.
    ///
    /// # Errors
    ///
    /// The job comes back, if it has not completed, or its callbacks still run.
    pub fn try_take(self) -> Result<Outcome<T>, Job<T>> {
        self.core().and_then(Core::try_take).ok_or(self)
    }

    /// Hands the outcome to `consumer`, now or when the job is done.
    pub(super) fn send_outcome_to(mut self, consumer: Consumer<T>) -> JobHandle {
        if let Some(core) = self.core() {
            core.send_outcome_to(consumer);
        }
        self.taken = true;
        self.handle()
    }

    /// The core, unless the outcome was taken.
    pub(super) fn core(&self) -> Option<&Core<T>> {
        (!self.taken).then(|| self.inner.core())
    }
}

/// Completes with the outcome, on any executor. The waker is called outside of all locks, by the
/// thread that completes the job, after the callbacks.
///
/// # Panics
///
/// `poll` does, if it is called again after it has returned the outcome.
///
/// # Examples
///
/// ```
/// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
/// let (promise, job) = slotcast::promise();
/// let total = async { job.await.unwrap_or(0) + 1 };
/// promise.complete(41);
/// let mut context = Context::from_waker(Waker::noop());
/// assert_eq!(pin!(total).poll(&mut context), Poll::Ready(42));
/// ```
impl<T: Send + 'static> Future for Job<T> {
    type Output = Outcome<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome<T>> {
        let Some(core) = self.core() else {
            panic!("a job was polled after it gave its outcome");
        };
        let poll = core.poll(context.waker());
        self.taken = poll.is_ready();
        poll
    }
}

impl<T: Send + 'static> FusedFuture for Job<T> {
    fn is_terminated(&self) -> bool {
        self.taken
    }
}

// No field is ever pinned.
impl<T> Unpin for Job<T> {}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        // Before the cancel, which may complete the job.
        self.inner.core().discard_outcome();
        if self.abort_on_drop {
            self.inner.clone().erase().cancel();
        }
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("is_done", &self.inner.core().is_done())
            .field("progress", &self.inner.core().context.latest())
            .finish_non_exhaustive()
    }
}

unwind_safe! {
    [T] Job<T>;
}

/// A handle to a job without its value: cancels it, and reads its progress.
///
/// Made by [`Job::handle`] and [`Job::on_done_in`]. Cheap to clone; dropping it does nothing.
///
/// # Examples
///
/// ```
/// let (promise, job) = slotcast::promise::<u32>();
/// let handle = job.handle();
/// promise.progress(1, 3);
/// assert_eq!(handle.progress().unwrap().total, 3);
/// handle.cancel();
/// assert!(promise.is_cancelled());
/// ```
#[derive(Clone)]
pub struct JobHandle {
    job: Arc<dyn DynJob>,
}

impl JobHandle {
    /// Like [`Job::cancel`].
    pub fn cancel(&self) -> bool {
        self.job.cancel()
    }

    /// Like [`Job::is_done`].
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.job.is_done()
    }

    /// Like [`Job::progress`].
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        self.job.context().latest()
    }
}

impl fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle")
            .field("is_done", &self.is_done())
            .field("progress", &self.progress())
            .finish()
    }
}

unwind_safe! {
    [] JobHandle;
}
