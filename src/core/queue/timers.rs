//! Delayed events of a queue: adding and cancelling them, and when the next one is due.
//!
//! They join the end of the queue when a drain begins after their deadline.
//!
//! # Decisions
//!
//! **A delayed event keeps its key when it is due**, in the list of single events, until a drain takes it
//! for its delivery. So a handler can cancel what the same drain would deliver next, and debouncing works
//! in a loop that is late.
//!
//! **A posted closure has no such handle**; one that was posted with a delay of zero has. Lanes store events
//! without keys, and `post` returns `Result<(), _>`, which handlers return in turn.
//!
//! **Delayed events are counted apart from the capacity.** They have been accepted, so they join
//! when they are due, even if the queue is full; that no more than `capacity` of them can be
//! delayed keeps memory bounded. `close` does not wait for them, because a service that shuts down
//! should not wait for its last reminder; those that are left are reported. Outcomes of jobs are
//! counted apart, too: there are no more of them than jobs, a job completes only once, and its worker
//! must not wait for whoever drains.

use crate::core::failure::link::Link;
use crate::core::primitives::clock::Instant;
use crate::core::queue::claim::Claim;
use crate::core::queue::delayed::TimerKey;
use crate::core::queue::envelope::exchange;
use crate::core::queue::inbox::Inbox;
use crate::core::queue::lanes::{LaneFor, QueueFlavour};
use crate::core::queue::queue::Queue;
use crate::core::queue::target::Target;
use crate::core::settings::failure_source::drop_event;
use crate::core::signal::signal::{Accepted, Signal};
use crate::error::DeferError;

impl<M: QueueFlavour, C: 'static> Queue<M, C> {
    /// Adds an event that joins the end of the queue when a drain begins after its deadline.
    #[cfg_attr(feature = "follow", track_caller)]
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
        self.delay(Target::Signal(accepted), deadline, event)
    }

    /// Adds a claimed call that joins the end of the queue when a drain begins after its deadline.
    #[cfg_attr(feature = "follow", track_caller)]
    pub(crate) fn call_at(
        &self,
        claim: Claim<M, C>,
        deadline: Instant,
    ) -> Result<TimerKey, DeferError<()>>
    where
        M: LaneFor<()>,
    {
        self.delay(Target::Call(claim, 0), deadline, ())
    }

    #[cfg_attr(feature = "follow", track_caller)]
    fn delay<E: 'static>(
        &self,
        target: Target<M, E, C>,
        deadline: Instant,
        event: E,
    ) -> Result<TimerKey, DeferError<E>>
    where
        M: LaneFor<E>,
    {
        let mut link = Link::here();
        // Out here, so that it is dropped after the lock if the queue refuses the event.
        let mut target = Some(target);
        let added = self.boxes.with(|inbox| {
            if inbox.closed {
                return Err(DeferError::Closed(event));
            }
            if inbox.delayed_len() >= inbox.capacity {
                return Err(DeferError::Full(event));
            }
            let Some(target) = target.take() else {
                unreachable!("it is taken once")
            };
            let envelope = inbox.envelope(target, &mut link, event);
            Ok(inbox.insert_timer(deadline, envelope))
        });
        let (timer, first) = added?;
        if first {
            // Those that sleep until the next deadline have to look at it again.
            self.notify_ready();
        }
        Ok(timer)
    }

    /// Adds a delayed event in place of the one that this method has added for the same signal before,
    /// if the delivery of that one has not begun. `restarts` says whether the new one has the new
    /// deadline; otherwise it keeps that of the one before.
    #[cfg_attr(feature = "follow", track_caller)]
    pub(crate) fn defer_latest_at<E: 'static>(
        &self,
        signal: &M::Ptr<Signal<M, E, C>>,
        deadline: Instant,
        restarts: bool,
        event: E,
    ) -> Result<TimerKey, DeferError<E>>
    where
        M: LaneFor<E>,
    {
        let Some(accepted) = Accepted::new(signal) else {
            return Err(DeferError::Closed(event));
        };
        let address = signal.address();
        let mut link = Link::here();
        // Out here, so that they are dropped after the lock: what is not needed, and the event before.
        let (mut accepted, mut old) = (Some(accepted), None);
        let added = self.boxes.with(|inbox| {
            if inbox.closed {
                return Err(DeferError::Closed(event));
            }
            let before = inbox.replaceable.get(&address).copied();
            let (timer, first) = match before.filter(|timer| inbox.has_timer(*timer)) {
                Some(timer) => {
                    if let Some(envelope) = inbox.timer_envelope(timer) {
                        old = exchange::<M, E, C>(envelope, &mut link, event);
                    }
                    match restarts.then(|| inbox.remove_timer(timer)).flatten() {
                        Some(envelope) => inbox.insert_timer(deadline, envelope),
                        None => (timer, false),
                    }
                }
                None if inbox.delayed_len() >= inbox.capacity => {
                    return Err(DeferError::Full(event));
                }
                None => {
                    let Some(accepted) = accepted.take() else {
                        unreachable!("it is taken once")
                    };
                    let target = Target::Signal(accepted);
                    let envelope = inbox.envelope(target, &mut link, event);
                    inbox.insert_timer(deadline, envelope)
                }
            };
            inbox.set_replaceable(address, timer);
            Ok((timer, first, inbox.blocked))
        });
        drop_event(old, &signal.info, self.location);
        let (timer, first, blocked) = added?;
        // If the one before was due, it has made room.
        self.notify_not_full(blocked);
        if first {
            self.notify_ready();
        }
        Ok(timer)
    }

    /// Drops a delayed event; returns whether its delivery had not begun.
    pub(crate) fn cancel(&self, timer: TimerKey) -> bool {
        let (cancelled, blocked) = self
            .boxes
            .with(|inbox| (inbox.remove_timer(timer), inbox.blocked));
        let was_waiting = cancelled.is_some();
        if was_waiting {
            self.notify_not_full(blocked);
        }
        self.discard(cancelled);
        was_waiting
    }

    /// Whether the delivery of a delayed event has not begun.
    pub(crate) fn is_waiting(&self, timer: TimerKey) -> bool {
        self.boxes.with(|inbox| inbox.has_timer(timer))
    }

    /// Records that a delayed event has an owner, which cancels it when it goes.
    pub(crate) fn set_owned(&self, timer: TimerKey) {
        self.boxes.with(|inbox| {
            let delayed = inbox.delayed.as_mut();
            delayed.into_iter().for_each(|it| it.set_owned(timer));
        });
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.boxes.with(|inbox| inbox.next_deadline())
    }

    pub(crate) fn delayed(&self) -> usize {
        self.boxes.with(|inbox| inbox.delayed_len())
    }
}

impl<M: QueueFlavour, C: 'static> Inbox<M, C> {
    /// Returns the key of the new timer, and whether it is the first one now.
    fn insert_timer(&mut self, deadline: Instant, envelope: M::Envelope<C>) -> (TimerKey, bool) {
        self.sequence += 1;
        let delayed = self.delayed.get_or_insert_default();
        let first = delayed.next_deadline().is_none_or(|next| deadline < next);
        self.firsts += u64::from(first);
        (delayed.insert(deadline, self.sequence, envelope), first)
    }

    fn has_timer(&self, timer: TimerKey) -> bool {
        let (delayed, latest) = (self.delayed.as_ref(), self.latest.as_ref());
        delayed.is_some_and(|it| it.contains(timer)) || latest.is_some_and(|it| it.contains(timer))
    }

    fn timer_envelope(&mut self, timer: TimerKey) -> Option<&mut M::Envelope<C>> {
        let (delayed, latest) = (self.delayed.as_mut(), self.latest.as_mut());
        let delayed = delayed.and_then(|it| it.envelope(timer));
        delayed.or_else(|| latest.and_then(|it| it.envelope(timer)))
    }

    /// Removes an event that is delayed, or due and not yet delivered.
    fn remove_timer(&mut self, timer: TimerKey) -> Option<M::Envelope<C>> {
        let delayed = self.delayed.as_mut().and_then(|it| it.cancel(timer));
        if delayed.is_some() {
            return delayed;
        }
        let due = self.latest.as_mut().and_then(|it| it.cancel(timer));
        self.set_limit();
        due
    }

    /// Records that a newer event of this signal replaces the one of this timer.
    fn set_replaceable(&mut self, signal: usize, timer: TimerKey) {
        self.replaceable.insert(signal, timer);
        // Of those that are delivered or cancelled, no more are kept than of others.
        if self.replaceable.len() > 2 * (self.delayed_len() + self.latest_len()) + 32 {
            self.forget_replaced();
        }
    }

    /// Forgets which events can be replaced that are delivered or cancelled.
    pub(super) fn forget_replaced(&mut self) {
        let mut kept = std::mem::take(&mut self.replaceable);
        kept.retain(|_, timer| self.has_timer(*timer));
        self.replaceable = kept;
    }
}
