//! The pool, as its users see it.

use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backlog::{Item, Runnable};
use super::context::JobContext;
use super::error::{JobError, SubmitError, SubmitErrorKind};
use super::job::Job;
use super::pool::{self, Pool, WhenFull};
use super::task::Task;
use crate::executor::Executor;

/// Runs work in the background, on threads of its own or wherever an [`Executor`] runs it.
///
/// A handle is cheap to clone, and all clones are the same pool.
///
/// # Order and threads
///
/// Jobs begin first in, first out, as threads become free. So many run at a time as there are
/// workers; jobs that wait for others do not count.
///
/// # Room
///
/// A [`backlog`](JobsBuilder::backlog) says how many jobs may wait; [`submit`](Self::submit) then waits
/// for room, and [`try_submit`](Self::try_submit) hands the work back. Without one, as many wait as
/// memory allows. The list keeps the room of its largest burst.
///
/// # Ending
///
/// [`shutdown`](Self::shutdown) finishes what runs, and cancels what waits. When the last handle is
/// dropped, what waits is cancelled, what runs is told to stop
/// ([`JobContext::is_cancelled`]), and nobody waits for it: a pool can be dropped on any thread, its own
/// too. A job that captures a handle keeps its pool until it ends.
///
/// # Failure
///
/// Work that panics completes its own job with the message, and its thread goes on.
///
/// # Examples
///
/// ```
/// use slotcast::Jobs;
///
/// let jobs = Jobs::new(2);
/// let (sender, told) = std::sync::mpsc::channel();
/// let job = jobs.submit(|_| (1..=10).product::<u64>());
/// job.on_done(move |outcome| sender.send(outcome.clone()).unwrap());
/// assert_eq!(told.recv()?, Ok(3_628_800));
/// assert_eq!(job.wait(), Ok(3_628_800));
/// # Ok::<(), std::sync::mpsc::RecvError>(())
/// ```
#[derive(Clone)]
pub struct Jobs {
    owner: Arc<Owner>,
}

/// Goes with the last handle; the threads and the jobs have the pool alone.
struct Owner {
    pool: Arc<Pool>,
    executor: Option<Box<dyn Executor>>,
}

impl Jobs {
    /// A pool of so many threads, named `jobs-0` and so on, without a bound on what waits.
    ///
    /// The threads are started at once, and sleep while there is nothing to do.
    ///
    /// # Panics
    ///
    /// If `workers` is 0, or the system cannot start a thread.
    #[must_use]
    #[track_caller]
    pub fn new(workers: usize) -> Self {
        Self::builder().workers(workers).build()
    }

    /// A pool that runs its jobs elsewhere: see [`JobsBuilder::executor`].
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

    /// For a pool with a bound, a name, or somebody else's threads.
    pub fn builder() -> JobsBuilder {
        JobsBuilder {
            workers: None,
            backlog: usize::MAX,
            name: "jobs".to_owned(),
            executor: None,
        }
    }

    /// Runs `work` in the background, as soon as a worker is free; the handle to its outcome.
    ///
    /// `work` is given a [`JobContext`], its `cx`, to tell how far it is and to hear that it should stop.
    /// What it returns is the value of the job, whatever that is: an `Err` is a value, too. Two
    /// allocations at most.
    ///
    /// Where a backlog is full, this waits for room. Called by a job of the same pool it does not
    /// wait, because that job may be the one that has to end first, and goes beyond the bound;
    /// [`try_submit`](Self::try_submit) does not do that either. On a pool that is shut down, also
    /// while this waits, `work` is dropped, and the job is there, completed as
    /// [`JobError::Cancelled`].
    ///
    /// # Panics
    ///
    /// If an executor of yours panics.
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
    pub fn submit<T, F>(&self, work: F) -> Job<T>
    where
        T: Send + 'static,
        F: FnOnce(&JobContext) -> T + Send + 'static,
    {
        let task = Task::new(work, self.owner.pool.clone(), Location::caller());
        if self.put(&task, WhenFull::Waits).is_err() {
            task.end(task.claim(), JobError::Cancelled);
        }
        Job::new(task)
    }

    /// Like [`submit`](Self::submit), but does not wait for room, and never goes beyond the bound.
    ///
    /// # Errors
    ///
    /// The work comes back if the backlog is full, or the pool was shut down.
    ///
    /// # Panics
    ///
    /// If an executor of yours panics.
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
    /// let second = jobs.submit(|_| 2);                // one waits,
    /// let full = jobs.try_submit(|_| 3).unwrap_err(); // and that is all
    /// assert_eq!(full.kind(), SubmitErrorKind::Full);
    ///
    /// drop(open);
    /// assert_eq!(second.wait(), Ok(2));
    /// assert_eq!(jobs.submit(full.into_work()).wait(), Ok(3));
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    #[track_caller]
    pub fn try_submit<T, F>(&self, work: F) -> Result<Job<T>, SubmitError<F>>
    where
        T: Send + 'static,
        F: FnOnce(&JobContext) -> T + Send + 'static,
    {
        let task = Task::new(work, self.owner.pool.clone(), Location::caller());
        let Err(kind) = self.put(&task, WhenFull::Refuses) else {
            return Ok(Job::new(task));
        };
        let Some(work) = task.claim() else {
            unreachable!("nobody else has seen it")
        };
        task.end(None, JobError::Cancelled);
        Err(match kind {
            SubmitErrorKind::Full => SubmitError::Full(work),
            SubmitErrorKind::ShutDown => SubmitError::ShutDown(work),
        })
    }

    fn put<T, F>(&self, task: &Arc<Task<T, F>>, when_full: WhenFull) -> Result<(), SubmitErrorKind>
    where
        T: Send + 'static,
        F: FnOnce(&JobContext) -> T + Send + 'static,
    {
        let Owner { pool, executor } = &*self.owner;
        let listed = Item::Job(task.clone());
        if let Err((kind, _task)) = pool.admit(listed, when_full) {
            return Err(kind);
        }
        if let Some(executor) = executor {
            let ticket = Ticket(pool.clone(), Some(task.clone()));
            executor.execute(Box::new(move || ticket.run()));
        }
        Ok(())
    }

    /// How many jobs wait to begin. A snapshot.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.owner.pool.waiting()
    }

    /// How many jobs run, those included whose callbacks run, and those that wait for others. A snapshot.
    #[must_use]
    pub fn running(&self) -> usize {
        self.owner.pool.running()
    }

    /// Whether the pool was shut down.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.owner.pool.is_closed()
    }

    /// Takes no more jobs, cancels those that wait, and waits until those that run have ended and the
    /// threads are gone. How many run still: 0.
    ///
    /// What runs is not told to stop: it finishes. To end it sooner, cancel it by its
    /// [`handle`](Job::handle). The callbacks of jobs that waited run here. Called from inside of a job
    /// of this pool, or of one of its callbacks, it does not wait, and that job is among those that run
    /// still.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{JobError, Jobs};
    ///
    /// let jobs = Jobs::new(1);
    /// let (began, begins) = std::sync::mpsc::channel();
    /// let runs = jobs.submit(move |_| { began.send(()).unwrap(); "finished" });
    /// begins.recv()?;
    /// assert_eq!(jobs.shutdown(), 0);
    /// assert_eq!(runs.wait(), Ok("finished"));
    /// assert_eq!(jobs.submit(|_| ()).wait(), Err(JobError::Cancelled));
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
    /// ```
    pub fn shutdown(&self) -> usize {
        self.owner.pool.close();
        self.owner.pool.settle(None)
    }

    /// Like [`shutdown`](Self::shutdown), but waits at most so long; how many jobs run still. Those go
    /// on, and a later call waits for them again. A timeout of zero does not wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{sync::mpsc, time::Duration};
    ///
    /// let jobs = slotcast::Jobs::new(1);
    /// let (open, gate) = mpsc::channel::<()>();
    /// let (began, begins) = mpsc::channel();
    /// jobs.submit(move |_| { began.send(()).unwrap(); gate.recv() });
    /// begins.recv()?;
    /// assert_eq!(jobs.shutdown_timeout(Duration::ZERO), 1);
    /// drop(open);
    /// assert_eq!(jobs.shutdown(), 0);
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    pub fn shutdown_timeout(&self, timeout: Duration) -> usize {
        self.owner.pool.close();
        // Later than the clock can tell is never.
        let until = Instant::now().checked_add(timeout);
        self.owner.pool.settle(until)
    }
}

/// Runs tasks of others beside the jobs, in the same order and with the same bound. Where the pool is
/// shut down they are dropped.
impl Executor for Jobs {
    fn execute(&self, task: Box<dyn FnOnce() + Send>) {
        if self.owner.executor.is_some() {
            // Counted, and dropped when the pool is shut down.
            drop(self.submit(move |_| task()));
            return;
        }
        let item = Item::Bare(task);
        // Dropped here, outside of the lock, where it is refused.
        let _refused = self.owner.pool.admit(item, WhenFull::Waits);
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.pool.tell();
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

// User code does not run while something in here is half done.
impl UnwindSafe for Jobs {}
impl RefUnwindSafe for Jobs {}

/// What an executor is given: runs the job, or abandons it where it is dropped.
struct Ticket(Arc<Pool>, Option<Arc<dyn Runnable>>);

impl Ticket {
    fn run(mut self) {
        if let Some(job) = self.1.take() {
            let _here = pool::enter(self.0.clone());
            job.run_here();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(job) = self.1.take() {
            job.refuse(JobError::Abandoned);
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
    /// How many threads run jobs; as many as the machine runs at a time, if this is not called.
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

    /// How many jobs may wait; those that run do not count. Without this there is no bound.
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

    /// What the threads are called, before their number: `jobs`, if this is not called.
    ///
    /// # Panics
    ///
    /// If it contains a NUL character, which names of threads cannot.
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

    /// Runs the jobs elsewhere: on a pool or a runtime that the program has already. There are no
    /// workers of our own then.
    ///
    /// The backlog counts the jobs that the executor has not begun. Whatever it is, the promises about
    /// jobs are the same: a task that it drops completes its job as
    /// [`JobError::Abandoned`], and one that it runs before it returns works. A job that waits for
    /// another by [`Job::wait`] runs that one itself, if it has not begun; waiting for a promise takes
    /// one of its threads.
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

    /// AsyncHandler the pool.
    ///
    /// # Panics
    ///
    /// If the system cannot start a thread.
    #[must_use]
    #[track_caller]
    pub fn build(self) -> Jobs {
        let pool = Pool::new(&self.name, self.backlog, Location::caller());
        // Owned before it starts, so that what did start ends if it fails.
        let owner = Owner {
            pool,
            executor: self.executor,
        };
        if owner.executor.is_none() {
            let cores = || std::thread::available_parallelism().map_or(1, usize::from);
            let workers = self.workers.unwrap_or_else(cores);
            if let Err(error) = owner.pool.start(workers) {
                panic!("cannot start {workers} threads for jobs: {error}");
            }
        }
        Jobs {
            owner: Arc::new(owner),
        }
    }
}

impl fmt::Debug for JobsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let JobsBuilder {
            workers,
            backlog,
            name,
            executor,
        } = self;
        f.debug_struct("JobsBuilder")
            .field("workers", workers)
            .field("backlog", backlog)
            .field("name", name)
            .field("executor", &executor.is_some())
            .finish()
    }
}
