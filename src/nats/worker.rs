//! The threads that deliver: one for each reader, and for each other route that receives.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::failure::CallSite;
use crate::nats::backoff::Backoff;
use crate::nats::dead_letter::DeadLetter;
use crate::nats::deliver::{Deliver, Delivered};
use crate::nats::error::BridgeError;
use crate::nats::group::{GIVEN_BACK, GroupState, Settled};
use crate::nats::hub::Hub;
use crate::nats::incoming::{Arrived, Inbox};
use crate::nats::listener::Listener;
use crate::nats::noting::ReaderState;
use crate::nats::route::Names;
use crate::nats::stats::Count;
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
    /// The closed topics that were told of.
    pub(super) told_closed: HashSet<String>,
}

/// Why an event is not tried any more.
enum End {
    /// It was handled, or given up for good.
    Done,
    /// The bridge ends: it comes again.
    Left,
    /// Its topic is closed.
    Closed,
    /// Nothing is handled here any more, and why.
    Ended(String),
}

const TOPIC_IS_CLOSED: &str = "the topic is closed";
/// How long is waited before an event is looked at again whose topic is paused, or whose queue has no room.
const FIRST_HOLD: Duration = Duration::from_millis(1);
const MOST_HOLD: Duration = Duration::from_millis(50);
/// How long a group keeps what a member cannot handle, because it has closed one of its topics.
const FIRST_CLOSED: Duration = Duration::from_millis(500);
const MOST_CLOSED: Duration = Duration::from_secs(60);
/// Of how many closed topics a pattern remembers that it was told of.
const MOST_TOLD: usize = 1024;

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

    /// Delivers once, as soon as that is possible: not while its topic is paused, nor while its queue has no room.
    /// `None` if the bridge ends before. Counts what is emitted, before a handler can look at the count.
    fn when_possible(
        &mut self,
        hub: &Arc<Hub>,
        inbox: &Inbox,
        event: &Arrived,
        count: Option<&Count>,
    ) -> Option<Delivered> {
        let mut wait = FIRST_HOLD;
        loop {
            if !self.deliver.is_paused(event) {
                if let Some(count) = count {
                    count.one();
                }
                match self.deliver(hub, inbox, event) {
                    Delivered::Paused | Delivered::NoRoom(_) => count.map_or((), |it| it.sub(1)),
                    done => return Some(done),
                }
            }
            if !inbox.parking.pause(wait) {
                return None;
            }
            wait = (2 * wait).min(MOST_HOLD);
        }
    }

    /// Waits until a dead letter would reach the handlers that are there for it. `false` if the bridge ends before: then
    /// the event comes again.
    fn may_give_up(&self, inbox: &Inbox) -> bool {
        let Some(topic) = &self.dead_letters else {
            return true;
        };
        let mut wait = FIRST_HOLD;
        while self.deliver.is_paused_for(topic) {
            if !inbox.parking.pause(wait) {
                return false;
            }
            wait = (2 * wait).min(MOST_HOLD);
        }
        true
    }

    /// Tells that what comes of a topic is not handled, once for each.
    fn tell_closed(&mut self, hub: &Hub, event: &Arrived, reason: String) {
        if self.told_closed.len() >= MOST_TOLD {
            self.told_closed.clear();
        }
        let topic = event.topic.clone();
        if self.told_closed.insert(topic.clone()) {
            hub.report(
                &event.topic,
                self.place,
                BridgeError::Closed { topic, reason },
            );
        }
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

/// The thread of a route by core NATS. Returns how many events it has left.
pub(super) fn of_core(listener: &Listener, mut route: Route) -> usize {
    let hub = &listener.hub;
    while let Some(event) = listener.inbox.pop() {
        // Before a handler can look at it.
        hub.counts.delivered.one();
        let reason = match route.deliver(hub, &listener.inbox, &event) {
            // What has failed has told so itself.
            Delivered::Handled | Delivered::Failed(_) | Delivered::Paused => continue,
            Delivered::GivenUp => {
                hub.counts.delivered.sub(1);
                continue;
            }
            Delivered::Undecodable(reason) => {
                hub.counts.delivered.sub(1);
                route.undecodable(hub, &event, reason);
                continue;
            }
            // Nobody else tells of these, and they do not come again.
            Delivered::NotEmitted(reason)
            | Delivered::NoRoom(reason)
            | Delivered::Ended(reason) => reason,
            Delivered::Closed => "the signal is closed".to_owned(),
        };
        hub.counts.delivered.sub(1);
        route.give_up(hub, &event, reason, 1);
    }
    0
}

/// The thread of a reader. Returns how many events it has left.
pub(super) fn of_reader(reader: &ReaderState, mut routes: Vec<Route>) -> usize {
    let hub = &reader.hub;
    while let Some(event) = reader.inbox.pop() {
        let route = routes.iter().position(|it| it.names.matches(&event.topic));
        if let (false, Some(route)) = (event.is_skipped, route) {
            match until_handled(hub, &reader.inbox, &mut routes[route], &event) {
                End::Done => (),
                // Nothing behind it may be handled before it.
                End::Left => return 1,
                End::Ended(reason) => {
                    routes[route].tell_closed(hub, &event, reason);
                    // Its position stays before this event, which comes again where it can be handled.
                    reader.inbox.shut();
                    return 0;
                }
                End::Closed => {
                    let is_all = routes.iter().all(|it| it.deliver.is_closed());
                    routes[route].tell_closed(hub, &event, TOPIC_IS_CLOSED.to_owned());
                    if is_all {
                        reader.inbox.shut();
                        return 0;
                    }
                    hub.counts.dead.one();
                }
            }
        }
        reader.done(&event);
    }
    0
}

/// Tries an event until it is handled or given up.
fn until_handled(hub: &Arc<Hub>, inbox: &Inbox, route: &mut Route, event: &Arrived) -> End {
    let mut tries = 0;
    loop {
        let count = match tries {
            0 => &hub.counts.delivered,
            _ => &hub.counts.redelivered,
        };
        let failure = match route.when_possible(hub, inbox, event, Some(count)) {
            Some(Delivered::Failed(failure) | Delivered::NotEmitted(failure)) => failure,
            Some(Delivered::Undecodable(reason)) => {
                count.sub(1);
                if !route.may_give_up(inbox) {
                    return End::Left;
                }
                route.undecodable(hub, event, reason);
                return End::Done;
            }
            Some(Delivered::Closed) => {
                count.sub(1);
                return End::Closed;
            }
            Some(Delivered::Ended(reason)) => {
                count.sub(1);
                return End::Ended(reason);
            }
            Some(Delivered::Handled) => return End::Done,
            Some(Delivered::GivenUp | Delivered::Paused | Delivered::NoRoom(_)) | None => {
                return End::Left;
            }
        };
        tries += 1;
        let Some(wait) = route.retry.wait(tries) else {
            if !route.may_give_up(inbox) {
                return End::Left;
            }
            route.give_up(hub, event, failure, tries);
            return End::Done;
        };
        if !inbox.parking.pause(wait) {
            return End::Left;
        }
    }
}

/// The thread of a member of a group. Returns how many events it has left.
pub(super) fn of_group(group: &GroupState, mut route: Route) -> usize {
    let hub = &group.hub;
    while let Some(event) = group.inbox.pop() {
        let count = (event.delivered == 1).then_some(&hub.counts.delivered);
        let not_delivered = || count.map_or((), |it| it.sub(1));
        let settled = match route.when_possible(hub, &group.inbox, &event, count) {
            Some(Delivered::Handled) => Settled::Done,
            Some(Delivered::Undecodable(reason)) if route.may_give_up(&group.inbox) => {
                not_delivered();
                route.undecodable(hub, &event, reason);
                Settled::Done
            }
            Some(Delivered::Failed(failure) | Delivered::NotEmitted(failure)) => {
                // The number of the server's: of tries, and of times that it was given back.
                let wait = route.retry.wait(event.delivered);
                match wait.filter(|_| !group.is_last(event.delivered)) {
                    Some(wait) => Settled::Again(wait),
                    None if route.may_give_up(&group.inbox) => {
                        route.give_up(hub, &event, failure, event.delivered);
                        Settled::Done
                    }
                    None => Settled::Again(GIVEN_BACK),
                }
            }
            Some(Delivered::Closed) if !route.deliver.is_closed() => {
                not_delivered();
                route.tell_closed(hub, &event, TOPIC_IS_CLOSED.to_owned());
                // Another member may have the topic; if none has, it is not asked about all the time.
                Settled::Again(of_closed(event.delivered))
            }
            Some(end @ (Delivered::Closed | Delivered::Ended(_))) => {
                not_delivered();
                let reason = match end {
                    Delivered::Ended(reason) => reason,
                    _ => TOPIC_IS_CLOSED.to_owned(),
                };
                route.tell_closed(hub, &event, reason);
                group.settle(&event, Settled::Again(GIVEN_BACK));
                group.inbox.shut();
                return 0;
            }
            left => {
                if left.is_some() {
                    not_delivered();
                }
                group.settle(&event, Settled::Again(GIVEN_BACK));
                return 1;
            }
        };
        group.settle(&event, settled);
    }
    0
}

/// After what time a member of a group is given an event again whose topic is closed there, and not for the others.
fn of_closed(delivered: u32) -> Duration {
    FIRST_CLOSED
        .saturating_mul(1 << delivered.min(10))
        .min(MOST_CLOSED)
}
