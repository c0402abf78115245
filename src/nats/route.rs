//! What crosses, and how: a topic or a pattern with the options of its way.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::nats::backoff::Backoff;
use crate::nats::codec::{Codec, Json, Own};
use crate::nats::dead_letter::DeadLetter;
use crate::nats::headers::{Headers, is_value};
use crate::policy::Overflow;
use crate::queue::PostError;
use crate::shared::Queue;
use crate::topic::Topic;
use crate::topic::name::Name;
use crate::topic::pattern::{IntoPattern, Pattern};

/// How many events an outbox holds, unless its route says otherwise.
const OUTBOX: usize = 8192;
/// How many events of a stored route are under way, unless it says otherwise.
const WINDOW: usize = 1024;

/// A topic, or the topics of a pattern, on their way to other machines or from them, with the options of that way.
///
/// A topic alone is a route, too: `.send(&PLACED)`. Routes differ by `K`:
///
/// | made by | `K` | what it promises |
/// |---|---|---|
/// | [`Route::topic`], [`Route::matching`] | [`Core`] | at most once |
/// | [`Stored::topic`], [`Stored::matching`] | [`Stored`] | to send: at least once, in order |
/// | `.reader("billing")` of that | [`Reader`] | to receive: every event, in order, from where `billing` stopped |
/// | `.shared("resizers")` of that | [`Group`] | to receive: each event to one of the group, in no order |
///
/// `C` is the context of the bus that it is received on, `D` the codec.
///
/// # Examples
///
/// ```
/// use slotcast::nats::{Route, Stored};
/// use slotcast::{Overflow, Topic};
///
/// const PLACED: Topic<u64> = Topic::new("order.placed");
/// let _plain = Route::topic(&PLACED).outbox(64, Overflow::DropOldest);
/// let _family = Route::matching::<u64>("order.*").schema("order.v2");
/// let _billing = Stored::in_stream("ORDERS").topic(&PLACED).reader("billing");
/// ```
#[must_use = "it does nothing until a bridge has it"]
pub struct Route<E: 'static, K = Core, C: 'static = (), D = Json> {
    pub(super) names: Names,
    pub(super) kind: K,
    pub(super) codec: D,
    pub(super) schema: Option<Arc<str>>,
    pub(super) outbox: (usize, Overflow),
    pub(super) write_headers: Option<WriteHeaders>,
    /// Where it is emitted, if not on the thread of the route.
    pub(super) post: Option<OnQueue<E, C>>,
    /// What is lent to the handlers otherwise.
    pub(super) own_context: Option<fn() -> C>,
    pub(super) event: PhantomData<fn(E) -> E>,
}

/// What adds headers to a message.
pub(super) type WriteHeaders = Arc<dyn Fn(&mut Headers) + Send + Sync>;
/// What is to be done with an event where its queue is drained.
pub(super) type Posted<E, C> = Box<dyn FnOnce(&mut C, E) + Send>;
/// Puts an event into a queue. It is this closure that knows that the event may be sent to another thread.
type PostEvent<E, C> = dyn Fn(E, Posted<E, C>) -> Result<(), PostError> + Send + Sync;
/// Puts into a queue what is to be done there.
type PostAny<C> = dyn Fn(Box<dyn FnOnce(&mut C) + Send>) -> Result<(), PostError> + Send + Sync;

/// A queue, as a receiving route uses it.
pub(super) struct OnQueue<E, C> {
    pub(super) event: Arc<PostEvent<E, C>>,
    pub(super) any: Arc<PostAny<C>>,
}

/// The topics of a route.
#[derive(Clone)]
pub(super) enum Names {
    Topic(Name),
    Matching(Pattern),
}

impl Names {
    /// The topic or the pattern.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Names::Topic(name) => name.as_str(),
            Names::Matching(pattern) => pattern.as_str(),
        }
    }

    pub(super) fn matches(&self, topic: &str) -> bool {
        match self {
            Names::Topic(name) => name.as_str() == topic,
            Names::Matching(pattern) => pattern.matches(topic),
        }
    }

    pub(super) fn of<E>(topic: &Topic<E>) -> Names {
        Names::Topic(topic.name.clone())
    }
}

/// The kind of a route by core NATS: at most once, and nothing is kept for who is not there.
#[derive(Debug, Clone, Copy)]
pub struct Core(());

/// The kind of a route into a stream of JetStream, which keeps the events; and what makes such routes.
#[derive(Debug, Clone)]
pub struct Stored {
    pub(super) stream: Arc<str>,
    pub(super) window: usize,
}

/// The kind of a route that reads every event of a stream, in order.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(super) stream: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) retry: Backoff,
    pub(super) dead_letters: Option<Topic<DeadLetter>>,
    pub(super) note_every: Duration,
    pub(super) only_new: bool,
}

/// The kind of a route that shares the events of a stream with the other members of a group.
#[derive(Debug, Clone)]
pub struct Group {
    pub(super) stream: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) retry: Backoff,
    pub(super) dead_letters: Option<Topic<DeadLetter>>,
    pub(super) in_flight: usize,
    pub(super) ack_wait: Duration,
}

mod sealed {
    pub trait Kind {}
}
use sealed::Kind;

/// Kinds of routes that send. Sealed.
pub trait Sends: Kind {}
/// Kinds of routes that receive. Sealed.
pub trait Receives: Kind {}
/// Kinds of routes that receive what is stored. Sealed.
pub trait Retries: Receives {
    #[doc(hidden)]
    fn retry(&mut self) -> (&mut Backoff, &mut Option<Topic<DeadLetter>>);
}

impl Kind for Core {}
impl Kind for Stored {}
impl Kind for Reader {}
impl Kind for Group {}
impl Sends for Core {}
impl Sends for Stored {}
impl Receives for Core {}
impl Receives for Reader {}
impl Receives for Group {}

impl Retries for Reader {
    fn retry(&mut self) -> (&mut Backoff, &mut Option<Topic<DeadLetter>>) {
        (&mut self.retry, &mut self.dead_letters)
    }
}

impl Retries for Group {
    fn retry(&mut self) -> (&mut Backoff, &mut Option<Topic<DeadLetter>>) {
        (&mut self.retry, &mut self.dead_letters)
    }
}

impl<E: 'static> Route<E, Core> {
    /// A topic by core NATS.
    pub fn topic(topic: &Topic<E>) -> Self {
        Route::new(Names::of(topic), Core(()))
    }
}

impl Route<(), Core> {
    /// The topics that match, of this payload type, by core NATS. Topics of another type are not sent, and what does
    /// not decode as this one is reported.
    ///
    /// # Panics
    ///
    /// If `pattern` is a text that is not a pattern.
    #[track_caller]
    pub fn matching<E: 'static>(pattern: impl IntoPattern) -> Route<E, Core> {
        Route::new(Names::Matching(pattern.into_pattern()), Core(()))
    }
}

impl Stored {
    /// What is stored in this stream of the server.
    pub fn in_stream(stream: impl Into<String>) -> Self {
        Stored {
            stream: stream.into().into(),
            window: WINDOW,
        }
    }

    /// A topic that is stored there.
    pub fn topic<E: 'static>(self, topic: &Topic<E>) -> Route<E, Stored> {
        Route::new(Names::of(topic), self)
    }

    /// The topics that match, of this payload type, which are stored there.
    ///
    /// # Panics
    ///
    /// If `pattern` is a text that is not a pattern.
    #[track_caller]
    pub fn matching<E: 'static>(self, pattern: impl IntoPattern) -> Route<E, Stored> {
        Route::new(Names::Matching(pattern.into_pattern()), self)
    }
}

impl<E: 'static, K> Route<E, K> {
    fn new(names: Names, kind: K) -> Self {
        Route {
            names,
            kind,
            codec: Json,
            schema: None,
            outbox: (OUTBOX, Overflow::Block),
            write_headers: None,
            post: None,
            own_context: Some(|| ()),
            event: PhantomData,
        }
    }
}

impl<E: 'static, K, C: 'static, D> Route<E, K, C, D> {
    /// Encodes and decodes by this, instead of by [`Json`].
    pub fn codec<N: Codec<E>>(self, codec: N) -> Route<E, K, C, Own<N>> {
        Route {
            names: self.names,
            kind: self.kind,
            codec: Own(codec),
            schema: self.schema,
            outbox: self.outbox,
            write_headers: self.write_headers,
            post: self.post,
            own_context: self.own_context,
            event: PhantomData,
        }
    }

    /// Names the form of the payload. It is sent as a header; what arrives with another one is not decoded, which is
    /// reported. What arrives with none is.
    ///
    /// # Panics
    ///
    /// If it cannot be the value of a header: it has a line break, or white space at its ends.
    #[track_caller]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        let schema = schema.into();
        assert!(
            is_value(&schema),
            "{schema:?} cannot be the value of a header"
        );
        self.schema = Some(schema.into());
        self
    }

    fn with_kind<N>(self, kind: impl FnOnce(K) -> N) -> Route<E, N, C, D> {
        Route {
            names: self.names,
            kind: kind(self.kind),
            codec: self.codec,
            schema: self.schema,
            outbox: self.outbox,
            write_headers: self.write_headers,
            post: self.post,
            own_context: self.own_context,
            event: PhantomData,
        }
    }
}

impl<E: 'static, K: Sends, C: 'static, D> Route<E, K, C, D> {
    /// How many events wait until the server has them, at least 1, and what becomes of one for which there is no room:
    /// 8,192 and [`Overflow::Block`], unless this is called.
    ///
    /// `Block` waits on the emitter's thread, of an emission that is awaited too. On the threads of the bridge itself, and
    /// the only one of a [runtime](crate::nats::BridgeBuilder::runtime) that it runs on, where it would wait for itself,
    /// it is [`Reject`](Overflow::Reject), which is the failure [`BridgeError::Full`](crate::nats::BridgeError::Full) of
    /// the emission. `DropOldest` drops the event that has waited longest and is not under way yet; both it and
    /// `DropNewest` count in [`Stats::dropped`](crate::nats::Stats::dropped).
    ///
    /// Events of a stored route that are under way have their own limit, its [`window`](Self::window).
    pub fn outbox(mut self, events: usize, overflow: Overflow) -> Self {
        self.outbox = (events.max(1), overflow);
        self
    }

    /// Adds headers to each message, as `traceparent` for OpenTelemetry. Called in the emission, on the emitter's
    /// thread and under no lock; a panic is a failure of the emission.
    pub fn headers<F>(mut self, write: F) -> Self
    where
        F: Fn(&mut Headers) + Send + Sync + 'static,
    {
        self.write_headers = Some(Arc::new(write));
        self
    }
}

impl<E: 'static, K: Receives, D> Route<E, K, (), D> {
    /// Emits where a queue is drained, with the drain's context, instead of on the route's own thread. The next event
    /// is posted when this one has been handled.
    ///
    /// The only way for a bus with a context. Acknowledged is what was emitted there without a failure; async handlers
    /// are given to the [executor](crate::BusBuilder::executor) of the bus, and count as handled when they have been
    /// started.
    ///
    /// A stored event for which the queue has no room, or which it drops to make some, is posted again until it was
    /// emitted; no try is counted. Once the queue is closed the route ends, and a reader with all its routes: what comes
    /// is left for its next start, or for other members of the group.
    pub fn on_queue<C: 'static>(self, queue: &Queue<C>) -> Route<E, K, C, D>
    where
        E: Send,
    {
        let (queue, any) = (queue.clone(), queue.clone());
        Route {
            names: self.names,
            kind: self.kind,
            codec: self.codec,
            schema: self.schema,
            outbox: self.outbox,
            write_headers: self.write_headers,
            post: Some(OnQueue {
                event: Arc::new(move |event, run| {
                    queue.post_with(move |context: &mut C| run(context, event))
                }),
                any: Arc::new(move |run| any.post_with(move |context: &mut C| run(context))),
            }),
            own_context: None,
            event: PhantomData,
        }
    }
}

impl<E: 'static, D> Route<E, Stored, (), D> {
    /// How many events are under way to the server before it has stored the first of them: 1,024, unless this is
    /// called. With 1 each waits for the one before it.
    pub fn window(mut self, events: usize) -> Self {
        self.kind.window = events.max(1);
        self
    }

    /// To receive: every event, in order, from where the reader of this name has stopped. All routes of a reader have
    /// one position, and one thread.
    ///
    /// What it has handled is noted on the server, in the stream `slotcast_readers`. A reader with a new name begins
    /// with the first event that the stream has. Two bridges at a time with the same reader each have every event.
    ///
    /// While one of its topics is paused, an event of it holds up the others. Events of a topic that is closed are passed,
    /// unless all of its topics are: then it stops where it is. That is told as
    /// [`BridgeError::Closed`](crate::nats::BridgeError::Closed).
    pub fn reader(self, name: impl Into<String>) -> Route<E, Reader, (), D> {
        self.with_kind(|stored| Reader {
            stream: stored.stream,
            name: name.into().into(),
            retry: Backoff::default(),
            dead_letters: None,
            note_every: Duration::from_millis(200),
            only_new: false,
        })
    }

    /// To receive: each event goes to one member of the group of this name, over all machines. There is no order.
    ///
    /// A bridge that sends a topic cannot share it as well: [`start`](crate::nats::BridgeBuilder::start) refuses that as
    /// [`Conflict`](crate::nats::StartError::Conflict). The handlers of its bus have had the event when it is emitted,
    /// and the one member that the server gives it to would be where it came from. Where the machine that hands out work
    /// does some of it too, the workers are subscribed on a bus of their own, with a bridge of its own; or they have a
    /// topic of their own, and a handler emits on that.
    ///
    /// While its topic is paused, a member keeps the events that it has, and the others do not get them; stop its bridge to
    /// give them back. Where its topic is closed, it gives them back, and asks for no more; of a pattern, it gives back
    /// those of the topic that is closed, each time after a longer while.
    ///
    /// The consumer of the group may be one that exists, with limits for what it can be asked for: they are kept. Where it
    /// refuses all the same, as if more members ask than it takes, that is told, and it is asked after a while.
    pub fn shared(self, name: impl Into<String>) -> Route<E, Group, (), D> {
        self.with_kind(|stored| Group {
            stream: stored.stream,
            name: name.into().into(),
            retry: Backoff::default(),
            dead_letters: None,
            in_flight: 256,
            ack_wait: Duration::from_secs(30),
        })
    }
}

impl<E: 'static, K: Retries, C: 'static, D> Route<E, K, C, D> {
    /// How often an event whose handling fails is tried. A reader waits meanwhile, and what follows waits behind it; a
    /// group gives the event back to the server, and the next try may be another member's.
    ///
    /// A reader counts the tries of its process. The members of a group count together, by the number of times that the
    /// server has given the event to one of them: also where that was stopped, had crashed or had closed its topic before
    /// it could try. None gives an event up without having tried it, and failed, itself. If somebody has made the consumer
    /// of the group so that it gives an event less often than that, the last time is the last try.
    pub fn retry(mut self, backoff: Backoff) -> Self {
        *self.kind.retry().0 = backoff;
        self
    }

    /// Emits a [`DeadLetter`] on this topic for each event that is given up, after a try that has failed here, or because
    /// it is no event of the route. Where the topic is paused, the event waits until it is not, as a whole.
    pub fn dead_letters(mut self, topic: &Topic<DeadLetter>) -> Self {
        *self.kind.retry().1 = Some(topic.clone());
        self
    }
}

impl<E: 'static, C: 'static, D> Route<E, Reader, C, D> {
    /// How long it takes at most until the server knows what was handled: 200 ms, unless this is called, and no more
    /// than 1,000 events. After a crash what it does not know comes again, in order. Of the routes of one reader the
    /// shortest time counts, that of those without this call too.
    pub fn note_every(mut self, time: Duration) -> Self {
        self.kind.note_every = time;
        self
    }

    /// If there is no reader of this name yet, it begins with what is stored from now on. All routes of a reader say so,
    /// or none: otherwise the start fails ([`StartError::Conflict`](crate::nats::StartError::Conflict)).
    pub fn only_new(mut self) -> Self {
        self.kind.only_new = true;
        self
    }
}

impl<E: 'static, C: 'static, D> Route<E, Group, C, D> {
    /// How many events this member has at a time, the one that is handled and those that wait for that: 256, unless
    /// this is called.
    pub fn in_flight(mut self, events: usize) -> Self {
        self.kind.in_flight = events.max(1);
        self
    }

    /// How long the server waits for a sign of life before it gives an event to another member: 30 s, unless this is
    /// called, and at least one. A handler that takes longer keeps its event: the bridge says so for it.
    pub fn ack_wait(mut self, wait: Duration) -> Self {
        self.kind.ack_wait = wait.max(Duration::from_secs(1));
        self
    }
}

impl<E: 'static, K: fmt::Debug, C: 'static, D> fmt::Debug for Route<E, K, C, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("topics", &self.names.as_str())
            .field("kind", &self.kind)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}
