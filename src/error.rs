//! Every public error, apart from the failures of handlers and from those of jobs.

use std::error::Error;
use std::fmt;
use std::panic::Location;

/// Why a name is not a topic's name.
///
/// # Examples
///
/// ```
/// use slotcast::Topic;
///
/// let error = Topic::<u32>::named("order..placed").unwrap_err();
/// assert_eq!(error.to_string(), "topic name \"order..placed\" has an empty token at byte 6");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("topic name {name:?} {}", problem.0)]
pub struct TopicError {
    pub(crate) name: String,
    pub(crate) problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem(pub(crate) String);

impl TopicError {
    /// The name that was refused; of one that is too long, its beginning.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Why a text is not a pattern.
///
/// # Examples
///
/// ```
/// use slotcast::Pattern;
///
/// let error = Pattern::parse("order.>.paid").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "pattern \"order.>.paid\" has a `>` that is not the whole last token at byte 6",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern {pattern:?} {}", problem.0)]
pub struct PatternError {
    pub(crate) pattern: String,
    pub(crate) problem: Problem,
}

impl PatternError {
    /// The text that was refused; of one that is too long, its beginning.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }
}

/// A topic's name is taken by another payload type.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Topic};
///
/// let bus = Bus::new();
/// let _sub = bus.on(&Topic::<u32>::new("size"), |_| ());
/// let error = bus.try_signal(&Topic::<String>::new("size")).unwrap_err();
/// assert_eq!(error.registered(), "u32");
/// assert!(error.requested().ends_with("String"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "topic {topic:?} carries `{registered}`, as first used at {location}, and not `{requested}`: \
     use another name or the same type"
)]
pub struct WrongType {
    pub(crate) topic: String,
    pub(crate) registered: &'static str,
    pub(crate) requested: &'static str,
    pub(crate) location: &'static Location<'static>,
}

impl WrongType {
    /// The name of the topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The payload type that the topic has.
    #[must_use]
    pub fn registered(&self) -> &'static str {
        self.registered
    }

    /// The payload type that was asked for.
    #[must_use]
    pub fn requested(&self) -> &'static str {
        self.requested
    }

    /// Where the topic was used first.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

/// An event that could not be deferred, handed back.
///
/// A `Box<dyn Error + Send + Sync>` can be made of it if the event is `Sync`; for others
/// `.map_err(|error| error.kind())?`, which is an error, too.
///
/// # Examples
///
/// ```
/// use slotcast::{DeferErrorKind, Signal};
///
/// let alone = Signal::<String>::new();
/// let error = alone.defer("hello".to_owned()).unwrap_err();
/// assert_eq!(error.kind(), DeferErrorKind::NoQueue);
/// assert_eq!(error.into_event(), "hello");
/// ```
#[non_exhaustive]
pub enum DeferError<E> {
    /// The signal belongs to no bus, and so has no queue: use [`Queue::defer`](crate::Queue).
    NoQueue(E),
    /// The queue or the signal was closed.
    Closed(E),
    /// The queue is full, and set to [`Overflow::Reject`](crate::Overflow); or as many events as it
    /// has capacity are delayed.
    Full(E),
    /// The queue is full, and this thread is inside a drain of it: to wait for room would never end.
    Inside(E),
    /// The queue was full until the time was up.
    TimedOut(E),
}

/// Why an event could not be deferred, without the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeferErrorKind {
    /// The signal belongs to no bus.
    NoQueue,
    /// The queue or the signal was closed.
    Closed,
    /// The queue is full.
    Full,
    /// The queue is full, and this thread is inside a drain of it.
    Inside,
    /// The queue was full until the time was up.
    TimedOut,
}

impl fmt::Display for DeferErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeferErrorKind::NoQueue => "signal has no queue: it was not made by a bus",
            DeferErrorKind::Closed => "queue or signal is closed",
            DeferErrorKind::Full => "queue is full",
            DeferErrorKind::Inside => "queue is full: this thread is inside a drain of it",
            DeferErrorKind::TimedOut => "queue was full until the time was up",
        })
    }
}

impl Error for DeferErrorKind {}

impl<E> DeferError<E> {
    /// Why it could not be deferred.
    pub fn kind(&self) -> DeferErrorKind {
        match self {
            DeferError::NoQueue(_) => DeferErrorKind::NoQueue,
            DeferError::Closed(_) => DeferErrorKind::Closed,
            DeferError::Full(_) => DeferErrorKind::Full,
            DeferError::Inside(_) => DeferErrorKind::Inside,
            DeferError::TimedOut(_) => DeferErrorKind::TimedOut,
        }
    }

    /// The event.
    pub fn into_event(self) -> E {
        match self {
            DeferError::NoQueue(event)
            | DeferError::Closed(event)
            | DeferError::Full(event)
            | DeferError::Inside(event)
            | DeferError::TimedOut(event) => event,
        }
    }
}

impl<E> fmt::Debug for DeferError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeferError::{:?}(..)", self.kind())
    }
}

impl<E> fmt::Display for DeferError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)
    }
}

impl<E> Error for DeferError<E> {}

/// Why a cancel did not wait to the end. The handler is cancelled all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// This thread is inside an emission or a drain that could still call the handler, so waiting
    /// for it would never end.
    #[error("cancelled without waiting: this thread is inside an emission of the handler")]
    Inside,
    /// The time was up first.
    #[error("cancelled, but the handler was still in use when the time was up")]
    TimedOut,
}

/// A handler that could not take the place of another, handed back.
///
/// # Examples
///
/// ```
/// use slotcast::{ReplaceErrorKind, Signal};
///
/// let size = Signal::<u32>::new();
/// let sub = size.on(|_| ());
/// let error = sub.replace(|text: &String| println!("{text}")).unwrap_err();
/// assert_eq!(error.kind(), ReplaceErrorKind::WrongType);
/// let handler = error.into_handler();
/// handler(&"still there".to_owned());
/// ```
#[non_exhaustive]
pub enum ReplaceError<F> {
    /// The subscription is not active any more, so there is no place to take.
    Inactive(F),
    /// The subscribed handler takes another event, or another context.
    WrongType(F),
    /// The handler was subscribed by `on_queue`, and calls of it may wait: cancel it and subscribe
    /// anew.
    Queued(F),
}

/// Why a handler could not take the place of another, without the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReplaceErrorKind {
    /// The subscription is not active any more.
    Inactive,
    /// The subscribed handler takes another event, or another context.
    WrongType,
    /// The handler was subscribed by `on_queue`.
    Queued,
}

impl fmt::Display for ReplaceErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReplaceErrorKind::Inactive => "subscription is not active any more",
            ReplaceErrorKind::WrongType => "subscribed handler takes another event or context",
            ReplaceErrorKind::Queued => "subscribed handler runs where a queue is drained",
        })
    }
}

impl Error for ReplaceErrorKind {}

impl<F> ReplaceError<F> {
    pub(crate) fn new(kind: ReplaceErrorKind, handler: F) -> Self {
        match kind {
            ReplaceErrorKind::Inactive => ReplaceError::Inactive(handler),
            ReplaceErrorKind::WrongType => ReplaceError::WrongType(handler),
            ReplaceErrorKind::Queued => ReplaceError::Queued(handler),
        }
    }

    /// Why it could not.
    pub fn kind(&self) -> ReplaceErrorKind {
        match self {
            ReplaceError::Inactive(_) => ReplaceErrorKind::Inactive,
            ReplaceError::WrongType(_) => ReplaceErrorKind::WrongType,
            ReplaceError::Queued(_) => ReplaceErrorKind::Queued,
        }
    }

    /// The handler.
    pub fn into_handler(self) -> F {
        match self {
            ReplaceError::Inactive(handler)
            | ReplaceError::WrongType(handler)
            | ReplaceError::Queued(handler) => handler,
        }
    }
}

impl<F> fmt::Debug for ReplaceError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplaceError::{:?}(..)", self.kind())
    }
}

impl<F> fmt::Display for ReplaceError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)
    }
}

impl<F> Error for ReplaceError<F> {}

/// Nothing comes any more: the signal that was waited for was closed or cleared, or its last handle
/// has gone.
///
/// # Examples
///
/// ```
/// let next = slotcast::Signal::<u32>::new().next();
/// let closed = next.wait().unwrap_err(); // that was the last handle
/// assert_eq!(closed.to_string(), "signal was closed or cleared, or its last handle has gone");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("signal was closed or cleared, or its last handle has gone")]
#[non_exhaustive]
pub struct Closed;

/// Events were lost before the next one that a stream yields: overflow dropped them, or they could
/// not be cloned.
///
/// # Examples
///
/// ```
/// use slotcast::{Overflow, Signal};
///
/// let level = Signal::<u32>::new();
/// let mut levels = level.stream(1, Overflow::DropOldest);
/// (1..=3).for_each(|n| _ = level.emit(&n));
/// let lagged = levels.try_next().unwrap().unwrap_err();
/// assert_eq!((lagged.lost(), lagged.to_string().as_str()), (2, "2 events were lost"));
/// assert_eq!(levels.try_next(), Some(Ok(3)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{0} events were lost")]
pub struct Lagged(pub(crate) usize);

impl Lagged {
    /// How many events, in this place.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.0
    }
}

/// A stream that is set to [`Overflow::Reject`](crate::Overflow) had no room for an event: what the
/// failure of its handler carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("stream is full ({0} events)")]
pub struct StreamFull(pub(crate) usize);

impl StreamFull {
    /// How many events wait in the stream, which is its capacity.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0
    }
}

/// Nothing came until the time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("nothing came until the time was up")]
#[non_exhaustive]
pub struct TimedOut;
