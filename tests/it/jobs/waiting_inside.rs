//! Jobs that wait for other jobs, promises or room inside of a pool, which must not stand still.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use slotcast::jobs::Outcome;
use slotcast::{Job, JobError, Jobs, promise};

use super::{Gate, LONG, until};

#[test]
fn jobs_that_wait_for_jobs_do_not_stop_a_pool_of_one() {
    // Deeper than jobs are run on top of each other.
    fn down(pool: &Jobs, depth: u32) -> u32 {
        let next = pool.clone();
        match depth {
            0 => 0,
            _ => 1 + pool.submit(move |_| down(&next, depth - 1)).wait().unwrap(),
        }
    }
    let jobs = Jobs::new(1);
    let pool = jobs.clone();
    assert_eq!(jobs.submit(move |_| down(&pool, 200)).wait(), Ok(200));
    assert_eq!(jobs.shutdown(), 0);
}

#[test]
fn a_job_that_waits_for_a_promise_does_not_stop_a_pool_of_one() {
    for timed in [false, true] {
        let jobs = Jobs::new(1);
        let (promise, promised) = promise::<u32>();
        let waits = jobs.submit(move |_| match timed {
            false => promised.wait(),
            true => promised.wait_timeout(LONG).unwrap(),
        });
        drop(jobs.submit(move |_| promise.complete(3)));
        assert_eq!(waits.wait(), Ok(Ok(3)));
        assert_eq!(jobs.shutdown(), 0);
    }
}

#[test]
fn a_job_that_waits_for_itself_is_told() {
    let jobs = Jobs::new(1);
    let (hand, gets) = mpsc::channel::<Job<Option<JobError>>>();
    let (told, tells) = mpsc::channel();
    let (gate, _busy) = Gate::close(&jobs);
    let job = jobs.submit(move |_| {
        let own = gets.recv().unwrap();
        let own = own.wait_timeout(LONG).unwrap_err();
        let error = own.wait().unwrap_err();
        told.send(error.clone()).unwrap();
        Some(error)
    });
    hand.send(job).unwrap();
    gate.open();
    assert_eq!(tells.recv(), Ok(JobError::Inside));
    assert_eq!(jobs.shutdown(), 0);
}

/// Long enough for whoever would stand still without.
fn soon<T: Send + 'static>(job: Job<T>) -> Outcome<T> {
    job.wait_timeout(LONG)
        .unwrap_or_else(|_| panic!("it stands still"))
}

#[test]
fn a_pool_of_one_goes_on_while_a_job_waits_for_one_that_runs() {
    let jobs = Jobs::new(1);
    let (promise, promised) = promise::<u32>();
    let (began, begins) = mpsc::channel();
    let first = jobs.submit(move |_| {
        began.send(()).unwrap();
        promised.wait()
    });
    begins.recv().unwrap();
    let second = jobs.submit(move |_| first.wait());
    until(|| jobs.running() == 2);
    let third = jobs.submit(move |_| promise.complete(7));
    assert_eq!(soon(second), Ok(Ok(Ok(7))));
    assert_eq!(soon(third), Ok(()));
}

#[test]
fn a_thread_that_slept_is_not_the_one_that_stands_in() {
    let jobs = Jobs::new(2);
    let (promise, promised) = promise::<u32>();
    let first = jobs.submit(move |_| {
        // The other thread sleeps by then.
        thread::sleep(Duration::from_millis(100));
        promised.wait()
    });
    thread::sleep(Duration::from_millis(200));
    let (send, receive) = mpsc::sync_channel::<()>(0);
    let second = jobs.submit(move |_| receive.recv_timeout(LONG).is_ok());
    let third = jobs.submit(move |_| {
        _ = send.send(());
        promise.complete(7);
    });
    assert_eq!((soon(second), soon(third)), (Ok(true), Ok(())));
    assert_eq!(soon(first), Ok(Ok(7)));
}

/// A pool that runs its jobs where they are submitted, so that a job of another pool is inside of both.
fn inline() -> Jobs {
    Jobs::with_executor(|task: Box<dyn FnOnce() + Send>| task())
}

#[test]
fn a_job_in_a_job_of_another_pool_waits_for_neither() {
    let (jobs, here) = (Jobs::new(1), inline());
    let (promise, promised) = promise::<u32>();
    let (began, begins) = mpsc::channel();
    let first = jobs.submit(move |_| {
        let inner = here.submit(move |_| {
            began.send(()).unwrap();
            promised.wait()
        });
        inner.wait()
    });
    begins.recv().unwrap();
    let second = jobs.submit(move |_| promise.complete(7));
    assert_eq!(soon(first), Ok(Ok(Ok(7))));
    assert_eq!(soon(second), Ok(()));
}

#[test]
fn a_job_in_a_job_of_another_pool_shuts_down_neither_under_itself() {
    let (jobs, here) = (Jobs::new(1), inline());
    let pool = jobs.clone();
    let first = jobs.submit(move |_| here.submit(move |_| pool.shutdown()).wait());
    assert_eq!(soon(first), Ok(Ok(1)), "the outer one runs still");
}

#[test]
fn a_job_in_a_job_of_another_pool_does_not_wait_for_room_that_it_has_to_make() {
    let jobs = Jobs::builder().workers(1).backlog(1).build();
    let (here, pool) = (inline(), jobs.clone());
    let first = jobs.submit(move |_| {
        here.submit(move |_| drop((pool.submit(|_| ()), pool.submit(|_| ()))))
            .wait()
    });
    assert_eq!(soon(first), Ok(Ok(())));
}

#[test]
fn a_job_that_waits_for_itself_is_refused_before_a_thread_stands_in() {
    for _ in 0..if cfg!(miri) { 1 } else { 20 } {
        let jobs = Jobs::new(1);
        let (give, gets) = mpsc::channel::<Job<JobError>>();
        let (told, tells) = mpsc::channel();
        let pool = jobs.clone();
        let own = jobs.submit(move |_| {
            let own = gets.recv().unwrap();
            let behind = pool.submit(|_| ());
            let own = own.wait_timeout(LONG).unwrap_err();
            let refused = own.wait().unwrap_err();
            // A thread that stands in would have begun it, sooner or later.
            thread::sleep(Duration::from_millis(2));
            told.send((pool.waiting(), behind.is_done())).unwrap();
            refused
        });
        give.send(own).unwrap();
        assert_eq!(tells.recv(), Ok((1, false)));
    }
}
