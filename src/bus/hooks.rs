//! The settings of a bus: events that are kept, and the hooks for failures, for warnings and for unhandled events.

use std::panic::Location;

use crate::bus::Bus;
use crate::core::flavour::{Flavour, SendBound, SyncBound};
use crate::core::handler::entry::Connection;
use crate::core::handler::unhandled::Unhandled;
use crate::core::registry::registry::Found;
use crate::core::settings::observer::observer;
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::signal::PatternSignal;
use crate::core::signal::subscribe::SubscribeOptions;
use crate::failure::HandlerError;
use crate::topic::Topic;
use crate::topic::any_event::{AnyEvent, Kind, TopicInfo};
use crate::topic::name::Name;
use crate::wiring::warning::Warning;

impl<M: Flavour, C: 'static> Bus<M, C> {
    /// Keeps the last event of a topic for later subscribers; see
    /// [`Signal::retain_last`](crate::flavour::Signal::retain_last).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[doc(alias = "replay")]
    #[doc(alias = "sticky")]
    #[doc(alias = "behavior subject")]
    #[track_caller]
    pub fn retain_last<E: Clone + 'static>(&self, topic: &Topic<E>)
    where
        M: SyncBound<E> + SendBound<()>,
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
        M: SyncBound<E> + SendBound<()>,
    {
        self.signal(topic).retain(events);
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
}

impl<M: Flavour, C: 'static> Bus<M, C> {
    /// Sets the hook that observes failures, in place of the previous one.
    ///
    /// Each failure of a handler is reported to it once, on the thread it happened on, when the
    /// emission or the drain has called all handlers. The hook only observes: it does not change what
    /// becomes of the failure. Failures while a hook runs on the thread are logged, as is a panic in
    /// the hook. It runs outside of all locks and may use the bus.
    ///
    /// It is dropped with the last of what could fail: the bus, the handles of its topics and of its queue, queued
    /// calls and futures of its handlers. Subscriptions do not keep it: it may own some of its bus.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    /// use std::sync::mpsc;
    ///
    /// const SAVED: Topic<u64> = Topic::new("file.saved");
    /// let bus = Bus::new();
    /// let (sender, topics) = mpsc::channel();
    /// bus.set_error_hook(move |error| _ = sender.send(error.topic().to_owned()));
    /// let _sub = bus.on(&SAVED, |_| Err::<(), _>("disk full"));
    /// bus.emit(&SAVED, &512);
    /// assert_eq!(topics.recv()?, "file.saved");
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    #[track_caller]
    pub fn set_error_hook<F>(&self, hook: F)
    where
        F: Fn(&HandlerError) + 'static,
        M: SyncBound<F>,
    {
        let observer = observer(hook, Location::caller());
        self.core.registry.config.set_hook(Some(observer));
    }

    /// Takes the hook that observes failures out again, and returns whether there was one: failures that
    /// nobody reads are logged from now on. Its captures are dropped in this call, outside of locks, or
    /// with the call of it that is under way.
    ///
    /// # Examples
    ///
    /// ```
    /// let bus = slotcast::Bus::new();
    /// bus.set_error_hook(|error| eprintln!("{error}"));
    /// assert!(bus.clear_error_hook());
    /// assert!(!bus.clear_error_hook());
    /// ```
    pub fn clear_error_hook(&self) -> bool {
        self.core.registry.config.set_hook(None)
    }

    /// Sets the hook that observes [warnings](crate::Warning), in place of the previous one: handlers that
    /// accumulate are told to it as they are subscribed (see
    /// [`warn_handlers`](crate::flavour::BusBuilder::warn_handlers)); with the feature `follow`, calls that were too
    /// slow; with `inspector`, a page that other machines can reach.
    ///
    /// It is called on the thread that subscribes, calls or serves, outside of all locks, when the handler is connected,
    /// and may use the bus. Without a hook, and while a hook runs on the thread, a warning is logged as failures are; a
    /// panic in the hook is logged, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic, Warning};
    /// use std::sync::mpsc;
    ///
    /// const TICK: Topic<u32> = Topic::new("tick");
    /// let bus = Bus::new();
    /// let (sender, warnings) = mpsc::channel();
    /// bus.set_warning_hook(move |warning| _ = sender.send(warning.clone()));
    /// for _ in 0..300 {
    ///     bus.on(&TICK, |_| ()).detach(); // who would ever cancel these?
    /// }
    /// let counts = warnings.try_iter().map(|warning| match warning {
    ///     Warning::ManyHandlers { count, .. } => count,
    ///     other => unreachable!("{other}"),
    /// });
    /// assert_eq!(counts.collect::<Vec<_>>(), [64, 256]);
    /// ```
    #[track_caller]
    pub fn set_warning_hook<F>(&self, hook: F)
    where
        F: Fn(&Warning) + 'static,
        M: SyncBound<F>,
    {
        let observer = observer(hook, Location::caller());
        self.core.registry.config.set_warning_hook(Some(observer));
    }

    /// Takes the hook that observes warnings out again, and returns whether there was one: they are logged from now
    /// on. Its captures are dropped in this call, outside of locks, or with the call of it that is under way.
    ///
    /// # Examples
    ///
    /// ```
    /// let bus = slotcast::Bus::new();
    /// bus.set_warning_hook(|warning| eprintln!("{warning}"));
    /// assert!(bus.clear_warning_hook());
    /// assert!(!bus.clear_warning_hook());
    /// ```
    pub fn clear_warning_hook(&self) -> bool {
        self.core.registry.config.set_warning_hook(None)
    }

    /// Sets the hook that observes unhandled events, in place of the previous one.
    ///
    /// An event is unhandled when it has no live handler, of its topic or of a pattern, however it is
    /// emitted; for a deferred event that is decided at delivery. Handlers that are paused, that
    /// filter, or that queue count as handlers; those whose target was dropped, and those that forward to
    /// a signal that was dropped or closed, do not, from the first event on. The hook is called on the emitting thread and only
    /// observes: it does not count in [`Emission`](crate::Emission), and a panic in it is logged. It
    /// may emit, subscribe and set hooks as any other code; unhandled events that are emitted while a
    /// hook runs go to the log.
    ///
    /// Setting it costs O(topics). Emissions that find handlers pay nothing for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{AnyEvent, Bus, Topic};
    /// use std::sync::{Arc, Mutex};
    ///
    /// let bus = Bus::new();
    /// let lost = Arc::new(Mutex::new(Vec::new()));
    /// bus.set_unhandled_hook({
    ///     let lost = lost.clone();
    ///     move |event: &AnyEvent| lost.lock().unwrap().push(event.topic().to_owned())
    /// });
    /// assert_eq!(bus.emit(&Topic::new("order.plaved"), &7).ran(), 0); // a typing mistake
    /// assert_eq!(*lost.lock().unwrap(), ["order.plaved"]);
    /// ```
    #[track_caller]
    pub fn set_unhandled_hook<F>(&self, hook: F)
    where
        F: Fn(&AnyEvent) + 'static,
        M: SyncBound<F>,
    {
        let topic_info = TopicInfo::new::<AnyEvent>(Kind::Topic, Name::Fixed("(unhandled)"));
        let info = SignalInfo::new(topic_info, 0, self.core.registry.config.clone());
        let pattern = M::ptr(PatternSignal::<M, C>::new(info, None, Vec::new()));
        let options = SubscribeOptions::new(Location::caller());
        let hook = Unhandled(hook);
        drop(PatternSignal::<M, C>::subscribe(
            &pattern,
            options,
            (),
            hook,
            |it| it as &dyn Connection<M>,
        ));
        self.core.registry.set_unhandled(Some(pattern));
    }

    /// Takes the hook that observes unhandled events out again, and returns whether there was one. Its
    /// captures are dropped in this call, outside of locks, or with the emission that is inside.
    ///
    /// Costs O(topics).
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// let bus = Bus::new();
    /// bus.set_unhandled_hook(|event| unreachable!("{} was unhandled", event.topic()));
    /// assert!(bus.clear_unhandled_hook());
    /// assert_eq!(bus.emit(&Topic::new("nobody"), &1).ran(), 0);
    /// ```
    pub fn clear_unhandled_hook(&self) -> bool {
        self.core.registry.set_unhandled(None)
    }
}
