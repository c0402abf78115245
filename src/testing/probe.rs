//! The recorder of the events of one topic or pattern.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::missing::Missing;
use super::tape::{Recording, Tape};
use super::{Filter, Records};
use crate::flavour::{Bus, Flavour, Shared, Subscribe, Subscription};
use crate::topic::Topic;
use crate::topic::any_event::AnyEvent;
use crate::topic::pattern::IntoPattern;

/// Records what a topic or a pattern delivered, for tests: clones of the events, or what a closure
/// returns for each.
///
/// Records until it is dropped, which cancels its subscription; keeps neither the bus nor the topic
/// alive. It is a handler with the label `"probe"` and the priority `i32::MAX`, so it counts in
/// [`Emission::ran`](crate::Emission::ran), and sees events that another handler stops or fails at.
/// Deferred events are recorded when they are delivered.
///
/// # Threads
///
/// A probe of a shared bus records the events of all threads, in the order in which the emissions
/// reach it, and is `Send` and `Sync` if `T` is `Send`. The mapping, or the event's `Clone`, runs on
/// the emitting thread and outside of the probe's lock; if it panics, that is a handler failure like
/// any other, and nothing is recorded.
///
/// # Examples
///
/// ```
/// use slotcast::testing::Probe;
/// use slotcast::{Bus, Flow, Topic};
///
/// const PLACED: Topic<u64> = Topic::new("order.placed");
///
/// let bus = Bus::new();
/// let _veto = bus.on(&PLACED, |_| Flow::Stop);
/// let placed = Probe::on(&bus, &PLACED);
/// bus.emit(&PLACED, &7);
/// assert_eq!(placed.take(), [7]);
/// assert!(placed.is_empty()); // taken
/// ```
#[must_use = "dropping the probe ends the recording at once"]
pub struct Probe<T, M: Flavour = Shared> {
    // First, so that nothing is recorded while the rest is dropped.
    _subscription: Subscription<M>,
    tape: Arc<Tape<T>>,
}

impl<T: 'static, M: Flavour> Probe<T, M> {
    /// Records clones of the topic's events.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn on<C: 'static>(bus: &Bus<M, C>, topic: &Topic<T>) -> Self
    where
        T: Clone,
        M: Records<(), T>,
    {
        Self::new(urgent(bus.subscribe(topic)), (), |(), event| event.clone())
    }

    /// Records what `map` returns for each of the topic's events: for events that are not `Clone`,
    /// or of which only a part matters.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::testing::Probe;
    /// use slotcast::{Bus, Topic};
    ///
    /// struct Order { id: u64 } // not `Clone`
    /// const PLACED: Topic<Order> = Topic::new("order.placed");
    ///
    /// let bus = Bus::new();
    /// let ids = Probe::on_map(&bus, &PLACED, |order| order.id);
    /// bus.emit(&PLACED, &Order { id: 7 });
    /// assert_eq!(ids.take(), [7]);
    /// ```
    #[track_caller]
    pub fn on_map<E: 'static, F, C: 'static>(bus: &Bus<M, C>, topic: &Topic<E>, map: F) -> Self
    where
        F: Fn(&E) -> T + 'static,
        M: Records<F, T>,
    {
        Self::by(urgent(bus.subscribe(topic)), map)
    }

    /// Records what `map` returns for each event of the topics whose names match;
    /// [`topics`](Self::topics) returns the names.
    ///
    /// # Panics
    ///
    /// If `pattern` is a string that is not a valid pattern.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::testing::Probe;
    /// use slotcast::{Bus, Topic};
    ///
    /// let bus = Bus::new();
    /// let ids = Probe::on_pattern(&bus, "order.*", |event| event.payload::<u64>().copied());
    /// bus.emit(&Topic::new("order.placed"), &7_u64);
    /// bus.emit(&Topic::new("order.failed"), &"no stock");
    /// assert_eq!(ids.topics(), ["order.placed", "order.failed"]);
    /// assert_eq!(ids.take(), [Some(7), None]);
    /// ```
    #[track_caller]
    pub fn on_pattern<F, C>(bus: &Bus<M, C>, pattern: impl IntoPattern, map: F) -> Self
    where
        C: 'static,
        F: Fn(&AnyEvent) -> T + 'static,
        M: Records<F, T>,
    {
        Self::by(urgent(bus.subscribe_pattern(pattern)), map)
    }

    /// Records what `map` returns for each event, with the priority, filters, label and limit of the
    /// given subscription builder: for a signal without a bus, or to run after all other handlers.
    ///
    /// # Examples
    ///
    /// Only events without a veto:
    ///
    /// ```
    /// use slotcast::testing::Probe;
    /// use slotcast::{Flow, Signal};
    ///
    /// let placed = Signal::<u64>::new();
    /// let _veto = placed.on(|id| if *id == 13 { Flow::Stop } else { Flow::Continue });
    /// let ids = Probe::by(placed.subscribe().priority(i32::MIN), |id| *id);
    /// (12..15).for_each(|id| _ = placed.emit(&id));
    /// assert_eq!(ids.take(), [12, 14]);
    /// ```
    pub fn by<E: 'static, F, C: 'static, P>(subscribe: Subscribe<M, E, C, P>, map: F) -> Self
    where
        P: Filter<E>,
        F: Fn(&E) -> T + 'static,
        M: Records<F, T>,
    {
        Self::new(subscribe, map, |map, event| map(event))
    }

    fn new<E, F, C, P>(subscribe: Subscribe<M, E, C, P>, captured: F, map: fn(&F, &E) -> T) -> Self
    where
        E: 'static,
        C: 'static,
        P: Filter<E>,
        M: Records<F, T>,
    {
        let tape = Tape::new();
        Probe {
            _subscription: subscribe_to(&tape, subscribe, captured, map),
            tape,
        }
    }
}

/// Subscribes a handler that records on `tape`.
pub(super) fn subscribe_to<T, E, F, C, P, M>(
    tape: &Arc<Tape<T>>,
    subscribe: Subscribe<M, E, C, P>,
    captured: F,
    map: fn(&F, &E) -> T,
) -> Subscription<M>
where
    E: 'static,
    C: 'static,
    P: Filter<E>,
    M: Records<F, T>,
{
    let recording = Recording::new(tape, subscribe.topic(), captured, map);
    M::subscribe(subscribe, recording)
}

/// Applies the default priority and label of a probe.
pub(super) fn urgent<M: Flavour, E: 'static, C: 'static>(
    subscribe: Subscribe<M, E, C>,
) -> Subscribe<M, E, C> {
    subscribe.priority(i32::MAX).label("probe")
}

impl<T, M: Flavour> Probe<T, M> {
    /// Takes everything recorded since the last call, in order.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        values(self.tape.take())
    }

    /// The topics of the events recorded and not taken, in order, one for each event. A snapshot. For
    /// a signal without a bus, the name of the payload type instead.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        self.tape.topics()
    }

    /// The number of events recorded and not taken. A snapshot.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tape.len()
    }

    /// Returns whether everything recorded has been taken. A snapshot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether nothing more can be recorded: what it watched was closed, cleared or dropped.
    /// A running emission may still record, and keeps this `false` until it ends.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.tape.is_closed()
    }
}

impl<T> Probe<T> {
    /// Waits until `count` events are recorded, and takes them; further recorded events stay.
    ///
    /// Parks the thread, for `limit` at most; with a limit of zero it does not wait. Returns an error
    /// at once if nothing more can be recorded. Events in a queue that this thread drains are not
    /// delivered while it waits: drain first.
    ///
    /// # Errors
    ///
    /// If fewer events are recorded when the time is up, or when what it watches is closed; nothing
    /// is taken then. The error contains their number and topics.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::testing::Probe;
    /// use slotcast::{Bus, Topic};
    /// use std::time::Duration;
    ///
    /// const DONE: Topic<&str> = Topic::new("job.done");
    /// let limit = Duration::from_secs(10);
    ///
    /// let bus = Bus::new();
    /// let done = Probe::on(&bus, &DONE);
    /// let worker = std::thread::spawn({ let bus = bus.clone(); move || bus.emit(&DONE, &"a") });
    /// assert_eq!(done.wait_for(1, limit)?, ["a"]);
    ///
    /// bus.close();
    /// assert!(done.wait_for(1, limit).unwrap_err().is_closed()); // at once
    /// # worker.join().unwrap();
    /// # Ok::<(), slotcast::testing::Missing>(())
    /// ```
    pub fn wait_for(&self, count: usize, limit: Duration) -> Result<Vec<T>, Missing> {
        self.tape.wait_for(count, limit).map(values)
    }
}

fn values<T>(records: Vec<(Arc<str>, T)>) -> Vec<T> {
    records.into_iter().map(|(_, value)| value).collect()
}

impl<T, M: Flavour> fmt::Debug for Probe<T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("topics", &self.topics())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}
