//! The immutable, ordered list of handlers that one emission runs, and the place that publishes it.
//!
//! Gives the untyped read side its types, and a face without `unsafe`.

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

/// Begins with the header, so that a pointer to one is a pointer to the other.
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
    // SAFETY: the last count has gone, and the pointer came from a box of this type.
    let snapshot = unsafe { Box::from_raw(header.cast::<Snapshot<M, T>>().as_ptr()) };
    // Dropping strong references may run the `Drop` of captures; a panic in one is caught there.
    let scope_guard = thread::enter_scope(snapshot.header.scope);
    // In a model addresses must not come back: which one does is the allocator's choice, and would
    // make its executions differ.
    #[cfg(loom)]
    {
        let snapshot = std::mem::ManuallyDrop::new(snapshot);
        // SAFETY: dropped here, and nowhere else; its memory is leaked.
        unsafe { std::ptr::drop_in_place(std::ptr::from_ref(&snapshot.value).cast_mut()) };
    }
    #[cfg(not(loom))]
    drop(snapshot);
    drop(scope_guard);
}

/// Publishes one signal's snapshot. Changed under the signal's lock only.
pub(crate) struct Publication<M: ReadFlavour, T: 'static> {
    published: M::Published,
    /// Says that it owns snapshots of these types, which are `Send` and `Sync` as their references are.
    types: PhantomData<T>,
}

/// What an emission finds that has no pin yet.
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

    /// The snapshot that is published, without a lock. `None`: look under the lock.
    #[inline(always)]
    pub(crate) fn try_load(&self, level: usize) -> Option<SnapshotGuard<M, T, M::ReadGuard>> {
        Some(SnapshotGuard {
            pin: self.published.try_load(level)?,
            types: PhantomData,
        })
    }

    /// Whether this is what is published now.
    #[inline(always)]
    pub(crate) fn publishes(&self, guard: &SnapshotGuard<M, T, M::ReadGuard>) -> bool {
        self.published.has(guard.pin.header())
    }

    /// Whether the signal was closed. A snapshot.
    pub(crate) fn is_closed(&self) -> bool {
        self.published.is(SnapshotState::Closed)
    }

    /// Whether nothing is there to run, without a lock.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.published.is(SnapshotState::Empty)
    }

    /// What is published, seen under the lock; a snapshot of `handlers` where it is stale.
    pub(crate) fn read_or_publish(
        &self,
        scope: ActiveScope,
        make: impl FnOnce() -> Option<T>,
    ) -> Loaded<SnapshotGuard<M, T, CountGuard<M>>> {
        let header = match self.published.current() {
            Ok(header) => header,
            Err(SnapshotState::Empty) => return Loaded::Empty,
            Err(SnapshotState::Closed) => return Loaded::Closed,
            Err(SnapshotState::Stale) => {
                let Some(value) = make() else {
                    // Nothing comes out: nothing was published.
                    _ = self.published.take(SnapshotState::Empty);
                    return Loaded::Empty;
                };
                let header = Snapshot::boxed(scope, value);
                // SAFETY: `boxed` made it with a count of one.
                unsafe { self.published.put(header) };
                header
            }
        };
        // SAFETY: the publication's count keeps it while the lock is held.
        let pin = unsafe { CountGuard::new(header) };
        Loaded::Found(SnapshotGuard {
            pin,
            types: PhantomData,
        })
    }

    /// Publishes `state` instead. What comes back is to be dropped once the lock is released.
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
    pin: P,
    types: PhantomData<fn(M, &T)>,
}

impl<M: ReadFlavour, T: 'static, P: ReadGuard<M>> SnapshotGuard<M, T, P> {
    #[inline(always)]
    fn snapshot(&self) -> &Snapshot<M, T> {
        // SAFETY: a reading is made by a publication of its types, which publishes snapshots of
        // its types only; the header is their first field, and the pin keeps them.
        unsafe { self.pin.header().cast::<Snapshot<M, T>>().as_ref() }
    }

    /// What an emission of it is inside of.
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

/// A snapshot that is published no more. Dropping it may run the `Drop` of captures.
#[must_use = "drop it after the lock"]
pub(crate) struct Retired<M: ReadFlavour>(NonNull<SnapshotHeader<M>>);

// No `Send` needed: it never leaves the function that took it out.

impl<M: ReadFlavour> Drop for Retired<M> {
    fn drop(&mut self) {
        // SAFETY: `take` handed over the publication's count.
        unsafe { release(self.0) };
    }
}
