//! Drops of several parts together, each of which may panic.
//!
//! A destructor that panics while another panic unwinds ends the process. So what is dropped together with other
//! code of users is dropped by [`drop_apart`].

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::core::failure::log::write_log;
use crate::core::failure::panics::{Payload, catch, drop_payload, message};

thread_local! {
    /// The panics of parts that were dropped while another panic was unwinding. `None`: nobody collects them.
    static COLLECTED: RefCell<Option<Vec<Payload>>> = const { RefCell::new(None) };
}

/// Drops a part of what is dropped together. If another part has panicked, a panic of this one would end the
/// process: it is collected, or logged where nobody collects it.
pub(crate) fn drop_apart(drop: impl FnOnce()) {
    if !std::thread::panicking() {
        return drop();
    }
    let Err(payload) = catch_unwind(AssertUnwindSafe(drop)) else {
        return;
    };
    let mut payload = Some(payload);
    let _ = COLLECTED.try_with(|collected| {
        if let Some(collected) = &mut *collected.borrow_mut() {
            collected.extend(payload.take());
        }
    });
    if let Some(payload) = payload {
        write_log(&format!("a drop panicked: {}", message(&payload)), None);
        drop_payload(payload);
    }
}

/// Drops what consists of several parts. Returns the panics of all of them.
pub(crate) fn catch_apart(drop: impl FnOnce()) -> Vec<Payload> {
    let outer = COLLECTED.try_with(|collected| collected.replace(Some(Vec::new())));
    let first = catch(drop).err();
    let others = match outer {
        Ok(outer) => COLLECTED.try_with(|collected| collected.replace(outer)),
        Err(ended) => Err(ended),
    };
    let others = others.ok().flatten().unwrap_or_default();
    first.into_iter().chain(others).collect()
}
