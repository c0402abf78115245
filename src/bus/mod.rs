//! The public bus: signals by name, patterns over the names, hooks, and one queue.
//!
//! *Owns*: documentation and bounds. Each method forwards to `crate::core`: looking names up to
//! `core::registry`, the rest to a [`Signal`](crate::flavour::Signal), to the [`Queue`], or to the futures and
//! streams of `crate::futures`.
//!
//! *Guarantees*: a method that takes a topic does what the topic's signal does. A topic whose payload
//! type differs panics at the caller's line, or is an error of [`try_signal`](Bus::try_signal). Asking
//! about a name does not create it.
//!
//! *Does not know*: jobs. `ask` is a further `impl` block in `crate::jobs`.
//!
//! *Decisions*: all belong to the core, `core::registry` and `core::bus`.

// In the order of use, which is that of their names: so rustdoc sorts their methods on the page of the alias.
#[cfg(feature = "nats")]
pub(crate) mod bridging;
pub(crate) mod builder;
pub(crate) mod by_name;
pub(crate) mod by_pattern;
pub(crate) mod emitting;
pub(crate) mod enqueueing;
#[cfg(feature = "follow")]
pub(crate) mod following;
pub(crate) mod futures;
pub(crate) mod hooks;

pub use crate::bus::by_name::Bus;

use std::fmt;

use crate::core::bus::Bus as Core;
use crate::core::flavour::Flavour;
use crate::core::primitives::unwind::unwind_safe;
use crate::signal::pause::Pause;
use crate::subscription_id::SubscriptionId;
use crate::wiring::Wiring;

#[doc = include_str!("../flavour/weak_bus.md")]
pub struct WeakBus<M: Flavour, C: 'static = ()> {
    core: M::Weak<Core<M, C>>,
}

impl<M: Flavour, C: 'static> Bus<M, C> {
    /// Cancels the handler with this id, and returns whether it was connected to a topic of this bus. A
    /// handler whose limit is spent is not, and its calls that wait in a queue are left to its
    /// subscription.
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

    /// Pauses all handlers of all topics and patterns until the guard is dropped, those that are subscribed
    /// meanwhile too, and those of topics that do not exist yet; see [`Signal::pause`](crate::flavour::Signal::pause) for what it means,
    /// and adds to.
    ///
    /// Posted closures and the hooks are not handlers, and go on: a deferred event that is drained
    /// meanwhile is delivered to nobody, and an event without any handler is unhandled.
    ///
    /// O(handlers + topics), when it begins. The guard does not keep the bus alive.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// const LOADED: Topic<u64> = Topic::new("map.loaded");
    /// let bus = Bus::new();
    /// let _log = bus.on_pattern("map.*", |_| ());
    /// let loading = bus.pause();
    /// let _sub = bus.on(&LOADED, |_| ());
    /// assert_eq!(bus.emit(&LOADED, &1).ran(), 0);
    /// drop(loading);
    /// assert_eq!(bus.emit(&LOADED, &2).ran(), 2);
    /// ```
    pub fn pause(&self) -> Pause<M> {
        self.core.registry.pause();
        Pause::of_bus(self.core.registry.config.clone())
    }

    /// Whether the whole bus is paused. A snapshot.
    ///
    /// See [`pause`](Self::pause).
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.core.registry.config.is_paused()
    }

    /// The names of the topics that exist, in alphabetical order. A snapshot; O(n log n).
    ///
    /// # Examples
    ///
    /// ```
    /// # use slotcast::{Bus, Topic};
    /// let bus = Bus::new();
    /// let _saved = bus.on(&Topic::new("file.saved"), |_: &u64| ());
    /// assert_eq!(bus.topics(), ["file.saved"]);
    /// ```
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        self.core.registry.names()
    }

    /// Who listens to what, where and in which order, to be read, printed, or drawn: an owned snapshot.
    ///
    /// The topic's own handlers are seen at one moment, those of each pattern at another, and the bus at none: locks
    /// are taken one at a time. So a handler that moves from one to another meanwhile may be missing. What is listed has
    /// been subscribed and not removed; a handler whose target or owner has been dropped is not listed. No user code
    /// is called: no handler, filter or hook. What another thread gives up meanwhile (a handler, a stream, a hook, the
    /// last handle of a topic) may be dropped by this call, outside of locks, as by an emission. It costs
    /// O(topics + handlers), where a handler of a pattern counts for each topic that calls it, and allocates. See
    /// [following events](crate::cookbook::following_events).
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// const PLACED: Topic<u64> = Topic::new("order.placed");
    /// let bus = Bus::new();
    /// let _sub = bus.subscribe(&PLACED).label("billing").on(|id| println!("{id}"));
    /// println!("{}", bus.wiring());
    ///
    /// let wiring = bus.wiring();
    /// let [topic] = wiring.topics() else { unreachable!() };
    /// assert_eq!((topic.name(), topic.type_name()), ("order.placed", "u64"));
    /// assert_eq!(topic.handlers()[0].label(), Some("billing"));
    /// ```
    #[doc(alias = "introspection")]
    #[doc(alias = "graph")]
    #[must_use]
    pub fn wiring(&self) -> Wiring {
        self.core.wiring()
    }

    /// Closes all signals and the queue, also signals that are requested later. Captures are dropped
    /// in this call, or with the emissions that are inside.
    ///
    /// What was accepted before stays to be drained, in the queue of the bus and in others: events that
    /// were deferred reach the handlers that were subscribed at the close, those of patterns included,
    /// and queued calls are made. The captures of these handlers stay until then.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// const ORDER: Topic<u32> = Topic::new("order");
    /// let bus = Bus::new();
    /// let _sub = bus.on(&ORDER, |_| ());
    /// bus.defer(&ORDER, 1)?;
    /// bus.close();
    /// assert!(bus.defer(&ORDER, 2).is_err());
    /// assert_eq!(bus.drain().delivered(), 1);
    /// # Ok::<(), slotcast::DeferError<u32>>(())
    /// ```
    pub fn close(&self) {
        self.core.close();
    }

    /// Whether the bus was closed.
    ///
    /// See [`close`](Self::close).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.registry.is_closed()
    }

    /// Returns a handle that does not keep the bus alive, for its own handlers to capture.
    ///
    /// See [`WeakBus`] for an example.
    #[doc(alias = "weak")]
    #[must_use]
    pub fn downgrade(&self) -> WeakBus<M, C> {
        WeakBus {
            core: M::downgrade(&self.core),
        }
    }
}

impl<M: Flavour, C: 'static> WeakBus<M, C> {
    /// Returns the bus, if any handle of it is left. The returned handle keeps it alive.
    #[must_use]
    pub fn upgrade(&self) -> Option<Bus<M, C>> {
        M::upgrade(&self.core).map(|core| Bus { core })
    }
}

impl<M: Flavour, C: 'static> Default for Bus<M, C> {
    #[track_caller]
    fn default() -> Self {
        Self::with_context()
    }
}

impl<M: Flavour, C: 'static> Clone for Bus<M, C> {
    fn clone(&self) -> Self {
        Bus {
            core: self.core.clone(),
        }
    }
}

impl<M: Flavour, C: 'static> Clone for WeakBus<M, C> {
    fn clone(&self) -> Self {
        WeakBus {
            core: self.core.clone(),
        }
    }
}

impl<M: Flavour, C: 'static> fmt::Debug for Bus<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("topics", &self.topics())
            .field("queue", &self.queue())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

impl<M: Flavour, C: 'static> fmt::Debug for WeakBus<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakBus")
            .field("exists", &M::exists(&self.core))
            .finish()
    }
}

unwind_safe! {
    [M: Flavour, C] Bus<M, C>;
    [M: Flavour, C] WeakBus<M, C>;
}
