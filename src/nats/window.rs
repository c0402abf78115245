//! What waits to be sent on a route, and what is under way: the bookkeeping, which sends nothing itself.
//!
//! # How the order is kept
//!
//! Events are sent in their order, and at most `limit` are under way. Each answer of the server has the position in the
//! stream at which the event is stored. An event leaves at the front only if its position is behind that of the one
//! before it, or if it was sent after that one had been acknowledged. Otherwise it stands in the stream too early: one
//! before it was refused, and this one was not. Then it is sent again, as another message, behind the other.
//!
//! So that a reader can leave out the one that is too early, each message names the event of its topic that was still
//! unacknowledged when it was sent. See [`memory`](super::memory).
//!
//! After a connection or a refusal the first event goes alone, until it is stored: a server whose JetStream is starting
//! refuses some and takes later ones.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

use crate::nats::error::BridgeError;
use crate::nats::headers::Headers;

/// How many topics of a pattern have a number of their own. Beyond that they share the highest.
const MOST_TOPICS: usize = 65_536;

/// An event that waits, or is under way.
pub(super) struct Entry {
    pub(super) topic: Arc<str>,
    pub(super) payload: Bytes,
    /// All but those that are made when it is sent.
    pub(super) headers: Arc<Headers>,
    /// How many were put into the route before.
    pub(super) order: u64,
    /// Whoever awaits it.
    pub(super) waiter: Option<Arc<Waiter>>,
    /// How many of its topic were sent before. Given when it is sent first.
    number: u64,
    /// How often it was found to stand too early.
    run: u32,
    /// Whether all before it had been acknowledged when it was sent last.
    was_first: bool,
    place: Place,
}

#[derive(Clone, PartialEq, Eq)]
enum Place {
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
        headers: Headers,
        waiter: Option<Arc<Waiter>>,
    ) -> Self {
        Entry {
            topic,
            payload,
            headers: Arc::new(headers),
            order: 0,
            waiter,
            number: 0,
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
    pub(super) headers: Arc<Headers>,
    /// Whether it was sent before.
    pub(super) again: bool,
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
    /// Whether the first goes alone.
    probing: bool,
    /// The position in the stream of the one that left last.
    last: u64,
    pushed: u64,
    numbers: Numbers,
    /// Of each topic that is under way, the position of its last event. Only for patterns.
    latest: Option<HashMap<Arc<str>, u64>>,
}

impl Window {
    pub(super) fn new(limit: usize, is_pattern: bool) -> Self {
        Window {
            entries: VecDeque::new(),
            base: 0,
            begun: 0,
            next: 0,
            limit,
            probing: false,
            last: 0,
            pushed: 0,
            numbers: Numbers::default(),
            latest: is_pattern.then(HashMap::new),
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
        (self.begun, self.next) = (0, 0);
        if let Some(latest) = &mut self.latest {
            latest.clear();
        }
        self.entries.drain(..).collect()
    }

    /// Begins a connection: what is under way is sent again, the first one alone.
    pub(super) fn restart(&mut self) {
        for entry in self.entries.iter_mut().take(self.begun) {
            if entry.place == Place::UnderWay {
                entry.place = Place::Waiting;
            }
        }
        self.next = 0;
        self.probing = true;
    }

    /// Whether the first is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.entries
            .front()
            .is_some_and(|it| it.place == Place::UnderWay)
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
        if index >= self.limit || (self.probing && index > 0) || index >= self.entries.len() {
            return None;
        }
        let again = index < self.begun;
        if !again {
            self.begun = index + 1;
            let entry = &mut self.entries[index];
            entry.number = self.numbers.next(&entry.topic, self.latest.is_some());
        }
        let after = self.before(index);
        let position = self.base + index as u64;
        if let (false, Some(latest)) = (again, &mut self.latest) {
            latest.insert(self.entries[index].topic.clone(), position);
        }
        let entry = &mut self.entries[index];
        entry.place = Place::UnderWay;
        entry.was_first = index == 0;
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
        })
    }

    /// The number of the event of the same topic before this one, if it is still here.
    fn before(&self, index: usize) -> Option<u64> {
        let topic = &self.entries[index].topic;
        let mut to = index;
        if let Some(latest) = &self.latest {
            match latest.get(topic) {
                // It is sent for the first time: the last of its topic is known.
                Some(position) if *position < self.base + index as u64 => {
                    to = usize::try_from(position.checked_sub(self.base)?).ok()? + 1;
                }
                Some(_) => (),
                None => return None,
            }
        }
        let before = self.entries.range(..to).rev();
        let mut same = before.filter(|it| it.topic == *topic && !it.is_refused());
        same.next().map(|it| it.number)
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
        let Some(entry) = self
            .entries
            .get_mut(index)
            .filter(|it| index < begun && it.run == run)
        else {
            return Vec::new();
        };
        if matches!(entry.place, Place::Stored(..) | Place::Refused(_)) {
            return Vec::new();
        }
        match answer {
            Answer::Stored {
                sequence,
                duplicate,
            } => {
                entry.place = Place::Stored(*sequence, *duplicate);
            }
            Answer::Hold(_) => {
                entry.place = Place::Waiting;
                self.next = self.next.min(index);
                self.probing = true;
            }
            Answer::Refused(reason) => {
                entry.place = Place::Refused(reason.clone());
                // What names it as the one before would be left out by readers.
                self.send_again(index + 1);
            }
        }
        self.leave()
    }

    /// Has this one and all that are under way behind it sent as other messages.
    fn send_again(&mut self, from: usize) {
        for entry in self.entries.iter_mut().take(self.begun).skip(from) {
            if !entry.is_refused() {
                entry.place = Place::Waiting;
                entry.run += 1;
            }
        }
        self.next = self.next.min(from);
    }

    /// Lets go what is done, at the front.
    fn leave(&mut self) -> Vec<Left> {
        let mut left = Vec::new();
        while let Some(first) = self.entries.front() {
            let refused = match &first.place {
                Place::Refused(reason) => Some(reason.clone()),
                &Place::Stored(sequence, duplicate) => {
                    // Sent when those before it had been acknowledged: whatever its position is, it is behind them.
                    let is_alone = first.was_first && !duplicate;
                    if !is_alone && sequence <= self.last {
                        self.send_again(0);
                        self.probing = true;
                        break;
                    }
                    self.last = sequence;
                    self.probing = false;
                    None
                }
                Place::Waiting | Place::UnderWay => break,
            };
            let position = self.base;
            let Some(entry) = self.entries.pop_front() else {
                break;
            };
            self.base += 1;
            self.begun -= 1;
            self.next = self.next.saturating_sub(1);
            if let Some(latest) = &mut self.latest {
                if latest.get(&entry.topic) == Some(&position) {
                    latest.remove(&entry.topic);
                }
            }
            left.push(Left {
                topic: entry.topic,
                number: entry.number,
                waiter: entry.waiter,
                refused,
            });
        }
        left
    }

    /// Takes the first ones out, as sent: for what nobody answers to.
    pub(super) fn take(&mut self, most: usize) -> Vec<(Entry, u64)> {
        let count = self.entries.len().min(most);
        self.base += count as u64;
        let is_pattern = self.latest.is_some();
        let numbers = &mut self.numbers;
        let taken = self.entries.drain(..count);
        taken
            .map(|entry| {
                let number = numbers.next(&entry.topic, is_pattern);
                (entry, number)
            })
            .collect()
    }

    /// Removes what is not under way of a topic that is refused from now on, and marks what is as refused.
    pub(super) fn refuse(&mut self, is_refused: impl Fn(&str) -> bool, reason: &str) -> Vec<Left> {
        let begun = self.begun;
        let mut left = Vec::new();
        let mut kept = VecDeque::with_capacity(self.entries.len());
        let mut broken = None;
        for (index, mut entry) in self.entries.drain(..).enumerate() {
            if !is_refused(&entry.topic) {
                kept.push_back(entry);
            } else if index < begun {
                if !matches!(entry.place, Place::Stored(..)) {
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
            self.send_again(first);
        }
        left.extend(self.leave());
        left
    }
}

/// The number of the next event of each topic.
#[derive(Default)]
struct Numbers {
    /// Of the only topic, or of those that have none of their own.
    next: u64,
    of: HashMap<Arc<str>, u64>,
}

impl Numbers {
    fn next(&mut self, topic: &Arc<str>, is_pattern: bool) -> u64 {
        if !is_pattern {
            self.next += 1;
            return self.next - 1;
        }
        if let Some(next) = self.of.get_mut(topic) {
            *next += 1;
            return *next - 1;
        }
        if self.of.len() >= MOST_TOPICS {
            // A number never comes again: a topic that returns goes on above all that it can have had.
            self.next = self.of.values().copied().max().unwrap_or(0).max(self.next);
            self.of.clear();
        }
        self.of.insert(topic.clone(), self.next + 1);
        self.next
    }
}

#[cfg(test)]
mod tests;
