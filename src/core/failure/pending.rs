//! Failures that were raised on this thread and that no emission or drain has collected yet.

#[cfg(feature = "jobs")]
use std::borrow::Cow;
use std::cell::RefCell;

use crate::core::failure::log::log;
#[cfg(feature = "jobs")]
use crate::core::failure::panics::catch;
use crate::core::failure::panics::{Payload, Resumed, drop_payload};
use crate::core::failure::trace;
use crate::core::primitives::thread;
#[cfg(feature = "jobs")]
use crate::failure::CallSite;
use crate::failure::{Cause, HandlerError};

pub(super) struct PendingFailure {
    /// How deep the thread was when it was raised.
    depth: usize,
    /// `None`: an inner emission has told of this panic already; only the payload goes on.
    pub(super) error: Option<HandlerError>,
    pub(super) payload: Option<Payload>,
}

thread_local! {
    /// Raised and not collected. Never borrowed while user code runs.
    static PENDING: RefCell<Vec<PendingFailure>> = const { RefCell::new(Vec::new()) };
}

/// Raises a panic: as a failure that `describe` makes of its message, unless an emission inside has
/// told of it.
pub(crate) fn panicked(
    payload: Payload,
    describe: impl FnOnce(Cause) -> HandlerError,
    tell: impl FnOnce(&HandlerError) -> bool,
) {
    let caught = Resumed::now(&payload);
    if caught.is_known() {
        if caught.depth == 0 && !thread::is_draining() {
            // Nobody to collect it, and nobody left to tell.
            return drop_payload(payload);
        }
        push(PendingFailure {
            depth: caught.depth,
            error: None,
            payload: Some(payload),
        });
    } else {
        raise(describe(Cause::Panicked(caught.text)), Some(payload), tell);
    }
}

/// Raises a failure. `tell` tells the hook, where nobody on this thread is there to collect it.
pub(crate) fn raise(
    error: HandlerError,
    payload: Option<Payload>,
    tell: impl FnOnce(&HandlerError) -> bool,
) {
    trace::failed(&error);
    let depth = thread::depth();
    if thread::is_directly_in_hook() {
        // Hooks are not told of what happens in hooks, and there is nobody else.
        log(&error);
        payload.into_iter().for_each(drop_payload);
        return;
    }
    if depth > 0 || thread::is_draining() {
        push(PendingFailure {
            depth,
            error: Some(error),
            payload,
        });
        return;
    }
    // Nobody on this thread to collect it: captures that panicked when they were dropped.
    if !tell(&error) {
        log(&error);
    }
    if let Some(payload) = payload {
        drop_payload(payload);
    }
}

/// Runs user code that no emission and no bus answers for: a panic of it is logged, unless an
/// emission inside of it has told of that already.
#[cfg(feature = "jobs")]
pub(crate) fn logged(topic: &'static str, location: CallSite, f: impl FnOnce()) {
    let Err(payload) = catch(f) else { return };
    let resumed = Resumed::now(&payload);
    if !resumed.is_known() {
        let error = HandlerError {
            topic: Cow::Borrowed(topic),
            label: None,
            location,
            cause: Cause::Panicked(resumed.text),
        };
        trace::failed(&error);
        log(&error);
    }
    drop_payload(payload);
}

fn push(failure: PendingFailure) {
    let mut failure = Some(failure);
    let pushed = PENDING.try_with(|pending| pending.borrow_mut().extend(failure.take()));
    if pushed.is_ok() {
        thread::set_failures(thread::failures() + 1);
    }
    // The thread is ending, and the list has gone before us.
    if let Some(PendingFailure {
        error: Some(error), ..
    }) = failure
    {
        log(&error);
    }
}

/// Takes the faults raised at `depth` or deeper, after the first `mark`, off the list.
pub(super) fn take(depth: usize, mark: usize) -> Vec<PendingFailure> {
    PENDING
        .try_with(|pending| {
            let mut pending = pending.borrow_mut();
            let shallower = pending.iter().rposition(|failure| failure.depth < depth);
            let start = shallower.map_or(0, |last| last + 1).max(mark);
            let start = start.min(pending.len());
            let mine = pending.split_off(start);
            thread::set_failures(pending.len());
            mine
        })
        .unwrap_or_default()
}
