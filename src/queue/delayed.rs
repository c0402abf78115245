//! Delayed events, and drains at a time that the caller passes in.

use std::fmt;
use std::time::{Duration, Instant};

use crate::core::mode::{Mode, SendBound};
use crate::core::primitives::unwind::unwind_safe;
use crate::core::queue::active_drain::DrainOptions;
use crate::core::queue::delayed::TimerKey;
use crate::core::queue::queue::Queue as Core;
use crate::error::DeferError;
use crate::queue::Queue;
use crate::queue::drained::Drained;
use crate::signal::Signal;

/// A handle of one delayed event, for cancelling it. Returned by [`Queue::defer_after`] and
/// [`Queue::defer_at`].
///
/// Dropping it has no effect: the event is delivered all the same. It does not keep the queue
/// alive.
///
/// # Examples
///
/// ```
/// use slotcast::{Queue, Signal};
/// use std::time::Duration;
///
/// let give_up = Signal::<u32>::new();
/// let queue = Queue::new();
/// let timeout = queue.defer_after(Duration::from_secs(30), &give_up, 1)?;
/// assert!(timeout.cancel(), "the answer came first");
/// assert!(!timeout.cancel());
/// assert_eq!(queue.next_deadline(), None);
/// # Ok::<(), slotcast::DeferError<u32>>(())
/// ```
pub struct Delayed<M: Mode, C: 'static = ()> {
    queue: M::Weak<Core<M, C>>,
    timer: TimerKey,
}

impl<M: Mode, C: 'static> Delayed<M, C> {
    pub(crate) fn new(queue: &M::Ptr<Core<M, C>>, timer: TimerKey) -> Self {
        Delayed {
            queue: M::downgrade(queue),
            timer,
        }
    }

    /// Drops the event, unless it has joined the queue; returns whether it was still delayed. O(log
    /// n) in the number of delayed events.
    pub fn cancel(&self) -> bool {
        M::upgrade(&self.queue).is_some_and(|queue| queue.cancel(self.timer))
    }

    /// Returns whether the event is still delayed: not cancelled, not cleared, and taken by no
    /// drain. A snapshot.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        M::upgrade(&self.queue).is_some_and(|queue| queue.is_delayed(self.timer))
    }
}

/// A century: a delay that never passes, and is within the range of every clock.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The deadline of an event that is deferred now.
pub(crate) fn deadline(delay: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(delay.min(NEVER)).unwrap_or(now)
}

impl<M: Mode> Queue<M> {
    /// Like [`drain`](Self::drain), at a time that the caller passes in: delayed events join if
    /// they are due at `now`, and the clock is not read. For tests, and for games with a clock of
    /// their own.
    ///
    /// That clock may stand still or go back: each drain decides anew which events are due.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic resumes.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Signal};
    /// use std::time::{Duration, Instant};
    ///
    /// let respawn = Signal::<u32>::new();
    /// let _sub = respawn.on(|_| ());
    /// let queue = Queue::new();
    /// let mut clock = Instant::now();
    /// queue.defer_at(clock + Duration::from_secs(3), &respawn, 7)?;
    /// assert_eq!(queue.drain_at(clock).delivered(), 0);
    /// clock += Duration::from_secs(3);
    /// assert_eq!(queue.drain_at(clock).delivered(), 1);
    /// # Ok::<(), slotcast::DeferError<u32>>(())
    /// ```
    #[track_caller]
    pub fn drain_at(&self, now: Instant) -> Drained {
        self.drain_at_with(&mut (), now)
    }
}

impl<M: Mode, C: 'static> Queue<M, C> {
    /// Adds an event to this queue, to be delivered by the first drain that begins after `delay`
    /// has passed.
    ///
    /// When that drain begins the event joins the end of the queue, behind all that were deferred
    /// until then; several delayed events join by deadline, and in the order they were deferred if
    /// those are equal. A delay of zero has passed at once, one of more than a century never does.
    ///
    /// Until then the event is counted by [`delayed`](Self::delayed), but not by [`len`](Self::len)
    /// and [`Drained::remaining`], and it keeps its topic alive. The callback of
    /// [`on_ready`](Self::on_ready) is not called when it becomes due: a loop should sleep no
    /// longer than until [`next_deadline`](Self::next_deadline), and is woken by an event that gets
    /// an earlier one. [`run`](Queue::run) does that by itself. O(log n); allocates if more events
    /// are delayed than ever before.
    ///
    /// # Errors
    ///
    /// Returns the event if the queue or the signal was closed; and, in [`DeferError::Full`], if as
    /// many events are delayed as the queue has capacity, whatever the
    /// [`Overflow`](crate::Overflow).
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Signal};
    /// use std::time::{Duration, Instant};
    ///
    /// let blink = Signal::<bool>::new();
    /// let _sub = blink.on(|_| ());
    /// let queue = Queue::new();
    /// queue.defer_after(Duration::from_millis(500), &blink, true)?;
    /// queue.defer_after(Duration::from_millis(250), &blink, false)?;
    /// assert_eq!((queue.len(), queue.delayed()), (0, 2));
    /// let later = Instant::now() + Duration::from_secs(1);
    /// assert_eq!(queue.drain_at(later).delivered(), 2);
    /// # Ok::<(), slotcast::DeferError<bool>>(())
    /// ```
    pub fn defer_after<E: 'static>(
        &self,
        delay: Duration,
        signal: &Signal<M, E, C>,
        event: E,
    ) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        self.defer_at(deadline(delay), signal, event)
    }

    /// Like [`defer_after`](Self::defer_after), with a deadline in place of the delay. One that has
    /// passed is due at the next drain.
    ///
    /// # Errors
    ///
    /// As `defer_after`.
    pub fn defer_at<E: 'static>(
        &self,
        deadline: Instant,
        signal: &Signal<M, E, C>,
        event: E,
    ) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        let timer = self.core.defer_at(&signal.core, deadline, event)?;
        Ok(Delayed::new(&self.core, timer))
    }

    /// The deadline of the first delayed event; `None` if no event is delayed. A snapshot.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.core.next_deadline()
    }

    /// The number of delayed events, including those that are due but that no drain has taken yet.
    /// A snapshot.
    #[must_use]
    pub fn delayed(&self) -> usize {
        self.core.delayed()
    }

    /// Like [`drain_at`](Queue::drain_at), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic resumes.
    #[track_caller]
    pub fn drain_at_with(&self, context: &mut C, now: Instant) -> Drained {
        let mut options = DrainOptions::ALL;
        options.now = Some(now);
        self.drain_by(context, options)
    }
}

impl<M: Mode, E: 'static, C: 'static> Signal<M, E, C> {
    /// Adds an event to the queue of the bus, to be delivered by the first drain that begins after
    /// `delay` has passed; see [`Queue::defer_after`](crate::flavour::Queue::defer_after).
    ///
    /// # Errors
    ///
    /// As [`defer`](Self::defer), and if too many events are delayed in a bounded queue.
    pub fn defer_after(&self, delay: Duration, event: E) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        let Some(queue) = &self.queue else {
            return Err(DeferError::NoQueue(event));
        };
        let timer = queue.defer_at(&self.core, deadline(delay), event)?;
        Ok(Delayed::new(queue, timer))
    }
}

impl<M: Mode, C: 'static> Clone for Delayed<M, C> {
    fn clone(&self) -> Self {
        Delayed {
            queue: self.queue.clone(),
            timer: self.timer,
        }
    }
}

impl<M: Mode, C: 'static> fmt::Debug for Delayed<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delayed")
            .field("is_waiting", &self.is_waiting())
            .finish()
    }
}

unwind_safe! {
    [M: Mode, C] Delayed<M, C>;
}
