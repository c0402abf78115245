//! What a thread remembers while it emits: how deep it is, and inside what.
//!
//! Plain cells without a destructor, so that signals work inside the destructors of other
//! thread-locals. Knows no types of events and calls nothing.

use std::cell::Cell;

use crate::core::primitives::sync::per_thread;

/// How deep emissions nest where nobody sets another limit.
pub(crate) const MAX_DEPTH: usize = 128;

/// What a level of nesting is inside of, where that is not announced in a slot.
#[derive(Clone, Copy)]
pub(crate) struct ActiveScope {
    /// The address of a signal that is emitting, or of an entry.
    pub(crate) inside: usize,
    /// The emission calls handlers with a sequence number below this one.
    pub(crate) sequence_limit: u64,
}

impl ActiveScope {
    const NOTHING: ActiveScope = ActiveScope {
        inside: 0,
        sequence_limit: 0,
    };

    /// Whether this could still call the handler with this sequence number, of this signal and
    /// this entry.
    pub(crate) fn could_call(
        self,
        is_run_by: impl Fn(usize) -> bool,
        entry: usize,
        sequence: u64,
    ) -> bool {
        self.inside == entry || (sequence < self.sequence_limit && is_run_by(self.inside))
    }
}

struct State {
    depth: Cell<usize>,
    /// Invariant: nothing, but for levels that are open and that [`with_scope`](DepthGuard::with_scope) was called
    /// for. Levels beyond the last one are not recorded.
    scopes: [Cell<ActiveScope>; MAX_DEPTH],
    /// What the thread is inside of that is no emission: a call by a queue, the drop of a snapshot,
    /// whose handlers wait for their turn, and the drop of captures.
    inner_scopes: [Cell<ActiveScope>; MAX_SCOPES],
    /// How many of them are current. Those beyond the last one are not recorded.
    inner_scopes_len: Cell<usize>,
    failures: Cell<usize>,
    /// Where the hook began that is running: the depth, and the queue that is being drained.
    in_hook: Cell<Option<(usize, usize)>>,
    /// The panic under way came before its handler was entered.
    unentered: Cell<bool>,
    /// The address of the queue that is being drained, or 0.
    draining: Cell<usize>,
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
    }
}

/// A number that no other thread has at the same time, and never 0.
#[inline(always)]
pub(crate) fn token() -> usize {
    STATE.with(|state| std::ptr::from_ref(state).addr())
}

/// How many emissions, and deliveries to single handlers, are open.
#[inline(always)]
pub(crate) fn depth() -> usize {
    STATE.with(|state| state.depth.get())
}

/// Goes one level down, unless `limit` levels are open already.
#[inline(always)]
pub(crate) fn enter_emission(limit: usize) -> Option<DepthGuard> {
    let depth = depth();
    if depth >= limit {
        return None;
    }
    STATE.with(|state| state.depth.set(depth + 1));
    Some(DepthGuard { above: depth })
}

/// One level of nesting, until it is dropped.
pub(crate) struct DepthGuard {
    /// Kept, so that leaving is a store of its own and waits for nothing.
    above: usize,
}

impl DepthGuard {
    /// How many levels are open above this one.
    #[inline(always)]
    pub(crate) fn above(&self) -> usize {
        self.above
    }

    /// Records what the level is inside of, until it is left.
    pub(crate) fn with_scope(self, scope: ActiveScope) -> ScopedDepthGuard {
        STATE.with(|state| {
            if let Some(cell) = state.scopes.get(self.above) {
                cell.set(scope);
            }
        });
        ScopedDepthGuard(self)
    }
}

impl Drop for DepthGuard {
    #[inline(always)]
    fn drop(&mut self) {
        STATE.with(|state| state.depth.set(self.above));
    }
}

/// A level that has a frame.
pub(crate) struct ScopedDepthGuard(DepthGuard);

impl Drop for ScopedDepthGuard {
    fn drop(&mut self) {
        STATE.with(|state| {
            if let Some(cell) = state.scopes.get(self.0.above) {
                cell.set(ActiveScope::NOTHING);
            }
        });
    }
}

/// Whether this thread is inside something that could still call the handler with this sequence
/// number, of this signal and this entry, as far as that is not announced in a slot.
pub(crate) fn is_inside(is_run_by: &impl Fn(usize) -> bool, entry: usize, sequence: u64) -> bool {
    STATE.with(|state| {
        let (depth, scope_guard) = (state.depth.get(), state.inner_scopes_len.get());
        // Levels that are not recorded could be anything.
        depth > MAX_DEPTH
            || scope_guard > MAX_SCOPES
            || state.inner_scopes[..scope_guard]
                .iter()
                .any(|it| it.get().could_call(is_run_by, entry, sequence))
            || state.scopes[..depth]
                .iter()
                .any(|it| it.get().could_call(is_run_by, entry, sequence))
    })
}

/// How many of those inside each other are remembered.
const MAX_SCOPES: usize = 16;

/// Says what the thread is inside of, until the guard is dropped. Whoever waits for that from inside
/// would wait for ever, as inside of an emission; unlike one, it is no level.
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

pub(crate) struct ScopeGuard(());

impl Drop for ScopeGuard {
    fn drop(&mut self) {
        STATE.with(|state| state.inner_scopes_len.set(state.inner_scopes_len.get() - 1));
    }
}

/// Whether a hook runs on this thread, and no emission or drain inside of it.
pub(crate) fn is_directly_in_hook() -> bool {
    STATE.with(|state| state.in_hook.get() == Some((state.depth.get(), state.draining.get())))
}

/// How many failures were raised on this thread that nobody has collected yet.
#[inline(always)]
pub(crate) fn failures() -> usize {
    STATE.with(|state| state.failures.get())
}

pub(crate) fn set_failures(count: usize) {
    STATE.with(|state| state.failures.set(count));
}

/// Says whether the panic under way came before its handler was entered; what was said before.
pub(crate) fn set_unentered(unentered: bool) -> bool {
    STATE.with(|state| state.unentered.replace(unentered))
}

/// Whether a drain runs on this thread.
pub(crate) fn is_draining() -> bool {
    STATE.with(|state| state.draining.get() != 0)
}

/// Whether the queue at this address is drained on this thread.
pub(crate) fn drains(queue: usize) -> bool {
    STATE.with(|state| state.draining.get() == queue)
}

/// Marks the thread as draining a queue, until it is dropped. `None` inside of a drain.
pub(crate) fn begin_drain(queue: usize) -> Option<DrainGuard> {
    STATE.with(|state| {
        if state.draining.get() != 0 {
            return None;
        }
        state.draining.set(queue);
        Some(DrainGuard(()))
    })
}

pub(crate) struct DrainGuard(());

impl Drop for DrainGuard {
    fn drop(&mut self) {
        STATE.with(|state| state.draining.set(0));
    }
}

/// Marks the thread as running a hook, until it is dropped. `None` inside of one.
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

pub(crate) struct HookGuard(());

impl Drop for HookGuard {
    fn drop(&mut self) {
        STATE.with(|state| state.in_hook.set(None));
    }
}
