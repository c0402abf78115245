//! Signals by name, and one queue.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use crate::core::bus::Bus as Core;
use crate::core::emission::Tally;
use crate::core::group::Group;
use crate::core::handlers::{Always, Unhandled, hook};
use crate::core::home::{Home, Name, Panics, Settings, Subject};
use crate::core::mode::{Carries, Mode, Shared, Shares};
use crate::core::registry::{Found, Groups, Registry};
use crate::core::signal::Wish;
use crate::core::thread::MAX_DEPTH;
use crate::core::trie::Kind;
use crate::core::{emission, mode};
use crate::delayed::Delayed;
use crate::demand::Demand;
use crate::drained::Drained;
use crate::emission::Emission;
use crate::error::{DeferError, HandlerError, WrongType};
use crate::outcome::Outcome;
use crate::pattern::{AnyEvent, IntoPattern};
use crate::queue::Queue;
use crate::signal::Signal;
use crate::subscribe::Subscribe;
use crate::subscription::{Subscription, SubscriptionId};
use crate::topic::Topic;

/// Signals by name, and one queue for what is deferred.
///
/// A handle is cheap to clone, and all clones are the same bus. When the last one goes, its queue
/// is closed (what waits is dropped and reported with the last handle of the queue) and its topics are left to whoever holds a [`Signal`] of theirs; the handlers of all
/// others are dropped. A handler that captures its own bus keeps it for ever: capture a
/// [`downgrade`](Self::downgrade).
///
/// Everything that takes a topic does what the topic's [`Signal`] does, after looking up the name
/// under a lock of the bus. For a hot path, resolve once with [`signal`](Self::signal).
///
/// # Panics
///
/// Whatever takes a topic panics at the caller's line if the name is in use with another payload
/// type; [`try_signal`](Self::try_signal) returns that as an error, for names from outside.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Topic};
///
/// struct Order { id: u64, total: f64 }
/// const PLACED: Topic<Order> = Topic::new("order.placed");
///
/// let bus = Bus::new();
/// let _log = bus.on(&PLACED, |o| println!("order {}: {}", o.id, o.total));
/// bus.once(&PLACED, |o| println!("the first is {}", o.id)).detach();
///
/// assert_eq!(bus.emit(&PLACED, &Order { id: 1, total: 9.5 }).ran(), 2);
/// bus.defer(&PLACED, Order { id: 2, total: 3.0 })?;
/// assert_eq!(bus.drain().delivered(), 1);
/// # Ok::<(), slotcast::DeferError<Order>>(())
/// ```
pub struct Bus<M: Mode, C: 'static = ()> {
    pub(crate) core: M::Ptr<Core<M, C>>,
}

/// A handle that does not keep its bus, for its own handlers to capture. Made by [`Bus::downgrade`].
///
/// Cheap to clone. It keeps nothing of the bus but a few words of memory.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Topic};
///
/// const ASKED: Topic<u32> = Topic::new("asked");
/// const ANSWERED: Topic<u32> = Topic::new("answered");
///
/// let bus = Bus::new();
/// let own = bus.downgrade();
/// let sub = bus.on(&ASKED, move |n| {
///     // Whoever emits has the bus, so it is there.
///     if let Some(bus) = own.upgrade() { bus.emit(&ANSWERED, &(n + 1)); }
/// });
/// let weak = bus.downgrade();
/// drop(bus);
/// assert!(weak.upgrade().is_none() && !sub.is_active());
/// ```
pub struct WeakBus<M: Mode, C: 'static = ()> {
    core: M::Weak<Core<M, C>>,
}

/// Decides what a bus does with panics and with endless recursion. Made by `Bus::builder`.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Panics, Topic};
///
/// const TICK: Topic<u32> = Topic::new("tick");
/// let bus = Bus::builder().panics(Panics::Contain).max_depth(16).build();
/// let _sub = bus.on(&TICK, |_| panic!("out of coffee"));
/// let done = bus.emit(&TICK, &1);
/// assert!(done.errors()[0].to_string().ends_with("panicked: out of coffee"));
/// ```
#[must_use = "nothing is made until `build`"]
pub struct BusBuilder<M: Mode, C: 'static = ()> {
    panics: Panics,
    max_depth: usize,
    types: PhantomData<fn(M, C)>,
}

impl<M: Mode, C: 'static> BusBuilder<M, C> {
    /// Whether the first panic of an emission goes on to the emitter, as it does by default, or
    /// ends there.
    pub fn panics(mut self, panics: Panics) -> Self {
        self.panics = panics;
        self
    }

    /// How deep emissions may be nested in each other on one thread, over all signals; 128 by
    /// default, and 1 refuses any nesting. With 0 every emission that has a handler is refused.
    ///
    /// An emission beyond it is refused, with an error. By default the limit is met before the
    /// stack ends if a level takes less than 12 KiB of the 2 MiB that threads have.
    pub fn max_depth(mut self, levels: usize) -> Self {
        self.max_depth = levels;
        self
    }

    /// Makes the bus.
    #[must_use]
    #[track_caller]
    pub fn build(self) -> Bus<M, C> {
        let settings = Settings::<M>::new(self.panics, self.max_depth);
        Bus {
            core: M::ptr(Core::new(settings, Location::caller())),
        }
    }
}

impl<M: Mode, C: 'static> fmt::Debug for BusBuilder<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusBuilder")
            .field("panics", &self.panics)
            .field("max_depth", &self.max_depth)
            .finish()
    }
}

impl<M: Mode> Bus<M> {
    /// A bus without a context.
    #[must_use]
    #[track_caller]
    #[allow(
        clippy::new_without_default,
        reason = "there is a `Default`, for every context"
    )]
    pub fn new() -> Self {
        Self::with_context()
    }

    /// Calls the handlers of a topic, here and now, and tells how that went; see [`Signal::emit`].
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

    /// Like [`emit`](Self::emit), with an event that is made only if there is a handler.
    ///
    /// # Panics
    ///
    /// As `emit` does, and if `event` does.
    #[inline]
    #[track_caller]
    pub fn emit_lazy<E: 'static>(&self, topic: &Topic<E>, event: impl FnOnce() -> E) -> Emission {
        match self.find(topic) {
            Found::Topic(signal) => self.finish(emission::run_lazy(&signal, event, &mut ())),
            Found::Unheld(groups) => self.emit_unheld(groups, topic, event, &mut ()),
        }
    }

    /// Keeps the last event of a topic for those who subscribe later; see [`Signal::retain_last`].
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn retain_last<E>(&self, topic: &Topic<E>)
    where
        E: Clone + 'static,
        M: Shares<E>,
    {
        self.signal(topic).retain_last();
    }

    /// Keeps the last `events` events of a topic; see [`Signal::retain`].
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn retain<E>(&self, topic: &Topic<E>, events: usize)
    where
        E: Clone + 'static,
        M: Shares<E>,
    {
        self.signal(topic).retain(events);
    }

    /// Delivers what waits in the queue; see [`Queue::drain`].
    ///
    /// # Panics
    ///
    /// If a handler panics, after all has been delivered.
    #[track_caller]
    pub fn drain(&self) -> Drained {
        self.drain_with(&mut ())
    }
}

impl<M: Mode, C: 'static> Bus<M, C> {
    /// A bus whose emitters and drains lend a `&mut C` to the handlers, by
    /// [`emit_with`](Self::emit_with) and [`drain_with`](Self::drain_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// struct App { orders: u32 }
    /// const PLACED: Topic<f64> = Topic::new("order.placed");
    ///
    /// let bus = Bus::<App>::with_context();
    /// let _sub = bus.on_with(&PLACED, |app, _| app.orders += 1);
    /// let mut app = App { orders: 0 };
    /// bus.emit_with(&mut app, &PLACED, &9.5);
    /// assert_eq!(app.orders, 1);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn with_context() -> Self {
        Self::builder().build()
    }

    /// Begins a bus with other settings.
    pub fn builder() -> BusBuilder<M, C> {
        BusBuilder {
            panics: Panics::default(),
            max_depth: MAX_DEPTH,
            types: PhantomData,
        }
    }

    /// The signal of a topic: a handle that skips the look-up of the name from then on. The topic
    /// exists as long as the handle does.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[must_use]
    #[track_caller]
    pub fn signal<E: 'static>(&self, topic: &Topic<E>) -> Signal<M, E, C> {
        match self.try_signal(topic) {
            Ok(signal) => signal,
            Err(wrong) => panic!("{wrong}"),
        }
    }

    /// The signal of a topic, for names from outside.
    ///
    /// # Errors
    ///
    /// If the topic has another payload type; the error names both, and where the first was used.
    #[track_caller]
    pub fn try_signal<E: 'static>(&self, topic: &Topic<E>) -> Result<Signal<M, E, C>, WrongType> {
        let (registry, place) = (&self.core.registry, Location::caller());
        let core = Registry::<M, C>::signal(registry, Kind::Topic, &topic.name, place)?;
        Ok(Signal {
            core,
            queue: Some(self.core.queue.clone()),
        })
    }

    /// Subscribes a handler; see [`Signal::on`].
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn on<E, F, R>(&self, topic: &Topic<E>, handler: F) -> Subscription<M>
    where
        E: 'static,
        F: Fn(&E) -> R + 'static,
        R: Outcome,
        M: Shares<F>,
    {
        self.signal(topic).on(handler)
    }

    /// Subscribes a handler that gets the context; see [`Signal::on_with`].
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn on_with<E, F, R>(&self, topic: &Topic<E>, handler: F) -> Subscription<M>
    where
        E: 'static,
        F: Fn(&mut C, &E) -> R + 'static,
        R: Outcome,
        M: Shares<F>,
    {
        self.signal(topic).on_with(handler)
    }

    /// Subscribes a handler that is called once at most; see [`Signal::once`].
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn once<E, F, R>(&self, topic: &Topic<E>, handler: F) -> Subscription<M>
    where
        E: 'static,
        F: FnOnce(&E) -> R + 'static,
        R: Outcome,
        M: Carries<F>,
    {
        self.signal(topic).once(handler)
    }

    /// Subscribes a handler that gets the context and is called once at most; see
    /// [`Signal::once_with`].
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn once_with<E, F, R>(&self, topic: &Topic<E>, handler: F) -> Subscription<M>
    where
        E: 'static,
        F: FnOnce(&mut C, &E) -> R + 'static,
        R: Outcome,
        M: Carries<F>,
    {
        self.signal(topic).once_with(handler)
    }

    /// Subscribes a handler that changes what it captured; see [`Signal::on_mut`].
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn on_mut<E, F, R>(&self, topic: &Topic<E>, handler: F) -> Subscription<M>
    where
        E: 'static,
        F: FnMut(&E) -> R + 'static,
        R: Outcome,
        M: Carries<F>,
    {
        self.signal(topic).on_mut(handler)
    }

    /// Subscribes a handler that gets the context and changes what it captured; see
    /// [`Signal::on_mut_with`].
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn on_mut_with<E, F, R>(&self, topic: &Topic<E>, handler: F) -> Subscription<M>
    where
        E: 'static,
        F: FnMut(&mut C, &E) -> R + 'static,
        R: Outcome,
        M: Carries<F>,
    {
        self.signal(topic).on_mut_with(handler)
    }

    /// Subscribes a handler that is removed when its target has died; see [`Signal::on_weak`].
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn on_weak<E, T, F, R>(
        &self,
        topic: &Topic<E>,
        target: &M::Ptr<T>,
        handler: F,
    ) -> Subscription<M>
    where
        E: 'static,
        T: ?Sized + 'static,
        F: Fn(&T, &E) -> R + 'static,
        R: Outcome,
        M: Shares<T> + Shares<F>,
    {
        self.signal(topic).on_weak(target, handler)
    }

    /// Subscribes a handler that gets the context and is removed when its target has died; see
    /// [`Signal::on_weak_with`].
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn on_weak_with<E, T, F, R>(
        &self,
        topic: &Topic<E>,
        target: &M::Ptr<T>,
        handler: F,
    ) -> Subscription<M>
    where
        E: 'static,
        T: ?Sized + 'static,
        F: Fn(&T, &mut C, &E) -> R + 'static,
        R: Outcome,
        M: Shares<T> + Shares<F>,
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

    /// Calls back when the first handler of a topic comes and when the last one goes; see
    /// [`Signal::on_demand`]. What comes back keeps the topic.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn on_demand<E, F>(&self, topic: &Topic<E>, tell: F) -> Demand<M, E, C>
    where
        E: 'static,
        F: Fn(bool) + 'static,
        M: Shares<F>,
    {
        self.signal(topic).on_demand(tell)
    }

    /// Subscribes a handler to every topic whose name matches, those that come later included.
    ///
    /// It runs among the handlers of each topic, by priority and then as they subscribed, exact ones
    /// and those of patterns counted together; its [`Flow::Stop`](crate::Flow::Stop) ends that
    /// emission. Names that nobody holds are matched on the fly, so no event is missed, and nothing
    /// is kept of the name. It does not make a topic exist, and does not count in
    /// [`Signal::len`].
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
    /// let _log = bus.on_pattern("order.>", |e: &AnyEvent| println!("{}: {}", e.topic(), e.type_name()));
    /// assert_eq!(bus.emit(&Topic::new("order.placed"), &7_u64).ran(), 1);
    /// assert_eq!(bus.emit(&Topic::new("order.line.added"), &"tea").ran(), 1);
    /// assert_eq!(bus.emit(&Topic::new("order"), &7_u64).ran(), 0);
    /// ```
    #[track_caller]
    pub fn on_pattern<F, R>(&self, pattern: impl IntoPattern, handler: F) -> Subscription<M>
    where
        F: Fn(&AnyEvent) -> R + 'static,
        R: Outcome,
        M: Shares<F>,
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
        M: Shares<F>,
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
        let (pattern, place) = (pattern.into_pattern(), Location::caller());
        let registry = &self.core.registry;
        let group = Registry::<M, C>::signal(registry, Kind::Pattern, &pattern.text, place);
        match group {
            Ok(group) => Subscribe::new(group, place),
            Err(_) => unreachable!("patterns have one type"),
        }
    }

    /// Calls the handlers of a topic, here and now, and lends them the context; see
    /// [`Signal::emit_with`].
    ///
    /// # Panics
    ///
    /// If a handler panics, after the others have run; and if the topic has another payload type.
    #[inline]
    #[track_caller]
    pub fn emit_with<E: 'static>(&self, context: &mut C, topic: &Topic<E>, event: &E) -> Emission {
        match self.find(topic) {
            Found::Topic(signal) => self.finish(emission::run(&signal, event, context)),
            Found::Unheld(groups) => self.emit_unheld(groups, topic, || event, context),
        }
    }

    #[track_caller]
    fn find<E: 'static>(&self, topic: &Topic<E>) -> Found<M, E, C> {
        match self.core.registry.find(topic.name()) {
            Ok(found) => found,
            Err(wrong) => panic!("{wrong}"),
        }
    }

    fn finish(&self, tally: Tally) -> Emission {
        Emission::finish(tally, || self.core.registry.settings.panics())
    }

    #[track_caller]
    fn emit_unheld<E: 'static, B: Borrow<E>>(
        &self,
        groups: Groups<M, C>,
        topic: &Topic<E>,
        event: impl FnOnce() -> B,
        context: &mut C,
    ) -> Emission {
        let registry = &self.core.registry;
        self.finish(emission::run_unheld(
            registry,
            groups,
            &topic.name,
            event,
            context,
        ))
    }

    /// Puts an event into the queue, for whoever is subscribed when it is delivered; see
    /// [`Signal::defer`].
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
        M: Carries<E>,
    {
        let Bus { core } = self;
        match core
            .queue
            .defer_again(&core.registry.settings, &topic.name, event)
        {
            Ok(()) => Ok(()),
            Err(event) => self.signal(topic).defer(event),
        }
    }

    /// Puts an event at the end of the queue, and takes back the one of this topic that was put so and
    /// still waits; see [`Queue::defer_latest`].
    ///
    /// # Errors
    ///
    /// As [`defer`](Self::defer).
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
        M: Carries<E>,
    {
        self.signal(topic).defer_latest(event)
    }

    /// Puts an event into the queue, to be delivered by the first drain that starts when the delay has
    /// passed; see [`Queue::defer_after`].
    ///
    /// # Errors
    ///
    /// As [`defer`](Self::defer), and if too many events are delayed in a bounded queue.
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
        M: Carries<E>,
    {
        self.signal(topic).defer_after(delay, event)
    }

    /// Delivers what waits in the queue, and lends the context to the handlers; see
    /// [`Queue::drain_with`].
    ///
    /// # Panics
    ///
    /// If a handler panics, after all has been delivered.
    #[track_caller]
    pub fn drain_with(&self, context: &mut C) -> Drained {
        self.queue().drain_with(context)
    }

    /// The queue of the bus.
    #[must_use]
    pub fn queue(&self) -> Queue<M, C> {
        Queue {
            core: self.core.queue.clone(),
        }
    }

    /// Cancels the handler with this id; whether it was connected to a topic of this bus. One whose
    /// limit is spent is not, and calls of it that wait in a queue are left to its subscription.
    ///
    /// # Examples
    ///
    /// ```
    /// # use slotcast::{Bus, Topic};
    /// # const TICK: Topic<u32> = Topic::new("tick");
    /// let bus = Bus::new();
    /// let sub = bus.on(&TICK, |_| ());
    /// let id = sub.id();
    /// sub.detach();
    /// assert!(bus.cancel(id));
    /// assert!(!bus.cancel(id));
    /// ```
    pub fn cancel(&self, id: SubscriptionId) -> bool {
        self.core.registry.cancel(id.topic, id.key, id.sequence)
    }

    /// The names of the topics that exist, in alphabetical order. A snapshot; O(n log n).
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        self.core.registry.names()
    }

    /// Sets what is told of failures, in place of what was set before.
    ///
    /// Each failure of a handler is told once, on the thread it happened on, when the emission or
    /// the drain has called all handlers. The hook observes: it changes nothing about what becomes
    /// of the failure. What fails while a hook runs on the thread is logged, and a panic in the
    /// hook too. It runs outside of all locks and may use the bus.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    /// use std::sync::mpsc;
    ///
    /// const SAVED: Topic<u64> = Topic::new("file.saved");
    /// let bus = Bus::new();
    /// let (sender, told) = mpsc::channel();
    /// bus.set_error_hook(move |error| _ = sender.send(error.topic().to_owned()));
    /// let _sub = bus.on(&SAVED, |_| Err::<(), _>("disk full"));
    /// bus.emit(&SAVED, &512);
    /// assert_eq!(told.recv()?, "file.saved");
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    #[track_caller]
    pub fn set_error_hook<F>(&self, tell: F)
    where
        F: Fn(&HandlerError) + 'static,
        M: Shares<F>,
    {
        let hook = hook(tell, Location::caller());
        self.core.registry.settings.set_hook(hook);
    }

    /// Sets who is told of events that nobody handles, in place of who was before.
    ///
    /// An event is unhandled when no live handler is there for it, of its topic or of a pattern,
    /// however it is emitted; one that is deferred is judged when it is delivered. Handlers that are
    /// paused, that filter, or that queue count as handlers. The hook is called on the emitting
    /// thread and only observes: it counts in nothing that [`Emission`] says, and a panic in it is
    /// logged. What it emits, subscribes or sets is as anywhere else; unhandled events that are
    /// emitted while a hook runs go to the log.
    ///
    /// To set it costs O(topics). Emissions that find handlers pay nothing for it.
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
    pub fn set_unhandled_hook<F>(&self, tell: F)
    where
        F: Fn(&AnyEvent) + 'static,
        M: Shares<F>,
    {
        let home = Home {
            subject: Subject::new::<AnyEvent>(Kind::Topic, Name::Fixed("(unhandled)")),
            topic: 0,
            settings: self.core.registry.settings.clone(),
        };
        let group = M::ptr(Group::<M, C>::new(home, None, Vec::new()));
        let wish = Wish::new(Location::caller());
        drop(Group::<M, C>::subscribe(
            &group,
            wish,
            Always,
            Unhandled(tell),
        ));
        self.core.registry.set_unhandled(group);
    }

    /// Closes all signals and the queue, also those that are asked for later. Captures are dropped
    /// here, or with the emissions that are inside. What waits in the queue stays to be drained, but
    /// no handler is left to get it.
    pub fn close(&self) {
        self.core.close();
    }

    /// Whether the bus was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.registry.is_closed()
    }

    /// A handle that does not keep the bus, for its own handlers to capture.
    #[must_use]
    pub fn downgrade(&self) -> WeakBus<M, C> {
        WeakBus {
            core: M::downgrade(&self.core),
        }
    }
}

impl<C: 'static> Bus<Shared, C> {
    /// Puts an event into the queue, and waits for room at most so long; see
    /// [`Queue::defer_timeout`].
    ///
    /// # Errors
    ///
    /// As [`defer`](Self::defer), and if there was no room in time.
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

impl<M: Mode, C: 'static> WeakBus<M, C> {
    /// The bus, if any handle of it is left. The answer keeps it.
    #[must_use]
    pub fn upgrade(&self) -> Option<Bus<M, C>> {
        M::upgrade(&self.core).map(|core| Bus { core })
    }
}

impl<M: Mode, C: 'static> Default for Bus<M, C> {
    #[track_caller]
    fn default() -> Self {
        Self::with_context()
    }
}

impl<M: Mode, C: 'static> Clone for Bus<M, C> {
    fn clone(&self) -> Self {
        Bus {
            core: self.core.clone(),
        }
    }
}

impl<M: Mode, C: 'static> Clone for WeakBus<M, C> {
    fn clone(&self) -> Self {
        WeakBus {
            core: self.core.clone(),
        }
    }
}

impl<M: Mode, C: 'static> fmt::Debug for Bus<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("topics", &self.topics())
            .field("queue", &self.queue())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

impl<M: mode::Mode, C: 'static> fmt::Debug for WeakBus<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakBus")
            .field("exists", &M::exists(&self.core))
            .finish()
    }
}

// A panic of a handler leaves nothing half done: it is caught before it gets here, whatever the
// handlers capture and the events are.
impl<M: Mode, C> UnwindSafe for Bus<M, C> {}
impl<M: Mode, C> RefUnwindSafe for Bus<M, C> {}
impl<M: Mode, C> UnwindSafe for WeakBus<M, C> {}
impl<M: Mode, C> RefUnwindSafe for WeakBus<M, C> {}
