//! Failures that were raised on this thread and that no emission or drain has collected yet.

#[cfg(feature = "jobs")]
use std::borrow::Cow;
use std::cell::RefCell;

use crate::core::failure::log::log;
#[cfg(feature = "jobs")]
use crate::core::failure::panics::caught;
use crate::core::failure::panics::{Payload, Resumed, dispose};
use crate::core::failure::trace;
use crate::core::primitives::thread;
#[cfg(feature = "jobs")]
use crate::failure::Place;
use crate::failure::{Cause, HandlerError};

pub(super) struct Fault {
    /// How deep the thread was when it was raised.
    depth: usize,
    /// `None`: an inner emission has told of this panic already; only the payload goes on.
    pub(super) error: Option<HandlerError>,
    pub(super) payload: Option<Payload>,
}

thread_local! {
    /// Raised and not collected. Never borrowed while user code runs.
    static FAULTS: RefCell<Vec<Fault>> = const { RefCell::new(Vec::new()) };
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
            return dispose(payload);
        }
        push(Fault {
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
        payload.into_iter().for_each(dispose);
        return;
    }
    if depth > 0 || thread::is_draining() {
        push(Fault {
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
        dispose(payload);
    }
}

/// Runs user code that no emission and no bus answers for: a panic of it is logged, unless an
/// emission inside of it has told of that already.
#[cfg(feature = "jobs")]
pub(crate) fn logged(topic: &'static str, place: Place, f: impl FnOnce()) {
    let Err(payload) = caught(f) else { return };
    let resumed = Resumed::now(&payload);
    if !resumed.is_known() {
        let error = HandlerError {
            topic: Cow::Borrowed(topic),
            label: None,
            place,
            cause: Cause::Panicked(resumed.text),
        };
        trace::failed(&error);
        log(&error);
    }
    dispose(payload);
}

fn push(fault: Fault) {
    let mut fault = Some(fault);
    let pushed = FAULTS.try_with(|faults| faults.borrow_mut().extend(fault.take()));
    if pushed.is_ok() {
        thread::set_failures(thread::failures() + 1);
    }
    // The thread is ending, and the list has gone before us.
    if let Some(Fault {
        error: Some(error), ..
    }) = fault
    {
        log(&error);
    }
}

/// Takes the faults raised at `depth` or deeper, after the first `mark`, off the list.
pub(super) fn take(depth: usize, mark: usize) -> Vec<Fault> {
    FAULTS
        .try_with(|faults| {
            let mut faults = faults.borrow_mut();
            let shallower = faults.iter().rposition(|fault| fault.depth < depth);
            let start = shallower.map_or(0, |last| last + 1).max(mark);
            let start = start.min(faults.len());
            let mine = faults.split_off(start);
            thread::set_failures(faults.len());
            mine
        })
        .unwrap_or_default()
}
