//! Promises 14 and 22: jobs that have ended or were cancelled take no memory.

use slotcast::Jobs;

use super::{BYTES, allocations_of, bytes_of};

#[test]
fn many_jobs_through_a_short_backlog_keep_memory_flat() {
    let jobs = Jobs::builder().workers(1).backlog(1000).build();
    // What one thread allocates the other frees: only together they say what is in use.
    let in_use = || {
        let theirs = jobs.submit(|_| BYTES.get()).wait().unwrap();
        theirs + BYTES.get()
    };
    let submit = |count: usize| {
        for n in 0..count {
            let job = jobs.submit(move |_| [n; 16]);
            job.on_done(|_| ());
            if n % 3 == 0 {
                job.cancel();
            }
        }
    };
    submit(5000);
    let before = in_use();
    submit(100_000);
    let more = in_use() - before;
    // The list may have doubled for the shells of those that were cancelled: that is no byte a job.
    assert!(more < 100_000, "{more} bytes more");
}

#[test]
fn cancelled_jobs_do_not_stay_on_the_list() {
    let jobs = Jobs::new(1);
    let (open, gate) = std::sync::mpsc::channel::<()>();
    drop(jobs.submit(move |_| gate.recv()));
    let _first = jobs.submit(|_| ());
    // Neither the first nor the last on the list.
    let cancel = |count: usize| {
        let mut last = jobs.submit(|_| 0);
        for n in 0..count {
            let before = std::mem::replace(&mut last, jobs.submit(move |_| n));
            assert!(before.cancel());
        }
    };
    cancel(1000);
    let (more, ()) = bytes_of(|| cancel(100_000));
    assert!(more < 50_000, "{more} bytes more");
    drop(open);
}

#[test]
fn a_job_that_runs_where_it_is_submitted_takes_two_allocations_and_leaves_nothing() {
    let jobs = Jobs::with_executor(|task: Box<dyn FnOnce() + Send>| task());
    let round = || jobs.submit(|_| [7_u64; 16]).on_done(|_| ());
    round();
    let (bytes, ()) = bytes_of(|| {
        // The job, and the task of the executor.
        let allocations = allocations_of(|| (0..100).for_each(|_| round()));
        assert_eq!(allocations, 200);
    });
    assert_eq!(bytes, 0);
}
