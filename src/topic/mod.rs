//! Names with payload types.

pub(crate) mod any_event;
pub(crate) mod pattern;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::{Problem, TopicError};

/// A topic's name, cheap to clone.
#[derive(Clone)]
pub(crate) enum Name {
    Fixed(&'static str),
    Made(Arc<str>),
}

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Name::Fixed(name) => name,
            Name::Made(name) => name,
        }
    }

    pub(crate) fn to_cow(&self) -> Cow<'static, str> {
        match self {
            Name::Fixed(name) => Cow::Borrowed(name),
            Name::Made(name) => Cow::Owned(name.to_string()),
        }
    }
}

/// A name together with the type of the events that are sent under it.
///
/// A name consists of tokens with dots in between, as the subjects of NATS do: at most 1 KiB and
/// 64 tokens, none empty, without white space, control characters, `*` and `>`. Two topics of the
/// same name are the same topic. Make them `const`: a bad name does not compile.
///
/// A topic by itself reserves nothing: it exists on a [`Bus`](crate::Bus) as long as a handle, a
/// handler or a deferred event is there for it. The name and its type stay bound as long.
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

/// An event type with a topic of its own, for those who key events by type.
///
/// Sugar over names: there is no second registry, and [`Topic::new`] with the same name is the
/// same topic.
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
    /// The name of the topic. A bad one does not compile where [`Topic::of`] is used.
    const NAME: &'static str;
}

impl<E> Topic<E> {
    /// A topic with a name that is known when the program is compiled.
    ///
    /// # Panics
    ///
    /// If the name is not one; in a constant, that is a compile error. For names that are made
    /// while the program runs there is [`named`](Topic::named).
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

    /// A topic with a name that is made while the program runs. Allocates the name once; clones of
    /// the topic share it.
    ///
    /// # Errors
    ///
    /// If the name is not one, with the reason and the place in the name.
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

/// Topics of events that name themselves.
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
        write!(
            f,
            "Topic<{}>({:?})",
            std::any::type_name::<E>(),
            self.name()
        )
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

const MAX_BYTES: usize = 1024;
const MAX_TOKENS: usize = 64;

/// What is wrong with a name, or with a pattern, and at which byte.
pub(crate) const fn find_problem(name: &str, wild: bool) -> Option<(&'static str, usize)> {
    macro_rules! problem {
        ($what:literal, $at:expr) => {
            Some(if wild {
                (concat!("pattern ", $what), $at)
            } else {
                (concat!("topic name ", $what), $at)
            })
        };
    }
    let bytes = name.as_bytes();
    if bytes.len() > MAX_BYTES {
        return problem!("is longer than 1024 bytes", MAX_BYTES);
    }
    let (mut at, mut token, mut tokens) = (0, 0, 1);
    while at < bytes.len() {
        match bytes[at] {
            b'.' if at == token => return problem!("has an empty token", at),
            b'.' => {
                token = at + 1;
                tokens += 1;
                if tokens > MAX_TOKENS {
                    return problem!("has more than 64 tokens", at);
                }
            }
            b'*' | b'>' if !wild => {
                return problem!("has a wildcard, which only patterns may have,", at);
            }
            b'*' if at > token || (at + 1 < bytes.len() && bytes[at + 1] != b'.') => {
                return problem!("has a `*` that is not a whole token", at);
            }
            b'>' if at > token || at + 1 < bytes.len() => {
                return problem!("has a `>` that is not the whole last token", at);
            }
            _ if is_blank(bytes, at) => {
                return problem!("has white space or a control character", at);
            }
            _ => {}
        }
        at += 1;
    }
    if token == bytes.len() {
        return problem!("has an empty token", token);
    }
    None
}

/// The same for a name that is made while the program runs: the name, and what to say of it.
pub(crate) fn checked(mut name: String, wild: bool) -> Result<String, (String, Problem)> {
    let Some((problem, at)) = find_problem(&name, wild) else {
        return Ok(name);
    };
    let problem = problem
        .trim_start_matches("topic name ")
        .trim_start_matches("pattern ");
    let problem = match name.len() > MAX_BYTES {
        true => Problem(problem.to_owned()),
        false => Problem(format!("{problem} at byte {at}")),
    };
    if name.len() > MAX_BYTES {
        // An error that is logged should not repeat a megabyte.
        let end = (0..=64)
            .rev()
            .find(|&end| name.is_char_boundary(end))
            .unwrap_or(0);
        name.truncate(end);
    }
    Err((name, problem))
}

/// Whether the character that begins at this byte is white space or a control character, by
/// Unicode's properties. `char::is_whitespace` is not `const` in the oldest Rust supported.
const fn is_blank(bytes: &[u8], at: usize) -> bool {
    let second = if at + 1 < bytes.len() {
        bytes[at + 1]
    } else {
        0
    };
    let third = if at + 2 < bytes.len() {
        bytes[at + 2]
    } else {
        0
    };
    match (bytes[at], second, third) {
        (0..=0x20 | 0x7f, _, _) => true,
        // U+0080 to U+009F, the second control block, and U+00A0.
        (0xc2, 0x80..=0xa0, _) => true,
        // U+1680.
        (0xe1, 0x9a, 0x80) => true,
        // U+2000 to U+200A, U+2028, U+2029, U+202F.
        (0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf) => true,
        // U+205F.
        (0xe2, 0x81, 0x9f) => true,
        // U+3000.
        (0xe3, 0x80, 0x80) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_those_of_unicode() {
        for character in '\0'..=char::MAX {
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).as_bytes();
            let expected = character.is_whitespace() || character.is_control();
            assert_eq!(is_blank(bytes, 0), expected, "{character:?}");
        }
    }
}
