//! The handles to a job: one that takes its outcome, and one that does not.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::FusedFuture;

use crate::core::primitives::clock::Instant;
use crate::core::primitives::sync::THREADS;
use crate::core::primitives::unwind::unwind_safe;
use crate::flavour::Shared;
use crate::outcome;
use crate::queue::Queue;

use super::context::Progress;
use super::core::Core;
use super::deliver::outcome_callback;
use super::error::{JobError, Outcome};
use super::host::{Place, QueueSender};
use super::pool;
use super::subscribe::{Done, JobSubscribe};
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
/// nor the waiters.
///
/// A job that completes inside of a callback runs its own callbacks before that goes on, unless many
/// are nested in each other: then they run when those have returned, so that a chain of a million
/// completions needs the stack of a few. A wait inside of a callback runs what it waits for.
///
/// # Failure
///
/// A callback that panics or returns an `Err` is reported once, to the error hook of the job's pool
/// ([`Jobs::set_error_hook`](super::Jobs::set_error_hook)), or to the log if it has none. So is a job
/// that panicked and whose outcome was dropped before any callback or taker has seen it.
///
/// # Dropping
///
/// A job whose handle is dropped continues, callbacks included, and its outcome is dropped. With
/// [`abort_on_drop`](Self::abort_on_drop), dropping the handle cancels the job instead.
///
/// # One taker
///
/// The outcome goes to one taker. A callback, a wait or a queue that comes after it was taken, by a
/// poll of `&mut job` for example, gets [`JobError::Taken`].
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
#[must_use = "a job that is dropped goes on, and its outcome is lost; `drop` it to say that nobody needs it"]
pub struct Job<T> {
    inner: Arc<dyn TypedJob<T>>,
    /// The outcome was taken by `poll`, or handed on: dropping the handle does nothing.
    taken: bool,
    /// The job may have a waker of this handle.
    polled: bool,
    abort_on_drop: bool,
}

impl<T: Send + 'static> Job<T> {
    pub(super) fn new(inner: Arc<dyn TypedJob<T>>) -> Self {
        Job {
            inner,
            taken: false,
            polled: false,
            abort_on_drop: false,
        }
    }

    /// Begins a callback that can be taken back, with a label: its
    /// [`Subscription`](crate::Subscription) cancels it when it is dropped, fits a
    /// [`Scope`](crate::Scope), and can be paused.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Scope, promise};
    ///
    /// let ui = Queue::<Vec<&str>>::with_context();
    /// let (promise, job) = promise::<&str>();
    /// let mut dialog = Scope::new();
    /// dialog.add(job.subscribe().label("title").on_done_in(&ui, |shown, name| shown.extend(name)));
    /// promise.complete("plan.txt");
    /// drop(dialog); // closed before the outcome was delivered
    /// let mut shown = Vec::new();
    /// ui.drain_with(&mut shown);
    /// assert!(shown.is_empty());
    /// ```
    #[track_caller]
    pub fn subscribe(&self) -> JobSubscribe<'_, T> {
        JobSubscribe::new(&self.inner, Location::caller())
    }

    /// Calls `f` with the outcome, on the thread that completes the job; at once and on this thread, if
    /// the job has completed.
    ///
    /// Allocates, if `f` captures something. See [the order](Job#order). `f` may return what a handler
    /// may, and an `Err` is [reported](Job#failure). It stays until the job completes; to take it back
    /// before, [`subscribe`](Self::subscribe) it.
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
    pub fn on_done<F, R>(&self, f: F)
    where
        F: FnOnce(&Outcome<T>) -> R + Send + 'static,
        R: outcome::Outcome,
    {
        let place = Place::new(Location::caller());
        Core::on_done(&self.inner, Done { place, f });
    }

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
    /// [`Undelivered`](crate::FailureKind::Undelivered); so is an outcome that is inside when the queue
    /// is cleared. To take `f` back, also when the outcome waits in the queue already,
    /// [`subscribe`](Self::subscribe) it.
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
    pub fn on_done_in<C: 'static, F, R>(mut self, queue: &Queue<Shared, C>, f: F) -> JobHandle
    where
        F: FnOnce(&mut C, Outcome<T>) -> R + Send + 'static,
        R: outcome::Outcome,
    {
        let place = Place::new(Location::caller());
        let callback = outcome_callback(f, place, QueueSender::new(queue));
        self.inner.core().send_outcome_to(Box::new(callback));
        self.taken = true;
        self.handle()
    }

    /// Calls `f` whenever the job reports progress, on the thread that reports it; and at once, on this
    /// thread, with the newest progress, if there is any.
    ///
    /// The job waits while `f` runs. `f` is not called by two threads at a time, and not with an older
    /// report after a newer one: what is reported meanwhile, by another thread or by `f` itself, calls
    /// it again when it has returned, with the newest. `f` is dropped when the job completes, before its
    /// callbacks run, or when it returns [`Flow::Cancel`](crate::Flow). A panic or an `Err` of it is [reported](Job#failure), and later progress calls it
    /// again. To be called on another thread, use [`on_progress_in`](Self::on_progress_in); to take it
    /// back, [`subscribe`](Self::subscribe) it.
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
    pub fn on_progress<F, R>(&self, f: F)
    where
        F: Fn(Progress) -> R + Send + Sync + 'static,
        R: outcome::Outcome,
    {
        self.subscribe().on_progress(f).detach();
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
    pub fn on_progress_in<C: 'static, F, R>(&self, queue: &Queue<Shared, C>, f: F)
    where
        F: FnMut(&mut C, Progress) -> R + Send + 'static,
        R: outcome::Outcome,
    {
        self.subscribe().on_progress_in(queue, f).detach();
    }

    /// The newest progress, if the job has reported any. A snapshot.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        self.inner.core().context.latest()
    }

    /// The number of the job, if it was submitted by work that is
    /// [followed](crate::flavour::Bus::follow): what the job and its callbacks lead to has it as its cause.
    #[cfg(feature = "follow")]
    #[must_use]
    pub fn cause(&self) -> Option<crate::cause::Cause> {
        self.inner.core().context.work.cause()
    }

    /// Whether the job has completed and the callbacks added until then have run: the outcome can be
    /// taken. A snapshot; `true` stays `true`.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.inner.core().is_done()
    }

    /// Cancels the job: it completes at once as [`JobError::Cancelled`], whether it waits or runs, with
    /// its callbacks in this call. Returns whether it had not completed before.
    ///
    /// A waiting job never begins, and is removed from its pool's backlog: what its work captured is
    /// dropped in this call. A running one is told: [`JobContext::on_cancel`](super::JobContext::on_cancel)
    /// calls back, [`is_cancelled`](super::JobContext::is_cancelled) says so, and what the work returns
    /// later is dropped where it ran. It keeps its worker until then. For the job of a
    /// [`Promise`](super::Promise) the same holds: what the promise is given later is dropped. Constant
    /// time, and does not wait for the work. [`stop`](Self::stop) lets the work decide.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{JobError, Jobs};
    ///
    /// let jobs = Jobs::new(1);
    /// let (began, begins) = std::sync::mpsc::channel();
    /// let runs = jobs.submit(move |cx| {
    ///     began.send(()).unwrap();
    ///     while !cx.is_cancelled() {
    ///         std::thread::yield_now();
    ///     }
    ///     "too late"
    /// });
    /// begins.recv()?;
    /// let waits = jobs.submit(|_| "never");
    /// assert!(waits.cancel() && runs.cancel());
    /// assert_eq!(waits.wait(), Err(JobError::Cancelled));
    /// assert_eq!(runs.wait(), Err(JobError::Cancelled));
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.inner.clone().erase().cancel()
    }

    /// Asks the job to stop: tells its work as [`cancel`](Self::cancel) does, and leaves it at that.
    /// What the work returns counts.
    ///
    /// A job that has not begun begins all the same, and finds out that it was asked.
    ///
    /// # Examples
    ///
    /// ```
    /// let jobs = slotcast::Jobs::new(1);
    /// let pages = jobs.submit(|cx| (0..).find(|page| *page == 99 || cx.is_cancelled()));
    /// pages.stop();
    /// assert!(pages.wait()?.is_some());
    /// # Ok::<(), slotcast::JobError>(())
    /// ```
    pub fn stop(&self) {
        self.inner.core().context.stop();
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
    /// [`JobError::NoThreads`] at once, on a target without threads, unless it is done, or this call runs it.
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
        let core = self.inner.core();
        // An outcome that is there needs no preparation, and a wait that is refused neither.
        let inside = core.is_inside();
        if let Some(outcome) = core.try_take() {
            return outcome;
        }
        if inside {
            return Err(JobError::Inside);
        }
        let _blocking = self.inner.clone().prepare_wait();
        let refused = if THREADS {
            JobError::Inside
        } else {
            JobError::NoThreads
        };
        core.wait(None).unwrap_or(Err(refused))
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
        let core = self.inner.core();
        let inside = core.is_inside();
        if let Some(outcome) = core.try_take() {
            return Ok(outcome);
        }
        // The job is not run by this thread: that could take longer than the timeout.
        let _blocking = if timeout.is_zero() || inside {
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
        self.inner.core().try_take().ok_or(self)
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
        assert!(!self.taken, "a job was polled after it gave its outcome");
        let poll = self.inner.core().poll(context.waker());
        self.taken = poll.is_ready();
        self.polled = true;
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
        // Nobody else has a job that has completed, and it drops its outcome itself.
        if self.taken || Arc::strong_count(&self.inner) == 1 {
            return;
        }
        // Before the cancel, which may complete the job.
        self.inner.core().discard_outcome(self.polled);
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
        self.job.clone().cancel()
    }

    /// Like [`Job::stop`].
    pub fn stop(&self) {
        self.job.context().stop();
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
