//! The backlog of a pool: its order, its room, and settings that are refused.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use slotcast::jobs::SubmitErrorKind;
use slotcast::{JobError, Jobs};

use super::Gate;
use crate::log::{Log, panic_of};

#[test]
fn jobs_begin_in_the_order_they_were_submitted() {
    let jobs = Jobs::new(1);
    let (gate, _busy) = Gate::close(&jobs);
    let log = Log::default();
    for n in 0..50 {
        let log = log.clone();
        drop(jobs.submit(move |_| log.add(n)));
    }
    assert_eq!(jobs.waiting(), 50);
    gate.open();
    jobs.submit(|_| ()).wait().unwrap();
    assert_eq!(
        log.take(),
        (0..50).map(|n| n.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn a_full_backlog_hands_the_work_back() {
    let jobs = Jobs::builder().workers(1).backlog(2).build();
    let (gate, _busy) = Gate::close(&jobs);
    let waits = [jobs.submit(|_| 1), jobs.submit(|_| 2)];
    let refused = jobs.try_submit(|_| 3).unwrap_err();
    assert_eq!(refused.kind(), SubmitErrorKind::Full);
    assert_eq!(refused.to_string(), "backlog of jobs is full");
    assert_eq!(format!("{refused:?}"), "SubmitError::Full(..)");
    // A cancel makes room.
    assert!(waits[0].cancel());
    let third = jobs.try_submit(refused.into_work()).unwrap();
    assert_eq!(jobs.waiting(), 2);
    gate.open();
    assert_eq!(third.wait(), Ok(3));
    jobs.shutdown();
    let refused = jobs.try_submit(|_| 4).unwrap_err();
    assert_eq!(refused.kind(), SubmitErrorKind::ShutDown);
}

#[test]
fn submit_waits_for_room() {
    let jobs = Jobs::builder().workers(1).backlog(1).build();
    let (gate, _busy) = Gate::close(&jobs);
    let first = jobs.submit(|_| 1);
    let (done, submitted) = mpsc::channel();
    let pool = jobs.clone();
    let submits = thread::spawn(move || {
        let job = pool.submit(|_| 2);
        done.send(()).unwrap();
        job.wait()
    });
    assert!(submitted.recv_timeout(Duration::from_millis(20)).is_err());
    assert!(first.cancel());
    submitted.recv().unwrap();
    gate.open();
    assert_eq!(submits.join().unwrap(), Ok(2));
}

#[test]
fn a_shutdown_ends_the_wait_for_room() {
    let jobs = Jobs::builder().workers(1).backlog(1).build();
    let (gate, _busy) = Gate::close(&jobs);
    let first = jobs.submit(|_| 1);
    let (pool, (done, submitted)) = (&jobs, mpsc::channel());
    thread::scope(|scope| {
        for _ in 0..3 {
            let done = done.clone();
            scope.spawn(move || done.send(pool.submit(|_| 2).wait()).unwrap());
        }
        // Most likely they wait by then; what is promised is the same if they do not.
        assert!(submitted.recv_timeout(Duration::from_millis(20)).is_err());
        assert_eq!(jobs.shutdown_timeout(Duration::ZERO), 1);
    });
    drop(done);
    let all: Vec<_> = submitted.iter().collect();
    assert_eq!(all, [(); 3].map(|()| Err(JobError::Cancelled)));
    assert_eq!(first.wait(), Err(JobError::Cancelled));
    gate.open();
}

#[test]
fn a_job_that_submits_to_its_own_full_pool_does_not_wait() {
    let jobs = Jobs::builder().workers(1).backlog(1).build();
    let pool = jobs.clone();
    let job = jobs.submit(move |_| {
        let all: Vec<_> = (0..10).map(|n| pool.submit(move |_| n)).collect();
        let refused = pool.try_submit(|_| 0).unwrap_err();
        assert_eq!(refused.kind(), SubmitErrorKind::Full);
        all
    });
    let all = job.wait().unwrap();
    let sum: i32 = all.into_iter().map(|job| job.wait().unwrap()).sum();
    assert_eq!(sum, 45);
}

#[test]
fn misuse_is_refused_at_the_callers_line() {
    assert_eq!(
        panic_of(|| Jobs::new(0)),
        "a pool of 0 workers would never run a job: give it 1 or more"
    );
    assert_eq!(
        panic_of(|| drop(Jobs::builder().backlog(0))),
        "a backlog of 0 jobs would never take one: give it room for 1 or more"
    );
    assert_eq!(
        panic_of(|| drop(Jobs::builder().name("a\0b"))),
        "the name \"a\\0b\" contains a NUL character, which the name of a thread cannot"
    );
}

#[test]
fn the_number_of_waiting_jobs_is_exact_while_cancelled_ones_are_swept_out() {
    for _ in 0..if cfg!(miri) { 1 } else { 200 } {
        let jobs = Jobs::new(1);
        let (gate, _busy) = Gate::close(&jobs);
        let cancelled: Vec<_> = (0..20).map(|_| jobs.submit(|_| ())).collect();
        let (open, holds) = mpsc::channel::<()>();
        let first = jobs.submit(move |_| holds.recv().is_err());
        let second = jobs.submit(|_| ());
        // From the last to the first: those at an end of the list leave no tombstone.
        assert!(cancelled.iter().rev().all(slotcast::Job::cancel));
        thread::scope(|scope| {
            let samples = scope.spawn(|| {
                let mut before = 2;
                while before > 1 {
                    let now = jobs.waiting();
                    assert!(now <= before && now > 0, "{now} after {before}");
                    before = now;
                }
            });
            gate.open();
            samples.join().unwrap();
        });
        drop(open);
        assert_eq!((first.wait(), second.wait()), (Ok(true), Ok(())));
    }
}
