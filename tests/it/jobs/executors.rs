//! Jobs on executors other than a pool, and a pool as an executor.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

use slotcast::{Executor, JobError, Jobs};

use crate::log::{boom, panic_of};

#[test]
fn an_executor_that_drops_a_task_abandons_its_job() {
    let jobs = Jobs::with_executor(|task: Box<dyn FnOnce() + Send>| drop(task));
    let job = jobs.submit(|_| 1);
    assert_eq!(jobs.waiting(), 0);
    assert_eq!(job.wait(), Err(JobError::Abandoned));
}

#[test]
fn an_executor_that_runs_its_task_at_once_works() {
    let jobs = Jobs::builder()
        .backlog(1)
        .executor(|task: Box<dyn FnOnce() + Send>| task())
        .build();
    let pool = jobs.clone();
    for n in 0..10 {
        assert_eq!(jobs.submit(move |_| n).try_take().unwrap(), Ok(n));
    }
    let nested = jobs.submit(move |_| pool.submit(|_| 5).wait());
    assert_eq!(nested.wait(), Ok(Ok(5)));
    assert_eq!((jobs.shutdown(), jobs.running()), (0, 0));
}

#[test]
fn an_executor_that_panics_leaves_nothing_behind() {
    let jobs = Jobs::with_executor(|_: Box<dyn FnOnce() + Send>| boom("no runtime"));
    assert_eq!(panic_of(|| drop(jobs.submit(|_| 1))), "no runtime");
    assert_eq!((jobs.waiting(), jobs.running()), (0, 0));
}

/// An executor whose tasks run when the test says so.
#[derive(Clone, Default)]
struct Later(Arc<Mutex<VecDeque<Task>>>);

type Task = Box<dyn FnOnce() + Send>;

impl Later {
    fn jobs(&self) -> Jobs {
        let tasks = self.0.clone();
        Jobs::with_executor(move |task| tasks.lock().unwrap().push_back(task))
    }
    fn take(&self) -> Option<Task> {
        self.0.lock().unwrap().pop_front()
    }
}

#[test]
fn an_executor_keeps_the_promises_about_cancel_and_shutdown() {
    let later = Later::default();
    let jobs = later.jobs();
    let (first, second, third) = (jobs.submit(|_| 1), jobs.submit(|_| 2), jobs.submit(|_| 3));
    assert_eq!(jobs.waiting(), 3);
    assert!(first.cancel());
    later.take().unwrap()();
    assert_eq!(first.wait(), Err(JobError::Cancelled));
    later.take().unwrap()();
    assert_eq!(second.wait(), Ok(2));
    assert_eq!(jobs.shutdown(), 0);
    assert_eq!(third.wait(), Err(JobError::Cancelled));
    // Too late, and nobody minds.
    later.take().unwrap()();
}

#[test]
fn a_job_of_an_executor_runs_the_one_it_waits_for() {
    let later = Later::default();
    let jobs = later.jobs();
    let pool = jobs.clone();
    let job = jobs.submit(move |_| pool.submit(|_| 1).wait());
    later.take().unwrap()();
    assert_eq!(job.wait(), Ok(Ok(1)));
}

#[test]
fn threads_of_a_closure_and_a_runtime_do() {
    let spawns = Jobs::with_executor(|task| drop(thread::spawn(task)));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let tokio = Jobs::with_executor(move |task| drop(handle.spawn_blocking(task)));
    for jobs in [spawns, tokio] {
        let all: Vec<_> = (0..20).map(|n| jobs.submit(move |_| n)).collect();
        let sum = runtime.block_on(async {
            let mut sum = 0;
            for job in all {
                sum += job.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 190);
        assert_eq!(jobs.shutdown(), 0);
    }
    // A runtime that is gone drops its tasks.
    let handle = runtime.handle().clone();
    runtime.shutdown_background();
    let gone = Jobs::with_executor(move |task| drop(handle.spawn_blocking(task)));
    assert_eq!(gone.submit(|_| 1).wait(), Err(JobError::Abandoned));
}

#[test]
fn a_pool_is_an_executor() {
    let jobs = Jobs::builder().workers(1).backlog(8).build();
    let (told, tells): (_, Receiver<u32>) = mpsc::channel();
    jobs.execute(Box::new(|| boom("this line is part of a test")));
    let sends = told.clone();
    jobs.execute(Box::new(move || sends.send(1).unwrap()));
    assert_eq!(tells.recv(), Ok(1));
    // Where it is shut down, tasks are dropped.
    jobs.shutdown();
    jobs.execute(Box::new(move || told.send(2).unwrap()));
    assert!(tells.recv().is_err());
    let outer = Jobs::with_executor(jobs);
    assert_eq!(outer.submit(|_| 1).wait(), Err(JobError::Abandoned));
}
