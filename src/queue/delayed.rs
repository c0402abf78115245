//! Delayed events, and drains at a time that the caller passes in.

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::core::flavour::{Flavour, SendBound};
use crate::core::handler::entry::{Alive, CallResult, Connection, Entry, Header, WeakRef, state};
use crate::core::primitives::clock::Instant;
use crate::core::primitives::sync::Word;
use crate::core::primitives::unwind::unwind_safe;
use crate::core::queue::claim::posted;
use crate::core::queue::delayed::TimerKey;
use crate::core::queue::queue::Queue as Core;
use crate::core::signal::signal::next_sequence;
use crate::error::{DeferError, ReplaceErrorKind};
use crate::outcome::Outcome;
use crate::queue::{PostError, Queue};
use crate::signal::Signal;
use crate::signal::subscription::Subscription;

#[doc = include_str!("../flavour/delayed.md")]
pub struct Delayed<M: Flavour, C: 'static = ()> {
    queue: M::Weak<Core<M, C>>,
    timer: TimerKey,
}

impl<M: Flavour, C: 'static> Delayed<M, C> {
    pub(crate) fn new(queue: &M::Ptr<Core<M, C>>, timer: TimerKey) -> Self {
        Delayed {
            queue: M::downgrade(queue),
            timer,
        }
    }

    /// Drops the event, unless its delivery has begun; returns whether it had not. So of two events
    /// that are due in one drain the first can cancel the second. O(log n) in the number of delayed
    /// events.
    pub fn cancel(&self) -> bool {
        M::upgrade(&self.queue).is_some_and(|queue| queue.cancel(self.timer))
    }

    /// Returns whether the event is still waiting, for its deadline or for its turn in a drain: not
    /// cancelled, not cleared, and its delivery has not begun. A snapshot.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        M::upgrade(&self.queue).is_some_and(|queue| queue.is_waiting(self.timer))
    }

    /// Turns the handle into a subscription: the event is cancelled when that is dropped or cancelled,
    /// by itself or with a [`Scope`](crate::flavour::Scope).
    ///
    /// The subscription is active as long as the event waits. To pause it has no effect. A queue that is
    /// dropped before does not report the event: what was to end with its owner is not lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Scope, Signal};
    /// use std::time::Duration;
    ///
    /// let (queue, blink) = (Queue::new(), Signal::<bool>::new());
    /// let mut dialog = Scope::new();
    /// let timer = queue.defer_after(Duration::from_millis(500), &blink, true)?;
    /// dialog.add(timer.cancel_on_drop());
    /// assert_eq!((dialog.len(), queue.delayed()), (1, 1));
    /// drop(dialog);
    /// assert_eq!(queue.delayed(), 0);
    /// # Ok::<(), slotcast::DeferError<bool>>(())
    /// ```
    #[track_caller]
    pub fn cancel_on_drop(self) -> Subscription<M> {
        if let Some(queue) = M::upgrade(&self.queue) {
            queue.set_owned(self.timer);
        }
        let header = Header {
            // Asked before it counts as active, as the target of a weak handler is.
            state: M::Word::new(state::WEAK),
            sequence: next_sequence(),
            ..Header::alone(Location::caller(), None)
        };
        let entry = WeakRef::<M, TimerEntry<M, C>>::new(header, self, ());
        // It has no captures, and no signal that would release them once the subscription is detached.
        entry.release();
        Subscription::new(entry.erase(|entry| entry as &dyn Connection<M>))
    }
}

/// The entry of a delayed event that is owned by a subscription.
type TimerEntry<M, C> = Entry<M, Delayed<M, C>, ()>;

impl<M: Flavour, C: 'static> Connection<M> for TimerEntry<M, C> {
    fn cancel(&self) -> bool {
        self.head().state.or(state::REMOVED | state::CANCELLED);
        self.link().cancel()
    }
    fn cancel_itself(&self, _: Alive<'_>) -> CallResult {
        unreachable!("it is never called")
    }
    fn give_up(&self) {}
    fn dropped(&self) -> usize {
        0
    }
    fn is_run_by(&self, _: usize) -> bool {
        false
    }
    fn is_alive(&self, _: Option<Alive<'_>>) -> bool {
        self.link().is_waiting()
    }
    fn replace(&self, _: &mut dyn Any) -> Result<(), ReplaceErrorKind> {
        Err(ReplaceErrorKind::WrongType)
    }
}

/// A century: a delay that never passes, and is within the range of every clock.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The deadline of an event that is deferred now.
pub(crate) fn deadline(delay: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(delay.min(NEVER)).unwrap_or(now)
}

impl<M: Flavour> Queue<M> {
    /// Adds a closure, to be called by the first drain that begins after `delay` has passed; see
    /// [`post_after_with`](Self::post_after_with).
    ///
    /// # Errors
    ///
    /// If the queue was closed, or as many events are delayed as it has capacity; the closure is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let queue = slotcast::Queue::new();
    /// let reminder = queue.post_after(Duration::from_secs(60), || println!("still there?"))?;
    /// assert!(reminder.cancel());
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    #[track_caller]
    pub fn post_after<F, R>(&self, delay: Duration, f: F) -> Result<Delayed<M>, PostError>
    where
        F: FnOnce() -> R + 'static,
        R: Outcome,
        M: SendBound<F> + SendBound<()>,
    {
        let claim = posted(
            move |_: &mut ()| f(),
            self.core.info.clone(),
            Location::caller(),
        );
        match self.core.call_at(claim, deadline(delay)) {
            Ok(timer) => Ok(Delayed::new(&self.core, timer)),
            Err(refused) => Err(PostError::new(refused.kind())),
        }
    }
}

impl<M: Flavour, C: 'static> Queue<M, C> {
    /// Adds an event to this queue, to be delivered by the first drain that begins after `delay`
    /// has passed.
    ///
    /// When that drain begins the event joins the end of the queue, behind all that were deferred
    /// until then; several delayed events join by deadline, and in the order they were deferred if
    /// those are equal. A delay of zero has passed at once, one of more than a century never does.
    ///
    /// Until then the event is counted by [`delayed`](Self::delayed), but not by [`len`](Self::len)
    /// and [`Drained::remaining`](crate::Drained::remaining), and it keeps its topic alive. The callback of
    /// [`on_ready`](Self::on_ready) is not called when it becomes due: a loop should sleep no
    /// longer than until [`next_deadline`](Self::next_deadline), and is woken by an event that gets
    /// an earlier one. [`run`](Queue::run) does that by itself. O(log n); allocates if more events
    /// are delayed than lately.
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
    #[doc(alias = "delay")]
    #[doc(alias = "setTimeout")]
    #[doc(alias = "timer")]
    #[cfg_attr(feature = "follow", track_caller)]
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
    #[cfg_attr(feature = "follow", track_caller)]
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

    /// Debounces: adds an event that is delivered when `delay` has passed without another one. Removes
    /// the event that this method or [`defer_latest_within`](Self::defer_latest_within) added for the same
    /// signal before, unless its delivery has begun.
    ///
    /// For what should happen when it has become quiet: "save a second after the last change". At most
    /// one such event of the signal waits; its handle stays the same or is replaced by the new one, so use
    /// the last. Otherwise as [`defer_after`](Self::defer_after).
    ///
    /// # Errors
    ///
    /// As `defer_after`; an event that replaces another needs no capacity.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Signal};
    /// use std::time::{Duration, Instant};
    ///
    /// let (queue, changed) = (Queue::new(), Signal::<&str>::new());
    /// let _save = changed.on(|text| assert_eq!(*text, "abc"));
    /// for text in ["a", "ab", "abc"] {
    ///     queue.defer_latest_after(Duration::from_secs(1), &changed, text)?;
    /// }
    /// assert_eq!(queue.delayed(), 1);
    /// let later = Instant::now() + Duration::from_secs(1);
    /// assert_eq!(queue.drain_at(later).delivered(), 1);
    /// # Ok::<(), slotcast::DeferError<&str>>(())
    /// ```
    #[doc(alias = "debounce")]
    #[cfg_attr(feature = "follow", track_caller)]
    pub fn defer_latest_after<E: 'static>(
        &self,
        delay: Duration,
        signal: &Signal<M, E, C>,
        event: E,
    ) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        self.defer_latest_at(deadline(delay), true, signal, event)
    }

    /// Throttles: like [`defer_latest_after`](Self::defer_latest_after), but an event that replaces
    /// another one keeps its deadline. So the newest event is delivered `delay` after the first one, and
    /// there is at most one for each `delay`, however many come.
    ///
    /// # Errors
    ///
    /// As `defer_latest_after`.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Signal};
    /// use std::time::{Duration, Instant};
    ///
    /// let (queue, level) = (Queue::new(), Signal::<u32>::new());
    /// let _show = level.on(|percent| assert_eq!(*percent, 99));
    /// let frame = Duration::from_millis(40);
    /// let first = Instant::now();
    /// for percent in 0..100 {
    ///     queue.defer_latest_within(frame, &level, percent)?;
    /// }
    /// assert!(queue.next_deadline().is_some_and(|due| due >= first + frame));
    /// assert_eq!(queue.drain_at(Instant::now() + frame).delivered(), 1);
    /// # Ok::<(), slotcast::DeferError<u32>>(())
    /// ```
    #[doc(alias = "throttle")]
    #[doc(alias = "rate limit")]
    #[doc(alias = "sample")]
    #[cfg_attr(feature = "follow", track_caller)]
    pub fn defer_latest_within<E: 'static>(
        &self,
        delay: Duration,
        signal: &Signal<M, E, C>,
        event: E,
    ) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        self.defer_latest_at(deadline(delay), false, signal, event)
    }

    #[cfg_attr(feature = "follow", track_caller)]
    fn defer_latest_at<E: 'static>(
        &self,
        deadline: Instant,
        restarts: bool,
        signal: &Signal<M, E, C>,
        event: E,
    ) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        let core = &self.core;
        let timer = core.defer_latest_at(&signal.core, deadline, restarts, event)?;
        Ok(Delayed::new(core, timer))
    }

    /// Adds a closure with the context of the drain, to be called by the first drain that begins after
    /// `delay` has passed; see [`defer_after`](Self::defer_after). With a delay of zero it is what
    /// [`post_with`](Self::post_with) does, at the end of what waits when the drain begins, and can be
    /// cancelled.
    ///
    /// # Errors
    ///
    /// If the queue was closed, or as many events are delayed as it has capacity; the closure is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// let ui = slotcast::Queue::<Vec<&str>>::with_context();
    /// let second = Duration::from_secs(1);
    /// let hint = ui.post_after_with(second, |lines| lines.push("press any key"))?;
    /// ui.post_after_with(2 * second, move |lines| {
    ///     assert!(!hint.cancel(), "it was called before");
    ///     lines.push("goodbye");
    /// })?;
    /// let mut lines = Vec::new();
    /// ui.drain_at_with(&mut lines, Instant::now() + 2 * second);
    /// assert_eq!(lines, ["press any key", "goodbye"]);
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    #[track_caller]
    pub fn post_after_with<F, R>(&self, delay: Duration, f: F) -> Result<Delayed<M, C>, PostError>
    where
        F: FnOnce(&mut C) -> R + 'static,
        R: Outcome,
        M: SendBound<F> + SendBound<()>,
    {
        let claim = posted(f, self.core.info.clone(), Location::caller());
        match self.core.call_at(claim, deadline(delay)) {
            Ok(timer) => Ok(Delayed::new(&self.core, timer)),
            Err(refused) => Err(PostError::new(refused.kind())),
        }
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
}

impl<M: Flavour, C: 'static> Clone for Delayed<M, C> {
    fn clone(&self) -> Self {
        Delayed {
            queue: self.queue.clone(),
            timer: self.timer,
        }
    }
}

impl<M: Flavour, C: 'static> fmt::Debug for Delayed<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delayed")
            .field("is_waiting", &self.is_waiting())
            .finish()
    }
}

unwind_safe! {
    [M: Flavour, C] Delayed<M, C>;
}
