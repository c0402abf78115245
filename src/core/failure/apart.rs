//! Drops of several parts together, each of which may panic.
//!
//! A destructor that panics while another panic unwinds ends the process. So what is dropped together with other
//! code of users is dropped by [`drop_apart`].

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::panicking;

use crate::core::failure::log::write_log;
use crate::core::failure::panics::{Payload, catch, drop_payload, message};

thread_local! {
    /// Whether [`catch_apart`] runs on this thread.
    static COLLECTS: Cell<bool> = const { Cell::new(false) };
    /// The panics of parts that were dropped while another panic was unwinding.
    static COLLECTED: RefCell<Vec<Payload>> = const { RefCell::new(Vec::new()) };
}

/// Drops a part of what is dropped together. If another part has panicked, a panic of this one would end the
/// process: it is collected, or logged where nobody collects it. `drop` is called once; not generic, because it
/// is code of every handler.
pub(crate) fn drop_apart(drop: &mut dyn FnMut()) {
    if !panicking() {
        return drop();
    }
    let Err(payload) = catch_unwind(AssertUnwindSafe(drop)) else {
        return;
    };
    let mut payload = Some(payload);
    if COLLECTS.get() {
        let _ = COLLECTED.try_with(|all| all.borrow_mut().extend(payload.take()));
    }
    if let Some(payload) = payload {
        write_log(&format!("a drop panicked: {}", message(&payload)), None);
        drop_payload(payload);
    }
}

/// Drops what consists of several parts. Returns the panics of all of them. `drop` is called once.
#[inline]
pub(crate) fn catch_apart(drop: &mut dyn FnMut()) -> Vec<Payload> {
    // Only a thread that is unwinding may have collected something before.
    let outer = if panicking() {
        exchange(Vec::new())
    } else {
        Vec::new()
    };
    let collects = COLLECTS.replace(true);
    let first = catch(drop).err();
    COLLECTS.set(collects);
    if first.is_none() && !panicking() {
        return outer;
    }
    first.into_iter().chain(exchange(outer)).collect()
}

#[cold]
fn exchange(collected: Vec<Payload>) -> Vec<Payload> {
    let exchanged = COLLECTED.try_with(|all| all.replace(collected));
    exchanged.unwrap_or_default()
}
