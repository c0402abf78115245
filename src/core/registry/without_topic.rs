//! Emissions to a name whose topic does not exist.

use std::borrow::Borrow;
use std::panic::Location;

use smallvec::SmallVec;

use crate::core::emission::call::refused;
#[cfg(feature = "follow")]
use crate::core::emission::followed;
use crate::core::emission::gathered::call_traced;
use crate::core::emission::run::{after, make};
use crate::core::emission::summary::EmissionSummary;
use crate::core::failure::link::Follows;
use crate::core::handler::erased::{HandlerRef, rank};
use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::registry::registry::{Registry, RegistryFlavour};
use crate::core::settings::failure_source::drop_event_about;
use crate::core::signal::directory::Directory;
use crate::core::signal::signal::{PatternSignal, PatternSignals, sequence_limit};
use crate::topic::any_event::{Kind, TopicInfo};
use crate::topic::name::Name;

/// Calls the handlers of the patterns that match a name without a topic. Stores nothing of the name, and
/// calls up to eight handlers without allocating.
///
/// Panics from making or dropping the event are treated as in
/// [`run_lazy`](crate::core::emission::run::run_lazy).
#[track_caller]
pub(crate) fn run<M: RegistryFlavour, E: 'static, C: 'static, B: Borrow<E>>(
    registry: &Registry<M, C>,
    patterns: PatternSignals<M, C>,
    name: &Name,
    event: impl FnOnce() -> B,
    #[cfg_attr(not(feature = "follow"), expect(unused_variables))] made: Option<&E>,
    context: &mut C,
) -> EmissionSummary {
    let config = &registry.config;
    let mut handlers = SmallVec::<[HandlerRef<M, C>; 8]>::new();
    let mut push = |handler| handlers.push(handler);
    patterns
        .iter()
        .for_each(|pattern| pattern.upgrade_all(&mut push));
    if handlers.iter().any(HandlerRef::<M, C>::is_orphaned) {
        handlers.retain(|it| !it.is_orphaned());
        patterns.iter().for_each(|pattern| pattern.prune());
    }
    if handlers.is_empty() {
        if registry.is_closed() {
            return EmissionSummary::CLOSED;
        }
        let Some(unhandled) = registry.unhandled() else {
            #[cfg(feature = "follow")]
            if config.follower() != 0 {
                let info = TopicInfo::new::<E>(Kind::Topic, name.clone());
                return followed::unheard(made, &info, config);
            }
            return EmissionSummary::NOTHING;
        };
        handlers.push(unhandled);
    }
    let sequence_limit = sequence_limit();
    // Before any user code: from here on there are strong references to the handlers.
    let enter = |pattern: &M::Ptr<PatternSignal<M, C>>| {
        let inside = pattern.address();
        thread::enter_scope(ActiveScope {
            inside,
            sequence_limit,
        })
    };
    let scope_guards: SmallVec<[_; 4]> = patterns.iter().map(enter).collect();
    let location = Location::caller();
    let Some(depth_guard) = thread::enter_emission(config.max_depth()) else {
        return refused(name, config, location);
    };
    let (event, failed) = make(event, config);
    handlers.sort_unstable_by_key(rank);
    let info = TopicInfo::new::<E>(Kind::Topic, name.clone());
    let summary = call_traced(
        handlers,
        event.borrow(),
        &info,
        config,
        context,
        Follows::NONE,
        || registry.unhandled(),
    );
    drop(scope_guards);
    drop(depth_guard);
    drop_event_about(event, &info, config, location);
    after(failed, summary)
}
