//! A thread pool whose jobs may be slow, fail or panic: cancel, time out, retry, shut down.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use slotcast::jobs::{Cancelled, JobContext, Outcome};
use slotcast::{Job, JobError, Jobs};

/// Asks a host. If it does not answer, runs until the job is cancelled.
fn ask(host: &str, attempt: u32, cx: &JobContext) -> Result<String, Cancelled> {
    match host {
        "steady" => Ok("pong".to_owned()),
        "shaky" if attempt < 3 => panic!("connection reset"),
        "shaky" => Ok(format!("pong, at attempt {attempt}")),
        _ => loop {
            cx.check()?;
            thread::yield_now();
        },
    }
}

fn submit(jobs: &Jobs, host: &'static str, attempt: u32) -> Job<Result<String, Cancelled>> {
    jobs.submit(move |cx| ask(host, attempt, cx))
}

/// Waits with a timeout, then cancels the job and takes its outcome.
fn within<T: Send + 'static>(job: Job<T>, timeout: Duration) -> Outcome<T> {
    job.wait_timeout(timeout).unwrap_or_else(|job| {
        job.cancel();
        job.wait()
    })
}

/// Retries as long as the job panics.
fn retry(jobs: &Jobs, host: &'static str, attempts: u32) -> Outcome<Result<String, Cancelled>> {
    let mut outcome = submit(jobs, host, 1).wait();
    for attempt in 2..=attempts {
        let Err(JobError::Panicked(why)) = outcome else {
            break;
        };
        println!("  {why}: attempt {attempt}");
        outcome = submit(jobs, host, attempt).wait();
    }
    outcome
}

fn main() {
    // The panics are part of the example, and are returned in the outcomes: no output for them.
    std::panic::set_hook(Box::new(|_| ()));
    let jobs = Jobs::builder().workers(2).backlog(8).name("ask").build();

    let steady = within(submit(&jobs, "steady", 1), Duration::from_secs(10));
    println!("steady: {steady:?}");
    assert_eq!(steady, Ok(Ok("pong".to_owned())));

    let silent = within(submit(&jobs, "silent", 1), Duration::from_millis(50));
    println!("silent: {silent:?}");
    assert_eq!(silent, Err(JobError::Cancelled));

    let shaky = retry(&jobs, "shaky", 5);
    println!("shaky: {shaky:?}");
    assert_eq!(shaky, Ok(Ok("pong, at attempt 3".to_owned())));

    // Both workers are busy with silent hosts: the next job is queued, and can be cancelled.
    let (sender, started) = mpsc::channel();
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let sender = sender.clone();
            let job =
                jobs.submit(move |cx| sender.send(()).is_ok() && ask("silent", 1, cx).is_err());
            started.recv().expect("the job has started");
            job
        })
        .collect();
    let queued = submit(&jobs, "steady", 1);
    let cancelled = queued.cancel();
    println!(
        "cancelled before it started: {cancelled}, {:?}",
        queued.wait()
    );
    assert!(cancelled);

    // Asks the two that run to stop, and what they return counts.
    let left = jobs.shutdown_timeout(Duration::from_secs(10));
    println!("still running after the shutdown: {left}");
    assert_eq!(left, 0);
    assert!(busy.into_iter().all(|job| job.wait() == Ok(true)));
}
