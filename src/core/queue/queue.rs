//! One queue: what belongs to it, and closing it.
//!
//! Events are added to the *inbox*, under its lock. A drain swaps the inbox for the empty *outbox*,
//! under that lock, and delivers from the outbox without it. What a drain does not deliver stays in
//! the outbox, before everything in the inbox.

use std::sync::Arc;

use std::any::TypeId;

use crate::core::failure::log::log;
use crate::core::handler::describe::Waiting;
use crate::core::primitives::room::Room;
use crate::core::primitives::sync::Word;
use crate::core::queue::envelope::Envelope;
use crate::core::queue::inbox::{Inbox, MANY_HOLES, QueueBoxes};
use crate::core::queue::lanes::{Boxes, QueueFlavour};
use crate::core::queue::runs::Emptied;
use crate::core::settings::bus::{BusConfig, Provided};
use crate::core::settings::signal_info::SignalInfo;
use crate::failure::{CallSite, Cause, HandlerError};
use crate::topic::any_event::{Kind, TopicInfo};
use crate::topic::name::Name;

pub(crate) struct Queue<M: QueueFlavour, C: 'static> {
    /// The inbox, and what is left of the batch that a drain has taken. A drain has the turn while it calls
    /// handlers; a thread that is inside a drain already never waits for one.
    /// A pointer, because a queued handler puts its calls there without keeping the queue.
    pub(super) boxes: M::Ptr<QueueBoxes<M, C>>,
    /// Notified when there is something to drain.
    pub(super) not_empty: M::Condvar,
    /// Where threads wait for capacity for another event. Not a part of the queue, because they wait
    /// without keeping it alive.
    pub(super) room: Arc<Room>,
    pub(crate) info: M::Ptr<SignalInfo<M>>,
    /// Only kept.
    _provided: Option<M::Ptr<Provided<M>>>,
    pub(crate) location: CallSite,
}

impl<M: QueueFlavour, C: 'static> QueueBoxes<M, C> {
    /// The number of events that wait for a drain that begins now.
    pub(super) fn pending(&self, inbox: &Inbox<M, C>) -> usize {
        let all = inbox.batch.len() + self.left.get() + inbox.latest_len();
        all.saturating_sub(self.holes.get())
    }

    /// How many events wait, and may wait, for those who look at the wiring.
    pub(crate) fn waiting(&self) -> Waiting {
        self.with(|inbox| Waiting {
            len: self.pending(inbox),
            capacity: (inbox.capacity < usize::MAX).then_some(inbox.capacity),
        })
    }

    /// Returns whether nothing is pending where the lanes have `len` events.
    #[inline]
    pub(super) fn was_empty(&self, inbox: &Inbox<M, C>, len: usize) -> bool {
        // The first test is mostly enough.
        len <= self.holes.get() && self.pending(inbox) == 0
    }

    /// The number of those that the capacity counts.
    pub(super) fn counted(&self, inbox: &Inbox<M, C>) -> usize {
        let all = inbox.batch.len() + self.left.get() + inbox.counted_latest_len();
        all.saturating_sub(self.holes.get())
    }

    /// Accounts for calls that are taken back while they wait. What is returned is to be dropped after the
    /// lock.
    pub(super) fn leave_holes(&self, inbox: &mut Inbox<M, C>, count: usize) -> Vec<Emptied<M, C>> {
        if count > 0 {
            self.holes.add(count);
        }
        inbox.new_holes += count;
        if inbox.new_holes < inbox.many_holes {
            return Vec::new();
        }
        let number = inbox.index.number(TypeId::of::<()>());
        let (emptied, runs) = inbox.batch.join_holes(number);
        (inbox.new_holes, inbox.many_holes) = (0, runs.max(MANY_HOLES));
        emptied
    }
}

impl<M: QueueFlavour, C: 'static> Queue<M, C> {
    pub(crate) fn new(config: BusConfig<M>, location: CallSite) -> Self {
        Queue {
            boxes: M::ptr(Boxes::default()),
            not_empty: M::condvar(),
            room: Room::new(),
            _provided: config.provided(),
            info: M::ptr(SignalInfo::new(
                TopicInfo::new::<()>(Kind::Topic, Name::Fixed("(queue)")),
                0,
                config,
            )),
            location,
        }
    }

    /// A failure that belongs to no signal.
    pub(super) fn error(&self, location: CallSite, cause: Cause) -> HandlerError {
        HandlerError::new(self.info.name().to_cow(), None, location, cause)
    }

    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// How many events wait, and may wait, for those who look at the wiring.
    pub(crate) fn waiting(&self) -> Waiting {
        self.boxes.waiting()
    }

    /// Drops the contents of the envelopes, and returns the envelopes to the free list.
    pub(super) fn discard(&self, envelopes: impl IntoIterator<Item = M::Envelope<C>>) {
        for mut envelope in envelopes {
            let is_hole = envelope.discard(&self.info, self.location);
            self.boxes.with(|inbox| inbox.free_list.recycle(envelope));
            self.drop_holes(usize::from(is_hole));
        }
    }

    /// Accounts for calls that were taken back, and that do not wait any more. As long as they counted although they
    /// were gone, fewer events seemed to wait than did. So those that wait for events are told of what there is.
    pub(super) fn drop_holes(&self, count: usize) {
        if count == 0 {
            return;
        }
        self.boxes.holes.sub(count);
        let look = |inbox: &mut Inbox<M, C>| self.boxes.pending(inbox) > 0 && inbox.has_waiters();
        if self.boxes.with(look) {
            self.notify_ready();
        }
    }

    /// Whether events wait that a drain on this thread would deliver: none does that is in the batch of
    /// a drain on another one.
    pub(super) fn has_ready(&self, inbox: &Inbox<M, C>) -> bool {
        if !self.boxes.is_taken() || self.boxes.is_mine() {
            return self.boxes.pending(inbox) > 0;
        }
        let latest = inbox.latest.as_ref();
        inbox.batch.len() > 0 && inbox.batch.end() > inbox.untaken
            || latest.is_some_and(|latest| latest.has_since(inbox.drains))
    }

    pub(crate) fn len(&self) -> usize {
        self.boxes.with(|inbox| self.boxes.pending(inbox))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.boxes.with(|inbox| inbox.closed)
    }

    pub(crate) fn close(&self) {
        let wakers = self.boxes.with(|inbox| {
            inbox.closed = true;
            inbox.set_limit();
            inbox.wakers.take()
        });
        M::notify_all(&self.not_empty);
        self.room.notify();
        self.wake_all(wakers);
    }
}

impl<M: QueueFlavour, C: 'static> Drop for Queue<M, C> {
    fn drop(&mut self) {
        let owned = self.boxes.with(|inbox| {
            // Handlers may still have a way to it.
            inbox.closed = true;
            inbox.set_limit();
            inbox.owned_timers()
        });
        let count = self.clear().saturating_sub(owned);
        if count > 0 {
            let error = self.error(self.location, Cause::Undelivered(count));
            if !self.info.config.call_hook(&error) {
                log(&error);
            }
        }
        if let Some(on_ready) = self.boxes.with(|inbox| inbox.on_ready.take()) {
            on_ready.release();
        }
        // They find no queue any more.
        self.room.notify();
    }
}
