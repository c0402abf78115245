//! What one thread has counted for one follower.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smallvec::SmallVec;

use crate::cause::Cause;
use crate::core::primitives::hash::HashMap;
use crate::failure::CallSite;
use crate::follow::step::StepKind;
use crate::follow::times::Times;
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
/// For how many handlers of an emission it is remembered which they were.
const GUESSES: usize = 8;
/// How many calls of one piece of work are kept.
pub(super) const CALLS: usize = 8;

pub(super) struct Records {
    /// The following has ended, and nothing is recorded any more.
    pub(super) is_ended: bool,
    number: u32,
    /// The threads that have had it, each with its first piece of work. The last one has it.
    threads: VecDeque<(u64, Arc<str>)>,
    /// The number of the first piece of work in the tail.
    first: u64,
    most: usize,
    /// The limit for one call of a handler.
    slow: Option<u64>,
    tail: VecDeque<Entry>,
    pub(super) topics: Vec<TopicCount>,
    topic_numbers: HashMap<Name, u32>,
    /// What was looked up last, and is probably looked up next.
    last_topics: [u32; 2],
    last_emitter: u32,
    last_handlers: [u32; GUESSES],
    pub(super) handlers: Vec<HandlerCount>,
    /// Those with this topic and line.
    handler_numbers: HashMap<(u32, usize), SmallVec<[u32; 2]>>,
    /// The topic, the line, and how many emissions.
    pub(super) emitters: Vec<(u32, CallSite, u64)>,
    emitter_numbers: HashMap<(u32, usize), u32>,
    pub(super) other_emissions: u64,
}

/// One piece of work.
pub(super) struct Entry {
    pub(super) parent: Option<Cause>,
    pub(super) kind: StepKind,
    pub(super) topic: Option<u32>,
    pub(super) handler: Option<u32>,
    pub(super) place: CallSite,
    /// `None`: the one that has begun it.
    pub(super) thread: Option<Arc<str>>,
    pub(super) at: u64,
    pub(super) waited: Option<u64>,
    pub(super) took: Option<u64>,
    pub(super) ran: u32,
    pub(super) failed: u32,
    pub(super) stopped: bool,
    pub(super) text: Option<Box<str>>,
    pub(super) failure: Option<Box<str>>,
    pub(super) calls: SmallVec<[CallEntry; 1]>,
}

pub(super) struct CallEntry {
    pub(super) handler: u32,
    pub(super) own: u64,
    pub(super) failed: bool,
}

pub(super) struct TopicCount {
    pub(super) name: Name,
    /// `None` if only handlers of it were called.
    pub(super) type_name: Option<&'static str>,
    pub(super) emissions: u64,
    pub(super) unheard: u64,
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

/// The result of one call.
pub(crate) struct Called {
    pub(super) ran: bool,
    pub(super) failed: u32,
    pub(super) failure: Option<Box<str>>,
    pub(super) own: u64,
    pub(super) total: u64,
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
        let next = records.next();
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
            first: 1,
            most: most.max(1),
            slow,
            tail: VecDeque::new(),
            topics: Vec::new(),
            topic_numbers: HashMap::default(),
            last_topics: [0; 2],
            last_emitter: 0,
            last_handlers: [0; GUESSES],
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
    ) -> (Option<Cause>, Option<&mut Entry>) {
        let cause = Cause::new(self.number, self.next());
        if self.tail.len() >= self.most {
            self.tail.pop_front();
            self.first += 1;
            while self.threads.get(1).is_some_and(|it| it.0 <= self.first) {
                self.threads.pop_front();
            }
        }
        self.tail.push_back(Entry {
            parent,
            kind,
            topic: None,
            handler: None,
            place,
            thread: None,
            at,
            waited: None,
            took: None,
            ran: 0,
            failed: 0,
            stopped: false,
            text: None,
            failure: None,
            calls: SmallVec::new(),
        });
        (cause, self.tail.back_mut())
    }

    /// The number of the next piece of work.
    fn next(&self) -> u64 {
        self.first + self.tail.len() as u64
    }

    /// Takes the newest piece of work out again, if it is this one.
    pub(super) fn forget(&mut self, cause: Cause) {
        if cause.number() + 1 == self.next() {
            self.tail.pop_back();
        }
    }

    /// Whether it is a piece of work of this recorder.
    pub(super) fn has(&self, cause: Cause) -> bool {
        cause.thread() == self.number
    }

    /// The piece of work, if it is kept.
    pub(super) fn entry(&mut self, cause: Cause) -> Option<&mut Entry> {
        let index = cause
            .number()
            .checked_sub(self.first)
            .filter(|_| self.has(cause))?;
        self.tail.get_mut(usize::try_from(index).ok()?)
    }

    /// Those that are kept, each with its number.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Cause, &Entry)> {
        let numbers = self.first..;
        let causes = numbers.map(|it| Cause::new(self.number, it));
        causes
            .zip(&self.tail)
            .filter_map(|(cause, entry)| Some((cause?, entry)))
    }

    /// How many are not kept any more.
    pub(super) fn skipped(&self) -> u64 {
        self.first - 1
    }

    /// How long a call took, if that is longer than it should.
    pub(super) fn slow(&self, called: &Called) -> Option<Duration> {
        let is_slow = called.ran && self.slow.is_some_and(|limit| called.own > limit);
        is_slow.then(|| Duration::from_nanos(called.own))
    }

    pub(super) fn topic(&mut self, name: &Name) -> u32 {
        let is_it = |it: u32| {
            let topic = self.topics.get(it as usize);
            topic.is_some_and(|it| it.name.as_str() == name.as_str())
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
        });
        self.topic_numbers.insert(name.clone(), number);
        number
    }

    pub(super) fn count_emission(&mut self, topic: u32, type_name: &'static str, place: CallSite) {
        let count = &mut self.topics[topic as usize];
        count.emissions += 1;
        count.type_name = Some(type_name);
        let key = (topic, std::ptr::from_ref(place).addr());
        if let Some(last) = self.emitters.get_mut(self.last_emitter as usize) {
            if last.0 == topic && std::ptr::eq(last.1, place) {
                last.2 += 1;
                return;
            }
        }
        if let Some(&number) = self.emitter_numbers.get(&key) {
            self.last_emitter = number;
            self.emitters[number as usize].2 += 1;
        } else if self.emitters.len() < EMITTERS {
            self.emitter_numbers.insert(key, self.emitters.len() as u32);
            self.emitters.push((topic, place, 1));
        } else {
            self.other_emissions += 1;
        }
    }

    /// The number of the handler that is called as the one with this index.
    pub(super) fn handler_at(&mut self, index: usize, key: HandlerKey<'_>) -> u32 {
        let index = index % GUESSES;
        let guess = self.last_handlers[index];
        if let Some(last) = self.handlers.get(guess as usize) {
            let name = key.topic.map_or(NO_TOPIC.as_str(), Name::as_str);
            if std::ptr::eq(last.place, key.place)
                && last.label.as_deref() == key.label
                && self.topics[last.topic as usize].name.as_str() == name
            {
                return guess;
            }
        }
        let number = self.handler(key);
        self.last_handlers[index] = number;
        number
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

impl CallEntry {
    pub(super) fn new(handler: u32, called: &Called) -> Self {
        CallEntry {
            handler,
            own: called.own,
            failed: called.failed > 0,
        }
    }
}

impl Entry {
    pub(super) fn add_calls(&mut self, calls: SmallVec<[CallEntry; 1]>) {
        let room = CALLS.saturating_sub(self.calls.len());
        if self.calls.is_empty() {
            self.calls = calls;
        } else {
            self.calls.extend(calls.into_iter().take(room));
        }
    }

    pub(super) fn add_failures(&mut self, failed: u32, failure: Option<Box<str>>) {
        self.failed += failed;
        if self.failure.is_none() {
            self.failure = failure;
        }
    }
}
