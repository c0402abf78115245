//! The text of topic names and patterns: its syntax, and how it is stored.

use std::borrow::{Borrow, Cow};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::error::Problem;

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

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

/// As its text, so that it is found by that.
impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

// The limits on names and patterns.
const MAX_BYTES: usize = 1024;
const MAX_TOKENS: usize = 64;

/// Returns what is wrong with a name, or with a pattern if `wild`, and at which byte.
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
            // Most, and none of the others.
            b'!'..=b'~' => {}
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

/// Checks a name that is made at run time. Returns it, or on error its beginning and the problem.
pub(crate) fn checked(mut name: String, wild: bool) -> Result<String, (String, Problem)> {
    let Some((problem, at)) = find_problem(&name, wild) else {
        return Ok(name);
    };
    let problem = problem
        .trim_start_matches("topic name ")
        .trim_start_matches("pattern ");
    if name.len() <= MAX_BYTES {
        return Err((name, Problem(format!("{problem} at byte {at}"))));
    }
    // An error that is logged should not repeat a megabyte.
    let end = (0..=64)
        .rev()
        .find(|&end| name.is_char_boundary(end))
        .unwrap_or(0);
    name.truncate(end);
    Err((name, Problem(problem.to_owned())))
}

/// Returns whether the character that begins at this byte is white space or a control character, by
/// Unicode's properties. `char::is_whitespace` is not `const` in the oldest supported Rust.
const fn is_blank(bytes: &[u8], at: usize) -> bool {
    const fn byte(bytes: &[u8], at: usize) -> u8 {
        if at < bytes.len() { bytes[at] } else { 0 }
    }
    match (bytes[at], byte(bytes, at + 1), byte(bytes, at + 2)) {
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
