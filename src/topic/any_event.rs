//! An event of any type, and what is known of the topic that it was emitted to.

use std::any::{TypeId, type_name};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::topic::name::Name;

/// Which of the two a subject is: a pattern need not have a wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Topic,
    Pattern,
}

/// What an emission is about, as handlers of patterns see it.
pub(crate) struct TopicInfo {
    /// The topic, or for a signal without a bus its payload's type.
    pub(crate) name: Name,
    pub(crate) payload: TypeId,
    pub(crate) type_name: fn() -> &'static str,
    /// What it is the subject of: a topic, or the handlers of a pattern.
    pub(crate) kind: Kind,
    /// What few signals are. Changed under the signal's lock.
    flags: AtomicU8,
}

impl TopicInfo {
    pub(crate) fn new<E: 'static>(kind: Kind, name: Name) -> Self {
        TopicInfo {
            name,
            payload: TypeId::of::<E>(),
            type_name: type_name::<E>,
            kind,
            flags: AtomicU8::new(match TypeId::of::<E>() == TypeId::of::<AnyEvent>() {
                true => Self::ANY,
                false => 0,
            }),
        }
    }

    /// The signal was closed, and handlers of patterns are not closed with it.
    const CLOSED: u8 = 1;
    /// The payload is an [`AnyEvent`] itself, that somebody emits again.
    const ANY: u8 = 2;

    /// Somebody wants, or wanted, to know whether there are handlers.
    const WATCHED: u8 = 8;

    pub(crate) fn is_watched(&self) -> bool {
        self.flags.load(Relaxed) & Self::WATCHED != 0
    }

    pub(crate) fn set_watched(&self) {
        self.flags.fetch_or(Self::WATCHED, Relaxed);
    }

    /// Emissions keep their events.
    const RETAINS: u8 = 4;

    #[inline]
    pub(crate) fn retains(&self) -> bool {
        self.flags.load(Relaxed) & Self::RETAINS != 0
    }

    pub(crate) fn set_retains(&self, retains: bool) {
        match retains {
            true => self.flags.fetch_or(Self::RETAINS, Relaxed),
            false => self.flags.fetch_and(!Self::RETAINS, Relaxed),
        };
    }

    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.flags.load(Relaxed) & (Self::CLOSED | Self::ANY) == 0
    }

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

/// An event of any type, as a handler of a pattern is given it.
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
    /// `payload` points to a value of the type that `topic_info` says, and both outlive what is made
    /// here, which must not be handed out by value.
    #[inline(always)]
    pub(crate) unsafe fn new(payload: NonNull<()>, topic_info: &TopicInfo) -> Self {
        AnyEvent {
            payload,
            topic_info: NonNull::from(topic_info),
        }
    }

    fn topic_info(&self) -> &TopicInfo {
        // SAFETY: `new`'s caller says that it is alive.
        unsafe { self.topic_info.as_ref() }
    }

    /// The name of the topic that the event was emitted to.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.topic_info().name.as_str()
    }

    /// The name of the payload's type, for people to read.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        (self.topic_info().type_name)()
    }

    /// The event, if it is of this type.
    #[must_use]
    pub fn payload<E: 'static>(&self) -> Option<&E> {
        if self.topic_info().payload != TypeId::of::<E>() {
            return None;
        }
        // SAFETY: the type is the one that `new`'s caller said it is.
        Some(unsafe { self.payload.cast::<E>().as_ref() })
    }
}

/// Shows the topic and the type; the event itself need not have a `Debug`.
impl fmt::Debug for AnyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyEvent")
            .field("topic", &self.topic())
            .field("type_name", &self.type_name())
            .finish_non_exhaustive()
    }
}
