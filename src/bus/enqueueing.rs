//! The methods of the queue of a bus: deferring and draining.

use crate::core::primitives::clock::Instant;
use std::time::Duration;

use crate::bus::Bus;
use crate::core::flavour::{Flavour, SendBound, Shared};
use crate::core::queue::active_drain::DrainOptions;
use crate::error::DeferError;
use crate::queue::Queue;
use crate::queue::delayed::Delayed;
use crate::queue::drained::Drained;
use crate::topic::Topic;

impl<M: Flavour, C: 'static> Bus<M, C> {
    /// Puts an event into the queue, for the handlers that are subscribed when it is delivered; see
    /// [`Signal::defer`](crate::flavour::Signal::defer).
    ///
    /// # Errors
    ///
    /// The event comes back if the topic or the bus was closed, or if the queue is full.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[doc(alias = "enqueue")]
    #[doc(alias = "post")]
    #[doc(alias = "send later")]
    #[track_caller]
    pub fn defer<E: 'static>(&self, topic: &Topic<E>, event: E) -> Result<(), DeferError<E>>
    where
        M: SendBound<E>,
    {
        let Bus { core } = self;
        match core
            .queue
            .defer_again(&core.registry.config, &topic.name, event)
        {
            Ok(()) => Ok(()),
            Err(event) => self.signal(topic).defer(event),
        }
    }

    /// Puts an event at the end of the queue, in place of the waiting event of this topic that was
    /// deferred by this method; see [`Queue::defer_latest`](crate::flavour::Queue::defer_latest).
    ///
    /// # Errors
    ///
    /// Those of [`defer`](Self::defer).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// const MOVED: Topic<(i32, i32)> = Topic::new("mouse.moved");
    /// let bus = Bus::new();
    /// let _sub = bus.on(&MOVED, |at| assert_eq!(*at, (9, 9)));
    /// for n in 0..10 {
    ///     bus.defer_latest(&MOVED, (n, n))?;
    /// }
    /// assert_eq!(bus.drain().delivered(), 1);
    /// # Ok::<(), slotcast::DeferError<(i32, i32)>>(())
    /// ```
    #[doc(alias = "coalesce")]
    #[doc(alias = "conflate")]
    #[track_caller]
    pub fn defer_latest<E: 'static>(&self, topic: &Topic<E>, event: E) -> Result<(), DeferError<E>>
    where
        M: SendBound<E>,
    {
        self.signal(topic).defer_latest(event)
    }

    /// Puts an event into the queue, to be delivered by the first drain that starts after the delay has
    /// passed; see [`Queue::defer_after`](crate::flavour::Queue::defer_after).
    ///
    /// # Errors
    ///
    /// Those of [`defer`](Self::defer), and if too many events are delayed in a bounded queue.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[doc(alias = "delay")]
    #[doc(alias = "set_timeout")]
    #[doc(alias = "setTimeout")]
    #[doc(alias = "timer")]
    #[track_caller]
    pub fn defer_after<E: 'static>(
        &self,
        delay: Duration,
        topic: &Topic<E>,
        event: E,
    ) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        self.signal(topic).defer_after(delay, event)
    }

    /// Like [`defer_after`](Self::defer_after), with a deadline in place of the delay.
    ///
    /// # Errors
    ///
    /// As `defer_after`.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn defer_at<E: 'static>(
        &self,
        deadline: Instant,
        topic: &Topic<E>,
        event: E,
    ) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        self.signal(topic).defer_at(deadline, event)
    }

    /// Debounces: the event is delivered when `delay` has passed without another one; see
    /// [`Queue::defer_latest_after`](crate::flavour::Queue::defer_latest_after).
    ///
    /// # Errors
    ///
    /// As [`defer_after`](Self::defer_after).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[doc(alias = "debounce")]
    #[track_caller]
    pub fn defer_latest_after<E: 'static>(
        &self,
        delay: Duration,
        topic: &Topic<E>,
        event: E,
    ) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        self.signal(topic).defer_latest_after(delay, event)
    }

    /// Throttles: the newest event is delivered `delay` after the first one; see
    /// [`Queue::defer_latest_within`](crate::flavour::Queue::defer_latest_within).
    ///
    /// # Errors
    ///
    /// As [`defer_after`](Self::defer_after).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[doc(alias = "throttle")]
    #[doc(alias = "rate limit")]
    #[doc(alias = "sample")]
    #[track_caller]
    pub fn defer_latest_within<E: 'static>(
        &self,
        delay: Duration,
        topic: &Topic<E>,
        event: E,
    ) -> Result<Delayed<M, C>, DeferError<E>>
    where
        M: SendBound<E>,
    {
        self.signal(topic).defer_latest_within(delay, event)
    }

    /// Delivers the waiting events of the queue, and lends the context to the handlers; see
    /// [`Queue::drain_with`].
    ///
    /// # Panics
    ///
    /// If a handler panics, after all has been delivered.
    #[track_caller]
    pub fn drain_with(&self, context: &mut C) -> Drained {
        Drained(self.core.queue.drain(context, DrainOptions::ALL))
    }

    /// Returns the queue of the bus.
    ///
    /// # Examples
    ///
    /// ```
    /// # use slotcast::{Bus, Topic};
    /// const SAVED: Topic<u64> = Topic::new("file.saved");
    /// let bus = Bus::new();
    /// bus.defer(&SAVED, 512)?;
    /// assert_eq!(bus.queue().len(), 1);
    /// assert_eq!(bus.queue().clear(), 1);
    /// # Ok::<(), slotcast::DeferError<u64>>(())
    /// ```
    #[must_use]
    pub fn queue(&self) -> Queue<M, C> {
        Queue {
            core: self.core.queue.clone(),
        }
    }
}

impl<C: 'static> Bus<Shared, C> {
    /// Puts an event into the queue, and waits for capacity for `timeout` at most; see
    /// [`Queue::defer_timeout`](crate::flavour::Queue::defer_timeout).
    ///
    /// # Errors
    ///
    /// Those of [`defer`](Self::defer), and if there was no capacity in time.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn defer_timeout<E: Send + 'static>(
        &self,
        topic: &Topic<E>,
        event: E,
        timeout: Duration,
    ) -> Result<(), DeferError<E>> {
        self.signal(topic).defer_timeout(event, timeout)
    }
}

impl<M: Flavour> Bus<M> {
    /// Delivers the waiting events of the queue; see [`Queue::drain`].
    ///
    /// # Panics
    ///
    /// If a handler panics, after all has been delivered.
    #[track_caller]
    pub fn drain(&self) -> Drained {
        self.drain_with(&mut ())
    }
}
