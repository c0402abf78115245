//! How a pool ends: by a shutdown, or by dropping its last handle.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use slotcast::{JobError, Jobs};

use super::{Gate, callback};
use crate::log::Log;

#[test]
fn shutdown_finishes_what_runs_and_cancels_what_waits() {
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
