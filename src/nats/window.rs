//! What waits to be sent on a route, and what is under way: the bookkeeping, which sends nothing itself.
//!
//! # How the order is kept
//!
//! Events are sent in their order, and at most `limit` are under way. Each answer of the server has the position in the
//! stream at which the event is stored. An event leaves at the front only if its position is behind that of the one
//! before it, or if it was sent after that one had been acknowledged. Otherwise it stands in the stream too early: one
//! before it was refused, and this one was not.
//!
//! So that a reader can leave out the one that is too early, each message names the event of its topic that was still
//! unacknowledged when it was sent. See [`memory`](super::memory).
//!
//! Where the server has refused an event, now or for good, or has stored one too early, nothing more is sent until all
//! that is under way is answered. Then everything that is left goes again, what may be stored as another message. So
//! however many are refused, an event goes twice and not once for each of them.
//!
//! After a connection or a refusal the first event goes alone, until it is stored: a server whose JetStream is starting
//! refuses some and takes later ones. And no event goes before the first one of its topic is stored, because a reader
//! that has had none of the topic takes whatever comes for the first.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

use crate::nats::error::BridgeError;
use crate::nats::given::Given;

/// How many topics of a pattern have a number of their own. Beyond that they share the highest.
const MOST_TOPICS: usize = 65_536;

/// An event that waits, or is under way.
pub(super) struct Entry {
    pub(super) topic: Arc<str>,
    pub(super) payload: Bytes,
    /// All but those that are made when it is sent.
    pub(super) headers: Arc<Given>,
    /// How many bytes it has, with its headers.
    pub(super) size: usize,
    /// How many were put into the route before.
    pub(super) order: u64,
    /// Whoever awaits it.
    pub(super) waiter: Option<Arc<Waiter>>,
    /// How many of its topic were sent before. Given when it is sent first.
    number: u64,
    /// The position of the one of its topic that was sent before it.
    previous: Option<u64>,
    /// How often it became another message.
    run: u32,
    /// Whether all before it had been acknowledged when it was sent last.
    was_first: bool,
    place: Place,
}

#[derive(Clone, PartialEq, Eq)]
enum Place {
    /// To be sent, for the first time or again.
    Waiting,
    UnderWay,
    /// The position in the stream, and whether the server had the message before.
    Stored(u64, bool),
    /// For good, and why.
    Refused(String),
}

impl Entry {
    pub(super) fn new(
        topic: Arc<str>,
        payload: Bytes,
        headers: Arc<Given>,
        waiter: Option<Arc<Waiter>>,
    ) -> Self {
        Entry {
            topic,
            payload,
            headers,
            size: 0,
            order: 0,
            waiter,
            number: 0,
            previous: None,
            run: 0,
            was_first: false,
            place: Place::Waiting,
        }
    }

    fn is_refused(&self) -> bool {
        matches!(self.place, Place::Refused(_))
    }
}

/// What awaits an event: its result, and the waker.
#[derive(Default)]
pub(super) struct Waiter(pub(super) std::sync::Mutex<Awaited>);

#[derive(Default)]
pub(super) struct Awaited {
    /// What the server said, or why it was not sent.
    pub(super) result: Option<Result<(), BridgeError>>,
    pub(super) waker: Option<Waker>,
}

/// One message that is to be sent now.
pub(super) struct Sending {
    pub(super) position: u64,
    pub(super) number: u64,
    pub(super) run: u32,
    pub(super) after: Option<u64>,
    pub(super) topic: Arc<str>,
    pub(super) payload: Bytes,
    pub(super) headers: Arc<Given>,
    /// Whether it was sent before.
    pub(super) again: bool,
    /// Whether nothing else is under way.
    pub(super) is_alone: bool,
}

/// What the server has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Stored {
        sequence: u64,
        duplicate: bool,
    },
    /// Not now.
    Hold(String),
    /// Never.
    Refused(String),
}

/// What left the front.
pub(super) struct Left {
    pub(super) topic: Arc<str>,
    pub(super) number: u64,
    pub(super) waiter: Option<Arc<Waiter>>,
    /// Why, if it was.
    pub(super) refused: Option<String>,
}

pub(super) struct Window {
    entries: VecDeque<Entry>,
    /// The position of the first of them.
    base: u64,
    /// How many of them have been sent, at least once: the first ones.
    begun: usize,
    /// Below this none waits to be sent.
    next: usize,
    limit: usize,
    /// How many are under way.
    under_way: usize,
    /// From this position on everything is sent again, once nothing is under way any more.
    broken: Option<u64>,
    /// Whether the first goes alone.
    probing: bool,
    /// The position in the stream of the one that left last.
    last: u64,
    pushed: u64,
    numbers: Numbers,
}

impl Window {
    pub(super) fn new(limit: usize, is_pattern: bool) -> Self {
        Window {
            entries: VecDeque::new(),
            base: 0,
            begun: 0,
            next: 0,
            limit,
            under_way: 0,
            broken: None,
            probing: false,
            last: 0,
            pushed: 0,
            numbers: Numbers::new(is_pattern),
        }
    }

    /// All that has not left.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Those that have never been sent.
    pub(super) fn unsent(&self) -> usize {
        self.entries.len() - self.begun
    }

    /// How many were ever put in.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// How many of the first `order` that were put in are still here.
    pub(super) fn left_of(&self, order: u64) -> usize {
        self.entries.partition_point(|it| it.order < order)
    }

    pub(super) fn push(&mut self, mut entry: Entry) {
        entry.order = self.pushed;
        self.pushed += 1;
        self.entries.push_back(entry);
    }

    /// Removes the one that has waited longest and was never sent.
    pub(super) fn drop_oldest(&mut self) -> Option<Entry> {
        self.entries.remove(self.begun)
    }

    /// Removes all.
    pub(super) fn clear(&mut self) -> Vec<Entry> {
        self.base += self.entries.len() as u64;
        (self.begun, self.next, self.under_way) = (0, 0, 0);
        self.broken = None;
        self.entries.drain(..).collect()
    }

    /// Has what was sent sent again, the first one alone: with a new connection what has no answer, and what was broken
    /// as other messages, because it may be stored.
    pub(super) fn restart(&mut self) {
        let broken = self.broken.take().unwrap_or(u64::MAX);
        for (position, entry) in (self.base..).zip(self.entries.iter_mut().take(self.begun)) {
            let may_be_stored = matches!(entry.place, Place::Stored(..) | Place::UnderWay);
            if may_be_stored && position >= broken {
                entry.run += 1;
                entry.place = Place::Waiting;
            } else if entry.place == Place::UnderWay {
                entry.place = Place::Waiting;
            }
        }
        (self.next, self.under_way) = (0, 0);
        self.probing = true;
    }

    /// Whether the server owes an answer.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way > 0
    }

    /// The one that is to be sent now, which counts as sent then.
    pub(super) fn send_next(&mut self) -> Option<Sending> {
        while self
            .entries
            .get(self.next)
            .is_some_and(|it| it.place != Place::Waiting)
        {
            self.next += 1;
        }
        let index = self.next;
        let is_held = self.broken.is_some() || (self.probing && index > 0);
        if is_held || index >= self.limit || index >= self.entries.len() {
            return None;
        }
        let again = index < self.begun;
        let position = self.base + index as u64;
        if !again {
            let entry = &mut self.entries[index];
            entry.previous = self.numbers.last(&entry.topic);
        }
        let after = match self.before(index) {
            // Where there is only one topic, a connection has begun with it alone.
            Some(before) if self.numbers.of.is_some() && self.is_first(before) => return None,
            before => before.map(|it| it.number),
        };
        if !again {
            self.begun = index + 1;
            let entry = &mut self.entries[index];
            entry.number = self.numbers.next(&entry.topic, position, self.base);
        }
        let is_alone = self.under_way == 0;
        let entry = &mut self.entries[index];
        entry.place = Place::UnderWay;
        entry.was_first = index == 0;
        self.under_way += 1;
        self.next += 1;
        Some(Sending {
            position,
            number: entry.number,
            run: entry.run,
            after,
            topic: entry.topic.clone(),
            payload: entry.payload.clone(),
            headers: entry.headers.clone(),
            again,
            is_alone,
        })
    }

    fn at(&self, position: u64) -> Option<&Entry> {
        self.entries
            .get(usize::try_from(position.checked_sub(self.base)?).ok()?)
    }

    /// The event of the same topic before this one that was not refused, if it is still here.
    fn before(&self, index: usize) -> Option<&Entry> {
        let mut before = self.at(self.entries[index].previous?)?;
        while before.is_refused() {
            before = self.at(before.previous?)?;
        }
        Some(before)
    }

    /// Whether all of its topic that were sent before it were refused.
    fn is_first<'w>(&'w self, mut entry: &'w Entry) -> bool {
        while let Some(previous) = entry.previous {
            match self.at(previous).filter(|it| it.is_refused()) {
                Some(refused) => entry = refused,
                None => return false,
            }
        }
        true
    }

    /// Takes an answer to a message, and returns what has left at the front.
    pub(super) fn answered(&mut self, position: u64, run: u32, answer: &Answer) -> Vec<Left> {
        let Some(index) = position
            .checked_sub(self.base)
            .and_then(|it| usize::try_from(it).ok())
        else {
            return Vec::new();
        };
        let begun = self.begun;
        let Some(entry) = self.entries.get_mut(index).filter(|it| {
            // Otherwise it is to what was sent before.
            index < begun && it.run == run && it.place == Place::UnderWay
        }) else {
            return Vec::new();
        };
        self.under_way -= 1;
        entry.place = match answer {
            Answer::Stored {
                sequence,
                duplicate,
            } => Place::Stored(*sequence, *duplicate),
            Answer::Hold(_) => Place::Waiting,
            Answer::Refused(reason) => Place::Refused(reason.clone()),
        };
        match answer {
            Answer::Stored { .. } => (),
            // What is stored behind it stands too early.
            Answer::Hold(_) => self.break_at(position),
            Answer::Refused(_) => self.break_behind(index),
        }
        self.leave()
    }

    /// Has everything from here on sent again, once nothing is under way.
    fn break_at(&mut self, position: u64) {
        self.broken = Some(self.broken.map_or(position, |it| it.min(position)));
    }

    /// The same behind one that will never be stored: what names it as the one before is left out by readers.
    fn break_behind(&mut self, index: usize) {
        // By a connection that has ended it may be stored, and name that one.
        for entry in self.entries.iter_mut().take(self.begun).skip(index + 1) {
            entry.run += u32::from(entry.place == Place::Waiting);
        }
        self.break_at(self.base + index as u64);
    }

    /// Lets go what is done, at the front.
    fn leave(&mut self) -> Vec<Left> {
        let mut left = Vec::new();
        while let Some(first) = self.entries.front() {
            let refused = match &first.place {
                Place::Refused(reason) => Some(reason.clone()),
                &Place::Stored(sequence, duplicate) => {
                    if self.broken.is_some_and(|it| it <= self.base) {
                        break;
                    }
                    // Sent when those before it had been acknowledged: whatever its position is, it is behind them.
                    let is_alone = first.was_first && !duplicate;
                    if !is_alone && sequence <= self.last {
                        self.break_at(self.base);
                        break;
                    }
                    self.last = sequence;
                    self.probing = false;
                    None
                }
                Place::Waiting | Place::UnderWay => break,
            };
            let Some(entry) = self.entries.pop_front() else {
                break;
            };
            if refused.is_some() && entry.previous.is_none() {
                self.begin_again(&entry.topic);
            }
            self.base += 1;
            self.begun -= 1;
            self.next = self.next.saturating_sub(1);
            left.push(Left {
                topic: entry.topic,
                number: entry.number,
                waiter: entry.waiter,
                refused,
            });
        }
        if self.broken.is_some() && self.under_way == 0 {
            self.restart();
        }
        left
    }

    /// The first event of a topic, which leaves, was refused: the next one is the first.
    fn begin_again(&mut self, topic: &Arc<str>) {
        let mut sent = self.entries.iter_mut().take(self.begun - 1);
        match sent.find(|it| it.previous == Some(self.base)) {
            Some(next) => next.previous = None,
            None => self.numbers.begin_again(topic),
        }
    }

    /// Takes the first ones out, as sent: for what nobody answers to.
    pub(super) fn take(&mut self, most: usize) -> Vec<(Entry, u64)> {
        let count = self.entries.len().min(most);
        self.base += count as u64;
        let (numbers, base) = (&mut self.numbers, self.base);
        let taken = self.entries.drain(..count);
        taken
            .map(|entry| {
                let number = numbers.next(&entry.topic, 0, base);
                (entry, number)
            })
            .collect()
    }

    /// Removes of those that are refused from now on what is not under way, and marks what is as refused.
    pub(super) fn refuse(
        &mut self,
        is_refused: impl Fn(&Entry) -> bool,
        reason: &str,
    ) -> Vec<Left> {
        let begun = self.begun;
        let mut left = Vec::new();
        let mut kept = VecDeque::with_capacity(self.entries.len());
        let mut broken = None;
        for (index, mut entry) in self.entries.drain(..).enumerate() {
            if !is_refused(&entry) {
                kept.push_back(entry);
            } else if index < begun {
                if !matches!(entry.place, Place::Stored(..)) {
                    self.under_way -= usize::from(entry.place == Place::UnderWay);
                    entry.place = Place::Refused(reason.to_owned());
                    broken = broken.or(Some(index));
                }
                kept.push_back(entry);
            } else {
                let Entry {
                    topic,
                    number,
                    waiter,
                    ..
                } = entry;
                left.push(Left {
                    topic,
                    number,
                    waiter,
                    refused: Some(reason.to_owned()),
                });
            }
        }
        self.entries = kept;
        if let Some(first) = broken {
            self.break_behind(first);
        }
        left.extend(self.leave());
        left
    }
}

/// The number of the next event of each topic.
struct Numbers {
    /// Of the only topic, or of those that have none of their own.
    next: Sequence,
    /// `None` unless there are many topics.
    of: Option<HashMap<Arc<str>, Sequence>>,
}

#[derive(Clone, Copy, Default)]
struct Sequence {
    next: u64,
    /// The position of the last one.
    last: Option<u64>,
}

impl Sequence {
    /// The number of the event at this position.
    fn take(&mut self, position: u64) -> u64 {
        self.next += 1;
        self.last = Some(position);
        self.next - 1
    }
}

impl Numbers {
    fn new(is_pattern: bool) -> Self {
        Numbers {
            next: Sequence::default(),
            of: is_pattern.then(HashMap::new),
        }
    }

    /// The position of the last event of this topic.
    fn last(&self, topic: &Arc<str>) -> Option<u64> {
        let of = self.of.as_ref();
        of.map_or(Some(&self.next), |it| it.get(topic))?.last
    }

    /// The number of an event that is at this position. What is below `base` has left.
    fn next(&mut self, topic: &Arc<str>, position: u64, base: u64) -> u64 {
        let Some(of) = &mut self.of else {
            return self.next.take(position);
        };
        if let Some(sequence) = of.get_mut(topic) {
            return sequence.take(position);
        }
        if of.len() >= MOST_TOPICS {
            // A number never comes again: a topic that returns goes on above all that it can have had.
            let highest = of.values().map(|it| it.next).max().unwrap_or(0);
            self.next.next = highest.max(self.next.next);
            // What is under way is still to be named as the one before.
            of.retain(|_, it| it.last.is_some_and(|it| it >= base));
        }
        let mut sequence = self.next;
        let first = sequence.take(position);
        of.insert(topic.clone(), sequence);
        first
    }

    /// None of a topic is stored, and none is under way.
    fn begin_again(&mut self, topic: &Arc<str>) {
        let of = self.of.as_mut();
        let sequence = of.map_or(Some(&mut self.next), |it| it.get_mut(topic));
        if let Some(sequence) = sequence {
            sequence.last = None;
        }
    }
}

#[cfg(test)]
mod tests;
