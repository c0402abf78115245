//! Deferring events to the queue of a bus.

use crate::core::primitives::clock::Instant;
use std::time::Duration;

use crate::core::flavour::{Flavour, SendBound, Shared};
use crate::error::DeferError;
use crate::queue::delayed::{Delayed, deadline};
use crate::signal::Signal;

impl<M: Flavour, E: 'static, C: 'static> Signal<M, E, C> {
    /// Adds an event to the queue of the bus, for the handlers that are subscribed when it is
    /// delivered.
    ///
    /// Events of all topics of a bus are delivered in the order they were deferred, by the thread
    /// that drains the queue. Takes the queue's lock briefly, and allocates nothing once the queue
    /// has been as full lately. If the queue was empty, the callback of
    /// [`on_ready`](crate::flavour::Queue::on_ready) is called here, on this thread.
    ///
    /// # Errors
    ///
    /// Returns the event if the signal or the queue was closed, if the queue is full, or if there
    /// is no queue because the signal was not created by a bus.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// let bus = Bus::new();
    /// let key = bus.signal(&Topic::<char>::new("key"));
    /// let _sub = key.on(|_| ());
    /// key.defer('a')?;
    /// assert_eq!(bus.drain().delivered(), 1);
    /// # Ok::<(), slotcast::DeferError<char>>(())
    /// ```
    #[doc(alias = "enqueue")]
    #[doc(alias = "post")]
    #[doc(alias = "send later")]
    #[cfg_attr(feature = "follow", track_caller)]
    pub fn defer(&self, event: E) -> Result<(), DeferError<E>>
    where
        M: SendBound<E>,
    {
        match &self.queue {
            Some(queue) => queue.defer(&self.core, event, None),
            None => Err(DeferError::NoQueue(event)),
        }
    }

    /// Adds an event at the end of the queue of the bus, and removes the one that this method added
    /// before, if it still waits; see [`Queue::defer_latest`](crate::flavour::Queue::defer_latest).
    ///
    /// # Errors
    ///
    /// As [`defer`](Self::defer).
    #[doc(alias = "coalesce")]
    #[doc(alias = "conflate")]
    #[cfg_attr(feature = "follow", track_caller)]
    pub fn defer_latest(&self, event: E) -> Result<(), DeferError<E>>
    where
        M: SendBound<E>,
    {
        match &self.queue {
            Some(queue) => queue.defer_latest(&self.core, event),
            None => Err(DeferError::NoQueue(event)),
        }
    }

    /// Adds an event to the queue of the bus, to be delivered by the first drain that begins after
    /// `delay` has passed; see [`Queue::defer_after`](crate::flavour::Queue::defer_after).
    ///
    /// # Errors
    ///
    /// As [`defer`](Self::defer), and if too many events are delayed in a bounded queue.
    #[doc(alias = "delay")]
    #[doc(alias = "set_timeout")]
    #[doc(alias = "setTimeout")]
    #[doc(alias = "timer")]
    #[cfg_attr(feature = "follow", track_caller)]
    pub fn defer_after(&self, delay: Duration, event: E) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        self.defer_at(deadline(delay), event)
    }

    /// Like [`defer_after`](Self::defer_after), with a deadline in place of the delay.
    ///
    /// # Errors
    ///
    /// As `defer_after`.
    #[cfg_attr(feature = "follow", track_caller)]
    pub fn defer_at(&self, deadline: Instant, event: E) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        let Some(queue) = &self.queue else {
            return Err(DeferError::NoQueue(event));
        };
        let timer = queue.defer_at(&self.core, deadline, event)?;
        Ok(Delayed::new(queue, timer))
    }

    /// Debounces, in the queue of the bus; see
    /// [`Queue::defer_latest_after`](crate::flavour::Queue::defer_latest_after).
    ///
    /// # Errors
    ///
    /// As [`defer_after`](Self::defer_after).
    #[doc(alias = "debounce")]
    #[cfg_attr(feature = "follow", track_caller)]
    pub fn defer_latest_after(
        &self,
        delay: Duration,
        event: E,
    ) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        self.defer_latest_at(delay, true, event)
    }

    /// Throttles, in the queue of the bus; see
    /// [`Queue::defer_latest_within`](crate::flavour::Queue::defer_latest_within).
    ///
    /// # Errors
    ///
    /// As [`defer_after`](Self::defer_after).
    #[doc(alias = "throttle")]
    #[doc(alias = "rate limit")]
    #[doc(alias = "sample")]
    #[cfg_attr(feature = "follow", track_caller)]
    pub fn defer_latest_within(
        &self,
        delay: Duration,
        event: E,
    ) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        self.defer_latest_at(delay, false, event)
    }

    #[cfg_attr(feature = "follow", track_caller)]
    fn defer_latest_at(
        &self,
        delay: Duration,
        restarts: bool,
        event: E,
    ) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        let Some(queue) = &self.queue else {
            return Err(DeferError::NoQueue(event));
        };
        let timer = queue.defer_latest_at(&self.core, deadline(delay), restarts, event)?;
        Ok(Delayed::new(queue, timer))
    }
}

impl<E: Send + 'static, C: 'static> Signal<Shared, E, C> {
    /// Like [`defer`](Self::defer), but waits for capacity no longer than `timeout`; see
    /// [`Queue::defer_timeout`](crate::flavour::Queue::defer_timeout).
    ///
    /// # Errors
    ///
    /// As `defer`, and if there was no capacity in time.
    #[cfg_attr(feature = "follow", track_caller)]
    pub fn defer_timeout(&self, event: E, timeout: Duration) -> Result<(), DeferError<E>> {
        // A time beyond the range of the clock is never reached.
        let until = Instant::now().checked_add(timeout);
        match &self.queue {
            Some(queue) => queue.defer(&self.core, event, until),
            None => Err(DeferError::NoQueue(event)),
        }
    }
}
