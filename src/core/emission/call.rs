//! Calls handlers: the only place that calls those of a signal.

use std::borrow::Borrow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use crate::core::emission::summary::{Counts, Tally};
use crate::core::failure::panics::Payload;
use crate::core::failure::report::Report;
use crate::core::handler::entry::{Code, Handler, Round};
use crate::core::handler::failures::panicked as panicked_of;
use crate::core::primitives::flavour::Primitives as Mode;
use crate::core::primitives::thread;
use crate::core::settings::bus::Settings;
use crate::core::settings::failure_source as blame;
use crate::failure::{Cause, HandlerError, Place};
use crate::topic::any_event::Subject;
use crate::topic::name::Name;

/// Calls handlers, and tells of their failures.
#[inline(always)]
pub(crate) fn call_and_collect<M: Mode, E: 'static, C: 'static>(
    handlers: impl Borrow<[Handler<M, C>]>,
    event: &E,
    subject: &Subject,
    settings: &Settings<M>,
    context: &mut C,
) -> Tally {
    let mut tally = call_all(handlers.borrow(), event, subject, context);
    // Lets go of them before the failures are collected: captures may panic.
    drop(handlers);
    collect(settings, &mut tally);
    tally
}

#[inline(always)]
pub(crate) fn collect<M: Mode>(settings: &Settings<M>, tally: &mut Tally) {
    if thread::failures() != 0 {
        tally.report = blame::collect(thread::depth(), 0, settings);
    }
}

pub(crate) fn refused<M: Mode>(name: &Name, settings: &Settings<M>, place: Place) -> Tally {
    let topic = name.to_cow();
    let cause = Cause::TooDeep(settings.max_depth());
    let mut report = Report::new(vec![HandlerError {
        topic,
        label: None,
        place,
        cause,
    }]);
    report.tell(&|error| settings.tell(error));
    Tally {
        report: Some(report),
        ..Tally::NOTHING
    }
}

/// Where the loop is. Lives in registers: it is written to memory by unwinding alone.
struct Cursor<'h, 'l, H> {
    rest: &'h [H],
    left: &'l mut &'h [H],
}

impl<H> Drop for Cursor<'_, '_, H> {
    #[inline(always)]
    fn drop(&mut self) {
        *self.left = self.rest;
    }
}

/// Short lists are called here. A long one gets a loop with the registers to itself: a call and a few
/// stores more per emission. Several handlers a turn save its jumps, and let the processor guess each of
/// them by itself: with handlers of many kinds that halves the cost.
#[inline(always)]
pub(super) fn call_all<M: Mode, E: 'static, C: 'static>(
    handlers: &[Handler<M, C>],
    event: &E,
    subject: &Subject,
    context: &mut C,
) -> Tally {
    let event = NonNull::from(event).cast();
    let mut round = Round { context, subject };
    if handlers.len() <= 8 {
        call_each::<M, C, 2>(handlers, event, &mut round)
    } else {
        call_many(handlers, event, &mut round)
    }
}

#[inline(never)]
fn call_many<M: Mode, C: 'static>(
    handlers: &[Handler<M, C>],
    event: NonNull<()>,
    round: &mut Round<'_, C>,
) -> Tally {
    call_each::<M, C, 4>(handlers, event, round)
}

/// Calls the handlers, so many a turn of the loop.
#[inline(always)]
fn call_each<M: Mode, C: 'static, const AT_ONCE: usize>(
    handlers: &[Handler<M, C>],
    event: NonNull<()>,
    round: &mut Round<'_, C>,
) -> Tally {
    let mut next = handlers;
    let mut skipped = 0;
    loop {
        let mut left: &[Handler<M, C>] = &[];
        // One catch around the whole loop, entered again after a panic.
        let end = catch_unwind(AssertUnwindSafe(|| {
            let mut cursor = Cursor {
                rest: next,
                left: &mut left,
            };
            let last = loop {
                match call_plain::<M, C, AT_ONCE>(&mut cursor.rest, event, round) {
                    // The compiler keeps what is in here out of the inner loop.
                    Code::Skipped => skipped += 1,
                    last => break last,
                }
            };
            let left = cursor.rest.len();
            std::mem::forget(cursor);
            (last, left)
        }));
        let (last, left) = match end {
            Ok(end) => end,
            Err(payload) => {
                // A filter that panics keeps its handler from being entered.
                skipped += usize::from(thread::set_unentered(false));
                next = panicked(left, round.subject, payload);
                continue;
            }
        };
        let closed = last == Code::Closed;
        let ran = handlers.len() - left - skipped - usize::from(closed);
        let flags = match last {
            Code::Stopped => Counts::STOPPED,
            Code::Closed => Counts::CLOSED,
            _ => 0,
        };
        // Four billion handlers do not fit into memory.
        let counts = Counts(ran as u64 | flags);
        return Tally {
            counts,
            report: None,
        };
    }
}

/// Calls handlers as long as they run and go on. Returns at the end of the list, with
/// [`Code::Ran`], or after one that came to something else.
#[inline(always)]
fn call_plain<M: Mode, C: 'static, const AT_ONCE: usize>(
    rest: &mut &[Handler<M, C>],
    event: NonNull<()>,
    round: &mut Round<'_, C>,
) -> Code {
    while rest.len() >= AT_ONCE {
        for _ in 0..AT_ONCE {
            let [handler, others @ ..] = *rest else { break };
            // SAFETY: this is a hold. The handlers are those of the subject's signal, and of patterns.
            let code = unsafe { handler.entry().call(event, round) };
            // Only now: a panic leaves it in front.
            *rest = others;
            if !matches!(code, Code::Ran | Code::Failed) {
                return code;
            }
        }
    }
    if AT_ONCE > 1 {
        return call_plain::<M, C, 1>(rest, event, round);
    }
    Code::Ran
}

/// Raises the panic of the first handler that is left; those after it.
#[cold]
#[inline(never)]
fn panicked<'h, M: Mode, C: 'static>(
    left: &'h [Handler<M, C>],
    subject: &Subject,
    payload: Payload,
) -> &'h [Handler<M, C>] {
    match left {
        [handler, others @ ..] => {
            panicked_of(handler.entry().head(), Some(subject), payload);
            others
        }
        [] => left,
    }
}
