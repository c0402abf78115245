//! Delayed events of a queue: adding and cancelling them, and when the next one is due.
//!
//! They join the end of the queue when a drain begins after their deadline.
//!
//! # Decision
//!
//! **Delayed events are counted apart from the capacity.** They have been accepted, so they join
//! when they are due, even if the queue is full; that no more than `capacity` of them can be
//! delayed keeps memory bounded. `close` does not wait for them, because a service that shuts down
//! should not wait for its last reminder; those that are left are reported. Outcomes of jobs are
//! counted apart, too: there are no more of them than jobs, a job completes only once, and its worker
//! must not wait for whoever drains.

use std::time::Instant;

use crate::core::failure::trace::SpanLink;
use crate::core::primitives::sync::Lock;
use crate::core::queue::delayed::TimerKey;
use crate::core::queue::lanes::{LaneFor, QueueFlavour};
use crate::core::queue::queue::Queue;
use crate::core::queue::target::Target;
use crate::core::signal::signal::{Accepted, Signal};
use crate::error::DeferError;

impl<M: QueueFlavour, C: 'static> Queue<M, C> {
    /// Adds an event that joins the end of the queue when a drain begins after its deadline.
    pub(crate) fn defer_at<E: 'static>(
        &self,
        signal: &M::Ptr<Signal<M, E, C>>,
        deadline: Instant,
        event: E,
    ) -> Result<TimerKey, DeferError<E>>
    where
        M: LaneFor<E>,
    {
        let Some(accepted) = Accepted::new(signal) else {
            return Err(DeferError::Closed(event));
        };
        // Out here, so that it is dropped after the lock if the queue refuses the event.
        let mut accepted = Some(accepted);
        let mut link = SpanLink::here();
        let (timer, first) = self.inbox.with(|inbox| {
            if inbox.closed {
                return Err(DeferError::Closed(event));
            }
            if inbox.delayed_len() >= inbox.capacity {
                return Err(DeferError::Full(event));
            }
            let Some(accepted) = accepted.take() else {
                unreachable!("it is taken once")
            };
            let envelope = inbox.envelope(Target::Signal(accepted), &mut link, event);
            inbox.sequence += 1;
            let delayed = inbox.delayed.get_or_insert_default();
            let first = delayed.next_deadline().is_none_or(|next| deadline < next);
            inbox.firsts += u64::from(first);
            Ok((delayed.insert(deadline, inbox.sequence, envelope), first))
        })?;
        if first {
            // Those that sleep until the next deadline have to look at it again.
            self.notify_ready();
        }
        Ok(timer)
    }

    /// Drops a delayed event; returns whether it was still waiting for its deadline.
    pub(crate) fn cancel(&self, timer: TimerKey) -> bool {
        let cancelled = self
            .inbox
            .with(|inbox| inbox.delayed.as_mut()?.cancel(timer));
        let was_delayed = cancelled.is_some();
        self.discard(cancelled);
        was_delayed
    }

    pub(crate) fn is_delayed(&self, timer: TimerKey) -> bool {
        self.inbox.with(|inbox| {
            let delayed = inbox.delayed.as_ref();
            delayed.is_some_and(|delayed| delayed.contains(timer))
        })
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.inbox.with(|inbox| inbox.next_deadline())
    }

    pub(crate) fn delayed(&self) -> usize {
        self.inbox.with(|inbox| inbox.delayed_len())
    }
}
