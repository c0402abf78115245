//! What the scenarios write down, and how they provoke.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::{Arc, Mutex};

/// A list of what happened, shared by handlers.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, what: impl ToString) {
        self.0.lock().unwrap().push(what.to_string());
    }

    /// What happened since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Writes its name down when it is dropped.
pub(crate) struct Dropped(pub(crate) Log, pub(crate) &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add(format!("drop {}", self.1));
    }
}

/// Runs when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Panics without the hook's message: tests provoke many.
pub(crate) fn boom(message: &'static str) -> ! {
    std::panic::resume_unwind(Box::new(message))
}

/// The message of the panic that `f` ends with.
pub(crate) fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => "(none)".to_owned(),
        Err(payload) => match payload.downcast::<&'static str>() {
            Ok(message) => (*message).to_owned(),
            Err(payload) => match payload.downcast::<String>() {
                Ok(message) => *message,
                Err(payload) => panic_any(payload),
            },
        },
    }
}
