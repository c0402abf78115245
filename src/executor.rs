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
/// An executor runs a task by calling it, once. A task that is dropped instead is refused: its waiter is
/// notified that it was abandoned, so an executor that is full or shut down just drops it. Tasks do not
/// unwind. An executor may call the task before it returns.
pub trait Executor: Send + Sync + 'static {
    /// Runs `task` as soon as possible, or drops it.
    fn execute(&self, task: Box<dyn FnOnce() + Send>);
}

impl<F: Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static> Executor for F {
    fn execute(&self, task: Box<dyn FnOnce() + Send>) {
        self(task);
    }
}
