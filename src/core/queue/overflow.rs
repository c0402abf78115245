//! What happens to an event when a queue is full: the slow path of adding one.
//!
//! # Decision
//!
//! **`bounded` sets the queue that it is called on**, for all its handles, so that the queue of a
//! bus can be bounded. In the local flavour `Overflow::Block` panics there, at the caller's line,
//! and not later when the queue is full for the first time.

use std::ops::ControlFlow;
use std::time::Instant;

use smallvec::SmallVec;

use crate::core::primitives::sync::Lock;
use crate::core::primitives::thread;
use crate::core::queue::inbox::Inbox;
use crate::core::queue::lanes::QueueFlavour;
use crate::core::queue::queue::Queue;
use crate::core::settings::failure_source::drop_event;
use crate::error::DeferError;
use crate::policy::Overflow;

/// What happens to an event.
enum Admission {
    /// It was added. Whether those that wait for events have to be notified.
    Added(bool),
    /// It may be added.
    Admitted,
    /// Its thread has to wait for capacity.
    Wait,
    Closed,
    Full,
    /// The thread cannot wait, because it drains this queue.
    Inside,
    TimedOut,
    /// It is dropped.
    Dropped,
}

impl<M: QueueFlavour, C: 'static> Inbox<M, C> {
    /// Whether drains take single events under the lock, so that each frees its capacity when its
    /// delivery begins, and the oldest can be dropped while a drain runs.
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
        M::notify_all(&self.not_full);
    }

    pub(crate) fn capacity(&self) -> Option<usize> {
        let capacity = self.inbox.with(|inbox| inbox.capacity);
        (capacity < usize::MAX).then_some(capacity)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.inbox.with(|inbox| inbox.dropped)
    }

    /// Adds an event by `push`, which is called once, under the lock, when there is capacity. Until
    /// then it drops the oldest events, waits, or refuses the event, as the queue's `Overflow`
    /// says.
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
        let admission = M::wait(&self.inbox, &self.not_full, |inbox| {
            inbox.blocked -= usize::from(std::mem::take(&mut blocked));
            let len = self.pending(inbox);
            match self.check_capacity(inbox, until, &mut oldest) {
                Admission::Wait => {
                    inbox.blocked += 1;
                    blocked = true;
                    ControlFlow::Continue(until)
                }
                Admission::Admitted => {
                    if let Some(event) = event.take() {
                        push(inbox, event);
                    }
                    ControlFlow::Break(Admission::Added(len == 0 && inbox.has_waiters()))
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

    /// Decides what happens to one more event, and removes the oldest ones if they have to be
    /// dropped.
    fn check_capacity(
        &self,
        inbox: &mut Inbox<M, C>,
        until: Option<Instant>,
        oldest: &mut SmallVec<[M::Envelope<C>; 1]>,
    ) -> Admission {
        if inbox.closed {
            return Admission::Closed;
        }
        if self.counted(inbox) < inbox.capacity {
            return Admission::Admitted;
        }
        match inbox.overflow {
            Overflow::Reject => Admission::Full,
            Overflow::DropNewest => {
                inbox.dropped += 1;
                Admission::Dropped
            }
            Overflow::DropOldest => {
                while self.counted(inbox) >= inbox.capacity {
                    // Those in the outbox, where a drain left them before the queue was bounded,
                    // are out of reach.
                    let is_oldest =
                        |position| position <= inbox.batch.first || inbox.batch.len() == 0;
                    let latest = inbox.latest.as_mut();
                    let of_latest =
                        latest.filter(|it| it.counted_position().is_some_and(is_oldest));
                    let envelope = match of_latest {
                        Some(latest) => latest.pop_counted(),
                        None => inbox.batch.pop(&mut inbox.free_list),
                    };
                    inbox.set_limit();
                    let Some(envelope) = envelope else {
                        break;
                    };
                    inbox.dropped += 1;
                    oldest.push(envelope);
                }
                Admission::Admitted
            }
            Overflow::Block if !M::WAITS || thread::is_draining_queue(self.address()) => {
                Admission::Inside
            }
            Overflow::Block if until.is_some_and(|until| Instant::now() >= until) => {
                Admission::TimedOut
            }
            Overflow::Block => Admission::Wait,
        }
    }

    /// Notifies the threads that wait for capacity, if there are any.
    pub(super) fn notify_not_full(&self, blocked: usize) {
        if blocked > 0 {
            M::notify_all(&self.not_full);
        }
    }
}
