//! Models of what threads do to one another, run in every order by loom.
//!
//! ```sh
//! RUSTFLAGS="--cfg slotcast_loom" CARGO_TARGET_DIR=target/loom cargo test --release --lib models::
//! ```
//!
//! Each model names the planted faults of `tests/faults.txt` that make it fail: `.ci/faults Unpaid`, say,
//! plants that one. The code under test is the crate's own, with loom's atomics, locks and thread-locals.
//! The models use its public API, and are inside of it because loom is a dependency for tests only.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::sync::{Arc, Condvar, Mutex};

mod cancel;
mod emit;
#[cfg(feature = "jobs")]
mod jobs;
mod name;
mod pattern;
mod queue;
mod stream;
mod task;

/// All orders with at most this many preemptions.
const PREEMPTIONS: usize = 3;

fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(f);
}

/// Captures whose use and whose drop loom watches: reading it while it is dropped is a data race.
struct Captures {
    cell: UnsafeCell<u32>,
    dropped: Arc<AtomicUsize>,
}

impl Captures {
    fn new(dropped: &Arc<AtomicUsize>) -> Self {
        Captures {
            cell: UnsafeCell::new(0),
            dropped: dropped.clone(),
        }
    }
    fn read(&self) {
        self.cell.with(|_| ());
    }
}

impl Drop for Captures {
    fn drop(&mut self) {
        self.cell.with_mut(|_| ());
        self.dropped.fetch_add(1, SeqCst);
    }
}

// SAFETY: the cell is written to by the drop alone, which has it exclusively; loom checks that.
unsafe impl Sync for Captures {}

/// An executor of one task, whose thread waits until it is woken.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Bell(Mutex<bool>, Condvar);
    impl Wake for Bell {
        fn wake(self: std::sync::Arc<Self>) {
            *self.0.lock().unwrap() = true;
            self.1.notify_all();
        }
    }
    let bell = std::sync::Arc::new(Bell(Mutex::new(false), Condvar::new()));
    let waker = Waker::from(bell.clone());
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let mut woken = bell.0.lock().unwrap();
        while !*woken {
            woken = bell.1.wait(woken).unwrap();
        }
        *woken = false;
    }
}
