//! Keeps the last events of a signal for those who subscribe later.
//!
//! One lock makes two pairs of steps atomic towards each other: an emission keeps its event and
//! gathers who is to be called; a subscription inserts its handler and looks what is kept. So each
//! event reaches each handler once: by the emission if the handler was there, or else from here.

use std::collections::VecDeque;
use std::ptr::NonNull;

use crate::core::emission::gathered;
use crate::core::handler::entry::{Anchor, Draft, DropInParts, Entity, Entry, Handler};
use crate::core::primitives::sync::Lock;
use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::settings::failure_source::{drop_event, guarded};
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::retain::Retain;
use crate::failure::CallSite;

/// The last events.
struct Retained<M: SignalFlavour, E: 'static> {
    kept: M::Lock<History<M, E>>,
}

impl<M: SignalFlavour, E> DropInParts for Retained<M, E> {}

struct History<M: SignalFlavour, E: 'static> {
    events: VecDeque<M::Ptr<E>>,
    most: usize,
}

/// Nothing kept yet. The caller has to release it in time.
pub(crate) fn retain<M: SignalFlavour, E: Clone + 'static>(
    most: usize,
    location: CallSite,
) -> Anchor<M, dyn Retain<M, ()>> {
    let draft = Draft::alone(location, None);
    let events = VecDeque::new();
    let kept = M::Lock::new(History { events, most });
    let entry = Anchor::<M, Entry<M, _, _>>::new(draft, (), Retained::<M, E> { kept });
    entry.cast::<dyn Retain<M, ()>>(|entry| entry)
}

impl<M: SignalFlavour, E: Clone + 'static> Retain<M, ()> for Entry<M, (), Retained<M, E>> {
    unsafe fn keep(
        &self,
        event: NonNull<()>,
        info: &SignalInfo<M>,
        collect_handlers: &mut dyn FnMut() -> bool,
    ) {
        // SAFETY: the caller says so.
        let (event, retained) = unsafe { (event.cast::<E>().as_ref(), self.captures()) };
        let location = self.head().location;
        let mut clone = None;
        // A panic is a failure of the topic. Whoever is subscribed gets the event nevertheless.
        guarded(Some(info), None, location, || {
            clone = Some(M::ptr(event.clone()))
        });
        let gone = retained.kept.with(|kept| {
            if collect_handlers() {
                kept.events.extend(clone.take());
            }
            match kept.events.len() > kept.most {
                true => kept.events.pop_front(),
                false => None,
            }
        });
        drop_event((gone, clone), info, location);
    }

    unsafe fn hand_over(
        &self,
        info: &SignalInfo<M>,
        insert: &mut dyn FnMut() -> Option<Handler<M, ()>>,
    ) {
        // SAFETY: the caller says so.
        let retained = unsafe { self.captures() };
        let (handler, events) = retained.kept.with(|kept| (insert(), kept.events.clone()));
        let inside = handler.as_ref().map_or(0, |it| it.entry().address());
        let scope_guard = thread::enter_scope(ActiveScope {
            inside,
            sequence_limit: 0,
        });
        for event in events {
            if let Some(handler) = &handler {
                // There is no emission to tell of failures. What no hook was told of is logged here.
                drop(gathered::run_one(handler, &*event, info, &mut ()));
            }
            drop_event(event, info, self.head().location);
        }
        drop(handler);
        drop(scope_guard);
    }

    unsafe fn resize(&self, most: usize, info: &SignalInfo<M>) {
        // SAFETY: the caller says so.
        let retained = unsafe { self.captures() };
        let gone: Vec<_> = retained.kept.with(|kept| {
            kept.most = most;
            let too_many = kept.events.len().saturating_sub(most);
            kept.events.drain(..too_many).collect()
        });
        for event in gone {
            drop_event(event, info, self.head().location);
        }
    }
}
