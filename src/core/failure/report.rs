//! What an emission or a drain has collected of failures, until somebody has looked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use crate::core::failure::pending as faults;
use crate::core::failure::pending::Payload;
use crate::core::mode::Mode;
use crate::core::settings::signal_info::{Panics, Settings};
use crate::failure::HandlerError;

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
    pub(crate) fn add(&mut self, error: Option<HandlerError>, payload: Option<Payload>) {
        let at = error.is_some().then_some(self.errors.len());
        self.errors.extend(error);
        match (&self.panic, payload) {
            (None, Some(payload)) => {
                let payload = Mutex::new(payload);
                self.panic = Some(FirstPanic { payload, error: at });
            }
            (Some(_), Some(another)) => faults::dispose(another),
            (_, None) => {}
        }
    }

    /// Tells the hook of all errors, if there is one.
    pub(crate) fn tell<M: Mode>(&mut self, settings: &Settings<M>) {
        // Every one of them is told: they were raised here, and nowhere else.
        let told = self
            .errors
            .iter()
            .fold(false, |_, error| faults::tell(settings, error));
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
            untold.iter().for_each(faults::log);
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
            (Some(_), Some(another)) => faults::dispose(unwrapped(another.payload)),
            (Some(_), None) => {}
        }
    }

    /// Takes the panic out, where those of the signal are contained.
    pub(crate) fn contain<M: Mode>(&mut self, settings: &Settings<M>) {
        if settings.panics() == Panics::Contain {
            if let Some(panic) = self.panic.take() {
                faults::dispose(unwrapped(panic.payload));
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
            faults::dispose(payload);
            return self;
        }
        // Its own message was printed by the panic hook; the others would be lost.
        if let Some(error) = error {
            self.errors.remove(error);
        }
        drop(self);
        faults::resume(payload)
    }
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
                faults::log(&error);
            }
            // Each by itself: what a handler returned may panic when it is dropped.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(error))).map_err(faults::dispose);
        }
        if let Some(panic) = self.panic.take() {
            faults::dispose(unwrapped(panic.payload));
        }
    }
}
