//! Events as bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::outcome::BoxError;

/// How the events of a route become the payload of a message, and events again.
///
/// Runs in the emission, or on the thread that delivers, and never on the thread that talks to the server; under no
/// lock. A panic is a failure like an error.
///
/// # Examples
///
/// ```
/// use slotcast::nats::Codec;
/// use slotcast::BoxError;
///
/// struct Text;
/// impl Codec<u64> for Text {
///     const CONTENT_TYPE: &'static str = "text/plain";
///     fn encode(&self, event: &u64, into: &mut Vec<u8>) -> Result<(), BoxError> {
///         into.extend_from_slice(event.to_string().as_bytes());
///         Ok(())
///     }
///     fn decode(&self, bytes: &[u8]) -> Result<u64, BoxError> {
///         Ok(std::str::from_utf8(bytes)?.parse()?)
///     }
/// }
/// let mut bytes = Vec::new();
/// Text.encode(&7, &mut bytes)?;
/// assert_eq!((Text.decode(&bytes)?, &bytes[..]), (7, &b"7"[..]));
/// # Ok::<(), BoxError>(())
/// ```
pub trait Codec<E>: Send + Sync + 'static {
    /// What the header `Content-Type` of its messages says.
    const CONTENT_TYPE: &'static str;

    /// Appends the bytes of an event.
    ///
    /// # Errors
    ///
    /// If it has none. That is a failure of the emission, and nothing is sent.
    fn encode(&self, event: &E, into: &mut Vec<u8>) -> Result<(), BoxError>;

    /// Makes an event of what came from the server, which may be anything.
    ///
    /// # Errors
    ///
    /// If it is no such event. It is reported, counted as [`undecodable`](crate::nats::Stats::undecodable), and not
    /// tried again.
    fn decode(&self, bytes: &[u8]) -> Result<E, BoxError>;
}

/// JSON, which routes use unless they are told otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json;

impl<E: Serialize + DeserializeOwned> Codec<E> for Json {
    const CONTENT_TYPE: &'static str = "application/json";

    fn encode(&self, event: &E, into: &mut Vec<u8>) -> Result<(), BoxError> {
        Encode::encode(self, event, into)
    }

    fn decode(&self, bytes: &[u8]) -> Result<E, BoxError> {
        Decode::decode(self, bytes)
    }
}

/// A [`Codec`] that a route was given.
#[derive(Debug, Clone, Copy)]
pub struct Own<D>(pub(super) D);

mod sealed {
    use super::{Json, Own};

    pub trait Sealed: Send + Sync + 'static {}
    impl Sealed for Json {}
    impl<D: Send + Sync + 'static> Sealed for Own<D> {}
}

/// What can encode: of JSON only the half that a sending route needs. Sealed: a codec of yours is a [`Codec`].
pub trait Encode<E>: sealed::Sealed {
    #[doc(hidden)]
    fn content_type(&self) -> &'static str;
    #[doc(hidden)]
    fn encode(&self, event: &E, into: &mut Vec<u8>) -> Result<(), BoxError>;
}

/// What can decode: of JSON only the half that a receiving route needs. Sealed: a codec of yours is a [`Codec`].
pub trait Decode<E>: sealed::Sealed {
    #[doc(hidden)]
    fn decode(&self, bytes: &[u8]) -> Result<E, BoxError>;
}

impl<E: Serialize> Encode<E> for Json {
    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn encode(&self, event: &E, into: &mut Vec<u8>) -> Result<(), BoxError> {
        Ok(serde_json::to_writer(into, event)?)
    }
}

impl<E: DeserializeOwned> Decode<E> for Json {
    fn decode(&self, bytes: &[u8]) -> Result<E, BoxError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

impl<E, D: Codec<E>> Encode<E> for Own<D> {
    fn content_type(&self) -> &'static str {
        D::CONTENT_TYPE
    }

    fn encode(&self, event: &E, into: &mut Vec<u8>) -> Result<(), BoxError> {
        self.0.encode(event, into)
    }
}

impl<E, D: Codec<E>> Decode<E> for Own<D> {
    fn decode(&self, bytes: &[u8]) -> Result<E, BoxError> {
        self.0.decode(bytes)
    }
}
