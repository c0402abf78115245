//! Runs one emission: the only place that calls the handlers of a signal.

use std::borrow::Borrow;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr::NonNull;

use crate::core::emission::gathered as held;
use crate::core::failure::pending as faults;
use crate::core::failure::pending::Payload;
use crate::core::failure::report::{self, Report};
use crate::core::failure::trace::{self, Follows};
use crate::core::handler::entry::{Code, Round};
use crate::core::mode::Mode;
use crate::core::primitives::thread::{self, Level};
use crate::core::reclaim::hazard::Pin;
use crate::core::reclaim::publication::{Handler, Look, Reading};
use crate::core::settings::signal_info::{Home, Name, Place, Settings, Subject};
use crate::core::signal::signal::Signal;
use crate::failure::{Cause, HandlerError};

/// How many handlers ran, and how the emission ended, in one word: with the report a pair that is
/// returned in two registers. Returned by memory it cost more than an emission to one handler.
#[derive(Clone, Copy)]
pub(crate) struct Counts(u64);

impl Counts {
    const STOPPED: u64 = 1 << 32;
    const CLOSED: u64 = 1 << 33;

    pub(crate) fn ran(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
        let ran = self.0 as u32;
        ran
    }

    pub(crate) fn stopped(self) -> bool {
        self.0 & Self::STOPPED != 0
    }

    pub(crate) fn closed(self) -> bool {
        self.0 & Self::CLOSED != 0
    }

    /// Notes what a call came to that had been counted when it began.
    pub(crate) fn note(&mut self, code: Code) {
        if code == Code::Stopped {
            self.0 |= Self::STOPPED;
        }
    }

    fn add(&mut self, later: Counts) {
        self.0 = (self.0 + u64::from(later.ran())) | (later.0 & (Self::STOPPED | Self::CLOSED));
    }
}

/// What an emission came to.
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    pub(crate) report: Option<Box<Report>>,
}

impl Tally {
    pub(crate) const NOTHING: Tally = Tally {
        counts: Counts(0),
        report: None,
    };
    pub(crate) const CLOSED: Tally = Tally {
        counts: Counts(Counts::CLOSED),
        report: None,
    };

    /// Adds what came of the emission later.
    pub(crate) fn add(&mut self, later: Tally) {
        self.counts.add(later.counts);
        report::join(&mut self.report, later.report);
    }
}

/// Calls the handlers of `signal`, as they are now, with one event. Panics of handlers end up in
/// the report and go no further.
#[inline(always)]
#[track_caller]
pub(crate) fn run<M: Mode, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    event: &E,
    context: &mut C,
) -> Tally {
    if signal.is_silent() {
        return Tally::NOTHING;
    }
    let Some(level) = thread::descend(signal.max_depth) else {
        return too_deep(signal, Location::caller());
    };
    match signal.enter(level.above()) {
        Some(reading) => read(signal, reading, level, event, context, Follows::NONE),
        None => look(signal, level, event, context, Follows::NONE),
    }
}

/// Like [`run`], with an event that is made if there are handlers. What panics when it is made
/// concerns the caller; what panics when it is dropped is a failure of the topic.
#[inline]
#[track_caller]
pub(crate) fn run_lazy<M: Mode, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    event: impl FnOnce() -> E,
    context: &mut C,
) -> Tally {
    if signal.is_silent() {
        return Tally::NOTHING;
    }
    if signal.is_closed() {
        return Tally::CLOSED;
    }
    if thread::depth() >= signal.max_depth {
        return too_deep(signal, Location::caller());
    }
    let event = event();
    let tally = run(signal, &event, context);
    faults::drop_event(event, &signal.home, Location::caller());
    tally
}

/// Emissions of one signal in a row, on one thread, with one pin for all of them: what the snapshot
/// was pinned for is looked at again before and after each emission.
pub(crate) struct Run<'s, M: Mode, E: 'static, C: 'static> {
    signal: &'s Signal<M, E, C>,
    reading: Option<Reading<M, C, M::Pin>>,
    follows: Follows<'s>,
}

impl<'s, M: Mode, E, C> Run<'s, M, E, C> {
    pub(crate) fn new(signal: &'s Signal<M, E, C>, follows: Follows<'s>) -> Self {
        Run {
            signal,
            reading: None,
            follows,
        }
    }

    /// What failed. How many ran, nobody asks of a deferred event.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn emit(&mut self, event: &E, context: &mut C) -> Option<Box<Report>> {
        let signal = self.signal;
        let current = self
            .reading
            .as_ref()
            .is_some_and(|reading| signal.publishes(reading));
        if !current {
            self.reading = None;
            if signal.is_silent() {
                return None;
            }
        }
        let Some(level) = thread::descend(signal.max_depth) else {
            // Runs a hook, which may need the slot.
            self.reading = None;
            return too_deep(signal, Location::caller()).report;
        };
        if !current {
            self.reading = signal.enter(level.above());
        }
        let Some(reading) = &self.reading else {
            return look(signal, level, event, context, self.follows).report;
        };
        let span = trace::emission(&signal.home.subject, self.follows);
        let mut tally = call_all(&reading.handlers, event, &signal.home.subject, context);
        if !signal.publishes(reading) {
            // Something changed: captures may wait to be dropped, and may panic.
            self.reading = None;
        }
        collect(&signal.home.settings, &mut tally);
        span.end(tally.counts);
        drop(level);
        if tally.report.is_some() {
            // What becomes of it may run user code: a payload's `Drop`, say. It may need the slot.
            self.reading = None;
        }
        tally.report
    }
}

#[inline(always)]
pub(crate) fn collect<M: Mode>(settings: &Settings<M>, tally: &mut Tally) {
    if thread::failures() != 0 {
        tally.report = faults::collect(thread::depth(), 0, settings);
    }
}

/// Runs what is not published, or cannot be pinned.
#[cold]
#[inline(never)]
fn look<M: Mode, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    level: Level,
    event: &E,
    context: &mut C,
    follows: Follows<'_>,
) -> Tally {
    let level = match held::run_retained(signal, level, event, context, follows) {
        Ok(tally) => return tally,
        Err(level) => level,
    };
    match signal.look() {
        Look::Found(reading) => {
            let level = level.enter(reading.header.frame);
            read(signal, reading, level, event, context, follows)
        }
        Look::Closed => Tally::CLOSED,
        Look::Empty => Tally::NOTHING,
    }
}

#[inline(always)]
fn read<M: Mode, E: 'static, C: 'static, P: Pin<M>, L>(
    signal: &Signal<M, E, C>,
    reading: Reading<M, C, P>,
    level: L,
    event: &E,
    context: &mut C,
    follows: Follows<'_>,
) -> Tally {
    // Two ways, so that the usual one pays for no span.
    if trace::wanted() {
        read_traced(signal, reading, level, event, context, follows)
    } else {
        read_plain(signal, reading, level, event, context)
    }
}

#[inline(always)]
fn read_plain<M: Mode, E: 'static, C: 'static, P: Pin<M>, L>(
    signal: &Signal<M, E, C>,
    reading: Reading<M, C, P>,
    level: L,
    event: &E,
    context: &mut C,
) -> Tally {
    let Home {
        subject, settings, ..
    } = &*signal.home;
    let tally = call_and_collect(reading, event, subject, settings, context);
    drop(level);
    tally
}

#[cold]
#[inline(never)]
fn read_traced<M: Mode, E: 'static, C: 'static, P: Pin<M>, L>(
    signal: &Signal<M, E, C>,
    reading: Reading<M, C, P>,
    level: L,
    event: &E,
    context: &mut C,
    follows: Follows<'_>,
) -> Tally {
    let span = trace::emission(&signal.home.subject, follows);
    let tally = read_plain(signal, reading, (), event, context);
    span.end(tally.counts);
    drop(level);
    tally
}

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

#[cold]
#[inline(never)]
fn too_deep<M: Mode, E: 'static, C: 'static>(signal: &Signal<M, E, C>, place: Place) -> Tally {
    if signal.is_closed() {
        return Tally::CLOSED;
    }
    refused(signal.home.name(), &signal.home.settings, place)
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
    report.tell(settings);
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
fn call_all<M: Mode, E: 'static, C: 'static>(
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
            faults::panicked(handler.entry().head(), Some(subject), payload);
            others
        }
        [] => left,
    }
}
