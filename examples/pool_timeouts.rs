//! A pool of workers whose jobs may be slow, fail or panic: cancel, time out, retry, shut down.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use slotcast::jobs::{Cancelled, JobContext, Outcome};
use slotcast::{Job, JobError, Jobs};

/// Asks a host; one that does not answer goes on until it is told to stop.
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

/// Waits so long, then tells the job to stop and takes what it makes of that.
fn within<T: Send + 'static>(job: Job<T>, patience: Duration) -> Outcome<T> {
    job.wait_timeout(patience).unwrap_or_else(|job| {
        job.cancel();
        job.wait()
    })
}

/// Again, as long as it panics.
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
    // The panics are part of the example: they come back in the outcomes.
    std::panic::set_hook(Box::new(|_| ()));
    let jobs = Jobs::builder().workers(2).backlog(8).name("ask").build();

    let steady = within(submit(&jobs, "steady", 1), Duration::from_secs(10));
    println!("steady: {steady:?}");
    assert_eq!(steady, Ok(Ok("pong".to_owned())));

    let silent = within(submit(&jobs, "silent", 1), Duration::from_millis(50));
    println!("silent: {silent:?}");
    assert_eq!(silent, Ok(Err(Cancelled)));

    let shaky = retry(&jobs, "shaky", 5);
    println!("shaky: {shaky:?}");
    assert_eq!(shaky, Ok(Ok("pong, at attempt 3".to_owned())));

    // Both workers are busy with hosts that are silent: what comes next waits, and can be withdrawn.
    let (told, tells) = mpsc::channel();
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let told = told.clone();
            let job = jobs.submit(move |cx| told.send(()).is_ok() && ask("silent", 1, cx).is_err());
            tells.recv().expect("it has begun");
            job.abort_on_drop()
        })
        .collect();
    let waits = submit(&jobs, "steady", 1);
    let withdrawn = waits.cancel();
    println!("withdrawn before it began: {withdrawn}, {:?}", waits.wait());
    assert!(withdrawn);

    let left = jobs.shutdown_timeout(Duration::from_millis(50));
    println!("still running after the first shutdown: {left}");
    assert_eq!(left, 2);
    // That tells them to stop.
    drop(busy);
    println!("and after the second: {}", jobs.shutdown());
}
