//! What happens to an event for which a queue has no room.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::core::primitives::flavour::{Primitives, Shared};
use crate::core::primitives::sync::Lock;
use crate::core::primitives::thread;
use crate::core::queue::lanes::{LaneFor, QueueFlavour};
use crate::core::queue::queue::{Inbox, Queue};
use crate::core::settings::failure_source::drop_event;
use crate::core::signal::signal::Signal;
use crate::error::DeferError;
use crate::policy::Overflow;

/// What comes of an event.
enum Admission {
    /// It is in; whether somebody has to be told.
    Added(bool),
    Room,
    Wait,
    Closed,
    Full,
    Inside,
    TimedOut,
    Dropped,
}

impl<M: QueueFlavour, C: 'static> Inbox<M, C> {
    /// Whether drains take single events under the lock, so that each makes room when it begins, and
    /// the oldest can be dropped while a drain runs.
    pub(super) fn is_stepped(&self) -> bool {
        let stepped = matches!(self.overflow, Overflow::Block | Overflow::DropOldest);
        stepped && self.capacity < usize::MAX
    }
}

impl<M: QueueFlavour, C: 'static> Queue<M, C> {
    pub(crate) fn bound(&self, capacity: usize, overflow: Overflow) {
        self.inbox.with(|inbox| {
            (inbox.capacity, inbox.overflow) = (capacity, overflow);
            inbox.set_limit();
        });
        M::notify_all(&self.room);
    }

    pub(crate) fn capacity(&self) -> Option<usize> {
        let capacity = self.inbox.with(|inbox| inbox.capacity);
        (capacity < usize::MAX).then_some(capacity)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.inbox.with(|inbox| inbox.dropped)
    }

    /// Adds an event by `push`, which is called once, under the lock, when there is room; makes room
    /// or waits for it, as the queue is set, until then.
    #[cold]
    #[inline(never)]
    pub(super) fn admit<E>(
        &self,
        event: E,
        until: Option<Instant>,
        mut push: impl FnMut(&mut Inbox<M, C>, E),
    ) -> Result<(), DeferError<E>> {
        let mut event = Some(event);
        let mut oldest = SmallVec::<[M::Envelope<C>; 1]>::new();
        let mut blocked = false;
        let admission = M::wait(&self.inbox, &self.room, |inbox| {
            inbox.blocked -= usize::from(std::mem::take(&mut blocked));
            let there = self.there(inbox);
            match self.check_capacity(inbox, until, &mut oldest) {
                Admission::Wait => {
                    inbox.blocked += 1;
                    blocked = true;
                    ControlFlow::Continue(until)
                }
                Admission::Room => {
                    if let Some(event) = event.take() {
                        push(inbox, event);
                    }
                    ControlFlow::Break(Admission::Added(there == 0 && inbox.has_waiters()))
                }
                admission => ControlFlow::Break(admission),
            }
        });
        if let Admission::Added(true) = admission {
            self.notify_ready();
        }
        self.discard(oldest);
        let Some(event) = event else { return Ok(()) };
        Err(match admission {
            Admission::Full => DeferError::Full(event),
            Admission::Inside => DeferError::Inside(event),
            Admission::TimedOut => DeferError::TimedOut(event),
            Admission::Dropped => {
                drop_event(event, &self.info, self.location);
                return Ok(());
            }
            _ => DeferError::Closed(event),
        })
    }

    /// Decides what comes of one more event, and takes out the oldest where they have to go.
    fn check_capacity(
        &self,
        inbox: &mut Inbox<M, C>,
        until: Option<Instant>,
        oldest: &mut SmallVec<[M::Envelope<C>; 1]>,
    ) -> Admission {
        if inbox.closed {
            return Admission::Closed;
        }
        if self.there(inbox) < inbox.capacity {
            return Admission::Room;
        }
        match inbox.overflow {
            Overflow::Reject => Admission::Full,
            Overflow::DropNewest => {
                inbox.dropped += 1;
                Admission::Dropped
            }
            Overflow::DropOldest => {
                while self.there(inbox) >= inbox.capacity {
                    let Some(envelope) = pop_oldest(inbox) else {
                        break;
                    };
                    inbox.dropped += 1;
                    oldest.push(envelope);
                }
                Admission::Room
            }
            Overflow::Block if !M::WAITS || thread::drains(self.address()) => Admission::Inside,
            Overflow::Block if until.is_some_and(|until| Instant::now() >= until) => {
                Admission::TimedOut
            }
            Overflow::Block => Admission::Wait,
        }
    }

    /// Tells those who wait for room that there may be some.
    pub(super) fn notify_room(&self, blocked: usize) {
        if blocked > 0 {
            M::notify_all(&self.room);
        }
    }
}

/// Takes out the event that has waited longest. Those in the outbox, where a drain left them before
/// the queue was bounded, are out of reach.
fn pop_oldest<M: QueueFlavour, C: 'static>(inbox: &mut Inbox<M, C>) -> Option<M::Envelope<C>> {
    let position = inbox
        .latest
        .as_ref()
        .and_then(|latest| latest.position(u64::MAX));
    let is_next = |position| position <= inbox.batch.first() || inbox.batch.len() == 0;
    if position.is_some_and(is_next) {
        let envelope = inbox.latest.as_mut()?.pop();
        inbox.set_limit();
        return envelope;
    }
    inbox.batch.pop(&mut inbox.free_list)
}

impl<C: 'static> Queue<Shared, C> {
    /// Like `defer`, waiting for room at most so long.
    pub(crate) fn defer_timeout<E: 'static>(
        &self,
        signal: &<Shared as Primitives>::Ptr<Signal<Shared, E, C>>,
        event: E,
        timeout: Duration,
    ) -> Result<(), DeferError<E>>
    where
        Shared: LaneFor<E>,
    {
        if signal.is_closed() {
            return Err(DeferError::Closed(event));
        }
        // Later than the clock can tell is never.
        let until = Instant::now().checked_add(timeout);
        self.defer_where_full(signal, event, until)
    }
}
