//! The methods that wait for events: futures and streams.

use crate::bus::Bus;
use crate::core::flavour::{Flavour, SendBound, SyncBound};
use crate::futures::next::Next;
use crate::futures::stream::EventStream;
use crate::policy::Overflow;
use crate::topic::Topic;
use crate::topic::any_event::AnyEvent;
use crate::topic::pattern::IntoPattern;

impl<M: Flavour, C: 'static> Bus<M, C> {
    /// Subscribes for one event of a topic; see [`Signal::next`](crate::flavour::Signal::next).
    ///
    /// # Errors
    ///
    /// The future completes with [`Closed`](crate::Closed) if the topic is closed or cleared, or the bus dropped,
    /// before.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[doc(alias = "Future")]
    #[doc(alias = "await")]
    #[track_caller]
    pub fn next<E>(&self, topic: &Topic<E>) -> Next<M, E>
    where
        E: Clone + 'static,
        M: SendBound<E>,
    {
        self.signal(topic).next()
    }

    /// Subscribes for the first event of a topic that passes; see [`Signal::next_where`](crate::flavour::Signal::next_where).
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn next_where<E, F>(&self, topic: &Topic<E>, passes: F) -> Next<M, E>
    where
        E: Clone + 'static,
        F: Fn(&E) -> bool + 'static,
        M: SendBound<E> + SyncBound<F>,
    {
        self.subscribe(topic).filter(passes).next()
    }

    /// Subscribes to every topic whose name matches, for the first event for which `map` returns a
    /// value; see [`on_pattern`](Bus::on_pattern) and [`Next`].
    ///
    /// # Panics
    ///
    /// If `pattern` is a text that is not a pattern.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// let bus = Bus::new();
    /// let first = bus.next_pattern("order.*", |event| Some(event.topic().to_owned()));
    /// bus.emit(&Topic::new("order.placed"), &7_u64);
    /// assert_eq!(first.wait()?, "order.placed");
    /// # Ok::<(), slotcast::Closed>(())
    /// ```
    #[track_caller]
    pub fn next_pattern<T, F>(&self, pattern: impl IntoPattern, map: F) -> Next<M, T>
    where
        T: 'static,
        F: Fn(&AnyEvent) -> Option<T> + 'static,
        M: SendBound<T> + SyncBound<F>,
    {
        self.subscribe_pattern(pattern).next_map(map)
    }

    /// Subscribes a stream of a topic's events; see [`Signal::stream`](crate::flavour::Signal::stream).
    ///
    /// # Panics
    ///
    /// If `capacity` is zero; in the local flavour with [`Overflow::Block`]; and if the topic has
    /// another payload type.
    #[doc(alias = "Stream")]
    #[doc(alias = "async")]
    #[track_caller]
    pub fn stream<E>(
        &self,
        topic: &Topic<E>,
        capacity: usize,
        overflow: Overflow,
    ) -> EventStream<M, E>
    where
        E: Clone + 'static,
        M: SendBound<E>,
    {
        self.subscribe(topic).stream(capacity, overflow)
    }

    /// Subscribes a stream to every topic whose name matches, of the values that `map` returns for
    /// their events; see [`on_pattern`](Bus::on_pattern) and [`EventStream`].
    ///
    /// # Panics
    ///
    /// If `capacity` is zero; in the local flavour with [`Overflow::Block`]; and if `pattern` is a
    /// text that is not a pattern.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Overflow, Topic};
    ///
    /// let bus = Bus::new();
    /// let mut ids = bus.stream_pattern("order.*", 8, Overflow::DropOldest, |event| {
    ///     event.payload::<u64>().map(|id| (event.topic().to_owned(), *id))
    /// });
    /// bus.emit(&Topic::new("order.placed"), &7_u64);
    /// bus.emit(&Topic::new("order.note"), &"not a number");
    /// assert_eq!(ids.try_take(), Some(Ok(("order.placed".to_owned(), 7))));
    /// assert_eq!(ids.try_take(), None);
    /// ```
    #[track_caller]
    pub fn stream_pattern<T, F>(
        &self,
        pattern: impl IntoPattern,
        capacity: usize,
        overflow: Overflow,
        map: F,
    ) -> EventStream<M, T>
    where
        T: 'static,
        F: Fn(&AnyEvent) -> Option<T> + 'static,
        M: SendBound<T> + SyncBound<F>,
    {
        self.subscribe_pattern(pattern)
            .stream_map(capacity, overflow, map)
    }
}
