//! Emissions of a bus that is followed: their handlers are called one by one.

use std::borrow::Borrow;
use std::panic::Location;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::core::emission::call::{call_all, call_and_collect, collect};
use crate::core::emission::summary::{EmissionSummary, PackedCounts};
use crate::core::failure::link::Follows;
use crate::core::failure::pending::orphans;
use crate::core::failure::report::set_cause;
use crate::core::failure::trace::{self, TracedSpan};
use crate::core::follow::follower::shows;
use crate::core::follow::shows::Shows;
use crate::core::follow::{Called, Counting, Emitting, HandlerId, HandlerKey};
use crate::core::handler::entry::Header;
use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::thread;
use crate::core::reclaim::hazard::ReadGuard;
use crate::core::reclaim::publication::SnapshotGuard;
use crate::core::settings::bus::BusConfig;
use crate::core::settings::failure_source::{drop_shows, report_panic};
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::handler_list::HandlerList;
use crate::failure::CallSite;
use crate::topic::any_event::TopicInfo;
use crate::wiring::handler::HandlerKind;

/// Calls the handlers of a list, whose signal nobody keeps. The level of the emission is open.
#[track_caller]
pub(crate) fn run_list<M: SignalFlavour, E: 'static, C: 'static, P: ReadGuard<M>>(
    list: SnapshotGuard<M, HandlerList<M, C>, P>,
    event: &E,
    config: &BusConfig<M>,
    context: &mut C,
    unhandled: impl FnOnce() -> Option<HandlerRef<M, C>>,
) -> EmissionSummary {
    let (info, place) = (list.info.clone(), Location::caller());
    let about = (&info.topic_info, config);
    call(list, event, about, context, Follows::NONE, unhandled, place)
}

/// Begins to record an emission. `None` if nobody follows any more.
pub(super) fn begin<M: Primitives, E: 'static>(
    event: Option<&E>,
    topic_info: &TopicInfo,
    config: &BusConfig<M>,
    follows: Follows<'_>,
    place: CallSite,
) -> Option<Emitting> {
    let follower = config.follower();
    if follower == 0 {
        return None;
    }
    match event.and_then(|event| Some((event, shows(follower, &topic_info.name)?))) {
        None => Emitting::begin(follower, topic_info, None, follows.origin(), place),
        Some((event, shows)) => begin_shown(event, shows, topic_info, config, follows, place),
    }
}

/// The same for an event of a follower that wants some to be shown.
#[cold]
fn begin_shown<M: Primitives, E: 'static>(
    event: &E,
    shows: Arc<Shows>,
    topic_info: &TopicInfo,
    config: &BusConfig<M>,
    follows: Follows<'_>,
    place: CallSite,
) -> Option<Emitting> {
    let (text, panic) = shows.show(&topic_info.name, event);
    let (follower, origin) = (config.follower(), follows.origin());
    let work = Emitting::begin(follower, topic_info, text, origin, place);
    // As a part of the emission, if it has begun.
    if let Some(panic) = panic {
        report_panic(panic, topic_info, config);
    }
    drop_shows(shows, config);
    work
}

/// What identifies a handler in what is recorded.
pub(crate) fn key_of<M: Primitives>(head: &Header<M>) -> HandlerKey<'_> {
    HandlerKey {
        topic: head.info.as_deref().map(SignalInfo::name),
        label: head.label(),
        // Of a replacement, that of the handler that was subscribed.
        place: head.original().location,
    }
}

/// Calls handlers one by one, and records each call. Out of line, so that emissions that nobody follows have small frames.
#[inline(never)]
pub(super) fn call<M: SignalFlavour, E: 'static, C: 'static>(
    handlers: impl Borrow<[HandlerRef<M, C>]>,
    event: &E,
    (topic_info, config): (&TopicInfo, &BusConfig<M>),
    context: &mut C,
    follows: Follows<'_>,
    unhandled: impl FnOnce() -> Option<HandlerRef<M, C>>,
    place: CallSite,
) -> EmissionSummary {
    let Some(mut work) = begin(Some(event), topic_info, config, follows, place) else {
        return call_and_collect(handlers, event, topic_info, config, context, unhandled);
    };
    let span = enter_span(handlers.borrow(), topic_info, follows);
    let mut calls = Calls::new();
    let all = handlers.borrow();
    let mut summary = call_each(all, event, topic_info, context, &mut work, &mut calls);
    let is_orphaned = record_all(
        handlers,
        &calls,
        topic_info,
        config,
        &mut work,
        &mut summary,
    );
    if let (true, Some(hook)) = (is_orphaned, is_orphaned.then(unhandled).flatten()) {
        // Catches its own panics, and is no handler that has run.
        call_one(
            &mut work,
            std::slice::from_ref(&hook),
            event,
            topic_info,
            config,
            context,
        );
    }
    if let Some(span) = span {
        span.end(summary.counts.ran(), summary.counts.stopped());
    }
    end(&mut work, &mut summary);
    summary
}

fn enter_span<M: SignalFlavour, C: 'static>(
    handlers: &[HandlerRef<M, C>],
    topic_info: &TopicInfo,
    follows: Follows<'_>,
) -> Option<TracedSpan> {
    (!handlers.is_empty()).then(|| trace::emission(&topic_info.name, follows.span()))
}

type Calls = SmallVec<[Called; 4]>;

/// Calls handlers until one stops the emission. Small, because emissions nest.
#[inline(never)]
fn call_each<M: SignalFlavour, E: 'static, C: 'static>(
    handlers: &[HandlerRef<M, C>],
    event: &E,
    topic_info: &TopicInfo,
    context: &mut C,
    work: &mut Emitting,
    calls: &mut Calls,
) -> EmissionSummary {
    let mut summary = EmissionSummary::NOTHING;
    calls.reserve(handlers.len());
    for handler in handlers {
        let one = std::slice::from_ref(handler);
        let call = work.begin_call(handler.head().location);
        let done = call_all(one, event, topic_info, context);
        let counts = done.counts;
        calls.push(work.end_call(call, counts.ran() > 0));
        summary.add(done);
        if counts.stopped() || counts.closed() {
            break;
        }
    }
    summary
}

/// Records the calls of an emission, lets go of its handlers, and collects what has failed. Returns whether each of
/// them had a dead target.
#[inline(never)]
fn record_all<M: SignalFlavour, C: 'static>(
    handlers: impl Borrow<[HandlerRef<M, C>]>,
    calls: &[Called],
    topic_info: &TopicInfo,
    config: &BusConfig<M>,
    work: &mut Emitting,
    summary: &mut EmissionSummary,
) -> bool {
    let all = handlers.borrow();
    let end = (summary.counts.ran(), summary.counts.stopped());
    record(work, all, calls, topic_info, config, Some(end));
    let is_orphaned = !all.is_empty() && orphans() == all.len();
    // Before the failures are collected: the drop of captures may panic.
    drop(handlers);
    if thread::failures() != 0 {
        collect(config, summary);
    }
    if is_orphaned {
        summary.counts.0 |= PackedCounts::ORPHANED;
    }
    is_orphaned
}

/// Calls one handler as a part of an emission, and records the call.
pub(super) fn call_one<M: SignalFlavour, E: 'static, C: 'static>(
    work: &mut Emitting,
    one: &[HandlerRef<M, C>],
    event: &E,
    topic_info: &TopicInfo,
    config: &BusConfig<M>,
    context: &mut C,
) -> EmissionSummary {
    let call = work.begin_call(one[0].head().location);
    let done = call_and_collect(one, event, topic_info, config, context, || None);
    let called = work.end_call(call, done.counts.ran() > 0);
    record(work, one, &[called], topic_info, config, None);
    done
}

/// Calls one handler outside of an emission of its own, and counts the call.
pub(super) fn call_part<M: SignalFlavour, E: 'static, C: 'static>(
    one: &[HandlerRef<M, C>],
    event: &E,
    topic_info: &TopicInfo,
    config: &BusConfig<M>,
    context: &mut C,
    follows: Follows<'_>,
) -> EmissionSummary {
    match Emitting::part(config.follower(), matches!(follows, Follows::Part(_))) {
        Some(mut work) => call_one(&mut work, one, event, topic_info, config, context),
        None => call_and_collect(one, event, topic_info, config, context, || None),
    }
}

/// Records the calls of these handlers, and tells of those that were slow.
fn record<'h, M: SignalFlavour, C: 'static>(
    work: &mut Emitting,
    handlers: &'h [HandlerRef<M, C>],
    calls: &[Called],
    topic_info: &TopicInfo,
    config: &BusConfig<M>,
    end: Option<(u32, bool)>,
) {
    let id = |handler: &HandlerRef<M, C>| HandlerId {
        sequence: handler.head().sequence,
        address: std::ptr::from_ref(handler.head()).addr(),
    };
    let describe = |handler: &'h HandlerRef<M, C>| {
        let counting = match handler.describe().kind {
            HandlerKind::Queue { .. } => Counting::Later,
            HandlerKind::Async => Counting::Future,
            HandlerKind::Hook => Counting::Hook,
            _ => Counting::Here,
        };
        (key_of(handler.head()), counting)
    };
    let slow = work.record(handlers, calls, id, describe, end);
    for (index, took) in slow {
        let key = key_of(handlers[index].head());
        config.warn(&key.slow(&topic_info.name, took));
    }
}

/// Ends what was recorded of an emission, and hands its number on to those who look at the failures.
pub(super) fn end(work: &mut Emitting, summary: &mut EmissionSummary) {
    set_cause(&mut summary.report, work.cause());
    work.end(summary.counts.ran(), summary.counts.stopped());
}

/// Records an emission that nobody is there for. `None`: its event was not made.
#[track_caller]
pub(crate) fn unheard<M: Primitives, E: 'static>(
    event: Option<&E>,
    topic_info: &TopicInfo,
    config: &BusConfig<M>,
) -> EmissionSummary {
    let mut summary = EmissionSummary::NOTHING;
    if let Some(mut work) = begin(event, topic_info, config, Follows::NONE, Location::caller()) {
        end(&mut work, &mut summary);
    }
    summary
}
