//! Emissions to a name that nobody holds.

use std::borrow::Borrow;
use std::panic::Location;

use smallvec::SmallVec;

use crate::core::emission::call::refused;
use crate::core::emission::gathered::call_traced;
use crate::core::emission::summary::Tally;
use crate::core::failure::trace::Follows;
use crate::core::handler::entry::{Handler, rank};
use crate::core::primitives::thread::{self, Frame};
use crate::core::registry::registry::{Registers as Mode, Registry};
use crate::core::settings::failure_source::drop_event_about;
use crate::core::signal::directory::Directory;
use crate::core::signal::signal::{Group, Groups, horizon};
use crate::topic::any_event::{Kind, Subject};
use crate::topic::name::Name;

/// Calls the handlers of the patterns that a name matches which nobody holds. Nothing is kept of
/// the name, and up to eight handlers are called without allocating.
///
/// What panics when the event is made, or is dropped, is as in [`run_lazy`](crate::core::emission::run::run_lazy).
#[track_caller]
pub(crate) fn run_unheld<M: Mode, E: 'static, C: 'static, B: Borrow<E>>(
    registry: &Registry<M, C>,
    groups: Groups<M, C>,
    name: &Name,
    event: impl FnOnce() -> B,
    context: &mut C,
) -> Tally {
    let (horizon, settings) = (horizon(), &registry.settings);
    let mut handlers = SmallVec::<[Handler<M, C>; 8]>::new();
    let mut give = |it| handlers.push(it);
    groups.iter().for_each(|group| group.hold_all(&mut give));
    if handlers.is_empty() {
        if registry.is_closed() {
            return Tally::CLOSED;
        }
        let Some(unhandled) = registry.unhandled() else {
            return Tally::NOTHING;
        };
        handlers.push(unhandled);
    }
    // All that is of the user's comes after this: there are holds.
    let occupy = |group: &M::Ptr<Group<M, C>>| {
        let inside = group.address();
        thread::occupy(Frame { inside, horizon })
    };
    let occupied: SmallVec<[_; 4]> = groups.iter().map(occupy).collect();
    let place = Location::caller();
    if thread::depth() >= settings.max_depth() {
        return refused(name, settings, place);
    }
    let event = event();
    let Some(level) = thread::descend(settings.max_depth()) else {
        return refused(name, settings, place);
    };
    handlers.sort_unstable_by_key(rank);
    let subject = Subject::new::<E>(Kind::Topic, name.clone());
    let follows = Follows::NONE;
    let tally = call_traced(
        handlers,
        event.borrow(),
        &subject,
        settings,
        context,
        follows,
    );
    drop(occupied);
    drop(level);
    drop_event_about(event, &subject, settings, place);
    tally
}
