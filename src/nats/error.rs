//! What can go wrong with a bridge.

use std::time::Duration;

use crate::error::WrongType;
use crate::outcome::BoxError;

/// Why a bridge was not started. No credentials are in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address is none, or of a kind that is not supported.
    #[error("{address:?} is no address of a NATS server: {reason}")]
    Address {
        /// The address; not if it has credentials, which are not shown.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// An address begins with `tls://`, or certificates were given, and the crate was built without `nats-tls`.
    #[error("{what} needs the feature `nats-tls` of slotcast, which is off")]
    TlsNotBuilt {
        /// What needs it.
        what: String,
    },
    /// The prefix cannot stand before a topic.
    #[error("the prefix {prefix:?} cannot stand before a topic: {reason}")]
    Prefix {
        /// The prefix.
        prefix: String,
        /// What is wrong.
        reason: String,
    },
    /// The subject of a topic or pattern is reserved: it begins with `$` or `_INBOX`, which is the server's, or
    /// with `slotcast.reader.`, where readers note their positions.
    #[error("{subject:?} is reserved: it begins with `$`, `_INBOX` or `slotcast.reader.`")]
    Reserved {
        /// The subject.
        subject: String,
    },
    /// The topic exists, with another payload type than the route has.
    #[error(transparent)]
    WrongType(#[from] WrongType),
    /// The name of a stream, reader or group is none: it is empty, or has white space, `.`, `*`, `>`, `/` or `\`.
    #[error("{name:?} cannot be the name of a {what}")]
    Name {
        /// `stream`, `reader` or `group`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Two routes would send or emit the same event, or those of one reader cannot share it: they differ in where it
    /// begins; or a [group](super::Route::shared) would be given what the bridge itself sends.
    #[error("the routes {first:?} and {second:?} cannot stand beside each other: {reason}")]
    Conflict {
        /// The topic or pattern of one route.
        first: String,
        /// That of the other.
        second: String,
        /// Why.
        reason: &'static str,
    },
    /// There is no such stream. [`create_streams`](super::BridgeBuilder::create_streams) makes it.
    #[error("there is no stream {stream:?} for the subject {subject:?}")]
    NoStream {
        /// The stream.
        stream: String,
        /// The subject that needs it.
        subject: String,
    },
    /// The stream does not have the subject.
    #[error("the stream {stream:?} does not have the subject {subject:?}, but {subjects:?}")]
    NotInStream {
        /// The stream.
        stream: String,
        /// The subject that is not in it.
        subject: String,
        /// What is in it.
        subjects: Vec<String>,
    },
    /// The credentials cannot be read.
    #[error("the credentials cannot be used: {reason}")]
    Credentials {
        /// Why, without their content.
        reason: String,
    },
    /// The server refused the credentials.
    #[error("the server at {address} refused the credentials")]
    Refused {
        /// Its address.
        address: String,
    },
    /// No server answered within [`connect_timeout`](super::BridgeBuilder::connect_timeout).
    #[error("no NATS server answered within {waited:?}: {reason}")]
    NoServer {
        /// How long was waited.
        waited: Duration,
        /// What the last address answered.
        reason: String,
    },
    /// The server has no JetStream, or refused a request to it.
    #[error("JetStream refused to {what}: {reason}")]
    JetStream {
        /// What was asked for.
        what: String,
        /// The answer.
        reason: String,
    },
    /// The bus is closed.
    #[error("the bus is closed")]
    Closed,
    /// A thread could not be started.
    #[error("a thread of the bridge could not be started: {0}")]
    Thread(#[source] std::io::Error),
}

/// Why [`flush`](super::Bridge::flush) returned before everything was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The time was over.
    #[error("{left} events are not sent yet")]
    TimedOut {
        /// How many events that were emitted before the call are left.
        left: usize,
    },
    /// The bridge has been stopped.
    #[error("the bridge has been stopped")]
    Stopped,
}

/// What a bridge tells of: the error of a sending route in [`Emission::errors`](crate::Emission::errors), and what is
/// passed to the error hook of the bus. Found by downcasting
/// [`HandlerError::error`](crate::HandlerError::error).
///
/// # Examples
///
/// ```
/// use slotcast::Bus;
/// use slotcast::nats::BridgeError;
///
/// let bus = Bus::new();
/// bus.set_error_hook(|error| match error.error().and_then(|it| it.downcast_ref::<BridgeError>()) {
///     Some(BridgeError::Full { capacity }) => eprintln!("{} events wait for the server", capacity),
///     Some(other) => eprintln!("{other}"),
///     None => eprintln!("{error}"),
/// });
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BridgeError {
    /// The outbox is full: the event is not sent.
    #[error("outbox is full ({capacity} events)")]
    Full {
        /// How many events it holds.
        capacity: usize,
    },
    /// The event is larger than the server takes: it is not sent.
    #[error("event of {size} bytes is larger than what the server takes ({limit} bytes)")]
    TooLarge {
        /// Its size with its headers, in bytes.
        size: usize,
        /// The limit of the server, in bytes.
        limit: usize,
    },
    /// The codec has refused the event: it is not sent.
    #[error("event was not encoded: {0}")]
    Encode(#[source] BoxError),
    /// The bridge has been stopped: the event is not sent.
    #[error("the bridge has been stopped")]
    Stopped,
    /// A name that a route by pattern cannot send: it would be a subject of the server's own, or of a reader's position.
    #[error("{subject:?} is a reserved subject")]
    Reserved {
        /// The subject.
        subject: String,
    },
    /// The server has refused the event for good: it is not sent again.
    #[error("event {number} of {topic:?} was refused: {reason}")]
    Refused {
        /// The topic.
        topic: String,
        /// The number of the event in its route.
        number: u64,
        /// The answer of the server.
        reason: String,
    },
    /// An event that another bridge of the same bus has received has passed too many bridges: it is not sent on. Told at
    /// most every ten seconds.
    #[error("event of {topic:?} has passed {hops} bridges: it is not sent on")]
    TooFar {
        /// The topic.
        topic: String,
        /// How many it may pass.
        hops: usize,
    },
    /// The connection ended before the event of a core route was written: it is not sent again. Told only to whoever
    /// awaits the emission.
    #[error("the connection ended before the event was written")]
    Lost,
    /// The server does not let this bridge send or receive a subject. Told when the server says so, which it does for
    /// each message that it has been sent; from then on, until the next connection, it is the error of each emission
    /// under that subject, which is not sent and counted as [`refused`](super::Stats::refused).
    #[error("no permission: {reason}")]
    NoPermission {
        /// The answer of the server.
        reason: String,
    },
    /// The server takes no event of a route at the moment; the bridge goes on trying. Told at most every
    /// ten seconds, and again only if it has taken one meanwhile.
    #[error("stream {stream:?} takes no event: {reason}")]
    Holding {
        /// The stream.
        stream: String,
        /// The answer of the server.
        reason: String,
    },
    /// What has arrived is no event of the route.
    #[error("{} of {topic:?} was not decoded: {reason} (it begins with `{begin}`)", whose(.origin.as_deref(), *.number))]
    Undecodable {
        /// The topic.
        topic: String,
        /// The bridge that has sent it, if one has.
        origin: Option<String>,
        /// Its number there.
        number: Option<u64>,
        /// What the codec said, or which schema it has.
        reason: String,
        /// Its first 64 bytes, escaped.
        begin: String,
    },
    /// An event was given up after its last try. It goes to the dead letters of its route.
    #[error("event of {topic:?} was given up after {tries} tries: {reason}")]
    GivenUp {
        /// The topic.
        topic: String,
        /// How often it was tried.
        tries: u32,
        /// The last failure.
        reason: String,
    },
    /// A topic that is received is closed, or its bus is, or the queue of its route: what comes is not handled. Told
    /// once for each topic, by stored routes; see [`Route::reader`](super::Route::reader) and
    /// [`Route::shared`](super::Route::shared) for what becomes of the events.
    #[error("nothing of {topic:?} is handled any more: {reason}")]
    Closed {
        /// The topic.
        topic: String,
        /// What is closed.
        reason: String,
    },
    /// The server cannot be reached with these credentials any more; the bridge goes on trying. Told once.
    #[error("the server refuses the credentials")]
    Credentials,
    /// A consumer, or the stream that keeps where readers are, was missing, and was made again.
    #[error("{what} was missing and is made again: {reason}")]
    MadeAgain {
        /// What.
        what: String,
        /// What the server said.
        reason: String,
    },
    /// What the server, or the connection, tells: no event is concerned.
    #[error("{0}")]
    Server(String),
    /// The bridge was dropped while this many events were not sent.
    #[error("the bridge was dropped with {unsent} events that were not sent")]
    Unsent {
        /// How many.
        unsent: usize,
    },
}

/// Which event it is, if its sender has said so.
fn whose(origin: Option<&str>, number: Option<u64>) -> String {
    match (origin, number) {
        (Some(origin), Some(number)) => format!("event {number} from {origin}"),
        _ => "event from somebody who does not number them".to_owned(),
    }
}
