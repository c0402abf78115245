//! Pseudo-random numbers: splitmix64, with a state for each thread.
//!
//! A seed fixes what each worker tries, and in which order; what the threads do to one another it cannot fix.
//! Threads that the storm did not start itself (those of pools) begin where a counter stands.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static SEED: AtomicU64 = AtomicU64::new(1);
static OTHERS: AtomicU64 = AtomicU64::new(1 << 32);

thread_local! {
    static STATE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Sets the seed of the whole storm.
pub fn begin(seed: u64) {
    SEED.store(seed, Relaxed);
}

/// Gives this thread the numbers of this worker in this round.
pub fn begin_thread(round: u64, worker: usize) {
    let own = mixed(round ^ mixed(worker as u64 + 1));
    STATE.set(Some(SEED.load(Relaxed) ^ own));
}

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The next number of this thread.
pub fn next() -> u64 {
    let state = STATE.get().unwrap_or_else(|| {
        let other = OTHERS.fetch_add(1, Relaxed);
        SEED.load(Relaxed) ^ mixed(other)
    });
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(Some(state));
    mixed(state)
}

/// A number below `limit`, which is not 0.
pub fn below(limit: usize) -> usize {
    usize::try_from(next() % limit as u64).unwrap_or(0)
}

/// `true` once in `times`, on average.
pub fn one_in(times: usize) -> bool {
    below(times) == 0
}

/// One of these.
pub fn pick<T>(of: &[T]) -> &T {
    &of[below(of.len())]
}
