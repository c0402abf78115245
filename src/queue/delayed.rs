//! Events that wait for their time, and drains that are told what time it is.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use crate::core::mode::{Mode, SendBound};
use crate::core::queue::delayed::TimerKey;
use crate::core::queue::drain::DrainOptions;
use crate::core::queue::queue::Queue as Core;
use crate::error::DeferError;
use crate::queue::Queue;
use crate::queue::drained::Drained;
use crate::signal::Signal;

/// One delayed event, for cancelling it. Made by [`Queue::defer_after`] and
/// [`Queue::defer_at`].
///
/// It may be dropped: the event is delivered all the same. It does not keep the queue.
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

    /// Drops the event, unless it has joined the queue; whether it was still waiting for its time.
    /// O(log n) in the number of delayed events.
    pub fn cancel(&self) -> bool {
        M::upgrade(&self.queue).is_some_and(|queue| queue.cancel(self.timer))
    }

    /// Whether the event still waits for its time: not cancelled, not cleared, and taken by no drain.
    /// A snapshot.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        M::upgrade(&self.queue).is_some_and(|queue| queue.is_delayed(self.timer))
    }
}

/// A century from now is never, and within what every clock can tell.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The deadline of what is deferred now.
pub(crate) fn deadline(delay: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(delay.min(NEVER)).unwrap_or(now)
}

impl<M: Mode> Queue<M> {
    /// Delivers what is there at a time of the caller's: delayed events join if they are due then,
    /// and the clock is not asked. For tests, and games that own their clock.
    ///
    /// Otherwise as [`drain`](Self::drain). A clock that stands still, or goes back, is fine: what is
    /// due is asked anew by each drain.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Signal};
    /// use std::time::{Duration, Instant};
    ///
    /// let respawn = Signal::<u32>::new();
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
    /// Puts an event into this queue, to be delivered by the first drain that starts when the delay
    /// has passed.
    ///
    /// It joins the end of the queue when that drain starts, behind what was deferred until then;
    /// delayed events among each other by deadline, and in the order they were deferred where those
    /// are equal. A delay of zero has passed at once, one of more than a century never does.
    ///
    /// Until then it is not among those that [`len`](Self::len) and [`Drained::remaining`] count, but
    /// among those of [`delayed`](Self::delayed), and it keeps its topic. Nothing calls
    /// [`on_ready`](Self::on_ready) when its time has come: a loop that sleeps sleeps until
    /// [`next_deadline`](Self::next_deadline) at most, and is woken by an event that gets an earlier
    /// one. [`run`](Queue::run) does that by itself. O(log n); allocates if more events are
    /// delayed than ever before.
    ///
    /// # Errors
    ///
    /// The event comes back if the queue or the signal was closed; and, in
    /// [`DeferError::Full`], if as many events are delayed as the queue has capacity, whatever the
    /// [`Overflow`](crate::Overflow).
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Signal};
    /// use std::time::{Duration, Instant};
    ///
    /// let blink = Signal::<bool>::new();
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

    /// Like [`defer_after`](Self::defer_after), with the deadline itself. One that has passed is due
    /// at the next drain.
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

    /// When the first delayed event is due; `None` if no event is delayed. A snapshot.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.core.next_deadline()
    }

    /// How many events are delayed, those included that are due and that no drain has taken yet. A
    /// snapshot.
    #[must_use]
    pub fn delayed(&self) -> usize {
        self.core.delayed()
    }

    /// Like [`drain_at`](Queue::drain_at), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic goes on.
    #[track_caller]
    pub fn drain_at_with(&self, context: &mut C, now: Instant) -> Drained {
        let now = Some(now);
        Drained::new(self.core.drain(
            context,
            DrainOptions {
                now,
                ..DrainOptions::ALL
            },
        ))
    }
}

impl<M: Mode, E: 'static, C: 'static> Signal<M, E, C> {
    /// Puts an event into the queue of the bus, to be delivered by the first drain that starts when
    /// the delay has passed; see [`Queue::defer_after`](crate::flavour::Queue::defer_after).
    ///
    /// # Errors
    ///
    /// As [`defer`](Self::defer), and if too many events are delayed in a bounded queue.
    pub fn defer_after(&self, delay: Duration, event: E) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        match &self.queue {
            Some(queue) => {
                let timer = queue.defer_at(&self.core, deadline(delay), event)?;
                Ok(Delayed::new(queue, timer))
            }
            None => Err(DeferError::NoQueue(event)),
        }
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

// A panic of a handler leaves nothing half done: it is caught before it gets here, whatever the
// handlers capture and the events are.
impl<M: Mode, C> UnwindSafe for Delayed<M, C> {}
impl<M: Mode, C> RefUnwindSafe for Delayed<M, C> {}
