//! Snapshots, which nobody changes while they are published or read, and the publication of the current one.
//!
//! Adds types to the read side, and a safe interface. Also what is changed under a lock and read without it, by the
//! same slots.

#![allow(
    unsafe_code,
    reason = "gives snapshots, which the read side knows by their header alone, their type back, and guards a value"
)]

use std::borrow::Borrow;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crate::core::primitives::sync::{Lock, UnsafeCell};
use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::reclaim::hazard::{
    CountGuard, Gate, Missed, Publish, ReadFlavour, ReadGuard, SnapshotHeader, SnapshotState,
    is_alone, release,
};

/// A value with the header in front, so that a pointer to one is a pointer to the other.
#[repr(C)]
pub(crate) struct Snapshot<M: ReadFlavour, T> {
    pub(crate) header: SnapshotHeader<M>,
    pub(crate) value: T,
}

/// A snapshot that is not published, and that nobody reads. So it can be changed. Dropping it may run the `Drop` of
/// captures.
pub(crate) struct Unpublished<M: ReadFlavour, T: 'static> {
    retired: Retired<M>,
    types: PhantomData<T>,
}

// SAFETY: it is the only pointer to a snapshot, which is `Send` if its value is.
unsafe impl<M: ReadFlavour + Send, T: Send + 'static> Send for Unpublished<M, T> {}

impl<M: ReadFlavour, T: 'static> Unpublished<M, T> {
    /// A new snapshot. Its scope is that of the emissions that will read it.
    pub(crate) fn new(scope: ActiveScope, value: T) -> Self {
        let header = SnapshotHeader::new(scope, free::<M, T>);
        let snapshot = Box::leak(Box::new(Snapshot { header, value }));
        Unpublished {
            retired: Retired(NonNull::from(snapshot).cast()),
            types: PhantomData,
        }
    }

    fn snapshot(&mut self) -> &mut Snapshot<M, T> {
        // SAFETY: `new` made it, with these types, or a publication of these types did. Its only count is here, so
        // there is no reader. A reader that announces the address nevertheless read the pointer while this was
        // published, finds when it reads it again that this is published no more, and looks at nothing else.
        unsafe { self.retired.0.cast::<Snapshot<M, T>>().as_mut() }
    }

    pub(crate) fn retire(self) -> Retired<M> {
        self.retired
    }

    pub(crate) fn value(&mut self) -> &mut T {
        &mut self.snapshot().value
    }

    pub(crate) fn set_scope(&mut self, scope: ActiveScope) {
        self.snapshot().header.scope = scope;
    }
}

/// # Safety
///
/// Once, with a header that `Unpublished::new` made for these types.
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

    /// The published snapshot, without a lock. `None`: load it under the lock, or it is published aside.
    #[inline(always)]
    pub(crate) fn try_load(&self, level: usize) -> Option<SnapshotGuard<M, T, M::ReadGuard>> {
        Some(SnapshotGuard {
            guard: self.published.try_load(level)?,
            types: PhantomData,
        })
    }

    /// Like [`try_load`](Self::try_load), but drops nothing: an error is what was published before.
    #[inline(always)]
    #[expect(clippy::type_complexity, reason = "the guard, or what was missed")]
    pub(crate) fn try_load_once(
        &self,
        level: usize,
    ) -> Option<Result<SnapshotGuard<M, T, M::ReadGuard>, Missed<M::ReadGuard>>> {
        let guard = self.published.try_load_once(level)?;
        Some(guard.map(|guard| SnapshotGuard {
            guard,
            types: PhantomData,
        }))
    }

    /// The snapshot that is published, perhaps aside, without a lock. `None`: load it under the lock.
    #[cfg(feature = "follow")]
    pub(crate) fn try_load_any(&self, level: usize) -> Option<SnapshotGuard<M, T, M::ReadGuard>> {
        loop {
            match self.try_load_any_once(level)? {
                Ok(guard) => return Some(guard),
                Err(missed) => drop(missed),
            }
        }
    }

    /// Like [`try_load_any`](Self::try_load_any), but drops nothing: an error is what was published before.
    #[cfg(feature = "follow")]
    #[expect(clippy::type_complexity, reason = "the guard, or what was missed")]
    pub(crate) fn try_load_any_once(
        &self,
        level: usize,
    ) -> Option<Result<SnapshotGuard<M, T, M::ReadGuard>, Missed<M::ReadGuard>>> {
        let guard = self.published.try_load_any_once(level)?;
        Some(guard.map(|guard| SnapshotGuard {
            guard,
            types: PhantomData,
        }))
    }

    /// Returns whether this snapshot is published now, and not aside, without a lock.
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

    /// What is published; if that is stale, publishes what `make` returns, perhaps aside, where only
    /// [`try_load_any`](Self::try_load_any) finds it without a lock. Called under the lock.
    pub(crate) fn read_or_publish(
        &self,
        aside: bool,
        make: impl FnOnce() -> Option<Unpublished<M, T>>,
    ) -> Loaded<SnapshotGuard<M, T, CountGuard<M>>> {
        let header = match self.published.current() {
            Ok(header) => header,
            Err(SnapshotState::Empty) => return Loaded::Empty,
            Err(SnapshotState::Closed) => return Loaded::Closed,
            Err(SnapshotState::Stale) => {
                let Some(made) = make() else {
                    // Returns `None`: no snapshot was published.
                    _ = self.published.take(SnapshotState::Empty);
                    return Loaded::Empty;
                };
                let header = ManuallyDrop::new(made.retired).0;
                // SAFETY: its count is given up, and not released.
                unsafe { self.published.put(header, aside) };
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

    /// Publishes `state` instead. The returned snapshot is to be dropped after the lock; an error is one that is
    /// being read.
    pub(crate) fn take(
        &self,
        state: SnapshotState,
    ) -> Option<Result<Unpublished<M, T>, Retired<M>>> {
        let retired = Retired(self.published.take(state)?);
        // SAFETY: `take` returned the publication's count.
        Some(if unsafe { is_alone(retired.0) } {
            Ok(Unpublished {
                retired,
                types: PhantomData,
            })
        } else {
            Err(retired)
        })
    }
}

impl<M: ReadFlavour, T> Drop for Publication<M, T> {
    fn drop(&mut self) {
        drop(self.take(SnapshotState::Stale));
    }
}

/// A value that is changed under a lock, and read without it by those who hold nothing of it afterwards.
///
/// Readers pass a gate, which a change shuts. It stays shut until it is opened again, under the lock, by one who
/// would have passed. So a row of changes waits for readers once.
pub(crate) struct Guarded<M: ReadFlavour, T> {
    lock: M::Lock<()>,
    gate: M::Gate,
    value: UnsafeCell<T>,
}

// SAFETY: it owns the value.
unsafe impl<M: ReadFlavour + Send, T: Send> Send for Guarded<M, T> {}
// SAFETY: many threads read the value at a time, and any of them changes it, alone.
unsafe impl<M: ReadFlavour + Sync, T: Send + Sync> Sync for Guarded<M, T> {}

impl<M: ReadFlavour, T> Guarded<M, T> {
    pub(crate) fn new(value: T) -> Self {
        Guarded {
            lock: M::Lock::new(()),
            gate: M::Gate::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Calls `f` under the lock.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Locked<'_, M, T>) -> R) -> R {
        self.lock.with(|()| f(&mut Locked(self)))
    }

    /// Calls `f` without the lock. `None` if the gate is shut, or there is no slot. `level` is one that has no read
    /// guard. `f` runs no user code, which could change the value, and would wait for itself.
    #[inline(always)]
    pub(crate) fn read<R>(&self, level: usize, f: impl FnOnce(&T) -> R) -> Option<R> {
        if !M::WAITS {
            // There is nobody to wait for.
            return Some(self.with(|locked| f(locked)));
        }
        let passing = self.gate.pass(level)?;
        // SAFETY: it is changed while the gate is shut, and then nobody is passing.
        let result = self.value.with(|value| f(unsafe { &*value }));
        drop(passing);
        Some(result)
    }
}

/// A value whose lock is held.
pub(crate) struct Locked<'g, M: ReadFlavour, T>(&'g Guarded<M, T>);

impl<M: ReadFlavour, T> Locked<'_, M, T> {
    /// Lets readers pass from now on.
    pub(crate) fn open(&mut self) {
        self.0.gate.open();
    }

    /// For changes. Waits until the readers have left.
    pub(crate) fn change(&mut self) -> &mut T {
        self.0.gate.shut();
        // SAFETY: the lock is held, this is borrowed, and so the gate stays shut, and nobody is passing.
        self.0.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<M: ReadFlavour, T> std::ops::Deref for Locked<'_, M, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the lock is held, and this is borrowed, so nobody changes it.
        self.0.value.with(|value| unsafe { &*value })
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

/// A snapshot that is not published. Dropping it may run the `Drop` of captures.
#[must_use = "drop it after the lock"]
pub(crate) struct Retired<M: ReadFlavour>(NonNull<SnapshotHeader<M>>);

// Need not be `Send`: it stays in the function that took it out.

impl<M: ReadFlavour> Drop for Retired<M> {
    fn drop(&mut self) {
        // SAFETY: it has the publication's count, or that of a snapshot that was never published.
        unsafe { release(self.0) };
    }
}
