//! Events that a newer one of their topic replaces: at most one for each signal, in a list that says
//! where between the other events each stands.
//!
//! They are reached by their signal and taken out of the middle, which lanes cannot do.

use std::collections::HashMap;

use slotmap::{Key as _, SlotMap, new_key_type};

use crate::core::queue::envelope::EnvelopeFlavour;

new_key_type! { struct Key; }

struct Node<M: EnvelopeFlavour, C: 'static> {
    /// How many of the other events stand before it, counted from the first that the queue ever had.
    position: u64,
    /// How many drains had begun when it came.
    drains: u64,
    /// The address of its signal, which the parcel keeps.
    signal: usize,
    envelope: M::Envelope<C>,
    before: Key,
    after: Key,
}

pub(crate) struct Latest<M: EnvelopeFlavour, C: 'static> {
    nodes: SlotMap<Key, Node<M, C>>,
    /// Those that can be replaced. Invariant: keys of `nodes`.
    by_signal: HashMap<usize, Key>,
    first: Key,
    last: Key,
    /// Taken by the drain that runs, while a newer one came: replaced if it does not deliver them.
    replaced: Vec<Key>,
}

impl<M: EnvelopeFlavour, C: 'static> Default for Latest<M, C> {
    fn default() -> Self {
        Latest {
            nodes: SlotMap::with_key(),
            by_signal: HashMap::new(),
            first: Key::null(),
            last: Key::null(),
            replaced: Vec::new(),
        }
    }
}

/// Where in time a queue is.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    /// The number that the next of the other events gets.
    pub(crate) position: u64,
    /// How many drains have begun.
    pub(crate) drains: u64,
    /// Whether the last one still runs.
    pub(crate) draining: bool,
}

impl<M: EnvelopeFlavour, C: 'static> Latest<M, C> {
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Moves the event of this signal to the end, and hands out its parcel. `None` if no event waits,
    /// or if the drain that runs has taken it.
    pub(crate) fn renew(&mut self, signal: usize, now: Now) -> Option<&mut M::Envelope<C>> {
        let key = match self.nodes.get(self.last) {
            // The same as last time: nothing to look for, nor to move.
            Some(last) if last.signal == signal => self.last,
            _ => *self.by_signal.get(&signal)?,
        };
        if now.draining && self.nodes.get(key)?.drains < now.drains {
            return None;
        }
        if key != self.last {
            self.unlink(key);
            self.link(key);
        }
        let node = self.nodes.get_mut(key)?;
        (node.position, node.drains) = (now.position, now.drains);
        Some(&mut node.envelope)
    }

    /// Adds an event at the end, of a signal that has none to renew.
    pub(crate) fn push(&mut self, signal: usize, envelope: M::Envelope<C>, now: Now) {
        let key = self.add(signal, envelope, now);
        if let Some(taken) = self.by_signal.insert(signal, key) {
            self.replaced.push(taken);
        }
    }

    /// Adds an event at the end that no other replaces.
    pub(crate) fn push_single(&mut self, envelope: M::Envelope<C>, now: Now) {
        // No signal stands at this address.
        self.add(0, envelope, now);
    }

    fn add(&mut self, signal: usize, envelope: M::Envelope<C>, now: Now) -> Key {
        let key = self.nodes.insert(Node {
            position: now.position,
            drains: now.drains,
            signal,
            envelope,
            before: Key::null(),
            after: Key::null(),
        });
        self.link(key);
        key
    }

    /// The place of the first one, if it came before this many drains had begun.
    pub(crate) fn position(&self, drains: u64) -> Option<u64> {
        let first = self.nodes.get(self.first)?;
        (first.drains < drains).then_some(first.position)
    }

    /// Takes the first one out.
    pub(crate) fn pop(&mut self) -> Option<M::Envelope<C>> {
        self.remove(self.first)
    }

    /// Whether something may have to be replaced when the drain ends.
    pub(crate) fn has_replaced(&self) -> bool {
        !self.replaced.is_empty()
    }

    /// The drain has ended. Takes out one of those that it left though a newer one came.
    pub(crate) fn pop_replaced(&mut self) -> Option<M::Envelope<C>> {
        while let Some(key) = self.replaced.pop() {
            if let Some(envelope) = self.remove(key) {
                return Some(envelope);
            }
        }
        None
    }

    /// Takes out all.
    pub(crate) fn into_envelopes(self) -> impl Iterator<Item = M::Envelope<C>> {
        self.nodes.into_iter().map(|(_, node)| node.envelope)
    }

    fn remove(&mut self, key: Key) -> Option<M::Envelope<C>> {
        if !self.nodes.contains_key(key) {
            return None;
        }
        self.unlink(key);
        let node = self.nodes.remove(key)?;
        if self.by_signal.get(&node.signal) == Some(&key) {
            self.by_signal.remove(&node.signal);
        }
        Some(node.envelope)
    }

    fn link(&mut self, key: Key) {
        let last = std::mem::replace(&mut self.last, key);
        if let Some(node) = self.nodes.get_mut(key) {
            (node.before, node.after) = (last, Key::null());
        }
        match self.nodes.get_mut(last) {
            Some(last) => last.after = key,
            None => self.first = key,
        }
    }

    fn unlink(&mut self, key: Key) {
        let Some(&Node { before, after, .. }) = self.nodes.get(key) else {
            return;
        };
        match self.nodes.get_mut(before) {
            Some(node) => node.after = after,
            None => self.first = after,
        }
        match self.nodes.get_mut(after) {
            Some(node) => node.before = before,
            None => self.last = before,
        }
    }
}
