//! Closures that only observe: hooks, and wakes.

use std::borrow::Cow;
use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;

use crate::core::failure::panics::catch;
use crate::core::failure::pending;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Word;
use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::reclaim::counted::{Anchor, Counted, Counts, Hold};
use crate::failure::{CallSite, HandlerError};

pub(crate) type ObserverRef<M, T> = Anchor<M, dyn Observer<M, T>>;

/// A closure that only observes: a hook, or a wake.
struct ObserverFn<M: Primitives, F> {
    counts: Counts<M>,
    given_up: M::Word,
    location: CallSite,
    closure: UnsafeCell<ManuallyDrop<F>>,
}

pub(crate) trait Observer<M: Primitives, T>: Counted<M> {
    /// # Safety
    ///
    /// The caller has a hold.
    unsafe fn observe(&self, topic_info: &T);
    /// The line that set it.
    fn location(&self) -> CallSite;
    /// Where it stands, to tell hooks apart.
    fn address(&self) -> usize {
        std::ptr::from_ref(self.counts()).addr()
    }
}

impl<M: Primitives, T> Hold<M, dyn Observer<M, T>> {
    pub(crate) fn observe(&self, topic_info: &T) {
        // SAFETY: this is a hold.
        unsafe { self.entry().observe(topic_info) };
    }
}

impl<M: Primitives, F> Counted<M> for ObserverFn<M, F> {
    fn counts(&self) -> &Counts<M> {
        &self.counts
    }
    fn mark_released(&self) -> bool {
        self.given_up.swap(1) == 0
    }
    unsafe fn finish(&self) {
        let inside = std::ptr::from_ref(&self.counts).addr();
        let scope_guard = thread::enter_scope(ActiveScope {
            inside,
            sequence_limit: 0,
        });
        // SAFETY: the caller says that nobody has a hold, so nobody borrows it.
        let dropped = catch(|| unsafe { ManuallyDrop::drop(&mut *self.closure.get()) });
        drop(scope_guard);
        if let Err(payload) = dropped {
            let describe = |cause| HandlerError {
                topic: Cow::Borrowed("(hook)"),
                label: None,
                location: self.location,
                cause,
            };
            pending::panicked(payload, describe, |_| false);
        }
    }
}

impl<M: Primitives, T, F: Fn(&T) + 'static> Observer<M, T> for ObserverFn<M, F> {
    unsafe fn observe(&self, topic_info: &T) {
        // SAFETY: the caller has a hold.
        (unsafe { &*self.closure.get() })(topic_info);
    }
    fn location(&self) -> CallSite {
        self.location
    }
}

/// A hook that calls `f`.
pub(crate) fn observer<M: Primitives, T: 'static, F: Fn(&T) + 'static>(
    f: F,
    location: CallSite,
) -> ObserverRef<M, T> {
    let observer = ObserverFn::<M, F> {
        counts: Counts::new(),
        given_up: M::Word::new(0),
        location,
        closure: UnsafeCell::new(ManuallyDrop::new(f)),
    };
    Anchor::made(observer).erase(|it| it as std::ptr::NonNull<dyn Observer<M, T>>)
}
