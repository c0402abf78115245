//! What takes a pattern.

use std::panic::Location;

use crate::bus::Bus;
use crate::core::mode::{Mode, SyncBound};
use crate::core::registry::registry::Registry;
use crate::outcome::Outcome;
use crate::signal::subscribe::Subscribe;
use crate::signal::subscription::Subscription;
use crate::topic::any_event::{AnyEvent, Kind};
use crate::topic::pattern::IntoPattern;

impl<M: Mode, C: 'static> Bus<M, C> {
    /// Subscribes a handler to every topic whose name matches, those that come later included.
    ///
    /// It runs among the handlers of each topic, by priority and then as they subscribed, exact ones
    /// and those of patterns counted together; its [`Flow::Stop`](crate::Flow::Stop) ends that
    /// emission. Names that nobody holds are matched on the fly, so no event is missed, and nothing
    /// is kept of the name. It does not make a topic exist, and does not count in
    /// [`Signal::len`](crate::flavour::Signal::len).
    ///
    /// To subscribe and to cancel costs a look-up and a little for each existing topic that matches;
    /// emissions of a topic that exists match nothing, and call it like any other handler. An
    /// emission by a name that nobody holds looks the name up in an index, and takes up to eight
    /// handlers without allocating.
    ///
    /// # Panics
    ///
    /// If a text is given that is not a pattern, at the caller's line; for those from outside there
    /// is [`Pattern::parse`](crate::Pattern::parse).
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
    #[track_caller]
    pub fn on_pattern<F, R>(&self, pattern: impl IntoPattern, handler: F) -> Subscription<M>
    where
        F: Fn(&AnyEvent) -> R + 'static,
        R: Outcome,
        M: SyncBound<F>,
    {
        self.subscribe_pattern(pattern).on(handler)
    }

    /// [`on_pattern`](Bus::on_pattern) for a handler that is lent the context.
    ///
    /// # Panics
    ///
    /// If a text is given that is not a pattern.
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
    /// The limit and the pauses are the subscription's, over all topics together. There is no
    /// `on_queue`: what a queue is to keep has to be cloned, and of these events nobody knows how.
    /// A handler can take the payload out and defer it itself.
    ///
    /// # Panics
    ///
    /// If a text is given that is not a pattern.
    ///
    /// # Examples
    ///
    /// An interceptor is a handler of high priority that may stop what it is asked about:
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
