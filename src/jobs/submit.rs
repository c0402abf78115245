//! The public side of a pool.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::backlog::{Item, Runnable};
use super::context::JobContext;
use super::error::{JobError, SubmitError, SubmitErrorKind};
use super::job::Job;
use super::pool::{self, Pool, WhenFull};
use super::task::Task;
use crate::core::primitives::clock::Instant;
use crate::core::primitives::sync::THREADS;
use crate::core::primitives::unwind::unwind_safe;
use crate::executor::Executor;
use crate::failure::HandlerError;

/// Runs work in the background, on threads of its own or on an [`Executor`].
///
/// A handle is cheap to clone, and all clones are the same pool.
///
/// # Order and threads
///
/// Jobs begin first in, first out, as threads become free. As many run at a time as there are workers;
/// jobs that wait for others do not count.
///
/// # Capacity
///
/// A [`backlog`](JobsBuilder::backlog) limits how many jobs may wait. When it is full,
/// [`submit`](Self::submit) waits, and [`try_submit`](Self::try_submit) hands the work back. Without
/// one, as many jobs wait as memory allows. What a burst of more than 4,096 takes is given
/// back when no job waits.
///
/// # Shutdown
///
/// [`shutdown`](Self::shutdown) cancels waiting jobs and asks running ones to stop, and
/// [`finish`](Self::finish) runs them all; both wait for the end. When the last handle is dropped,
/// waiting jobs are cancelled, running ones are asked to stop ([`JobContext::is_cancelled`]), and the
/// drop waits for none of them: a pool can be dropped on any thread, its own too. A job that captures a
/// handle keeps its pool until it ends.
///
/// A callback that submits again to a pool that has ended gets a job that was refused, whose callbacks
/// run at once. A chain of such callbacks ends after a few: the last one is dropped, and that is
/// reported.
///
/// # Waiting inside
///
/// [`Job::wait`] and [`Job::wait_timeout`] can be used freely inside of a job: while its worker waits,
/// the pool has one more thread. Anything else that blocks takes a worker away for as long: a wait for
/// an event or a stream, for a queue or for room in it, `block_on`. If what it waits for is another job
/// of this pool, a pool of one waits for ever.
///
/// # Failure
///
/// Work that panics completes its own job with the message, and its thread continues. If nobody sees
/// that outcome, it is reported: see [`set_error_hook`](Self::set_error_hook).
///
/// # Examples
///
/// ```
/// use slotcast::Jobs;
///
/// let jobs = Jobs::new(2);
/// let (sender, outcomes) = std::sync::mpsc::channel();
/// let job = jobs.submit(|_| (1..=10).product::<u64>());
/// job.on_done(move |outcome| sender.send(outcome.clone()).unwrap());
/// assert_eq!(outcomes.recv()?, Ok(3_628_800));
/// assert_eq!(job.wait(), Ok(3_628_800));
/// # Ok::<(), std::sync::mpsc::RecvError>(())
/// ```
#[derive(Clone)]
pub struct Jobs {
    inner: Arc<Inner>,
}

/// Dropped with the last handle: threads and jobs only refer to the pool.
struct Inner {
    pool: Arc<Pool>,
    executor: Option<Box<dyn Executor>>,
}

impl Jobs {
    /// Creates a pool of `workers` threads, named `jobs-0` and so on, without a limit of waiting jobs.
    ///
    /// The threads start at once, and sleep while there are no jobs.
    ///
    /// # Panics
    ///
    /// If `workers` is 0, or the system cannot start a thread.
    #[must_use]
    #[track_caller]
    pub fn new(workers: usize) -> Self {
        Self::builder().workers(workers).build()
    }

    /// Creates a pool that runs its jobs on an executor: see [`JobsBuilder::executor`].
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Jobs;
    ///
    /// let jobs = Jobs::with_executor(|task| drop(std::thread::spawn(task)));
    /// assert_eq!(jobs.submit(|_| 6 * 7).wait(), Ok(42));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn with_executor(executor: impl Executor) -> Self {
        Self::builder().executor(executor).build()
    }

    /// Begins a pool with a backlog, a name, or an executor.
    pub fn builder() -> JobsBuilder {
        JobsBuilder {
            workers: None,
            backlog: usize::MAX,
            name: "jobs".to_owned(),
            executor: None,
        }
    }

    /// Runs `work` in the background, as soon as a worker is free. Returns the handle to its outcome.
    ///
    /// `work` is given a [`JobContext`], its `cx`, to report progress and to see requests to stop. What
    /// it returns is the value of the job, whatever that is: an `Err` is a value, too. Allocates twice
    /// at most.
    ///
    /// If the backlog is full, it waits for capacity. Called by a job of the same pool it does not
    /// wait, because that job may be the one that has to end first: the new job goes beyond the
    /// limit. [`try_submit`](Self::try_submit) does neither. If the pool is shut down, before or
    /// during the wait, `work` is dropped, and the job that is returned has completed as
    /// [`JobError::Cancelled`].
    ///
    /// # Panics
    ///
    /// If your executor panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{JobError, Jobs};
    ///
    /// let jobs = Jobs::new(1);
    /// let lines = jobs.submit(|_| "one\ntwo".lines().count());
    /// assert_eq!(lines.wait(), Ok(2));
    ///
    /// jobs.shutdown();
    /// assert_eq!(jobs.submit(|_| 7).wait(), Err(JobError::Cancelled));
    /// ```
    #[track_caller]
    pub fn submit<T: Send + 'static, F>(&self, work: F) -> Job<T>
    where
        F: FnOnce(&JobContext) -> T + Send + 'static,
    {
        let task = Task::new(work, self.inner.pool.clone(), Location::caller());
        if self.enqueue(task.clone(), WhenFull::Wait).is_err() {
            task.clone().refuse(JobError::Cancelled);
        }
        Job::new(task)
    }

    /// Like [`submit`](Self::submit), but does not wait for capacity, and never goes beyond the limit.
    ///
    /// # Errors
    ///
    /// The work comes back if the backlog is full, or the pool was shut down.
    ///
    /// # Panics
    ///
    /// If your executor panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Jobs;
    /// use slotcast::jobs::SubmitErrorKind;
    /// use std::sync::mpsc;
    ///
    /// let jobs = Jobs::builder().workers(1).backlog(1).build();
    /// let (open, gate) = mpsc::channel::<()>();
    /// let (began, begins) = mpsc::channel();
    /// jobs.submit(move |_| { began.send(()).unwrap(); gate.recv() });
    /// begins.recv()?;                                 // the worker is busy,
    /// let second = jobs.submit(|_| 2);                // one job waits,
    /// let full = jobs.try_submit(|_| 3).unwrap_err(); // and the backlog is full
    /// assert_eq!(full.kind(), SubmitErrorKind::Full);
    ///
    /// drop(open);
    /// assert_eq!(second.wait(), Ok(2));
    /// assert_eq!(jobs.submit(full.into_work()).wait(), Ok(3));
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    #[track_caller]
    pub fn try_submit<T: Send + 'static, F>(&self, work: F) -> Result<Job<T>, SubmitError<F>>
    where
        F: FnOnce(&JobContext) -> T + Send + 'static,
    {
        let task = Task::new(work, self.inner.pool.clone(), Location::caller());
        let Err(kind) = self.enqueue(task.clone(), WhenFull::Refuse) else {
            return Ok(Job::new(task));
        };
        let Some(work) = task.take_work() else {
            unreachable!("nobody else has seen it")
        };
        task.abort(JobError::Cancelled);
        Err(match kind {
            SubmitErrorKind::Full => SubmitError::Full(work),
            SubmitErrorKind::ShutDown => SubmitError::ShutDown(work),
        })
    }

    fn enqueue(&self, job: Arc<dyn Runnable>, when_full: WhenFull) -> Result<(), SubmitErrorKind> {
        let Inner { pool, executor } = &*self.inner;
        let Some(executor) = executor else {
            return pool.admit(Item::Job(job), when_full);
        };
        pool.admit(Item::Job(job.clone()), when_full)?;
        let task = ExecutorTask {
            given: Some((pool.clone(), job)),
        };
        executor.execute(Box::new(move || task.run()));
        Ok(())
    }

    /// The number of jobs that wait to begin. A snapshot.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inner.pool.waiting()
    }

    /// The number of running jobs, including those whose callbacks run and those that wait for others.
    /// A snapshot.
    #[must_use]
    pub fn running(&self) -> usize {
        self.inner.pool.running()
    }

    /// Whether the pool was shut down.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.inner.pool.is_closed()
    }

    /// Refuses further jobs, cancels the waiting ones, asks the running ones to stop, and waits until
    /// they and the threads have ended. Returns the number of jobs that still run: 0.
    ///
    /// A running job is told as [`Job::stop`] tells it, and what it returns counts. The callbacks of
    /// cancelled jobs run in this call. Called from inside of a job of this pool, or of one of its
    /// callbacks, it does not wait, and that job is among those that still run.
    /// [`finish`](Self::finish) runs what waits, too. On a target without threads neither waits.
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
    ///     "saved"
    /// });
    /// begins.recv()?;
    /// let waits = jobs.submit(|_| "never");
    /// assert_eq!(jobs.shutdown(), 0);
    /// assert_eq!((runs.wait(), waits.wait()), (Ok("saved"), Err(JobError::Cancelled)));
    /// assert_eq!(jobs.submit(|_| ()).wait(), Err(JobError::Cancelled));
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
    /// ```
    pub fn shutdown(&self) -> usize {
        self.inner.pool.close();
        self.inner.pool.wait_ended(None)
    }

    /// Like [`shutdown`](Self::shutdown), but waits for `timeout` at most. Returns the number of jobs
    /// that still run; they continue, and a later call waits for them again. A timeout of zero does
    /// not wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{sync::mpsc, time::Duration};
    ///
    /// let jobs = slotcast::Jobs::new(1);
    /// let (open, gate) = mpsc::channel::<()>();
    /// let (began, begins) = mpsc::channel();
    /// drop(jobs.submit(move |_| { began.send(()).unwrap(); gate.recv() }));
    /// begins.recv()?;
    /// assert_eq!(jobs.shutdown_timeout(Duration::ZERO), 1);
    /// drop(open);
    /// assert_eq!(jobs.shutdown(), 0);
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    pub fn shutdown_timeout(&self, timeout: Duration) -> usize {
        self.inner.pool.close();
        self.inner.pool.wait_ended(deadline(timeout))
    }

    /// Refuses further jobs, and waits until those that were accepted, the waiting ones too, and the
    /// threads have ended. Returns the number of jobs that still wait or run: 0.
    ///
    /// Nothing is cancelled or told to stop. Called from inside of a job of this pool, or of one of its
    /// callbacks, it does not wait. What jobs submit meanwhile is refused, too.
    ///
    /// # Examples
    ///
    /// ```
    /// let jobs = slotcast::Jobs::new(1);
    /// let all: Vec<_> = (0..10).map(|n| jobs.submit(move |_| n)).collect();
    /// assert_eq!(jobs.finish(), 0);
    /// assert!(all.into_iter().all(|job| job.wait().is_ok()));
    /// ```
    pub fn finish(&self) -> usize {
        self.inner.pool.refuse();
        self.inner.pool.wait_ended(None)
    }

    /// Like [`finish`](Self::finish), but waits for `timeout` at most. Returns the number of jobs that
    /// still wait or run; they continue. [`shutdown`](Self::shutdown) cancels those that still wait.
    pub fn finish_timeout(&self, timeout: Duration) -> usize {
        self.inner.pool.refuse();
        self.inner.pool.wait_ended(deadline(timeout))
    }

    /// Cancels the jobs that wait and those that run, as [`Job::cancel`] does. Returns how many. The pool
    /// goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// let jobs = slotcast::Jobs::new(1);
    /// let (began, begins) = std::sync::mpsc::channel();
    /// let search = jobs.submit(move |cx| {
    ///     began.send(()).unwrap();
    ///     while !cx.is_cancelled() {
    ///         std::thread::yield_now();
    ///     }
    /// });
    /// begins.recv()?;
    /// let next = jobs.submit(|_| ());
    /// assert_eq!(jobs.cancel_all(), 2);
    /// assert!(search.wait().is_err() && next.wait().is_err());
    /// assert_eq!(jobs.submit(|_| 1).wait(), Ok(1));
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
    /// ```
    pub fn cancel_all(&self) -> usize {
        self.inner.pool.cancel_all()
    }

    /// Sets the hook that is told of each failure of this pool's jobs, in place of the log: a job that
    /// panicked and whose outcome nobody has seen, and a callback that panicked or returned an `Err`.
    ///
    /// It runs on the thread where that was found out, outside of all locks; a panic in it is logged.
    /// Failures inside of it go to the log. The one that was set before is dropped.
    ///
    /// Each handle of a job keeps it, because it may be what finds a failure. So a hook that has such a handle keeps
    /// itself, until it is [taken out](Self::clear_error_hook).
    ///
    /// # Examples
    ///
    /// ```
    /// let jobs = slotcast::Jobs::new(1);
    /// let (tell, told) = std::sync::mpsc::channel();
    /// jobs.set_error_hook(move |error| tell.send(error.to_string()).unwrap());
    /// drop(jobs.submit(|_| panic!("out of paper")));
    /// assert!(told.recv()?.ends_with("panicked: out of paper"));
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
    /// ```
    #[track_caller]
    pub fn set_error_hook(&self, hook: impl Fn(&HandlerError) + Send + Sync + 'static) {
        self.inner.pool.reports.set_hook(hook, Location::caller());
    }

    /// Takes the error hook out again, and returns whether there was one: failures go to the log from now
    /// on. Its captures are dropped in this call, or with the call of it that is under way.
    ///
    /// # Examples
    ///
    /// ```
    /// let jobs = slotcast::Jobs::new(1);
    /// jobs.set_error_hook(|error| eprintln!("{error}"));
    /// assert!(jobs.clear_error_hook() && !jobs.clear_error_hook());
    /// ```
    pub fn clear_error_hook(&self) -> bool {
        self.inner.pool.reports.clear_hook()
    }
}

/// `None`: a deadline beyond the clock's range.
fn deadline(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

/// Runs tasks beside the jobs, in the same order. If the pool is shut down, they are dropped.
///
/// A task counts in the backlog, but never waits for room there: it goes beyond the limit, because
/// what gives it out may be a wake, which must not wait. For each future that async handlers have
/// started there is at most one.
impl Executor for Jobs {
    #[track_caller]
    fn execute(&self, task: Box<dyn FnOnce() + Send>) {
        if self.inner.executor.is_none() {
            let _ = self.inner.pool.admit(Item::Bare(task), WhenFull::Exceed);
            return;
        }
        // As a job it is counted, and dropped when the pool is shut down.
        let job = Task::new(
            move |_: &JobContext| task(),
            self.inner.pool.clone(),
            Location::caller(),
        );
        if self.enqueue(job.clone(), WhenFull::Exceed).is_err() {
            job.refuse(JobError::Cancelled);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.pool.close();
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs")
            .field("waiting", &self.waiting())
            .field("running", &self.running())
            .field("is_shut_down", &self.is_shut_down())
            .finish()
    }
}

unwind_safe! {
    [] Jobs;
}

/// The task that an executor is given: runs the job when called, abandons it when dropped.
struct ExecutorTask {
    /// `None` once it was called.
    given: Option<(Arc<Pool>, Arc<dyn Runnable>)>,
}

impl ExecutorTask {
    fn run(mut self) {
        if let Some((pool, job)) = self.given.take() {
            pool::run_listed(pool, job);
        }
    }
}

impl Drop for ExecutorTask {
    fn drop(&mut self) {
        if let Some((pool, job)) = self.given.take() {
            if pool.claim(&job) {
                job.refuse(JobError::Abandoned);
            }
        }
    }
}

/// Builds a pool. Made by [`Jobs::builder`].
///
/// # Examples
///
/// ```
/// use slotcast::Jobs;
///
/// let jobs = Jobs::builder().workers(2).backlog(1000).name("thumbnails").build();
/// let name = jobs.submit(|_| std::thread::current().name().map(str::to_owned));
/// assert!(name.wait().unwrap().unwrap().starts_with("thumbnails-"));
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct JobsBuilder {
    workers: Option<usize>,
    backlog: usize,
    name: String,
    executor: Option<Box<dyn Executor>>,
}

impl JobsBuilder {
    /// Sets the number of threads; the default is the parallelism of the machine.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn workers(mut self, workers: usize) -> Self {
        assert!(
            workers > 0,
            "a pool of 0 workers would never run a job: give it 1 or more"
        );
        self.workers = Some(workers);
        self
    }

    /// Limits how many jobs may wait; running ones do not count. The default is no limit.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn backlog(mut self, jobs: usize) -> Self {
        assert!(
            jobs > 0,
            "a backlog of 0 jobs would never take one: give it room for 1 or more"
        );
        self.backlog = jobs;
        self
    }

    /// Sets the name of the threads, which their number follows; the default is `jobs`.
    ///
    /// # Panics
    ///
    /// If it contains a NUL character, which names of threads cannot contain.
    #[track_caller]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        assert!(
            !self.name.contains('\0'),
            "the name {:?} contains a NUL character, which the name of a thread cannot",
            self.name
        );
        self
    }

    /// Runs the jobs on an executor: a pool or a runtime that the program already has. The pool then
    /// has no workers of its own.
    ///
    /// The backlog counts the jobs that the executor has not begun. The promises about jobs are the
    /// same for every executor: a task that it drops completes its job as [`JobError::Abandoned`],
    /// and a task may run before `execute` returns. A job that waits for another by [`Job::wait`]
    /// runs that one itself, if it has not begun; waiting for a promise blocks one of the executor's
    /// threads.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Jobs;
    ///
    /// // rayon:  .executor(move |task| pool.spawn(task))
    /// // tokio:  .executor(move |task| drop(runtime.spawn_blocking(task)))
    /// let here = Jobs::builder().executor(|task: Box<dyn FnOnce() + Send>| task()).build();
    /// assert!(here.submit(|_| ()).is_done());
    /// ```
    pub fn executor(mut self, executor: impl Executor) -> Self {
        self.executor = Some(Box::new(executor));
        self
    }

    /// Creates the pool and starts its threads.
    ///
    /// # Panics
    ///
    /// If the system cannot start a thread. On a target without threads, such as a browser, it cannot: give
    /// the pool an [`executor`](Self::executor).
    #[must_use]
    #[track_caller]
    pub fn build(self) -> Jobs {
        // Created before the threads start: its drop ends those that did start, if one cannot.
        let inner = Inner {
            pool: Pool::new(&self.name, self.backlog, Location::caller()),
            executor: self.executor,
        };
        if inner.executor.is_none() {
            let cores = || std::thread::available_parallelism().map_or(1, usize::from);
            let workers = self.workers.unwrap_or_else(cores);
            if let Err(error) = inner.pool.start(workers) {
                let hint = match THREADS {
                    true => "",
                    false => "; this target has no threads: give the pool an executor",
                };
                panic!("cannot start {workers} threads for jobs: {error}{hint}");
            }
        }
        Jobs {
            inner: Arc::new(inner),
        }
    }
}

impl fmt::Debug for JobsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobsBuilder")
            .field("workers", &self.workers)
            .field("backlog", &self.backlog)
            .field("name", &self.name)
            .field("executor", &self.executor.is_some())
            .finish()
    }
}
