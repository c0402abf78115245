//! What a message looks like: its headers.
//!
//! The payload is what the codec has made. So whoever reads the subject without this crate finds the event, and in
//! the headers who has sent it.

use async_nats::{HeaderMap, HeaderName, HeaderValue, Message};

use crate::nats::given::Given;
use crate::nats::headers::Headers;
use crate::nats::window::Sending;

const ORIGIN: &str = "Slotcast-Origin";
const NUMBER: &str = "Slotcast-Seq";
/// The number of the event of the same topic that was not acknowledged yet when this one was sent. See `window`.
const AFTER: &str = "Slotcast-After";
const SCHEMA: &str = "Slotcast-Schema";
const CONTENT_TYPE: &str = "Content-Type";
const MESSAGE_ID: &str = "Nats-Msg-Id";
/// How long an identity may be that somebody else has given.
const MOST_OF_ID: usize = 2048;
/// The bridges that an event has passed which one bridge of a bus has received and another one sends, the first at first.
const VIA: &str = "Slotcast-Via";
/// How many these are at most.
pub(super) const MOST_HOPS: usize = 16;
/// How long the identity of a bridge may be that somebody has sent.
const MOST_ORIGIN: usize = 64;

/// Removes what a user's closure must not set.
pub(super) fn keep_given(headers: &mut Headers) {
    let names: Vec<String> = headers.iter().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("slotcast-") || lower.starts_with("nats-") || lower == "content-type" {
            headers.remove(&name);
        }
    }
}

/// Adds what does not change from one event to the next.
pub(super) fn describe(headers: &mut Headers, content_type: &str, schema: Option<&str>) {
    headers.push(CONTENT_TYPE, content_type);
    if let Some(schema) = schema {
        headers.push(SCHEMA, schema);
    }
}

/// What becomes of an event at another bridge than the one that has received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Passage {
    /// It is sent, and has passed these.
    Via(Option<String>),
    /// It has been sent by this one.
    Circle,
    /// It has passed too many.
    TooFar,
}

/// Which bridges an event has passed that this one, `own`, is to send, by the headers with which it was received.
pub(super) fn pass_on(received: &Headers, own: &str) -> Passage {
    let mut said = Said::default();
    for (name, value) in received.iter() {
        said.take(name, value);
    }
    let sender = said.sender();
    if sender.has_passed(own) {
        return Passage::Circle;
    }
    let Sender { origin, via, .. } = sender;
    match (via, origin) {
        (Some(via), _) if via.split(',').count() >= MOST_HOPS => Passage::TooFar,
        (Some(via), Some(origin)) => Passage::Via(Some(format!("{via},{origin}"))),
        // Of somebody who is no bridge it has neither.
        (_, origin) => Passage::Via(origin),
    }
}

/// Adds them.
pub(super) fn write_via(headers: &mut Headers, via: &str) {
    headers.push(VIA, via);
}

/// Whether this can be a list of bridges.
fn is_via(text: &str) -> bool {
    let is_origin = |it: &str| {
        let is_plain = it
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || it == b'-');
        !it.is_empty() && it.len() <= MOST_ORIGIN && is_plain
    };
    text.len() <= MOST_HOPS * (MOST_ORIGIN + 1)
        && text.split(',').count() <= MOST_HOPS
        && text.split(',').all(is_origin)
}

/// The headers of a message of core NATS.
pub(super) fn core(origin: &str, number: u64, given: &Given) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in &given.all {
        map.append(name.clone(), value.clone());
    }
    map.insert(HeaderName::from_static(ORIGIN), origin);
    map.insert(HeaderName::from_static(NUMBER), HeaderValue::from(number));
    map
}

/// The headers of a message that is to be stored.
pub(super) fn stored(origin: &str, route: usize, is_pattern: bool, sending: &Sending) -> HeaderMap {
    let mut map = core(origin, sending.number, &sending.headers);
    if let Some(after) = sending.after {
        map.insert(HeaderName::from_static(AFTER), HeaderValue::from(after));
    }
    let id = message_id(
        origin,
        route,
        is_pattern.then_some(&*sending.topic),
        sending.number,
        sending.run,
    );
    map.insert(HeaderName::from_static(MESSAGE_ID), id);
    map
}

/// What the server knows a message by. It is of a stream, so the route has to be in it; and of a pattern the topic,
/// because each topic has its own numbers.
fn message_id(origin: &str, route: usize, topic: Option<&str>, number: u64, run: u32) -> String {
    let mut id = match topic {
        Some(topic) => format!("{origin}-{route}-{topic}-{number}"),
        None => format!("{origin}-{route}-{number}"),
    };
    if run > 0 {
        id.push_str(&format!("-{run}"));
    }
    id
}

/// What a message says about itself. Anybody may have written it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) origin: Option<String>,
    pub(super) number: Option<u64>,
    pub(super) after: Option<u64>,
    pub(super) schema: Option<String>,
    /// Where there is no number.
    pub(super) id: Option<String>,
    /// The bridges that it has passed before.
    pub(super) via: Option<String>,
}

impl Sender {
    /// Whether this bridge has sent it, or passed it on.
    pub(super) fn has_passed(&self, own: &str) -> bool {
        let has_passed = |via: &String| via.split(',').any(|it| it == own);
        self.origin.as_deref() == Some(own) || self.via.as_ref().is_some_and(has_passed)
    }
}

/// The headers of a message that has arrived, and what those of ours say.
pub(super) fn read(message: &Message) -> (Headers, Sender) {
    let (mut headers, mut said) = (Headers::new(), Said::default());
    for (name, values) in message.headers.iter().flat_map(HeaderMap::iter) {
        let name: &str = name.as_ref();
        for value in values {
            headers.push_line(name, value.as_str());
            said.take(name, value.as_str());
        }
    }
    (headers, said.sender())
}

/// What headers say of the sender that were read before.
#[cfg(feature = "follow")]
pub(super) fn sender(headers: &Headers) -> Sender {
    let mut said = Said::default();
    for (name, value) in headers.iter() {
        said.take(name, value);
    }
    said.sender()
}

/// What headers say of the sender, as text.
#[derive(Default)]
struct Said<'m> {
    origin: Option<&'m str>,
    number: Option<&'m str>,
    after: Option<&'m str>,
    schema: Option<&'m str>,
    id: Option<&'m str>,
    via: Option<&'m str>,
}

impl<'m> Said<'m> {
    /// Takes a header. Of several of one name the first counts.
    fn take(&mut self, name: &str, value: &'m str) {
        let is = |known| name.eq_ignore_ascii_case(known);
        let of_name = if is(ORIGIN) {
            &mut self.origin
        } else if is(NUMBER) {
            &mut self.number
        } else if is(AFTER) {
            &mut self.after
        } else if is(SCHEMA) {
            &mut self.schema
        } else if is(MESSAGE_ID) {
            &mut self.id
        } else if is(VIA) {
            &mut self.via
        } else {
            return;
        };
        of_name.get_or_insert(value);
    }

    /// What is no origin or no number counts as not there.
    fn sender(&self) -> Sender {
        let parse = |digits: &str| {
            let is_plain = digits.bytes().all(|it| it.is_ascii_digit());
            digits.parse::<u64>().ok().filter(|_| is_plain)
        };
        let origin = self
            .origin
            .filter(|it| !it.is_empty() && it.len() <= MOST_ORIGIN);
        let number = origin.and(self.number).and_then(parse);
        let after = self.after.and_then(parse);
        let id = self
            .id
            .filter(|it| number.is_none() && it.len() <= MOST_OF_ID);
        let via = self.via.filter(|it| number.is_some() && is_via(it));
        Sender {
            origin: origin.filter(|_| number.is_some()).map(str::to_owned),
            number,
            after: after.filter(|after| number.is_some_and(|it| *after < it)),
            schema: self.schema.map(str::to_owned),
            id: id.map(str::to_owned),
            via: via.map(str::to_owned),
        }
    }
}

/// The first 64 bytes of a payload, for a report.
pub(super) fn begin(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(64)].escape_ascii().to_string()
}

/// The place of a message in its stream and at its consumer, as the subject for answers has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// How often it was delivered, this time included.
    pub(super) delivered: u32,
    pub(super) stream: u64,
    pub(super) consumer: u64,
    /// When it was stored. Of two streams of the same name, the later one has other times at the same positions.
    pub(super) time: u64,
    /// How many events the consumer has behind it.
    pub(super) pending: u64,
}

/// Reads it. There are two forms, and the newer one has the domain and the account before the rest.
pub(super) fn position(reply: &str) -> Option<Position> {
    let skipped = match reply.bytes().filter(|it| *it == b'.').count() {
        8 => 2,
        10.. => 4,
        _ => return None,
    };
    // Behind these are the names of the stream and of the consumer.
    let mut tokens = reply.strip_prefix("$JS.ACK.")?.split('.').skip(skipped);
    let mut number = || tokens.next()?.parse::<u64>().ok();
    Some(Position {
        delivered: u32::try_from(number()?).unwrap_or(u32::MAX),
        stream: number()?,
        consumer: number()?,
        time: number()?,
        pending: number()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_position_are_read() {
        let read = |delivered, stream, consumer, pending| {
            Some(Position {
                delivered,
                stream,
                consumer,
                time: 1_700_000_000,
                pending,
            })
        };
        assert_eq!(
            position("$JS.ACK.ORDERS.billing.1.17.5.1700000000.3"),
            read(1, 17, 5, 3)
        );
        assert_eq!(
            position("$JS.ACK._.abc.ORDERS.billing.2.18.6.1700000000.0.xyz"),
            read(2, 18, 6, 0)
        );
        for bad in ["", "a.b", "$JS.ACK.a.b", "$JS.ACK.s.c.x.1.2.3.4"] {
            assert_eq!(position(bad), None, "{bad}");
        }
    }

    #[test]
    fn headers_of_somebody_who_lies_are_not_there() {
        let of = |all: &[(&str, &str)]| {
            let mut said = Said::default();
            all.iter().for_each(|(name, value)| said.take(name, value));
            said.sender()
        };
        assert_eq!(of(&[(ORIGIN, "abc")]), Sender::default());
        assert_eq!(of(&[(ORIGIN, "abc"), (NUMBER, "-1")]), Sender::default());
        assert_eq!(of(&[(ORIGIN, "abc"), (NUMBER, "+1")]), Sender::default());
        assert_eq!(of(&[(NUMBER, "1")]), Sender::default());
        assert_eq!(
            of(&[(ORIGIN, &"a".repeat(65)), (NUMBER, "1")]),
            Sender::default()
        );
        let good = of(&[(ORIGIN, "abc"), (NUMBER, "7"), (AFTER, "7")]);
        assert_eq!(
            (good.origin.as_deref(), good.number, good.after),
            (Some("abc"), Some(7), None)
        );
        assert_eq!(
            of(&[(ORIGIN, "abc"), (NUMBER, "7"), (AFTER, "5")]).after,
            Some(5)
        );
    }

    #[test]
    fn what_an_event_has_passed_grows_up_to_a_limit() {
        let of = |all: &[(&str, &str)]| {
            let mut headers = Headers::new();
            all.iter()
                .for_each(|(name, value)| headers.push(name, value));
            headers
        };
        let via = |text: &str| Passage::Via(Some(text.to_owned()));
        let first = [(ORIGIN, "a"), (NUMBER, "7")];
        assert_eq!(pass_on(&of(&first), "c"), via("a"));
        assert_eq!(pass_on(&of(&first), "a"), Passage::Circle);
        let second = [(ORIGIN, "b"), (NUMBER, "7"), (VIA, "a")];
        assert_eq!(pass_on(&of(&second), "c"), via("a,b"));
        assert_eq!(pass_on(&of(&second), "a"), Passage::Circle);
        // Of somebody who is no bridge.
        assert_eq!(pass_on(&of(&[]), "c"), Passage::Via(None));
        let hops = |count: usize| vec!["x"; count].join(",");
        let at = |count: usize| {
            pass_on(
                &of(&[(ORIGIN, "b"), (NUMBER, "7"), (VIA, &hops(count))]),
                "c",
            )
        };
        assert_eq!(at(15), via(&format!("{},b", hops(15))));
        assert_eq!(at(16), Passage::TooFar);
        // No such lists.
        let long = "x".repeat(MOST_ORIGIN + 1);
        for bad in ["", ",", "a,", "a b", "a\u{e4}", &long, &hops(17)] {
            let lies = [(ORIGIN, "b"), (NUMBER, "7"), (VIA, bad)];
            assert_eq!(pass_on(&of(&lies), "c"), via("b"), "{bad}");
        }
    }

    #[test]
    fn what_is_sent_again_as_another_message_has_another_identity() {
        assert_eq!(message_id("abc", 2, None, 7, 0), "abc-2-7");
        assert_eq!(message_id("abc", 2, None, 7, 1), "abc-2-7-1");
        assert_eq!(message_id("abc", 2, Some("a.b"), 7, 0), "abc-2-a.b-7");
    }

    #[test]
    fn headers_of_the_bridge_cannot_be_given() {
        let mut headers = Headers::new();
        for name in [
            "traceparent",
            "NATS-Msg-Id",
            "slotcast-origin",
            "content-TYPE",
        ] {
            assert!(headers.insert(name, "x"));
        }
        keep_given(&mut headers);
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("traceparent", "x")]);
    }
}
