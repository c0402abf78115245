//! Failures of user code: caught, collected, reported, logged, traced.
//!
//! # What it owns
//!
//! - `panics`: catching panics, and resuming the one that goes on to the caller.
//! - `apart`: drops of several parts, so that the panic of one does not meet that of another.
//! - `pending`: per thread, the failures that were raised and not collected yet.
//! - `report`: the failures that one emission or drain has collected, with the first panic.
//! - `log`: one line on standard error for each failure that was reported nowhere else.
//! - `trace`: spans and events for a `tracing` subscriber, with the feature of that name.
//!
//! # What it guarantees
//!
//! - Each failure is passed to the error hook once. Without a hook it is logged, unless the caller looks
//!   at the report first. Failures inside of a hook are logged.
//! - A panic in the `Drop` of a payload, of an error or of a report does not escape.
//! - No lock is held and no cell is borrowed while user code runs. User code is here: the `Drop` of
//!   payloads and errors, the `Display` of errors, hooks, and a subscriber.
//!
//! # What it does not know
//!
//! Signals, handlers, queues and hooks. What a failure is blamed on, and how the hook is called, is
//! passed in by the layers above.
//!
//! # Decisions
//!
//! **Panics in the `Drop` of captures outside of an emission** are reported to the hook or logged, and do
//! not unwind: the code that drops a subscription is not to blame, and may be unwinding already.
//!
//! **Signals without a name** use the name of their payload type as topic in errors.
//!
//! How a panic that was reported is recognised is in `panics`; the decisions about tracing are in `trace`.

pub(crate) mod apart;
pub(crate) mod link;
pub(crate) mod log;
pub(crate) mod panics;
pub(crate) mod pending;
pub(crate) mod report;
pub(crate) mod trace;
