//! Publishes one pointer to many readers: hazard slots with debts.
//!
//! A signal publishes a snapshot as one atomic pointer. A reader announces the pointer it read in
//! a slot of its thread, and reads the signal's pointer once more: if that is still the same, the
//! snapshot stays until the slot is emptied. A writer takes the pointer out, looks through the
//! slots of all threads, and gives each reader it finds there a count of the snapshot, marked in
//! the slot (its *debt is paid*); the reader notices on its way out and lets that count go. So
//! whoever leaves last frees the snapshot, writer or reader, and nothing is freed late.
//!
//! Why it is right: the reader writes its slot and then reads the pointer, the writer swaps the
//! pointer and then reads the slots, all four sequentially consistent. In their one total order
//! either the writer sees the slot, or the reader sees the new pointer and turns back.
//!
//! The idea of debts is that of the `arc-swap` crate (Michal Vaner, 2018,
//! <https://docs.rs/arc-swap>). Unlike it, slots are taken by nesting depth, so that none has to
//! be searched for; a reader that finds none left takes the signal's lock; and a slot that names
//! another signal's snapshot of the same address cannot be told apart, so the count and the way to
//! free stand in a header that does not depend on the type.
//!
//! This file knows neither handlers nor events.

#![allow(
    unsafe_code,
    reason = "readers keep a snapshot without a count, by the protocol described above"
)]

use std::cell::Cell;
use std::ptr::{self, NonNull};

use crate::core::primitives::flavour::{Local, Primitives, Shared};
use crate::core::primitives::sync::{
    AtomicPtr, Ordering, RwLock, Word, global, model_fence, per_thread,
};
use crate::core::primitives::thread::{self, ActiveScope};

/// What every snapshot begins with.
#[repr(C)]
pub struct SnapshotHeader<M: Primitives> {
    /// The publication is one, each counted reader one, each paid debt one.
    count: M::Word,
    /// Frees the whole snapshot that begins with this header.
    free: unsafe fn(NonNull<SnapshotHeader<M>>),
    /// What an emission of the snapshot is inside of.
    pub(crate) scope: ActiveScope,
}

impl<M: Primitives> SnapshotHeader<M> {
    /// A header with a count of one.
    ///
    /// `free` is called once, by whoever lets the last count go, on any thread.
    pub(crate) fn new(scope: ActiveScope, free: unsafe fn(NonNull<Self>)) -> Self {
        SnapshotHeader {
            count: M::Word::new(1),
            free,
            scope,
        }
    }
}

/// Lets one count go; frees the snapshot if it was the last. Runs the `Drop` of captures.
///
/// # Safety
///
/// The caller owns a count and gives it up.
pub(crate) unsafe fn release<M: Primitives>(header: NonNull<SnapshotHeader<M>>) {
    // SAFETY: the caller's count keeps the header alive until it is subtracted here.
    unsafe {
        let free = header.as_ref().free;
        if header.as_ref().count.sub(1) == 1 {
            free(header);
        }
    }
}

/// What is published where there is no snapshot. No snapshot stands at these addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SnapshotState {
    /// The last snapshot is out of date.
    Stale = 0,
    /// There are no handlers.
    Empty = 1,
    /// The signal was closed.
    Closed = 2,
}

#[inline(always)]
fn is_state<T>(pointer: *mut T) -> bool {
    pointer.addr() <= SnapshotState::Closed as usize
}

fn from_state<T>(state: SnapshotState) -> *mut T {
    ptr::without_provenance_mut(state as usize)
}

fn current<T>(pointer: *mut T) -> Result<NonNull<T>, SnapshotState> {
    match pointer.addr() {
        1 => Err(SnapshotState::Empty),
        2 => Err(SnapshotState::Closed),
        _ => NonNull::new(pointer).ok_or(SnapshotState::Stale),
    }
}

/// Keeps one snapshot alive while it is read.
///
/// # Safety
///
/// The header is that of a snapshot, always the same, which exists as long as the pin.
pub unsafe trait ReadGuard<M: Primitives> {
    fn header(&self) -> NonNull<SnapshotHeader<M>>;
}

/// A pin that owns a count.
pub struct CountGuard<M: Primitives>(NonNull<SnapshotHeader<M>>);

impl<M: Primitives> CountGuard<M> {
    /// # Safety
    ///
    /// The header is alive.
    #[inline(always)]
    pub(crate) unsafe fn new(header: NonNull<SnapshotHeader<M>>) -> Self {
        // SAFETY: the caller says so.
        unsafe { header.as_ref() }.count.add(1);
        CountGuard(header)
    }
}

// SAFETY: the count keeps it.
unsafe impl<M: Primitives> ReadGuard<M> for CountGuard<M> {
    #[inline(always)]
    fn header(&self) -> NonNull<SnapshotHeader<M>> {
        self.0
    }
}

impl<M: Primitives> Drop for CountGuard<M> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the count was taken in `new`.
        unsafe { release(self.0) };
    }
}

/// What the read side needs of a flavour.
pub trait ReadFlavour: Primitives {
    type Published: Publish<Self>;
    /// How a reader without the lock keeps a snapshot.
    type ReadGuard: ReadGuard<Self>;
}

impl ReadFlavour for Shared {
    type Published = AtomicPtr<SnapshotHeader<Shared>>;
    type ReadGuard = HazardGuard;
}

impl ReadFlavour for Local {
    type Published = Cell<*mut SnapshotHeader<Local>>;
    type ReadGuard = CountGuard<Local>;
}

/// A place that publishes one snapshot. Writers call it under the signal's lock, one at a time.
///
/// # Safety
///
/// What `enter`, `current` and `take` return is what was `put` here last and not taken since.
pub unsafe trait Publish<M: ReadFlavour>: 'static {
    fn new(state: SnapshotState) -> Self;
    /// Gets the thread what it needs to pin, so that later emissions need not.
    fn prepare() {}
    /// Pins what is published, without a lock; `None` if there is no snapshot, or no slot for it.
    /// `level` is how deep the emission is nested.
    fn try_load(&self, level: usize) -> Option<M::ReadGuard>;
    /// Whether it is this tag that is published, without a lock.
    fn is(&self, state: SnapshotState) -> bool;
    /// Whether it is this snapshot that is published, without a lock.
    fn has(&self, header: NonNull<SnapshotHeader<M>>) -> bool;
    /// What is published, seen by the only writer.
    fn current(&self) -> Result<NonNull<SnapshotHeader<M>>, SnapshotState>;
    /// Publishes a snapshot where none is.
    ///
    /// # Safety
    ///
    /// The caller owns a count of the snapshot and hands it over.
    unsafe fn put(&self, header: NonNull<SnapshotHeader<M>>);
    /// Publishes a tag. The count of what was there goes to the caller, who has to let it go once
    /// the lock is released; readers that are inside have counts of their own by then.
    fn take(&self, state: SnapshotState) -> Option<NonNull<SnapshotHeader<M>>>;
}

type SharedSnapshotHeader = SnapshotHeader<Shared>;

/// Slots of one thread. An emission nested deeper than this takes the signal's lock.
const SLOTS: usize = 8;

/// One announcement. Null: none. A header's address: read without a count. With the lowest bit
/// set: a writer has paid.
#[derive(Debug)]
pub(crate) struct Slot(AtomicPtr<SharedSnapshotHeader>);

/// The slots of one thread, by nesting level, handed on to another thread after its end.
#[derive(Debug)]
#[repr(align(128))] // Two cache lines, for the pairwise prefetch: threads must not share one.
pub(crate) struct Slots([Slot; SLOTS]);

#[derive(Default)]
struct SlotRegistry {
    all: Vec<&'static Slots>,
    /// Of threads that have ended. A subset of `all`, each with empty slots.
    free: Vec<&'static Slots>,
}

global! {
    /// Every thread's slots. Locked for reading by writers of signals, for writing when a thread
    /// emits for the first time and when it ends.
    SLOT_REGISTRY: RwLock<SlotRegistry> =
        RwLock::new(SlotRegistry { all: Vec::new(), free: Vec::new() })
}

per_thread! {
    /// Without a destructor, so that emissions work inside the destructors of other thread-locals.
    OWN: Cell<Option<&'static Slots>> = Cell::new(None)
}

/// The slots of this thread, if it has emitted before and is not ending.
#[inline(always)]
fn slots() -> Option<&'static Slots> {
    OWN.with(Cell::get)
}

fn set_slots(slots: Option<&'static Slots>) {
    // An error only in a model, whose thread-locals have destructors.
    let _ = OWN.try_with(|own| own.set(slots));
}

/// Whether this thread is inside something that could still call the handler with this sequence
/// number, of this signal and this entry.
pub(crate) fn is_inside(is_run_by: impl Fn(usize) -> bool, entry: usize, sequence: u64) -> bool {
    thread::is_inside(&is_run_by, entry, sequence)
        || slots().is_some_and(|slots| {
            slots
                .hazards()
                .any(|it| it.could_call(&is_run_by, entry, sequence))
        })
}

/// Gives the slots back when the thread ends.
struct ReturnSlots(Cell<Option<&'static Slots>>);

impl Drop for ReturnSlots {
    fn drop(&mut self) {
        if let Some(slots) = self.0.get() {
            set_slots(None);
            let mut registry = SLOT_REGISTRY
                .write()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            registry.free.push(slots);
        }
    }
}

thread_local! {
    static RETURN_SLOTS: ReturnSlots = const { ReturnSlots(Cell::new(None)) };
}

/// Finds slots for a thread that has none; `None` when the thread is ending.
#[cold]
#[inline(never)]
fn register() -> Option<&'static Slots> {
    RETURN_SLOTS
        .try_with(|to_return| {
            let mut registry = SLOT_REGISTRY
                .write()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            let slots = registry.free.pop().unwrap_or_else(|| {
                let empty = |_| Slot(AtomicPtr::new(ptr::null_mut()));
                let slots: &'static Slots = Box::leak(Box::new(Slots(std::array::from_fn(empty))));
                registry.all.push(slots);
                slots
            });
            if cfg!(not(loom)) {
                to_return.0.set(Some(slots));
            }
            set_slots(Some(slots));
            slots
        })
        .ok()
}

impl Slots {
    /// What the thread of these slots is inside of, asked by itself.
    pub(crate) fn hazards(&self) -> impl Iterator<Item = ActiveScope> {
        self.0.iter().filter_map(|slot| {
            let header = NonNull::new(unmarked(slot.0.load(Ordering::Acquire)))?;
            // SAFETY: this thread announced it and is not out of the emission yet, which keeps it.
            Some(unsafe { header.as_ref() }.scope)
        })
    }
}

/// A pin by an announcement.
pub struct HazardGuard {
    header: NonNull<SharedSnapshotHeader>,
    slot: &'static Slot,
}

// SAFETY: it is made where the announcement was in time, and the announcement keeps it.
unsafe impl ReadGuard<Shared> for HazardGuard {
    #[inline(always)]
    fn header(&self) -> NonNull<SharedSnapshotHeader> {
        self.header
    }
}

impl Drop for HazardGuard {
    #[inline(always)]
    fn drop(&mut self) {
        empty(self.slot, self.header.as_ptr());
    }
}

fn marked(header: *mut SharedSnapshotHeader) -> *mut SharedSnapshotHeader {
    header.map_addr(|address| address | 1)
}

fn unmarked(header: *mut SharedSnapshotHeader) -> *mut SharedSnapshotHeader {
    header.map_addr(|address| address & !1)
}

/// Gives every reader that announced `header` a count of it.
fn pay_debts(header: NonNull<SharedSnapshotHeader>) {
    let registry = SLOT_REGISTRY
        .read()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    for slot in registry.all.iter().flat_map(|slots| &slots.0) {
        if slot.0.load(Ordering::SeqCst) != header.as_ptr() {
            continue;
        }
        // SAFETY: the writer owns the publication's count, so the header is alive.
        let count = unsafe { &header.as_ref().count };
        // The count comes before the mark: a reader that sees the mark lets it go at once.
        count.add(1);
        let swapped = slot.0.compare_exchange(
            header.as_ptr(),
            marked(header.as_ptr()),
            Ordering::AcqRel,
            // What the reader did comes before what the writer does with the captures.
            Ordering::Acquire,
        );
        if swapped.is_err() {
            // The reader left meanwhile. Not the last count: the publication's is still there.
            count.sub(1);
        }
    }
}

// SAFETY: it is one pointer, which is changed by `put` and `take` alone. `enter` looks at it again after
// the announcement.
unsafe impl Publish<Shared> for AtomicPtr<SharedSnapshotHeader> {
    fn new(state: SnapshotState) -> Self {
        AtomicPtr::new(from_state(state))
    }

    fn prepare() {
        if slots().is_none() {
            let _ = register();
        }
    }

    #[inline(always)]
    fn try_load(&self, level: usize) -> Option<HazardGuard> {
        let mut seen = self.load(Ordering::Acquire);
        loop {
            if is_state(seen) || cfg!(slotcast_lock_reads) {
                return None;
            }
            let slots = match slots() {
                Some(slots) => slots,
                None => register()?,
            };
            let slot = slots.0.get(level)?;
            debug_assert!(
                slot.0.load(Ordering::Relaxed).is_null(),
                "a level has one pin"
            );
            // A swap and not a store, because it is a full barrier at half the price.
            slot.0.swap(seen, Ordering::SeqCst);
            model_fence();
            let again = self.load(Ordering::SeqCst);
            if again == seen {
                let header = NonNull::new(again)?;
                return Some(HazardGuard { header, slot });
            }
            // Too late. The debt may have been paid nevertheless, even for a later snapshot that
            // came to stand at this address, which is why counts do not depend on the type.
            empty(slot, seen);
            seen = again;
        }
    }

    #[inline(always)]
    fn is(&self, state: SnapshotState) -> bool {
        self.load(Ordering::Acquire).addr() == state as usize
    }

    #[inline(always)]
    fn has(&self, header: NonNull<SharedSnapshotHeader>) -> bool {
        self.load(Ordering::Acquire) == header.as_ptr()
    }

    fn current(&self) -> Result<NonNull<SharedSnapshotHeader>, SnapshotState> {
        current(self.load(Ordering::Acquire))
    }

    unsafe fn put(&self, header: NonNull<SharedSnapshotHeader>) {
        self.store(header.as_ptr(), Ordering::SeqCst);
    }

    fn take(&self, to: SnapshotState) -> Option<NonNull<SharedSnapshotHeader>> {
        if self.is(to) {
            return None;
        }
        let old = current(self.swap(from_state(to), Ordering::SeqCst)).ok()?;
        model_fence();
        pay_debts(old);
        Some(old)
    }
}

/// Empties a slot of this thread.
#[inline(always)]
fn empty(slot: &'static Slot, hazards: *mut SharedSnapshotHeader) {
    let (done, failed) = (Ordering::AcqRel, Ordering::Acquire);
    if let Err(paid) = slot
        .0
        .compare_exchange(hazards, ptr::null_mut(), done, failed)
    {
        empty_paid(slot, paid);
    }
}

/// Empties a slot whose debt a writer has paid.
#[cold]
#[inline(never)]
fn empty_paid(slot: &'static Slot, paid: *mut SharedSnapshotHeader) {
    slot.0.store(ptr::null_mut(), Ordering::Release);
    let header = unmarked(paid);
    // SAFETY: the mark says that a writer put this address there with a count for the reader. The
    // address is the writer's, not the one announced, whose snapshot may have gone long ago.
    unsafe { release(NonNull::new_unchecked(header)) };
}

/// The local flavour counts its readers: there is one thread, so a count is a plain addition.
// SAFETY: it is one pointer, which is changed by `put` and `take` alone.
unsafe impl Publish<Local> for Cell<*mut SnapshotHeader<Local>> {
    fn new(state: SnapshotState) -> Self {
        Cell::new(from_state(state))
    }

    #[inline(always)]
    fn try_load(&self, _: usize) -> Option<CountGuard<Local>> {
        let seen = self.get();
        if is_state(seen) {
            return None;
        }
        // SAFETY: alive, because the publication owns a count.
        Some(unsafe { CountGuard::new(NonNull::new(seen)?) })
    }

    #[inline(always)]
    fn is(&self, state: SnapshotState) -> bool {
        self.get().addr() == state as usize
    }

    #[inline(always)]
    fn has(&self, header: NonNull<SnapshotHeader<Local>>) -> bool {
        self.get() == header.as_ptr()
    }

    fn current(&self) -> Result<NonNull<SnapshotHeader<Local>>, SnapshotState> {
        current(self.get())
    }

    unsafe fn put(&self, header: NonNull<SnapshotHeader<Local>>) {
        self.set(header.as_ptr());
    }

    fn take(&self, to: SnapshotState) -> Option<NonNull<SnapshotHeader<Local>>> {
        current(self.replace(from_state(to))).ok()
    }
}
