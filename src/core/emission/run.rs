//! Emissions that read the published snapshot of a signal.

use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};

use crate::core::emission::call::{call_all, call_and_collect, collect, refused, tell_unhandled};
#[cfg(feature = "follow")]
use crate::core::emission::followed;
use crate::core::emission::gathered::{self, call_traced};
use crate::core::emission::summary::EmissionSummary;
use crate::core::failure::link::Follows;
use crate::core::failure::report::Report;
use crate::core::failure::trace;
use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::thread::{self, DepthGuard};
use crate::core::reclaim::hazard::ReadGuard;
use crate::core::reclaim::publication::{Loaded, SnapshotGuard};
use crate::core::settings::bus::BusConfig;
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::handler_list::{HandlerList, PublishedList};
use crate::core::signal::signal::Signal;
use crate::failure::CallSite;

/// Calls the handlers of `signal`, as they are now, with one event. Panics of handlers are in the report,
/// and do not unwind from here.
#[inline(always)]
#[track_caller]
pub(crate) fn run<M: SignalFlavour, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    event: &E,
    context: &mut C,
) -> EmissionSummary {
    run_followed(signal, event, context, Follows::NONE)
}

/// Like [`run`], with what its span follows from.
#[inline(always)]
#[track_caller]
pub(crate) fn run_followed<M: SignalFlavour, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    event: &E,
    context: &mut C,
    follows: Follows<'_>,
) -> EmissionSummary {
    // Found once: it is behind a pointer.
    let published = &*signal.published;
    if published.is_empty() {
        return EmissionSummary::NOTHING;
    }
    let Some(depth_guard) = thread::enter_emission(signal.max_depth) else {
        return too_deep(signal, Location::caller());
    };
    match published.try_load(depth_guard.above()) {
        Some(guard) => read(signal, guard, depth_guard, event, context, follows),
        None => load_slow(signal, depth_guard, event, context, follows),
    }
}

/// Like [`run`], with an event that is created only if there are handlers, on the level of the emission. A panic
/// while it is created unwinds to the caller; a panic while it is dropped is a failure of the topic.
#[inline]
#[track_caller]
pub(crate) fn run_lazy<M: SignalFlavour, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    event: impl FnOnce() -> E,
    context: &mut C,
) -> EmissionSummary {
    if signal.is_silent() {
        return EmissionSummary::NOTHING;
    }
    if signal.is_closed() {
        return EmissionSummary::CLOSED;
    }
    let Some(depth_guard) = thread::enter_emission(signal.max_depth) else {
        return too_deep(signal, Location::caller());
    };
    if !signal.has_receiver(depth_guard.above()) {
        #[cfg(not(feature = "follow"))]
        let summary = EmissionSummary::NOTHING;
        #[cfg(feature = "follow")]
        let summary = followed::unheard::<M, E>(None, &signal.info.topic_info, &signal.info.config);
        return end(signal, depth_guard, summary);
    }
    let (event, made) = make(event, &signal.info.config);
    let follows = Follows::NONE;
    let summary = match signal.try_load(depth_guard.above()) {
        Some(guard) => read(signal, guard, depth_guard, &event, context, follows),
        None => load_slow(signal, depth_guard, &event, context, follows),
    };
    let summary = after(made, summary);
    drop_event(event, &signal.info, Location::caller());
    summary
}

/// Creates the event of an emission whose level is open. What fails meanwhile is in the report; a panic of
/// `event` itself unwinds.
pub(crate) fn make<M: Primitives, B>(
    event: impl FnOnce() -> B,
    config: &BusConfig<M>,
) -> (B, Option<Box<Report>>) {
    let event = catch_unwind(AssertUnwindSafe(event));
    let mut summary = EmissionSummary::NOTHING;
    collect(config, &mut summary);
    match event {
        Ok(event) => (event, summary.report),
        Err(payload) => {
            drop(summary);
            resume_unwind(payload)
        }
    }
}

/// The summary of an emission, with what failed while its event was made.
pub(crate) fn after(made: Option<Box<Report>>, mut summary: EmissionSummary) -> EmissionSummary {
    if let Some(mut made) = made {
        if let Some(mut later) = summary.report {
            made.append(&mut later);
            #[cfg(feature = "follow")]
            {
                made.cause = later.cause;
            }
        }
        summary.report = Some(made);
    }
    summary
}

/// Consecutive emissions of one signal on one thread, with one read guard for all of them. Whether its
/// snapshot is still published is checked after each emission.
pub(crate) struct Runner<'s, M: SignalFlavour, E: 'static, C: 'static> {
    signal: &'s Signal<M, E, C>,
    /// That of the signal, where it is a pointer away.
    published: &'s PublishedList<M, C>,
    guard: Option<SnapshotGuard<M, HandlerList<M, C>, M::ReadGuard>>,
    follows: Follows<'s>,
}

impl<'s, M: SignalFlavour, E, C> Runner<'s, M, E, C> {
    pub(crate) fn new(signal: &'s Signal<M, E, C>, follows: Follows<'s>) -> Self {
        Runner {
            signal,
            published: &signal.published,
            guard: None,
            follows,
        }
    }

    /// Emits one event.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn emit(&mut self, event: &E, context: &mut C) -> EmissionSummary {
        let (signal, published) = (self.signal, self.published);
        // It was published when the emission before this one ended, and no user code has run since.
        let current = self.guard.is_some();
        if !current && published.is_empty() {
            return EmissionSummary::NOTHING;
        }
        let Some(depth_guard) = thread::enter_emission(signal.max_depth) else {
            // Runs a hook, which may need the slot.
            self.guard = None;
            return too_deep(signal, Location::caller());
        };
        if !current {
            self.guard = published.try_load(depth_guard.above());
        }
        let Some(guard) = &self.guard else {
            return load_slow(signal, depth_guard, event, context, self.follows);
        };
        let span = trace::emission(signal.info.name(), self.follows.span());
        let mut summary = call_all(guard, event, &signal.info.topic_info, context);
        if !published.publishes(guard) {
            // The handlers have changed: this may drop captures, which may panic.
            self.guard = None;
        }
        if thread::failures() != 0 {
            // Handling the report may run user code, such as a payload's `Drop`, which may need the slot.
            self.guard = None;
            collect(&signal.info.config, &mut summary);
            if summary.counts.orphaned() {
                let info = &signal.info.topic_info;
                tell_unhandled(event, info, context, || signal.unhandled());
            }
        }
        span.end(summary.counts.ran(), summary.counts.stopped());
        drop(depth_guard);
        summary
    }
}

/// Runs an emission whose snapshot is not published, or cannot be read without the lock.
#[cold]
#[inline(never)]
#[cfg_attr(feature = "follow", track_caller)]
fn load_slow<M: SignalFlavour, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    depth_guard: DepthGuard,
    event: &E,
    context: &mut C,
    follows: Follows<'_>,
) -> EmissionSummary {
    #[cfg(feature = "follow")]
    if let Some(guard) = signal.published.try_load_any(depth_guard.above()) {
        return read_slow(signal, guard, depth_guard, event, context, follows);
    }
    let mut depth_guard = depth_guard;
    loop {
        depth_guard = match gathered::run_retained(signal, depth_guard, event, context, follows) {
            Ok(summary) => return summary,
            Err(depth_guard) => depth_guard,
        };
        return match signal.load_slow() {
            Some(Loaded::Found(guard)) => {
                let depth_guard = depth_guard.with_scope(guard.scope());
                read_slow(signal, guard, depth_guard, event, context, follows)
            }
            Some(Loaded::Closed) => end(signal, depth_guard, EmissionSummary::CLOSED),
            Some(Loaded::Empty) => end(signal, depth_guard, EmissionSummary::NOTHING),
            None => continue,
        };
    }
}

/// Ends an emission that has called nobody. What it has let go of on the way may have panicked when it was dropped.
#[cold]
fn end<M: SignalFlavour, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    depth_guard: DepthGuard,
    mut summary: EmissionSummary,
) -> EmissionSummary {
    collect(&signal.info.config, &mut summary);
    drop(depth_guard);
    summary
}

/// Calls the handlers of a list that was found on the slow way: the bus may be followed.
#[cfg_attr(feature = "follow", track_caller)]
fn read_slow<M: SignalFlavour, E: 'static, C: 'static, P: ReadGuard<M>, L>(
    signal: &Signal<M, E, C>,
    guard: SnapshotGuard<M, HandlerList<M, C>, P>,
    depth_guard: L,
    event: &E,
    context: &mut C,
    follows: Follows<'_>,
) -> EmissionSummary {
    let SignalInfo {
        topic_info, config, ..
    } = &*signal.info;
    let unhandled = || signal.unhandled();
    let summary = call_traced(
        guard, event, topic_info, config, context, follows, unhandled,
    );
    drop(depth_guard);
    summary
}

#[inline(always)]
#[cfg_attr(feature = "follow", track_caller)]
fn read<M: SignalFlavour, E: 'static, C: 'static, P: ReadGuard<M>, L>(
    signal: &Signal<M, E, C>,
    guard: SnapshotGuard<M, HandlerList<M, C>, P>,
    depth_guard: L,
    event: &E,
    context: &mut C,
    follows: Follows<'_>,
) -> EmissionSummary {
    let SignalInfo {
        topic_info, config, ..
    } = &*signal.info;
    let unhandled = || signal.unhandled();
    // Two functions, so that the usual one does not pay for a span.
    let summary = if trace::is_enabled() {
        call_traced(
            guard, event, topic_info, config, context, follows, unhandled,
        )
    } else {
        call_and_collect(guard, event, topic_info, config, context, unhandled)
    };
    drop(depth_guard);
    summary
}

/// Calls the handlers of a list, whose signal nobody keeps. The level of the emission is open.
#[inline(always)]
pub(crate) fn run_list<M: SignalFlavour, E: 'static, C: 'static, P: ReadGuard<M>>(
    list: SnapshotGuard<M, HandlerList<M, C>, P>,
    event: &E,
    config: &BusConfig<M>,
    context: &mut C,
    unhandled: impl FnOnce() -> Option<HandlerRef<M, C>>,
) -> EmissionSummary {
    let span = trace::emission(list.info.name(), Follows::NONE.span());
    let mut summary = call_all(&list, event, &list.info.topic_info, context);
    let orphaned = summary.counts.orphaned().then(|| list.info.clone());
    // Before the failures are collected: the drop of captures may panic.
    drop(list);
    if thread::failures() != 0 {
        collect(config, &mut summary);
        if let Some(info) = orphaned {
            tell_unhandled(event, &info.topic_info, context, unhandled);
        }
    }
    span.end(summary.counts.ran(), summary.counts.stopped());
    summary
}

#[cold]
#[inline(never)]
fn too_deep<M: SignalFlavour, E: 'static, C: 'static>(
    signal: &Signal<M, E, C>,
    location: CallSite,
) -> EmissionSummary {
    if signal.is_closed() {
        return EmissionSummary::CLOSED;
    }
    #[cfg(feature = "follow")]
    if signal.info.config.follower() != 0 && signal.is_vacant() {
        // It has come here only to be counted.
        return EmissionSummary::NOTHING;
    }
    refused(signal.info.name(), &signal.info.config, location)
}
