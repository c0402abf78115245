//! How a pool ends: by a shutdown, or by dropping its last handle.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use slotcast::jobs::SubmitErrorKind;
use slotcast::{Job, JobError, Jobs, Overflow, Queue, promise};

use super::{Gate, LONG, callback, until};
use crate::log::Log;

#[test]
fn shutdown_waits_for_what_runs_and_cancels_what_waits() {
    let jobs = Jobs::new(1);
    let log = Log::default();
    let (gate, busy) = Gate::close(&jobs);
    let waits = jobs.submit(|_| "never");
    callback(&log, &busy, "ran");
    callback(&log, &waits, "waited");
    assert_eq!(jobs.shutdown_timeout(Duration::ZERO), 1);
    assert!(jobs.is_shut_down());
    assert_eq!(log.take(), ["waited Err(Cancelled)"]);
    gate.open();
    assert_eq!((jobs.shutdown(), jobs.shutdown()), (0, 0));
    assert_eq!(log.take(), ["ran Ok(\"let go\")"]);
    assert_eq!(busy.wait(), Ok("let go"));
    assert_eq!(waits.wait(), Err(JobError::Cancelled));
    assert_eq!(jobs.submit(|_| ()).wait(), Err(JobError::Cancelled));
}

/// Work that runs until it is told to stop.
fn runs(jobs: &Jobs) -> Job<&'static str> {
    let (began, begins) = mpsc::channel();
    let (close, lines) = mpsc::channel::<()>();
    let job = jobs.submit(move |cx| {
        cx.on_cancel(move || drop(close));
        began.send(()).unwrap();
        let _ = lines.recv();
        "told"
    });
    begins.recv().unwrap();
    job
}

#[test]
fn shutdown_asks_what_runs_to_stop() {
    let jobs = Jobs::new(2);
    let all = [runs(&jobs), runs(&jobs)];
    assert_eq!(jobs.shutdown(), 0);
    for job in all {
        assert_eq!(job.wait(), Ok("told"));
    }
    // Also what an executor runs, and what runs inside of another job.
    let jobs = Jobs::with_executor(|task| drop(thread::spawn(task)));
    let job = runs(&jobs);
    assert_eq!(jobs.shutdown(), 0);
    assert_eq!(job.wait(), Ok("told"));
}

#[test]
fn finish_runs_what_waits_too() {
    let jobs = Jobs::new(1);
    let (gate, busy) = Gate::close(&jobs);
    let all: Vec<_> = (0..10).map(|n| jobs.submit(move |_| n)).collect();
    assert!(all[9].cancel());
    assert_eq!(jobs.finish_timeout(Duration::ZERO), 10);
    let refused = jobs.try_submit(|_| ()).unwrap_err();
    assert_eq!(refused.kind(), SubmitErrorKind::ShutDown);
    gate.open();
    assert_eq!(jobs.finish(), 0);
    assert_eq!((jobs.waiting(), jobs.running()), (0, 0));
    assert_eq!(busy.wait(), Ok("let go"));
    let done = all.into_iter().filter(|job| job.is_done()).count();
    assert_eq!(done, 10);
    // One that waits for a job behind it is not left alone.
    let jobs = Jobs::new(1);
    let (gate, _busy) = Gate::close(&jobs);
    let (promise, promised) = promise::<u32>();
    let waits = jobs.submit(move |_| promised.wait());
    let keeps = jobs.submit(move |_| promise.complete(3));
    gate.open();
    assert_eq!(jobs.finish(), 0);
    assert_eq!((waits.wait(), keeps.wait()), (Ok(Ok(3)), Ok(())));
    // A shutdown ends the wait for what has not begun.
    let jobs = Jobs::new(1);
    let busy = runs(&jobs);
    let waits = jobs.submit(|_| ());
    assert_eq!(jobs.finish_timeout(Duration::ZERO), 2);
    assert_eq!(jobs.shutdown(), 0);
    assert_eq!(
        (busy.wait(), waits.wait()),
        (Ok("told"), Err(JobError::Cancelled))
    );
}

#[test]
fn finish_waits_for_what_an_executor_has_not_begun() {
    let (sends, tasks) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
    let jobs = Jobs::with_executor(move |task| sends.send(task).unwrap());
    let job = jobs.submit(|_| 1);
    let dropped = jobs.submit(|_| 2);
    let (pool, (done, ends)) = (jobs.clone(), mpsc::channel());
    let finishes = thread::spawn(move || done.send(pool.finish()).unwrap());
    until(|| jobs.is_shut_down());
    tasks.recv().unwrap()();
    assert!(ends.try_recv().is_err(), "one waits");
    drop(tasks.recv().unwrap());
    assert_eq!(ends.recv_timeout(LONG), Ok(0));
    finishes.join().unwrap();
    assert_eq!(
        (job.wait(), dropped.wait()),
        (Ok(1), Err(JobError::Abandoned))
    );
}

#[test]
fn cancel_all_cancels_what_waits_and_what_runs_and_the_pool_goes_on() {
    let jobs = Jobs::new(1);
    let busy = runs(&jobs);
    let waits: Vec<_> = (0..100).map(|_| jobs.submit(|_| ())).collect();
    assert_eq!(jobs.cancel_all(), 101);
    assert_eq!(jobs.waiting(), 0);
    assert!(busy.is_done() && waits.iter().all(Job::is_done));
    assert_eq!(busy.wait(), Err(JobError::Cancelled));
    assert_eq!(jobs.submit(|_| 1).wait(), Ok(1));
    assert_eq!(jobs.cancel_all(), 0);
}

#[test]
fn a_shutdown_and_a_cancel_on_the_thread_that_drains_a_full_queue_return() {
    let ui = Queue::new().bounded(1, Overflow::Block);
    ui.post(|| ()).unwrap();
    let jobs = Jobs::new(1);
    let (shuts, (told, tells)) = (jobs.clone(), mpsc::channel());
    let drains = ui.clone();
    let thread = thread::spawn(move || {
        let inside = drains.clone();
        drains.drain();
        let handled = move || {
            inside.post(|| ()).unwrap();
            let job = runs(&shuts);
            let delivered = job.subscribe().on_done_in(&inside, |(), _| ());
            assert!(job.cancel());
            drop(delivered);
            let waits = shuts.submit(|_| ());
            waits.on_done_in(&inside, |(), _| ());
            told.send(shuts.shutdown()).unwrap();
        };
        drains.post(handled).unwrap();
        drains.drain();
    });
    assert_eq!(tells.recv_timeout(LONG), Ok(0));
    thread.join().unwrap();
}

#[test]
fn shutdown_from_inside_of_a_job_does_not_wait() {
    let jobs = Jobs::new(2);
    let pool = jobs.clone();
    assert_eq!(jobs.submit(move |_| pool.shutdown()).wait(), Ok(1));
    assert_eq!(jobs.shutdown(), 0);
}

#[test]
fn dropping_the_pool_cancels_what_waits_and_tells_what_runs() {
    let jobs = Jobs::new(1);
    let (began, begins) = mpsc::channel();
    let runs = jobs.submit(move |cx| {
        began.send(()).unwrap();
        while !cx.is_cancelled() {
            thread::yield_now();
        }
        "told"
    });
    begins.recv().unwrap();
    let waits = jobs.submit(|_| "never");
    let handle = jobs.clone();
    drop(jobs);
    assert_eq!(handle.waiting(), 1);
    // The last one.
    drop(handle);
    assert_eq!(waits.wait(), Err(JobError::Cancelled));
    assert_eq!(runs.wait(), Ok("told"));
}

#[test]
fn a_pool_can_be_dropped_by_its_own_job() {
    let jobs = Jobs::new(1);
    let slot = Arc::new(Mutex::new(Some(jobs.clone())));
    let (gate, _busy) = Gate::close(&jobs);
    let inner = slot.clone();
    let job = jobs.submit(move |cx| {
        let pool = inner.lock().unwrap().take();
        drop(pool);
        cx.is_cancelled()
    });
    drop(jobs);
    gate.open();
    assert_eq!(job.wait(), Ok(true));
}
