//! What an emission or a drain has collected of failures, until somebody has looked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use crate::core::failure::log::log;
use crate::core::failure::panics::{self, Payload, drop_payload};
use crate::core::failure::pending::{PendingFailure, take};
use crate::failure::HandlerError;
use crate::policy::Panics;

/// What went wrong in an emission or a drain. Never empty.
pub(crate) struct Report {
    pub(crate) errors: Vec<HandlerError>,
    panic: Option<FirstPanic>,
    /// A hook was told, or somebody looked, so that nothing is left for the log.
    pub(crate) seen: Seen,
}

/// The first panic, to be resumed.
struct FirstPanic {
    /// In a mutex that nobody locks, for the report to be `Sync`.
    payload: Mutex<Payload>,
    /// Its place among the errors; none if an inner emission has told of it.
    error: Option<usize>,
}

/// A flag that is set through a shared reference, in a type that stays `Sync`.
#[derive(Debug, Default)]
pub(crate) struct Seen(std::sync::atomic::AtomicBool);

impl Seen {
    pub(crate) fn set(&self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
    fn get(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Report {
    pub(crate) fn new(errors: Vec<HandlerError>) -> Box<Self> {
        Box::new(Report {
            errors,
            panic: None,
            seen: Seen::default(),
        })
    }

    /// Adds one failure.
    pub(super) fn add(&mut self, error: Option<HandlerError>, payload: Option<Payload>) {
        let at = error.is_some().then_some(self.errors.len());
        self.errors.extend(error);
        match (&self.panic, payload) {
            (None, Some(payload)) => {
                let payload = Mutex::new(payload);
                self.panic = Some(FirstPanic { payload, error: at });
            }
            (Some(_), Some(another)) => drop_payload(another),
            (_, None) => {}
        }
    }

    /// Tells the hook of all errors, by `tell`, which says whether there was one.
    pub(crate) fn tell(&mut self, tell: &dyn Fn(&HandlerError) -> bool) {
        // Every one of them is told: they were raised here, and nowhere else.
        let told = self.errors.iter().fold(false, |_, error| tell(error));
        if told {
            self.seen.set();
        }
    }

    /// Adds what happened later.
    pub(crate) fn append(&mut self, later: &mut Report) {
        if self.seen.get() != later.seen.get() {
            // Of different signals, one with a hook: the rest is not left to whoever looks.
            let untold = if self.seen.get() {
                &later.errors
            } else {
                &self.errors
            };
            untold.iter().for_each(log);
            self.seen.set();
        }
        let shift = self.errors.len();
        self.errors.append(&mut later.errors);
        match (&self.panic, later.panic.take()) {
            (None, first) => {
                self.panic = first.map(|first| FirstPanic {
                    error: first.error.map(|error| error + shift),
                    ..first
                });
            }
            (Some(_), Some(another)) => drop_payload(unwrapped(another.payload)),
            (Some(_), None) => {}
        }
    }

    /// Takes the panic out, where those of the signal are contained.
    pub(crate) fn contain(&mut self, panics: Panics) {
        if panics == Panics::Contain {
            if let Some(panic) = self.panic.take() {
                drop_payload(unwrapped(panic.payload));
            }
        }
    }

    /// Resumes the first panic, if there was one and nothing forbids it.
    pub(crate) fn resume(mut self: Box<Self>, panics: Panics) -> Box<Self> {
        let Some(FirstPanic { payload, error }) = self.panic.take() else {
            return self;
        };
        let payload = unwrapped(payload);
        if panics == Panics::Contain || std::thread::panicking() {
            drop_payload(payload);
            return self;
        }
        // Its own message was printed by the panic hook; the others would be lost.
        if let Some(error) = error {
            self.errors.remove(error);
        }
        drop(self);
        panics::resume(payload)
    }
}

/// Collects what was raised at `depth` or deeper, after the first `mark` faults, and tells the hook.
pub(crate) fn collect(
    depth: usize,
    mark: usize,
    tell: &dyn Fn(&HandlerError) -> bool,
) -> Option<Box<Report>> {
    let mut report = Report::new(Vec::new());
    let mut found = false;
    // Again, until nothing is left: to dispose of a payload may raise more.
    loop {
        let mine = take(depth, mark);
        if mine.is_empty() {
            break;
        }
        found = true;
        for PendingFailure { error, payload, .. } in mine {
            report.add(error, payload);
        }
    }
    if !found {
        return None;
    }
    report.tell(tell);
    Some(report)
}

/// Adds what happened later, if anything did.
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

impl Drop for Report {
    fn drop(&mut self) {
        for error in self.errors.drain(..) {
            if !self.seen.get() {
                log(&error);
            }
            // Each by itself: what a handler returned may panic when it is dropped.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(error))).map_err(drop_payload);
        }
        if let Some(panic) = self.panic.take() {
            drop_payload(unwrapped(panic.payload));
        }
    }
}
