//! The calls of one handler that wait in a queue: their events, by number.

use std::collections::VecDeque;

use crate::core::handler::entry::Header;
use crate::core::primitives::sync::{Lock, Word};
use crate::core::queue::lanes::QueueFlavour;
use crate::core::queue::queue::Queue;
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::signal_info::SignalInfo;
use crate::policy::Overflow;

/// What a queued handler keeps beside its captures: the events of its calls, which are in the queue by their
/// number alone.
pub(crate) struct Mailbox<M: QueueFlavour, D: 'static, T> {
    /// The number of claimed calls that are not made or dropped yet, and one more until the limit or a
    /// close has removed the handler. The thread that reduces it to zero releases the captures; no call is
    /// claimed after that.
    pending: M::Word,
    /// The number of events that its own bound has dropped.
    dropped: M::Word,
    queue: Option<M::Weak<Queue<M, D>>>,
    /// Its own bound.
    room: Option<(usize, Overflow)>,
    calls: M::Lock<Calls<T>>,
}

/// Room for so many calls is kept when none waits.
const KEPT: usize = 4096;

/// The events of the calls that wait.
struct Calls<T> {
    /// `None` for those that were taken out of order. Invariant: the first one is there.
    slots: VecDeque<Option<T>>,
    /// The number of the first slot.
    first: u64,
    /// The number of events.
    len: usize,
    given_up: bool,
}

impl<T> Calls<T> {
    fn push(&mut self, event: T) -> u64 {
        let number = self.first + self.slots.len() as u64;
        self.slots.push_back(Some(event));
        self.len += 1;
        number
    }

    fn take(&mut self, number: u64) -> Option<T> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let event = self.slots.get_mut(index)?.take()?;
        self.len -= 1;
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.first += 1;
        }
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
}

impl<M: QueueFlavour, D: 'static, T> Default for Mailbox<M, D, T> {
    fn default() -> Self {
        Mailbox {
            pending: M::Word::new(1),
            dropped: M::Word::new(0),
            queue: None,
            room: None,
            calls: M::Lock::new(Calls {
                slots: VecDeque::new(),
                first: 0,
                len: 0,
                given_up: false,
            }),
        }
    }
}

impl<M: QueueFlavour, D: 'static, T> Mailbox<M, D, T> {
    pub(super) fn new(queue: M::Weak<Queue<M, D>>, room: Option<(usize, Overflow)>) -> Self {
        Mailbox {
            queue: Some(queue),
            room,
            ..Mailbox::default()
        }
    }

    pub(super) fn queue(&self) -> Option<M::Ptr<Queue<M, D>>> {
        M::upgrade(self.queue.as_ref()?)
    }

    /// Reserves a call. Returns `false` if the captures do not stay for it.
    pub(super) fn reserve(&self) -> bool {
        let more = |calls: usize| if calls == 0 { None } else { Some(calls + 1) };
        self.pending.update(more).is_some()
    }

    /// Records that so many reserved calls were made or dropped; one more if the handler was removed. Returns
    /// whether the captures are to be released.
    pub(super) fn settle(&self, calls: usize) -> bool {
        self.pending.sub(calls) == calls
    }

    /// The number of events that its own bound has dropped.
    pub(super) fn dropped(&self) -> usize {
        self.dropped.get()
    }

    /// Adds an event as the call with the number that is returned, unless the handler has a bound of its own or
    /// has been given up. Called under the lock of the queue, as [`join`](Self::join) is.
    #[inline]
    pub(super) fn join_unbounded(&self, event: T) -> Result<u64, T> {
        self.calls.with(|calls| {
            if calls.given_up || self.room.is_some() {
                return Err(event);
            }
            Ok(calls.push(event))
        })
    }

    /// Adds an event. Called under the lock of the queue, so that the numbers of one handler rise in the
    /// order of the queue.
    pub(super) fn join(&self, event: T) -> Joined<T> {
        self.calls.with(|calls| {
            if calls.given_up {
                return Joined::GivenUp(event);
            }
            let mut displaced = None;
            if let Some((most, overflow)) = self.room {
                if calls.len >= most {
                    match overflow {
                        Overflow::DropOldest => displaced = calls.take(calls.first),
                        Overflow::DropNewest => {
                            self.dropped.add(1);
                            return Joined::Dropped(event);
                        }
                        Overflow::Reject | Overflow::Block => return Joined::Full(event),
                    }
                    self.dropped.add(1);
                    self.pending.sub(1);
                }
            }
            Joined::Number(calls.push(event), displaced)
        })
    }

    /// Whether the next event is decided on by the handler's own bound, and not by that of the queue.
    pub(super) fn is_full(&self) -> bool {
        self.room
            .is_some_and(|(most, _)| self.calls.with(|calls| calls.len >= most))
    }

    /// Takes the event of a call. `None` if it was taken already.
    pub(super) fn take(&self, number: u64) -> Option<T> {
        self.calls.with(|calls| calls.take(number))
    }

    pub(super) fn is_waiting(&self, number: u64) -> bool {
        self.calls.with(|calls| {
            let index = number.checked_sub(calls.first);
            let index = index.and_then(|index| usize::try_from(index).ok());
            index.is_some_and(|index| calls.slots.get(index).is_some_and(Option::is_some))
        })
    }

    /// Drops all events, of a handler that was given up, and refuses others from now on. The caller has no
    /// lock.
    pub(super) fn give_up(&self, head: &Header<M>) {
        let slots = self.calls.with(|calls| {
            calls.given_up = true;
            calls.first += calls.slots.len() as u64;
            calls.len = 0;
            std::mem::take(&mut calls.slots)
        });
        let count = slots.iter().flatten().count();
        if count == 0 {
            return;
        }
        if let Some(queue) = self.queue() {
            queue.give_up(count);
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
