//! The slots in which a thread announces what it reads, by nesting level.
//!
//! Knows nothing of what is announced: addresses, which `hazard` gives a meaning.

use std::cell::Cell;
use std::ptr;
use std::sync::PoisonError;

use crate::core::primitives::sync::{AtomicPtr, RwLock, global, per_thread};

/// The number of slots of one thread. An emission nested deeper takes the signal's lock.
const SLOTS: usize = 8;

/// One announcement. Null: none.
#[derive(Debug)]
pub(super) struct Slot(pub(super) AtomicPtr<()>);

/// The slots of one thread, by nesting level. Reused by another thread after its end.
#[derive(Debug)]
#[repr(align(128))] // Two cache lines, for the pairwise prefetch: threads must not share one.
pub(super) struct Slots(pub(super) [Slot; SLOTS]);

#[derive(Default)]
struct SlotRegistry {
    all: Vec<&'static Slots>,
    /// Those of threads that have ended. A subset of `all`, without announcements.
    free: Vec<&'static Slots>,
}

global! {
    /// The slots of all threads. Locked for reading by those who take a snapshot out or shut a gate, and for writing
    /// when a thread emits for the first time and when it ends.
    SLOT_REGISTRY: RwLock<SlotRegistry> =
        RwLock::new(SlotRegistry { all: Vec::new(), free: Vec::new() })
}

per_thread! {
    /// Without a destructor, so that emissions work inside the destructors of other thread-locals.
    OWN: Cell<Option<&'static Slots>> = Cell::new(None)
}

/// The slots of this thread, if it has emitted before and is not ending.
#[inline(always)]
pub(super) fn own() -> Option<&'static Slots> {
    OWN.with(Cell::get)
}

/// The slots of this thread, which it is assigned if it has none. `None` if the thread is ending.
#[inline(always)]
pub(super) fn own_or_new() -> Option<&'static Slots> {
    own().or_else(register)
}

/// Visits the slots of all threads.
pub(super) fn for_each(visit: impl FnMut(&'static Slot)) {
    let registry = SLOT_REGISTRY.read().unwrap_or_else(PoisonError::into_inner);
    let slots = registry.all.iter().flat_map(|slots| &slots.0);
    slots.for_each(visit);
}

fn set_own(slots: Option<&'static Slots>) {
    // Fails only in a model, whose thread-locals have destructors.
    let _ = OWN.try_with(|own| own.set(slots));
}

/// Returns the slots to the registry when the thread ends.
struct ReturnSlots(Cell<Option<&'static Slots>>);

impl Drop for ReturnSlots {
    fn drop(&mut self) {
        if let Some(slots) = self.0.get() {
            set_own(None);
            let mut registry = SLOT_REGISTRY
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            registry.free.push(slots);
        }
    }
}

thread_local! {
    static RETURN_SLOTS: ReturnSlots = const { ReturnSlots(Cell::new(None)) };
}

/// Assigns slots to a thread that has none.
#[cold]
#[inline(never)]
fn register() -> Option<&'static Slots> {
    RETURN_SLOTS
        .try_with(|to_return| {
            let mut registry = SLOT_REGISTRY
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            let slots = registry.free.pop().unwrap_or_else(|| {
                let empty = |_| Slot(AtomicPtr::new(ptr::null_mut()));
                let slots: &'static Slots = Box::leak(Box::new(Slots(std::array::from_fn(empty))));
                registry.all.push(slots);
                slots
            });
            if cfg!(not(slotcast_loom)) {
                to_return.0.set(Some(slots));
            }
            set_own(Some(slots));
            slots
        })
        .ok()
}
