//! Blocks threads that wait for a handler's captures to be dropped.
//!
//! One condition variable for the whole process: waiting cancels are rare, and an entry should not
//! pay for them.

use crate::core::primitives::clock::Instant;
use crate::core::primitives::sync::{Condvar, Mutex, THREADS, global, lock, wait_until};

global! {
    LOT: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new())
}

/// Blocks until `is_done` returns `true`, or until `deadline`. Returns whether it did; at once, where there
/// are no threads. `is_done` must
/// not lock, and the thread that makes it true calls [`wake_all`] afterwards.
pub(crate) fn park_until(is_done: impl Fn() -> bool, deadline: Option<Instant>) -> bool {
    let (mutex, condvar) = (&LOT.0, &LOT.1);
    let mut guard = lock(mutex);
    loop {
        // Under the lock: a notification after this check cannot precede the wait.
        if is_done() {
            return true;
        }
        if !THREADS {
            return false;
        }
        let Ok(woken) = wait_until(condvar, guard, deadline) else {
            return false;
        };
        guard = woken;
    }
}

/// Wakes all waiters, which check their conditions again.
pub(crate) fn wake_all() {
    // Locked and unlocked: a thread that found its condition false is waiting by now.
    drop(lock(&LOT.0));
    LOT.1.notify_all();
}
