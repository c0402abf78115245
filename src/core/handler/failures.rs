//! Raises failures of handlers.

use crate::core::failure::panics::Payload;
use crate::core::handler::entry::{CallResult, Header};
use crate::core::primitives::flavour::Primitives;
use crate::failure::Cause;
use crate::outcome::BoxError;
use crate::topic::any_event::TopicInfo;

/// Raises what a handler returned.
#[cold]
#[inline(never)]
pub(crate) fn failed<M: Primitives>(
    head: &Header<M>,
    topic_info: Option<&TopicInfo>,
    error: BoxError,
) -> CallResult {
    head.failure_source(topic_info)
        .raise(Cause::Failed(error), None);
    CallResult::Failed
}

/// Raises that a handler that takes turns was entered again from its own call.
#[cold]
#[inline(never)]
pub(crate) fn reentered<M: Primitives>(head: &Header<M>, topic_info: &TopicInfo) -> CallResult {
    head.failure_source(Some(topic_info))
        .raise(Cause::Reentered, None);
    // Not entered.
    CallResult::Skipped
}

/// Raises that there is nobody to run what an async handler would start.
#[cold]
#[inline(never)]
pub(crate) fn unexecuted<M: Primitives>(head: &Header<M>, topic_info: &TopicInfo) -> CallResult {
    head.failure_source(Some(topic_info))
        .raise(Cause::NoExecutor, None);
    CallResult::Failed
}

/// Raises that an executor has dropped what an async handler had started.
pub(crate) fn abandoned<M: Primitives>(head: &Header<M>) {
    head.failure_source(None).raise(Cause::Abandoned, None);
}

/// Raises a panic of a handler, its filter, or its captures.
pub(crate) fn panicked<M: Primitives>(
    head: &Header<M>,
    topic_info: Option<&TopicInfo>,
    payload: Payload,
) {
    head.failure_source(topic_info).panicked(payload);
}
