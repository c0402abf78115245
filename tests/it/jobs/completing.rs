//! How a job completes: with a value or a panic, and with its callbacks in order.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use slotcast::{JobError, Jobs, promise};

use super::{callback, until};
use crate::log::{Log, boom, panic_of};

#[test]
fn a_job_runs_and_its_value_is_taken() {
    let jobs = Jobs::new(2);
    let job = jobs.submit(|_| 6 * 7);
    assert_eq!(job.wait(), Ok(42));
    let job = jobs.submit(|_| thread::current().name().map(str::to_owned));
    let name = job.wait().unwrap().unwrap();
    assert!(name.starts_with("jobs-"), "{name}");
}

#[test]
fn callbacks_run_once_each_in_the_order_added() {
    let log = Log::default();
    let (promise, job) = promise::<u32>();
    for name in ["first", "second", "third"] {
        callback(&log, &job, name);
    }
    assert!(log.take().is_empty());
    promise.complete(7);
    assert_eq!(log.take(), ["first Ok(7)", "second Ok(7)", "third Ok(7)"]);
    assert_eq!(job.wait(), Ok(7));
    assert!(log.take().is_empty());
}

#[test]
fn a_callback_added_while_they_run_joins_the_end() {
    let log = Log::default();
    let (promise, job) = promise::<u32>();
    let job = Arc::new(job);
    let (adds, inner) = (log.clone(), job.clone());
    job.on_done(move |_| {
        callback(&adds, &inner, "added inside");
        adds.add("first");
    });
    callback(&log, &job, "second");
    promise.complete(1);
    assert_eq!(log.take(), ["first", "second Ok(1)", "added inside Ok(1)"]);
}

#[test]
fn a_callback_added_afterwards_runs_at_once_on_the_adders_thread() {
    let jobs = Jobs::new(1);
    let job = Arc::new(jobs.submit(|_| 3));
    until(|| job.is_done());
    let ran = Arc::new(Mutex::new(Vec::new()));
    let (outer, inner, again) = (ran.clone(), ran.clone(), job.clone());
    job.on_done(move |outcome| {
        assert_eq!(*outcome, Ok(3));
        // Added while that one runs: after it.
        again.on_done(move |_| {
            inner
                .lock()
                .unwrap()
                .push(("inner", thread::current().id()))
        });
        outer
            .lock()
            .unwrap()
            .push(("outer", thread::current().id()));
    });
    let me = thread::current().id();
    assert_eq!(*ran.lock().unwrap(), [("outer", me), ("inner", me)]);
    assert!(job.is_done());
    assert_eq!(Arc::into_inner(job).unwrap().wait(), Ok(3));
}

#[test]
fn a_callback_that_panics_stops_no_other_and_no_waiter() {
    let log = Log::default();
    let (promise, job) = promise::<u32>();
    callback(&log, &job, "before");
    job.on_done(|_| boom("this line is part of a test"));
    callback(&log, &job, "after");
    assert_eq!(panic_of(|| promise.complete(5)), "(none)");
    assert_eq!(log.take(), ["before Ok(5)", "after Ok(5)"]);
    assert_eq!(job.wait(), Ok(5));
}

#[test]
fn work_that_panics_completes_its_job_with_the_message() {
    let jobs = Jobs::new(1);
    let log = Log::default();
    let job = jobs.submit(|_| -> u32 { boom("out of paper") });
    callback(&log, &job, "told");
    let out = JobError::Panicked("out of paper".to_owned());
    assert_eq!(job.wait(), Err(out));
    assert_eq!(log.take(), ["told Err(Panicked(\"out of paper\"))"]);
    // The thread goes on.
    assert_eq!(jobs.submit(|_| 2).wait(), Ok(2));
    until(|| jobs.running() == 0);
}

#[test]
fn each_of_many_jobs_completes_once_whoever_meddles() {
    let jobs = Jobs::builder().workers(2).backlog(64).build();
    let (told, wanted) = (
        Arc::new(AtomicUsize::new(0)),
        if cfg!(miri) { 50 } else { 5000 },
    );
    let submits: Vec<_> = (0..2)
        .map(|seed: usize| {
            let (jobs, told) = (jobs.clone(), told.clone());
            thread::spawn(move || {
                for n in 0..wanted {
                    let job = jobs.submit(move |_| n);
                    let count = told.clone();
                    job.on_done(move |_| _ = count.fetch_add(1, SeqCst));
                    match (n + seed) % 5 {
                        0 => drop(job),
                        1 => drop(job.abort_on_drop()),
                        2 => _ = job.cancel(),
                        3 => drop(job.wait_timeout(Duration::ZERO)),
                        _ => assert_eq!(job.wait(), Ok(n)),
                    }
                }
            })
        })
        .collect();
    for thread in submits {
        thread.join().unwrap();
    }
    assert_eq!(jobs.shutdown(), 0);
    assert_eq!(told.load(SeqCst), 2 * wanted);
}
