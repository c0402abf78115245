//! Lets threads wait for room in a queue, and lets them go.
//!
//! # Decision
//!
//! **A wait is ended by its room, or for all rooms at once.** What makes room in a queue notifies the
//! threads that wait for that queue. What makes a wait pointless (a cancel, a close) does not know which
//! queue they wait for: it notifies all that wait, in all rooms, and each checks whether it is meant. If
//! nobody waits that costs one atomic instruction.

use std::sync::Arc;

use crate::core::primitives::clock::Instant;
use crate::core::primitives::sync::{
    AtomicUsize, Condvar, Mutex, Ordering, global, lock, wait_until,
};

global! {
    /// The rooms of all threads that wait, one entry for each thread.
    ROOMS: Mutex<Vec<Arc<Room>>> = Mutex::new(Vec::new())
}

global! {
    /// The number of those threads.
    WAITING: AtomicUsize = AtomicUsize::new(0)
}

/// Where threads wait for room in one queue. Outlives the queue as long as they wait.
pub(crate) struct Room {
    /// The number of notifications.
    changes: Mutex<usize>,
    condvar: Condvar,
}

impl Room {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Room {
            changes: Mutex::new(0),
            condvar: Condvar::new(),
        })
    }

    /// Notifies all threads that wait here. To be called after the change that they wait for.
    pub(crate) fn notify(&self) {
        *lock(&self.changes) += 1;
        self.condvar.notify_all();
    }

    /// The number of notifications so far: to be read before looking for what [`wait`](Waiter::wait) then
    /// waits for.
    pub(crate) fn changes(&self) -> usize {
        *lock(&self.changes)
    }

    /// Announces a thread that is going to wait: from now on [`let_go`] notifies it.
    pub(crate) fn enter(self: &Arc<Self>) -> Waiter {
        lock(&ROOMS).push(self.clone());
        // AcqRel; pairs with the same in `let_go`: either that one sees this thread, or what it was called
        // for is visible to this thread, which looks for it next.
        WAITING.fetch_add(1, Ordering::AcqRel);
        Waiter(self.clone())
    }
}

/// A thread that waits in a room.
pub(crate) struct Waiter(Arc<Room>);

impl Waiter {
    /// Waits for a notification later than `seen`, or until `deadline`.
    pub(crate) fn wait(&self, seen: usize, deadline: Option<Instant>) {
        let mut changes = lock(&self.0.changes);
        while *changes == seen {
            match wait_until(&self.0.condvar, changes, deadline) {
                Ok(woken) => changes = woken,
                Err(_) => return,
            }
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::AcqRel);
        let mut rooms = lock(&ROOMS);
        let at = rooms.iter().position(|it| Arc::ptr_eq(it, &self.0));
        let own = at.map(|at| rooms.swap_remove(at));
        drop(rooms);
        drop(own);
    }
}

/// Notifies all threads that wait for room, because something has ended that some of them may wait for.
pub(crate) fn let_go() {
    // AcqRel and a write, so that it pairs with the one in `enter`.
    if WAITING.fetch_add(0, Ordering::AcqRel) > 0 {
        let rooms = lock(&ROOMS).clone();
        rooms.iter().for_each(|room| room.notify());
    }
}
