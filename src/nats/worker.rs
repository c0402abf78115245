//! The threads that deliver: one for each reader, and for each other route that receives.

use std::sync::Arc;
use std::time::Duration;

use crate::failure::CallSite;
use crate::nats::backoff::Backoff;
use crate::nats::dead_letter::DeadLetter;
use crate::nats::deliver::{Deliver, Delivered};
use crate::nats::error::BridgeError;
use crate::nats::group::{GroupState, Settled};
use crate::nats::hub::Hub;
use crate::nats::incoming::{Arrived, Inbox};
use crate::nats::listener::Listener;
use crate::nats::reader::ReaderState;
use crate::nats::route::Names;
use crate::nats::wire;
use crate::topic::Topic;

/// One receiving route.
pub(super) struct Route {
    pub(super) names: Names,
    pub(super) place: CallSite,
    pub(super) schema: Option<Arc<str>>,
    pub(super) retry: Backoff,
    pub(super) dead_letters: Option<Topic<DeadLetter>>,
    pub(super) deliver: Box<dyn Deliver>,
}

/// Why an event is not tried any more.
enum End {
    /// It was handled, or given up for good.
    Done,
    /// The bridge ends: it comes again.
    Left,
}

impl Route {
    /// Delivers once.
    fn deliver(&mut self, hub: &Arc<Hub>, inbox: &Inbox, event: &Arrived) -> Delivered {
        if let (Some(ours), Some(theirs)) = (&self.schema, &event.sender.schema) {
            if **ours != **theirs {
                return Delivered::Undecodable(format!(
                    "it has the schema {theirs:?}, and not {ours:?}"
                ));
            }
        }
        self.deliver.deliver(hub, &inbox.parking, event)
    }

    /// Tells of what is no event of the route.
    fn undecodable(&mut self, hub: &Hub, event: &Arrived, reason: String) {
        hub.counts.undecodable.one();
        hub.report(
            &event.topic,
            self.place,
            BridgeError::Undecodable {
                topic: event.topic.clone(),
                origin: event.sender.origin.clone(),
                number: event.sender.number,
                reason: reason.clone(),
                begin: wire::begin(&event.payload),
            },
        );
        self.dead_letter(hub, event, reason, 0);
    }

    /// Gives an event up.
    fn give_up(&mut self, hub: &Hub, event: &Arrived, reason: String, tries: u32) {
        hub.counts.dead.one();
        let topic = event.topic.clone();
        hub.report(
            &event.topic,
            self.place,
            BridgeError::GivenUp {
                topic,
                tries,
                reason: reason.clone(),
            },
        );
        self.dead_letter(hub, event, reason, tries);
    }

    fn dead_letter(&mut self, hub: &Hub, event: &Arrived, error: String, tries: u32) {
        let Some(topic) = &self.dead_letters else {
            return;
        };
        let letter = DeadLetter {
            topic: event.topic.clone(),
            bytes: event.payload.to_vec(),
            headers: event.headers.clone(),
            error,
            tries,
        };
        if !self.deliver.dead_letter(topic, letter) {
            let text = format!(
                "a dead letter of {:?} could not be emitted on {:?}",
                event.topic,
                topic.name()
            );
            hub.report(&event.topic, self.place, BridgeError::Server(text));
        }
    }
}

/// The thread of a route by core NATS.
pub(super) fn of_core(listener: &Listener, mut route: Route) {
    let hub = &listener.hub;
    while let Some(event) = listener.inbox.pop() {
        // Before a handler can look at it.
        hub.counts.delivered.one();
        match route.deliver(hub, &listener.inbox, &event) {
            // What has failed has told so itself.
            Delivered::Handled | Delivered::Failed(_) => (),
            Delivered::Undecodable(reason) => {
                hub.counts.delivered.sub(1);
                route.undecodable(hub, &event, reason);
            }
            Delivered::GivenUp => hub.counts.delivered.sub(1),
            // Nobody else tells of these, and they do not come again.
            Delivered::NotEmitted(reason) => {
                hub.counts.delivered.sub(1);
                route.give_up(hub, &event, reason, 1);
            }
            Delivered::NoBus => {
                hub.counts.delivered.sub(1);
                route.give_up(hub, &event, "the bus is closed".to_owned(), 1);
            }
        }
    }
}

/// The thread of a reader.
pub(super) fn of_reader(reader: &ReaderState, mut routes: Vec<Route>) {
    let hub = &reader.hub;
    while let Some(event) = reader.inbox.pop() {
        let route = routes.iter_mut().find(|it| it.names.matches(&event.topic));
        if let (false, Some(route)) = (event.is_skipped, route) {
            match until_handled(hub, &reader.inbox, route, &event) {
                End::Done => (),
                // Nothing behind it may be handled before it.
                End::Left => return,
            }
        }
        reader.done(&event);
    }
}

/// Tries an event until it is handled or given up.
fn until_handled(hub: &Arc<Hub>, inbox: &Inbox, route: &mut Route, event: &Arrived) -> End {
    let mut tries = 0;
    loop {
        tries += 1;
        if tries > 1 {
            hub.counts.redelivered.one();
        } else {
            hub.counts.delivered.one();
        }
        let failure = match route.deliver(hub, inbox, event) {
            Delivered::Handled => return End::Done,
            Delivered::GivenUp | Delivered::NoBus => return End::Left,
            Delivered::Undecodable(reason) => {
                hub.counts.delivered.sub(1);
                route.undecodable(hub, event, reason);
                return End::Done;
            }
            Delivered::Failed(failure) | Delivered::NotEmitted(failure) => failure,
        };
        let Some(wait) = route.retry.wait(tries) else {
            route.give_up(hub, event, failure, tries);
            return End::Done;
        };
        if !inbox.parking.pause(wait) {
            return End::Left;
        }
    }
}

/// The thread of a member of a group.
pub(super) fn of_group(group: &GroupState, mut route: Route) {
    let hub = &group.hub;
    while let Some(event) = group.inbox.pop() {
        let is_first = u64::from(event.delivered == 1);
        hub.counts.delivered.add(is_first);
        let settled = match route.deliver(hub, &group.inbox, &event) {
            Delivered::Handled => Settled::Done,
            Delivered::Undecodable(reason) => {
                hub.counts.delivered.sub(is_first);
                route.undecodable(hub, &event, reason);
                Settled::Done
            }
            // Another member may have it.
            Delivered::GivenUp | Delivered::NoBus => {
                hub.counts.delivered.sub(is_first);
                Settled::Again(Duration::from_secs(1))
            }
            Delivered::Failed(failure) | Delivered::NotEmitted(failure) => {
                match route.retry.wait(event.delivered) {
                    Some(wait) => Settled::Again(wait),
                    None => {
                        route.give_up(hub, &event, failure, event.delivered);
                        Settled::Done
                    }
                }
            }
        };
        group.settle(&event, settled);
    }
}
