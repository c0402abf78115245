//! Closures that only observe: hooks, and wakes.

use std::borrow::Cow;
use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;

use crate::core::failure::panics::caught;
use crate::core::failure::pending;
use crate::core::primitives::flavour::Primitives as Mode;
use crate::core::primitives::sync::Word;
use crate::core::primitives::thread::{self, Frame};
use crate::core::reclaim::counted::{Anchor, Counted, Counts, Hold};
use crate::failure::{HandlerError, Place};

pub(crate) type Hook<M, T> = Anchor<M, dyn Observe<M, T>>;

/// A closure that only observes: a hook, or a wake.
struct Observer<M: Mode, F> {
    counts: Counts<M>,
    given_up: M::Word,
    place: Place,
    closure: UnsafeCell<ManuallyDrop<F>>,
}

pub(crate) trait Observe<M: Mode, T>: Counted<M> {
    /// # Safety
    ///
    /// The caller has a hold.
    unsafe fn observe(&self, subject: &T);
    /// The line that set it.
    fn place(&self) -> Place;
    /// Where it stands, to tell hooks apart.
    fn address(&self) -> usize {
        std::ptr::from_ref(self.counts()).addr()
    }
}

impl<M: Mode, T> Hold<M, dyn Observe<M, T>> {
    pub(crate) fn observe(&self, subject: &T) {
        // SAFETY: this is a hold.
        unsafe { self.entry().observe(subject) };
    }
}

impl<M: Mode, F> Counted<M> for Observer<M, F> {
    fn counts(&self) -> &Counts<M> {
        &self.counts
    }
    fn gives_up(&self) -> bool {
        self.given_up.swap(1) == 0
    }
    unsafe fn finish(&self) {
        let inside = std::ptr::from_ref(&self.counts).addr();
        let occupied = thread::occupy(Frame { inside, horizon: 0 });
        // SAFETY: the caller says that nobody has a hold, so nobody borrows it.
        let dropped = caught(|| unsafe { ManuallyDrop::drop(&mut *self.closure.get()) });
        drop(occupied);
        if let Err(payload) = dropped {
            let describe = |cause| HandlerError {
                topic: Cow::Borrowed("(hook)"),
                label: None,
                place: self.place,
                cause,
            };
            pending::panicked(payload, describe, |_| false);
        }
    }
}

impl<M: Mode, T, F: Fn(&T) + 'static> Observe<M, T> for Observer<M, F> {
    unsafe fn observe(&self, subject: &T) {
        // SAFETY: the caller has a hold.
        (unsafe { &*self.closure.get() })(subject);
    }
    fn place(&self) -> Place {
        self.place
    }
}

/// A hook that calls `f`.
pub(crate) fn hook<M: Mode, T: 'static, F: Fn(&T) + 'static>(f: F, place: Place) -> Hook<M, T> {
    let observer = Observer::<M, F> {
        counts: Counts::new(),
        given_up: M::Word::new(0),
        place,
        closure: UnsafeCell::new(ManuallyDrop::new(f)),
    };
    Anchor::made(observer).erase(|it| it as std::ptr::NonNull<dyn Observe<M, T>>)
}
