//! Topics, patterns over their names, and events of any type.
//!
//! # What it owns
//!
//! - [`Topic`] and [`Event`], here: names with payload types.
//! - `name`: the syntax of names and patterns, and their text.
//! - `pattern`: [`Pattern`](pattern::Pattern) and what is accepted for one.
//! - `any_event`: [`AnyEvent`](any_event::AnyEvent), the one place that restores an event's type for users.
//!
//! # What it guarantees
//!
//! A name and a pattern are valid once they exist: constants are checked by the compiler, other texts at
//! run time. Cloning one does not copy its text.
//!
//! # What it does not know
//!
//! Buses, signals and handlers. A topic by itself reserves nothing.
//!
//! # Decisions
//!
//! Names and wildcards follow the subjects of NATS. The payload type is part of the topic's type, and is
//! checked at run time only where a topic meets its name on a bus.

pub(crate) mod any_event;
pub(crate) mod name;
pub(crate) mod pattern;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use crate::error::TopicError;
use crate::topic::name::{Name, checked, find_problem};

/// A name together with the type of the events that are sent under it.
///
/// A name consists of tokens separated by dots, as the subjects of NATS do: at most 1 KiB and 64 tokens,
/// none of them empty, without white space, control characters, `*` and `>`. Two topics with the same name
/// are the same topic. Make them `const`: an invalid name does not compile.
///
/// A `const` is made anew where it is used, so a reference to one lives no longer than its statement. What
/// keeps a `&'static Topic` takes that of a `static`:
///
/// ```
/// use slotcast::Topic;
///
/// static SAVED: Topic<u64> = Topic::new("file.saved");
/// struct Watch { topic: &'static Topic<u64> }
/// assert_eq!(Watch { topic: &SAVED }.topic.name(), "file.saved");
/// ```
///
/// Topics are compared and hashed by their names, and parsed as [`named`](Self::named) makes them.
///
/// A topic by itself reserves nothing. It exists on a [`Bus`](crate::Bus) as long as it has a handle, a
/// handler or a deferred event there. For the same time its name is bound to its type.
///
/// # Examples
///
/// ```
/// use slotcast::Topic;
///
/// struct Order { id: u64 }
/// const PLACED: Topic<Order> = Topic::new("order.placed");
/// assert_eq!(PLACED.name(), "order.placed");
/// ```
///
/// ```compile_fail
/// # use slotcast::Topic;
/// const BAD: Topic<u32> = Topic::new("order..placed"); // an empty token
/// ```
pub struct Topic<E: ?Sized> {
    pub(crate) name: Name,
    payload: PhantomData<fn(&E)>,
}

/// An event type with a topic of its own, for programs that identify events by type.
///
/// Shorthand for a name: there is no second registry, and [`Topic::new`] with the same name is the same
/// topic.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Event, Topic};
///
/// struct Resized { width: u32 }
/// impl Event for Resized {
///     const NAME: &'static str = "window.resized";
/// }
///
/// let bus = Bus::new();
/// let _sub = bus.on(&Topic::of(), |e: &Resized| assert_eq!(e.width, 80));
/// assert_eq!(bus.emit(&Topic::of::<Resized>(), &Resized { width: 80 }).ran(), 1);
/// ```
pub trait Event: 'static {
    /// The name of the topic. An invalid one does not compile where [`Topic::of`] is used.
    const NAME: &'static str;
}

impl<E> Topic<E> {
    /// Creates a topic with a name that is known at compile time.
    ///
    /// # Panics
    ///
    /// If the name is invalid. In a constant that is a compile error. For names that are made at run time
    /// there is [`named`](Topic::named).
    #[must_use]
    #[track_caller]
    pub const fn new(name: &'static str) -> Self {
        if let Some((problem, _)) = find_problem(name, false) {
            panic!("{}", problem);
        }
        Topic {
            name: Name::Fixed(name),
            payload: PhantomData,
        }
    }

    /// The topic of a name that was a topic's.
    #[cfg(feature = "nats")]
    pub(crate) const fn of_name(name: Name) -> Self {
        Topic {
            name,
            payload: PhantomData,
        }
    }

    /// Creates a topic with a name that is made at run time. Allocates the name once; clones of the topic
    /// share it.
    ///
    /// # Errors
    ///
    /// If the name is invalid, with the reason and the position in the name.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Topic;
    ///
    /// let room = 17;
    /// let joined = Topic::<String>::named(format!("room.{room}.joined"))?;
    /// assert_eq!(joined.name(), "room.17.joined");
    /// assert!(Topic::<String>::named("room.*.joined").is_err());
    /// # Ok::<(), slotcast::TopicError>(())
    /// ```
    pub fn named(name: impl Into<String>) -> Result<Self, TopicError> {
        let name =
            checked(name.into(), false).map_err(|(name, problem)| TopicError { name, problem })?;
        Ok(Topic {
            name: Name::Made(name.into()),
            payload: PhantomData,
        })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }
}

/// Topics of event types that name their own.
impl Topic<()> {
    /// The topic of an event type that names its own: `Topic::of::<Resized>()`. See [`Event`].
    #[must_use]
    pub const fn of<E: Event>() -> Topic<E> {
        const { Topic::new(E::NAME) }
    }
}

impl<E> Clone for Topic<E> {
    fn clone(&self) -> Self {
        Topic {
            name: self.name.clone(),
            payload: PhantomData,
        }
    }
}

impl<E> fmt::Debug for Topic<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = std::any::type_name::<E>();
        write!(f, "Topic<{event}>({:?})", self.name())
    }
}

impl<E> fmt::Display for Topic<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<E> PartialEq for Topic<E> {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl<E> Eq for Topic<E> {}

impl<E> Hash for Topic<E> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl<E> FromStr for Topic<E> {
    type Err = TopicError;
    fn from_str(name: &str) -> Result<Self, TopicError> {
        Self::named(name)
    }
}
