//! The methods that take a pattern.

use std::panic::Location;

use crate::bus::Bus;
use crate::core::flavour::{Flavour, SyncBound};
use crate::core::registry::registry::Registry;
use crate::outcome::Outcome;
use crate::signal::subscribe::Subscribe;
use crate::signal::subscription::Subscription;
use crate::topic::any_event::{AnyEvent, Kind};
use crate::topic::pattern::IntoPattern;

impl<M: Flavour, C: 'static> Bus<M, C> {
    /// Subscribes a handler to every topic whose name matches, including future ones.
    ///
    /// It runs among the handlers of each topic, by priority and then in the order they subscribed,
    /// exact and pattern handlers counted together; its [`Flow::Stop`](crate::Flow::Stop) ends that
    /// emission. Names of topics that do not exist are matched on the fly, so no event is missed, and
    /// nothing is kept of the name. The handler does not make a topic exist, and does not count in
    /// [`Signal::len`](crate::flavour::Signal::len).
    ///
    /// The first handler of a pattern costs a look-up and a little for each existing topic that matches, and
    /// the first pattern of a bus O(topics) once. Another handler, and cancelling, cost a little for each of
    /// those topics that were emitted to since the last such change.
    /// Emissions of an existing topic match nothing, and call the handler like any other. An emission
    /// by the name of a topic that does not exist looks the name up in an index, and does not allocate
    /// for up to eight handlers.
    ///
    /// # Panics
    ///
    /// If the text is not a pattern, at the caller's line; for text from outside there is
    /// [`Pattern::parse`](crate::Pattern::parse).
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{AnyEvent, Bus, Topic};
    ///
    /// let bus = Bus::new();
    /// let _log = bus.on_pattern("order.>", |event: &AnyEvent| println!("{}", event.topic()));
    /// assert_eq!(bus.emit(&Topic::new("order.placed"), &7_u64).ran(), 1);
    /// assert_eq!(bus.emit(&Topic::new("order.line.added"), &"tea").ran(), 1);
    /// assert_eq!(bus.emit(&Topic::new("order"), &7_u64).ran(), 0);
    /// ```
    #[doc(alias = "wildcard")]
    #[doc(alias = "glob")]
    #[track_caller]
    pub fn on_pattern<F, R>(&self, pattern: impl IntoPattern, handler: F) -> Subscription<M>
    where
        F: Fn(&AnyEvent) -> R + 'static,
        R: Outcome,
        M: SyncBound<F>,
    {
        self.subscribe_pattern(pattern).on(handler)
    }

    /// Like [`on_pattern`](Bus::on_pattern), with the context that the emitter lends.
    ///
    /// # Panics
    ///
    /// If the text is not a pattern.
    #[track_caller]
    pub fn on_pattern_with<F, R>(&self, pattern: impl IntoPattern, handler: F) -> Subscription<M>
    where
        F: Fn(&mut C, &AnyEvent) -> R + 'static,
        R: Outcome,
        M: SyncBound<F>,
    {
        self.subscribe_pattern(pattern).on_with(handler)
    }

    /// Begins to subscribe a handler to a pattern with a priority, a label, a limit or a filter.
    ///
    /// The limit and the pauses are the subscription's, over all topics together. An event that is to wait in
    /// a queue needs a type: [`on_queue_map`](Subscribe::on_queue_map) takes the payload out.
    ///
    /// # Panics
    ///
    /// If the text is not a pattern.
    ///
    /// # Examples
    ///
    /// An interceptor is a handler of high priority that may stop the emission:
    ///
    /// ```
    /// use slotcast::{Bus, Flow, Topic};
    ///
    /// const DELETE: Topic<&str> = Topic::new("file.delete");
    ///
    /// let bus = Bus::new();
    /// let _delete = bus.on(&DELETE, |path| assert_ne!(*path, "/etc/passwd"));
    /// let _guard = bus.subscribe_pattern("file.*").priority(i32::MAX).on(|event| {
    ///     match event.payload::<&str>() {
    ///         Some(path) if path.starts_with("/etc") => Flow::Stop,
    ///         _ => Flow::Continue,
    ///     }
    /// });
    /// assert!(bus.emit(&DELETE, &"/etc/passwd").stopped());
    /// assert_eq!(bus.emit(&DELETE, &"/tmp/draft").ran(), 2);
    /// ```
    #[track_caller]
    pub fn subscribe_pattern(&self, pattern: impl IntoPattern) -> Subscribe<M, AnyEvent, C> {
        let (pattern, location) = (pattern.into_pattern(), Location::caller());
        let registry = &self.core.registry;
        let pattern = Registry::<M, C>::signal(registry, Kind::Pattern, &pattern.text, location);
        match pattern {
            Ok(pattern) => Subscribe::new(pattern, location),
            Err(_) => unreachable!("patterns have one type"),
        }
    }
}
