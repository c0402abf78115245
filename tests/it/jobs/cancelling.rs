//! Jobs that are cancelled, dropped, or whose promise is dropped.

use std::sync::mpsc::{self, Sender};
use std::thread;

use slotcast::jobs::{Cancelled, JobContext};
use slotcast::{JobError, Jobs, Queue, promise};

use super::{Gate, callback, until};
use crate::log::{Dropped, Log, boom, panic_of};

#[test]
fn a_pending_job_that_is_cancelled_never_starts() {
    let jobs = Jobs::new(1);
    let (gate, _busy) = Gate::close(&jobs);
    let log = Log::default();
    let (captured, ran) = (Dropped(log.clone(), "captures"), log.clone());
    let job = jobs.submit(move |_| {
        let _captured = captured;
        ran.add("ran");
    });
    callback(&log, &job, "told");
    assert_eq!(jobs.waiting(), 1);
    assert!(job.cancel());
    // At once: its captures have gone, its callbacks have run, and it waits no more.
    assert_eq!(log.take(), ["drop captures", "told Err(Cancelled)"]);
    assert_eq!(jobs.waiting(), 0);
    assert!(!job.cancel());
    gate.open();
    jobs.submit(|_| ()).wait().unwrap();
    assert_eq!(job.wait(), Err(JobError::Cancelled));
    assert!(log.take().is_empty());
}

#[test]
fn a_running_job_that_is_cancelled_is_told() {
    fn runs(cx: &JobContext, began: &Sender<()>) -> Result<u32, Cancelled> {
        assert!(cx.check().is_ok());
        began.send(()).unwrap();
        loop {
            cx.check()?;
            thread::yield_now();
        }
    }
    let jobs = Jobs::new(1);
    let (began, begins) = mpsc::channel();
    let job = jobs.submit(move |cx| runs(cx, &began));
    begins.recv().unwrap();
    assert!(!job.cancel());
    assert_eq!(job.wait(), Ok(Err(Cancelled)));
    assert_eq!(JobError::from(Cancelled), JobError::Cancelled);
}

#[test]
fn a_dropped_job_goes_on_and_its_value_is_dropped_once() {
    let jobs = Jobs::new(1);
    let log = Log::default();
    let (gate, busy) = Gate::close(&jobs);
    let job = jobs.submit({
        let log = log.clone();
        move |_| Dropped(log, "value")
    });
    let told = log.clone();
    job.on_done(move |outcome| told.add(format!("told {}", outcome.is_ok())));
    let handle = job.handle();
    drop((job, busy));
    gate.open();
    until(|| handle.is_done());
    jobs.submit(|_| ()).wait().unwrap();
    assert_eq!(log.take(), ["told true", "drop value"]);
}

#[test]
fn abort_on_drop_turns_that_round() {
    let jobs = Jobs::new(1);
    let (gate, busy) = Gate::close(&jobs);
    let log = Log::default();
    let ran = log.clone();
    let job = jobs.submit(move |_| ran.add("ran")).abort_on_drop();
    callback(&log, &job, "told");
    drop(job);
    assert_eq!(log.take(), ["told Err(Cancelled)"]);
    // One that was taken is not cancelled.
    gate.open();
    assert_eq!(busy.abort_on_drop().wait(), Ok("let go"));
    let (promise, job) = promise::<u32>();
    let queue = Queue::new();
    let handle = job.abort_on_drop().on_done_in(&queue, |(), _| ());
    drop(handle);
    assert!(!promise.is_cancelled());
}

#[test]
fn a_dropped_promise_abandons_its_job() {
    let log = Log::default();
    let (kept, job) = promise::<u32>();
    callback(&log, &job, "told");
    drop(kept);
    assert_eq!(log.take(), ["told Err(Abandoned)"]);
    assert_eq!(job.wait(), Err(JobError::Abandoned));
    // By unwinding, too, in which nothing of ours may panic.
    let (kept, job) = promise::<u32>();
    job.on_done(|_| boom("this line is part of a test"));
    let message = panic_of(move || {
        let _kept = kept;
        boom("unwinds");
    });
    assert_eq!(message, "unwinds");
    assert_eq!(job.wait(), Err(JobError::Abandoned));
}

#[test]
fn a_promise_is_told_of_a_cancel_and_decides() {
    let (first, job) = promise::<u32>();
    assert!(!first.is_cancelled());
    assert!(!job.cancel());
    assert!(first.is_cancelled() && !job.is_done());
    first.complete(1);
    assert_eq!(job.wait(), Ok(1));
    let (second, job) = promise::<u32>();
    second.fail(JobError::Cancelled);
    assert_eq!(job.wait(), Err(JobError::Cancelled));
}
