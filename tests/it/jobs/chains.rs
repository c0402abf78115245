//! Promise 8 for jobs: callbacks that lead to callbacks, however many, need constant stack; and a chain
//! of refusals ends.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use slotcast::jobs::Outcome;
use slotcast::{FailureKind, Job, JobError, Jobs, Promise, promise};

use super::{LONG, callback};
use crate::log::Log;

const MANY: u32 = if cfg!(miri) { 300 } else { 1_000_000 };
/// More callbacks than are run inside of each other.
const DEEP: u32 = 50;

fn on_a_small_stack<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let small = thread::Builder::new().stack_size(256 * 1024);
    small.spawn(f).unwrap().join().unwrap()
}

/// A chain of jobs, each of which is completed by `pass` in the callback of the one before.
fn chain(links: u32, pass: fn(Promise<u32>, &Outcome<u32>)) -> (Promise<u32>, Job<u32>) {
    let (first, mut job) = promise();
    for _ in 0..links {
        let (promise, later) = promise();
        job.on_done(move |outcome| pass(promise, outcome));
        job = later;
    }
    (first, job)
}

fn one_more(promise: Promise<u32>, outcome: &Outcome<u32>) {
    if let Ok(n) = outcome {
        promise.complete(n + 1);
    }
}

#[test]
fn a_chain_of_a_million_completions_needs_constant_stack() {
    on_a_small_stack(|| {
        let (first, last) = chain(MANY, one_more);
        first.complete(0);
        assert_eq!(last.wait(), Ok(MANY));
        // Each promise is dropped in the callback of the job before.
        let (first, last) = chain(MANY / 10, one_more);
        drop(first);
        assert_eq!(last.wait(), Err(JobError::Abandoned));
        let (first, last) = chain(MANY / 10, |promise, outcome| {
            promise.fail(outcome.clone().unwrap_err());
        });
        drop(first);
        assert_eq!(last.wait(), Err(JobError::Abandoned));
    });
}

#[test]
fn a_chain_of_a_million_cancels_needs_constant_stack() {
    on_a_small_stack(|| {
        let (mut kept, first) = promise::<u32>();
        let handle = first.handle();
        let mut jobs = vec![first];
        for _ in 0..MANY / 10 {
            let (promise, job) = promise();
            let cancels = job.handle();
            std::mem::replace(&mut kept, promise).on_cancel(move || _ = cancels.cancel());
            jobs.push(job);
        }
        // The promises are gone: what was not cancelled was abandoned, and told nobody.
        assert!(jobs.iter().rev().skip(1).all(Job::is_done));
        assert!(!handle.cancel() && !kept.is_cancelled());
        let (first, job) = promise::<u32>();
        let mut last = job.handle();
        let mut promises = vec![first];
        let mut handles = vec![job];
        for _ in 0..MANY / 10 {
            let (promise, job) = promise();
            let cancels = std::mem::replace(&mut last, job.handle());
            promise.on_cancel(move || _ = cancels.cancel());
            promises.push(promise);
            handles.push(job);
        }
        assert!(last.cancel());
        assert!(promises.iter().all(Promise::is_cancelled));
        assert!(handles.iter().all(Job::is_done));
    });
}

#[test]
fn a_chain_of_a_million_progress_reports_needs_constant_stack() {
    on_a_small_stack(|| {
        let (first, mut job) = promise::<()>();
        for _ in 0..MANY / 10 {
            let (promise, later) = promise::<()>();
            job.on_progress(move |progress| promise.progress(progress.done + 1, 0));
            job = later;
        }
        first.progress(0, 0);
        assert_eq!(job.progress().unwrap().done, u64::from(MANY / 10));
        // Each listener is dropped with its job, and with it the promise of the next one.
        drop(first);
        assert_eq!(job.wait(), Err(JobError::Abandoned));
        // A job whose progress leads to its own.
        let (promise, job) = promise::<()>();
        let promise = Arc::new(promise);
        let again = Arc::downgrade(&promise);
        job.on_progress(move |progress| {
            if progress.done < u64::from(MANY) {
                again.upgrade().unwrap().progress(progress.done + 1, 0);
            }
        });
        promise.progress(0, 0);
        assert_eq!(job.progress().unwrap().done, u64::from(MANY));
    });
}

#[test]
fn callbacks_far_down_a_chain_run_once_each_and_in_order() {
    let log = Log::default();
    let (first, last) = chain(DEEP, one_more);
    for name in ["one", "two", "three"] {
        callback(&log, &last, name);
    }
    first.complete(0);
    assert_eq!(log.take(), ["one Ok(50)", "two Ok(50)", "three Ok(50)"]);
    assert_eq!(last.try_take().unwrap(), Ok(50));
}

/// Runs `f` in a callback so far down a chain that its completions are left for later.
fn deep_inside(f: impl FnOnce() + Send + 'static) {
    let (first, last) = chain(DEEP, one_more);
    let (done, told) = mpsc::channel();
    last.on_done(move |_| {
        f();
        done.send(()).unwrap();
    });
    let completes = thread::spawn(move || first.complete(0));
    told.recv_timeout(LONG)
        .expect("it waits for itself, or has failed");
    completes.join().unwrap();
}

#[test]
fn a_wait_deep_inside_of_callbacks_runs_what_it_waits_for() {
    // For a job that is completed there,
    deep_inside(|| {
        let (promise, job) = promise();
        let (second, later) = promise_of();
        job.on_done(move |_| second.complete(2));
        promise.complete(1);
        assert_eq!(job.wait(), Ok(1));
        // or by a callback of that one,
        assert_eq!(later.wait(), Ok(2));
    });
    deep_inside(|| {
        let (promise, job) = promise();
        let (second, later) = promise_of();
        job.on_done(move |_| second.complete(2));
        promise.complete(1);
        assert_eq!(later.wait_timeout(LONG).unwrap(), Ok(2));
    });
    // or on another thread, which the callback waits for by other means,
    deep_inside(|| {
        let (promise, job) = promise();
        let waits = thread::spawn(move || job.wait());
        promise.complete(1);
        assert_eq!(waits.join().unwrap(), Ok(1));
    });
    // or by a future.
    deep_inside(|| {
        let (promise, job) = promise();
        promise.complete(1);
        assert_eq!(futures_lite::future::block_on(job), Ok(1));
    });
}

fn promise_of() -> (Promise<u32>, Job<u32>) {
    promise()
}

/// Submits again from its own callback, until the pool has ended.
fn next(jobs: &Jobs, calls: &Arc<AtomicUsize>) {
    calls.fetch_add(1, SeqCst);
    let (again, counts) = (jobs.clone(), calls.clone());
    jobs.submit(|_| ()).on_done(move |_| next(&again, &counts));
}

/// The failures that the pool has reported.
fn told(jobs: &Jobs) -> Arc<Mutex<Vec<FailureKind>>> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tells = told.clone();
    jobs.set_error_hook(move |error| tells.lock().unwrap().push(error.kind()));
    told
}

#[test]
fn a_callback_that_submits_again_to_a_pool_that_has_ended_ends_its_chain_and_is_told_once() {
    on_a_small_stack(|| {
        let jobs = Jobs::new(1);
        let (told, calls) = (told(&jobs), Arc::new(AtomicUsize::new(0)));
        next(&jobs, &calls);
        assert_eq!(jobs.shutdown(), 0);
        assert_eq!(*told.lock().unwrap(), [FailureKind::TooDeep]);
        let before = calls.load(SeqCst);
        // Each chain by itself.
        next(&jobs, &calls);
        assert_eq!(told.lock().unwrap().len(), 2);
        assert!(calls.load(SeqCst) - before < 100);
    });
}

#[test]
fn an_executor_that_drops_its_tasks_ends_a_chain_of_submissions() {
    on_a_small_stack(|| {
        let jobs = Jobs::with_executor(|task: Box<dyn FnOnce() + Send>| drop(task));
        let (told, calls) = (told(&jobs), Arc::new(AtomicUsize::new(0)));
        next(&jobs, &calls);
        assert_eq!(*told.lock().unwrap(), [FailureKind::TooDeep]);
        assert!(calls.load(SeqCst) < 100);
    });
}

#[test]
fn submissions_that_run_at_once_lead_to_each_other_in_constant_stack() {
    fn down(jobs: &Jobs, left: u32, done: mpsc::Sender<()>) {
        let again = jobs.clone();
        let job = jobs.submit(move |_| left);
        job.on_done(move |left| match left {
            Ok(0) | Err(_) => done.send(()).unwrap(),
            Ok(left) => down(&again, left - 1, done),
        });
    }
    on_a_small_stack(|| {
        let jobs = Jobs::with_executor(|task: Box<dyn FnOnce() + Send>| task());
        let (done, ends) = mpsc::channel();
        down(&jobs, MANY / 10, done);
        ends.try_recv().unwrap();
        assert_eq!(jobs.shutdown(), 0);
    });
}

#[test]
fn a_shutdown_of_many_that_submit_again_needs_constant_stack() {
    on_a_small_stack(|| {
        let jobs = Jobs::new(1);
        let (began, begins) = mpsc::channel();
        let (open, gate) = mpsc::channel::<()>();
        let busy = jobs.submit(move |cx| {
            cx.on_cancel(move || drop(open));
            began.send(()).unwrap();
            gate.recv().is_err()
        });
        begins.recv().unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let told = told(&jobs);
        for _ in 0..1000 {
            next(&jobs, &calls);
        }
        assert_eq!(jobs.shutdown(), 0);
        assert_eq!(told.lock().unwrap().len(), 1000);
        assert_eq!(busy.wait(), Ok(true));
    });
}
