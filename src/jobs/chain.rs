//! Callbacks that lead to callbacks, however many, in constant stack.
//!
//! **Shallow chains are nested, deep ones take turns.** A completion inside of a callback runs its own
//! callbacks before it returns, as a function call would, down to [`MAX_NESTED`] levels. What comes
//! below that is left on a list of the thread, and run when the callback at the last level has
//! returned. So in all but long chains `complete` means completed, and a chain of a million needs the
//! stack of a few. What is left on the list can be taken over: by a wait on the same thread, which
//! would wait for it for ever, and by whoever waits for that job on another one.
//!
//! **Refusals are counted along a chain.** A callback that submits to a pool that has ended gets a job
//! that has completed already, whose callbacks run at once, and may submit again. Of [`MAX_REFUSED`]
//! refused jobs in a row, the callbacks of the last are dropped, and that is reported.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::core::primitives::sync::per_thread;

/// The limit of callbacks that run inside of each other. Low in a model, which could not go deep.
const MAX_NESTED: usize = if cfg!(slotcast_loom) { 1 } else { 8 };
/// The limit of refused jobs that were submitted by each other's callbacks.
pub(super) const MAX_REFUSED: usize = 8;

per_thread! {
    /// The number of levels that are nested on this thread.
    DEPTH: Cell<usize> = Cell::new(0)
}
per_thread! {
    /// How many refused jobs in a row have led to the running callback.
    REFUSED: Cell<usize> = Cell::new(0)
}
per_thread! {
    /// What was left for later. Apart, because it alone has a destructor, which each access would look for.
    LATER: RefCell<VecDeque<Box<dyn FnOnce()>>> = RefCell::new(VecDeque::new())
}

fn depth() -> usize {
    DEPTH.try_with(Cell::get).unwrap_or(0)
}

/// Whether what comes now has to be [left for later](postpone).
pub(super) fn is_full() -> bool {
    depth() >= MAX_NESTED
}

/// Runs `f` one level deeper. At the last level, runs what was left for later, too.
pub(super) fn enter(f: impl FnOnce()) {
    let level = Level(depth());
    let _ = DEPTH.try_with(|depth| depth.set(level.0 + 1));
    f();
    if level.0 + 1 == MAX_NESTED {
        while run_one() {}
    }
}

/// Restores the depth when it is dropped.
struct Level(usize);

impl Drop for Level {
    fn drop(&mut self) {
        let _ = DEPTH.try_with(|depth| depth.set(self.0));
    }
}

/// Leaves `f` for later. Only where it [`is_full`].
pub(super) fn postpone(f: Box<dyn FnOnce()>) {
    let mut f = Some(f);
    let _ = LATER.try_with(|later| later.borrow_mut().extend(f.take()));
    // The thread is ending, and its list has been destroyed already.
    f.into_iter().for_each(|f| f());
}

/// Runs the first of what was left for later. Returns whether there was one.
pub(super) fn run_one() -> bool {
    let first = LATER.try_with(|later| later.borrow_mut().pop_front());
    first.ok().flatten().map(|f| f()).is_some()
}

/// How many refused jobs in a row have led to the running callback.
pub(super) fn refused() -> usize {
    REFUSED.try_with(Cell::get).unwrap_or(0)
}

/// Sets that number until the guard is dropped.
pub(super) fn set_refused(count: usize) -> RefusedGuard {
    let before = REFUSED.try_with(|refused| refused.replace(count));
    RefusedGuard(before.unwrap_or(0))
}

/// Restores the number of refused jobs when it is dropped.
pub(super) struct RefusedGuard(usize);

impl Drop for RefusedGuard {
    fn drop(&mut self) {
        let _ = REFUSED.try_with(|refused| refused.set(self.0));
    }
}
