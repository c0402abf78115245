//! Publishes one pointer to many readers: hazard slots with debts.
//!
//! A signal publishes a snapshot as one atomic pointer. A reader announces the pointer that it has read
//! in a slot of its thread, and reads the signal's pointer again: if it is still the same, the snapshot
//! exists until the slot is cleared. A writer takes the pointer out, scans the slots of all threads, and
//! gives each reader that it finds a count of the snapshot, marked in the slot (its *debt is paid*). The
//! reader sees the mark when it clears the slot, and releases that count. So the last of them, writer or
//! reader, frees the snapshot, and nothing is freed late.
//!
//! Why it is correct: the reader writes its slot and then reads the pointer, the writer swaps the
//! pointer and then reads the slots, all four sequentially consistent. In their one total order
//! either the writer sees the slot, or the reader sees the new pointer and retries.
//!
//! What is published is the address of a header, or a state, whose lowest bit is set. So is that of a snapshot that is
//! published *aside*: who looks for a snapshot tests that bit alone, and does not find it unless it asks for those, too.
//!
//! What a slot holds: null, nothing. The address of a header: a reader without a count. With the lowest bit set: a
//! writer has paid its debt. The address of a gate, with the next bit set: a reader who is passing it.
//!
//! With the same slots a reader passes a [`Gate`], to read what a lock guards: it announces the gate, and reads
//! whether it is open; whoever holds the lock shuts it, and waits until no slot has it.
//!
//! Source: the debts of the `arc-swap` crate (Michal Vaner, 2018, <https://docs.rs/arc-swap>). Unlike
//! there, slots are assigned by nesting depth, so that none has to be searched for, and a reader without
//! a free slot takes the signal's lock. A slot may contain the address of a snapshot of another signal,
//! which was allocated where the announced one had been. The two cannot be distinguished, so the count and
//! the function that frees are in a header that does not depend on the type.

#![allow(
    unsafe_code,
    reason = "readers keep a snapshot without a count, by the protocol described above"
)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::core::primitives::flavour::{Local, Primitives, Shared};
use crate::core::primitives::sync::{self, AtomicPtr, AtomicUsize, Ordering, Word, model_fence};
use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::reclaim::slots::{self, Slot, Slots};

/// The start of every snapshot.
#[repr(C)]
pub struct SnapshotHeader<M: Primitives> {
    /// One for the publication, one for each counted reader, one for each paid debt.
    count: M::Word,
    /// Frees the whole snapshot that begins with this header.
    free: unsafe fn(NonNull<SnapshotHeader<M>>),
    /// The scope of an emission that reads the snapshot.
    pub(crate) scope: ActiveScope,
}

impl<M: Primitives> SnapshotHeader<M> {
    /// A header with a count of one.
    ///
    /// `free` is called once, on the thread that releases the last count.
    pub(crate) fn new(scope: ActiveScope, free: unsafe fn(NonNull<Self>)) -> Self {
        SnapshotHeader {
            count: M::Word::new(1),
            free,
            scope,
        }
    }
}

/// Releases one count, and frees the snapshot if it was the last. Runs the `Drop` of captures.
///
/// # Safety
///
/// The caller owns a count and gives it up.
pub(crate) unsafe fn release<M: Primitives>(header: NonNull<SnapshotHeader<M>>) {
    // SAFETY: the caller's count keeps the header alive until it is subtracted here.
    unsafe {
        let free = header.as_ref().free;
        // AcqRel; pairs with the decrements of the other counts: all reads happen before the free.
        if header.as_ref().count.sub(1) == 1 {
            free(header);
        }
    }
}

/// Returns whether the caller's count is the only one.
///
/// # Safety
///
/// The caller owns a count.
pub(crate) unsafe fn is_alone<M: Primitives>(header: NonNull<SnapshotHeader<M>>) -> bool {
    // Acquire; pairs with the decrements of the readers: what they did happens before a change.
    // SAFETY: the caller's count keeps the header alive.
    unsafe { header.as_ref() }.count.get() == 1
}

/// What is published when there is no snapshot. No snapshot has one of these addresses, nor is published aside as one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SnapshotState {
    /// The last snapshot is out of date.
    Stale = 1,
    /// There are no handlers.
    Empty = 3,
    /// The signal was closed.
    Closed = 5,
}

/// Set in what is published if that is a state, or a snapshot aside.
const ASIDE: usize = 1;

fn from_state<T>(state: SnapshotState) -> *mut T {
    ptr::without_provenance_mut(state as usize)
}

/// The snapshot that is published, unless it is so aside.
#[inline(always)]
fn plain<T>(published: *mut T) -> Option<NonNull<T>> {
    // SAFETY: it is a state, or the address of a header, and none of these is null.
    let header = unsafe { NonNull::new_unchecked(published) };
    (published.addr() & ASIDE == 0).then_some(header)
}

/// The snapshot that is published, perhaps aside, or the state.
fn current<T>(published: *mut T) -> Result<NonNull<T>, SnapshotState> {
    match published.addr() {
        1 => Err(SnapshotState::Stale),
        3 => Err(SnapshotState::Empty),
        5 => Err(SnapshotState::Closed),
        _ => {
            let header = published.map_addr(|address| address & !ASIDE);
            NonNull::new(header).ok_or(SnapshotState::Stale)
        }
    }
}

/// What is published for a snapshot.
fn published<T>(header: NonNull<T>, aside: bool) -> *mut T {
    let aside = if aside { ASIDE } else { 0 };
    header.as_ptr().map_addr(|address| address | aside)
}

/// Keeps one snapshot alive while it is read.
///
/// # Safety
///
/// The header is that of a snapshot, always of the same, which exists as long as the guard.
pub unsafe trait ReadGuard<M: Primitives> {
    fn header(&self) -> NonNull<SnapshotHeader<M>>;
}

/// A read guard that owns a count.
pub struct CountGuard<M: Primitives>(NonNull<SnapshotHeader<M>>);

impl<M: Primitives> CountGuard<M> {
    /// # Safety
    ///
    /// The header is alive.
    #[inline(always)]
    pub(crate) unsafe fn new(header: NonNull<SnapshotHeader<M>>) -> Self {
        // SAFETY: the caller guarantees that it is alive.
        unsafe { header.as_ref() }.count.add(1);
        CountGuard(header)
    }
}

// SAFETY: the count keeps the snapshot.
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

/// The requirements of the read side on a flavour.
pub trait ReadFlavour: Primitives {
    type Published: Publish<Self>;
    /// The guard of a reader without the lock.
    type ReadGuard: ReadGuard<Self>;
    type Gate: Gate;
}

impl ReadFlavour for Shared {
    type Published = AtomicPtr<SnapshotHeader<Shared>>;
    type ReadGuard = HazardGuard;
    type Gate = AtomicUsize;
}

impl ReadFlavour for Local {
    type Published = Cell<*mut SnapshotHeader<Local>>;
    type ReadGuard = CountGuard<Local>;
    type Gate = ();
}

/// A snapshot that was published no more when it had been announced. Dropping it may run the `Drop` of captures.
#[must_use = "drop it where user code may run"]
pub struct Missed<G>(G);

/// A pointer to one published snapshot. Changed under the signal's lock, by one writer at a time.
///
/// # Safety
///
/// `try_load_once` and its like, `current` and `take` return the snapshot that was `put` last and not taken since.
pub unsafe trait Publish<M: ReadFlavour>: 'static {
    fn new(state: SnapshotState) -> Self;
    /// Allocates what this thread needs for `try_load`, so that later emissions need not.
    fn prepare() {}
    /// Guards the published snapshot, without a lock. `None` if there is no snapshot, or only one aside, or no slot for
    /// it. `level` is the nesting depth of the emission. May drop what was published before, and so captures.
    #[inline(always)]
    fn try_load(&self, level: usize) -> Option<M::ReadGuard> {
        loop {
            match self.try_load_once(level)? {
                Ok(guard) => return Some(guard),
                Err(missed) => drop(missed),
            }
        }
    }
    /// Like [`try_load`](Self::try_load), but drops nothing: an error is what was published before.
    fn try_load_once(&self, level: usize) -> Option<Result<M::ReadGuard, Missed<M::ReadGuard>>>;
    /// Like [`try_load_once`](Self::try_load_once), also of a snapshot that is published aside.
    #[cfg(feature = "follow")]
    fn try_load_any_once(&self, level: usize)
    -> Option<Result<M::ReadGuard, Missed<M::ReadGuard>>>;
    /// The pointer to the snapshot, or the state, that is published. Without a lock.
    fn get(&self) -> *mut SnapshotHeader<M>;
    /// Returns whether this state is published, without a lock.
    #[inline(always)]
    fn is(&self, state: SnapshotState) -> bool {
        self.get().addr() == state as usize
    }
    /// Returns whether this snapshot is published, and not aside, without a lock.
    #[inline(always)]
    fn has(&self, header: NonNull<SnapshotHeader<M>>) -> bool {
        self.get() == header.as_ptr()
    }
    /// What is published. For the only writer.
    fn current(&self) -> Result<NonNull<SnapshotHeader<M>>, SnapshotState> {
        current(self.get())
    }
    /// Publishes a snapshot in place of a state, perhaps aside.
    ///
    /// # Safety
    ///
    /// The caller owns a count of the snapshot and gives it up.
    unsafe fn put(&self, header: NonNull<SnapshotHeader<M>>, aside: bool);
    /// Publishes a state. Returns the previous snapshot with the publication's count, which the caller has
    /// to release after the lock; its readers have counts of their own by then.
    fn take(&self, state: SnapshotState) -> Option<NonNull<SnapshotHeader<M>>>;
}

type SharedSnapshotHeader = SnapshotHeader<Shared>;

/// Returns whether this thread is inside of an emission or a scope that could still call the handler with
/// this entry and sequence number. See [`ActiveScope::could_call`].
pub(crate) fn is_inside(is_run_by: impl Fn(usize) -> bool, entry: usize, sequence: u64) -> bool {
    thread::is_inside(&is_run_by, entry, sequence)
        || slots::own()
            .is_some_and(|own| hazards(own).any(|it| it.could_call(&is_run_by, entry, sequence)))
}

/// The scopes of the snapshots that this thread has announced.
fn hazards(slots: &Slots) -> impl Iterator<Item = ActiveScope> {
    slots.0.iter().filter_map(|slot| {
        // Acquire; pairs with the mark in `pay_debts`, where a writer has replaced the announcement.
        let announced = slot.0.load(Ordering::Acquire);
        if announced.addr() & PASSING != 0 {
            return None;
        }
        let header = NonNull::new(unmarked(announced))?.cast::<SharedSnapshotHeader>();
        // SAFETY: this thread has announced it and is still inside of the emission, which keeps it.
        Some(unsafe { header.as_ref() }.scope)
    })
}

/// A read guard by an announcement.
pub struct HazardGuard {
    header: NonNull<SharedSnapshotHeader>,
    slot: &'static Slot,
}

// SAFETY: it is created if the announcement was in time, and the announcement keeps the snapshot.
unsafe impl ReadGuard<Shared> for HazardGuard {
    #[inline(always)]
    fn header(&self) -> NonNull<SharedSnapshotHeader> {
        self.header
    }
}

impl Drop for HazardGuard {
    #[inline(always)]
    fn drop(&mut self) {
        clear(self.slot, announced(self.header));
    }
}

/// What a reader without a count announces.
fn announced(header: NonNull<SharedSnapshotHeader>) -> *mut () {
    header.as_ptr().cast()
}

/// An announcement whose debt a writer has paid.
fn marked(announced: *mut ()) -> *mut () {
    announced.map_addr(|address| address | 1)
}

fn unmarked(announced: *mut ()) -> *mut () {
    announced.map_addr(|address| address & !1)
}

/// Gives each reader that has announced `header` a count of it.
fn pay_debts(header: NonNull<SharedSnapshotHeader>) {
    let unpaid = announced(header);
    slots::for_each(|slot| {
        // SeqCst, after the swap in `take`; pairs with the swap in `announce`.
        if slot.0.load(Ordering::SeqCst) != unpaid {
            return;
        }
        // SAFETY: the writer owns the publication's count, so the header is alive.
        let count = unsafe { &header.as_ref().count };
        // Before the mark: a reader that sees the mark releases the count at once.
        count.add(1);
        let swapped = slot.0.compare_exchange(
            unpaid,
            marked(unpaid),
            // Release; pairs with the Acquire in `clear`: the reader sees the count.
            Ordering::AcqRel,
            // Pairs with the Release in `clear`: what the reader did happens before the writer drops the
            // captures.
            Ordering::Acquire,
        );
        if swapped.is_err() {
            // The reader has left meanwhile. This is not the last count: the publication has one.
            count.sub(1);
        }
    });
}

type TriedGuard = Result<HazardGuard, Missed<HazardGuard>>;

/// Announces a snapshot that was `seen` to be published, at this address, and looks again.
#[inline(always)]
fn announce(
    publication: &AtomicPtr<SharedSnapshotHeader>,
    seen: *mut SharedSnapshotHeader,
    header: NonNull<SharedSnapshotHeader>,
    level: usize,
) -> Option<TriedGuard> {
    if cfg!(slotcast_lock_reads) {
        return None;
    }
    let slot = slots::own_or_new()?.0.get(level)?;
    debug_assert!(
        slot.0.load(Ordering::Relaxed).is_null(),
        "a level has one guard"
    );
    // SeqCst, before the second load; pairs with the swap in `take` and the load in `pay_debts`.
    // A swap and not a store, because it is a full barrier at half the cost.
    slot.0.swap(announced(header), Ordering::SeqCst);
    model_fence();
    let guard = HazardGuard { header, slot };
    if publication.load(Ordering::SeqCst) == seen {
        Some(Ok(guard))
    } else {
        // Too late. The debt may have been paid nevertheless, even for a later snapshot at the same
        // address. Therefore counts do not depend on the type.
        Some(Err(Missed(guard)))
    }
}

// SAFETY: it is one pointer, which only `put` and `take` change. `announce` reads it again after the
// announcement.
unsafe impl Publish<Shared> for AtomicPtr<SharedSnapshotHeader> {
    fn new(state: SnapshotState) -> Self {
        AtomicPtr::new(from_state(state))
    }

    fn prepare() {
        _ = slots::own_or_new();
    }

    #[inline(always)]
    fn try_load_once(&self, level: usize) -> Option<TriedGuard> {
        let seen = self.get();
        announce(self, seen, plain(seen)?, level)
    }

    #[cfg(feature = "follow")]
    fn try_load_any_once(&self, level: usize) -> Option<TriedGuard> {
        let seen = self.get();
        announce(self, seen, current(seen).ok()?, level)
    }

    #[inline(always)]
    fn get(&self) -> *mut SharedSnapshotHeader {
        // Acquire; pairs with the stores in `put` and `take`.
        self.load(Ordering::Acquire)
    }

    unsafe fn put(&self, header: NonNull<SharedSnapshotHeader>, aside: bool) {
        // Release; pairs with the Acquire in `get` and with the second load in `announce`. Not SeqCst: a reader
        // that finds it is seen by the `take` that comes after it.
        self.store(published(header, aside), Ordering::Release);
    }

    fn take(&self, to: SnapshotState) -> Option<NonNull<SharedSnapshotHeader>> {
        // Relaxed: it is changed under the lock.
        let seen = self.load(Ordering::Relaxed);
        if current(seen).is_err() {
            // There is no reader to look for. Written only if it changes, because emissions read it.
            if seen != from_state(to) {
                // Release; pairs with the Acquire in `get`.
                self.store(from_state(to), Ordering::Release);
            }
            return None;
        }
        // SeqCst, before the slots are read; pairs with the second load in `announce`.
        let old = current(self.swap(from_state(to), Ordering::SeqCst)).ok()?;
        model_fence();
        pay_debts(old);
        Some(old)
    }
}

/// Clears a slot of this thread.
#[inline(always)]
fn clear(slot: &'static Slot, announced: *mut ()) {
    // Release; pairs with the Acquire of a failed exchange in `pay_debts`. Acquire, if a debt was paid;
    // pairs with the Release there.
    let (done, failed) = (Ordering::AcqRel, Ordering::Acquire);
    if let Err(paid) = slot
        .0
        .compare_exchange(announced, ptr::null_mut(), done, failed)
    {
        clear_paid(slot, paid);
    }
}

/// Clears a slot whose debt a writer has paid.
#[cold]
#[inline(never)]
fn clear_paid(slot: &'static Slot, paid: *mut ()) {
    // Release; pairs with the Acquire of a failed exchange in `pay_debts`.
    slot.0.store(ptr::null_mut(), Ordering::Release);
    let header = unmarked(paid).cast::<SharedSnapshotHeader>();
    // SAFETY: the mark says that a writer has stored this address with a count for the reader. The
    // address is the writer's, not the announced one, whose snapshot may have been freed.
    unsafe { release(NonNull::new_unchecked(header)) };
}

/// Lets readers pass by to what a lock guards, until the holder of the lock shuts it.
///
/// # Safety
///
/// From the return of `shut` to the next `open` there is no [`Passing`], on any thread.
pub unsafe trait Gate: 'static {
    /// A gate that is shut.
    fn new() -> Self;
    /// Lets readers pass. Called under the lock.
    fn open(&self);
    /// Lets no more readers pass, and waits until those who are passing have left. Called under the lock, and not by
    /// one who is passing.
    fn shut(&self);
    /// `None` if the gate is shut, or there is no slot. `level` is one that has no read guard.
    fn pass(&self, level: usize) -> Option<Passing<'_>>;
}

const SHUT: usize = 0;
const OPEN: usize = 1;

/// A reader who is passing a [`Gate`]. It keeps whoever shuts the gate waiting, so it runs no user code.
pub struct Passing<'g> {
    slot: &'static Slot,
    gate: PhantomData<&'g ()>,
}

impl Drop for Passing<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release; pairs with the load in `shut`: what was read happens before the change.
        self.slot.0.store(ptr::null_mut(), Ordering::Release);
    }
}

/// What a reader who is passing a gate announces. Neither the address of a snapshot nor a paid debt.
fn passing(gate: &AtomicUsize) -> *mut () {
    ptr::without_provenance_mut(ptr::from_ref(gate).addr() | PASSING)
}

/// The bit of an announcement that is that of a gate. Gates and snapshots are aligned to words.
const PASSING: usize = 2;

// SAFETY: a reader writes its slot and then reads the gate, `shut` writes the gate and then reads the slots, all
// sequentially consistent: either it sees the slot, and waits, or the reader sees that the gate is shut.
unsafe impl Gate for AtomicUsize {
    fn new() -> Self {
        AtomicUsize::new(SHUT)
    }

    fn open(&self) {
        // Relaxed: it is changed under the lock. Only looked at mostly, because readers look at it all the time.
        if self.load(Ordering::Relaxed) == SHUT {
            // Release; pairs with the load in `pass`: a reader sees what was changed.
            self.store(OPEN, Ordering::Release);
        }
    }

    fn shut(&self) {
        // Relaxed: it is changed under the lock.
        if self.load(Ordering::Relaxed) == SHUT {
            return;
        }
        // SeqCst, before the slots are read; pairs with the swap and the load in `pass`.
        self.swap(SHUT, Ordering::SeqCst);
        model_fence();
        slots::for_each(|slot| {
            // SeqCst, after the swap. Acquire as a part of it; pairs with the Release in `Passing::drop`.
            while slot.0.load(Ordering::SeqCst) == passing(self) {
                // It takes a few instructions, unless its thread is interrupted there.
                sync::thread::yield_now();
            }
        });
    }

    #[inline(always)]
    fn pass(&self, level: usize) -> Option<Passing<'_>> {
        // Relaxed: only saves the rest. It is read again.
        if self.load(Ordering::Relaxed) == SHUT || cfg!(slotcast_lock_reads) {
            return None;
        }
        let slot = slots::own()?.0.get(level)?;
        // Relaxed: only this thread announces anything there.
        if !slot.0.load(Ordering::Relaxed).is_null() {
            return None;
        }
        // SeqCst, before the gate is read; pairs with the swap and the loads in `shut`.
        slot.0.swap(passing(self), Ordering::SeqCst);
        model_fence();
        let gate = PhantomData;
        let passing = Passing { slot, gate };
        // SeqCst, after the swap. Acquire as a part of it; pairs with the Release in `open`.
        (self.load(Ordering::SeqCst) == OPEN).then_some(passing)
    }
}

/// In the local flavour the lock is as cheap.
// SAFETY: nobody passes.
unsafe impl Gate for () {
    fn new() -> Self {}
    fn open(&self) {}
    fn shut(&self) {}
    #[inline(always)]
    fn pass(&self, _: usize) -> Option<Passing<'_>> {
        None
    }
}

/// The local flavour counts its readers: there is one thread, so a count is a plain addition.
// SAFETY: it is one pointer, which only `put` and `take` change.
unsafe impl Publish<Local> for Cell<*mut SnapshotHeader<Local>> {
    fn new(state: SnapshotState) -> Self {
        Cell::new(from_state(state))
    }

    #[inline(always)]
    fn try_load_once(
        &self,
        _: usize,
    ) -> Option<Result<CountGuard<Local>, Missed<CountGuard<Local>>>> {
        let header = plain(self.get())?;
        // SAFETY: alive, because the publication owns a count.
        Some(Ok(unsafe { CountGuard::new(header) }))
    }

    #[cfg(feature = "follow")]
    fn try_load_any_once(
        &self,
        _: usize,
    ) -> Option<Result<CountGuard<Local>, Missed<CountGuard<Local>>>> {
        let header = current(self.get()).ok()?;
        // SAFETY: alive, because the publication owns a count.
        Some(Ok(unsafe { CountGuard::new(header) }))
    }

    #[inline(always)]
    fn get(&self) -> *mut SnapshotHeader<Local> {
        Cell::get(self)
    }

    unsafe fn put(&self, header: NonNull<SnapshotHeader<Local>>, aside: bool) {
        self.set(published(header, aside));
    }

    fn take(&self, to: SnapshotState) -> Option<NonNull<SnapshotHeader<Local>>> {
        current(self.replace(from_state(to))).ok()
    }
}
