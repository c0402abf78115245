//! Delayed events, by deadline. Knows no clock: the time is passed in.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use slotmap::{SlotMap, new_key_type};

use crate::core::queue::envelope::EnvelopeFlavour;

new_key_type! { struct Key; }

/// The key of a delayed event, for cancelling it. Ordered by when the event was deferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    /// Beside the key, because keys are used again once the queue has been cleared.
    sequence: u64,
    key: Key,
}

/// A heap of deadlines, and the events by key.
pub(crate) struct DelayQueue<M: EnvelopeFlavour, C: 'static> {
    /// Cancelled ones stay in the heap until they are first, or too many. Invariant: the first one
    /// is in `envelopes`.
    order: BinaryHeap<Reverse<(Instant, TimerKey)>>,
    /// Each with its sequence number.
    envelopes: SlotMap<Key, (u64, M::Envelope<C>)>,
}

impl<M: EnvelopeFlavour, C: 'static> Default for DelayQueue<M, C> {
    fn default() -> Self {
        DelayQueue {
            order: BinaryHeap::new(),
            envelopes: SlotMap::with_key(),
        }
    }
}

impl<M: EnvelopeFlavour, C: 'static> DelayQueue<M, C> {
    pub(crate) fn len(&self) -> usize {
        self.envelopes.len()
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.order.peek().map(|Reverse((deadline, _))| *deadline)
    }

    /// Adds an event. `sequence` has to rise over the life of the queue.
    pub(crate) fn insert(
        &mut self,
        deadline: Instant,
        sequence: u64,
        envelope: M::Envelope<C>,
    ) -> TimerKey {
        let key = self.envelopes.insert((sequence, envelope));
        let timer = TimerKey { sequence, key };
        self.order.push(Reverse((deadline, timer)));
        timer
    }

    pub(crate) fn contains(&self, timer: TimerKey) -> bool {
        let found = self.envelopes.get(timer.key);
        found.is_some_and(|(sequence, _)| *sequence == timer.sequence)
    }

    /// Removes an event, if it is still here.
    pub(crate) fn cancel(&mut self, timer: TimerKey) -> Option<M::Envelope<C>> {
        if !self.contains(timer) {
            return None;
        }
        let (_, envelope) = self.envelopes.remove(timer.key)?;
        self.prune();
        Some(envelope)
    }

    /// Removes the first event that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<M::Envelope<C>> {
        let Reverse((deadline, timer)) = *self.order.peek()?;
        if deadline > now {
            return None;
        }
        self.order.pop();
        let (_, envelope) = self.envelopes.remove(timer.key)?;
        self.prune();
        Some(envelope)
    }

    /// All events, in no particular order.
    pub(crate) fn into_envelopes(self) -> impl Iterator<Item = M::Envelope<C>> {
        let all = self.envelopes.into_iter();
        all.map(|(_, (_, envelope))| envelope)
    }

    /// Removes cancelled entries from the heap: those at its top, and all of them once they are in
    /// the majority. So a cancelled event costs O(log n), amortized.
    fn prune(&mut self) {
        let DelayQueue { order, envelopes } = self;
        while let Some(Reverse((_, timer))) = order.peek() {
            if envelopes.contains_key(timer.key) {
                break;
            }
            order.pop();
        }
        if order.len() > 2 * envelopes.len() + 32 {
            order.retain(|Reverse((_, timer))| envelopes.contains_key(timer.key));
        }
    }
}
