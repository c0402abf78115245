//! Catches panics of user code, and resumes the one that goes on to the caller.
//!
//! # Decisions
//!
//! **A resumed panic is recognised** by the address of its payload, its text, and the depth that it was
//! resumed to. `std` has no better mark that leaves the payload as the handler made it. One case remains: a
//! handler that catches a panic of an inner emission and then panics itself, with the same text and with
//! its payload at the same address, is taken for the first panic, and reported once instead of twice.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::core::primitives::thread;
use crate::failure::HandlerError;

pub(crate) type Payload = Box<dyn Any + Send>;

/// What a panic is recognised by.
///
/// The address alone is not enough: code that catches a panic frees its payload, and the next payload
/// may be allocated at the same address.
#[derive(PartialEq, Eq)]
pub(super) struct PanicMark {
    /// The number of open levels when it left its emission.
    pub(super) depth: usize,
    address: usize,
    pub(super) text: String,
}

thread_local! {
    /// The panic that an emission of this thread resumed last, for the enclosing emission to recognise.
    static LAST_RESUMED: RefCell<Option<PanicMark>> = const { RefCell::new(None) };
}

impl PanicMark {
    /// The mark of a panic at the current depth.
    pub(super) fn new(payload: &Payload) -> Self {
        PanicMark {
            depth: thread::depth(),
            address: std::ptr::from_ref::<dyn Any + Send>(&**payload).addr(),
            text: message(payload),
        }
    }

    /// Returns whether this is the panic that was resumed last, and forgets that one.
    pub(super) fn is_known(&self) -> bool {
        let known = LAST_RESUMED.try_with(|last| {
            let mut last = last.borrow_mut();
            let known = last.as_ref() == Some(self);
            // A different panic, from a drop during unwinding: the stored one is still unwinding.
            if known || !std::thread::panicking() {
                *last = None;
            }
            known
        });
        known.unwrap_or(false)
    }
}

/// Resumes a panic, and stores its mark.
pub(crate) fn resume(payload: Payload) -> ! {
    let resumed = PanicMark::new(&payload);
    let _ = LAST_RESUMED.try_with(|last| *last.borrow_mut() = Some(resumed));
    resume_unwind(payload)
}

/// The text of a panic.
pub(crate) fn message(payload: &Payload) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "(a payload that is not a string)".to_owned()
    }
}

/// Drops a panic's payload, whose own `Drop` may panic: the payload of that panic is leaked.
pub(crate) fn drop_payload(payload: Payload) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
}

/// Runs user code that no handler calls. Returns its panic.
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
    if !std::thread::panicking() {
        // The panic that was resumed before has been caught by user code.
        let _ = LAST_RESUMED.try_with(RefCell::take);
    }
    catch_unwind(AssertUnwindSafe(f))
}

/// Runs user code whose panic is part of the result. Returns its message.
#[cfg(feature = "jobs")]
pub(crate) fn catch_and_report<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    catch(f).map_err(|payload| {
        let text = message(&payload);
        drop_payload(payload);
        text
    })
}

/// Runs user code and ignores its panic. Returns its value, `None` if it panicked.
#[cfg(feature = "tracing")]
pub(crate) fn catch_silently<R>(f: impl FnOnce() -> R) -> Option<R> {
    let done = catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        // This panic ends here, so that no later one is taken for it.
        let _ = LAST_RESUMED.try_with(RefCell::take);
        drop_payload(payload);
    });
    done.ok()
}

/// Formats a failure. The `Display` of its error is user code that may panic, so it runs here, before
/// a writer takes a lock.
pub(crate) fn describe(error: &HandlerError) -> String {
    let mut line = String::new();
    let written = catch_unwind(AssertUnwindSafe(|| write!(line, "{error}")));
    if !matches!(written, Ok(Ok(()))) {
        line.push_str("(its message could not be formatted)");
    }
    if let Err(payload) = written {
        drop_payload(payload);
    }
    line
}
