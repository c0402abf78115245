//! One handler, as it is listed.

use std::fmt;
use std::panic::Location;

use crate::failure::CallSite;
use crate::subscription_id::SubscriptionId;
use crate::topic::name::Name;

/// What a handler is, which says where its events go.
///
/// # Examples
///
/// ```
/// use slotcast::{HandlerKind, Overflow, Signal};
///
/// let (door, house) = (Signal::<u32>::new(), Signal::<u32>::new());
/// let _forwarding = door.forward_to(&house);
/// let _stream = door.stream(8, Overflow::DropOldest);
/// door.emit(&1);
/// let kinds: Vec<_> = door.handlers().iter().map(|it| it.kind()).collect();
/// assert!(matches!(&kinds[0], HandlerKind::Forward { topic, .. } if topic == "u32"));
/// assert!(matches!(kinds[1], HandlerKind::Stream { len: 1, capacity: 8, .. }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandlerKind {
    /// A closure that is called at once: `on`, `once`, and what has replaced another handler.
    Plain,
    /// A closure that changes its captures: `on_mut`.
    Mut,
    /// A closure with a weak target: `on_weak`.
    Weak,
    /// Calls are put into a queue: `on_queue` and its kin.
    #[non_exhaustive]
    Queue {
        /// The line that made the queue.
        place: &'static Location<'static>,
    },
    /// A closure that starts a future for each event: `on_async` and `on_awaited`.
    Async,
    /// A future of one event: `next` and its kin.
    Next,
    /// A stream: `stream` and its kin.
    #[non_exhaustive]
    Stream {
        /// The number of events that wait in it.
        len: usize,
        /// The number of events that may wait in it.
        capacity: usize,
    },
    /// Events are emitted on another signal as well: `forward_to`.
    #[non_exhaustive]
    Forward {
        /// The name of its topic; for a signal without a bus, its payload type.
        topic: String,
    },
    /// No handler: the hook for unhandled events, which gets the events of a topic without handlers.
    Hook,
}

/// One handler of a signal or a topic, as it was when it was listed: owned and detached.
///
/// Made by [`Signal::handlers`](crate::flavour::Signal::handlers) and
/// [`Bus::wiring`](crate::flavour::Bus::wiring).
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, HandlerKind, Topic};
///
/// const SAVED: Topic<u64> = Topic::new("file.saved");
/// let bus = Bus::new();
/// let audit = bus.subscribe(&SAVED).label("audit").priority(10).limit(3).on(|_| ());
/// let _paused = audit.pause();
/// bus.on(&SAVED, |_| ()).detach();
///
/// let [first, second] = &bus.signal(&SAVED).handlers()[..] else { unreachable!() };
/// assert_eq!((first.label(), first.priority()), (Some("audit"), 10));
/// assert_eq!((first.left(), first.paused()), (Some(3), 1));
/// assert_eq!(first.id(), audit.id());
/// assert_eq!(second.kind(), HandlerKind::Plain);
/// assert_eq!(second.place().file(), file!());
/// assert!(bus.cancel(second.id())); // although nobody has its subscription
/// ```
#[derive(Clone)]
pub struct HandlerInfo {
    pub(crate) id: SubscriptionId,
    pub(crate) topic: Name,
    pub(crate) pattern: Option<Name>,
    pub(crate) label: Option<Box<str>>,
    pub(crate) place: CallSite,
    pub(crate) priority: i32,
    pub(crate) kind: HandlerKind,
    /// The address of the queue or the signal that its events go to, which identifies it in this wiring.
    pub(crate) target: usize,
    pub(crate) paused: usize,
    pub(crate) left: Option<usize>,
    pub(crate) has_filter: bool,
    pub(crate) replaced_at: Option<CallSite>,
}

impl HandlerInfo {
    /// The id of its subscription. [`Bus::cancel`](crate::flavour::Bus::cancel) takes it.
    #[must_use]
    pub fn id(&self) -> SubscriptionId {
        self.id
    }

    /// The topic whose emissions call it; where a pattern itself is listed, the pattern; for a signal without a
    /// bus, the name of its payload type.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.topic.as_str()
    }

    /// The pattern that it was subscribed to; `None` if it was subscribed to the topic.
    #[must_use]
    pub fn pattern(&self) -> Option<&str> {
        self.pattern.as_ref().map(Name::as_str)
    }

    /// Its label, if it has one.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The line that subscribed it.
    #[must_use]
    pub fn place(&self) -> &'static Location<'static> {
        self.place
    }

    /// Its priority.
    #[must_use]
    pub fn priority(&self) -> i32 {
        self.priority
    }

    /// What it is, and where its events go.
    #[must_use]
    pub fn kind(&self) -> HandlerKind {
        self.kind.clone()
    }

    /// The number of pauses that keep it from being called: its own, those of its scopes, and those of its signal
    /// or pattern and of its bus.
    #[must_use]
    pub fn paused(&self) -> usize {
        self.paused
    }

    /// The number of calls that are left of its limit; `None` without a limit.
    #[must_use]
    pub fn left(&self) -> Option<usize> {
        self.left
    }

    /// Whether it has filters.
    #[must_use]
    pub fn has_filter(&self) -> bool {
        self.has_filter
    }

    /// The line that replaced it last, if it was [replaced](crate::flavour::Subscription::replace).
    #[must_use]
    pub fn replaced_at(&self) -> Option<&'static Location<'static>> {
        self.replaced_at
    }
}

impl fmt::Debug for HandlerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerInfo")
            .field("id", &self.id)
            .field("topic", &self.topic())
            .field("pattern", &self.pattern())
            .field("label", &self.label)
            .field("place", &format_args!("{}", self.place))
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
