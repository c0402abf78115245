//! How the benches measure: minima over many short samples, the contestants in turn.
//!
//! On a shared machine the minimum is what the code costs and the rest is the neighbours; taking
//! turns keeps a slow minute from falling on one contestant alone. `cargo test` runs the benches,
//! too, with the flag `--test`: then everything is done once, to see that it works.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long one sample takes, about.
const SAMPLE: Duration = Duration::from_micros(200);

/// One contestant: does its work as many times as it is told or a little more, and says how often.
pub(crate) type Work<'w> = Box<dyn FnMut(u64) -> u64 + 'w>;

/// A contestant that does `work` once for each time.
#[allow(dead_code, reason = "not every bench works piece by piece")]
pub(crate) fn each<'w, R>(mut work: impl FnMut() -> R + 'w) -> Work<'w> {
    Box::new(move |times| {
        for _ in 0..times {
            black_box(work());
        }
        times
    })
}

/// The cost of one piece of each contestant's work, in nanoseconds.
pub(crate) fn nanoseconds<const N: usize>(mut contestants: [Work<'_>; N]) -> [f64; N] {
    let rounds = if is_test() { 1 } else { 300 };
    let times = contestants.each_mut().map(|work| {
        let mut times = 1;
        while !is_test() && timed(work, times).0 < SAMPLE {
            times *= 2;
        }
        times
    });
    let mut best = [f64::INFINITY; N];
    for _ in 0..rounds {
        for ((work, times), best) in contestants.iter_mut().zip(times).zip(&mut best) {
            let (time, done) = timed(work, times);
            *best = best.min(time.as_nanos() as f64 / done as f64);
        }
    }
    best
}

fn timed(work: &mut Work<'_>, times: u64) -> (Duration, u64) {
    let start = Instant::now();
    let done = work(times);
    (start.elapsed(), done)
}

/// Whether it is only to be seen that the bench works.
pub(crate) fn is_test() -> bool {
    std::env::args().any(|arg| arg == "--test")
}
