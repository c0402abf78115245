//! Headers as the client library has them.

use async_nats::{HeaderName, HeaderValue};

use crate::nats::headers::Headers;

/// The headers that do not change from one try to the next, as they are sent.
#[derive(Default)]
pub(super) struct Given {
    pub(super) all: Vec<(HeaderName, HeaderValue)>,
    /// How many bytes they take in a message.
    pub(super) bytes: usize,
}

impl From<&Headers> for Given {
    /// What cannot be sent is left out.
    fn from(headers: &Headers) -> Self {
        let parsed = |(name, value): (&str, &str)| Some((name.parse().ok()?, value.parse().ok()?));
        Given {
            all: headers.iter().filter_map(parsed).collect(),
            bytes: headers.bytes(),
        }
    }
}
