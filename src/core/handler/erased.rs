//! Events whose type was put aside, and what handlers return.

use std::any::TypeId;
use std::ptr::NonNull;

use crate::core::handler::entry::{Code, Head, Round};
use crate::core::handler::failures;
use crate::core::primitives::flavour::Primitives;
use crate::outcome::{Flow, Outcome};
use crate::topic::any_event::{AnyEvent, TopicInfo};

/// Turns what a handler returned into a code.
#[inline(always)]
pub(crate) fn code<M: Primitives>(
    head: &Head<M>,
    topic_info: Option<&TopicInfo>,
    outcome: impl Outcome,
) -> Code {
    match outcome.settle() {
        Ok(Flow::Continue) => Code::Ran,
        Ok(Flow::Stop) => Code::Stopped,
        Err(error) => failures::failed(head, topic_info, error),
    }
}

/// Whether the handlers of this event are those of a pattern, which take any.
#[inline(always)]
pub(crate) fn is_any<E: 'static>() -> bool {
    // Both are known to the compiler.
    TypeId::of::<E>() == TypeId::of::<AnyEvent>()
}

/// Gives the event its type, or wraps it for a handler of a pattern.
///
/// # Safety
///
/// `event` points to an event of the type that the subject of `cx` says. That is `E`, or `E` is
/// [`AnyEvent`]. `again` says whether both are.
#[inline(always)]
pub(crate) unsafe fn with_event<E: 'static, C, R>(
    event: NonNull<()>,
    cx: &mut Round<'_, C>,
    again: bool,
    f: impl FnOnce(&E, &mut Round<'_, C>) -> R,
) -> R {
    if is_any::<E>() && !again {
        // SAFETY: the caller says so, and it goes before the subject and the event do.
        let any = unsafe { AnyEvent::new(event, cx.topic_info) };
        // SAFETY: `E` is `AnyEvent`.
        return f(unsafe { NonNull::from(&any).cast().as_ref() }, cx);
    }
    // SAFETY: the caller says so. Whoever emits an `AnyEvent` again has one already.
    f(unsafe { event.cast().as_ref() }, cx)
}
