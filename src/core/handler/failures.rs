//! Raises failures of handlers.

use crate::core::failure::panics::Payload;
use crate::core::handler::entry::{Code, Head};
use crate::core::primitives::flavour::Primitives as Mode;
use crate::failure::Cause;
use crate::outcome::BoxError;
use crate::topic::any_event::Subject;

/// Raises what a handler returned.
#[cold]
#[inline(never)]
pub(crate) fn failed<M: Mode>(head: &Head<M>, subject: Option<&Subject>, error: BoxError) -> Code {
    head.blame(subject).raise(Cause::Failed(error), None);
    Code::Failed
}

/// Raises that a handler that takes turns was entered again from its own call.
#[cold]
#[inline(never)]
pub(crate) fn reentered<M: Mode>(head: &Head<M>, subject: &Subject) -> Code {
    head.blame(Some(subject)).raise(Cause::Reentered, None);
    // Not entered.
    Code::Skipped
}

/// Raises that there is nobody to run what an async handler would start.
#[cold]
#[inline(never)]
pub(crate) fn unexecuted<M: Mode>(head: &Head<M>, subject: &Subject) -> Code {
    head.blame(Some(subject)).raise(Cause::NoExecutor, None);
    Code::Failed
}

/// Raises that an executor has dropped what an async handler had started.
pub(crate) fn abandoned<M: Mode>(head: &Head<M>) {
    head.blame(None).raise(Cause::Abandoned, None);
}

/// Raises a panic of a handler, its filter, or its captures.
pub(crate) fn panicked<M: Mode>(head: &Head<M>, subject: Option<&Subject>, payload: Payload) {
    head.blame(subject).panicked(payload);
}
