//! The log for failures that were reported nowhere else.

use std::panic::catch_unwind;

use crate::core::failure::panics::{describe, drop_payload};
use crate::core::failure::trace;
use crate::failure::HandlerError;

/// Logs a failure: one line on standard error, or an event for the `tracing` subscriber if there is one.
pub(crate) fn log(error: &HandlerError) {
    write_log(&describe(error), Some(error));
}

/// Logs a line, of this failure if there is one.
pub(crate) fn write_log(line: &str, error: Option<&HandlerError>) {
    use std::io::Write as _;
    if trace::log(line, error) {
        return;
    }
    // Errors are ignored: without standard error there is no other place to report to.
    if std::thread::panicking() {
        let _ = writeln!(std::io::stderr(), "slotcast: {line}");
    } else {
        // By the macro, whose output a test captures until it fails. It may panic.
        let _ = catch_unwind(|| eprintln!("slotcast: {line}")).map_err(drop_payload);
    }
}
