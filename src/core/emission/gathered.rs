//! Emissions without a published snapshot: they collect their handlers, with strong references.

use std::borrow::Borrow;
use std::panic::Location;

use smallvec::SmallVec;

use crate::core::emission::call::{call_and_collect, collect, refused, tell_unhandled};
#[cfg(feature = "follow")]
use crate::core::emission::followed;
use crate::core::emission::summary::{EmissionSummary, PackedCounts};
use crate::core::failure::link::Follows;
use crate::core::failure::trace;
use crate::core::handler::erased::{HandlerRef, rank};
use crate::core::primitives::sync::Word;
use crate::core::primitives::thread::{self, DepthGuard};
use crate::core::settings::bus::BusConfig;
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::expected::FewHandlers;
use crate::core::signal::retain::{Kept, Retain};
use crate::core::signal::signal::Signal;
use crate::topic::any_event::TopicInfo;

/// Retains the event of a signal that retains events, and calls the handlers of that moment; calls those of a signal
/// that [expects](run_expected) the event. Returns the depth guard otherwise.
#[cfg_attr(feature = "follow", track_caller)]
pub(crate) fn run_retained<M: SignalFlavour, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    depth_guard: DepthGuard,
    event: &E,
    context: &mut C,
    follows: Follows<'_>,
) -> Result<EmissionSummary, DepthGuard> {
    if !signal.info.topic_info.retains() {
        return run_expected(signal, depth_guard, event, context, follows);
    }
    let mut handlers = SmallVec::<[HandlerRef<M, C>; 8]>::new();
    let Some(retained) = signal.retained() else {
        return Err(depth_guard);
    };
    let kept = signal.keep(&retained, event, true, &mut |it| handlers.push(it));
    let Some((sequence_limit, kept)) = kept else {
        // The clone of the event, or its drop, may have failed.
        let mut summary = EmissionSummary::CLOSED;
        collect(&signal.info.config, &mut summary);
        drop(depth_guard);
        return Ok(summary);
    };
    let depth_guard = signal.enter(depth_guard, sequence_limit);
    handlers.sort_unstable_by_key(rank);
    let SignalInfo {
        topic_info, config, ..
    } = &*signal.info;
    let unhandled = || signal.unhandled();
    let mut summary = match &kept {
        Some(kept) if !handlers.is_empty() => {
            let span = trace::emission(&topic_info.name, follows.span());
            let summary = call_in_turn(signal, &*retained, handlers, kept, event, context, follows);
            span.end(summary.counts.ran(), summary.counts.stopped());
            summary
        }
        // Nobody is there, or the event could not be cloned.
        _ => call_traced(
            handlers, event, topic_info, config, context, follows, unhandled,
        ),
    };
    // It may be the last reference by now, and the drop may fail.
    drop_event(kept, &signal.info, retained.head().location);
    let mut dropped = EmissionSummary::NOTHING;
    collect(config, &mut dropped);
    summary.add(dropped);
    drop(depth_guard);
    Ok(summary)
}

/// Calls the handlers of this moment without publishing them, where the event may remove one of them: a future that
/// waits for any event. Returns the depth guard if there are none, or many.
#[cfg_attr(feature = "follow", track_caller)]
fn run_expected<M: SignalFlavour, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    depth_guard: DepthGuard,
    event: &E,
    context: &mut C,
    follows: Follows<'_>,
) -> Result<EmissionSummary, DepthGuard> {
    let topic_info = &signal.info.topic_info;
    if !topic_info.expects() {
        return Err(depth_guard);
    }
    let mut handlers = FewHandlers::<M, C>::new();
    let collected = signal.collect_expecting(&mut handlers);
    let Some((sequence_limit, ends)) = collected.filter(|_| !handlers.is_empty()) else {
        topic_info.set_expects(false);
        return Err(depth_guard);
    };
    let depth_guard = signal.enter(depth_guard, sequence_limit);
    let (config, unhandled) = (&signal.info.config, || signal.unhandled());
    let handlers = Emptied(&mut handlers);
    let mut summary = call_traced(
        handlers, event, topic_info, config, context, follows, unhandled,
    );
    if !ends || summary.counts.stopped() || summary.has_failed() {
        publish_after(signal, &mut summary);
    }
    drop(depth_guard);
    Ok(summary)
}

/// Publishes a list after an emission that had no handler to remove, or may not have come to it. The handlers may stay
/// for long, and emissions that follow find the list, as they do after any other.
#[cold]
fn publish_after<M: SignalFlavour, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    summary: &mut EmissionSummary,
) {
    signal.info.topic_info.set_expects(false);
    drop(signal.load_slow());
    // It may have been the last reference to the list by now.
    let mut dropped = EmissionSummary::NOTHING;
    collect(&signal.info.config, &mut dropped);
    summary.add(dropped);
}

/// Handlers that stay where they are, because to move them costs more than to call one. Drops them.
struct Emptied<'h, M: SignalFlavour, C: 'static>(&'h mut FewHandlers<M, C>);

impl<M: SignalFlavour, C: 'static> Borrow<[HandlerRef<M, C>]> for Emptied<'_, M, C> {
    fn borrow(&self) -> &[HandlerRef<M, C>] {
        self.0
    }
}

impl<M: SignalFlavour, C: 'static> Drop for Emptied<'_, M, C> {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// Calls handlers with a retained event, each after what it has not been given yet.
#[cfg_attr(feature = "follow", track_caller)]
#[cfg_attr(not(feature = "follow"), expect(unused_variables))]
fn call_in_turn<M: SignalFlavour, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    retained: &dyn Retain<M, E, C>,
    handlers: SmallVec<[HandlerRef<M, C>; 8]>,
    kept: &Kept<M, E>,
    event: &E,
    context: &mut C,
    follows: Follows<'_>,
) -> EmissionSummary {
    let SignalInfo {
        topic_info, config, ..
    } = &*signal.info;
    #[cfg(feature = "follow")]
    let mut work = followed::begin(Some(event), topic_info, config, follows, Location::caller());
    let (mut summary, mut orphaned, mut closed) = (EmissionSummary::NOTHING, 0, false);
    let count = handlers.len();
    for handler in handlers {
        retained.deliver(&handler, kept.number, &signal.info, &mut |older| {
            let one = std::slice::from_ref(&handler);
            let mut call = |event: &E| {
                #[cfg(feature = "follow")]
                if let Some(work) = &mut work {
                    return followed::call_one(work, one, event, topic_info, config, context);
                }
                call_and_collect(one, event, topic_info, config, context, || None)
            };
            let done = match older {
                None => {
                    let done = call(event);
                    kept.note(done.counts.ran(), done.counts.stopped());
                    orphaned += usize::from(done.counts.orphaned());
                    closed |= done.counts.closed();
                    done
                }
                // On a level of its own: it is not the event of an awaited emission.
                Some(older) => {
                    let level = thread::enter_emission(usize::MAX);
                    let done = call(&older.event);
                    drop(level);
                    older.note(done.counts.ran(), done.counts.stopped());
                    done
                }
            };
            summary.add(done);
        });
        drop(handler);
    }
    collect(config, &mut summary);
    summary.counts = PackedCounts::of(kept.ran.get(), kept.stopped.get() != 0, closed);
    if count > 0 && orphaned == count {
        tell_unhandled(event, topic_info, context, || signal.unhandled());
    }
    #[cfg(feature = "follow")]
    if let Some(mut work) = work {
        followed::end(&mut work, &mut summary);
    }
    summary
}

/// Calls the handlers that a closed signal keeps for the events that it has accepted.
#[track_caller]
pub(crate) fn run_late<M: SignalFlavour, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    event: &E,
    context: &mut C,
    follows: Follows<'_>,
) -> EmissionSummary {
    let SignalInfo {
        topic_info, config, ..
    } = &*signal.info;
    let mut handlers = SmallVec::<[HandlerRef<M, C>; 8]>::new();
    let unhandled = signal.unhandled();
    let (sequence_limit, patterns) =
        signal.collect_late(unhandled.as_ref(), &mut |it| handlers.push(it));
    if handlers.is_empty() {
        return EmissionSummary::NOTHING;
    }
    let Some(depth_guard) = thread::enter_emission(config.max_depth()) else {
        return refused(signal.info.name(), config, Location::caller());
    };
    let depth_guard = signal.enter(depth_guard, sequence_limit);
    // Nothing that is upgraded under a lock is dropped there.
    drop(patterns);
    handlers.sort_unstable_by_key(rank);
    let late = topic_info.late();
    let summary = call_traced(handlers, event, &late, config, context, follows, || {
        unhandled
    });
    drop(depth_guard);
    summary
}

/// Collects the handlers of an event of the signal, sorted by rank, and returns the sequence limit. Retains
/// the event, if the signal retains events, after all handlers have been handed the earlier ones. `None`: the
/// signal is closed.
pub(crate) fn collect_handlers<M: SignalFlavour, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    event: &E,
    context: &mut C,
    handlers: &mut Vec<HandlerRef<M, C>>,
) -> Option<u64> {
    let mut give = |it| handlers.push(it);
    let sequence_limit = match signal.retained() {
        Some(retained) => {
            retained.catch_up(&signal.info, context);
            signal.keep(&retained, event, false, &mut give)?.0
        }
        None => {
            signal
                .collect_handlers(signal.unhandled().as_ref(), &mut give)?
                .0
        }
    };
    handlers.sort_unstable_by_key(rank);
    Some(sequence_limit)
}

/// Calls one handler with one event, which may have others.
#[cfg_attr(feature = "follow", track_caller)]
pub(crate) fn run_one<M: SignalFlavour, E: 'static, C: 'static>(
    handler: &HandlerRef<M, C>,
    event: &E,
    info: &SignalInfo<M>,
    context: &mut C,
    follows: Follows<'_>,
) -> EmissionSummary {
    let SignalInfo {
        topic_info, config, ..
    } = info;
    let Some(depth_guard) = thread::enter_emission(config.max_depth()) else {
        return refused(info.name(), config, handler.head().location);
    };
    let handlers = std::slice::from_ref(handler);
    let span = trace::emission(&topic_info.name, follows.span());
    #[cfg(feature = "follow")]
    let summary = followed::call_part(handlers, event, topic_info, config, context, follows);
    #[cfg(not(feature = "follow"))]
    let summary = call_and_collect(handlers, event, topic_info, config, context, || None);
    span.end(summary.counts.ran(), summary.counts.stopped());
    drop(depth_guard);
    summary
}

/// Calls handlers inside of a span, and has them recorded if their bus is followed.
#[inline]
#[cfg_attr(feature = "follow", track_caller)]
pub(crate) fn call_traced<M: SignalFlavour, E: 'static, C: 'static>(
    handlers: impl Borrow<[HandlerRef<M, C>]>,
    event: &E,
    topic_info: &TopicInfo,
    config: &BusConfig<M>,
    context: &mut C,
    follows: Follows<'_>,
    unhandled: impl FnOnce() -> Option<HandlerRef<M, C>>,
) -> EmissionSummary {
    #[cfg(feature = "follow")]
    if config.follower() != 0 {
        let (about, place) = ((topic_info, config), Location::caller());
        return followed::call(handlers, event, about, context, follows, unhandled, place);
    }
    if handlers.borrow().is_empty() {
        // No span. Retaining the event may have failed.
        return call_and_collect(handlers, event, topic_info, config, context, unhandled);
    }
    let span = trace::emission(&topic_info.name, follows.span());
    let summary = call_and_collect(handlers, event, topic_info, config, context, unhandled);
    span.end(summary.counts.ran(), summary.counts.stopped());
    summary
}
