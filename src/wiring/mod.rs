//! Who listens to what, at one moment: the data, and how it is written.
//!
//! *Owns*: [`Wiring`], which is owned and detached: it keeps nothing of a bus alive, and the same types serve both
//! flavours. What it consists of (`handler`), what is noticed about it (`warning`, with `similar` names), and how it
//! is written: as `text`, and as a `picture`, which the languages `dot` and `mermaid` only spell, as they do with that of
//! a report (`follow`).
//!
//! *Guarantees*: what is written is the same for the same wiring, and valid in its language whatever names, labels
//! and paths hold. Nothing in here calls user code.
//!
//! *Does not know*: the core, which reads its rosters into these types (`core/signal/wiring.rs` and
//! `core/registry/wiring.rs`), and the public types, which hand them out.
//!
//! *Decisions*
//!
//! **`place` and not `location`.** A failure has its line by `location()`. Here, where lines of handlers, topics and
//! queues stand beside each other, the word is that of `Debug` and of the spans: `place`.
//!
//! **Each language writes control characters as a backslash and letters**, before it escapes what it has to, so that
//! a label cannot break a line. Mermaid gets the code of every character that is neither a letter nor a digit: it
//! reads labels as Markdown, in which a dot, a dash, an underscore or an address has a meaning at some places.
//!
//! **Warnings about what there is are looked for when they are asked for**, and not when the wiring is read. Similar
//! names are found by hashes of what they share, sorted: one row for each character of a name, and of many names that
//! share one only some are compared, so that a series of names is not compared with itself.

pub(crate) mod dot;
pub(crate) mod handler;
pub(crate) mod mermaid;
pub(crate) mod picture;
pub(crate) mod similar;
pub(crate) mod text;
pub(crate) mod warning;

use std::fmt;
use std::panic::Location;

use crate::failure::CallSite;
use crate::topic::name::Name;
use crate::wiring::handler::HandlerInfo;

/// Who listens to what on a bus, where and in which order, at one moment: made by
/// [`Bus::wiring`](crate::flavour::Bus::wiring).
///
/// A snapshot that is owned and detached: it keeps neither the bus nor a handler alive, and can be sent to another
/// thread. It is written by `Display` as text, and by [`to_dot`](Self::to_dot) and
/// [`to_mermaid`](Self::to_mermaid) as a picture. What is written is the same for the same wiring, and one handler
/// takes one line, whatever its label holds.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Queue, Topic};
///
/// const PLACED: Topic<u64> = Topic::new("order.placed");
/// let (bus, ui) = (Bus::new(), Queue::new());
/// let _bill = bus.subscribe(&PLACED).label("billing").on_queue(&ui, |(), _| ());
/// let _guard = bus.subscribe_pattern("order.>").label("guard").priority(10).on(|_| ());
///
/// let wiring = bus.wiring();
/// let labels = wiring.topics()[0].handlers().iter().map(|it| it.label());
/// assert_eq!(labels.collect::<Vec<_>>(), [Some("guard"), Some("billing")]);
///
/// let text = wiring.to_string();
/// assert!(text.starts_with("order.placed  u64"));
/// assert!(text.contains("1  guard    priority 10"));
/// assert!(text.contains("pattern order.>"));
/// ```
#[derive(Clone)]
pub struct Wiring {
    pub(crate) topics: Vec<TopicWiring>,
    pub(crate) patterns: Vec<PatternWiring>,
    pub(crate) queues: Vec<QueueInfo>,
    /// From how many handlers of one line on there is a warning; 0 for none.
    pub(crate) warn_handlers: usize,
}

impl Wiring {
    /// That of a bus that has gone.
    #[cfg(feature = "follow")]
    pub(crate) fn empty() -> Self {
        Wiring {
            topics: Vec::new(),
            patterns: Vec::new(),
            queues: Vec::new(),
            warn_handlers: 0,
        }
    }

    /// The topics that exist, in alphabetical order.
    #[must_use]
    pub fn topics(&self) -> &[TopicWiring] {
        &self.topics
    }

    /// The patterns that have handlers, in alphabetical order. Their handlers are also listed with each topic
    /// that they match.
    #[must_use]
    pub fn patterns(&self) -> &[PatternWiring] {
        &self.patterns
    }

    /// The queue of the bus, and then those that handlers of [`on_queue`](crate::flavour::Subscribe::on_queue)
    /// add to, in the order of the handlers. Without those that have been dropped.
    #[must_use]
    pub fn queues(&self) -> &[QueueInfo] {
        &self.queues
    }
}

impl fmt::Debug for Wiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wiring")
            .field("topics", &self.topics)
            .field("patterns", &self.patterns)
            .field("queues", &self.queues)
            .finish()
    }
}

/// One topic of a [`Wiring`], with its handlers.
#[derive(Clone)]
pub struct TopicWiring {
    pub(crate) name: Name,
    pub(crate) type_name: &'static str,
    pub(crate) place: CallSite,
    pub(crate) handlers: Vec<HandlerInfo>,
    pub(crate) retained: usize,
    /// The address of the signal, which identifies it in this wiring.
    pub(crate) signal: usize,
}

impl TopicWiring {
    /// The name of the topic.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The name of the payload type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// The line that used the topic first.
    #[must_use]
    pub fn place(&self) -> &'static Location<'static> {
        self.place
    }

    /// The handlers in the order of their calls, those of patterns included. Where there are none, the
    /// [hook](crate::HandlerKind::Hook) for unhandled events, if the bus has one.
    #[must_use]
    pub fn handlers(&self) -> &[HandlerInfo] {
        &self.handlers
    }

    /// The number of events that are kept for later subscribers.
    #[must_use]
    pub fn retained(&self) -> usize {
        self.retained
    }
}

impl fmt::Debug for TopicWiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicWiring")
            .field("name", &self.name())
            .field("type_name", &self.type_name)
            .field("place", &format_args!("{}", self.place))
            .field("handlers", &self.handlers)
            .field("retained", &self.retained)
            .finish()
    }
}

/// One pattern of a [`Wiring`], with its handlers.
#[derive(Clone)]
pub struct PatternWiring {
    pub(crate) name: Name,
    pub(crate) place: CallSite,
    pub(crate) handlers: Vec<HandlerInfo>,
}

impl PatternWiring {
    /// The pattern.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The line that used the pattern first.
    #[must_use]
    pub fn place(&self) -> &'static Location<'static> {
        self.place
    }

    /// The handlers of the pattern, in the order of their calls.
    #[must_use]
    pub fn handlers(&self) -> &[HandlerInfo] {
        &self.handlers
    }
}

impl fmt::Debug for PatternWiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatternWiring")
            .field("name", &self.name())
            .field("place", &format_args!("{}", self.place))
            .field("handlers", &self.handlers)
            .finish()
    }
}

/// One queue of a [`Wiring`].
#[derive(Clone)]
#[allow(
    clippy::len_without_is_empty,
    reason = "it describes a queue, and has no elements"
)]
pub struct QueueInfo {
    pub(crate) place: CallSite,
    pub(crate) len: usize,
    pub(crate) capacity: Option<usize>,
    /// The address of the queue, which identifies it in this wiring.
    pub(crate) queue: usize,
}

impl QueueInfo {
    /// The line that made the queue; for that of a bus, the line that made the bus.
    #[must_use]
    pub fn place(&self) -> &'static Location<'static> {
        self.place
    }

    /// The number of events that wait, as [`Queue::len`](crate::flavour::Queue::len) counts them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The number of events that may wait; `None` without a bound.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.capacity
    }
}

impl fmt::Debug for QueueInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueInfo")
            .field("place", &format_args!("{}", self.place))
            .field("len", &self.len)
            .field("capacity", &self.capacity)
            .finish()
    }
}
