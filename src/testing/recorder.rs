//! The recorder of the order in which topics were delivered.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::missing::Missing;
use super::probe::{subscribe_to, urgent};
use super::tape::{Tape, names};
use super::{Filter, Records};
use crate::flavour::{Bus, Flavour, Shared, Subscribe, Subscription};
use crate::topic::Topic;
use crate::topic::pattern::IntoPattern;

/// Records the delivery order of several topics and patterns, by name and in one sequence, for
/// tests.
///
/// Watches any number of topics and patterns, also of several buses, until it is dropped. An event
/// that matches two of them is recorded twice. Events are recorded when their delivery begins,
/// before the other handlers are called: an event that a handler emits is recorded after the one
/// that it handles. Threads, priority and label are those of a [`Probe`](super::Probe).
///
/// # Examples
///
/// ```
/// use slotcast::testing::Recorder;
/// use slotcast::{Bus, Topic};
///
/// const PLACED: Topic<u64> = Topic::new("order.placed");
/// const SHIPPED: Topic<u64> = Topic::new("order.shipped");
///
/// let bus = Bus::new();
/// let recorder = Recorder::new();
/// recorder.watch(&bus, &PLACED);
/// recorder.watch_pattern(&bus, "mail.>");
/// recorder.watch(&bus, &SHIPPED);
///
/// bus.emit(&PLACED, &7);
/// bus.emit(&Topic::new("mail.sent"), &"to the customer");
/// bus.emit(&SHIPPED, &7);
/// recorder.expect(["order.placed", "mail.sent", "order.shipped"]);
/// ```
#[must_use = "dropping the recorder ends the recording at once"]
pub struct Recorder<M: Flavour = Shared> {
    // First, so that nothing is recorded while the rest is dropped.
    subscriptions: Mutex<Vec<Subscription<M>>>,
    tape: Arc<Tape<()>>,
}

impl<M: Flavour> Recorder<M> {
    /// Creates a recorder that watches nothing yet.
    pub fn new() -> Self {
        Recorder {
            subscriptions: Mutex::new(Vec::new()),
            tape: Tape::new(),
        }
    }

    /// Starts to watch a topic.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn watch<E: 'static, C: 'static>(&self, bus: &Bus<M, C>, topic: &Topic<E>)
    where
        M: Records<(), ()>,
    {
        self.watch_by(urgent(bus.subscribe(topic)));
    }

    /// Starts to watch the topics whose names match.
    ///
    /// # Panics
    ///
    /// If `pattern` is a string that is not a valid pattern.
    #[track_caller]
    pub fn watch_pattern<C: 'static>(&self, bus: &Bus<M, C>, pattern: impl IntoPattern)
    where
        M: Records<(), ()>,
    {
        self.watch_by(urgent(bus.subscribe_pattern(pattern)));
    }

    /// Starts to watch, with the priority, filters, label and limit of the given subscription
    /// builder. For a signal without a bus, the name of the payload type is recorded.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Signal;
    /// use slotcast::testing::Recorder;
    ///
    /// let size = Signal::<u64>::new();
    /// let recorder = Recorder::new();
    /// recorder.watch_by(size.subscribe().filter(|bytes| *bytes > 100));
    /// size.emit(&50);
    /// size.emit(&512);
    /// recorder.expect(["u64"]);
    /// ```
    pub fn watch_by<E: 'static, C: 'static, P: Filter<E>>(&self, subscribe: Subscribe<M, E, C, P>)
    where
        M: Records<(), ()>,
    {
        let subscription = subscribe_to(&self.tape, subscribe, (), |(), _| ());
        let subscriptions = self.subscriptions.lock();
        let mut subscriptions = subscriptions.unwrap_or_else(PoisonError::into_inner);
        subscriptions.push(subscription);
    }

    /// Asserts that exactly these topics were recorded since the last call, in this order, and takes
    /// them. Does not wait: where other threads emit, compare what [`wait_for`](Recorder::wait_for)
    /// returns.
    ///
    /// # Panics
    ///
    /// If the recorded topics or their order differ. The message shows both sequences and the
    /// position of the first difference.
    ///
    /// # Examples
    ///
    /// ```should_panic
    /// # use slotcast::{Bus, Topic, testing::Recorder};
    /// let bus = Bus::new();
    /// let recorder = Recorder::new();
    /// recorder.watch_pattern(&bus, "order.>");
    /// bus.emit(&Topic::new("order.placed"), &7_u64);
    /// bus.emit(&Topic::new("order.failed"), &"no stock");
    /// // the recorded topics are not those expected, from place 1 on
    /// //   expected: order.placed, order.shipped
    /// //   recorded: order.placed, order.failed
    /// recorder.expect(["order.placed", "order.shipped"]);
    /// ```
    #[track_caller]
    pub fn expect<const N: usize>(&self, topics: [&str; N]) {
        let recorded = self.take();
        if recorded == topics {
            return;
        }
        let same = recorded.iter().zip(topics).take_while(|(a, b)| a == b);
        let list = |names: String| {
            if names.is_empty() {
                "(nothing)".to_owned()
            } else {
                names
            }
        };
        panic!(
            "the recorded topics are not those expected, from place {} on\n  expected: {}\n  recorded: {}",
            same.count(),
            list(topics.join(", ")),
            list(recorded.join(", ")),
        );
    }

    /// Takes the topics recorded since the last call, in order.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        names(&self.tape.take())
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

    /// Returns whether nothing more can be recorded: everything it watches was closed, cleared or
    /// dropped, or it watches nothing yet. A running emission keeps this `false` until it ends.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.tape.is_closed()
    }
}

impl Recorder {
    /// Waits until `count` events are recorded, and takes their topics; further recorded events
    /// stay.
    ///
    /// Parks the thread, for `limit` at most; with a limit of zero it does not wait. Returns an error
    /// at once if nothing more can be recorded.
    ///
    /// # Errors
    ///
    /// If fewer events are recorded when the time is up, or when everything watched is closed;
    /// nothing is taken then.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::testing::Recorder;
    /// use slotcast::{Bus, Topic};
    /// use std::time::Duration;
    ///
    /// let bus = Bus::new();
    /// let recorder = Recorder::new();
    /// recorder.watch_pattern(&bus, "job.>");
    /// let worker = std::thread::spawn(move || {
    ///     bus.emit(&Topic::new("job.begun"), &1);
    ///     bus.emit(&Topic::new("job.done"), &1);
    /// });
    /// let topics = recorder.wait_for(2, Duration::from_secs(10))?;
    /// assert_eq!(topics, ["job.begun", "job.done"]);
    /// # worker.join().unwrap();
    /// # Ok::<(), slotcast::testing::Missing>(())
    /// ```
    pub fn wait_for(&self, count: usize, limit: Duration) -> Result<Vec<String>, Missing> {
        self.tape
            .wait_for(count, limit)
            .map(|records| names(&records))
    }
}

impl<M: Flavour> Default for Recorder<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Flavour> fmt::Debug for Recorder<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("topics", &self.tape.topics())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}
