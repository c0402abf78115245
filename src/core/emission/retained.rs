//! The last events of a signal, retained for later subscribers.
//!
//! Under one lock, an emission retains its event and collects its handlers, and a subscription inserts its
//! handler and reads the retained events. So each event reaches each handler exactly once: from the
//! emission if the handler was subscribed by then, otherwise from here.

use std::collections::VecDeque;

use crate::core::emission::gathered;
use crate::core::failure::trace::FollowsFrom;
use crate::core::handler::entry::{Entry, Header, WeakRef};
use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Lock;
use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::reclaim::counted::Live;
use crate::core::settings::failure_source::{drop_event, guarded};
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::retain::Retain;
use crate::failure::CallSite;

/// The captures of what retains events.
type Retained<M, E> = <M as Primitives>::Lock<History<M, E>>;

/// The last events.
pub(crate) struct History<M: SignalFlavour, E: 'static> {
    events: VecDeque<M::Ptr<E>>,
    most: usize,
}

/// Creates an empty history. The caller has to release it.
pub(crate) fn retain<M: SignalFlavour, E: Clone + 'static>(
    most: usize,
    location: CallSite,
) -> WeakRef<M, dyn Retain<M, E, ()>> {
    let events = VecDeque::new();
    WeakRef::<M, Entry<M, (), Retained<M, E>>>::new_viewed(
        Header::alone(location, None),
        (),
        M::Lock::new(History { events, most }),
        |live| live as &dyn Retain<M, E, ()>,
    )
    .1
}

impl<M: SignalFlavour, E: Clone + 'static> Retain<M, E, ()> for Live<Entry<M, (), Retained<M, E>>> {
    fn keep(&self, event: &E, info: &SignalInfo<M>, collect_handlers: &mut dyn FnMut() -> bool) {
        let location = self.head().location;
        let mut clone = None;
        // A panic is a failure of the topic. The handlers are called nevertheless.
        guarded(Some(info), None, location, || {
            clone = Some(M::ptr(event.clone()))
        });
        let removed = self.captures().with(|kept| {
            if collect_handlers() {
                kept.events.extend(clone.take());
            }
            match kept.events.len() > kept.most {
                true => kept.events.pop_front(),
                false => None,
            }
        });
        drop_event((removed, clone), info, location);
    }

    fn hand_over(
        &self,
        info: &SignalInfo<M>,
        insert: &mut dyn FnMut() -> Option<HandlerRef<M, ()>>,
    ) {
        let (handler, events) = self.captures().with(|kept| (insert(), kept.events.clone()));
        let inside = handler.as_ref().map_or(0, |it| it.address());
        let scope_guard = thread::enter_scope(ActiveScope {
            inside,
            sequence_limit: 0,
        });
        for event in events {
            if let Some(handler) = &handler {
                let _hand_over = thread::begin_hand_over();
                // There is no emission to return failures. Those without a hook are logged here.
                drop(gathered::run_one(
                    handler,
                    &*event,
                    info,
                    &mut (),
                    FollowsFrom::NONE,
                ));
            }
            drop_event(event, info, self.head().location);
        }
        drop(handler);
        drop(scope_guard);
    }

    fn resize(&self, most: usize, info: &SignalInfo<M>) {
        let removed: Vec<_> = self.captures().with(|kept| {
            kept.most = most;
            let too_many = kept.events.len().saturating_sub(most);
            kept.events.drain(..too_many).collect()
        });
        for event in removed {
            drop_event(event, info, self.head().location);
        }
    }
}
