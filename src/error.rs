//! The public errors, except for the failures of handlers and the errors of jobs.

use std::panic::Location;

/// Implements the common part of an error that hands back the value of a refused call: `kind`, the
/// conversion into the value, `Debug` (which needs no `Debug` of the value), `Display` and `Error`.
///
/// Takes the error with its variants, each of which has the value and a namesake in the kind, and the
/// signatures of the two methods.
macro_rules! hands_back {
    (
        impl<$Value:ident> $Error:ident<$_Value:ident>: $($Variant:ident)|+ {
            $(#[$kind_doc:meta])*
            pub fn kind(&self) -> $Kind:ident;
            $(#[$into_doc:meta])*
            pub fn $into_value:ident(self) -> $_Output:ident;
        }
    ) => {
        impl<$Value> $Error<$Value> {
            $(#[$kind_doc])*
            pub fn kind(&self) -> $Kind {
                match self {
                    $($Error::$Variant(_) => $Kind::$Variant,)+
                }
            }

            $(#[$into_doc])*
            pub fn $into_value(self) -> $Value {
                match self {
                    $($Error::$Variant(value))|+ => value,
                }
            }
        }

        impl<$Value> ::std::fmt::Debug for $Error<$Value> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, concat!(stringify!($Error), "::{:?}(..)"), self.kind())
            }
        }

        impl<$Value> ::std::fmt::Display for $Error<$Value> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&self.kind(), f)
            }
        }

        impl<$Value> ::std::error::Error for $Error<$Value> {}
    };
}
#[cfg(feature = "jobs")]
pub(crate) use hands_back;

/// Why a text is not a topic name.
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

/// The rest of the message: what is wrong, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem(pub(crate) String);

impl TopicError {
    /// The refused name. If it is too long, its beginning.
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
    /// The refused text. If it is too long, its beginning.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }
}

/// The name of a topic is in use with another payload type.
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

    /// The payload type that was requested.
    #[must_use]
    pub fn requested(&self) -> &'static str {
        self.requested
    }

    /// The line that used the topic first.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

/// An event that could not be deferred, handed back.
///
/// It converts into a `Box<dyn Error + Send + Sync>` if the event is `Send` and `Sync`. For other events
/// there is `.map_err(|error| error.kind())?`: the kind is an error, too.
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
    /// The signal does not belong to a bus, and so has no queue: use [`Queue::defer`](crate::Queue).
    NoQueue(E),
    /// The queue or the signal was closed, before or while the thread waited for capacity.
    Closed(E),
    /// The queue is full and set to [`Overflow::Reject`](crate::Overflow), or as many events are delayed as
    /// its capacity.
    Full(E),
    /// The queue is full, and this thread is inside a drain of it: waiting for capacity would never end.
    Inside(E),
    /// The queue was full until the time was up.
    TimedOut(E),
}

/// Why an event could not be deferred, without the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DeferErrorKind {
    /// The signal belongs to no bus.
    #[error("signal has no queue: it was not made by a bus")]
    NoQueue,
    /// The queue or the signal was closed.
    #[error("queue or signal is closed")]
    Closed,
    /// The queue is full.
    #[error("queue is full")]
    Full,
    /// The queue is full, and this thread is inside a drain of it.
    #[error("queue is full: this thread is inside a drain of it")]
    Inside,
    /// The queue was full until the time was up.
    #[error("queue was full until the time was up")]
    TimedOut,
}

hands_back! {
    impl<E> DeferError<E>: NoQueue | Closed | Full | Inside | TimedOut {
        /// Why it could not be deferred.
        pub fn kind(&self) -> DeferErrorKind;
        /// The event.
        pub fn into_event(self) -> E;
    }
}

/// Why a cancel stopped waiting, or did not wait. The handler is cancelled nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// This thread is inside an emission or a drain that could still call the handler, so waiting
    /// for it would never end.
    #[error("cancelled without waiting: this thread is inside an emission of the handler")]
    Inside,
    /// The timeout elapsed first.
    #[error("cancelled, but the handler was still in use when the time was up")]
    TimedOut,
    /// The handler is still in use, and this target has no threads: nobody could end that while this one
    /// waits.
    #[error("cancelled without waiting: this target has no threads")]
    NoThreads,
}

/// A handler that could not replace another one, handed back.
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
    /// The subscription is not active any more, so there is no handler to replace.
    Inactive(F),
    /// The subscribed handler takes another event type, or another context type.
    WrongType(F),
    /// The handler was subscribed by `on_queue`, and calls of it may be waiting: cancel it and subscribe
    /// again.
    Queued(F),
}

/// Why a handler could not replace another one, without the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ReplaceErrorKind {
    /// The subscription is not active any more.
    #[error("subscription is not active any more")]
    Inactive,
    /// The subscribed handler takes another event type, or another context type.
    #[error("subscribed handler takes another event or context")]
    WrongType,
    /// The handler was subscribed by `on_queue`.
    #[error("subscribed handler runs where a queue is drained")]
    Queued,
}

hands_back! {
    impl<F> ReplaceError<F>: Inactive | WrongType | Queued {
        /// Why it could not replace the other one.
        pub fn kind(&self) -> ReplaceErrorKind;
        /// The handler.
        pub fn into_handler(self) -> F;
    }
}

impl<F> ReplaceError<F> {
    pub(crate) fn new(kind: ReplaceErrorKind, handler: F) -> Self {
        match kind {
            ReplaceErrorKind::Inactive => ReplaceError::Inactive(handler),
            ReplaceErrorKind::WrongType => ReplaceError::WrongType(handler),
            ReplaceErrorKind::Queued => ReplaceError::Queued(handler),
        }
    }
}

/// There will be no more events: the signal was closed or cleared, or its last handle was dropped.
///
/// # Examples
///
/// ```
/// let next = slotcast::Signal::<u32>::new().next();
/// let event = next.wait(); // that was the last handle
/// assert_eq!(event, Err(slotcast::Closed));
/// assert_eq!(slotcast::Closed.to_string(), "signal was closed or cleared, or its last handle has gone");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("signal was closed or cleared, or its last handle has gone")]
pub struct Closed;

/// Events were lost before the next one that a stream yields: they were dropped by overflow, or could not
/// be cloned.
///
/// # Examples
///
/// ```
/// use slotcast::{Overflow, Signal};
///
/// let level = Signal::<u32>::new();
/// let mut levels = level.stream(1, Overflow::DropOldest);
/// (1..=3).for_each(|n| _ = level.emit(&n));
/// let lagged = levels.try_take().unwrap().unwrap_err();
/// assert_eq!((lagged.lost(), lagged.to_string().as_str()), (2, "2 events were lost"));
/// assert_eq!(levels.try_take(), Some(Ok(3)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{0} events were lost")]
pub struct Lagged(pub(crate) usize);

impl Lagged {
    /// The number of events that were lost here.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.0
    }
}

/// A full stream that is set to [`Overflow::Reject`](crate::Overflow) did not accept an event. This is the
/// error in the failure of its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("stream is full ({0} events)")]
pub struct StreamFull(pub(crate) usize);

impl StreamFull {
    /// The number of events that wait in the stream, which is its capacity.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0
    }
}

/// No event came before the timeout elapsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("nothing came until the time was up")]
pub struct TimedOut;
