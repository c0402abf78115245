//! The methods that take a topic: each looks its name up, and forwards to the signal.

use std::borrow::Borrow;
use std::time::{Duration, Instant};

use crate::bus::Bus;
use crate::core::emission::run as emission;
use crate::core::emission::summary::EmissionSummary;
use crate::core::flavour::{Flavour, SendBound, Shared, SyncBound};
use crate::core::registry::registry::Found;
use crate::core::registry::without_topic;
use crate::core::signal::signal::PatternSignals;
use crate::error::DeferError;
use crate::outcome::Outcome;
use crate::queue::delayed::Delayed;
use crate::signal::demand::Demand;
use crate::signal::emission::Emission;
use crate::signal::subscribe::Subscribe;
use crate::signal::subscription::Subscription;
use crate::topic::Topic;

impl<M: Flavour> Bus<M> {
    /// Calls the handlers of a topic, at once and on this thread, and returns what happened; see
    /// [`Signal::emit`](crate::flavour::Signal::emit).
    ///
    /// A topic that does not exist is not created.
    ///
    /// # Panics
    ///
    /// If a handler panics, after the others have run; and if the topic has another payload type.
    #[inline]
    #[track_caller]
    pub fn emit<E: 'static>(&self, topic: &Topic<E>, event: &E) -> Emission {
        self.emit_with(&mut (), topic, event)
    }

    /// Like [`emit`](Self::emit), with an event that is created only if there is a receiver; see
    /// [`Signal::emit_lazy`](crate::flavour::Signal::emit_lazy).
    ///
    /// # Panics
    ///
    /// As `emit` does, and if `event` does.
    #[inline]
    #[track_caller]
    pub fn emit_lazy<E: 'static>(&self, topic: &Topic<E>, event: impl FnOnce() -> E) -> Emission {
        self.emit_lazy_with(&mut (), topic, event)
    }

    /// A clone of the event of a topic that was kept last; see
    /// [`Signal::last`](crate::flavour::Signal::last). Does not create the topic.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[must_use]
    #[track_caller]
    pub fn last<E: Clone + 'static>(&self, topic: &Topic<E>) -> Option<E> {
        let Found::Topic(core) = self.find(topic) else {
            return None;
        };
        let kept = core.retained()?.last()?;
        Some(E::clone(&kept.event))
    }

    /// Keeps the last event of a topic for later subscribers; see
    /// [`Signal::retain_last`](crate::flavour::Signal::retain_last).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn retain_last<E: Clone + 'static>(&self, topic: &Topic<E>)
    where
        M: SyncBound<E>,
    {
        self.signal(topic).retain_last();
    }

    /// Keeps the last `events` events of a topic; see
    /// [`Signal::retain`](crate::flavour::Signal::retain).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn retain<E: Clone + 'static>(&self, topic: &Topic<E>, events: usize)
    where
        M: SyncBound<E>,
    {
        self.signal(topic).retain(events);
    }
}

impl<M: Flavour, C: 'static> Bus<M, C> {
    /// Subscribes a handler; see [`Signal::on`](crate::flavour::Signal::on).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn on<E: 'static, F, R>(&self, topic: &Topic<E>, handler: F) -> Subscription<M>
    where
        F: Fn(&E) -> R + 'static,
        R: Outcome,
        M: SyncBound<F>,
    {
        self.signal(topic).on(handler)
    }

    /// Subscribes a handler that is lent the context; see
    /// [`Signal::on_with`](crate::flavour::Signal::on_with).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn on_with<E: 'static, F, R>(&self, topic: &Topic<E>, handler: F) -> Subscription<M>
    where
        F: Fn(&mut C, &E) -> R + 'static,
        R: Outcome,
        M: SyncBound<F>,
    {
        self.signal(topic).on_with(handler)
    }

    /// Subscribes a handler that is called at most once; see
    /// [`Signal::once`](crate::flavour::Signal::once).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn once<E: 'static, F, R>(&self, topic: &Topic<E>, handler: F) -> Subscription<M>
    where
        F: FnOnce(&E) -> R + 'static,
        R: Outcome,
        M: SendBound<F>,
    {
        self.signal(topic).once(handler)
    }

    /// Subscribes a handler that is lent the context and called at most once; see
    /// [`Signal::once_with`](crate::flavour::Signal::once_with).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn once_with<E: 'static, F, R>(&self, topic: &Topic<E>, handler: F) -> Subscription<M>
    where
        F: FnOnce(&mut C, &E) -> R + 'static,
        R: Outcome,
        M: SendBound<F>,
    {
        self.signal(topic).once_with(handler)
    }

    /// Subscribes a handler that changes its captures; see
    /// [`Signal::on_mut`](crate::flavour::Signal::on_mut).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn on_mut<E: 'static, F, R>(&self, topic: &Topic<E>, handler: F) -> Subscription<M>
    where
        F: FnMut(&E) -> R + 'static,
        R: Outcome,
        M: SendBound<F>,
    {
        self.signal(topic).on_mut(handler)
    }

    /// Subscribes a handler that is lent the context and changes its captures; see
    /// [`Signal::on_mut_with`](crate::flavour::Signal::on_mut_with).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn on_mut_with<E: 'static, F, R>(&self, topic: &Topic<E>, handler: F) -> Subscription<M>
    where
        F: FnMut(&mut C, &E) -> R + 'static,
        R: Outcome,
        M: SendBound<F>,
    {
        self.signal(topic).on_mut_with(handler)
    }

    /// Subscribes a handler that is removed when its target has been dropped; see
    /// [`Signal::on_weak`](crate::flavour::Signal::on_weak).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn on_weak<E: 'static, T, F, R>(
        &self,
        topic: &Topic<E>,
        target: &M::Ptr<T>,
        handler: F,
    ) -> Subscription<M>
    where
        T: ?Sized + 'static,
        F: Fn(&T, &E) -> R + 'static,
        R: Outcome,
        M: SyncBound<T> + SyncBound<F>,
    {
        self.signal(topic).on_weak(target, handler)
    }

    /// Subscribes a handler that is lent the context and removed when its target has been dropped; see
    /// [`Signal::on_weak_with`](crate::flavour::Signal::on_weak_with).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn on_weak_with<E: 'static, T, F, R>(
        &self,
        topic: &Topic<E>,
        target: &M::Ptr<T>,
        handler: F,
    ) -> Subscription<M>
    where
        T: ?Sized + 'static,
        F: Fn(&T, &mut C, &E) -> R + 'static,
        R: Outcome,
        M: SyncBound<T> + SyncBound<F>,
    {
        self.signal(topic).on_weak_with(target, handler)
    }

    /// Begins to subscribe a handler with a priority, a label, a limit or a filter.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn subscribe<E: 'static>(&self, topic: &Topic<E>) -> Subscribe<M, E, C> {
        self.signal(topic).subscribe()
    }

    /// Calls back when the first handler of a topic is added and when the last one is removed; see
    /// [`Signal::on_demand`](crate::flavour::Signal::on_demand). The guard keeps the topic.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn on_demand<E: 'static, F>(&self, topic: &Topic<E>, callback: F) -> Demand<M, E, C>
    where
        F: Fn(bool) + 'static,
        M: SyncBound<F>,
    {
        self.signal(topic).on_demand(callback)
    }

    /// Calls the handlers of a topic, at once and on this thread, and lends them the context; see
    /// [`Signal::emit_with`](crate::flavour::Signal::emit_with).
    ///
    /// # Panics
    ///
    /// If a handler panics, after the others have run; and if the topic has another payload type.
    #[inline]
    #[track_caller]
    pub fn emit_with<E: 'static>(&self, context: &mut C, topic: &Topic<E>, event: &E) -> Emission {
        match self.find(topic) {
            Found::Topic(signal) => self.finish(emission::run(&signal, event, context)),
            Found::Patterns(patterns) => self.emit_to_patterns(patterns, topic, || event, context),
        }
    }

    /// Like [`emit_with`](Self::emit_with), with an event that is created only if there is a receiver; see
    /// [`Signal::emit_lazy_with`](crate::flavour::Signal::emit_lazy_with).
    ///
    /// # Panics
    ///
    /// As `emit` does, and if `event` does.
    #[inline]
    #[track_caller]
    pub fn emit_lazy_with<E: 'static>(
        &self,
        context: &mut C,
        topic: &Topic<E>,
        event: impl FnOnce() -> E,
    ) -> Emission {
        match self.find(topic) {
            Found::Topic(signal) => self.finish(emission::run_lazy(&signal, event, context)),
            Found::Patterns(patterns) => self.emit_to_patterns(patterns, topic, event, context),
        }
    }

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

    #[track_caller]
    fn find<E: 'static>(&self, topic: &Topic<E>) -> Found<M, E, C> {
        match self.core.registry.find(topic.name()) {
            Ok(found) => found,
            Err(wrong) => panic!("{wrong}"),
        }
    }

    fn finish(&self, summary: EmissionSummary) -> Emission {
        Emission::finish(summary, || self.core.registry.config.panics())
    }

    #[track_caller]
    fn emit_to_patterns<E: 'static, B: Borrow<E>>(
        &self,
        patterns: PatternSignals<M, C>,
        topic: &Topic<E>,
        event: impl FnOnce() -> B,
        context: &mut C,
    ) -> Emission {
        let registry = &self.core.registry;
        let summary = without_topic::run(registry, patterns, &topic.name, event, context);
        self.finish(summary)
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
