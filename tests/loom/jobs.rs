//! Jobs: what completes them, against whatever else is done to them.

use std::future::Future;
use std::sync::atomic::AtomicUsize as Plain;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::sync::{Arc, Mutex};
use loom::thread;
use slotcast::{Executor, Job, JobError, Jobs, promise};

use super::model;

/// A pool whose tasks run where the model says so.
fn by_hand() -> (Jobs, impl Fn() -> Option<Box<dyn FnOnce() + Send>>) {
    let tasks = Arc::new(Mutex::new(Vec::new()));
    let jobs = Jobs::with_executor({
        let tasks = tasks.clone();
        move |task| tasks.lock().unwrap().push(task)
    });
    (jobs, move || tasks.lock().unwrap().pop())
}

/// Planted: `Uncalled`.
#[test]
fn completion_against_on_done() {
    model(|| {
        let (promise, job) = promise::<u32>();
        let calls = Arc::new(AtomicUsize::new(0));
        let counts = calls.clone();
        job.on_done(move |_| _ = counts.fetch_add(1, SeqCst));
        let completes = thread::spawn(move || promise.complete(7));
        let counts = calls.clone();
        job.on_done(move |outcome| {
            // The first has run.
            assert_eq!((counts.fetch_add(1, SeqCst), outcome), (1, &Ok(7)));
        });
        assert_eq!(job.wait(), Ok(7));
        assert_eq!(calls.load(SeqCst), 2);
        completes.join().unwrap();
    });
}

/// Planted: `Unclaimed`.
#[test]
fn completion_against_cancel() {
    model(|| {
        let (jobs, next) = by_hand();
        let runs = Arc::new(AtomicUsize::new(0));
        let counts = runs.clone();
        let job = jobs.submit(move |_| _ = counts.fetch_add(1, SeqCst));
        let calls = Arc::new(AtomicUsize::new(0));
        let counts = calls.clone();
        job.on_done(move |_| _ = counts.fetch_add(1, SeqCst));
        let task = next().unwrap();
        let running = thread::spawn(task);
        let cancelled = job.cancel();
        let outcome = job.wait();
        running.join().unwrap();
        assert_eq!(outcome.is_err(), cancelled);
        assert!(cancelled || runs.load(SeqCst) == 1);
        assert_eq!(calls.load(SeqCst), 1);
        assert_eq!((jobs.waiting(), jobs.running()), (0, 0));
    });
}

struct Value(Arc<AtomicUsize>);

impl Drop for Value {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Planted: `Undropped`, `Undisowned`.
#[test]
fn completion_against_drop() {
    model(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let (promise, job) = promise();
        // Keeps the job, and not its value.
        let handle = job.handle();
        let value = Value(dropped.clone());
        let completes = thread::spawn(move || promise.complete(value));
        drop(job);
        completes.join().unwrap();
        assert_eq!(dropped.load(SeqCst), 1);
        drop(handle);
    });
}

/// Planted: `Undisowned`.
#[test]
fn completion_with_a_callback_against_drop() {
    model(|| {
        let (dropped, calls) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (promise, job) = promise();
        let handle = job.handle();
        let counts = calls.clone();
        job.on_done(move |_| _ = counts.fetch_add(1, SeqCst));
        let value = Value(dropped.clone());
        let completes = thread::spawn(move || promise.complete(value));
        drop(job);
        completes.join().unwrap();
        assert_eq!((calls.load(SeqCst), dropped.load(SeqCst)), (1, 1));
        assert!(handle.is_done());
    });
}

struct Woken(Plain);

impl Wake for Woken {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn poll(job: &mut Job<u32>, woken: &std::sync::Arc<Woken>) -> Poll<Result<u32, JobError>> {
    let waker = Waker::from(woken.clone());
    std::pin::Pin::new(job).poll(&mut Context::from_waker(&waker))
}

/// Planted: `Unlistened`.
#[test]
fn a_waker_is_replaced_while_the_job_completes() {
    model(|| {
        let (promise, mut job) = promise::<u32>();
        let woken = [(); 2].map(|()| std::sync::Arc::new(Woken(Plain::new(0))));
        assert!(poll(&mut job, &woken[0]).is_pending());
        let completes = thread::spawn(move || promise.complete(7));
        let second = poll(&mut job, &woken[1]);
        completes.join().unwrap();
        match second {
            Poll::Ready(outcome) => assert_eq!(outcome, Ok(7)),
            // The last waker is woken, once.
            Poll::Pending => {
                assert_eq!(woken[1].0.load(SeqCst), 1);
                assert_eq!(poll(&mut job, &woken[0]), Poll::Ready(Ok(7)));
            }
        }
    });
}

/// Planted: `Unemployed`.
#[test]
fn a_thread_is_woken_for_a_job_and_for_the_end() {
    model(|| {
        let jobs = Jobs::new(1);
        assert_eq!(jobs.submit(|_| 7).wait(), Ok(7));
        assert_eq!(jobs.shutdown(), 0);
    });
}

#[test]
fn shutdown_against_a_task_that_starts() {
    model(|| {
        let (jobs, next) = by_hand();
        let runs = Arc::new(AtomicUsize::new(0));
        let counts = runs.clone();
        let job = jobs.submit(move |_| _ = counts.fetch_add(1, SeqCst));
        let running = thread::spawn(next().unwrap());
        assert_eq!(jobs.shutdown(), 0);
        // Whatever was running has ended.
        let ran = runs.load(SeqCst);
        running.join().unwrap();
        assert_eq!(runs.load(SeqCst), ran);
        assert_eq!(job.wait().is_ok(), ran == 1);
    });
}

/// A pool of one whose job waits for a promise that another of its jobs keeps.
#[test]
fn a_spare_thread_takes_the_place_of_one_that_waits() {
    model(|| {
        let jobs = Jobs::new(1);
        let (promise, job) = promise::<u32>();
        let waits = jobs.submit(move |_| job.wait());
        jobs.execute(Box::new(move || promise.complete(3)));
        assert_eq!(waits.wait(), Ok(Ok(3)));
        assert_eq!(jobs.shutdown(), 0);
    });
}

/// Planted: `Uncontested`.
#[test]
fn a_cancel_of_a_callback_against_completion() {
    model(|| {
        let (promise, job) = promise::<u32>();
        let calls = Arc::new(AtomicUsize::new(0));
        let dropped = Arc::new(AtomicUsize::new(0));
        let (counts, captured) = (calls.clone(), Value(dropped.clone()));
        let sub = job.subscribe().on_done(move |_| {
            let _captured = &captured;
            counts.fetch_add(1, SeqCst);
        });
        let completes = thread::spawn(move || promise.complete(7));
        let cancelled = sub.cancel();
        completes.join().unwrap();
        assert_eq!(calls.load(SeqCst), usize::from(!cancelled));
        assert_eq!(dropped.load(SeqCst), 1);
        assert_eq!(job.wait(), Ok(7));
    });
}

/// In a model callbacks are left for later as soon as one is inside of another. Planted: `Unresumed`.
#[test]
fn a_wait_against_what_another_thread_has_left_for_later() {
    model(|| {
        let (first, job) = promise::<u32>();
        let (second, later) = promise::<u32>();
        let calls = Arc::new(AtomicUsize::new(0));
        let counts = calls.clone();
        later.on_done(move |_| _ = counts.fetch_add(1, SeqCst));
        job.on_done(move |_| second.complete(7));
        let completes = thread::spawn(move || first.complete(1));
        assert_eq!(later.wait(), Ok(7));
        assert_eq!(calls.load(SeqCst), 1);
        completes.join().unwrap();
        drop(job);
    });
}

/// Planted: `Unsorted`.
#[test]
fn two_threads_report_and_the_newest_is_told_last() {
    model(|| {
        let (promise, job) = promise::<()>();
        let told = Arc::new(AtomicUsize::new(0));
        let tells = told.clone();
        job.on_progress(move |progress| {
            tells.store(usize::try_from(progress.done).unwrap(), SeqCst)
        });
        let promise = Arc::new(promise);
        let also = promise.clone();
        let reports = thread::spawn(move || also.progress(1, 0));
        promise.progress(2, 0);
        reports.join().unwrap();
        let newest = job.progress().unwrap().done;
        assert_eq!(told.load(SeqCst), usize::try_from(newest).unwrap());
    });
}
