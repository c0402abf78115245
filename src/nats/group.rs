//! A member of a group: events that are given to one member each, and given back or acknowledged.
//!
//! The consumer is on the server, with the name of the group, and all members ask it. What a member has is extended
//! every third of the ack wait, whether it is handled or waits for that. An answer that would come after the wait is
//! not given: it could be taken for that of the member that has the event then.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, Message};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::core::primitives::sync::lock;
use crate::failure::CallSite;
use crate::nats::api::{self, ApiError, GroupConsumer};
use crate::nats::error::BridgeError;
use crate::nats::hub::Hub;
use crate::nats::incoming::{Arrived, Inbox};
use crate::nats::memory::Recent;
use crate::nats::pull::{Pull, Pulled, Refusals, Silences};
use crate::nats::reader::PATIENCE;
use crate::nats::wire;

pub(super) struct GroupState {
    pub(super) hub: Arc<Hub>,
    pub(super) stream: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) topics: String,
    pub(super) place: CallSite,
    pub(super) in_flight: usize,
    pub(super) ack_wait: Duration,
    pub(super) inbox: Inbox,
    /// How often the server gives an event at most, or 0.
    max_deliver: AtomicU32,
    held: Mutex<Holdings>,
    /// Notified when something was settled.
    due: Notify,
}

struct Holdings {
    /// What this member has.
    held: HashMap<Key, Held>,
    /// What has been handled and is not answered yet.
    settled: Vec<(Key, Settled)>,
    recent: Recent,
}

/// The position in the stream, and when it was stored there: a stream that is made anew has the positions once more.
type Key = (u64, u64);

struct Held {
    reply: String,
    /// When the server was told last that it is here.
    extended: Instant,
}

/// What has become of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// Handled, or given up for good.
    Done,
    /// To be tried again, by whoever is given it then.
    Again(Duration),
}

impl Settled {
    /// As the server is told.
    fn text(self) -> String {
        match self {
            Settled::Done => "+ACK".to_owned(),
            Settled::Again(delay) => format!("-NAK {{\"delay\":{}}}", delay.as_nanos()),
        }
    }
}

/// After what time an event that is given back goes to another member: not before this one has gone, and the server has
/// seen that nobody waits for its last request, which is when that would have a heartbeat. Servers like 2.9.10 keep an
/// event until the ack wait is over that they were about to give to a request that nobody waits for.
pub(super) const GIVEN_BACK: Duration = Duration::from_millis(1100);

/// What an event is known by: the bridge, the topic and the number; or what its sender calls it; or its key.
type Identity<'a> = (&'a str, &'a str, Key);

fn identity<'a>(topic: &'a str, sender: &'a wire::Sender, key: Key) -> Identity<'a> {
    match (&sender.origin, sender.number, &sender.id) {
        (Some(origin), Some(number), _) => (origin, topic, (number, 0)),
        (_, _, Some(id)) => ("", id, (0, 0)),
        _ => ("", "", key),
    }
}

impl GroupState {
    pub(super) fn new(
        hub: Arc<Hub>,
        (stream, name): (Arc<str>, Arc<str>),
        topics: String,
        place: CallSite,
        in_flight: usize,
        ack_wait: Duration,
    ) -> Self {
        GroupState {
            hub,
            stream,
            name,
            topics,
            place,
            in_flight,
            ack_wait,
            inbox: Inbox::new(),
            max_deliver: AtomicU32::new(0),
            held: Mutex::new(Holdings {
                held: HashMap::new(),
                settled: Vec::new(),
                recent: Recent::new(),
            }),
            due: Notify::new(),
        }
    }

    /// Whether the server does not give an event again that it has given so often: its consumer may be made by somebody
    /// else.
    pub(super) fn is_last(&self, delivered: u32) -> bool {
        let most = self.max_deliver.load(Ordering::Relaxed);
        most > 0 && delivered >= most
    }

    /// Notes what has become of an event.
    pub(super) fn settle(&self, event: &Arrived, settled: Settled) {
        let key = (event.sequence, event.time);
        let mut held = lock(&self.held);
        if settled == Settled::Done {
            held.recent
                .note(&identity(&event.topic, &event.sender, key));
        }
        held.settled.push((key, settled));
        drop(held);
        self.due.notify_one();
    }

    fn made_again(&self, reason: String) {
        let what = format!("the consumer of the group {:?}", self.name);
        self.hub.report(
            &self.topics,
            self.place,
            BridgeError::MadeAgain { what, reason },
        );
    }

    /// Notes that it cannot be asked, and tells of it. Returns for how long.
    fn refused(&self, refusals: &mut Refusals, reason: &str) -> Duration {
        let (wait, tells) = refusals.one_more();
        if !tells {
            return wait;
        }
        let text = format!(
            "the consumer of the group {:?} refuses to be asked: {reason}",
            self.name
        );
        self.hub
            .report(&self.topics, self.place, BridgeError::Server(text));
        wait
    }

    /// Gives back what waits here and will not be handled any more.
    pub(super) fn give_back(&self) {
        let mut left = Vec::new();
        self.inbox.retain(|event| {
            let key = (event.sequence, event.time);
            left.push((key, Settled::Again(GIVEN_BACK)));
            false
        });
        lock(&self.held).settled.extend(left);
    }
}

/// Says until when to say goodbye, once the bridge is to end.
type End = tokio::sync::watch::Receiver<Option<Instant>>;

/// Has events handled as long as a connection lasts. Returns why it cannot be used any more.
///
/// When the bridge is to end, it gives back what has come and will not be handled.
pub(super) async fn work(client: &Client, group: &GroupState, mut end: End) -> String {
    let (mut failed, mut silences, mut refusals) = (0, Silences::default(), Refusals::default());
    let mut is_silent = false;
    loop {
        if group.inbox.is_shut() {
            return stand_by(client, group, end).await;
        }
        let subject = group.hub.subject(&group.topics);
        let made =
            api::create_group(client, &group.stream, &group.name, &subject, group.ack_wait).await;
        let consumer = match made {
            Ok(consumer) => consumer,
            Err(ApiError::NoAnswer) => return "no answer from JetStream".to_owned(),
            Err(error) => {
                failed += 1;
                if error != ApiError::NoJetStream && failed == PATIENCE {
                    group.made_again(error.to_string());
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        failed = 0;
        let mut wait = Duration::ZERO;
        if std::mem::take(&mut is_silent) {
            if consumer.is_full {
                // Newer servers say nothing to a request that is one too many.
                wait = group.refused(&mut refusals, "it keeps no more requests");
            } else if silences.is_too_many() {
                return format!("the consumer of {:?} does not answer", group.name);
            }
        }
        match consume(client, group, (consumer, wait), &mut refusals, &mut end).await {
            Consumed::Silent => is_silent = true,
            Consumed::Gone(reason) => group.made_again(reason),
            Consumed::Shut | Consumed::Refused => (),
            Consumed::Ended(reason) => return reason,
        }
    }
}

/// Gives back what is here, because nothing will be handled any more, and asks for nothing.
async fn stand_by(client: &Client, group: &GroupState, mut end: End) -> String {
    group.give_back();
    if let Err(reason) = answer(client, group, group.ack_wait).await {
        return reason;
    }
    // The connection is the other routes', too.
    drop(end.wait_for(Option::is_some).await);
    "the bridge is stopped".to_owned()
}

/// Why a consumer is not used any more.
enum Consumed {
    /// Nothing will be handled any more.
    Shut,
    /// It has refused what it was asked for: its limits may be others now.
    Refused,
    Silent,
    Gone(String),
    Ended(String),
}

/// Asks the consumer for events.
async fn consume(
    client: &Client,
    group: &GroupState,
    consumer: (GroupConsumer, Duration),
    refusals: &mut Refusals,
    end: &mut End,
) -> Consumed {
    match ask(client, group, consumer, refusals, end).await {
        Ok(consumed) => consumed,
        Err(reason) => Consumed::Ended(reason),
    }
}

async fn ask(
    client: &Client,
    group: &GroupState,
    (consumer, wait): (GroupConsumer, Duration),
    refusals: &mut Refusals,
    end: &mut End,
) -> Result<Consumed, String> {
    let GroupConsumer {
        ack_wait, limits, ..
    } = consumer;
    let max_deliver = consumer.max_deliver;
    group.max_deliver.store(max_deliver, Ordering::Relaxed);
    let mut pull = Pull::begin(client, &group.stream, &group.name, limits).await?;
    pull.wait(wait);
    let mut is_refused = false;
    let every = ack_wait / 3;
    extend(client, group, ack_wait).await?;
    let mut extended = Instant::now();
    loop {
        answer(client, group, ack_wait).await?;
        if extended.elapsed() >= every {
            extend(client, group, ack_wait).await?;
            extended = Instant::now();
        }
        let has = lock(&group.held).held.len() + pull.outstanding();
        let room = group.in_flight.saturating_sub(has);
        let is_enough = room > group.in_flight / 2 || (room > 0 && pull.outstanding() == 0);
        if is_enough && pull.can_ask() {
            if std::mem::take(&mut is_refused) && pull.outstanding() == 0 {
                return Ok(Consumed::Refused);
            }
            pull.ask(room).await?;
        }
        let pulled = tokio::select! {
            pulled = pull.next(every.saturating_sub(extended.elapsed())) => pulled,
            () = group.due.notified() => continue,
            () = group.inbox.until_shut() => {
                give_rest_back(client, pull).await?;
                return Ok(Consumed::Shut);
            }
            () = async { drop(end.wait_for(Option::is_some).await) } => {
                give_rest_back(client, pull).await?;
                return Err("the bridge is stopped".to_owned());
            }
        };
        match pulled {
            Pulled::Event(message) => {
                refusals.end();
                arrived(client, group, message).await?;
            }
            Pulled::Taken => refusals.end(),
            Pulled::Nothing => (),
            Pulled::Refused(reason) => {
                pull.wait(group.refused(refusals, &reason));
                is_refused = true;
            }
            Pulled::Silent => return Ok(Consumed::Silent),
            Pulled::Gone(reason) => return Ok(Consumed::Gone(reason)),
            Pulled::Ended => return Err("the connection has ended".to_owned()),
        }
    }
}

/// Gives back what is still sent for what was asked.
async fn give_rest_back(client: &Client, pull: Pull<'_>) -> Result<(), String> {
    for reply in pull.rest().await.into_iter().filter_map(|it| it.reply) {
        let text = Settled::Again(GIVEN_BACK).text();
        let given = client.publish(reply, text.into()).await;
        given.map_err(|it| it.to_string())?;
    }
    Ok(())
}

async fn arrived(client: &Client, group: &GroupState, message: Message) -> Result<(), String> {
    let counts = &group.hub.counts;
    let Some(reply) = message.reply.as_ref().map(ToString::to_string) else {
        return Ok(());
    };
    let Some(position) = wire::position(&reply) else {
        return Ok(());
    };
    counts.received.one();
    let (headers, sender) = wire::read(&message);
    let topic = group
        .hub
        .topic(&message.subject)
        .unwrap_or_default()
        .to_owned();
    let is_echo = sender.has_passed(&group.hub.origin);
    let key = (position.stream, position.time);
    let is_known = {
        let mut held = lock(&group.held);
        if let Some(had) = held.held.get_mut(&key) {
            // It is here already: what is answered is this delivery.
            had.reply = reply;
            had.extended = Instant::now();
            counts.duplicates.one();
            return Ok(());
        }
        let is_known = held.recent.contains(&identity(&topic, &sender, key));
        if !is_known && !is_echo {
            let extended = Instant::now();
            held.held.insert(
                key,
                Held {
                    reply: reply.clone(),
                    extended,
                },
            );
        }
        is_known
    };
    if is_known || is_echo {
        if is_echo {
            counts.echoes.one()
        } else {
            counts.duplicates.one()
        }
        return client
            .publish(reply, "+ACK".into())
            .await
            .map_err(|it| it.to_string());
    }
    if position.delivered > 1 {
        counts.redelivered.one();
    }
    group.inbox.push(Arrived {
        topic,
        payload: message.payload,
        headers,
        sender,
        sequence: position.stream,
        delivered: position.delivered,
        life: 0,
        time: position.time,
        pending: position.pending,
        is_skipped: false,
    });
    Ok(())
}

/// Answers to what was settled.
pub(super) async fn answer(
    client: &Client,
    group: &GroupState,
    ack_wait: Duration,
) -> Result<(), String> {
    let answers: Vec<(String, String)> = {
        let mut held = lock(&group.held);
        let settled = std::mem::take(&mut held.settled);
        settled
            .into_iter()
            .filter_map(|(key, settled)| {
                let had = held.held.remove(&key)?;
                let text = settled.text();
                (had.extended.elapsed() < ack_wait).then_some((had.reply, text))
            })
            .collect()
    };
    for (reply, text) in answers {
        client
            .publish(reply, text.into())
            .await
            .map_err(|it| it.to_string())?;
    }
    Ok(())
}

/// Says that what is here is still being handled; and lets go what the server has given to others by now.
async fn extend(client: &Client, group: &GroupState, ack_wait: Duration) -> Result<(), String> {
    let now = Instant::now();
    let mut replies = Vec::new();
    let mut late = Vec::new();
    for (key, had) in &mut lock(&group.held).held {
        if now.duration_since(had.extended) < ack_wait {
            had.extended = now;
            replies.push(had.reply.clone());
        } else {
            late.push(*key);
        }
    }
    if !late.is_empty() {
        let mut dropped = Vec::new();
        group.inbox.retain(|event| {
            let key = (event.sequence, event.time);
            let is_late = late.contains(&key);
            if is_late {
                dropped.push(key);
            }
            !is_late
        });
        let mut held = lock(&group.held);
        for key in dropped {
            held.held.remove(&key);
        }
    }
    for reply in replies {
        client
            .publish(reply, "+WPI".into())
            .await
            .map_err(|it| it.to_string())?;
    }
    Ok(())
}
