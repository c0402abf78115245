//! The log for failures that were reported nowhere else.

use crate::core::failure::panics::describe;
use crate::core::failure::trace;
use crate::failure::HandlerError;

/// Logs a failure: one line on standard error, or in the console of a browser; or an event for the
/// `tracing` subscriber if there is one.
pub(crate) fn log(error: &HandlerError) {
    write_log(&describe(error), Some(error));
}

/// Logs that a call does not wait as it should, because nothing could end that.
#[cold]
pub(crate) fn no_threads(call: &str) {
    write_log(
        &format!("`{call}` does not wait: this target has no threads"),
        None,
    );
}

/// Logs a line, of this failure if there is one.
pub(crate) fn write_log(line: &str, error: Option<&HandlerError>) {
    if trace::log(line, error) {
        return;
    }
    #[cfg(all(target_family = "wasm", target_os = "unknown", feature = "web"))]
    to_console(&format!("slotcast: {line}"));
    #[cfg(not(all(target_family = "wasm", target_os = "unknown", feature = "web")))]
    to_standard_error(line);
}

#[cfg(not(all(target_family = "wasm", target_os = "unknown", feature = "web")))]
fn to_standard_error(line: &str) {
    use std::io::Write as _;
    // Errors are ignored: without standard error there is no other place to report to.
    if std::thread::panicking() {
        let _ = writeln!(std::io::stderr(), "slotcast: {line}");
    } else {
        // By the macro, whose output a test captures until it fails. It may panic.
        let _ = std::panic::catch_unwind(|| eprintln!("slotcast: {line}"))
            .map_err(crate::core::failure::panics::drop_payload);
    }
}

/// Writes to `console.error`, where there is no standard error. By looking it up: to import it takes the
/// macro of `wasm-bindgen`, which writes unsafe code.
#[cfg(all(target_family = "wasm", target_os = "unknown", feature = "web"))]
fn to_console(line: &str) {
    let member = |of: &_, name: &str| js_sys::Reflect::get(of, &name.into());
    // Errors are ignored: without a console there is no other place to report to.
    let _ = member(&js_sys::global(), "console").and_then(|console| {
        let error = js_sys::Function::from(member(&console, "error")?);
        error.call1(&console, &line.into())
    });
}
