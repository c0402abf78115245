//! The methods that take a topic: each looks its name up, and forwards to the signal.

use crate::core::bus::Bus as Core;
use crate::core::flavour::{Flavour, SendBound, SyncBound};
use crate::core::registry::registry::{Found, Registry};
use crate::error::WrongType;
use crate::outcome::Outcome;
use crate::signal::Signal;
use crate::signal::demand::Demand;
use crate::signal::subscribe::Subscribe;
use crate::signal::subscription::Subscription;
use crate::topic::Topic;
use crate::topic::any_event::Kind;
use std::panic::Location;

#[doc = include_str!("../flavour/bus.md")]
pub struct Bus<M: Flavour, C: 'static = ()> {
    pub(crate) core: M::Ptr<Core<M, C>>,
}

impl<M: Flavour, C: 'static> Bus<M, C> {
    /// Returns the signal of a topic: a handle that skips the look-up of the name from then on. The
    /// topic exists as long as the handle does.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    ///
    /// # Examples
    ///
    /// ```
    /// # use slotcast::{Bus, Topic};
    /// const MOVED: Topic<(i32, i32)> = Topic::new("mouse.moved");
    /// let bus = Bus::new();
    /// let moved = bus.signal(&MOVED);
    /// let _sub = bus.on(&MOVED, |at| println!("{at:?}"));
    /// assert_eq!(moved.emit(&(3, 4)).ran(), 1);
    /// ```
    #[doc(alias = "topic")]
    #[doc(alias = "get")]
    #[must_use]
    #[track_caller]
    pub fn signal<E: 'static>(&self, topic: &Topic<E>) -> Signal<M, E, C> {
        match self.try_signal(topic) {
            Ok(signal) => signal,
            Err(wrong) => panic!("{wrong}"),
        }
    }

    /// Returns the signal of a topic, for names from outside.
    ///
    /// # Errors
    ///
    /// If the topic has another payload type; the error names both, and where the first was used.
    ///
    /// # Examples
    ///
    /// ```
    /// # use slotcast::{Bus, Topic};
    /// let bus = Bus::new();
    /// let _size = bus.signal(&Topic::<u64>::new("file.size"));
    /// let name = "file.size".to_owned(); // from outside
    /// let wrong = bus.try_signal(&Topic::<String>::named(name)?).unwrap_err();
    /// assert!(wrong.to_string().contains("u64"));
    /// # Ok::<(), slotcast::TopicError>(())
    /// ```
    #[track_caller]
    pub fn try_signal<E: 'static>(&self, topic: &Topic<E>) -> Result<Signal<M, E, C>, WrongType> {
        let (registry, location) = (&self.core.registry, Location::caller());
        let core = Registry::<M, C>::signal(registry, Kind::Topic, &topic.name, location)?;
        Ok(Signal {
            core,
            queue: Some(self.core.queue.clone()),
        })
    }

    /// Subscribes a handler; see [`Signal::on`](crate::flavour::Signal::on).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[doc(alias = "subscribe")]
    #[doc(alias = "listen")]
    #[doc(alias = "add_listener")]
    #[doc(alias = "addEventListener")]
    #[doc(alias = "connect")]
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
    #[doc(alias = "one-shot")]
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
    #[doc(alias = "weak")]
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
    ///
    /// See [`Subscribe`] for an example.
    #[doc(alias = "listener")]
    #[doc(alias = "options")]
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

    #[track_caller]
    pub(super) fn find<E: 'static>(&self, topic: &Topic<E>) -> Found<M, E, C> {
        match self.core.registry.find(topic.name()) {
            Ok(found) => found,
            Err(wrong) => panic!("{wrong}"),
        }
    }
}
