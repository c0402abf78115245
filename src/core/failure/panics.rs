//! Catches panics of user code, and resumes the one that goes on to the caller.
//!
//! # Decisions
//!
//! **A panic that was reported carries the mark of it**, so that no emission that it passes later reports it
//! again, whoever caught it meanwhile and whatever ran in between. `panic!` makes a payload of one of two
//! types, and both leave room for a mark that users do not see: a `&'static str` is exchanged for one copy of
//! the same text, which is kept for ever in [`REPORTED`] (one for each text of the program), and a `String`
//! gets a capacity that no `String` grows to. A new panic has neither, whatever its text and its address are.
//! The alternative was a payload type of our own around the original, which whoever catches the panic of an
//! inner emission would then see in its place.
//!
//! **Payloads of other types** (`panic_any`) have no room for a mark. They are recognised by their type, their
//! address and the depth that they were resumed to, until user code runs that shows that they were caught. Two
//! cases remain: a handler that catches such a panic and then raises a new one of the same type, at the same
//! address, with nothing of this crate in between, is taken for the first panic; and one that is resumed after
//! something else has happened on the thread is reported again.

use std::any::{Any, TypeId};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use crate::core::primitives::thread;
use crate::failure::HandlerError;

pub(crate) type Payload = Box<dyn Any + Send>;

/// The texts of reported panics whose payload was a `&'static str`. Each is a copy that nothing else refers to.
static REPORTED: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// What a reported panic is recognised by if its payload is no text.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Resumed {
    /// The number of open levels when it left its emission.
    depth: usize,
    address: usize,
    kind: TypeId,
}

thread_local! {
    /// The panic without a text that an emission of this thread has resumed last.
    static LAST_RESUMED: Cell<Option<Resumed>> = const { Cell::new(None) };
}

fn resumed(payload: &Payload) -> Resumed {
    Resumed {
        depth: thread::depth(),
        address: std::ptr::from_ref::<dyn Any + Send>(&**payload).addr(),
        kind: (**payload).type_id(),
    }
}

/// The capacity of the text of a reported panic: more than a text of this length grows to by itself, and odd.
fn reported_capacity(len: usize) -> usize {
    2 * len + 509
}

/// The copy of a text that stands for reported panics.
fn reported_text(text: &'static str) -> &'static str {
    let mut all = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(copy) = all.get(text) {
        return copy;
    }
    // One byte more, so that an empty text has an address of its own, too.
    let copy: &'static str = Box::leak(format!("{text} ").into_boxed_str());
    let copy = &copy[..text.len()];
    all.insert(copy);
    copy
}

/// Returns whether this panic was reported, and resumed afterwards.
pub(crate) fn is_reported(payload: &Payload) -> bool {
    if let Some(&text) = payload.downcast_ref::<&'static str>() {
        let all = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
        return all
            .get(text)
            .is_some_and(|copy| std::ptr::eq(copy.as_ptr(), text.as_ptr()));
    }
    if let Some(text) = payload.downcast_ref::<String>() {
        return text.capacity() == reported_capacity(text.len());
    }
    let is_last = LAST_RESUMED.try_with(|last| {
        let is_last = last.get() == Some(resumed(payload));
        // A different panic, from a drop during unwinding: the stored one is still unwinding.
        if is_last || !std::thread::panicking() {
            last.set(None);
        }
        is_last
    });
    is_last.unwrap_or(false)
}

/// Resumes a panic that was reported, and marks it so.
pub(crate) fn resume(payload: Payload) -> ! {
    let payload = match payload.downcast::<&'static str>() {
        Ok(mut text) => {
            *text = reported_text(*text);
            text
        }
        Err(payload) => match payload.downcast::<String>() {
            Ok(mut text) => {
                let mut marked = String::with_capacity(reported_capacity(text.len()));
                marked.push_str(&text);
                *text = marked;
                text
            }
            Err(payload) => {
                let _ = LAST_RESUMED.try_with(|last| last.set(Some(resumed(&payload))));
                payload
            }
        },
    };
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
        let _ = LAST_RESUMED.try_with(Cell::take);
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
#[cfg(any(feature = "tracing", feature = "follow"))]
pub(crate) fn catch_silently<R>(f: impl FnOnce() -> R) -> Option<R> {
    let done = catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        // This panic ends here, so that no later one is taken for it.
        let _ = LAST_RESUMED.try_with(Cell::take);
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
