//! Catches panics of user code, and resumes the one that goes on to the caller.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::core::primitives::thread;
use crate::failure::HandlerError;

pub(crate) type Payload = Box<dyn Any + Send>;

/// The panic that an emission of this thread resumed last, so that the one around it knows it again.
///
/// The address alone would not do: whoever catches a panic frees its payload, and the next may come
/// to stand there. Only a handler that catches one and then panics itself, in the same words and at
/// the same address, is taken for the first.
#[derive(PartialEq, Eq)]
pub(super) struct Resumed {
    /// How many levels were open when it left its emission.
    pub(super) depth: usize,
    address: usize,
    pub(super) text: String,
}

thread_local! {
    static RESUMED: RefCell<Option<Resumed>> = const { RefCell::new(None) };
}

impl Resumed {
    pub(super) fn now(payload: &Payload) -> Self {
        Resumed {
            depth: thread::depth(),
            address: std::ptr::from_ref::<dyn Any + Send>(&**payload).addr(),
            text: message(payload),
        }
    }

    /// Whether this is the panic that was resumed last. Nobody is asked of that one again.
    pub(super) fn is_known(&self) -> bool {
        let known = RESUMED.try_with(|last| {
            let mut last = last.borrow_mut();
            let known = last.as_ref() == Some(self);
            // Another one, out of what unwinding drops, leaves the first on its way.
            if known || !std::thread::panicking() {
                *last = None;
            }
            known
        });
        known.unwrap_or(false)
    }
}

/// Resumes a panic, and remembers it.
pub(crate) fn resume(payload: Payload) -> ! {
    let resumed = Resumed::now(&payload);
    let _ = RESUMED.try_with(|last| *last.borrow_mut() = Some(resumed));
    resume_unwind(payload)
}

pub(crate) fn message(payload: &Payload) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "(a payload that is not a string)".to_owned()
    }
}

/// Drops a panic's payload, whose own `Drop` may panic.
pub(crate) fn drop_payload(payload: Payload) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
}

/// Runs user code that is called by no handler; its panic.
pub(crate) fn catch(f: impl FnOnce()) -> Result<(), Payload> {
    if !std::thread::panicking() {
        // What was resumed before has been caught by somebody else.
        let _ = RESUMED.try_with(RefCell::take);
    }
    catch_unwind(AssertUnwindSafe(f))
}

/// Runs user code whose panic is an answer: its message.
#[cfg(feature = "jobs")]
pub(crate) fn catch_and_report<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    let mut returned = None;
    let done = catch(|| returned = Some(f()));
    match (done, returned) {
        (Ok(()), Some(returned)) => Ok(returned),
        (Err(payload), _) => {
            let text = message(&payload);
            drop_payload(payload);
            Err(text)
        }
        (Ok(()), None) => Err(String::new()),
    }
}

/// Runs user code whose panics concern nobody; what it returned.
#[cfg(feature = "tracing")]
pub(crate) fn catch_silently<R>(f: impl FnOnce() -> R) -> Option<R> {
    let done = catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        // It ends here, so nobody else can be taken for it.
        let _ = RESUMED.try_with(RefCell::take);
        drop_payload(payload);
    });
    done.ok()
}

/// The message of a failure. Its `Display` is user code, and whoever writes it may have a lock. It
/// may panic, too.
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
