//! Executors: where tasks run.

/// Runs tasks, on threads of its own or elsewhere: a pool, a runtime, a closure.
///
/// Every `Fn(Box<dyn FnOnce() + Send>)` is an executor, so that a pool or a runtime takes one line:
///
/// ```
/// use slotcast::Executor;
///
/// // rayon:  |task| pool.spawn(task)
/// // tokio:  move |task| drop(handle.spawn(async move { task() }))
/// let threads = |task: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(task));
/// let (sender, done) = std::sync::mpsc::channel();
/// threads.execute(Box::new(move || sender.send(7).unwrap()));
/// assert_eq!(done.recv(), Ok(7));
/// ```
///
/// An executor runs a task by calling it, once. A task that is dropped instead is refused: what it was for is
/// abandoned, and whoever waits for that is notified. So an executor that is full or shut down just drops
/// it. Tasks do not unwind.
///
/// # Inside of `execute`
///
/// It is called wherever something is to run: in an emission, whose
/// [async handler](crate::flavour::Subscribe::on_async) has started a future, and **in every wake of such a
/// future**, on the thread that wakes. That thread may hold any lock: many channels wake while they hold their
/// own. Therefore:
///
/// - **Do not wait**, neither for room nor for an answer: whoever wakes would stand still. A bounded executor
///   drops the task, or goes beyond its bound for it, as [`Jobs`](crate::Jobs) do.
/// - **Do not run the task there**, unless nothing wakes a future under a lock that the future may take. An
///   executor that runs its tasks at once, `|task| task()`, is good for tests and for futures that wake each
///   other. Tasks that are given out inside of tasks run on top of each other then, but only 16 deep; beyond
///   that, and if a future wakes itself in its poll, they run when the task has returned that gave them out. So
///   they need constant stack.
/// - **Do not panic.** In an emission a panic is a failure of the handler. In a wake it ends there, goes to the
///   log, and the task is refused.
///
/// Dropping a task is allowed there: if a wake finds its task refused, the future is dropped on another
/// thread, `slotcast-abandoned`, which is started for that and ends after it.
pub trait Executor: Send + Sync + 'static {
    /// Runs `task` as soon as possible, or drops it. Must not wait; see above.
    fn execute(&self, task: Box<dyn FnOnce() + Send>);
}

impl<F: Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static> Executor for F {
    fn execute(&self, task: Box<dyn FnOnce() + Send>) {
        self(task);
    }
}
