//! The loop that calls handlers. Those of a signal are called only here.

#![allow(
    unsafe_code,
    reason = "guarantees that the handlers of one emission take its event"
)]

use std::borrow::Borrow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::core::emission::summary::{EmissionSummary, PackedCounts};
use crate::core::failure::panics::Payload;
use crate::core::failure::pending::note_orphan;
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

/// Calls handlers, and reports their failures. If none of them is live, the event is unhandled: see
/// [`tell_unhandled`].
#[inline(always)]
pub(crate) fn call_and_collect<M: Primitives, E: 'static, C: 'static>(
    handlers: impl Borrow<[HandlerRef<M, C>]>,
    event: &E,
    topic_info: &TopicInfo,
    config: &BusConfig<M>,
    context: &mut C,
    unhandled: impl FnOnce() -> Option<HandlerRef<M, C>>,
) -> EmissionSummary {
    let mut summary = call_all(handlers.borrow(), event, topic_info, context);
    // Before the failures are collected: the drop of captures may panic.
    drop(handlers);
    // A handler with a dead target counts as one.
    if thread::failures() != 0 {
        collect(config, &mut summary);
        if summary.counts.orphaned() {
            tell_unhandled(event, topic_info, context, unhandled);
        }
    }
    summary
}

/// Passes an event to the hook for unhandled events, because each of its handlers turned out to have a dead
/// target.
#[cold]
#[inline(never)]
pub(crate) fn tell_unhandled<M: Primitives, E: 'static, C: 'static>(
    event: &E,
    topic_info: &TopicInfo,
    context: &mut C,
    unhandled: impl FnOnce() -> Option<HandlerRef<M, C>>,
) {
    if let Some(hook) = unhandled() {
        // Catches its own panics.
        call_all(std::slice::from_ref(&hook), event, topic_info, context);
    }
}

/// Adds the failures of the current depth to a summary, if there are any.
#[inline(always)]
pub(crate) fn collect<M: Primitives>(config: &BusConfig<M>, summary: &mut EmissionSummary) {
    if thread::failures() != 0 {
        summary.report = failure_source::collect(thread::depth(), 0, config);
    }
}

/// The summary of an emission that is nested too deep.
pub(crate) fn refused<M: Primitives>(
    name: &Name,
    config: &BusConfig<M>,
    location: CallSite,
) -> EmissionSummary {
    let topic = name.to_cow();
    let cause = Cause::TooDeep(config.max_depth());
    let mut report = Report::new(vec![HandlerError::new(topic, None, location, cause)]);
    report.report_to_hook(&|error| config.call_hook(error));
    EmissionSummary {
        report: Some(report),
        ..EmissionSummary::NOTHING
    }
}

/// The position of the loop. It is in registers, and is written to memory only by unwinding.
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

/// Calls handlers: a short list in a loop that is inlined, a long one in a loop with the registers to
/// itself, which costs a call and a few stores per emission. Several handlers per iteration save jumps, and
/// let the processor predict each of the calls separately: with handlers of many types that halves the cost.
#[inline(always)]
pub(super) fn call_all<M: Primitives, E: 'static, C: 'static>(
    handlers: &[HandlerRef<M, C>],
    event: &E,
    topic_info: &TopicInfo,
    context: &mut C,
) -> EmissionSummary {
    // SAFETY: the handlers are from the roster of a signal of `E` and from those of patterns, which contain
    // no others, and `topic_info` is that of this signal, or was created for `E`. A handler calls no other
    // one with this event except its replacement in the same roster.
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

/// Calls the handlers, `AT_ONCE` per iteration of the loop.
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
                    // The compiler keeps this out of the inner loop.
                    CallResult::Skipped => skipped += 1,
                    CallResult::Orphaned => {
                        skipped += 1;
                        if note_orphan() == handlers.len() {
                            break CallResult::Orphaned;
                        }
                    }
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
                // If its filter panicked, the handler was not entered.
                skipped += usize::from(thread::set_unentered(false));
                next = panicked(left, cx.topic_info(), payload);
                continue;
            }
        };
        if last == CallResult::Ran && skipped == 0 {
            // Saves the arithmetic below where nothing is out of the ordinary.
            let counts = PackedCounts(handlers.len() as u64);
            return EmissionSummary {
                counts,
                report: None,
            };
        }
        let closed = last == CallResult::Closed;
        let ran = handlers.len() - left - skipped - usize::from(closed);
        let flags = match last {
            CallResult::Stopped => PackedCounts::STOPPED,
            CallResult::Closed => PackedCounts::CLOSED,
            CallResult::Orphaned => PackedCounts::ORPHANED,
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

/// Calls handlers as long as they run and do not stop the emission. Returns [`CallResult::Ran`] at the end
/// of the list, or the first other result.
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
            // After the call: if it panics, the handler is the first of the rest.
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

/// Raises the panic of the first handler that is left, and returns those after it.
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
