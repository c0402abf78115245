//! A pointer with two counts: *holds* keep what was captured, *anchors* keep the memory.
//!
//! As `Arc` and `Weak`, but that an anchor can still look at what stands beside the captures, and that
//! it is a plain pointer to the value: a call through `Arc<dyn Trait>` computes the value's offset
//! every time.

use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::core::primitives::flavour::{Primitives, Shared};
use crate::core::primitives::sync::Word;

/// The counts of one allocation.
pub struct Counts<M: Primitives> {
    holds: M::Word,
    /// Anchors, and one more for all holds together.
    anchors: M::Word,
}

impl<M: Primitives> Counts<M> {
    /// One anchor, and one hold.
    pub(crate) fn new() -> Self {
        Counts {
            holds: M::Word::new(1),
            anchors: M::Word::new(2),
        }
    }

    /// Whether there is a hold.
    pub(crate) fn is_held(&self) -> bool {
        self.holds.get() > 0
    }
}

/// What can be counted so.
pub trait Counted<M: Primitives> {
    fn counts(&self) -> &Counts<M>;
    /// Whether this is the first time that the hold is given up which it was made with.
    fn mark_released(&self) -> bool;
    /// Drops the captures.
    ///
    /// # Safety
    ///
    /// Once, when the last hold has gone.
    unsafe fn finish(&self);
}

/// Keeps the memory.
pub(crate) struct Anchor<M: Primitives, T: ?Sized + Counted<M>>(NonNull<T>, PhantomData<M>);

// SAFETY: what is counted in the shared flavour is made by functions that ask the captures to be
// `Send`, and `Sync` where they are called by reference (`SyncBound`, `SendBound`); the rest of it is
// atomics and `Arc`s.
unsafe impl<T: ?Sized + Counted<Shared>> Send for Anchor<Shared, T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Counted<Shared>> Sync for Anchor<Shared, T> {}

impl<M: Primitives, T: Counted<M>> Anchor<M, T> {
    /// One anchor of something whose counts are [`new`](Counts::new), and one hold that the caller has
    /// to give up in time, by [`release`](Anchor::release).
    pub(crate) fn made(value: T) -> Self {
        Anchor(NonNull::from(Box::leak(Box::new(value))), PhantomData)
    }

    /// The same, anchored once more, as a trait object.
    pub(crate) fn cast<U: ?Sized + Counted<M>>(
        &self,
        erase: fn(NonNull<T>) -> NonNull<U>,
    ) -> Anchor<M, U> {
        retain(&self.counts().anchors);
        Anchor(erase(self.0), PhantomData)
    }

    /// The same anchor, as a trait object.
    pub(crate) fn erase<U: ?Sized + Counted<M>>(
        self,
        erase: fn(NonNull<T>) -> NonNull<U>,
    ) -> Anchor<M, U> {
        let entry = std::mem::ManuallyDrop::new(self);
        Anchor(erase(entry.0), PhantomData)
    }
}

impl<M: Primitives, T: ?Sized + Counted<M>> Anchor<M, T> {
    #[inline(always)]
    fn get(&self) -> &T {
        // SAFETY: the anchor keeps the memory. What is dropped before that, the captures, is
        // reached through a hold only.
        unsafe { self.0.as_ref() }
    }

    /// Takes a hold, unless the captures are gone.
    pub(crate) fn hold(&self) -> Option<Hold<M, T>> {
        let holds = &self.counts().holds;
        holds.update(|n| if n == 0 { None } else { Some(n + 1) })?;
        Some(Hold(self.0, PhantomData))
    }

    /// Gives up the hold that it was made with; the first call counts. Runs the `Drop` of captures if
    /// no other hold is left, so no lock may be held.
    pub(crate) fn release(&self) {
        if self.mark_released() {
            drop(Hold(self.0, PhantomData));
        }
    }
}

impl<M: Primitives, T: ?Sized + Counted<M>> std::ops::Deref for Anchor<M, T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        self.get()
    }
}

impl<M: Primitives, T: ?Sized + Counted<M>> Clone for Anchor<M, T> {
    fn clone(&self) -> Self {
        retain(&self.counts().anchors);
        Anchor(self.0, PhantomData)
    }
}

impl<M: Primitives, T: ?Sized + Counted<M>> Drop for Anchor<M, T> {
    fn drop(&mut self) {
        if self.counts().anchors.sub(1) == 1 {
            // SAFETY: the last anchor, and holds share one, so the captures are gone too.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

/// Keeps the captures.
pub struct Hold<M: Primitives, T: ?Sized + Counted<M>>(NonNull<T>, PhantomData<M>);

// SAFETY: as for `Anchor`.
unsafe impl<T: ?Sized + Counted<Shared>> Send for Hold<Shared, T> {}
// SAFETY: as for `Anchor`.
unsafe impl<T: ?Sized + Counted<Shared>> Sync for Hold<Shared, T> {}

impl<M: Primitives, T: ?Sized + Counted<M>> Hold<M, T> {
    #[inline(always)]
    pub(crate) fn entry(&self) -> &T {
        // SAFETY: holds keep an anchor together.
        unsafe { self.0.as_ref() }
    }
}

impl<M: Primitives, T: ?Sized + Counted<M>> Clone for Hold<M, T> {
    fn clone(&self) -> Self {
        retain(&self.entry().counts().holds);
        Hold(self.0, PhantomData)
    }
}

impl<M: Primitives, T: ?Sized + Counted<M>> Drop for Hold<M, T> {
    fn drop(&mut self) {
        if self.entry().counts().holds.sub(1) == 1 {
            finish(Anchor(self.0, PhantomData));
        }
    }
}

/// Drops the captures after the last hold. Takes over the anchor that the holds shared.
#[cold]
fn finish<M: Primitives, T: ?Sized + Counted<M>>(entry: Anchor<M, T>) {
    // SAFETY: the count of holds has come to zero, which it leaves never again.
    unsafe { entry.finish() };
}

/// Counts one more. Ends the process, as `Arc` does, before a count that was leaked again and again
/// comes round to zero.
fn retain(count: &impl Word) {
    if count.add(1) > usize::MAX / 2 {
        std::process::abort();
    }
}
