//! The state of a thread: the depth of nested emissions, and what is running on it.
//!
//! Plain cells without a destructor, so that signals work inside the destructors of other
//! thread-locals. Knows no types of events and calls nothing.
//!
//! # Decisions
//!
//! **Leaving a level stores the depth that was found on entering**, and does not subtract from the
//! current one. Hazard slots are assigned by depth. So the two locked instructions of an emission wait
//! for few stores.
//!
//! **Waiting is refused inside of drops too.** A thread records which snapshots and captures it is
//! dropping ([`enter_scope`]), as it does for queued calls. A wait for one of them on the same thread
//! would never end.

use std::cell::Cell;

use crate::core::primitives::sync::per_thread;

/// The default limit on the depth of nested emissions.
pub(crate) const MAX_DEPTH: usize = 128;

/// What is running at one level of nesting, where no hazard slot announces it.
#[derive(Clone, Copy)]
pub(crate) struct ActiveScope {
    /// The address of the signal that emits, or of the entry in use.
    pub(crate) inside: usize,
    /// Only handlers with a sequence number below this one are called.
    pub(crate) sequence_limit: u64,
}

impl ActiveScope {
    const NOTHING: ActiveScope = ActiveScope {
        inside: 0,
        sequence_limit: 0,
    };

    /// Returns whether this could still call the handler with this entry and sequence number.
    /// `is_run_by` returns whether the signal at an address calls it.
    pub(crate) fn could_call(
        self,
        is_run_by: impl Fn(usize) -> bool,
        entry: usize,
        sequence: u64,
    ) -> bool {
        self.inside == entry || (sequence < self.sequence_limit && is_run_by(self.inside))
    }
}

pub(crate) struct State {
    depth: Cell<usize>,
    /// Invariant: [`NOTHING`](ActiveScope::NOTHING), except for open levels with a
    /// [`ScopedDepthGuard`]. Levels beyond the last one are not recorded.
    scopes: [Cell<ActiveScope>; MAX_DEPTH],
    /// What is running that is no emission: a call by a queue, the drop of a snapshot, whose handlers
    /// are dropped one after another, and the drop of captures.
    inner_scopes: [Cell<ActiveScope>; MAX_SCOPES],
    /// How many of them are active. Those beyond the last one are not recorded.
    inner_scopes_len: Cell<usize>,
    /// The number of failures that were raised and not collected.
    failures: Cell<usize>,
    /// Where the running hook began: the depth, and the address of the queue being drained.
    in_hook: Cell<Option<(usize, usize)>>,
    /// Whether the current panic started before its handler was entered.
    unentered: Cell<bool>,
    /// The address of the queue being drained, the innermost one, or 0.
    draining: Cell<usize>,
    /// The depth at which a handler is called for the events that its signal has kept for it, or 0.
    hand_over: Cell<usize>,
}

per_thread! {
    STATE: State = State {
        depth: Cell::new(0),
        scopes: [const { Cell::new(ActiveScope::NOTHING) }; MAX_DEPTH],
        inner_scopes: [const { Cell::new(ActiveScope::NOTHING) }; MAX_SCOPES],
        inner_scopes_len: Cell::new(0),
        failures: Cell::new(0),
        in_hook: Cell::new(None),
        unentered: Cell::new(false),
        draining: Cell::new(0),
        hand_over: Cell::new(0),
    }
}

/// A number that identifies the thread while it lives. Never 0.
#[inline(always)]
pub(crate) fn token() -> usize {
    STATE.with(|state| std::ptr::from_ref(state).addr())
}

/// The number of open levels: emissions, and deliveries to single handlers.
#[inline(always)]
pub(crate) fn depth() -> usize {
    STATE.with(|state| state.depth.get())
}

/// Opens a level. Returns `None` if `limit` levels are open already.
#[inline(always)]
pub(crate) fn enter_emission(limit: usize) -> Option<DepthGuard> {
    let depth = depth();
    if depth >= limit {
        return None;
    }
    STATE.with(|state| state.depth.set(depth + 1));
    Some(DepthGuard { above: depth })
}

/// Closes a level when dropped.
pub(crate) struct DepthGuard {
    /// The depth found on entering: leaving stores it, and so waits for no load.
    above: usize,
}

impl DepthGuard {
    /// The number of open levels that enclose this one.
    #[inline(always)]
    pub(crate) fn above(&self) -> usize {
        self.above
    }

    fn set_scope(&self, scope: ActiveScope) {
        STATE.with(|state| {
            if let Some(cell) = state.scopes.get(self.above) {
                cell.set(scope);
            }
        });
    }

    /// Records what is running at this level, until it is closed.
    pub(crate) fn with_scope(self, scope: ActiveScope) -> ScopedDepthGuard {
        self.set_scope(scope);
        ScopedDepthGuard(self)
    }
}

impl Drop for DepthGuard {
    #[inline(always)]
    fn drop(&mut self) {
        STATE.with(|state| state.depth.set(self.above));
    }
}

/// A level with a recorded scope. When dropped, clears the scope and closes the level.
pub(crate) struct ScopedDepthGuard(DepthGuard);

impl Drop for ScopedDepthGuard {
    fn drop(&mut self) {
        self.0.set_scope(ActiveScope::NOTHING);
    }
}

/// Returns whether a recorded scope of this thread could still call the handler with this entry and
/// sequence number. Does not look at hazard slots. See [`ActiveScope::could_call`].
pub(crate) fn is_inside(is_run_by: &impl Fn(usize) -> bool, entry: usize, sequence: u64) -> bool {
    STATE.with(|state| {
        let (depth, inner) = (state.depth.get(), state.inner_scopes_len.get());
        // Scopes that are not recorded could be anything.
        depth > MAX_DEPTH
            || inner > MAX_SCOPES
            || state.inner_scopes[..inner]
                .iter()
                .any(|scope| scope.get().could_call(is_run_by, entry, sequence))
            || state.scopes[..depth]
                .iter()
                .any(|scope| scope.get().could_call(is_run_by, entry, sequence))
    })
}

/// The number of nested scopes outside of emissions that are recorded.
const MAX_SCOPES: usize = 16;

/// Records what is running, until the guard is dropped. A wait for it on this thread would never end,
/// as inside of an emission. Unlike one, it opens no level.
#[inline]
pub(crate) fn enter_scope(scope: ActiveScope) -> ScopeGuard {
    STATE.with(|state| {
        let count = state.inner_scopes_len.get();
        if let Some(cell) = state.inner_scopes.get(count) {
            cell.set(scope);
        }
        state.inner_scopes_len.set(count + 1);
    });
    ScopeGuard(())
}

/// Ends a scope when dropped.
pub(crate) struct ScopeGuard(());

impl Drop for ScopeGuard {
    #[inline]
    fn drop(&mut self) {
        STATE.with(|state| state.inner_scopes_len.set(state.inner_scopes_len.get() - 1));
    }
}

/// Returns whether a hook runs on this thread, and no emission or drain inside of the hook.
pub(crate) fn is_directly_in_hook() -> bool {
    STATE.with(|state| state.in_hook.get() == Some((state.depth.get(), state.draining.get())))
}

/// The number of failures that were raised on this thread and not collected yet.
#[inline(always)]
pub(crate) fn failures() -> usize {
    STATE.with(|state| state.failures.get())
}

pub(crate) fn set_failures(count: usize) {
    STATE.with(|state| state.failures.set(count));
}

/// Sets whether the current panic started before its handler was entered. Returns the previous value.
pub(crate) fn set_unentered(unentered: bool) -> bool {
    STATE.with(|state| state.unentered.replace(unentered))
}

/// Returns whether this thread drains a queue.
#[inline]
pub(crate) fn is_draining() -> bool {
    STATE.with(|state| state.draining.get() != 0)
}

/// Marks this thread as draining a queue, until the guard is dropped.
#[inline]
pub(crate) fn begin_drain(queue: usize) -> DrainGuard {
    STATE.with(|state| DrainGuard {
        outer: state.draining.replace(queue),
    })
}

/// Undoes the mark of [`begin_drain`] when dropped.
pub(crate) struct DrainGuard {
    /// The address of the queue that was being drained before.
    outer: usize,
}

impl Drop for DrainGuard {
    #[inline]
    fn drop(&mut self) {
        STATE.with(|state| state.draining.set(self.outer));
    }
}

/// Marks this thread as handing kept events over to a handler, until the guard is dropped. The handler is
/// called one level deeper.
pub(crate) fn begin_hand_over() -> HandOverGuard {
    STATE.with(|state| {
        let outer = state.hand_over.replace(state.depth.get() + 1);
        HandOverGuard { outer }
    })
}

/// Ends the mark of [`begin_hand_over`] when dropped.
pub(crate) struct HandOverGuard {
    outer: usize,
}

impl Drop for HandOverGuard {
    fn drop(&mut self) {
        STATE.with(|state| state.hand_over.set(self.outer));
    }
}

/// Returns whether the handler that runs on this thread is called for a kept event.
pub(crate) fn is_handing_over() -> bool {
    STATE.with(|state| state.hand_over.get() != 0 && state.hand_over.get() == state.depth.get())
}

/// Marks this thread as running a hook, until the guard is dropped. `None` inside of a hook.
pub(crate) fn begin_hook() -> Option<HookGuard> {
    STATE.with(|state| {
        if state.in_hook.get().is_some() {
            return None;
        }
        state
            .in_hook
            .set(Some((state.depth.get(), state.draining.get())));
        Some(HookGuard(()))
    })
}

/// Undoes the mark of [`begin_hook`] when dropped.
pub(crate) struct HookGuard(());

impl Drop for HookGuard {
    fn drop(&mut self) {
        STATE.with(|state| state.in_hook.set(None));
    }
}
