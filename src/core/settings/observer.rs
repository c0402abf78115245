//! Closures that only observe: hooks and wakes.

use std::borrow::Cow;

use crate::core::failure::panics::catch;
use crate::core::failure::pending;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::reclaim::counted::{Allocation, Counted, Live, Outlives, WeakRef};
use crate::failure::{CallSite, HandlerError};

/// A weak reference to an observer, which [`release`](WeakRef::release) removes.
pub(crate) type ObserverRef<M, T> = WeakRef<M, dyn Observer<M, T>>;

/// The header of an observer.
pub(crate) struct Setter {
    /// The line of code that set it.
    pub(crate) location: CallSite,
}

/// The allocation of an observer. `F` is the closure.
type ObserverFn<M, F> = Counted<M, Setter, (), F>;

/// A hook or a wake that is called with a `T`.
pub(crate) trait Observer<M: Primitives, T>: Allocation<M, Header = Setter> {
    fn observe(&self, value: &T);
}

impl Outlives for Setter {
    fn release(&self, drop_captures: &mut dyn FnMut()) {
        let inside = std::ptr::from_ref(self).addr();
        let scope_guard = thread::enter_scope(ActiveScope {
            inside,
            sequence_limit: 0,
        });
        let dropped = catch(drop_captures);
        drop(scope_guard);
        if let Err(payload) = dropped {
            let topic = || Cow::Borrowed("(hook)");
            let describe = |cause| HandlerError::new(topic(), None, self.location, cause);
            pending::panicked(payload, describe, |_| false);
        }
    }
}

impl<M: Primitives, T, F: Fn(&T) + 'static> Observer<M, T> for Live<ObserverFn<M, F>> {
    fn observe(&self, value: &T) {
        (self.captures())(value);
    }
}

/// Creates an observer that calls `f`.
pub(crate) fn observer<M: Primitives, T: 'static, F: Fn(&T) + 'static>(
    f: F,
    location: CallSite,
) -> ObserverRef<M, T> {
    let setter = Setter { location };
    WeakRef::<M, ObserverFn<M, F>>::new_live(setter, (), f, |live| live as &dyn Observer<M, T>)
}
