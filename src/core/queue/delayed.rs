//! Delayed events, by deadline. Knows no clock: the time is passed in.
//!
//! # Decision
//!
//! **Where more than a sixteenth of all are due, they are sorted.** To take the first of a million out of a heap
//! waits for memory at each of its levels. What was taken out of the heap before has paid for a look at all of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use slotmap::{SlotMap, new_key_type};

use crate::core::primitives::clock::Instant;
use crate::core::queue::envelope::EnvelopeFlavour;

/// See the decision above.
const PART: usize = 16;

new_key_type! { pub(super) struct Key; }

/// The key of a delayed event, for cancelling it. Ordered by when the event was deferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    /// Beside the key, because keys are used again once the queue has been cleared.
    pub(super) sequence: u64,
    pub(super) key: Key,
}

/// A delayed event.
struct Timer<E> {
    sequence: u64,
    /// Its owner cancels it when it goes: nobody has to be told if the queue goes before.
    owned: bool,
    envelope: E,
}

/// A heap of deadlines, and the events by key.
pub(crate) struct DelayQueue<M: EnvelopeFlavour, C: 'static> {
    /// Cancelled ones stay in the heap until they are first, or too many. Invariant: the first one
    /// is in `timers`.
    order: BinaryHeap<Reverse<(Instant, TimerKey)>>,
    timers: SlotMap<Key, Timer<M::Envelope<C>>>,
}

impl<M: EnvelopeFlavour, C: 'static> Default for DelayQueue<M, C> {
    fn default() -> Self {
        DelayQueue {
            order: BinaryHeap::new(),
            timers: SlotMap::with_key(),
        }
    }
}

impl<M: EnvelopeFlavour, C: 'static> DelayQueue<M, C> {
    pub(crate) fn len(&self) -> usize {
        self.timers.len()
    }

    /// How many events it has room for.
    pub(super) fn room(&self) -> usize {
        self.order.capacity().max(self.timers.capacity())
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
        let key = self.timers.insert(Timer {
            sequence,
            owned: false,
            envelope,
        });
        let timer = TimerKey { sequence, key };
        self.order.push(Reverse((deadline, timer)));
        timer
    }

    pub(crate) fn contains(&self, timer: TimerKey) -> bool {
        let found = self.timers.get(timer.key);
        found.is_some_and(|found| found.sequence == timer.sequence)
    }

    /// Removes an event, if it is still here.
    pub(crate) fn cancel(&mut self, timer: TimerKey) -> Option<M::Envelope<C>> {
        if !self.contains(timer) {
            return None;
        }
        let Timer { envelope, .. } = self.timers.remove(timer.key)?;
        self.prune();
        Some(envelope)
    }

    /// The envelope of a delayed event, if it is still here.
    pub(crate) fn envelope(&mut self, timer: TimerKey) -> Option<&mut M::Envelope<C>> {
        let found = self.timers.get_mut(timer.key)?;
        (found.sequence == timer.sequence).then_some(&mut found.envelope)
    }

    /// Records that an event has an owner, which cancels it when it goes.
    pub(crate) fn set_owned(&mut self, timer: TimerKey) {
        let found = self.timers.get_mut(timer.key);
        found
            .filter(|found| found.sequence == timer.sequence)
            .into_iter()
            .for_each(|found| found.owned = true);
    }

    /// The number of events that have an owner.
    pub(crate) fn owned(&self) -> usize {
        self.timers.values().filter(|timer| timer.owned).count()
    }

    /// Removes the events that are due, and passes them to `give`, by deadline.
    pub(crate) fn take_due(
        &mut self,
        now: Instant,
        mut give: impl FnMut(TimerKey, M::Envelope<C>),
    ) {
        let mut few = (self.order.len() / PART).max(PART);
        while self.next_deadline().is_some_and(|next| next <= now) {
            if few == 0 {
                self.take_many(now, &mut give);
                break;
            }
            few -= 1;
            let first = self.order.pop();
            let found = first.and_then(|Reverse((_, timer))| self.remove(timer));
            found.into_iter().for_each(|(timer, it)| give(timer, it));
        }
        self.prune();
    }

    /// Takes those that are due out of the heap, and sorts them.
    fn take_many(&mut self, now: Instant, give: &mut impl FnMut(TimerKey, M::Envelope<C>)) {
        let mut order = std::mem::take(&mut self.order).into_vec();
        let mut later = 0;
        for at in 0..order.len() {
            let Reverse((deadline, _)) = order[at];
            if deadline > now {
                order.swap(at, later);
                later += 1;
            }
        }
        order[later..].sort_unstable_by(|a, b| b.cmp(a));
        for Reverse((_, timer)) in order.drain(later..) {
            let found = self.remove(timer);
            found.into_iter().for_each(|(timer, it)| give(timer, it));
        }
        self.order = order.into();
    }

    fn remove(&mut self, timer: TimerKey) -> Option<(TimerKey, M::Envelope<C>)> {
        let Timer { envelope, .. } = self.timers.remove(timer.key)?;
        Some((timer, envelope))
    }

    /// Removes the events of which this returns `true`, and adds them to a list.
    pub(crate) fn take_if(
        &mut self,
        is_taken: impl Fn(&M::Envelope<C>) -> bool,
        taken: &mut Vec<M::Envelope<C>>,
    ) {
        let timers = self
            .timers
            .iter()
            .filter(|(_, timer)| is_taken(&timer.envelope));
        let keys: Vec<Key> = timers.map(|(key, _)| key).collect();
        let removed = keys.into_iter().filter_map(|key| self.timers.remove(key));
        taken.extend(removed.map(|timer| timer.envelope));
        self.prune();
    }

    /// All events, in no particular order.
    pub(crate) fn into_envelopes(self) -> impl Iterator<Item = M::Envelope<C>> {
        self.timers.into_iter().map(|(_, timer)| timer.envelope)
    }

    /// Removes cancelled entries from the heap: those at its top, and all of them once they are in
    /// the majority. So a cancelled event costs O(log n), amortized.
    fn prune(&mut self) {
        let DelayQueue { order, timers } = self;
        while let Some(Reverse((_, timer))) = order.peek() {
            if timers.contains_key(timer.key) {
                break;
            }
            order.pop();
        }
        if order.len() > 2 * timers.len() + 32 {
            order.retain(|Reverse((_, timer))| timers.contains_key(timer.key));
        }
    }
}
