//! Keeps the last events of a signal for those who subscribe later.
//!
//! One lock makes two pairs of steps atomic towards each other: an emission keeps its event and
//! gathers who is to be called; a subscription inserts its handler and looks what is kept. So each
//! event reaches each handler once: by the emission if the handler was there, or else from here.

use std::collections::VecDeque;
use std::ptr::NonNull;

use crate::core::emission::gathered;
use crate::core::handler::entry::{Anchor, Contents, Draft, Entity, Entry, Handler};
use crate::core::primitives::sync::{Fault, Lock, planted};
use crate::core::primitives::thread::{self, Frame};
use crate::core::settings::failure_source::{drop_event, guarded};
use crate::core::settings::signal_info::Home;
use crate::core::signal::directory::Signals as Mode;
use crate::core::signal::retain::Retain;
use crate::failure::Place;

/// The last events.
struct Retained<M: Mode, E: 'static> {
    kept: M::Lock<Kept<M, E>>,
}

impl<M: Mode, E> Contents for Retained<M, E> {}

struct Kept<M: Mode, E: 'static> {
    events: VecDeque<M::Ptr<E>>,
    most: usize,
}

/// Nothing kept yet. The caller has to release it in time.
pub(crate) fn retain<M: Mode, E: Clone + 'static>(
    most: usize,
    place: Place,
) -> Anchor<M, dyn Retain<M, ()>> {
    let draft = Draft::alone(place, None);
    let events = VecDeque::new();
    let kept = M::Lock::new(Kept { events, most });
    let entry = Anchor::<M, Entry<M, _, _>>::new(draft, (), Retained::<M, E> { kept });
    entry.cast::<dyn Retain<M, ()>>(|entry| entry)
}

impl<M: Mode, E: Clone + 'static> Retain<M, ()> for Entry<M, (), Retained<M, E>> {
    unsafe fn keep(&self, event: NonNull<()>, home: &Home<M>, gather: &mut dyn FnMut() -> bool) {
        // SAFETY: the caller says so.
        let (event, retained) = unsafe { (event.cast::<E>().as_ref(), self.captures()) };
        let place = self.head().place;
        let mut clone = None;
        // A panic is a failure of the topic. Whoever is subscribed gets the event nevertheless.
        guarded(Some(home), None, place, || {
            clone = Some(M::ptr(event.clone()))
        });
        let gone = retained.kept.with(|kept| {
            if gather() {
                kept.events.extend(clone.take());
            }
            match kept.events.len() > kept.most {
                true => kept.events.pop_front(),
                false => None,
            }
        });
        drop_event((gone, clone), home, place);
    }

    unsafe fn hand_over(&self, home: &Home<M>, insert: &mut dyn FnMut() -> Option<Handler<M, ()>>) {
        // SAFETY: the caller says so.
        let retained = unsafe { self.captures() };
        let too_early = planted(Fault::Unlocked).then(&mut *insert);
        let (handler, events) = retained.kept.with(|kept| {
            let handler = too_early.unwrap_or_else(insert);
            (handler, kept.events.clone())
        });
        let inside = handler.as_ref().map_or(0, |it| it.entry().address());
        let occupied = thread::occupy(Frame { inside, horizon: 0 });
        for event in events {
            if let Some(handler) = &handler {
                // There is no emission to tell of failures. What no hook was told of is logged here.
                drop(gathered::run_one(handler, &*event, home, &mut ()));
            }
            drop_event(event, home, self.head().place);
        }
        drop(handler);
        drop(occupied);
    }

    unsafe fn resize(&self, most: usize, home: &Home<M>) {
        // SAFETY: the caller says so.
        let retained = unsafe { self.captures() };
        let gone: Vec<_> = retained.kept.with(|kept| {
            kept.most = most;
            let too_many = kept.events.len().saturating_sub(most);
            kept.events.drain(..too_many).collect()
        });
        for event in gone {
            drop_event(event, home, self.head().place);
        }
    }
}
