//! The inbox of a queue: what its short lock guards.

use std::any::TypeId;
use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::core::failure::link::Link;
use crate::core::primitives::clock::Instant;
use crate::core::queue::delayed::{DelayQueue, TimerKey};
use crate::core::queue::envelope::{FreeList, exchange};
use crate::core::queue::index::Index;
use crate::core::queue::lanes::{Batch, Boxes, LaneFor, QueueFlavour};
use crate::core::queue::latest::{Latest, Now};
use crate::core::queue::recent::RecentUse;
use crate::core::queue::target::Target;
use crate::core::queue::wakers::{Notifying, Wakers};
use crate::core::settings::observer::ObserverRef;
use crate::core::settings::signal_info::TopicId;
use crate::policy::Overflow;

/// As many calls have to be taken back before their places are joined.
pub(super) const MANY_HOLES: usize = 64;

pub(super) type QueueBoxes<M, C> = Boxes<M, C, Inbox<M, C>>;

/// What the lock of a queue guards. Nothing in it is dropped under that lock, because drops are
/// user code.
pub(super) struct Inbox<M: QueueFlavour, C: 'static> {
    /// Boxed, as the outbox is: the two are swapped, and a swap of the structs themselves right
    /// after they were written stalls.
    pub(super) batch: Box<Batch<M, C>>,
    /// The two have been swapped, and not back.
    pub(super) swapped: bool,
    pub(super) index: Index,
    /// With fewer events than this in inbox and outbox, one more is accepted without another check.
    /// 0 once the queue is closed, else the capacity less the number of counted events in `latest`.
    pub(super) limit: usize,
    /// The callback set by `on_ready`.
    pub(super) on_ready: Option<ObserverRef<M, ()>>,
    /// The threads that call the callback or wakers.
    pub(super) notifying: SmallVec<[Notifying; 1]>,
    /// The number of threads parked on `not_empty`.
    pub(super) waiting: usize,
    pub(super) wakers: Wakers,
    pub(super) closed: bool,
    pub(super) capacity: usize,
    pub(super) overflow: Overflow,
    /// The number of events dropped because of overflow.
    pub(super) dropped: usize,
    /// The number of threads that wait in the queue's room.
    pub(super) blocked: usize,
    /// The number of drains that have begun.
    pub(super) drains: u64,
    /// The drains that are running, all on one thread, the outermost first: the number of each, and that of the
    /// first lane event that it leaves to later ones.
    pub(super) running: SmallVec<[(u64, u64); 2]>,
    /// The number of the first lane event that no drain has taken, while one is running.
    pub(super) untaken: u64,
    pub(super) latest: Option<Box<Latest<M, C>>>,
    pub(super) delayed: Option<Box<DelayQueue<M, C>>>,
    /// The delayed events that a newer one replaces, by the address of their signal. Others may stand here
    /// that are delivered or cancelled: they are not found by their keys.
    pub(super) replaceable: BTreeMap<usize, TimerKey>,
    /// The number of events that have been delayed.
    pub(super) sequence: u64,
    /// The number of those that had the earliest deadline when they were added.
    pub(super) firsts: u64,
    pub(super) free_list: FreeList<M, C>,
    /// The number of calls that were given up since the last drain.
    pub(super) given_up: usize,
    /// The number of calls that were taken back since their places were joined last.
    pub(super) new_holes: usize,
    /// With as many of those they are joined again.
    pub(super) many_holes: usize,
    /// By which the room of a burst is given back.
    pub(super) recent: RecentUse,
}

impl<M: QueueFlavour, C: 'static> Default for Inbox<M, C> {
    fn default() -> Self {
        Inbox {
            batch: Box::default(),
            swapped: false,
            index: Index::default(),
            limit: usize::MAX,
            on_ready: None,
            notifying: SmallVec::new(),
            waiting: 0,
            wakers: Wakers::default(),
            closed: false,
            capacity: usize::MAX,
            overflow: Overflow::Reject,
            dropped: 0,
            blocked: 0,
            drains: 0,
            running: SmallVec::new(),
            untaken: 0,
            latest: None,
            delayed: None,
            replaceable: BTreeMap::new(),
            sequence: 0,
            firsts: 0,
            free_list: FreeList::default(),
            given_up: 0,
            new_holes: 0,
            many_holes: MANY_HOLES,
            recent: RecentUse::default(),
        }
    }
}

impl<M: QueueFlavour, C: 'static> Inbox<M, C> {
    pub(super) fn latest_len(&self) -> usize {
        self.latest.as_ref().map_or(0, |latest| latest.len())
    }

    /// The number of events in `latest` that the capacity counts.
    pub(super) fn counted_latest_len(&self) -> usize {
        let latest = self.latest.as_ref();
        latest.map_or(0, |latest| latest.counted_len())
    }

    pub(super) fn delayed_len(&self) -> usize {
        self.delayed.as_ref().map_or(0, |delayed| delayed.len())
    }

    /// The number of delayed events that have an owner.
    pub(super) fn owned_timers(&self) -> usize {
        self.delayed.as_ref().map_or(0, |delayed| delayed.owned())
    }

    /// The earliest deadline of a delayed event.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.delayed.as_ref()?.next_deadline()
    }

    /// Computes `limit` anew, after a change of what it depends on.
    pub(super) fn set_limit(&mut self) {
        self.limit = if self.closed {
            0
        } else {
            self.capacity.saturating_sub(self.counted_latest_len())
        };
    }

    pub(super) fn now(&self) -> Now {
        Now {
            position: self.batch.end(),
            drains: self.drains,
            draining: !self.running.is_empty(),
        }
    }

    /// The position of the first event in `latest`, if it was added before this many drains had
    /// begun.
    pub(super) fn latest_position(&self, drains: u64) -> Option<u64> {
        self.latest.as_ref()?.position(drains)
    }

    /// Adds an event to the lanes; see [`Batch::push`]. `target` returns one.
    pub(super) fn push<E: 'static>(
        &mut self,
        event: E,
        link: &mut Link,
        joins: impl FnOnce(&Target<M, E, C>, Option<TopicId>) -> bool,
        target: impl FnOnce() -> Option<Target<M, E, C>>,
    ) where
        M: LaneFor<E>,
    {
        let added = self.batch.push(&mut self.index, event, link, joins, target);
        debug_assert!(added.is_ok(), "there is a target");
    }

    /// Removes the first event, of the list or of the lanes.
    #[inline(never)]
    pub(super) fn pop(&mut self, of_latest: bool) -> Option<M::Envelope<C>> {
        let envelope = if of_latest {
            self.latest.as_mut().and_then(|latest| latest.pop())
        } else {
            self.batch.pop(self.batch.len(), &mut self.free_list)
        };
        self.set_limit();
        envelope
    }

    /// Puts an event into an envelope.
    pub(super) fn envelope<E: 'static>(
        &mut self,
        target: Target<M, E, C>,
        link: &mut Link,
        event: E,
    ) -> M::Envelope<C>
    where
        M: LaneFor<E>,
    {
        let number = self.index.number(TypeId::of::<E>());
        let content = (target, link.take(), event);
        self.free_list.allocate(number, content, M::envelope)
    }

    /// Replaces the event that waits for this signal in `latest`, moves it to the end, and returns
    /// the old one. Returns the new one as an error if none can be replaced, or the queue is closed.
    pub(super) fn replace_latest<E: 'static>(
        &mut self,
        signal: usize,
        link: &mut Link,
        event: E,
    ) -> Result<Option<E>, E>
    where
        M: LaneFor<E>,
    {
        let (now, closed) = (self.now(), self.closed);
        let latest = self.latest.as_mut().filter(|_| !closed);
        match latest.and_then(|latest| latest.move_to_end(signal, now)) {
            Some(envelope) => Ok(exchange::<M, E, C>(envelope, link, event)),
            None => Err(event),
        }
    }
}
