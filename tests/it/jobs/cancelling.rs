//! Jobs that are cancelled, dropped, or whose promise is dropped.

use std::sync::Arc;
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

fn runs(cx: &JobContext, began: &Sender<()>) -> Result<u32, Cancelled> {
    assert!(cx.check().is_ok());
    began.send(()).unwrap();
    loop {
        cx.check()?;
        thread::yield_now();
    }
}

#[test]
fn a_running_job_that_is_cancelled_is_told_and_completes_at_once() {
    let jobs = Jobs::new(1);
    let log = Log::default();
    let (open, gate) = mpsc::channel::<()>();
    let (began, begins) = mpsc::channel();
    let value = Dropped(log.clone(), "value");
    let job = jobs.submit(move |cx| {
        began.send(()).unwrap();
        let _ = gate.recv();
        assert!(cx.is_cancelled());
        cx.progress(1, 1);
        value
    });
    let told = log.clone();
    job.on_done(move |outcome| told.add(format!("told {:?}", outcome.as_ref().err())));
    begins.recv().unwrap();
    assert!(job.cancel() && job.is_done() && !job.cancel());
    assert_eq!(log.take(), ["told Some(Cancelled)"]);
    // Its worker is taken until the work has returned; what it returns is dropped there.
    assert_eq!(jobs.running(), 1);
    drop(open);
    jobs.submit(|_| ()).wait().unwrap();
    assert_eq!(log.take(), ["drop value"]);
    assert_eq!(job.progress(), None);
    assert_eq!(job.wait().err(), Some(JobError::Cancelled));
}

#[test]
fn a_job_that_is_asked_to_stop_decides() {
    let jobs = Jobs::new(1);
    let (began, begins) = mpsc::channel();
    let job = jobs.submit(move |cx| runs(cx, &began));
    begins.recv().unwrap();
    job.stop();
    assert_eq!(job.wait(), Ok(Err(Cancelled)));
    assert_eq!(JobError::from(Cancelled), JobError::Cancelled);
    // One that waits begins, and is told.
    let (gate, _busy) = Gate::close(&jobs);
    let waits = jobs.submit(|cx| cx.is_cancelled());
    waits.handle().stop();
    gate.open();
    assert_eq!(waits.wait(), Ok(true));
    let (promise, job) = promise::<u32>();
    job.stop();
    assert!(promise.is_cancelled() && !job.is_done());
    promise.complete(1);
    assert_eq!(job.wait(), Ok(1));
}

#[test]
fn whoever_wants_to_be_told_of_a_cancel_is_called_once() {
    let log = Log::default();
    let (first, job) = promise::<u32>();
    let adds = |name: &'static str| {
        let log = log.clone();
        move || log.add(name)
    };
    first.on_cancel(adds("one"));
    first.on_cancel(|| boom("this line is part of a test"));
    first.on_cancel(adds("two"));
    callback(&log, &job, "done");
    job.stop();
    assert_eq!(log.take(), ["one", "two"]);
    // Of one that was told already: at once.
    first.on_cancel(adds("late"));
    assert_eq!(log.take(), ["late"]);
    assert!(job.cancel());
    assert_eq!(log.take(), ["done Err(Cancelled)"]);
    first.on_cancel(adds("later"));
    assert_eq!(log.take(), ["later"]);
    // By a cancel, before the callbacks; completing it then comes too late.
    let (second, job) = promise::<u32>();
    let (second, told) = (Arc::new(second), log.clone());
    let completes = Arc::downgrade(&second);
    second.on_cancel(move || {
        let late = completes.upgrade().unwrap().try_complete(1);
        told.add(format!("{late:?}"));
    });
    callback(&log, &job, "done");
    assert!(job.cancel());
    assert_eq!(log.take(), ["Err(1)", "done Err(Cancelled)"]);
    // Of one that completes by itself it is dropped.
    let (third, job) = promise::<u32>();
    let (captured, told) = (Dropped(log.clone(), "captures"), log.clone());
    third.on_cancel(move || {
        let _captured = &captured;
        told.add("told");
    });
    third.complete(1);
    assert_eq!(log.take(), ["drop captures"]);
    assert!(!job.cancel());
}

#[test]
fn work_that_blocks_is_let_go_by_what_it_wants_to_be_told() {
    let jobs = Jobs::new(1);
    let (began, begins) = mpsc::channel();
    let job = jobs.submit(move |cx| {
        let (close, lines) = mpsc::channel::<()>();
        cx.on_cancel(move || drop(close));
        began.send(()).unwrap();
        lines.iter().count()
    });
    begins.recv().unwrap();
    job.stop();
    assert_eq!(job.wait(), Ok(0));
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
fn a_job_whose_handle_was_dropped_is_done_when_its_callbacks_have_run() {
    let log = Log::default();
    let (promise, job) = promise();
    let handle = job.handle();
    for name in ["first", "second"] {
        let (asks, told) = (handle.clone(), log.clone());
        job.on_done(move |_| told.add(format!("{name} {}", asks.is_done())));
    }
    drop(job);
    promise.complete(Dropped(log.clone(), "value"));
    assert_eq!(log.take(), ["first false", "second false", "drop value"]);
    assert!(handle.is_done());
}

#[test]
fn the_value_of_a_job_that_is_done_is_dropped_with_its_handle_though_others_can_ask() {
    let log = Log::default();
    let (promise, job) = promise();
    let handle = job.handle();
    promise.complete(Dropped(log.clone(), "value"));
    assert!(log.take().is_empty());
    drop(job);
    assert_eq!(log.take(), ["drop value"]);
    assert!(handle.is_done());
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
fn a_promise_that_is_cancelled_completes_its_job_at_once() {
    let log = Log::default();
    let (promise, job) = promise();
    assert!(!promise.is_cancelled());
    assert!(job.cancel());
    assert!(promise.is_cancelled() && job.is_done());
    promise.complete(Dropped(log.clone(), "value"));
    assert_eq!(log.take(), ["drop value"]);
    assert_eq!(job.wait().err(), Some(JobError::Cancelled));
}

#[test]
fn a_promise_is_kept_once_by_reference() {
    let (kept, job) = promise();
    assert_eq!(kept.try_complete(1), Ok(()));
    assert_eq!(kept.try_complete(2), Err(2));
    assert_eq!(kept.try_fail(JobError::Abandoned), Err(JobError::Abandoned));
    drop(kept);
    assert_eq!(job.wait(), Ok(1));
    let (kept, job) = promise::<u32>();
    assert_eq!(kept.try_fail(JobError::Inside), Ok(()));
    assert_eq!(job.wait(), Err(JobError::Inside));
}
