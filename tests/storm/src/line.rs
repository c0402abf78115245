//! A line: where control events go, who stays there, and the numbers that the workers have given.
//!
//! Each worker numbers its events of a line from 1. Whoever stays expects the numbers of each worker in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use slotcast::{Bus, Signal, Subscription, Topic};

use crate::checks::violation;
use crate::tracked::Event;
use crate::world::set_hook;

/// One who stays.
pub struct Stayer {
    pub name: String,
    /// Whether every number has to come, and not just higher ones.
    all: bool,
    /// Whether it is called by one thread at a time, as in a drain.
    alone: bool,
    busy: AtomicBool,
    last: Vec<AtomicU64>,
    pub seen: AtomicU64,
}

impl Stayer {
    pub fn new(name: &str, workers: usize, all: bool, alone: bool) -> Arc<Self> {
        let (name, busy, seen) = (name.to_owned(), AtomicBool::new(false), AtomicU64::new(0));
        let last = (0..workers).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Stayer {
            name,
            all,
            alone,
            busy,
            last,
            seen,
        })
    }

    pub fn saw(&self, event: &Event) {
        event.look();
        if self.alone && self.busy.swap(true, SeqCst) {
            violation(
                "1, control",
                format!("{} is called by two drains at once", self.name),
            );
        }
        let (worker, number) = (event.worker, event.number);
        let last = self.last[worker].swap(number, SeqCst);
        if number <= last || (self.all && number != last + 1) {
            let what = if number <= last {
                "again, or too late"
            } else {
                "with one left out"
            };
            let text = format!(
                "{} got number {number} of worker {worker} {what}, after {last}",
                self.name
            );
            violation("1, control", text);
        }
        self.seen.fetch_add(1, SeqCst);
        self.busy.store(false, SeqCst);
    }

    /// Has to have seen this number by now.
    fn must_have(&self, worker: usize, number: u64) {
        let last = self.last[worker].load(SeqCst);
        if last != number {
            let text = format!(
                "{} has missed number {number} of worker {worker}: it had {last}",
                self.name
            );
            violation("1, control", text);
        }
    }
}

/// A signal, or a queue, with those who stay, and the numbers that the workers have given.
pub struct Line {
    pub bus: Bus,
    pub signals: Vec<Signal<Event>>,
    pub stayers: Vec<Arc<Stayer>>,
    given: Vec<AtomicU64>,
    pub subs: Vec<Subscription>,
}

impl Line {
    pub fn new(bus: Bus, topics: &[&'static str], workers: usize) -> Self {
        set_hook(&bus);
        let signals = topics
            .iter()
            .map(|topic| bus.signal(&Topic::new(topic)))
            .collect();
        let given = (0..workers).map(|_| AtomicU64::new(0)).collect();
        Line {
            bus,
            signals,
            stayers: Vec::new(),
            given,
            subs: Vec::new(),
        }
    }

    pub fn stay(
        &mut self,
        stayer: &Arc<Stayer>,
        subscribe: impl FnOnce(&Self, Arc<Stayer>) -> Subscription,
    ) {
        let subscription = subscribe(self, stayer.clone());
        self.stayers.push(stayer.clone());
        self.subs.push(subscription);
    }

    /// The next event of this worker.
    pub fn next(&self, worker: usize) -> Event {
        Event::numbered(worker, self.given[worker].load(SeqCst) + 1)
    }

    /// The event of `next` has been accepted.
    pub fn gave(&self, worker: usize) {
        self.given[worker].fetch_add(1, SeqCst);
    }

    pub fn total(&self) -> u64 {
        self.given.iter().map(|it| it.load(SeqCst)).sum()
    }

    /// All have got what this worker has given.
    pub fn must_be_complete(&self, worker: usize) {
        let given = self.given[worker].load(SeqCst);
        self.stayers
            .iter()
            .filter(|it| it.all)
            .for_each(|it| it.must_have(worker, given));
    }
}
