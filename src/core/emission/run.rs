//! Runs one emission: the only place that calls the handlers of a signal.

use std::panic::Location;

use crate::core::emission::call::{call_all, call_and_collect, collect, refused};
use crate::core::emission::gathered;
use crate::core::emission::summary::Tally;
use crate::core::failure::report::Report;
use crate::core::failure::trace::{self, Follows};
use crate::core::primitives::thread::{self, Level};
use crate::core::reclaim::hazard::Pin;
use crate::core::reclaim::publication::{Look, Reading};
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::signal_info::Home;
use crate::core::signal::directory::Signals as Mode;
use crate::core::signal::signal::{Handlers, Signal};
use crate::failure::Place;

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
    drop_event(event, &signal.home, Location::caller());
    tally
}

/// Emissions of one signal in a row, on one thread, with one pin for all of them: what the snapshot
/// was pinned for is looked at again before and after each emission.
pub(crate) struct Run<'s, M: Mode, E: 'static, C: 'static> {
    signal: &'s Signal<M, E, C>,
    reading: Option<Reading<M, Handlers<M, C>, M::Pin>>,
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
        let span = trace::emission(signal.home.name(), self.follows);
        let mut tally = call_all(reading, event, &signal.home.subject, context);
        if !signal.publishes(reading) {
            // Something changed: captures may wait to be dropped, and may panic.
            self.reading = None;
        }
        collect(&signal.home.settings, &mut tally);
        span.end(tally.counts.ran(), tally.counts.stopped());
        drop(level);
        if tally.report.is_some() {
            // What becomes of it may run user code: a payload's `Drop`, say. It may need the slot.
            self.reading = None;
        }
        tally.report
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
    let level = match gathered::run_retained(signal, level, event, context, follows) {
        Ok(tally) => return tally,
        Err(level) => level,
    };
    match signal.look() {
        Look::Found(reading) => {
            let level = level.enter(reading.frame());
            read(signal, reading, level, event, context, follows)
        }
        Look::Closed => Tally::CLOSED,
        Look::Empty => Tally::NOTHING,
    }
}

#[inline(always)]
fn read<M: Mode, E: 'static, C: 'static, P: Pin<M>, L>(
    signal: &Signal<M, E, C>,
    reading: Reading<M, Handlers<M, C>, P>,
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
    reading: Reading<M, Handlers<M, C>, P>,
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
    reading: Reading<M, Handlers<M, C>, P>,
    level: L,
    event: &E,
    context: &mut C,
    follows: Follows<'_>,
) -> Tally {
    let span = trace::emission(signal.home.name(), follows);
    let tally = read_plain(signal, reading, (), event, context);
    span.end(tally.counts.ran(), tally.counts.stopped());
    drop(level);
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
