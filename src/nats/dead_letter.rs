//! Events that were given up.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::headers::Headers;

/// An event of a stored route that was given up: after its last try, or because it could not be decoded.
///
/// Emitted here, on the topic that the route names by [`dead_letters`](super::Route::dead_letters). A sending route
/// for that topic carries it on: it is `Serialize`, with the payload as an array of numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The topic it came for.
    pub topic: String,
    /// The payload as it came.
    pub bytes: Vec<u8>,
    /// The headers as they came.
    pub headers: Headers,
    /// The last failure.
    pub error: String,
    /// How often it was tried. 0 if it could not be decoded.
    pub tries: u32,
}

impl Serialize for DeadLetter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let headers: Vec<(&str, &str)> = self.headers.iter().collect();
        let mut all = serializer.serialize_struct("DeadLetter", 5)?;
        all.serialize_field("topic", &self.topic)?;
        all.serialize_field("bytes", &self.bytes)?;
        all.serialize_field("headers", &headers)?;
        all.serialize_field("error", &self.error)?;
        all.serialize_field("tries", &self.tries)?;
        all.end()
    }
}
