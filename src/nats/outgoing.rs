//! The outbox of a sending route: what waits, how much of it, and whoever waits for it.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use async_nats::Subject;
use bytes::Bytes;
use tokio::sync::Notify;

use crate::core::primitives::sync::{lock, wait};
use crate::failure::CallSite;
use crate::nats::error::BridgeError;
use crate::nats::given::Given;
use crate::nats::hub::Hub;
use crate::nats::route::{Names, Stored};
use crate::nats::window::{Answer, Entry, Left, Sending, Waiter, Window};
use crate::nats::wire;
use crate::outcome::BoxError;
use crate::policy::Overflow;

/// How many topics are remembered that the server does not let us send.
const MOST_FORBIDDEN: usize = 1024;
/// How often it is told at most that the server takes nothing: it may take an event now and then.
const TELLS: Duration = Duration::from_secs(10);

pub(super) struct Outgoing {
    pub(super) hub: Arc<Hub>,
    pub(super) names: Names,
    pub(super) place: CallSite,
    /// Its number among the sending routes, which is in the identity of messages.
    pub(super) index: usize,
    /// Of a route of one topic, so that it is not made for each event.
    subject: Option<Subject>,
    /// `None` for a route by core NATS.
    pub(super) stored: Option<Stored>,
    capacity: usize,
    overflow: Overflow,
    outbox: Mutex<Outbox>,
    /// Notified when there is room, and when it is closed. Like the other one only if somebody waits for it, because who
    /// notifies it asks the system, which takes longer than all the rest.
    room: Condvar,
    /// Notified when all that somebody waits for has left.
    left: Condvar,
    /// Notified when there is something to send.
    pub(super) work: Notify,
    /// When it was told last that an event has passed too many bridges.
    told_too_far: Mutex<Option<Instant>>,
}

struct Outbox {
    window: Window,
    is_closed: bool,
    /// Of a core route: the orders of those that are being written.
    in_hand: Vec<u64>,
    /// Topics that the server does not let us send on this connection.
    forbidden: HashSet<Arc<str>>,
    /// The server takes nothing at the moment.
    is_held: bool,
    /// When that was told last.
    told: Option<Instant>,
    /// Whether an emitter waits for room.
    wants_room: bool,
    /// Until what has left, by its order, a flush waits: the one that waits for the fewest.
    flushes: Option<u64>,
}

impl Outbox {
    /// Whether to notify who waits for room.
    fn has_room(&mut self, capacity: usize) -> bool {
        self.window.unsent() < capacity && std::mem::take(&mut self.wants_room)
    }

    /// How many of the first `order` are left.
    fn left_of(&self, order: u64) -> usize {
        let in_hand = self.in_hand.iter().filter(|it| **it < order).count();
        self.window.left_of(order) + in_hand
    }

    /// Whether to notify who waits until something has left.
    fn has_flushed(&mut self) -> bool {
        let is_flushed = self.flushes.is_some_and(|it| self.left_of(it) == 0);
        if is_flushed {
            self.flushes = None;
        }
        is_flushed
    }
}

impl Outgoing {
    pub(super) fn new(
        hub: Arc<Hub>,
        names: Names,
        place: CallSite,
        index: usize,
        stored: Option<Stored>,
        (capacity, overflow): (usize, Overflow),
    ) -> Self {
        let limit = stored.as_ref().map_or(usize::MAX, |it| it.window);
        let is_pattern = matches!(names, Names::Matching(_));
        let subject = (!is_pattern).then(|| hub.subject(names.as_str()).into());
        Outgoing {
            hub,
            names,
            place,
            index,
            subject,
            stored,
            capacity,
            overflow,
            outbox: Mutex::new(Outbox {
                window: Window::new(limit, is_pattern),
                is_closed: false,
                in_hand: Vec::new(),
                forbidden: HashSet::new(),
                is_held: false,
                told: None,
                wants_room: false,
                flushes: None,
            }),
            room: Condvar::new(),
            left: Condvar::new(),
            work: Notify::new(),
            told_too_far: Mutex::default(),
        }
    }

    /// The subject of one of its topics.
    pub(super) fn subject(&self, topic: &str) -> Subject {
        let subject = self.subject.clone();
        subject.unwrap_or_else(|| self.hub.subject(topic).into())
    }

    /// Puts an event in, or says why not. May wait for room.
    pub(super) fn put(
        &self,
        topic: &Arc<str>,
        payload: Vec<u8>,
        headers: Arc<Given>,
        is_awaited: bool,
    ) -> Result<Option<Ticket>, BridgeError> {
        let counts = &self.hub.counts;
        let size = payload.len() + self.header_bytes(topic) + headers.bytes;
        let limit = self.hub.max_payload();
        if size > limit {
            counts.refused.one();
            return Err(BridgeError::TooLarge { size, limit });
        }
        let waiter = is_awaited.then(Arc::<Waiter>::default);
        let mut entry = Entry::new(topic.clone(), Bytes::from(payload), headers, waiter.clone());
        entry.size = size;
        let mut outbox = lock(&self.outbox);
        let mut dropped = None;
        loop {
            if outbox.is_closed {
                counts.refused.one();
                return Err(BridgeError::Stopped);
            }
            if outbox.forbidden.contains(topic) {
                counts.refused.one();
                let reason = format!("the server does not let it send {topic:?}");
                return Err(BridgeError::NoPermission { reason });
            }
            if outbox.window.unsent() < self.capacity {
                break;
            }
            match self.overflow {
                Overflow::Block if !self.hub.is_own_thread() && !self.hub.is_driver() => {
                    drop(outbox);
                    self.hub.while_blocked(|| self.wait_for_room());
                    outbox = lock(&self.outbox);
                }
                Overflow::DropOldest => {
                    dropped = outbox.window.drop_oldest();
                    break;
                }
                Overflow::DropNewest => {
                    counts.emitted.one();
                    counts.dropped.one();
                    let done = waiter.map(|it| {
                        Ticket::done(
                            it,
                            BridgeError::Full {
                                capacity: self.capacity,
                            },
                        )
                    });
                    return Ok(done);
                }
                _ => {
                    counts.refused.one();
                    return Err(BridgeError::Full {
                        capacity: self.capacity,
                    });
                }
            }
        }
        // Before anybody sees it, who counts it out again.
        counts.emitted.one();
        match dropped {
            Some(_) => counts.dropped.one(),
            None => counts.waiting.one(),
        }
        outbox.window.push(entry);
        drop(outbox);
        if let Some(dropped) = dropped {
            self.resolve(
                dropped.waiter,
                Some(BridgeError::Full {
                    capacity: self.capacity,
                }),
            );
        }
        self.work.notify_one();
        Ok(waiter.map(Ticket))
    }

    /// Waits until there is room, or nothing is taken any more.
    fn wait_for_room(&self) {
        let mut outbox = lock(&self.outbox);
        while !outbox.is_closed && outbox.window.unsent() >= self.capacity {
            outbox.wants_room = true;
            outbox = wait(&self.room, outbox);
        }
    }

    /// Tells that an event has passed too many bridges to be sent by this one, at most so often.
    pub(super) fn too_far(&self, topic: &str) {
        self.hub.counts.refused.one();
        let mut told = lock(&self.told_too_far);
        if told.is_some_and(|it| it.elapsed() < TELLS) {
            return;
        }
        *told = Some(Instant::now());
        drop(told);
        let error = BridgeError::TooFar {
            topic: topic.to_owned(),
            hops: wire::MOST_HOPS,
        };
        self.hub.report(topic, self.place, error);
    }

    /// How many bytes the headers take at most that are added when it is sent.
    fn header_bytes(&self, topic: &str) -> usize {
        // The first line and the last, and of each header a colon, a blank and a line break.
        let line = |name: &str, value: usize| name.len() + value + 4;
        let number = 20;
        let origin = self.hub.origin.len();
        let own = 12 + line("Slotcast-Origin", origin) + line("Slotcast-Seq", number);
        let stored = match &self.stored {
            Some(_) => {
                let id = origin + topic.len() + 3 * number + 4;
                line("Slotcast-After", number) + line("Nats-Msg-Id", id)
            }
            None => 0,
        };
        own + stored
    }

    /// Ends an awaited emission.
    fn resolve(&self, waiter: Option<Arc<Waiter>>, error: Option<BridgeError>) {
        let Some(waiter) = waiter else { return };
        let waker = {
            let mut awaited = lock(&waiter.0);
            awaited.result = Some(error.map_or(Ok(()), Err));
            awaited.waker.take()
        };
        if let Some(waker) = waker {
            self.hub.wake(waker);
        }
    }

    /// Lets go what has left the window.
    fn leave(&self, mut outbox: MutexGuard<'_, Outbox>, left: Vec<Left>) {
        if left.is_empty() {
            return;
        }
        // Before anybody sees that they have left.
        let counts = &self.hub.counts;
        let refused = left.iter().filter(|it| it.refused.is_some()).count();
        counts.refused.add(refused as u64);
        counts.acked.add((left.len() - refused) as u64);
        counts.waiting.sub(left.len() as u64);
        let (has_room, has_flushed) = (outbox.has_room(self.capacity), outbox.has_flushed());
        drop(outbox);
        self.notify(has_room, has_flushed);
        for Left {
            topic,
            number,
            waiter,
            refused,
        } in left
        {
            let error = |reason: &String| BridgeError::Refused {
                topic: topic.to_string(),
                number,
                reason: reason.clone(),
            };
            if let Some(reason) = &refused {
                self.hub.report(&topic, self.place, error(reason));
            }
            self.resolve(waiter, refused.as_ref().map(error));
        }
    }

    fn notify(&self, has_room: bool, has_flushed: bool) {
        if has_room {
            self.room.notify_all();
        }
        if has_flushed {
            self.left.notify_all();
        }
    }

    /// How many events were put in, which is what a flush waits for.
    pub(super) fn pushed(&self) -> u64 {
        lock(&self.outbox).window.pushed()
    }

    /// How many events are here.
    pub(super) fn len(&self) -> usize {
        lock(&self.outbox).window.len()
    }

    /// Waits until of the first `order` none is left, or the time is over; returns how many are. With `is_stopped`,
    /// which is asked now and then, it does not wait any more.
    pub(super) fn wait_for(
        &self,
        order: u64,
        until: Option<Instant>,
        is_stopped: &dyn Fn() -> bool,
    ) -> usize {
        let mut outbox = lock(&self.outbox);
        loop {
            let left = outbox.left_of(order);
            let now = Instant::now();
            if left == 0 || is_stopped() || until.is_some_and(|it| it <= now) {
                return left;
            }
            outbox.flushes = Some(outbox.flushes.map_or(order, |it| it.min(order)));
            let slice = Duration::from_millis(50);
            let time = until.map_or(slice, |it| slice.min(it - now));
            let waited = self.left.wait_timeout(outbox, time);
            outbox = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Takes nothing any more; what is here can still be sent.
    pub(super) fn close(&self) {
        lock(&self.outbox).is_closed = true;
        self.room.notify_all();
    }

    /// Drops what is here, and returns how many that were, with those that are being written.
    pub(super) fn abandon(&self) -> usize {
        let mut outbox = lock(&self.outbox);
        outbox.is_closed = true;
        let in_hand = std::mem::take(&mut outbox.in_hand).len();
        let entries = outbox.window.clear();
        drop(outbox);
        self.hub.counts.waiting.sub(entries.len() as u64);
        self.room.notify_all();
        self.left.notify_all();
        let count = entries.len() + in_hand;
        for entry in entries {
            self.resolve(entry.waiter, Some(BridgeError::Stopped));
        }
        count
    }

    /// The server takes nothing at the moment. Returns whether to tell that: it is new, and was not told just before.
    pub(super) fn hold(&self, reason: &str) -> bool {
        let mut outbox = lock(&self.outbox);
        if std::mem::replace(&mut outbox.is_held, true) {
            return false;
        }
        let tells = outbox.told.is_none_or(|it| it.elapsed() >= TELLS);
        if tells {
            outbox.told = Some(Instant::now());
        }
        drop(outbox);
        self.hub.hold(reason);
        tells
    }

    /// It takes something again.
    pub(super) fn release(&self) {
        if std::mem::take(&mut lock(&self.outbox).is_held) {
            self.hub.release();
        }
    }

    /// Begins a connection.
    pub(super) fn restart(&self) {
        self.release();
        let mut outbox = lock(&self.outbox);
        outbox.window.restart();
        outbox.forbidden.clear();
        // A server that is sent more than it takes ends the connection. This one may take less than the one before.
        let limit = self.hub.max_payload();
        let reason = format!("it is larger than what the server takes now ({limit} bytes)");
        let left = outbox.window.refuse(|it| it.size > limit, &reason);
        self.leave(outbox, left);
    }

    /// Of a stored route: the next message.
    pub(super) fn send_next(&self) -> Option<Sending> {
        let mut outbox = lock(&self.outbox);
        let sending = outbox.window.send_next();
        if sending.is_none() && outbox.has_room(self.capacity) {
            // What waits has become less, and does not at once become still less.
            drop(outbox);
            self.room.notify_all();
        }
        sending
    }

    /// Of a stored route: takes an answer.
    pub(super) fn answered(&self, position: u64, run: u32, answer: &Answer) {
        let mut outbox = lock(&self.outbox);
        let left = outbox.window.answered(position, run, answer);
        self.leave(outbox, left);
    }

    /// Whether the server owes an answer.
    pub(super) fn is_under_way(&self) -> bool {
        lock(&self.outbox).window.is_under_way()
    }

    /// Of a core route: takes messages to be written.
    pub(super) fn take(&self, most: usize) -> Vec<(Entry, u64)> {
        let mut outbox = lock(&self.outbox);
        let taken = outbox.window.take(most);
        outbox.in_hand.clear();
        outbox
            .in_hand
            .extend(taken.iter().map(|(entry, _)| entry.order));
        let has_room = outbox.has_room(self.capacity);
        drop(outbox);
        self.notify(has_room, false);
        taken
    }

    /// Of a core route: those that were taken have been written, or were lost with the connection.
    pub(super) fn written(&self, count: usize, waiters: Vec<Arc<Waiter>>, is_written: bool) {
        self.hub.counts.waiting.sub(count as u64);
        let mut outbox = lock(&self.outbox);
        if outbox.is_closed && !is_written {
            // Nobody sends them, or anything, any more.
            self.hub.abandon(outbox.in_hand.len());
        }
        outbox.in_hand.clear();
        let has_flushed = outbox.has_flushed();
        drop(outbox);
        self.notify(false, has_flushed);
        for waiter in waiters {
            self.resolve(Some(waiter), (!is_written).then_some(BridgeError::Lost));
        }
    }

    /// The server does not let us send this subject: what is here of it is refused, and what comes on this connection.
    pub(super) fn forbid(&self, subject: &str, reason: &str) {
        let Some(topic) = self.hub.topic(subject).filter(|it| self.names.matches(it)) else {
            return;
        };
        let mut outbox = lock(&self.outbox);
        if outbox.forbidden.len() >= MOST_FORBIDDEN {
            outbox.forbidden.clear();
        }
        outbox.forbidden.insert(topic.into());
        let left = outbox.window.refuse(|it| *it.topic == *topic, reason);
        self.leave(outbox, left);
        // What was under way behind it is to be sent again.
        self.work.notify_one();
    }
}

/// A future of the end of an awaited emission.
pub(super) struct Ticket(Arc<Waiter>);

impl Ticket {
    fn done(waiter: Arc<Waiter>, error: BridgeError) -> Self {
        lock(&waiter.0).result = Some(Err(error));
        Ticket(waiter)
    }
}

impl Future for Ticket {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Cloned and dropped outside of the lock: it is user code.
        let waker = cx.waker().clone();
        let (result, before): (_, Option<Waker>) = {
            let mut awaited = lock(&self.0.0);
            match awaited.result.take() {
                Some(result) => (Some(result), Some(waker)),
                None => (None, awaited.waker.replace(waker)),
            }
        };
        drop(before);
        match result {
            Some(result) => Poll::Ready(result.map_err(Into::into)),
            None => Poll::Pending,
        }
    }
}
