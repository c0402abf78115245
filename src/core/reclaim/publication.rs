//! Immutable snapshots, and the publication of the current one.
//!
//! Adds types to the read side, and a safe interface.

#![allow(
    unsafe_code,
    reason = "gives snapshots, which the read side knows by their header alone, their type back"
)]

use std::borrow::Borrow;
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::reclaim::hazard::{
    CountGuard, Publish, ReadFlavour, ReadGuard, SnapshotHeader, SnapshotState, release,
};

/// A value with the header in front, so that a pointer to one is a pointer to the other.
#[repr(C)]
pub(crate) struct Snapshot<M: ReadFlavour, T> {
    pub(crate) header: SnapshotHeader<M>,
    pub(crate) value: T,
}

impl<M: ReadFlavour, T: 'static> Snapshot<M, T> {
    fn boxed(scope: ActiveScope, value: T) -> NonNull<SnapshotHeader<M>> {
        let header = SnapshotHeader::new(scope, free::<M, T>);
        let snapshot = Box::leak(Box::new(Snapshot { header, value }));
        NonNull::from(snapshot).cast()
    }
}

/// # Safety
///
/// Once, with a header that `boxed` made for these types.
unsafe fn free<M: ReadFlavour, T: 'static>(header: NonNull<SnapshotHeader<M>>) {
    // SAFETY: the last count was released, and the pointer came from a box of this type.
    let snapshot = unsafe { Box::from_raw(header.cast::<Snapshot<M, T>>().as_ptr()) };
    // Dropping strong references may run the `Drop` of captures; a panic in one is caught there.
    let scope_guard = thread::enter_scope(snapshot.header.scope);
    // In a model addresses must not be reused: the allocator would choose which one, and executions would
    // differ.
    #[cfg(slotcast_loom)]
    {
        let snapshot = std::mem::ManuallyDrop::new(snapshot);
        // SAFETY: dropped only here; its memory is leaked.
        unsafe { std::ptr::drop_in_place(std::ptr::from_ref(&snapshot.value).cast_mut()) };
    }
    #[cfg(not(slotcast_loom))]
    drop(snapshot);
    drop(scope_guard);
}

/// The published snapshot of one signal. Changed only under the signal's lock.
pub(crate) struct Publication<M: ReadFlavour, T: 'static> {
    published: M::Published,
    /// Owns snapshots of this type, and is `Send` and `Sync` if they are.
    types: PhantomData<T>,
}

/// What is published, loaded under the lock.
pub(crate) enum Loaded<R> {
    Found(R),
    Empty,
    Closed,
}

impl<M: ReadFlavour, T> Publication<M, T> {
    pub(crate) fn new(state: SnapshotState) -> Self {
        Publication {
            published: M::Published::new(state),
            types: PhantomData,
        }
    }

    /// The published snapshot, without a lock. `None`: load it under the lock.
    #[inline(always)]
    pub(crate) fn try_load(&self, level: usize) -> Option<SnapshotGuard<M, T, M::ReadGuard>> {
        Some(SnapshotGuard {
            guard: self.published.try_load(level)?,
            types: PhantomData,
        })
    }

    /// Returns whether this snapshot is published now, without a lock.
    #[inline(always)]
    pub(crate) fn publishes(&self, guard: &SnapshotGuard<M, T, M::ReadGuard>) -> bool {
        self.published.has(guard.guard.header())
    }

    /// Returns whether the signal was closed, without a lock.
    pub(crate) fn is_closed(&self) -> bool {
        self.published.is(SnapshotState::Closed)
    }

    /// Returns whether there is no handler to call, without a lock.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.published.is(SnapshotState::Empty)
    }

    /// What is published; if that is stale, publishes what `make` returns, with the scope of the emissions that
    /// read it. Called under the lock.
    pub(crate) fn read_or_publish(
        &self,
        make: impl FnOnce() -> Option<(ActiveScope, T)>,
    ) -> Loaded<SnapshotGuard<M, T, CountGuard<M>>> {
        let header = match self.published.current() {
            Ok(header) => header,
            Err(SnapshotState::Empty) => return Loaded::Empty,
            Err(SnapshotState::Closed) => return Loaded::Closed,
            Err(SnapshotState::Stale) => {
                let Some((scope, value)) = make() else {
                    // Returns `None`: no snapshot was published.
                    _ = self.published.take(SnapshotState::Empty);
                    return Loaded::Empty;
                };
                let header = Snapshot::boxed(scope, value);
                // SAFETY: `boxed` created it with a count of one.
                unsafe { self.published.put(header) };
                header
            }
        };
        // SAFETY: the publication's count keeps it while the lock is held.
        let guard = unsafe { CountGuard::new(header) };
        Loaded::Found(SnapshotGuard {
            guard,
            types: PhantomData,
        })
    }

    /// Publishes `state` instead. The returned snapshot is to be dropped after the lock.
    pub(crate) fn take(&self, state: SnapshotState) -> Option<Retired<M>> {
        self.published.take(state).map(Retired)
    }
}

impl<M: ReadFlavour, T> Drop for Publication<M, T> {
    fn drop(&mut self) {
        drop(self.take(SnapshotState::Stale));
    }
}

/// A snapshot while it is read.
pub(crate) struct SnapshotGuard<M: ReadFlavour, T, P: ReadGuard<M>> {
    guard: P,
    types: PhantomData<fn(M, &T)>,
}

impl<M: ReadFlavour, T: 'static, P: ReadGuard<M>> SnapshotGuard<M, T, P> {
    #[inline(always)]
    fn snapshot(&self) -> &Snapshot<M, T> {
        // SAFETY: a `SnapshotGuard` is created by a publication of its types, which publishes only
        // snapshots of its types; the header is their first field, and the guard keeps them.
        unsafe { self.guard.header().cast::<Snapshot<M, T>>().as_ref() }
    }

    /// The scope of an emission that reads it.
    pub(crate) fn scope(&self) -> ActiveScope {
        self.snapshot().header.scope
    }
}

impl<M: ReadFlavour, T: 'static, P: ReadGuard<M>> std::ops::Deref for SnapshotGuard<M, T, P> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        &self.snapshot().value
    }
}

impl<M: ReadFlavour, X: 'static, T: Borrow<[X]> + 'static, P: ReadGuard<M>> Borrow<[X]>
    for SnapshotGuard<M, T, P>
{
    #[inline(always)]
    fn borrow(&self) -> &[X] {
        (**self).borrow()
    }
}

/// A snapshot that is no longer published. Dropping it may run the `Drop` of captures.
#[must_use = "drop it after the lock"]
pub(crate) struct Retired<M: ReadFlavour>(NonNull<SnapshotHeader<M>>);

// Need not be `Send`: it stays in the function that took it out.

impl<M: ReadFlavour> Drop for Retired<M> {
    fn drop(&mut self) {
        // SAFETY: `take` returned the publication's count.
        unsafe { release(self.0) };
    }
}
