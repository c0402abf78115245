//! The handles to a job: one that takes its outcome, and one that does not.

use std::fmt;
use std::future::Future;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::FusedFuture;

use super::context::{Listener, Progress};
use super::core::{Callback, Core, Taker, Waited};
use super::error::{JobError, Outcome};
use super::pool;
use super::task::{Body, Control};

/// Background work that completes once: with a value, or with a [`JobError`].
///
/// Made by [`Jobs::submit`](super::Jobs::submit) and [`promise`](super::promise()). Any number of
/// callbacks see the outcome by reference; one takes it by value: `wait`, `try_take`, `.await`, or
/// [`on_done_in`](Self::on_done_in), which all consume the handle.
///
/// # Order
///
/// Callbacks run once each, in the order they were added, on the thread that completes the job. One
/// that is added while they run joins the end; one that is added later runs at once, on the thread
/// that adds it. When all that were there have run, the outcome can be taken, and whoever waits for
/// it is woken. So a callback that waits for something holds up the job's worker and its taker.
///
/// # Threads and locks
///
/// `Send` and `Sync`, if `T` is `Send`. No lock is held while callbacks, wakers, or a `Drop` of yours
/// run, so they may do anything to this job and others. A callback that panics stops no other, and
/// no waiter; the panic is logged, once.
///
/// # Dropping
///
/// A job that is dropped goes on, callbacks included, and its outcome is dropped;
/// [`abort_on_drop`](Self::abort_on_drop) turns that round.
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
    /// `None` once it was consumed.
    body: Option<Arc<dyn Body<T>>>,
    aborts: bool,
}

impl<T: Send + 'static> Job<T> {
    pub(super) fn new(body: Arc<dyn Body<T>>) -> Self {
        Job {
            body: Some(body),
            aborts: false,
        }
    }

    /// Calls `f` with the outcome, on the thread that completes the job; at once and here, if that
    /// has happened.
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
    pub fn on_done<F>(&self, f: F)
    where
        F: FnOnce(&Outcome<T>) + Send + 'static,
    {
        if let Some(core) = self.core() {
            core.on_done(Box::new(Callback::new(Location::caller(), f)));
        }
    }

    /// Calls `f` whenever the job tells how far it is, on the thread that tells it; and here and now
    /// with the newest, if it has told already.
    ///
    /// The job waits while `f` runs. If it tells from several threads, `f` runs on several. Dropped
    /// when the job completes, before its callbacks run. A panic in it is logged, and it is called
    /// again. For another thread there is [`on_progress_in`](Self::on_progress_in).
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
    pub fn on_progress<F>(&self, f: F)
    where
        F: Fn(Progress) + Send + Sync + 'static,
    {
        if let Some(core) = self.core() {
            core.context.listen(Listener::new(Location::caller(), f));
        }
    }

    /// How far the job is, if it has told. A snapshot.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        self.core()?.context.latest()
    }

    /// Whether it has completed, and the callbacks that were there have run: then the outcome can be
    /// taken. A snapshot; `true` stays `true`.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.core().is_none_or(Core::is_done)
    }

    /// Cancels a job that waits to begin; tells one that runs. Whether it was the first.
    ///
    /// A job that waits never begins, and leaves its pool's backlog: what its work captured is dropped
    /// here and now, and it completes as [`JobError::Cancelled`], with its callbacks. One that runs
    /// sees it in [`JobContext::is_cancelled`](super::JobContext::is_cancelled), and so does a
    /// [`Promise`](super::Promise); it completes with what it returns. Constant time.
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
        self.body
            .as_ref()
            .is_some_and(|body| body.clone().control().cancel())
    }

    /// A handle that cancels and tells of progress, for others than whoever takes the outcome.
    #[must_use]
    pub fn handle(&self) -> JobHandle {
        let Some(body) = &self.body else {
            unreachable!("a handle that is left has a job")
        };
        JobHandle {
            control: body.clone().control(),
        }
    }

    /// From now on, dropping this handle cancels the job, as [`cancel`](Self::cancel) does.
    ///
    /// That holds for a future that is dropped, too. Handing the outcome on by
    /// [`on_done_in`](Self::on_done_in) ends it.
    ///
    /// # Examples
    ///
    /// ```
    /// let (promise, job) = slotcast::promise::<u32>();
    /// drop(job.abort_on_drop());
    /// assert!(promise.is_cancelled());
    /// ```
    pub fn abort_on_drop(mut self) -> Self {
        self.aborts = true;
        self
    }

    /// Takes the outcome; parks until it is there.
    ///
    /// By a job of the same pool this can be used freely: if the job has not begun, it is run here and
    /// now, and else the pool has one thread more while this one waits. So even a pool of one does not
    /// come to a standstill.
    ///
    /// # Errors
    ///
    /// The [`JobError`] that the job completed with. [`JobError::Inside`] at once, if it is waited for
    /// by its own work or callback on this thread. Jobs that wait for each other in a circle on
    /// several threads wait for ever; [`wait_timeout`](Self::wait_timeout) ends that.
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
        let Some(body) = &self.body else {
            return Err(JobError::Inside);
        };
        // What is there needs no help.
        if let Some(outcome) = body.core().try_take() {
            return outcome;
        }
        let _away = body.clone().help();
        match body.core().wait(None) {
            Waited::Outcome(outcome) => outcome,
            Waited::TimedOut | Waited::Inside => Err(JobError::Inside),
        }
    }

    /// Takes the outcome, if it is there in time. A timeout of zero does not wait.
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
        // Not helped by this thread: that could take longer.
        let _away = match timeout {
            Duration::ZERO => Vec::new(),
            _ => pool::away(),
        };
        // Later than the clock can tell is never.
        match core.wait(Instant::now().checked_add(timeout)) {
            Waited::Outcome(outcome) => Ok(outcome),
            Waited::TimedOut | Waited::Inside => Err(self),
        }
    }

    /// Takes the outcome, if it is there. Never waits.
    ///
    /// # Errors
    ///
    /// The job comes back, if it has not completed, or its callbacks run still.
    pub fn try_take(self) -> Result<Outcome<T>, Job<T>> {
        match self.core().and_then(Core::try_take) {
            Some(outcome) => Ok(outcome),
            None => Err(self),
        }
    }

    /// Hands the outcome to `taker`, now or when it is there.
    pub(super) fn send_outcome_to(mut self, taker: Taker<T>) -> JobHandle {
        let handle = self.handle();
        if let Some(body) = self.body.take() {
            body.core().send_outcome_to(taker);
        }
        handle
    }
}

impl<T> Job<T> {
    pub(super) fn core(&self) -> Option<&Core<T>> {
        self.body.as_ref().map(|body| body.core())
    }
}

/// Completes with the outcome, on any executor. The waker is called outside of all locks, by the
/// thread that completes the job, after the callbacks.
///
/// # Panics
///
/// `poll` does, if it is called again after it gave the outcome.
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
        if poll.is_ready() {
            self.body = None;
        }
        poll
    }
}

impl<T: Send + 'static> FusedFuture for Job<T> {
    fn is_terminated(&self) -> bool {
        self.body.is_none()
    }
}

// Nothing in it is ever pinned.
impl<T> Unpin for Job<T> {}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        let Some(body) = self.body.take() else { return };
        // Before the cancel, which may complete it.
        body.core().disown();
        if self.aborts {
            body.control().cancel();
        }
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("is_done", &self.core().is_none_or(Core::is_done))
            .field("progress", &self.core().and_then(|it| it.context.latest()))
            .finish_non_exhaustive()
    }
}

// User code does not run while something in here is half done.
impl<T> UnwindSafe for Job<T> {}
impl<T> RefUnwindSafe for Job<T> {}

/// A handle to a job without its value: cancels it, and tells how far it is.
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
    control: Arc<dyn Control>,
}

impl JobHandle {
    /// Like [`Job::cancel`].
    pub fn cancel(&self) -> bool {
        self.control.cancel()
    }

    /// Like [`Job::is_done`].
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.control.is_done()
    }

    /// Like [`Job::progress`].
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        self.control.context().latest()
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

// User code does not run while something in here is half done.
impl UnwindSafe for JobHandle {}
impl RefUnwindSafe for JobHandle {}
