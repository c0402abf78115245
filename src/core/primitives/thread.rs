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
pub(crate) struct Frame {
    /// The address of a signal that is emitting, or of an entry.
    pub(crate) inside: usize,
    /// The emission calls handlers with a sequence number below this one.
    pub(crate) horizon: u64,
}

impl Frame {
    const NOTHING: Frame = Frame {
        inside: 0,
        horizon: 0,
    };

    /// Whether this could still call the handler with this sequence number, of this signal and
    /// this entry.
    pub(crate) fn could_call(
        self,
        is_run_by: impl Fn(usize) -> bool,
        entry: usize,
        sequence: u64,
    ) -> bool {
        self.inside == entry || (sequence < self.horizon && is_run_by(self.inside))
    }
}

struct State {
    depth: Cell<usize>,
    /// Invariant: nothing, but for levels that are open and that [`enter`](Level::enter) was called
    /// for. Levels beyond the last one are not recorded.
    frames: [Cell<Frame>; MAX_DEPTH],
    /// What the thread is inside of that is no emission: a call by a queue, the drop of a snapshot,
    /// whose handlers wait for their turn, and the drop of captures.
    occupied: [Cell<Frame>; MAX_OCCUPIED],
    /// How many of them are current. Those beyond the last one are not recorded.
    occupied_count: Cell<usize>,
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
        frames: [const { Cell::new(Frame::NOTHING) }; MAX_DEPTH],
        occupied: [const { Cell::new(Frame::NOTHING) }; MAX_OCCUPIED],
        occupied_count: Cell::new(0),
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
pub(crate) fn descend(limit: usize) -> Option<Level> {
    let depth = depth();
    if depth >= limit {
        return None;
    }
    STATE.with(|state| state.depth.set(depth + 1));
    Some(Level { above: depth })
}

/// One level of nesting, until it is dropped.
pub(crate) struct Level {
    /// Kept, so that leaving is a store of its own and waits for nothing.
    above: usize,
}

impl Level {
    /// How many levels are open above this one.
    #[inline(always)]
    pub(crate) fn above(&self) -> usize {
        self.above
    }

    /// Records what the level is inside of, until it is left.
    pub(crate) fn enter(self, frame: Frame) -> Entered {
        STATE.with(|state| {
            if let Some(place) = state.frames.get(self.above) {
                place.set(frame);
            }
        });
        Entered(self)
    }
}

impl Drop for Level {
    #[inline(always)]
    fn drop(&mut self) {
        STATE.with(|state| state.depth.set(self.above));
    }
}

/// A level that has a frame.
pub(crate) struct Entered(Level);

impl Drop for Entered {
    fn drop(&mut self) {
        STATE.with(|state| {
            if let Some(place) = state.frames.get(self.0.above) {
                place.set(Frame::NOTHING);
            }
        });
    }
}

/// Whether this thread is inside something that could still call the handler with this sequence
/// number, of this signal and this entry, as far as that is not announced in a slot.
pub(crate) fn is_inside(is_run_by: &impl Fn(usize) -> bool, entry: usize, sequence: u64) -> bool {
    STATE.with(|state| {
        let (depth, occupied) = (state.depth.get(), state.occupied_count.get());
        // Levels that are not recorded could be anything.
        depth > MAX_DEPTH
            || occupied > MAX_OCCUPIED
            || state.occupied[..occupied]
                .iter()
                .any(|it| it.get().could_call(is_run_by, entry, sequence))
            || state.frames[..depth]
                .iter()
                .any(|it| it.get().could_call(is_run_by, entry, sequence))
    })
}

/// How many of those inside each other are remembered.
const MAX_OCCUPIED: usize = 16;

/// Says what the thread is inside of, until the guard is dropped. Whoever waits for that from inside
/// would wait for ever, as inside of an emission; unlike one, it is no level.
pub(crate) fn occupy(frame: Frame) -> Occupied {
    STATE.with(|state| {
        let count = state.occupied_count.get();
        if let Some(place) = state.occupied.get(count) {
            place.set(frame);
        }
        state.occupied_count.set(count + 1);
    });
    Occupied(())
}

pub(crate) struct Occupied(());

impl Drop for Occupied {
    fn drop(&mut self) {
        STATE.with(|state| state.occupied_count.set(state.occupied_count.get() - 1));
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
pub(crate) fn begin_drain(queue: usize) -> Option<Draining> {
    STATE.with(|state| {
        if state.draining.get() != 0 {
            return None;
        }
        state.draining.set(queue);
        Some(Draining(()))
    })
}

pub(crate) struct Draining(());

impl Drop for Draining {
    fn drop(&mut self) {
        STATE.with(|state| state.draining.set(0));
    }
}

/// Marks the thread as running a hook, until it is dropped. `None` inside of one.
pub(crate) fn begin_hook() -> Option<InHook> {
    STATE.with(|state| {
        if state.in_hook.get().is_some() {
            return None;
        }
        state
            .in_hook
            .set(Some((state.depth.get(), state.draining.get())));
        Some(InHook(()))
    })
}

pub(crate) struct InHook(());

impl Drop for InHook {
    fn drop(&mut self) {
        STATE.with(|state| state.in_hook.set(None));
    }
}
