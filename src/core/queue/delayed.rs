//! Events that wait for their time. Knows no clock: it is told what time it is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use slotmap::{SlotMap, new_key_type};

use crate::core::queue::envelope::Parcels as Mode;

new_key_type! { struct Key; }

/// Ordered by deadline, then as they were deferred.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    deadline: Instant,
    sequence: u64,
    key: Key,
}

/// Which event, for whoever wants to cancel it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    key: Key,
    /// Beside the key, because keys come back once all has been cleared.
    sequence: u64,
}

pub(crate) struct Delayed<M: Mode, C: 'static> {
    /// Those that were cancelled stay inside until they are first, or too many. Invariant: the first
    /// one is in `parcels`.
    order: BinaryHeap<Reverse<Due>>,
    parcels: SlotMap<Key, (u64, M::Parcel<C>)>,
}

impl<M: Mode, C: 'static> Default for Delayed<M, C> {
    fn default() -> Self {
        Delayed {
            order: BinaryHeap::new(),
            parcels: SlotMap::with_key(),
        }
    }
}

impl<M: Mode, C: 'static> Delayed<M, C> {
    pub(crate) fn len(&self) -> usize {
        self.parcels.len()
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.peek().map(|Reverse(due)| due.deadline)
    }

    /// Adds an event. `sequence` is process-wide, or at least the queue's, and rises.
    pub(crate) fn insert(
        &mut self,
        deadline: Instant,
        sequence: u64,
        parcel: M::Parcel<C>,
    ) -> Ticket {
        let key = self.parcels.insert((sequence, parcel));
        self.order.push(Reverse(Due {
            deadline,
            sequence,
            key,
        }));
        Ticket { key, sequence }
    }

    pub(crate) fn contains(&self, ticket: Ticket) -> bool {
        let found = self.parcels.get(ticket.key);
        found.is_some_and(|(sequence, _)| *sequence == ticket.sequence)
    }

    /// Takes an event out, if it is still there.
    pub(crate) fn cancel(&mut self, ticket: Ticket) -> Option<M::Parcel<C>> {
        if !self.contains(ticket) {
            return None;
        }
        let (_, parcel) = self.parcels.remove(ticket.key)?;
        self.prune();
        Some(parcel)
    }

    /// Takes out the first event that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<M::Parcel<C>> {
        let Reverse(due) = *self.order.peek()?;
        if due.deadline > now {
            return None;
        }
        self.order.pop();
        let (_, parcel) = self.parcels.remove(due.key)?;
        self.prune();
        Some(parcel)
    }

    /// Takes out all.
    pub(crate) fn into_parcels(self) -> impl Iterator<Item = M::Parcel<C>> {
        self.parcels.into_iter().map(|(_, (_, parcel))| parcel)
    }

    /// Forgets those that were cancelled: the first ones, and all of them once they are the most.
    /// So each costs the logarithm of how many there are.
    fn prune(&mut self) {
        let Delayed { order, parcels } = self;
        while let Some(Reverse(due)) = order.peek() {
            if parcels.contains_key(due.key) {
                break;
            }
            order.pop();
        }
        if order.len() > 2 * parcels.len() + 32 {
            order.retain(|Reverse(due)| parcels.contains_key(due.key));
        }
    }
}
