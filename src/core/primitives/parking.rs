//! Where threads park that wait for a handler's captures to go.
//!
//! One place for the whole process, because waiting cancels are rare and an entry should not pay
//! for them.

use std::time::Instant;

use crate::core::primitives::sync::{Condvar, Mutex, global, lock};

global! {
    LOT: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new())
}

/// Parks until `is_done`, or until `deadline`; whether it was done. `is_done` must not lock, and
/// whoever makes it true calls [`wake_all`] afterwards.
pub(crate) fn park_until(is_done: impl Fn() -> bool, deadline: Option<Instant>) -> bool {
    let (mutex, condvar) = (&LOT.0, &LOT.1);
    let mut guard = lock(mutex);
    loop {
        // Asked under the lock: a wake-up after it cannot come before the wait.
        if is_done() {
            return true;
        }
        let woken = match deadline {
            None => condvar.wait(guard),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return false;
                }
                match condvar.wait_timeout(guard, left) {
                    Ok((guard, _)) => Ok(guard),
                    Err(poisoned) => {
                        guard = poisoned.into_inner().0;
                        continue;
                    }
                }
            }
        };
        guard = woken.unwrap_or_else(|poisoned| poisoned.into_inner());
    }
}

/// Wakes everybody to ask again.
pub(crate) fn wake_all() {
    // Locked and let go: whoever found its condition false before is waiting by now.
    drop(lock(&LOT.0));
    LOT.1.notify_all();
}
