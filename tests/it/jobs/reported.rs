//! Failures of jobs and their callbacks: told once, to the hook of the pool, or else to the log.

use std::sync::{Arc, Mutex};

use slotcast::{FailureKind, HandlerResult, Jobs, Queue, promise};

use super::{Gate, until};
use crate::log::{Log, boom};

/// A pool whose reports are written down.
fn reporting() -> (Jobs, Log) {
    let jobs = Jobs::new(1);
    let log = Log::default();
    let tells = log.clone();
    jobs.set_error_hook(move |error| {
        assert_eq!((error.topic(), error.location().file()), ("(job)", file!()));
        let message = error.to_string();
        let message = message.rsplit(": ").next().unwrap_or_default();
        tells.add(format!("{:?} {message}", error.kind()));
    });
    (jobs, log)
}

#[test]
fn a_panic_that_nobody_has_seen_is_told_once_with_the_line_that_submitted_it() {
    let (jobs, log) = reporting();
    let panics = || jobs.submit(|_| -> u32 { boom("out of paper") });
    let told = ["Panicked out of paper"];
    // Whose handle was dropped before,
    drop(panics());
    jobs.submit(|_| ()).wait().unwrap();
    assert_eq!(log.take(), told);
    // or afterwards.
    let job = panics();
    until(|| job.is_done());
    assert!(log.take().is_empty());
    drop(job);
    assert_eq!(log.take(), told);
    // Whose callback was taken back.
    let (gate, _busy) = Gate::close(&jobs);
    let job = panics();
    drop(job.subscribe().on_done(|_| ()));
    drop(job);
    gate.open();
    jobs.submit(|_| ()).wait().unwrap();
    assert_eq!(log.take(), told);
    // One that was cancelled, and panicked all the same.
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (began, begins) = std::sync::mpsc::channel();
    let job = jobs.submit(move |_| {
        began.send(()).unwrap();
        let _ = gate.recv();
        boom("out of paper");
    });
    begins.recv().unwrap();
    assert!(job.cancel());
    drop(open);
    jobs.submit(|_| ()).wait().unwrap();
    assert_eq!(log.take(), told);
}

#[test]
fn a_panic_that_somebody_has_seen_is_told_to_nobody_else() {
    let (jobs, log) = reporting();
    let panics = || jobs.submit(|_| -> u32 { boom("out of paper") });
    assert!(panics().wait().is_err());
    let job = panics();
    job.on_done(|outcome| assert!(outcome.is_err()));
    drop(job);
    let queue = Queue::new();
    panics().on_done_in(&queue, |(), outcome| assert!(outcome.is_err()));
    jobs.submit(|_| ()).wait().unwrap();
    assert_eq!(queue.drain().delivered(), 1);
    assert!(log.take().is_empty());
}

#[test]
fn a_callback_that_fails_is_told_whatever_its_form() {
    let (jobs, log) = reporting();
    let (gate, busy) = Gate::close(&jobs);
    busy.on_done(|_| Err::<(), _>("disk full"));
    busy.on_done(|outcome| -> HandlerResult {
        outcome.as_ref().unwrap().parse::<u32>()?;
        Ok(())
    });
    busy.on_done(|_| boom("panics"));
    let _sub = busy.subscribe().on_done(|_| Err::<(), _>("no space"));
    gate.open();
    until(|| busy.is_done());
    let told = [
        "Failed disk full",
        "Failed invalid digit found in string",
        "Panicked panics",
        "Failed no space",
    ];
    assert_eq!(log.take(), told);
    let job = jobs.submit(|cx| cx.progress(1, 2));
    let _sub = job.subscribe().on_progress(|_| Err::<(), _>("no bar"));
    until(|| job.is_done());
    job.on_progress(|_| Err::<(), _>("late"));
    assert_eq!(log.take().last().unwrap(), "Failed late");
}

#[test]
fn a_hook_that_fails_does_no_harm() {
    let jobs = Jobs::new(1);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let (seen, pool) = (calls.clone(), jobs.clone());
    jobs.set_error_hook(move |error| {
        seen.lock().unwrap().push(error.kind());
        // Of a failure inside of the hook the log is told.
        let (inner, job) = promise::<u32>();
        job.on_done(|_| boom("inside of the hook"));
        inner.complete(1);
        drop(pool.try_submit(|_| ()));
        boom("the hook itself");
    });
    drop(jobs.submit(|_| boom("first")));
    jobs.submit(|_| ()).wait().unwrap();
    assert_eq!(*calls.lock().unwrap(), [FailureKind::Panicked]);
    jobs.set_error_hook(|_| ());
}

#[test]
fn a_clear_of_a_queue_tells_of_the_outcomes_inside() {
    let bus = slotcast::Bus::new();
    let log = Log::default();
    let tells = log.clone();
    bus.set_error_hook(move |error| tells.add(format!("{:?} {error}", error.kind())));
    for _ in 0..2 {
        let (promise, job) = promise::<u32>();
        job.on_done_in(&bus.queue(), |(), _| ());
        job_progress(&promise);
        promise.complete(1);
    }
    assert_eq!(bus.queue().clear(), 2);
    let told = log.take();
    assert_eq!(told.len(), 2, "{told:?}");
    let cleared = |line: &String| line.starts_with("Undelivered") && line.ends_with("was cleared");
    assert!(told.iter().all(cleared), "{told:?}");
}

fn job_progress(promise: &slotcast::Promise<u32>) {
    promise.progress(1, 2);
}
