//! Promise 22: a job completes once, and runs its callbacks in the order they were added.

use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use slotcast::{Job, Jobs};

use crate::log::Log;

mod asking;
mod backlog;
mod cancelling;
mod chains;
mod completing;
mod delivery;
mod executors;
mod reported;
mod shutdown;
mod subscribed;
mod taking;
mod user_code;
mod waiting_inside;

/// Longer than any test should take.
const LONG: Duration = Duration::from_secs(20);

/// A job that runs until it is let go.
struct Gate(Sender<()>);

impl Gate {
    /// Returns when the job runs.
    fn close(jobs: &Jobs) -> (Gate, Job<&'static str>) {
        let (open, gate) = mpsc::channel::<()>();
        let (began, begins) = mpsc::channel();
        let job = jobs.submit(move |_| {
            began.send(()).unwrap();
            let _ = gate.recv();
            "let go"
        });
        begins.recv().unwrap();
        (Gate(open), job)
    }

    fn open(self) {
        drop(self.0);
    }
}

/// Waits until the other thread has come to where `is_there` says; the test would hang otherwise.
fn until(is_there: impl Fn() -> bool) {
    while !is_there() {
        thread::yield_now();
    }
}

fn callback<T: std::fmt::Debug + Send + 'static>(log: &Log, job: &Job<T>, name: &'static str) {
    let log = log.clone();
    job.on_done(move |outcome| log.add(format!("{name} {outcome:?}")));
}
