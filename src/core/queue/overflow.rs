//! What happens to an event for which a queue has no room.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::core::primitives::flavour::{Primitives, Shared};
use crate::core::primitives::sync::{Fault, Lock, planted};
use crate::core::primitives::thread;
use crate::core::queue::lanes::{Queues as Mode, Stores as Carries};
use crate::core::queue::queue::{Inbox, Queue};
use crate::core::settings::failure_source::drop_event;
use crate::core::signal::signal::Signal;
use crate::error::DeferError;
use crate::policy::Overflow;

/// What comes of an event.
enum Verdict {
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

impl<M: Mode, C: 'static> Inbox<M, C> {
    /// Whether drains take single events under the lock, so that each makes room when it begins, and
    /// the oldest can be dropped while a drain runs.
    pub(super) fn is_stepped(&self) -> bool {
        let stepped = matches!(self.overflow, Overflow::Block | Overflow::DropOldest);
        stepped && self.capacity < usize::MAX
    }
}

impl<M: Mode, C: 'static> Queue<M, C> {
    pub(crate) fn bound(&self, capacity: usize, overflow: Overflow) {
        self.inbox.with(|inbox| {
            (inbox.capacity, inbox.overflow) = (capacity, overflow);
            inbox.set_limit();
        });
        M::ring(&self.room);
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
        let mut oldest = SmallVec::<[M::Parcel<C>; 1]>::new();
        let mut blocked = false;
        let verdict = M::wait(&self.inbox, &self.room, |inbox| {
            inbox.blocked -= usize::from(std::mem::take(&mut blocked));
            let there = self.there(inbox);
            match self.judge(inbox, until, &mut oldest) {
                Verdict::Wait => {
                    inbox.blocked += 1;
                    blocked = true;
                    ControlFlow::Continue(until)
                }
                Verdict::Room => {
                    if let Some(event) = event.take() {
                        push(inbox, event);
                    }
                    ControlFlow::Break(Verdict::Added(there == 0 && inbox.is_heard()))
                }
                verdict => ControlFlow::Break(verdict),
            }
        });
        if let Verdict::Added(true) = verdict {
            self.announce();
        }
        self.discard(oldest);
        let Some(event) = event else { return Ok(()) };
        Err(match verdict {
            Verdict::Full => DeferError::Full(event),
            Verdict::Inside => DeferError::Inside(event),
            Verdict::TimedOut => DeferError::TimedOut(event),
            Verdict::Dropped => {
                drop_event(event, &self.home, self.place);
                return Ok(());
            }
            _ => DeferError::Closed(event),
        })
    }

    /// Decides what comes of one more event, and takes out the oldest where they have to go.
    fn judge(
        &self,
        inbox: &mut Inbox<M, C>,
        until: Option<Instant>,
        oldest: &mut SmallVec<[M::Parcel<C>; 1]>,
    ) -> Verdict {
        if inbox.closed {
            return Verdict::Closed;
        }
        if self.there(inbox) < inbox.capacity {
            return Verdict::Room;
        }
        match inbox.overflow {
            Overflow::Reject => Verdict::Full,
            Overflow::DropNewest => {
                inbox.dropped += 1;
                Verdict::Dropped
            }
            Overflow::DropOldest => {
                while self.there(inbox) >= inbox.capacity {
                    let Some(parcel) = pop_oldest(inbox) else {
                        break;
                    };
                    inbox.dropped += 1;
                    oldest.push(parcel);
                }
                Verdict::Room
            }
            Overflow::Block if !M::WAITS || thread::drains(self.address()) => Verdict::Inside,
            Overflow::Block if until.is_some_and(|until| Instant::now() >= until) => {
                Verdict::TimedOut
            }
            Overflow::Block => Verdict::Wait,
        }
    }

    /// Tells those who wait for room that there may be some.
    pub(super) fn ring_room(&self, blocked: usize) {
        if blocked > 0 && !planted(Fault::Roomless) {
            M::ring(&self.room);
        }
    }
}

/// Takes out the event that has waited longest. Those in the outbox, where a drain left them before
/// the queue was bounded, are out of reach.
fn pop_oldest<M: Mode, C: 'static>(inbox: &mut Inbox<M, C>) -> Option<M::Parcel<C>> {
    let place = inbox
        .latest
        .as_ref()
        .and_then(|latest| latest.place(u64::MAX));
    let is_next = |place| place <= inbox.batch.first() || inbox.batch.len() == 0;
    if place.is_some_and(is_next) {
        let parcel = inbox.latest.as_mut()?.pop();
        inbox.set_limit();
        return parcel;
    }
    inbox.batch.pop(&mut inbox.shelf)
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
        Shared: Carries<E>,
    {
        if signal.is_closed() {
            return Err(DeferError::Closed(event));
        }
        // Later than the clock can tell is never.
        let until = Instant::now().checked_add(timeout);
        self.defer_where_full(signal, event, until)
    }
}
