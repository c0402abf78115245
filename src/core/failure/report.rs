//! The failures that an emission or a drain has collected, until they are looked at.

#[cfg(feature = "follow")]
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use crate::core::failure::log::log;
use crate::core::failure::panics::{self, Payload, drop_payload};
use crate::core::failure::pending::{PendingFailure, take};
use crate::failure::HandlerError;
use crate::policy::Panics;

/// The failures of one emission or drain. When dropped unseen, it is logged.
pub(crate) struct Report {
    pub(crate) errors: Vec<HandlerError>,
    panic: Option<FirstPanic>,
    /// The emission, if it was followed. Then a report may be empty.
    #[cfg(feature = "follow")]
    pub(crate) cause: Option<crate::cause::Cause>,
    /// Set once a hook was called or the errors were looked at: then nothing is logged.
    pub(crate) seen: Seen,
}

/// The first panic, to be resumed.
struct FirstPanic {
    /// In a mutex that is never locked: it makes the report `Sync`.
    payload: Mutex<Payload>,
    /// Its index among the errors. `None` if an inner emission has reported it.
    error: Option<usize>,
}

/// A flag that can be set through a shared reference of a `Sync` type.
#[derive(Debug, Default)]
pub(crate) struct Seen(std::sync::atomic::AtomicBool);

impl Seen {
    pub(crate) fn set(&self) {
        // Relaxed: the flag publishes no other data.
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
    fn get(&self) -> bool {
        // Relaxed; see `set`.
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Report {
    pub(crate) fn new(errors: Vec<HandlerError>) -> Box<Self> {
        Box::new(Report {
            errors,
            panic: None,
            #[cfg(feature = "follow")]
            cause: None,
            seen: Seen::default(),
        })
    }

    /// Whether nothing has failed.
    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_empty() && self.panic.is_none()
    }

    /// Adds one failure.
    pub(super) fn add(&mut self, error: Option<HandlerError>, payload: Option<Payload>) {
        let index = error.is_some().then_some(self.errors.len());
        self.errors.extend(error);
        self.keep_first(payload.map(|payload| FirstPanic {
            payload: Mutex::new(payload),
            error: index,
        }));
    }

    fn keep_first(&mut self, panic: Option<FirstPanic>) {
        if self.panic.is_none() {
            self.panic = panic;
        } else {
            discard(panic);
        }
    }

    /// Passes all errors to the hook, by `call_hook`, which returns whether there is a hook.
    pub(crate) fn report_to_hook(&mut self, call_hook: &dyn Fn(&HandlerError) -> bool) {
        // All of them: each was raised here and has been reported nowhere else.
        let has_hook = self.errors.iter().fold(false, |_, error| call_hook(error));
        if has_hook {
            self.seen.set();
        }
    }

    /// Appends the failures of a later report.
    pub(crate) fn append(&mut self, later: &mut Report) {
        if self.seen.get() != later.seen.get() {
            // Different signals, one of them with a hook: the errors that were not passed to a hook are
            // logged, as the merged report counts as seen.
            let unseen = if self.seen.get() {
                &later.errors
            } else {
                &self.errors
            };
            unseen.iter().for_each(log);
            self.seen.set();
        }
        let shift = self.errors.len();
        self.errors.append(&mut later.errors);
        self.keep_first(later.panic.take().map(|first| FirstPanic {
            error: first.error.map(|error| error + shift),
            ..first
        }));
    }

    /// Drops the panic if the signal contains panics.
    pub(crate) fn contain(&mut self, panics: Panics) {
        if panics == Panics::Contain {
            discard(self.panic.take());
        }
    }

    /// Resumes the first panic, if there was one, unless panics are contained or the thread is unwinding.
    pub(crate) fn resume(mut self: Box<Self>, panics: Panics) -> Box<Self> {
        let Some(FirstPanic { payload, error }) = self.panic.take() else {
            return self;
        };
        let payload = unwrapped(payload);
        if panics == Panics::Contain || std::thread::panicking() {
            drop_payload(payload);
            return self;
        }
        // The panic hook of `std` has printed this one. The others would be lost: the drop below logs them,
        // unless they were passed to a hook.
        if let Some(error) = error {
            self.errors.remove(error);
        }
        drop(self);
        panics::resume(payload)
    }
}

/// Collects the failures raised at `depth` or deeper, after the first `mark` pending ones, and passes
/// them to the hook.
pub(crate) fn collect(
    depth: usize,
    mark: usize,
    call_hook: &dyn Fn(&HandlerError) -> bool,
) -> Option<Box<Report>> {
    let mut report = Report::new(Vec::new());
    // Until nothing is left: dropping a payload may raise more.
    loop {
        let taken = take(depth, mark);
        if taken.is_empty() {
            break;
        }
        for PendingFailure { error, payload, .. } in taken {
            report.add(error, payload);
        }
    }
    if report.errors.is_empty() && report.panic.is_none() {
        return None;
    }
    report.report_to_hook(call_hook);
    Some(report)
}

#[cfg(feature = "follow")]
thread_local! {
    /// An empty report, for the next emission that is followed: each has one, and mostly nothing fails.
    static SPARE: Cell<Option<Box<Report>>> = const { Cell::new(None) };
}

/// Puts the number of a followed emission into its report.
#[cfg(feature = "follow")]
pub(crate) fn set_cause(report: &mut Option<Box<Report>>, cause: Option<crate::cause::Cause>) {
    let spare = || SPARE.try_with(Cell::take).unwrap_or(None);
    let report = report.get_or_insert_with(|| spare().unwrap_or_else(|| Report::new(Vec::new())));
    report.cause = cause;
}

/// Drops a report, or keeps it for the next emission, if nothing has failed.
#[cfg(feature = "follow")]
pub(crate) fn recycle(mut report: Box<Report>) {
    if report.is_empty() {
        report.seen = Seen::default();
        _ = SPARE.try_with(|it| it.set(Some(report)));
    }
}

/// Appends a later report, if there is one.
pub(crate) fn join(report: &mut Option<Box<Report>>, later: Option<Box<Report>>) {
    match (report, later) {
        (Some(report), Some(mut later)) => report.append(&mut later),
        (report @ None, later) => *report = later,
        (Some(_), None) => {}
    }
}

fn unwrapped(payload: Mutex<Payload>) -> Payload {
    payload.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn discard(panic: Option<FirstPanic>) {
    if let Some(panic) = panic {
        drop_payload(unwrapped(panic.payload));
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        for error in self.errors.drain(..) {
            if !self.seen.get() {
                log(&error);
            }
            // Each by itself: what a handler returned may panic when it is dropped.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(error))).map_err(drop_payload);
        }
        discard(self.panic.take());
    }
}
