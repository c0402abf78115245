//! The place of a hook of a bus.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::core::failure::log::write_log;
use crate::core::failure::panics::{drop_payload, is_reported, message};
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Lock;
use crate::core::primitives::thread;
use crate::core::settings::observer::ObserverRef;

/// A hook that is called with a `T`, or none.
pub(super) struct Hook<M: Primitives, T: 'static>(M::Lock<Option<ObserverRef<M, T>>>);

impl<M: Primitives, T: 'static> Hook<M, T> {
    pub(super) fn new() -> Self {
        Hook(M::Lock::new(None))
    }

    /// Puts another hook there, or none, and releases the previous one. Returns whether there was one.
    pub(super) fn set(&self, hook: Option<ObserverRef<M, T>>) -> bool {
        let old = self.0.with(|slot| std::mem::replace(slot, hook));
        // Outside of the lock: dropping it runs user code.
        old.inspect(ObserverRef::<M, _>::release).is_some()
    }

    /// Calls the hook. Inside of a hook, logs the value instead. Returns whether there is a hook.
    pub(super) fn call(&self, value: &T, name: &str, log: impl Fn(&T)) -> bool {
        let hook = loop {
            let Some(hook) = self.0.with(|hook| hook.clone()) else {
                return false;
            };
            // It may have been replaced since it was looked up: the next one is there by then.
            if let Some(hook) = hook.upgrade() {
                break hook;
            }
        };
        let Some(in_hook) = thread::begin_hook() else {
            log(value);
            return true;
        };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| hook.observe(value))) {
            if !is_reported(&payload) {
                write_log(&format!("{name} panicked: {}", message(&payload)), None);
            }
            drop_payload(payload);
        }
        // Before the flag is reset: the captures of a hook that replaced itself are dropped here.
        drop(hook);
        drop(in_hook);
        true
    }
}

impl<M: Primitives, T: 'static> Drop for Hook<M, T> {
    fn drop(&mut self) {
        self.set(None);
    }
}
