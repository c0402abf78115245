//! What one thread has counted for one follower.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smallvec::SmallVec;

use crate::cause::Cause;
use crate::core::follow::tail::{Called, Entry, Tail};
use crate::core::primitives::hash::HashMap;
use crate::failure::CallSite;
#[cfg(feature = "nats")]
use crate::follow::received::{Received, ReceivedReport};
use crate::follow::step::StepKind;
use crate::follow::times::Times;
use crate::topic::any_event::TopicInfo;
use crate::topic::name::Name;
use crate::wiring::warning::Warning;

/// What one thread has counted. Continued by another one when the thread has ended.
pub(super) struct Recorder {
    /// Its number among all of the process.
    pub(super) number: u32,
    records: Mutex<Records>,
}

/// How many emitting lines are told apart.
const EMITTERS: usize = 4096;
/// For how many handlers, and for how many lines, it is remembered which they are.
const KNOWN: usize = 64;

pub(super) struct Records {
    /// The following has ended, and nothing is recorded any more.
    pub(super) is_ended: bool,
    number: u32,
    /// The threads that have had it, each with its first piece of work. The last one has it.
    threads: VecDeque<(u64, Arc<str>)>,
    /// The limit for one call of a handler.
    slow: Option<u64>,
    tail: Tail,
    pub(super) topics: Vec<TopicCount>,
    topic_numbers: HashMap<Name, u32>,
    /// What was looked up last, and is probably looked up next.
    last_topics: [u32; 2],
    known_lines: [Option<KnownLine>; KNOWN],
    known_handlers: [KnownHandler; KNOWN],
    pub(super) handlers: Vec<HandlerCount>,
    /// Those with this topic and line.
    handler_numbers: HashMap<(u32, usize), SmallVec<[u32; 2]>>,
    /// The topic, the line, and how many emissions.
    pub(super) emitters: Vec<(u32, CallSite, u64)>,
    emitter_numbers: HashMap<(u32, usize), u32>,
    pub(super) other_emissions: u64,
}

/// An emitting line that was looked up before, with one of its topics.
#[derive(Clone, Copy)]
struct KnownLine {
    place: CallSite,
    topic: u32,
    /// `None`: there are too many.
    emitter: Option<u32>,
}

/// A handler that was looked up before.
#[derive(Clone, Copy)]
struct KnownHandler {
    id: HandlerId,
    number: u32,
    counting: Counting,
}

/// What tells a handler from all others: its number, which those that have replaced it have as well, and its address.
/// These are counted as one by their key, too. Unlike that, compared at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandlerId {
    /// 0 if it is in no roster: it is not remembered.
    pub(crate) sequence: u64,
    pub(crate) address: usize,
}

pub(super) struct TopicCount {
    pub(super) name: Name,
    /// `None` if only handlers of it were called.
    pub(super) type_name: Option<&'static str>,
    pub(super) emissions: u64,
    pub(super) unheard: u64,
    /// When the last one began is a reading of the clock.
    #[cfg(feature = "nats")]
    pub(super) received: Option<ReceivedReport>,
}

pub(super) struct HandlerCount {
    pub(super) topic: u32,
    pub(super) label: Option<Box<str>>,
    pub(super) place: CallSite,
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) skipped: u64,
    pub(super) own: Times,
    pub(super) total: u64,
    pub(super) waited: Times,
}

/// Where the calls of a handler are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// In the emission.
    Here,
    /// In the emission, which does not count it as one that has run.
    Hook,
    /// Where they are made, by a queue.
    Later,
    /// Where its future ends.
    Future,
}

const NOBODY: KnownHandler = KnownHandler {
    id: HandlerId {
        sequence: 0,
        address: 0,
    },
    number: 0,
    counting: Counting::Here,
};

/// Whether two names are the same. Mostly they are at the same address.
fn is_same(name: &Name, other: &Name) -> bool {
    let (name, other) = (name.as_str(), other.as_str());
    std::ptr::eq(name, other) || name == other
}

/// The topic of a handler of no signal.
const NO_TOPIC: Name = Name::Fixed("(hook)");

/// What identifies a handler.
#[derive(Clone, Copy)]
pub(crate) struct HandlerKey<'h> {
    /// `None` for a handler of no signal.
    pub(crate) topic: Option<&'h Name>,
    pub(crate) label: Option<&'h str>,
    pub(crate) place: CallSite,
}

impl HandlerKey<'_> {
    /// The warning about a call of it that took so long.
    pub(crate) fn slow(&self, topic: &Name, took: Duration) -> Warning {
        Warning::Slow {
            topic: topic.as_str().to_owned(),
            label: self.label.map(str::to_owned),
            place: self.place,
            took,
        }
    }
}

impl Recorder {
    pub(super) fn new(number: u32, most: usize, slow: Option<u64>) -> Self {
        Recorder {
            number,
            records: Mutex::new(Records::new(number, most, slow)),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the thread that has it.
    pub(super) fn name_thread(&self) {
        let thread = std::thread::current();
        let name = match thread.name() {
            Some(name) => name.into(),
            None => format!("{:?}", thread.id()).into(),
        };
        let mut records = self.lock();
        let next = records.tail.next();
        records.threads.push_back((next, name));
    }
}

impl Records {
    /// Those of the recorder with this number, with so many pieces of work at most.
    pub(super) fn new(number: u32, most: usize, slow: Option<u64>) -> Self {
        Records {
            is_ended: false,
            number,
            threads: VecDeque::new(),
            slow,
            tail: Tail::new(most),
            topics: Vec::new(),
            topic_numbers: HashMap::default(),
            last_topics: [0; 2],
            known_lines: [None; KNOWN],
            known_handlers: [NOBODY; KNOWN],
            handlers: Vec::new(),
            handler_numbers: HashMap::default(),
            emitters: Vec::new(),
            emitter_numbers: HashMap::default(),
            other_emissions: 0,
        }
    }

    /// The name of its thread.
    pub(super) fn thread(&self) -> Option<Arc<str>> {
        self.threads.back().map(|(_, thread)| thread.clone())
    }

    /// The name of the thread that has begun a piece of work.
    pub(super) fn thread_of(&self, cause: Cause) -> &str {
        let mut before = self.threads.iter().rev();
        let found = before.find(|(first, _)| *first <= cause.number());
        found.map_or("", |(_, thread)| thread)
    }

    /// Adds a piece of work, and returns its number.
    #[inline]
    pub(super) fn begin(
        &mut self,
        kind: StepKind,
        place: CallSite,
        parent: Option<Cause>,
        at: u64,
    ) -> (Option<Cause>, &mut Entry) {
        self.forget_threads();
        let cause = Cause::new(self.number, self.tail.next());
        let entry = self.tail.begin(kind, place, parent, at);
        (cause, entry)
    }

    /// Forgets the threads whose pieces of work are not kept any more.
    fn forget_threads(&mut self) {
        let first = self.tail.first();
        while self.threads.get(1).is_some_and(|it| it.0 <= first) {
            self.threads.pop_front();
        }
    }

    /// Takes the newest piece of work out again, if it is this one.
    pub(super) fn forget(&mut self, cause: Cause) {
        self.tail.forget(cause.number());
    }

    /// Whether it is a piece of work of this recorder.
    pub(super) fn has(&self, cause: Cause) -> bool {
        cause.thread() == self.number
    }

    /// The piece of work, if it is kept.
    pub(super) fn entry(&mut self, cause: Cause) -> Option<&mut Entry> {
        let is_own = self.has(cause);
        is_own.then(|| self.tail.get(cause.number()))?
    }

    /// Those that are kept, each with its number.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Cause, &Entry)> {
        let entries = self.tail.iter();
        entries.filter_map(|(number, entry)| Some((Cause::new(self.number, number)?, entry)))
    }

    /// How many are not kept any more.
    pub(super) fn skipped(&self) -> u64 {
        self.tail.first() - 1
    }

    /// How long a call took, if that is longer than it should.
    pub(super) fn slow(&self, called: &Called) -> Option<Duration> {
        let is_slow = called.ran && self.slow.is_some_and(|limit| called.own > limit);
        is_slow.then(|| Duration::from_nanos(called.own))
    }

    pub(super) fn topic(&mut self, name: &Name) -> u32 {
        let is_it = |it: u32| {
            let topic = self.topics.get(it as usize);
            topic.is_some_and(|it| is_same(&it.name, name))
        };
        let [last, before] = self.last_topics;
        if is_it(last) {
            return last;
        }
        if is_it(before) {
            return before;
        }
        let number = match self.topic_numbers.get(name.as_str()) {
            Some(&number) => number,
            None => self.add_topic(name),
        };
        self.last_topics = [number, last];
        number
    }

    fn add_topic(&mut self, name: &Name) -> u32 {
        let number = self.topics.len() as u32;
        self.topics.push(TopicCount {
            name: name.clone(),
            type_name: None,
            emissions: 0,
            unheard: 0,
            #[cfg(feature = "nats")]
            received: None,
        });
        self.topic_numbers.insert(name.clone(), number);
        number
    }

    /// Counts an emission, and returns the number of its topic.
    pub(super) fn count_emission(&mut self, topic_info: &TopicInfo, place: CallSite) -> u32 {
        let KnownLine { topic, emitter, .. } = self.line(&topic_info.name, place);
        let count = &mut self.topics[topic as usize];
        count.emissions += 1;
        count.type_name = Some(topic_info.type_name());
        match emitter {
            Some(emitter) => self.emitters[emitter as usize].2 += 1,
            None => self.other_emissions += 1,
        }
        topic
    }

    /// Counts an event that has come from another machine, and returns the number of its topic.
    #[cfg(feature = "nats")]
    pub(super) fn count_received(&mut self, name: &Name, at: u64, last: &Arc<Received>) -> u32 {
        let topic = self.topic(name);
        let received = &mut self.topics[topic as usize].received;
        let before = received
            .as_ref()
            .map_or((0, 0), |it| (it.count, it.handling));
        *received = Some(ReceivedReport {
            count: before.0 + 1,
            handling: before.1 + 1,
            at,
            last: last.clone(),
        });
        topic
    }

    /// The handling of such an event has ended.
    #[cfg(feature = "nats")]
    pub(super) fn end_received(&mut self, topic: u32) {
        if let Some(received) = &mut self.topics[topic as usize].received {
            received.handling -= 1;
        }
    }

    /// The numbers of the topic and of the line of an emission.
    fn line(&mut self, name: &Name, place: CallSite) -> KnownLine {
        let address = std::ptr::from_ref(place).addr();
        let at = (address ^ name.as_str().as_ptr().addr()) / 8 % KNOWN;
        if let Some(known) = self.known_lines[at] {
            let topic = &self.topics[known.topic as usize];
            if std::ptr::eq(known.place, place) && is_same(&topic.name, name) {
                return known;
            }
        }
        let topic = self.topic(name);
        let emitter = match self.emitter_numbers.get(&(topic, address)) {
            Some(&number) => Some(number),
            None if self.emitters.len() == EMITTERS => None,
            None => {
                let number = self.emitters.len() as u32;
                self.emitter_numbers.insert((topic, address), number);
                self.emitters.push((topic, place, 0));
                Some(number)
            }
        };
        let line = KnownLine {
            place,
            topic,
            emitter,
        };
        self.known_lines[at] = Some(line);
        line
    }

    /// The number of a handler of an emission, and how its calls are counted. `describe` is called if it is not known.
    pub(super) fn known<'h>(
        &mut self,
        id: HandlerId,
        describe: impl FnOnce() -> (HandlerKey<'h>, Counting),
    ) -> (u32, Counting) {
        let at = id.sequence as usize % KNOWN;
        let it = self.known_handlers[at];
        if it.id == id && id.sequence != 0 {
            return (it.number, it.counting);
        }
        let (key, counting) = describe();
        let number = self.handler(key);
        self.known_handlers[at] = KnownHandler {
            id,
            number,
            counting,
        };
        (number, counting)
    }

    /// The number of a handler.
    pub(super) fn handler(&mut self, key: HandlerKey<'_>) -> u32 {
        let topic = self.topic(key.topic.unwrap_or(&NO_TOPIC));
        let place = std::ptr::from_ref(key.place).addr();
        let numbers = self.handler_numbers.entry((topic, place)).or_default();
        let is_it = |it: &&u32| self.handlers[**it as usize].label.as_deref() == key.label;
        if let Some(&number) = numbers.iter().find(is_it) {
            return number;
        }
        let number = self.handlers.len() as u32;
        numbers.push(number);
        self.handlers.push(HandlerCount {
            topic,
            label: key.label.map(Box::from),
            place: key.place,
            calls: 0,
            failures: 0,
            skipped: 0,
            own: Times::default(),
            total: 0,
            waited: Times::default(),
        });
        number
    }

    /// Counts a call that an emission has made.
    pub(super) fn count_given(&mut self, handler: u32, called: &Called, counting: Counting) {
        let count = &mut self.handlers[handler as usize];
        match counting {
            Counting::Hook => count.count(called),
            _ if !called.ran => count.skipped += 1,
            Counting::Here => count.count(called),
            // The call itself is counted when it is made.
            Counting::Future => count.failures += u64::from(called.failed > 0),
            Counting::Later if called.failed == 0 => {}
            // The queue refuses it.
            Counting::Later => {
                count.failures += 1;
                count.skipped += 1;
            }
        }
    }

    /// Counts a call that waited, or a future.
    pub(super) fn count_later(&mut self, handler: u32, called: &Called, waited: Option<u64>) {
        let count = &mut self.handlers[handler as usize];
        if called.ran {
            count.count(called);
            if let Some(waited) = waited {
                count.waited.add(waited);
            }
        } else {
            count.skipped += 1;
        }
    }
}

impl HandlerCount {
    fn count(&mut self, called: &Called) {
        self.calls += 1;
        self.failures += u64::from(called.failed > 0);
        self.own.add(called.own);
        self.total = self.total.saturating_add(called.total);
    }
}
