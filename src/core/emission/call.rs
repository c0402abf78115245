//! Calls handlers: the only place that calls those of a signal.

#![allow(
    unsafe_code,
    reason = "says of the handlers of one emission that they take its event"
)]

use std::borrow::Borrow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::core::emission::summary::{EmissionSummary, PackedCounts};
use crate::core::failure::panics::Payload;
use crate::core::failure::report::Report;
use crate::core::handler::entry::CallResult;
use crate::core::handler::erased::{EmitContext, ErasedEvent, HandlerRef};
use crate::core::handler::failures::panicked as panicked_of;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::thread;
use crate::core::settings::bus::BusConfig;
use crate::core::settings::failure_source;
use crate::failure::{CallSite, Cause, HandlerError};
use crate::topic::any_event::TopicInfo;
use crate::topic::name::Name;

/// Calls handlers, and tells of their failures.
#[inline(always)]
pub(crate) fn call_and_collect<M: Primitives, E: 'static, C: 'static>(
    handlers: impl Borrow<[HandlerRef<M, C>]>,
    event: &E,
    topic_info: &TopicInfo,
    config: &BusConfig<M>,
    context: &mut C,
) -> EmissionSummary {
    let mut summary = call_all(handlers.borrow(), event, topic_info, context);
    // Lets go of them before the failures are collected: captures may panic.
    drop(handlers);
    collect(config, &mut summary);
    summary
}

#[inline(always)]
pub(crate) fn collect<M: Primitives>(config: &BusConfig<M>, summary: &mut EmissionSummary) {
    if thread::failures() != 0 {
        summary.report = failure_source::collect(thread::depth(), 0, config);
    }
}

pub(crate) fn refused<M: Primitives>(
    name: &Name,
    config: &BusConfig<M>,
    location: CallSite,
) -> EmissionSummary {
    let topic = name.to_cow();
    let cause = Cause::TooDeep(config.max_depth());
    let mut report = Report::new(vec![HandlerError {
        topic,
        label: None,
        location,
        cause,
    }]);
    report.tell(&|error| config.tell(error));
    EmissionSummary {
        report: Some(report),
        ..EmissionSummary::NOTHING
    }
}

/// Where the loop is. Lives in registers: it is written to memory by unwinding alone.
struct LoopPosition<'h, 'l, H> {
    rest: &'h [H],
    left: &'l mut &'h [H],
}

impl<H> Drop for LoopPosition<'_, '_, H> {
    #[inline(always)]
    fn drop(&mut self) {
        *self.left = self.rest;
    }
}

/// Short lists are called here. A long one gets a loop with the registers to itself: a call and a few
/// stores more per emission. Several handlers a turn save its jumps, and let the processor guess each of
/// them by itself: with handlers of many kinds that halves the cost.
#[inline(always)]
pub(super) fn call_all<M: Primitives, E: 'static, C: 'static>(
    handlers: &[HandlerRef<M, C>],
    event: &E,
    topic_info: &TopicInfo,
    context: &mut C,
) -> EmissionSummary {
    // SAFETY: whoever emits takes the handlers from the roster of a signal of `E` and from those of
    // patterns, which contain no others, and the subject from that signal, or makes it for `E`. A handler
    // calls no other one with this event but what has its place in the same roster.
    unsafe {
        EmitContext::with(event, topic_info, context, |event, cx| {
            if handlers.len() <= 8 {
                call_each::<M, C, 2>(handlers, event, cx)
            } else {
                call_many(handlers, event, cx)
            }
        })
    }
}

#[inline(never)]
fn call_many<'r, M: Primitives, C: 'static>(
    handlers: &[HandlerRef<M, C>],
    event: ErasedEvent<'r>,
    cx: &mut EmitContext<'r, C>,
) -> EmissionSummary {
    call_each::<M, C, 4>(handlers, event, cx)
}

/// Calls the handlers, so many a turn of the loop.
#[inline(always)]
fn call_each<'r, M: Primitives, C: 'static, const AT_ONCE: usize>(
    handlers: &[HandlerRef<M, C>],
    event: ErasedEvent<'r>,
    cx: &mut EmitContext<'r, C>,
) -> EmissionSummary {
    let mut next = handlers;
    let mut skipped = 0;
    loop {
        let mut left: &[HandlerRef<M, C>] = &[];
        // One catch around the whole loop, entered again after a panic.
        let end = catch_unwind(AssertUnwindSafe(|| {
            let mut position = LoopPosition {
                rest: next,
                left: &mut left,
            };
            let last = loop {
                match call_plain::<M, C, AT_ONCE>(&mut position.rest, event, cx) {
                    // The compiler keeps what is in here out of the inner loop.
                    CallResult::Skipped => skipped += 1,
                    last => break last,
                }
            };
            let left = position.rest.len();
            std::mem::forget(position);
            (last, left)
        }));
        let (last, left) = match end {
            Ok(end) => end,
            Err(payload) => {
                // A filter that panics keeps its handler from being entered.
                skipped += usize::from(thread::set_unentered(false));
                next = panicked(left, cx.topic_info(), payload);
                continue;
            }
        };
        let closed = last == CallResult::Closed;
        let ran = handlers.len() - left - skipped - usize::from(closed);
        let flags = match last {
            CallResult::Stopped => PackedCounts::STOPPED,
            CallResult::Closed => PackedCounts::CLOSED,
            _ => 0,
        };
        // Four billion handlers do not fit into memory.
        let counts = PackedCounts(ran as u64 | flags);
        return EmissionSummary {
            counts,
            report: None,
        };
    }
}

/// Calls handlers as long as they run and go on. Returns at the end of the list, with
/// [`CallResult::Ran`], or after one that came to something else.
#[inline(always)]
fn call_plain<'r, M: Primitives, C: 'static, const AT_ONCE: usize>(
    rest: &mut &[HandlerRef<M, C>],
    event: ErasedEvent<'r>,
    cx: &mut EmitContext<'r, C>,
) -> CallResult {
    while rest.len() >= AT_ONCE {
        for _ in 0..AT_ONCE {
            let [handler, others @ ..] = *rest else { break };
            let result = handler.call(event, cx);
            // Only now: a panic leaves it in front.
            *rest = others;
            if !matches!(result, CallResult::Ran | CallResult::Failed) {
                return result;
            }
        }
    }
    if AT_ONCE > 1 {
        return call_plain::<M, C, 1>(rest, event, cx);
    }
    CallResult::Ran
}

/// Raises the panic of the first handler that is left; those after it.
#[cold]
#[inline(never)]
fn panicked<'h, M: Primitives, C: 'static>(
    left: &'h [HandlerRef<M, C>],
    topic_info: &TopicInfo,
    payload: Payload,
) -> &'h [HandlerRef<M, C>] {
    match left {
        [handler, others @ ..] => {
            panicked_of(handler.head(), Some(topic_info), payload);
            others
        }
        [] => left,
    }
}
