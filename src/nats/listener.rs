//! Receives by core NATS: what comes while it listens, and the number of what did not.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::{Client, Message, Subscriber};

use crate::core::primitives::sync::lock;
use crate::failure::CallSite;
use crate::nats::connection::{next, ready};
use crate::nats::error::BridgeError;
use crate::nats::hub::Hub;
use crate::nats::incoming::{Arrived, Inbox};
use crate::nats::memory::{Memory, Verdict};
use crate::nats::subject::is_reserved;
use crate::nats::wire;

/// How many events wait for the thread, at most. What is more is lost, and counted.
const ROOM: usize = 65_536;
/// How many are put into the inbox at a time, at most.
const BATCH: usize = 128;
/// How often that is told at most.
const TELLS: Duration = Duration::from_secs(10);

pub(super) struct Listener {
    pub(super) hub: Arc<Hub>,
    pub(super) topics: String,
    pub(super) inbox: Inbox,
    memory: Mutex<Memory>,
    place: CallSite,
    /// When it was told last that events come faster than they are handled.
    told: Mutex<Option<Instant>>,
}

impl Listener {
    pub(super) fn new(hub: Arc<Hub>, topics: String, is_pattern: bool, place: CallSite) -> Self {
        let memory = Mutex::new(Memory::new(is_pattern));
        Listener {
            hub,
            topics,
            inbox: Inbox::new(),
            memory,
            place,
            told: Mutex::default(),
        }
    }

    pub(super) async fn subscribe(&self, client: &Client) -> Result<Subscriber, String> {
        let subject = self.hub.subject(&self.topics);
        client.subscribe(subject).await.map_err(|it| it.to_string())
    }

    /// Tells that there was no room, and not again for a while.
    pub(super) fn tell_lost(&self) {
        let mut told = lock(&self.told);
        if told.is_some_and(|it| it.elapsed() < TELLS) {
            return;
        }
        *told = Some(Instant::now());
        drop(told);
        let text = "events arrive faster than they are handled: some are lost".to_owned();
        self.hub
            .report(&self.topics, self.place, BridgeError::Server(text));
    }

    /// Looks at a message, and returns what is to be emitted. So many are in the inbox, or will be before it.
    fn arrived(&self, message: Message, waiting: usize) -> Option<Arrived> {
        let counts = &self.hub.counts;
        if is_reserved(&message.subject) {
            // All topics are asked for, and these are none.
            return None;
        }
        counts.received.one();
        let topic = self.hub.topic(&message.subject)?.to_owned();
        let (headers, sender) = wire::read(&message);
        let is_echo = sender.has_passed(&self.hub.origin);
        if !is_echo && waiting >= ROOM {
            // The gap in its numbers is seen with the next one that fits.
            if sender.origin.is_none() {
                counts.lost.one();
            }
            self.tell_lost();
            return None;
        }
        if let (Some(origin), Some(number)) = (&sender.origin, sender.number) {
            // Those that another bridge has passed on are echoes among others of its numbers.
            if *origin != self.hub.origin {
                match lock(&self.memory).judge((origin, &topic), number, None, 0) {
                    Verdict::New(lost) => counts.lost.add(lost),
                    Verdict::Late => counts.lost.sub(1),
                    Verdict::Duplicate | Verdict::Early(_) => {
                        counts.duplicates.one();
                        return None;
                    }
                }
            }
        }
        if is_echo {
            counts.echoes.one();
            return None;
        }
        Some(Arrived {
            topic,
            payload: message.payload,
            headers,
            sender,
            sequence: 0,
            delivered: 1,
            life: 0,
            time: 0,
            pending: 0,
            is_skipped: false,
        })
    }
}

/// Receives as long as a connection lasts. Returns why it cannot be used any more.
pub(super) async fn listen(listener: &Listener, mut messages: Subscriber) -> String {
    let mut batch = listener.inbox.batch();
    while let Some(first) = next(&mut messages).await {
        let before = listener.inbox.len();
        let come = std::iter::once(first).chain(ready(&mut messages));
        for message in come.take(BATCH) {
            let arrived = listener.arrived(message, before + batch.events.len());
            batch.events.extend(arrived);
        }
        batch.put();
    }
    "the connection has ended".to_owned()
}
