//! The log: where failures go that nobody was told of.

use std::panic::catch_unwind;

use crate::core::failure::panics::{describe, drop_payload};
use crate::core::failure::trace;
use crate::failure::HandlerError;

/// Logs a failure that nobody was told of: one line on standard error, or where `tracing` is on.
pub(crate) fn log(error: &HandlerError) {
    write_log(&describe(error), Some(error));
}

pub(crate) fn write_log(line: &str, error: Option<&HandlerError>) {
    use std::io::Write as _;
    if trace::log(line, error) {
        return;
    }
    // A program without standard error has nowhere to be told.
    if std::thread::panicking() {
        let _ = writeln!(std::io::stderr(), "slotcast: {line}");
    } else {
        // By the macro, whose lines a test keeps to itself until it fails. It may panic.
        let _ = catch_unwind(|| eprintln!("slotcast: {line}")).map_err(drop_payload);
    }
}
