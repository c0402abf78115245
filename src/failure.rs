//! The failures of an emission or a drain: how each failed, and where its handler was subscribed.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::panic::Location;

use crate::error::DeferErrorKind;
use crate::outcome::BoxError;

/// A line of user code.
pub(crate) type CallSite = &'static Location<'static>;

/// How a handler, or the delivery to it, failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// It returned an `Err`, which is the [`source`](Error::source).
    Failed,
    /// It panicked, or its filter did, or the `Drop` of its captures.
    Panicked,
    /// The emission or the drain was refused: too many are nested on this thread. Or a callback of a job was not
    /// called: its pool has ended, and the callbacks before it have submitted jobs again and again.
    TooDeep,
    /// Something did not arrive: a queue was dropped with events inside, or did not accept the call of an
    /// `on_queue` handler, because it was full, closed or dropped; it was closed or cleared before it
    /// delivered the outcome of a job; or a drain had events of closed signals that no handler was left
    /// for.
    Undelivered,
    /// A handler subscribed by `on_mut` was not called, because its own call is running on this thread.
    Reentered,
    /// An async handler was not started: the emission is not awaited, and the bus has no executor.
    NoExecutor,
    /// A handler subscribed by `on_awaited` was not started: the emission is not awaited.
    NotAwaited,
    /// The future of an async handler was dropped before it was complete: by the executor, or because
    /// nothing was left that could wake it.
    Abandoned,
}

/// One failure: what failed, how, and where it was subscribed.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, FailureKind, Topic};
///
/// const SAVED: Topic<u64> = Topic::new("file.saved");
/// let bus = Bus::new();
/// let _sub = bus.subscribe(&SAVED).label("audit").on(|_| Err::<(), _>("disk full"));
///
/// let done = bus.emit(&SAVED, &512);
/// let error = &done.errors()[0];
/// assert_eq!((error.topic(), error.label()), ("file.saved", Some("audit")));
/// assert_eq!(error.kind(), FailureKind::Failed);
/// assert!(error.to_string().contains("disk full"));
/// ```
pub struct HandlerError {
    pub(crate) topic: Cow<'static, str>,
    pub(crate) label: Option<Box<str>>,
    pub(crate) location: &'static Location<'static>,
    pub(crate) cause: Cause,
    /// What it happened in.
    #[cfg(feature = "follow")]
    pub(crate) followed: Option<crate::cause::Cause>,
}

/// How it failed, with the data of the message.
pub(crate) enum Cause {
    Failed(BoxError),
    /// With the panic's message.
    Panicked(String),
    /// With the limit.
    TooDeep(usize),
    /// Of a drain, with the limit.
    DrainTooDeep(usize),
    /// With the number of events.
    Undelivered(usize),
    /// With the number of events.
    Unreached(usize),
    /// Of a handler's call.
    Uncalled(DeferErrorKind),
    /// Of the outcome of a job.
    #[cfg(feature = "jobs")]
    Unqueued(DeferErrorKind),
    /// Of the outcome of a job: the queue was cleared.
    #[cfg(feature = "jobs")]
    Cleared,
    /// Of a job that nobody looked at: with the panic's message.
    #[cfg(feature = "jobs")]
    JobPanicked(String),
    /// Of a callback of a job that was refused like those that led to it. With their number.
    #[cfg(feature = "jobs")]
    RefusedAgain(usize),
    /// Of an event on its way to another machine or from there.
    #[cfg(feature = "nats")]
    Bridge(BoxError),
    Reentered,
    NoExecutor,
    NotAwaited,
    Abandoned,
}

impl HandlerError {
    pub(crate) fn new(
        topic: Cow<'static, str>,
        label: Option<Box<str>>,
        location: CallSite,
        cause: Cause,
    ) -> Self {
        HandlerError {
            topic,
            label,
            location,
            cause,
            #[cfg(feature = "follow")]
            followed: None,
        }
    }

    /// The emission, the call or the job that it happened in, if that was
    /// [followed](crate::flavour::Bus::follow).
    #[cfg(feature = "follow")]
    #[must_use]
    pub fn cause(&self) -> Option<crate::cause::Cause> {
        self.followed
    }

    /// What it says without the handler and the topic.
    #[cfg(feature = "follow")]
    pub(crate) fn reason(&self) -> String {
        match &self.cause {
            Cause::Failed(error) => error.to_string(),
            #[cfg(feature = "nats")]
            Cause::Bridge(error) => error.to_string(),
            Cause::Panicked(text) => format!("panicked: {text}"),
            _ => self.to_string(),
        }
    }

    /// The name of the topic. For a signal without a bus, the name of its payload type.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The handler's label, if it has one.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The line that subscribed the handler. If no handler is to blame, the line that emitted, drained or
    /// created the queue.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// How it failed.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self.cause {
            Cause::Failed(_) => FailureKind::Failed,
            #[cfg(feature = "nats")]
            Cause::Bridge(_) => FailureKind::Failed,
            Cause::Panicked(_) => FailureKind::Panicked,
            Cause::TooDeep(_) | Cause::DrainTooDeep(_) => FailureKind::TooDeep,
            Cause::Undelivered(_) | Cause::Unreached(_) | Cause::Uncalled(_) => {
                FailureKind::Undelivered
            }
            #[cfg(feature = "jobs")]
            Cause::Unqueued(_) | Cause::Cleared => FailureKind::Undelivered,
            #[cfg(feature = "jobs")]
            Cause::JobPanicked(_) => FailureKind::Panicked,
            #[cfg(feature = "jobs")]
            Cause::RefusedAgain(_) => FailureKind::TooDeep,
            Cause::Reentered => FailureKind::Reentered,
            Cause::NoExecutor => FailureKind::NoExecutor,
            Cause::NotAwaited => FailureKind::NotAwaited,
            Cause::Abandoned => FailureKind::Abandoned,
        }
    }

    /// The error that the handler returned, for downcasting.
    #[must_use]
    pub fn error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        match &self.cause {
            Cause::Failed(error) => Some(&**error),
            #[cfg(feature = "nats")]
            Cause::Bridge(error) => Some(&**error),
            _ => None,
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HandlerError {
            topic, location, ..
        } = self;
        let mut handler = |what: fmt::Arguments<'_>| {
            match &self.label {
                Some(label) => write!(f, "handler {label:?} of")?,
                None => f.write_str("handler of")?,
            }
            write!(f, " {topic:?} (subscribed at {location}){what}")
        };
        match &self.cause {
            Cause::Failed(error) => handler(format_args!(" failed: {error}")),
            #[cfg(feature = "nats")]
            Cause::Bridge(error) => write!(f, "bridge of {topic:?} (made at {location}): {error}"),
            Cause::Panicked(message) => handler(format_args!(" panicked: {message}")),
            Cause::TooDeep(limit) => write!(
                f,
                "emission of {topic:?} was refused: {limit} are nested in each other already"
            ),
            Cause::DrainTooDeep(limit) => write!(
                f,
                "drain at {location} was refused: {limit} levels are nested in each other already"
            ),
            Cause::Reentered => handler(format_args!(
                " was not called: it was entered again from its own call, which an `on_mut` \
                 handler cannot be. Defer the event, or subscribe with `on`",
            )),
            Cause::NoExecutor => handler(format_args!(
                " was not started: it is async, and there is nobody to run it. Emit by \
                 `emit_async`, or give a shared bus an executor by `Bus::builder().executor(..)`",
            )),
            Cause::NotAwaited => handler(format_args!(
                " was not started: it runs in awaited emissions only. Emit by `emit_async`, or \
                 subscribe by `on_async`",
            )),
            Cause::Abandoned => handler(format_args!(
                " was abandoned: the executor of the bus dropped what it had started, or nothing \
                 can wake it any more"
            )),
            #[cfg(feature = "jobs")]
            Cause::Unqueued(kind) => write!(
                f,
                "outcome of a job was not delivered to the callback that was added at {location}: {kind}"
            ),
            Cause::Uncalled(kind) => handler(format_args!(
                " was not called: its queue did not accept the call, {kind}"
            )),
            Cause::Unreached(count) => {
                let events = if *count == 1 { "event" } else { "events" };
                write!(
                    f,
                    "queue made at {location} had {count} {events} of closed signals, and no handler \
                     was left for them"
                )
            }
            #[cfg(feature = "jobs")]
            Cause::Cleared => write!(
                f,
                "outcome of a job was not delivered to the callback that was added at {location}: \
                 queue was cleared"
            ),
            #[cfg(feature = "jobs")]
            Cause::JobPanicked(message) => {
                write!(f, "job submitted at {location} panicked: {message}")
            }
            #[cfg(feature = "jobs")]
            Cause::RefusedAgain(count) => write!(
                f,
                "callback of a job (added at {location}) was not called: {count} jobs in a row, each \
                 submitted by a callback of the one before, were refused"
            ),
            Cause::Undelivered(count) => {
                let events = if *count == 1 { "event" } else { "events" };
                write!(
                    f,
                    "queue made at {location} was dropped with {count} {events} inside"
                )
            }
        }
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerError")
            .field("topic", &self.topic)
            .field("label", &self.label)
            .field("place", &format_args!("{}", self.location))
            .field("kind", &self.kind())
            .field("message", &format_args!("{self}"))
            .finish()
    }
}

impl Error for HandlerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            // The error itself is in the message already.
            Cause::Failed(error) => error.source(),
            #[cfg(feature = "nats")]
            Cause::Bridge(error) => error.source(),
            _ => None,
        }
    }
}

/// The failures of an emission or a drain, as one error. There is at least one.
#[derive(Debug)]
pub struct HandlerErrors(pub(crate) Vec<HandlerError>);

impl HandlerErrors {
    /// The failures, in the order they happened.
    #[must_use]
    pub fn errors(&self) -> &[HandlerError] {
        &self.0
    }

    /// The failures, by value.
    #[must_use]
    pub fn into_vec(self) -> Vec<HandlerError> {
        self.0
    }
}

impl fmt::Display for HandlerErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [] => Ok(()),
            [only] => only.fmt(f),
            [first, rest @ ..] => write!(f, "{first} (and {} more)", rest.len()),
        }
    }
}

impl Error for HandlerErrors {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.first().and_then(Error::source)
    }
}
