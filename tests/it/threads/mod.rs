//! Promises 4 to 6, 10, 12 and 16 to 19 where several threads take part, on the shared flavour.
//!
//! What a model checker can run in every order is in `tests/loom`; here are real threads, in numbers
//! and with timings that a model cannot have.

use std::thread;
use std::time::{Duration, Instant};

mod hooks;
mod kept;
mod let_go;
mod nested_drains;
mod queue;
mod room;
mod signals;
mod turns;
mod waiting_cancel;

/// Waits for something that another thread does.
fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it never came");
        thread::yield_now();
    }
}

/// Longer than any test should take.
const PATIENCE: Duration = Duration::from_secs(60);
