//! An event of any type, and the description of the topic that it was emitted to.

#![allow(
    unsafe_code,
    reason = "an `AnyEvent` has no lifetime for its event, so that closures can name it"
)]

use std::any::{TypeId, type_name};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::topic::name::Name;

/// Whether a text names a topic or is a pattern. The text does not show it: a pattern need not have a
/// wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Topic,
    Pattern,
}

/// The description of a topic, as the handlers of patterns see it during an emission.
pub(crate) struct TopicInfo {
    /// The name of the topic, or of the payload type for a signal without a bus.
    pub(crate) name: Name,
    payload: TypeId,
    type_name: fn() -> &'static str,
    /// Whether this describes a topic, or the signal of a pattern's handlers.
    pub(crate) kind: Kind,
    /// Rare properties of the signal. Changed under the signal's lock, and read without it by `Relaxed`
    /// loads: a flag publishes no other data.
    flags: AtomicU8,
}

impl TopicInfo {
    pub(crate) fn new<E: 'static>(kind: Kind, name: Name) -> Self {
        TopicInfo {
            name,
            payload: TypeId::of::<E>(),
            type_name: type_name::<E>,
            kind,
            flags: AtomicU8::new(if TypeId::of::<E>() == TypeId::of::<AnyEvent>() {
                Self::ANY
            } else {
                0
            }),
        }
    }

    /// The name of the payload's type, for diagnostics.
    pub(crate) fn type_name(&self) -> &'static str {
        (self.type_name)()
    }

    /// Whether the events are of this type.
    pub(crate) fn is_of<E: 'static>(&self) -> bool {
        self.payload == TypeId::of::<E>()
    }

    /// The signal was closed. The handlers of patterns are not closed with it.
    const CLOSED: u8 = 1;
    /// The payload is an [`AnyEvent`] itself, which is emitted again.
    const ANY: u8 = 2;
    /// Emissions retain their events.
    const RETAINS: u8 = 4;
    /// There is, or was, a watcher of whether there are handlers.
    const WATCHED: u8 = 8;
    /// This describes the delivery of an event that was accepted before the signal was closed.
    const LATE: u8 = 16;
    /// A handler was added that its first call removes. A hint, which is set and taken back without the lock.
    const EXPECTS: u8 = 32;

    /// There are, or were, patterns that match the topic.
    const MATCHED: u8 = 64;

    /// The description for the delivery of an event that was accepted before the signal was closed.
    pub(crate) fn late(&self) -> Self {
        let any = self.flags.load(Relaxed) & Self::ANY;
        TopicInfo {
            name: self.name.clone(),
            flags: AtomicU8::new(any | Self::LATE),
            ..*self
        }
    }

    /// Returns whether the event was accepted before the signal was closed.
    pub(crate) fn is_late(&self) -> bool {
        self.flags.load(Relaxed) & Self::LATE != 0
    }

    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.flags.load(Relaxed) & Self::WATCHED != 0
    }

    #[inline]
    pub(crate) fn is_matched(&self) -> bool {
        self.flags.load(Relaxed) & Self::MATCHED != 0
    }

    pub(crate) fn set_matched(&self) {
        self.flags.fetch_or(Self::MATCHED, Relaxed);
    }

    pub(crate) fn set_watched(&self) {
        self.flags.fetch_or(Self::WATCHED, Relaxed);
    }

    #[inline]
    pub(crate) fn retains(&self) -> bool {
        self.flags.load(Relaxed) & Self::RETAINS != 0
    }

    pub(crate) fn set_retains(&self, retains: bool) {
        if retains {
            self.flags.fetch_or(Self::RETAINS, Relaxed);
        } else {
            self.flags.fetch_and(!Self::RETAINS, Relaxed);
        }
    }

    #[inline]
    pub(crate) fn expects(&self) -> bool {
        self.flags.load(Relaxed) & Self::EXPECTS != 0
    }

    pub(crate) fn set_expects(&self, expects: bool) {
        if self.expects() == expects {
            return;
        }
        if expects {
            self.flags.fetch_or(Self::EXPECTS, Relaxed);
        } else {
            self.flags.fetch_and(!Self::EXPECTS, Relaxed);
        }
    }

    /// Returns whether the signal is open and its payload is no [`AnyEvent`].
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.flags.load(Relaxed) & (Self::CLOSED | Self::ANY) == 0
    }

    /// Returns whether the payload is an [`AnyEvent`].
    #[inline]
    pub(crate) fn is_any(&self) -> bool {
        self.flags.load(Relaxed) & Self::ANY != 0
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.flags.load(Relaxed) & Self::CLOSED != 0
    }

    pub(crate) fn close(&self) {
        self.flags.fetch_or(Self::CLOSED, Relaxed);
    }
}

/// An event of any type, as it is passed to the handlers of a pattern.
///
/// # Examples
///
/// ```
/// use slotcast::{AnyEvent, Bus, Topic};
///
/// const PLACED: Topic<u64> = Topic::new("order.placed");
///
/// let bus = Bus::new();
/// let _sub = bus.on_pattern("order.*", |event: &AnyEvent| {
///     assert_eq!(event.topic(), "order.placed");
///     assert_eq!(event.type_name(), "u64");
///     assert_eq!(event.payload::<u64>(), Some(&7));
///     assert_eq!(event.payload::<u32>(), None);
/// });
/// assert_eq!(bus.emit(&PLACED, &7).ran(), 1);
/// ```
pub struct AnyEvent {
    payload: NonNull<()>,
    topic_info: NonNull<TopicInfo>,
}

impl AnyEvent {
    /// # Safety
    ///
    /// `payload` points to a value of the type that `topic_info` states. Both outlive the returned value,
    /// which must not be given to user code by value.
    #[inline(always)]
    pub(crate) unsafe fn new(payload: NonNull<()>, topic_info: &TopicInfo) -> Self {
        AnyEvent {
            payload,
            topic_info: NonNull::from(topic_info),
        }
    }

    fn topic_info(&self) -> &TopicInfo {
        // SAFETY: the caller of `new` guarantees that it is alive.
        unsafe { self.topic_info.as_ref() }
    }

    /// The name of the topic that the event was emitted to.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.topic_info().name.as_str()
    }

    /// The name of the payload's type, for diagnostics.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.topic_info().type_name()
    }

    /// The event, if it has this type.
    #[must_use]
    pub fn payload<E: 'static>(&self) -> Option<&E> {
        if !self.topic_info().is_of::<E>() {
            return None;
        }
        // SAFETY: the type is the one that the caller of `new` guarantees, and the value is alive.
        Some(unsafe { self.payload.cast::<E>().as_ref() })
    }
}

/// Shows the topic and the type. The event need not implement `Debug`.
impl fmt::Debug for AnyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyEvent")
            .field("topic", &self.topic())
            .field("type_name", &self.type_name())
            .finish_non_exhaustive()
    }
}
