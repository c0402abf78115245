//! Patterns over the names of topics.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::error::PatternError;
use crate::topic::name::{Name, checked, find_problem};

/// A set of topic names: `order.*`, `order.>`, `*.failed`.
///
/// Tokens separated by dots, as in a name, with the wildcards of NATS: `*` matches any one token; `>`, as
/// the last token, matches one or more. Without wildcards a pattern matches one name. Patterns are compared
/// and hashed by their text.
///
/// # Examples
///
/// ```
/// use slotcast::Pattern;
///
/// const ORDERS: Pattern = Pattern::new("order.*");           // checked at compile time
/// assert!(ORDERS.matches("order.placed"));
/// assert!(!ORDERS.matches("order"));
/// assert!(!ORDERS.matches("order.placed.late"));             // one token, not two
/// assert!(Pattern::new("order.>").matches("order.placed.late"));
/// ```
///
/// ```compile_fail
/// # use slotcast::Pattern;
/// const BAD: Pattern = Pattern::new("order.>.late"); // `>` covers what follows, so it is the last
/// ```
#[derive(Clone)]
pub struct Pattern {
    pub(crate) text: Name,
}

impl Pattern {
    /// Creates a pattern that is known at compile time.
    ///
    /// # Panics
    ///
    /// If the text is not a pattern. In a constant that is a compile error. For patterns that are made at
    /// run time there is [`parse`](Pattern::parse).
    #[must_use]
    #[track_caller]
    pub const fn new(pattern: &'static str) -> Self {
        if let Some((problem, _)) = find_problem(pattern, true) {
            panic!("{}", problem);
        }
        Pattern {
            text: Name::Fixed(pattern),
        }
    }

    /// Creates a pattern at run time.
    ///
    /// # Errors
    ///
    /// If the text is not a pattern, with the reason and the position in the text.
    pub fn parse(pattern: impl Into<String>) -> Result<Self, PatternError> {
        let text = checked(pattern.into(), true)
            .map_err(|(pattern, problem)| PatternError { pattern, problem })?;
        Ok(Pattern {
            text: Name::Made(text.into()),
        })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// Returns whether a name matches. Compares the tokens. A bus does not call this for an emission: it
    /// looks the name up once, in an index.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut tokens = name.split('.');
        for expected in self.as_str().split('.') {
            match (expected, tokens.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (expected, Some(token)) if expected == token => {}
                _ => return false,
            }
        }
        tokens.next().is_none()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.as_str())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl FromStr for Pattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

/// What a bus accepts as a pattern: a [`Pattern`], a reference to one, or a `&'static str`. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a pattern",
    label = "not a pattern, nor a text in the source",
    note = "a text that is made while the program runs becomes one by `slotcast::Pattern::parse(text)?`"
)]
pub trait IntoPattern: sealed::IntoPattern {}
impl<T: sealed::IntoPattern> IntoPattern for T {}

pub(crate) mod sealed {
    use super::{Pattern, find_problem};

    // Repeated here, because a failed bound on the public trait is reported for this one.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` is not a pattern",
        label = "not a pattern, nor a text in the source",
        note = "a text that is made while the program runs becomes one by `slotcast::Pattern::parse(text)?`"
    )]
    pub trait IntoPattern {
        #[track_caller]
        fn into_pattern(self) -> Pattern;
    }
    impl IntoPattern for Pattern {
        fn into_pattern(self) -> Pattern {
            self
        }
    }
    impl IntoPattern for &Pattern {
        fn into_pattern(self) -> Pattern {
            self.clone()
        }
    }
    impl IntoPattern for &'static str {
        #[track_caller]
        fn into_pattern(self) -> Pattern {
            match find_problem(self, true) {
                None => Pattern::new(self),
                // With the text and the position, which the message of a constant cannot have.
                Some(_) => match Pattern::parse(self) {
                    Ok(pattern) => pattern,
                    Err(error) => panic!("{error}"),
                },
            }
        }
    }
}
