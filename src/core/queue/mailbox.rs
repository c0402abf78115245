//! The calls of one handler that wait in a queue: their events, by number.

use std::collections::VecDeque;

use crate::core::handler::entry::Header;
use crate::core::primitives::sync::Word;
use crate::core::queue::inbox::{Inbox, QueueBoxes};
use crate::core::queue::lanes::{Beside, QueueFlavour};
use crate::core::queue::queue::Queue;
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::signal_info::SignalInfo;
use crate::policy::Overflow;

/// What a queued handler keeps beside its captures: the events of its calls, which are in the queue by their
/// number alone.
pub(crate) struct Mailbox<M: QueueFlavour, D: 'static, T: 'static> {
    /// Not 0 once no call is made any more: see [`Calls::pending`].
    over: M::Word,
    /// The number of events that its own bound has dropped.
    dropped: M::Word,
    /// The number of the first slot. Calls that wait have this one or a later one; both begin again after the last
    /// number. Changed under the lock of the queue.
    first: M::Word,
    /// `None` in the default alone.
    place: Option<Place<M, D, T>>,
}

/// Where the calls wait.
struct Place<M: QueueFlavour, D: 'static, T> {
    queue: M::Weak<Queue<M, D>>,
    /// The handler's own bound.
    room: Option<(usize, Overflow)>,
    calls: Beside<M, D, Inbox<M, D>, Calls<T>>,
}

/// Room for so many calls is kept when none waits.
const KEPT: usize = 4096;

/// The events of the calls that wait.
pub(super) struct Calls<T> {
    /// `None` for those that were taken out of order. Invariant: the first one is there.
    slots: VecDeque<Option<T>>,
    /// The number of events.
    len: usize,
    /// The number of claimed calls that are not begun or dropped yet, and one more until the limit or a close has
    /// removed the handler. Once it is 0 no call is claimed, and the captures are released by whoever made it so: at
    /// the end of the last call, or when the handler is removed.
    pending: usize,
    given_up: bool,
}

impl<T> Calls<T> {
    fn is_retired(&self) -> bool {
        self.pending == 0
    }

    #[inline]
    fn push(&mut self, first: &impl Word, event: T) -> u64 {
        let number = first.get().wrapping_add(self.slots.len());
        self.slots.push_back(Some(event));
        self.len += 1;
        self.pending += 1;
        number as u64
    }

    #[inline]
    fn take(&mut self, first: &impl Word, number: usize) -> Option<T> {
        let index = number.wrapping_sub(first.get());
        if index > 0 {
            let event = self.slots.get_mut(index)?.take()?;
            self.len -= 1;
            return Some(event);
        }
        let event = self.slots.pop_front()??;
        self.len -= 1;
        let mut passed = 1;
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            passed += 1;
        }
        first.set(number.wrapping_add(passed));
        if self.slots.is_empty() && self.slots.capacity() > KEPT {
            // The room of a burst is not kept.
            self.slots = VecDeque::new();
        }
        Some(event)
    }
}

/// What became of an event that was to join a mailbox.
pub(super) enum Joined<T> {
    /// It waits as the call with this number. With the event that it has displaced.
    Number(u64, Option<T>),
    /// The bound of the handler refuses it.
    Full(T),
    /// The bound of the handler drops it.
    Dropped(T),
    /// The handler has been given up.
    GivenUp(T),
    /// The handler was removed, and its captures do not stay.
    Retired(T),
}

impl<M: QueueFlavour, D: 'static, T> Default for Mailbox<M, D, T> {
    fn default() -> Self {
        Mailbox {
            over: M::Word::new(0),
            dropped: M::Word::new(0),
            first: M::Word::new(0),
            place: None,
        }
    }
}

impl<M: QueueFlavour, D: 'static, T> Mailbox<M, D, T> {
    pub(super) fn new(
        queue: M::Weak<Queue<M, D>>,
        boxes: M::Ptr<QueueBoxes<M, D>>,
        room: Option<(usize, Overflow)>,
    ) -> Self {
        let calls = Calls {
            slots: VecDeque::new(),
            len: 0,
            pending: 1,
            given_up: false,
        };
        let calls = Beside::new(boxes, calls);
        Mailbox {
            place: Some(Place { queue, room, calls }),
            ..Mailbox::default()
        }
    }

    pub(super) fn queue(&self) -> Option<M::Ptr<Queue<M, D>>> {
        M::upgrade(&self.place.as_ref()?.queue)
    }

    /// Whether its queue exists.
    pub(super) fn has_queue(&self) -> bool {
        let place = self.place.as_ref();
        place.is_some_and(|place| M::exists(&place.queue))
    }

    /// Calls `f` with the boxes of the queue, its inbox and the calls, under the lock of the queue.
    #[inline]
    pub(super) fn with<R>(
        &self,
        f: impl FnOnce(&QueueBoxes<M, D>, &mut Inbox<M, D>, &mut Calls<T>) -> R,
    ) -> Option<R> {
        let Place { calls, .. } = self.place.as_ref()?;
        Some(calls.with(|inbox, own| f(calls.boxes(), inbox, own)))
    }

    /// Keeps the captures until [`retire`](Self::retire) is called once more. Returns `false` if they do not stay.
    pub(super) fn reserve(&self) -> bool {
        let reserved = self.with(|_, _, calls| {
            let stays = !calls.is_retired();
            calls.pending += usize::from(stays);
            stays
        });
        reserved == Some(true)
    }

    /// Called when the handler was removed. Returns whether the captures are to be released.
    pub(super) fn retire(&self) -> bool {
        let retired = self.with(|_, _, calls| {
            self.settle(calls);
            calls.is_retired()
        });
        retired == Some(true)
    }

    fn settle(&self, calls: &mut Calls<T>) {
        calls.pending -= 1;
        if calls.is_retired() {
            self.over.set(1);
        }
    }

    /// Returns whether no call is made any more, so that the captures are to be released.
    pub(super) fn is_over(&self) -> bool {
        self.over.get() != 0
    }

    /// The number of events that its own bound has dropped.
    pub(super) fn dropped(&self) -> usize {
        self.dropped.get()
    }

    /// Takes an event, and adds it as the call with the number that is returned, unless the handler has a bound of
    /// its own, has been given up, or was removed.
    #[inline]
    pub(super) fn join_unbounded(
        &self,
        calls: &mut Calls<T>,
        event: &mut Option<T>,
    ) -> Option<u64> {
        if calls.given_up || calls.is_retired() || self.room().is_some() {
            return None;
        }
        Some(calls.push(&self.first, event.take()?))
    }

    /// Adds an event.
    pub(super) fn join(&self, calls: &mut Calls<T>, event: T) -> Joined<T> {
        if calls.given_up {
            return Joined::GivenUp(event);
        }
        if calls.is_retired() {
            return Joined::Retired(event);
        }
        let mut displaced = None;
        if let Some((most, overflow)) = self.room() {
            if calls.len >= most {
                match overflow {
                    Overflow::DropOldest => {
                        displaced = calls.take(&self.first, self.first.get());
                    }
                    Overflow::DropNewest => {
                        self.dropped.add(1);
                        return Joined::Dropped(event);
                    }
                    Overflow::Reject | Overflow::Block => return Joined::Full(event),
                }
                self.dropped.add(1);
                // Another one takes its place.
                calls.pending -= 1;
            }
        }
        Joined::Number(calls.push(&self.first, event), displaced)
    }

    #[inline]
    fn room(&self) -> Option<(usize, Overflow)> {
        self.place.as_ref()?.room
    }

    /// Whether the next event is decided on by the handler's own bound, and not by that of the queue.
    pub(super) fn is_full(&self, calls: &Calls<T>) -> bool {
        self.room().is_some_and(|(most, _)| calls.len >= most)
    }

    /// Takes the event of a call. `None` if it was taken already.
    #[inline]
    pub(super) fn take(&self, number: u64) -> Option<T> {
        let place = self.place.as_ref()?;
        place.calls.with_own(|calls| {
            let event = calls.take(&self.first, number as usize)?;
            self.settle(calls);
            Some(event)
        })
    }

    /// Whether a call waits that has its place in the queue. Called under the lock of the queue.
    pub(super) fn is_waiting(&self, number: u64) -> bool {
        (number as usize).wrapping_sub(self.first.get()) <= usize::MAX / 2
    }

    /// Drops all events, of a handler that was given up, and refuses others from now on. The caller has no
    /// lock.
    pub(super) fn give_up(&self, head: &Header<M>) {
        let taken = self.with(|boxes, inbox, calls| {
            calls.given_up = true;
            let passed = self.first.get().wrapping_add(calls.slots.len());
            self.first.set(passed);
            let slots = std::mem::take(&mut calls.slots);
            let count = std::mem::take(&mut calls.len);
            // The next drain counts them.
            inbox.given_up += count;
            (slots, boxes.leave_holes(inbox, count), inbox.blocked)
        });
        let Some((slots, emptied, blocked)) = taken else {
            return;
        };
        drop(emptied);
        if blocked > 0 && !slots.is_empty() {
            if let Some(queue) = self.queue() {
                queue.notify_not_full(blocked);
            }
        }
        for event in slots.into_iter().flatten() {
            discard(event, head);
        }
    }
}

/// Drops the event of a call. A panic of its `Drop` is raised as a failure of the handler's topic.
pub(super) fn discard<M: QueueFlavour, T>(event: T, head: &Header<M>) {
    let info: Option<&SignalInfo<M>> = head.info.as_deref();
    if let Some(info) = info {
        drop_event(event, info, head.location);
    }
}
