//! Emissions to a topic by its name.

use crate::core::emission::call::collect;
#[cfg(feature = "follow")]
use crate::core::emission::followed;
use crate::core::emission::run::{self as emission, after, run_list};
use crate::core::emission::summary::EmissionSummary;
use crate::core::primitives::thread::{self, DepthGuard};
use crate::core::reclaim::publication::Loaded;
use crate::core::registry::registry::{Found, LookUp, Registry, RegistryFlavour};
use crate::core::registry::without_topic;
use crate::core::signal::directory::Directory;
use crate::core::signal::handler_list::LoadedList;
use crate::error::WrongType;
use crate::topic::name::Name;

/// Calls the handlers of a topic, as they are now, with one event. Takes no lock if a list of them is published, and
/// none of them is a pattern's.
#[inline(always)]
#[track_caller]
pub(crate) fn run<M: RegistryFlavour, E: 'static, C: 'static>(
    registry: &Registry<M, C>,
    name: &Name,
    event: &E,
    context: &mut C,
) -> Result<EmissionSummary, WrongType> {
    let config = &registry.config;
    let Some(depth_guard) = thread::enter_emission(config.max_depth()) else {
        let found = registry.find(name.as_str())?;
        return Ok(run_found(registry, found, name, event, context));
    };
    match registry.look_up::<E>(name.as_str(), depth_guard.above()) {
        LookUp::Handlers(list) if list.is_own() => {
            let unhandled = || registry.unhandled();
            let summary = run_list(list, event, config, context, unhandled);
            drop(depth_guard);
            Ok(summary)
        }
        LookUp::Nobody => Ok(EmissionSummary::NOTHING),
        LookUp::NoTopic => {
            drop(depth_guard);
            let patterns = registry.patterns(name.as_str(), thread::depth());
            Ok(without_topic::run::<M, E, C, &E>(
                registry,
                patterns,
                name,
                || event,
                Some(event),
                context,
            ))
        }
        other => run_locked(registry, other, depth_guard, name, event, context),
    }
}

/// Looks the topic up under the lock, and has its list published, so that the next emission need not come here. Does
/// not, if the bus is followed and there is one.
#[cold]
#[inline(never)]
#[track_caller]
fn run_locked<M: RegistryFlavour, E: 'static, C: 'static>(
    registry: &Registry<M, C>,
    looked_up: LookUp<M, C>,
    depth_guard: DepthGuard,
    name: &Name,
    event: &E,
    context: &mut C,
) -> Result<EmissionSummary, WrongType> {
    let config = &registry.config;
    // On the level of the emission: this may drop captures, which may panic.
    drop(looked_up);
    #[cfg(feature = "follow")]
    if config.follower() != 0 {
        match registry.look_up_followed::<E>(name.as_str(), depth_guard.above()) {
            LookUp::Handlers(list) if list.is_own() => {
                let unhandled = || registry.unhandled();
                let summary = followed::run_list(list, event, config, context, unhandled);
                drop(depth_guard);
                return Ok(summary);
            }
            other => drop(other),
        }
    }
    let found = registry.find::<E>(name.as_str());
    if let Some(Loaded::Found(list)) = found.as_ref().ok().and_then(load_own) {
        if list.is_own() {
            // From here on as if it had been found without the lock: nobody keeps the topic.
            drop(found);
            let depth_guard = depth_guard.with_scope(list.scope());
            let unhandled = || registry.unhandled();
            #[cfg(feature = "follow")]
            if config.follower() != 0 {
                let summary = followed::run_list(list, event, config, context, unhandled);
                drop(depth_guard);
                return Ok(summary);
            }
            let summary = run_list(list, event, config, context, unhandled);
            drop(depth_guard);
            return Ok(summary);
        }
    }
    let mut dropped = EmissionSummary::NOTHING;
    collect(config, &mut dropped);
    drop(depth_guard);
    let summary = run_found(registry, found?, name, event, context);
    Ok(after(dropped.report, summary))
}

/// The list of a topic that has handlers and no patterns, published if it was not.
fn load_own<M: RegistryFlavour, E: 'static, C: 'static>(
    found: &Found<M, E, C>,
) -> Option<LoadedList<M, C>> {
    let Found::Topic(signal) = found else {
        return None;
    };
    let info = &signal.info.topic_info;
    let is_other = signal.is_silent() || info.is_matched() || info.expects();
    if is_other { None } else { signal.load_slow() }
}

/// Calls the handlers of what was found, and keeps it meanwhile.
#[track_caller]
fn run_found<M: RegistryFlavour, E: 'static, C: 'static>(
    registry: &Registry<M, C>,
    found: Found<M, E, C>,
    name: &Name,
    event: &E,
    context: &mut C,
) -> EmissionSummary {
    match found {
        Found::Topic(signal) => emission::run(&signal, event, context),
        Found::Patterns(patterns) => without_topic::run::<M, E, C, &E>(
            registry,
            patterns,
            name,
            || event,
            Some(event),
            context,
        ),
    }
}
