//! The failures of handlers, and how they are raised.

use crate::core::failure::panics::Payload;
use crate::core::handler::entry::{CallResult, Header};
use crate::core::primitives::flavour::Primitives;
use crate::error::DeferErrorKind;
use crate::failure::Cause;
use crate::outcome::BoxError;
use crate::topic::any_event::TopicInfo;

/// Raises the error that a handler returned.
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

/// Raises that an exclusive handler was called again inside of its own call.
#[cold]
#[inline(never)]
pub(crate) fn reentered<M: Primitives>(head: &Header<M>, topic_info: &TopicInfo) -> CallResult {
    head.failure_source(Some(topic_info))
        .raise(Cause::Reentered, None);
    // Not entered.
    CallResult::Skipped
}

/// Raises that nobody runs the future of an async handler.
#[cold]
#[inline(never)]
pub(crate) fn unexecuted<M: Primitives>(
    head: &Header<M>,
    topic_info: &TopicInfo,
    cause: Cause,
) -> CallResult {
    head.failure_source(Some(topic_info)).raise(cause, None);
    CallResult::Failed
}

/// Raises that the queue of a handler did not accept a call.
#[cold]
#[inline(never)]
pub(crate) fn unqueued<M: Primitives>(
    head: &Header<M>,
    topic_info: &TopicInfo,
    kind: DeferErrorKind,
) -> CallResult {
    head.failure_source(Some(topic_info))
        .raise(Cause::Uncalled(kind), None);
    CallResult::Failed
}

/// Raises that an executor has dropped the future of an async handler.
pub(crate) fn abandoned<M: Primitives>(head: &Header<M>) {
    head.failure_source(None).raise(Cause::Abandoned, None);
}

/// Raises a panic of a handler, its filter or its captures.
pub(crate) fn panicked<M: Primitives>(
    head: &Header<M>,
    topic_info: Option<&TopicInfo>,
    payload: Payload,
) {
    head.failure_source(topic_info).panicked(payload);
}
