//! The immutable, ordered list of handlers that one emission runs, and the place that publishes it.
//!
//! Gives the untyped read side its types, and a face without `unsafe`.

use std::borrow::Borrow;
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::core::primitives::thread::{self, Frame};
use crate::core::reclaim::hazard::{Counted, Header, Pin, Publish, Reads as Mode, Tag, release};

/// Begins with the header, so that a pointer to one is a pointer to the other.
#[repr(C)]
pub(crate) struct Snapshot<M: Mode, T> {
    pub(crate) header: Header<M>,
    pub(crate) value: T,
}

impl<M: Mode, T: 'static> Snapshot<M, T> {
    fn boxed(frame: Frame, value: T) -> NonNull<Header<M>> {
        let header = Header::new(frame, free::<M, T>);
        let snapshot = Box::leak(Box::new(Snapshot { header, value }));
        NonNull::from(snapshot).cast()
    }
}

/// # Safety
///
/// Once, with a header that `boxed` made for these types.
unsafe fn free<M: Mode, T: 'static>(header: NonNull<Header<M>>) {
    // SAFETY: the last count has gone, and the pointer came from a box of this type.
    let snapshot = unsafe { Box::from_raw(header.cast::<Snapshot<M, T>>().as_ptr()) };
    // Dropping holds may run the `Drop` of captures; a panic in one is caught there.
    let occupied = thread::occupy(snapshot.header.frame);
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
    drop(occupied);
}

/// Publishes one signal's snapshot. Changed under the signal's lock only.
pub(crate) struct Publication<M: Mode, T: 'static> {
    published: M::Published,
    /// Says that it owns snapshots of these types, which are `Send` and `Sync` as their holds are.
    types: PhantomData<T>,
}

/// What an emission finds that has no pin yet.
pub(crate) enum Look<R> {
    Found(R),
    Empty,
    Closed,
}

impl<M: Mode, T> Publication<M, T> {
    pub(crate) fn new(tag: Tag) -> Self {
        Publication {
            published: M::Published::new(tag),
            types: PhantomData,
        }
    }

    /// The snapshot that is published, without a lock. `None`: look under the lock.
    #[inline(always)]
    pub(crate) fn enter(&self, level: usize) -> Option<Reading<M, T, M::Pin>> {
        Some(Reading {
            pin: self.published.enter(level)?,
            types: PhantomData,
        })
    }

    /// Whether this is what is published now.
    #[inline(always)]
    pub(crate) fn publishes(&self, reading: &Reading<M, T, M::Pin>) -> bool {
        self.published.has(reading.pin.header())
    }

    /// Whether the signal was closed. A snapshot.
    pub(crate) fn is_closed(&self) -> bool {
        self.published.is(Tag::Closed)
    }

    /// Whether nothing is there to run, without a lock.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.published.is(Tag::Empty)
    }

    /// What is published, seen under the lock; a snapshot of `handlers` where it is stale.
    pub(crate) fn read_or_publish(
        &self,
        frame: Frame,
        make: impl FnOnce() -> Option<T>,
    ) -> Look<Reading<M, T, Counted<M>>> {
        let header = match self.published.current() {
            Ok(header) => header,
            Err(Tag::Empty) => return Look::Empty,
            Err(Tag::Closed) => return Look::Closed,
            Err(Tag::Stale) => {
                let Some(value) = make() else {
                    // Nothing comes out: nothing was published.
                    _ = self.published.take(Tag::Empty);
                    return Look::Empty;
                };
                let header = Snapshot::boxed(frame, value);
                self.published.put(header);
                header
            }
        };
        // SAFETY: the publication's count keeps it while the lock is held.
        let pin = unsafe { Counted::new(header) };
        Look::Found(Reading {
            pin,
            types: PhantomData,
        })
    }

    /// Publishes `tag` instead. What comes back is to be dropped once the lock is released.
    pub(crate) fn take(&self, tag: Tag) -> Option<Retired<M>> {
        self.published.take(tag).map(Retired)
    }
}

impl<M: Mode, T> Drop for Publication<M, T> {
    fn drop(&mut self) {
        drop(self.take(Tag::Stale));
    }
}

/// A snapshot while it is read.
pub(crate) struct Reading<M: Mode, T, P: Pin<M>> {
    pin: P,
    types: PhantomData<fn(M, &T)>,
}

impl<M: Mode, T: 'static, P: Pin<M>> Reading<M, T, P> {
    #[inline(always)]
    fn snapshot(&self) -> &Snapshot<M, T> {
        // SAFETY: a reading is made by a publication of its types, which publishes snapshots of
        // its types only; the header is their first field, and the pin keeps them.
        unsafe { self.pin.header().cast::<Snapshot<M, T>>().as_ref() }
    }

    /// What an emission of it is inside of.
    pub(crate) fn frame(&self) -> Frame {
        self.snapshot().header.frame
    }
}

impl<M: Mode, T: 'static, P: Pin<M>> std::ops::Deref for Reading<M, T, P> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        &self.snapshot().value
    }
}

impl<M: Mode, X: 'static, T: Borrow<[X]> + 'static, P: Pin<M>> Borrow<[X]> for Reading<M, T, P> {
    #[inline(always)]
    fn borrow(&self) -> &[X] {
        (**self).borrow()
    }
}

/// A snapshot that is published no more. Dropping it may run the `Drop` of captures.
#[must_use = "drop it after the lock"]
pub(crate) struct Retired<M: Mode>(NonNull<Header<M>>);

// No `Send` needed: it never leaves the function that took it out.

impl<M: Mode> Drop for Retired<M> {
    fn drop(&mut self) {
        // SAFETY: `take` handed over the publication's count.
        unsafe { release(self.0) };
    }
}
