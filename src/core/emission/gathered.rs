//! Emissions that no published list serves: what they call they gather, and keep themselves.

use std::borrow::Borrow;

use smallvec::SmallVec;

use crate::core::emission::call::{call_and_collect, refused};
use crate::core::emission::summary::Tally;
use crate::core::failure::trace::{self, Follows};
use crate::core::handler::entry::{Handler, rank};
use crate::core::primitives::thread::{self, Frame, Level};
use crate::core::settings::bus::Settings;
use crate::core::settings::signal_info::Home;
use crate::core::signal::directory::Signals as Mode;
use crate::core::signal::signal::Signal;
use crate::topic::any_event::Subject;

/// Keeps the event of a signal that keeps its events, and calls who was there at that moment. The
/// level comes back if nothing is kept.
pub(crate) fn run_retained<M: Mode, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    level: Level,
    event: &E,
    context: &mut C,
    follows: Follows<'_>,
) -> Result<Tally, Level> {
    if !signal.home.subject.retains() {
        return Err(level);
    }
    let mut handlers = SmallVec::<[Handler<M, C>; 8]>::new();
    let Some(kept) = signal.keep(event, &mut |it| handlers.push(it)) else {
        return Err(level);
    };
    let Ok(horizon) = kept else {
        return Ok(Tally::CLOSED);
    };
    let inside = signal.address();
    let level = level.enter(Frame { inside, horizon });
    handlers.sort_unstable_by_key(rank);
    let Home {
        subject, settings, ..
    } = &*signal.home;
    let tally = call_traced(handlers, event, subject, settings, context, follows);
    drop(level);
    Ok(tally)
}

/// Who is to hear an event of the signal, by rank, and up to which sequence number that is. The event
/// is kept, if the signal keeps its events. `None`: the signal is closed.
pub(crate) fn gather<M: Mode, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    event: &E,
    handlers: &mut Vec<Handler<M, C>>,
) -> Option<u64> {
    let mut give = |it| handlers.push(it);
    let horizon = match signal.keep(event, &mut give) {
        Some(kept) => kept.ok()?,
        None => signal.gather(signal.unhandled().as_ref(), &mut give)?.0,
    };
    handlers.sort_unstable_by_key(rank);
    Some(horizon)
}

/// Calls one handler with one event.
pub(crate) fn run_one<M: Mode, E: 'static, C: 'static>(
    handler: &Handler<M, C>,
    event: &E,
    home: &Home<M>,
    context: &mut C,
) -> Tally {
    let Home {
        subject, settings, ..
    } = home;
    let Some(level) = thread::descend(settings.max_depth()) else {
        return refused(home.name(), settings, handler.entry().head().place);
    };
    let handlers = std::slice::from_ref(handler);
    let tally = call_traced(handlers, event, subject, settings, context, Follows::NONE);
    drop(level);
    tally
}

/// Calls handlers inside of a span.
pub(crate) fn call_traced<M: Mode, E: 'static, C: 'static>(
    handlers: impl Borrow<[Handler<M, C>]>,
    event: &E,
    subject: &Subject,
    settings: &Settings<M>,
    context: &mut C,
    follows: Follows<'_>,
) -> Tally {
    if handlers.borrow().is_empty() {
        // No span. Keeping the event may have failed.
        return call_and_collect(handlers, event, subject, settings, context);
    }
    let span = trace::emission(&subject.name, follows);
    let tally = call_and_collect(handlers, event, subject, settings, context);
    span.end(tally.counts.ran(), tally.counts.stopped());
    tally
}
