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

#[derive(Default)]
struct Chain {
    /// The number of levels that are nested on this thread.
    depth: Cell<usize>,
    /// How many refused jobs in a row have led to the running callback.
    refused: Cell<usize>,
    /// What was left for later.
    later: RefCell<VecDeque<Box<dyn FnOnce()>>>,
}

per_thread! {
    CHAIN: Chain = Chain {
        depth: Cell::new(0),
        refused: Cell::new(0),
        later: RefCell::new(VecDeque::new()),
    }
}

/// Whether what comes now has to be [left for later](postpone).
pub(super) fn is_full() -> bool {
    CHAIN
        .try_with(|chain| chain.depth.get() >= MAX_NESTED)
        .unwrap_or(false)
}

/// Runs `f` one level deeper. At the last level, runs what was left for later, too.
pub(super) fn enter(f: impl FnOnce()) {
    let Ok(depth) = CHAIN.try_with(|chain| chain.depth.get()) else {
        return f();
    };
    let level = Restored(|chain| &chain.depth, depth);
    set(level.0, depth + 1);
    f();
    if depth + 1 == MAX_NESTED {
        while run_one() {}
    }
}

/// Leaves `f` for later. Only where it [`is_full`].
pub(super) fn postpone(f: Box<dyn FnOnce()>) {
    let mut f = Some(f);
    let _ = CHAIN.try_with(|chain| chain.later.borrow_mut().extend(f.take()));
    // The thread is ending, and its list has been destroyed already.
    f.into_iter().for_each(|f| f());
}

/// Runs the first of what was left for later. Returns whether there was one.
pub(super) fn run_one() -> bool {
    let first = CHAIN.try_with(|chain| chain.later.borrow_mut().pop_front());
    first.ok().flatten().map(|f| f()).is_some()
}

/// How many refused jobs in a row have led to the running callback.
pub(super) fn refused() -> usize {
    CHAIN.try_with(|chain| chain.refused.get()).unwrap_or(0)
}

/// Sets that number until the guard is dropped.
pub(super) fn set_refused(count: usize) -> Restored {
    let restored = Restored(|chain| &chain.refused, refused());
    set(restored.0, count);
    restored
}

fn set(cell: fn(&Chain) -> &Cell<usize>, value: usize) {
    let _ = CHAIN.try_with(|chain| cell(chain).set(value));
}

/// Restores a number of the thread when it is dropped.
pub(super) struct Restored(fn(&Chain) -> &Cell<usize>, usize);

impl Drop for Restored {
    fn drop(&mut self) {
        set(self.0, self.1);
    }
}
