//! The list of single events: those that a newer one of their signal replaces, at most one for each
//! signal, delayed ones that have become due, and those that the capacity does not count. Each knows
//! its position among the events in lanes.
//!
//! # Decision
//!
//! **`defer_latest` has a list of its own**, with a number for each event that says how many of the
//! others come before it. Events are found by their signal and removed from the middle, which lanes
//! cannot do: a place in the lanes would have left a hole behind at each replacement, and holes
//! have to be counted, skipped and removed. An event that a running drain has taken is not taken
//! back: otherwise a producer that is faster than the drain would keep its event from ever being
//! delivered.

use std::collections::hash_map::Entry;

use slotmap::{Key as _, SecondaryMap, SlotMap, new_key_type};

use crate::core::primitives::hash::HashMap;
use crate::core::queue::delayed::{self, TimerKey};
use crate::core::queue::envelope::{Envelope, EnvelopeFlavour};

new_key_type! { struct Key; }

/// Where an event was inserted.
#[derive(Default)]
pub(crate) struct Place(Key);

struct Node<M: EnvelopeFlavour, C: 'static> {
    /// How many lane events come before it, counted over the life of the queue.
    position: u64,
    /// How many drains had begun when it was added.
    drains: u64,
    /// The address of its signal, which the envelope keeps alive, if a newer event replaces it; else 0.
    signal: usize,
    /// Its timer, if it was delayed.
    timer: Option<TimerKey>,
    /// Whether the capacity counts it.
    counted: bool,
    envelope: M::Envelope<C>,
    prev: Key,
    next: Key,
}

/// A linked list in a slot map, in the order of delivery.
pub(crate) struct Latest<M: EnvelopeFlavour, C: 'static> {
    nodes: SlotMap<Key, Node<M, C>>,
    /// The events that a newer one replaces, by signal. Invariant: keys of `nodes`.
    by_signal: HashMap<usize, Key>,
    /// The events that were delayed, with the sequence numbers of their timers. A newer timer may have the key.
    due: SecondaryMap<delayed::Key, (u64, Key)>,
    first: Key,
    last: Key,
    /// Events that the running drain has taken and for which a newer one was added: removed if the
    /// drain ends without delivering them.
    replaced: Vec<Key>,
    /// The number of events that the capacity does not count.
    uncounted: usize,
}

impl<M: EnvelopeFlavour, C: 'static> Default for Latest<M, C> {
    fn default() -> Self {
        Latest {
            nodes: SlotMap::with_key(),
            by_signal: HashMap::default(),
            due: SecondaryMap::new(),
            first: Key::null(),
            last: Key::null(),
            replaced: Vec::new(),
            uncounted: 0,
        }
    }
}

/// How far a queue is at the moment an event is added.
#[derive(Clone, Copy, Default)]
pub(crate) struct Now {
    /// The number of the next lane event.
    pub(crate) position: u64,
    /// How many drains have begun.
    pub(crate) drains: u64,
    /// Whether the last of them is still running.
    pub(crate) draining: bool,
}

impl<M: EnvelopeFlavour, C: 'static> Latest<M, C> {
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// How many events it has room for.
    pub(super) fn room(&self) -> usize {
        let lists = self.nodes.capacity().max(self.replaced.capacity());
        lists.max(self.due.capacity())
    }

    /// The number of events that the capacity counts.
    pub(crate) fn counted_len(&self) -> usize {
        self.nodes.len() - self.uncounted
    }

    /// Moves the event of this signal to the end and returns its envelope. `None` if the signal has
    /// none here, or if the running drain has taken it.
    pub(crate) fn move_to_end(&mut self, signal: usize, now: Now) -> Option<&mut M::Envelope<C>> {
        let key = match self.nodes.get(self.last) {
            // The same signal as last time: nothing to look up, nothing to move.
            Some(last) if last.signal == signal => self.last,
            _ => *self.by_signal.get(&signal)?,
        };
        let &Node { prev, next, .. } = self.nodes.get(key)?;
        if now.draining && self.nodes.get(key)?.drains < now.drains {
            return None;
        }
        if key != self.last {
            self.unlink(prev, next);
            self.link(key);
        }
        let node = self.nodes.get_mut(key)?;
        (node.position, node.drains) = (now.position, now.drains);
        Some(&mut node.envelope)
    }

    /// Adds an event at the end, of a signal without an event that can be replaced.
    pub(crate) fn push(&mut self, signal: usize, envelope: M::Envelope<C>, now: Now) {
        let key = self.add(signal, None, true, envelope, now);
        if let Some(taken) = self.by_signal.insert(signal, key) {
            self.replaced.push(taken);
        }
    }

    /// Adds an event at the end that was delayed until now.
    pub(crate) fn push_due(&mut self, timer: TimerKey, envelope: M::Envelope<C>, now: Now) {
        let key = self.add(0, Some(timer), true, envelope, now);
        self.due.insert(timer.key, (timer.sequence, key));
    }

    fn due(&self, timer: TimerKey) -> Option<Key> {
        let (sequence, key) = *self.due.get(timer.key)?;
        (sequence == timer.sequence).then_some(key)
    }

    /// Whether the event of this timer is here.
    pub(crate) fn contains(&self, timer: TimerKey) -> bool {
        self.due(timer).is_some()
    }

    /// Removes the event of a timer, if it is here.
    pub(crate) fn cancel(&mut self, timer: TimerKey) -> Option<M::Envelope<C>> {
        self.remove(self.due(timer)?)
    }

    /// The envelope of a timer, if it is here.
    pub(crate) fn envelope(&mut self, timer: TimerKey) -> Option<&mut M::Envelope<C>> {
        let key = self.due(timer)?;
        Some(&mut self.nodes.get_mut(key)?.envelope)
    }

    /// Adds an event at the end that no other replaces and that the capacity does not count.
    pub(crate) fn push_uncounted(&mut self, envelope: M::Envelope<C>, now: Now) {
        self.uncounted += 1;
        self.add(0, None, false, envelope, now);
    }

    /// Adds an event that no other replaces, and before which this many drains have begun: behind those that
    /// come before the lane event with this number. Called in the order of the numbers; `last` is what it
    /// returned before, at first the default.
    pub(crate) fn insert(
        &mut self,
        envelope: M::Envelope<C>,
        position: u64,
        drains: u64,
        last: Place,
    ) -> Place {
        let Place(mut prev) = last;
        let mut next = self.nodes.get(prev).map_or(self.first, |prev| prev.next);
        while let Some(node) = self.nodes.get(next).filter(|it| it.position <= position) {
            (prev, next) = (next, node.next);
        }
        let key = self.nodes.insert(Node {
            position,
            drains,
            signal: 0,
            timer: None,
            counted: true,
            envelope,
            prev,
            next,
        });
        match self.nodes.get_mut(prev) {
            Some(node) => node.next = key,
            None => self.first = key,
        }
        match self.nodes.get_mut(next) {
            Some(node) => node.prev = key,
            None => self.last = key,
        }
        Place(key)
    }

    fn add(
        &mut self,
        signal: usize,
        timer: Option<TimerKey>,
        counted: bool,
        envelope: M::Envelope<C>,
        now: Now,
    ) -> Key {
        let key = self.nodes.insert(Node {
            position: now.position,
            drains: now.drains,
            signal,
            timer,
            counted,
            envelope,
            prev: Key::null(),
            next: Key::null(),
        });
        self.link(key);
        key
    }

    /// The position of the first event, if it was added before this many drains had begun.
    pub(crate) fn position(&self, drains: u64) -> Option<u64> {
        let first = self.nodes.get(self.first)?;
        (first.drains < drains).then_some(first.position)
    }

    /// The number of the payload type of the first event.
    pub(crate) fn first_number(&self) -> Option<usize> {
        Some(self.nodes.get(self.first)?.envelope.number())
    }

    /// The position of the first event that the capacity counts.
    pub(crate) fn counted_position(&self) -> Option<u64> {
        let first = self.nodes.get(self.first_counted()?)?;
        Some(first.position)
    }

    /// Removes the first event that the capacity counts.
    pub(crate) fn pop_counted(&mut self) -> Option<M::Envelope<C>> {
        self.remove(self.first_counted()?)
    }

    fn first_counted(&self) -> Option<Key> {
        if self.counted_len() == 0 {
            return None;
        }
        let mut key = self.first;
        while !self.nodes.get(key)?.counted {
            key = self.nodes.get(key)?.next;
        }
        Some(key)
    }

    /// Whether an event was added after this many drains had begun.
    pub(crate) fn has_since(&self, drains: u64) -> bool {
        self.nodes
            .get(self.last)
            .is_some_and(|last| last.drains >= drains)
    }

    /// Removes the first event.
    pub(crate) fn pop(&mut self) -> Option<M::Envelope<C>> {
        self.remove(self.first)
    }

    /// Whether the end of the drain may have events to remove.
    pub(crate) fn has_replaced(&self) -> bool {
        !self.replaced.is_empty()
    }

    /// Removes, at the end of a drain, one of the events that it did not deliver and for which a
    /// newer one was added.
    pub(crate) fn pop_replaced(&mut self) -> Option<M::Envelope<C>> {
        while let Some(key) = self.replaced.pop() {
            if let Some(envelope) = self.remove(key) {
                return Some(envelope);
            }
        }
        None
    }

    /// Removes the events of which this returns `true`, and adds them to a list.
    pub(crate) fn take_if(
        &mut self,
        is_taken: impl Fn(&M::Envelope<C>) -> bool,
        taken: &mut Vec<M::Envelope<C>>,
    ) {
        let nodes = self
            .nodes
            .iter()
            .filter(|(_, node)| is_taken(&node.envelope));
        let keys: Vec<Key> = nodes.map(|(key, _)| key).collect();
        taken.extend(keys.into_iter().filter_map(|key| self.remove(key)));
    }

    /// All events, in no particular order.
    pub(crate) fn into_envelopes(self) -> impl Iterator<Item = M::Envelope<C>> {
        self.nodes.into_iter().map(|(_, node)| node.envelope)
    }

    fn remove(&mut self, key: Key) -> Option<M::Envelope<C>> {
        let node = self.nodes.remove(key)?;
        self.unlink(node.prev, node.next);
        self.uncounted -= usize::from(!node.counted);
        if let Some(timer) = node.timer.filter(|timer| self.due(*timer).is_some()) {
            self.due.remove(timer.key);
        }
        // An address of 0 is in no map, and looking it up as an entry could make room for it.
        if node.signal != 0 {
            if let Entry::Occupied(entry) = self.by_signal.entry(node.signal) {
                if *entry.get() == key {
                    entry.remove();
                }
            }
        }
        Some(node.envelope)
    }

    fn link(&mut self, key: Key) {
        let last = std::mem::replace(&mut self.last, key);
        if let Some(node) = self.nodes.get_mut(key) {
            (node.prev, node.next) = (last, Key::null());
        }
        match self.nodes.get_mut(last) {
            Some(last) => last.next = key,
            None => self.first = key,
        }
    }

    /// Joins the neighbours of a node that is moved or was removed.
    fn unlink(&mut self, prev: Key, next: Key) {
        match self.nodes.get_mut(prev) {
            Some(node) => node.next = next,
            None => self.first = next,
        }
        match self.nodes.get_mut(next) {
            Some(node) => node.prev = prev,
            None => self.last = prev,
        }
    }
}
