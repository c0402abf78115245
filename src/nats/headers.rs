//! The headers of a message.

use std::cell::RefCell;

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Box<str>, Box<str>)>);

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Headers(Vec::new())
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
        let is_name =
            !name.is_empty() && name.bytes().all(|it| it.is_ascii_graphic() && it != b':');
        let is_sent = is_name && is_value(value);
        if is_sent {
            self.remove(name);
            self.push(name, value);
        }
        is_sent
    }

    /// Removes all values of a name, and returns whether there were any.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(it, _)| !it.eq_ignore_ascii_case(name));
        self.0.len() != before
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it came.
    pub(super) fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.into(), value.into()));
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
