//! The headers of a message.

use std::cell::RefCell;
use std::fmt;

/// How many bytes the headers of most messages take at most.
const LINES: usize = 160;

/// The headers of a message, in order. Names are compared without regard to case; a name may stand more than once.
///
/// Those that begin with `Slotcast-` or `Nats-`, and `Content-Type`, are the bridge's: what is inserted under such a
/// name is not sent.
///
/// # Examples
///
/// ```
/// use slotcast::nats::Headers;
///
/// let mut headers = Headers::new();
/// headers.insert("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
/// assert!(headers.get("Traceparent").is_some_and(|it| it.starts_with("00-")));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// `name:value` and a line break for each. In one piece of memory, because they go from one thread to another, which
    /// is slow for many small ones.
    lines: String,
}

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Headers {
            lines: String::new(),
        }
    }

    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(it, _)| it.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Sets a header, in place of what the name had. Returns whether it can be sent: a name is of visible ASCII
    /// characters without a colon, a value without line breaks and without white space at its ends. Otherwise nothing
    /// is changed.
    pub fn insert(&mut self, name: &str, value: &str) -> bool {
        let is_sent = is_name(name) && is_value(value);
        if is_sent {
            self.remove(name);
            self.push(name, value);
        }
        is_sent
    }

    /// Removes all values of a name, and returns whether there were any.
    pub fn remove(&mut self, name: &str) -> bool {
        if self.get(name).is_none() {
            return false;
        }
        let mut rest = Headers::new();
        for (other, value) in self.iter() {
            if !other.eq_ignore_ascii_case(name) {
                rest.push(other, value);
            }
        }
        *self = rest;
        true
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines
            .split_terminator('\n')
            .filter_map(|line| line.split_once(':'))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// As it is. What would be more than one line is left out.
    pub(super) fn push(&mut self, name: &str, value: &str) {
        if is_name(name) && !value.contains('\n') {
            self.push_line(name, value);
        }
    }

    /// What the client library has read, which is a line.
    pub(super) fn push_line(&mut self, name: &str, value: &str) {
        if self.lines.is_empty() {
            self.lines.reserve(LINES);
        }
        self.lines.push_str(name);
        self.lines.push(':');
        self.lines.push_str(value);
        self.lines.push('\n');
    }

    /// How many bytes they take in a message: a blank and a carriage return more for each.
    pub(super) fn bytes(&self) -> usize {
        self.lines.len() + 2 * self.len()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

thread_local! {
    /// Those of the event that is delivered on this thread. Never borrowed while user code runs.
    static CURRENT: RefCell<Option<Headers>> = const { RefCell::new(None) };
}

/// The headers of the message that is handled on this thread: inside of the handlers that a bridge calls, and of the
/// futures that they start, as long as these are awaited by the bridge. `None` elsewhere.
///
/// Clones them. Nested emissions and drains inside of such a handler see them, too.
#[must_use]
pub fn headers() -> Option<Headers> {
    CURRENT.with_borrow(Clone::clone)
}

/// Looks at those of the message that is handled on this thread, if there is one.
pub(super) fn with_current<R>(look: impl FnOnce(&Headers) -> R) -> Option<R> {
    CURRENT.with_borrow(|it| it.as_ref().map(look))
}

/// Has [`headers`] return these until the guard is dropped.
pub(super) fn enter(headers: Headers) -> HeadersGuard {
    HeadersGuard(CURRENT.replace(Some(headers)))
}

/// Restores what was before when dropped.
pub(super) struct HeadersGuard(Option<Headers>);

impl Drop for HeadersGuard {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// Whether this can be the name of a header.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|it| it.is_ascii_graphic() && it != b':')
}

/// Whether this can be the value of a header.
pub(super) fn is_value(value: &str) -> bool {
    value.trim() == value && !value.contains(['\r', '\n', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_a_message_is_no_header() {
        let mut headers = Headers::new();
        for (name, value) in [
            ("", "x"),
            ("a:b", "x"),
            ("a b", "x"),
            ("a\r\nb", "x"),
            ("ä", "x"),
            ("a", "x\r\ny"),
            ("a", " x"),
        ] {
            assert!(!headers.insert(name, value), "{name:?} {value:?}");
        }
        assert!(headers.is_empty());
        assert!(headers.insert("a", "x") && headers.insert("A", "y"));
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("A", "y")]);
        assert!(headers.remove("a") && !headers.remove("a"));
    }

    #[test]
    fn one_header_is_not_two() {
        let mut headers = Headers::new();
        headers.push("a", "x\r\nb: y");
        headers.push("b:", "y");
        assert!(headers.is_empty());
        for value in ["", "x: y", ":", "\r"] {
            headers.push("a", value);
            headers.push("b", "z");
            let all = headers.iter().collect::<Vec<_>>();
            assert_eq!(
                (headers.len(), &all[..]),
                (2, &[("a", value), ("b", "z")][..])
            );
            assert!(headers.remove("A") && headers.remove("b"));
        }
    }

    #[test]
    fn those_of_an_event_end_with_it() {
        assert_eq!(super::headers(), None);
        let mut one = Headers::new();
        one.insert("a", "x");
        let guard = enter(one.clone());
        let inner = enter(Headers::new());
        assert_eq!(super::headers(), Some(Headers::new()));
        drop(inner);
        assert_eq!(super::headers(), Some(one));
        drop(guard);
        assert_eq!(super::headers(), None);
    }
}
