//! The failures that were raised on this thread and that no emission or drain has collected yet.

use std::cell::RefCell;

use crate::core::failure::log::log;
#[cfg(feature = "jobs")]
use crate::core::failure::panics::catch;
#[cfg(feature = "follow")]
use crate::core::failure::panics::catch_silently;
use crate::core::failure::panics::{Payload, drop_payload, is_reported, message};
use crate::core::failure::trace;
#[cfg(feature = "follow")]
use crate::core::follow;
use crate::core::primitives::thread;
use crate::failure::{Cause, HandlerError};

/// A failure that was raised and not collected.
pub(super) struct PendingFailure {
    /// The depth of the thread when it was raised.
    depth: usize,
    /// `None` if an inner emission has reported this panic already and only the payload is passed on. `None`
    /// of both is a note of [`note_orphan`].
    pub(super) error: Option<HandlerError>,
    pub(super) payload: Option<Payload>,
}

thread_local! {
    /// In the order they were raised. Never borrowed while user code runs.
    static PENDING: RefCell<Vec<PendingFailure>> = const { RefCell::new(Vec::new()) };
}

/// Raises a panic, as the failure that `describe` makes of its message. If an inner emission has
/// reported it already, only its payload is passed on. See [`raise`] for `call_hook`.
pub(crate) fn panicked(
    payload: Payload,
    describe: impl FnOnce(Cause) -> HandlerError,
    call_hook: impl FnOnce(&HandlerError) -> bool,
) {
    if !is_reported(&payload) {
        let cause = Cause::Panicked(message(&payload));
        return raise(describe(cause), Some(payload), call_hook);
    }
    let depth = thread::depth();
    if depth == 0 && !thread::is_draining() {
        // No emission or drain collects it.
        return drop_payload(payload);
    }
    push(PendingFailure {
        depth,
        error: None,
        payload: Some(payload),
    });
}

/// Raises a failure. If no emission or drain of this thread will collect it, `call_hook` passes it to the
/// error hook and returns whether there was one; otherwise the failure is logged.
pub(crate) fn raise(
    #[cfg_attr(not(feature = "follow"), expect(unused_mut))] mut error: HandlerError,
    payload: Option<Payload>,
    call_hook: impl FnOnce(&HandlerError) -> bool,
) {
    trace::failed(&error);
    #[cfg(feature = "follow")]
    note_cause(&mut error);
    let depth = thread::depth();
    // Hooks are not called for failures inside of hooks, and nothing collects these.
    let in_hook = thread::is_directly_in_hook();
    if !in_hook && (depth > 0 || thread::is_draining()) {
        return push(PendingFailure {
            depth,
            error: Some(error),
            payload,
        });
    }
    // No emission or drain to collect it: captures that panicked when they were dropped.
    if in_hook || !call_hook(&error) {
        log(&error);
    }
    payload.into_iter().for_each(drop_payload);
}

/// Notes what a failure happened in, and there that it did.
#[cfg(feature = "follow")]
fn note_cause(error: &mut HandlerError) {
    error.followed = follow::cause();
    follow::failed(error.location, || catch_silently(|| error.reason()));
}

/// Runs user code outside of any emission and bus. Its panic is reported, as the failure that
/// `describe` makes of its message, unless an emission inside of it has done that already.
#[cfg(feature = "jobs")]
#[inline]
pub(crate) fn contained(
    f: impl FnOnce(),
    describe: impl FnOnce(Cause) -> HandlerError,
    call_hook: impl FnOnce(&HandlerError) -> bool,
) {
    let Err(payload) = catch(f) else { return };
    if !is_reported(&payload) {
        report(describe(Cause::Panicked(message(&payload))), call_hook);
    }
    drop_payload(payload);
}

/// Reports a failure that no emission or drain collects: to the hook, or to the log if there is none.
#[cfg(any(feature = "jobs", feature = "follow", feature = "nats"))]
pub(crate) fn report(
    #[cfg_attr(not(feature = "follow"), expect(unused_mut))] mut error: HandlerError,
    call_hook: impl FnOnce(&HandlerError) -> bool,
) {
    trace::failed(&error);
    #[cfg(feature = "follow")]
    note_cause(&mut error);
    if !call_hook(&error) {
        log(&error);
    }
}

/// Notes that an emission has come to a handler with a dead target, so that its end is not taken for a plain one.
/// Returns how many of them there were at this depth.
#[cold]
#[inline(never)]
pub(crate) fn note_orphan() -> usize {
    push(PendingFailure {
        depth: thread::depth(),
        error: None,
        payload: None,
    });
    orphans()
}

/// How many handlers with a dead target an emission of this depth has come to.
pub(crate) fn orphans() -> usize {
    let depth = thread::depth();
    let is_note = |it: &&PendingFailure| it.error.is_none() && it.payload.is_none();
    let count = |all: &Vec<PendingFailure>| {
        let here = all.iter().rev().take_while(|it| it.depth >= depth);
        here.filter(is_note).count()
    };
    PENDING
        .try_with(|pending| count(&pending.borrow()))
        .unwrap_or(0)
}

fn push(failure: PendingFailure) {
    let mut failure = Some(failure);
    let pushed = PENDING.try_with(|pending| pending.borrow_mut().extend(failure.take()));
    if pushed.is_ok() {
        thread::set_failures(thread::failures() + 1);
    }
    // The thread is ending, and its list has been destroyed already.
    if let Some(PendingFailure {
        error: Some(error), ..
    }) = failure
    {
        log(&error);
    }
}

/// Removes and returns the failures raised at `depth` or deeper, after the first `mark` of the list.
pub(super) fn take(depth: usize, mark: usize) -> Vec<PendingFailure> {
    PENDING
        .try_with(|pending| {
            let mut pending = pending.borrow_mut();
            let shallower = pending.iter().rposition(|failure| failure.depth < depth);
            let start = shallower.map_or(0, |last| last + 1).max(mark);
            let start = start.min(pending.len());
            let taken = pending.split_off(start);
            thread::set_failures(pending.len());
            taken
        })
        .unwrap_or_default()
}
