//! What a message looks like: its headers.
//!
//! The payload is what the codec has made. So whoever reads the subject without this crate finds the event, and in
//! the headers who has sent it.

use async_nats::{HeaderMap, HeaderName, HeaderValue, Message};

use crate::nats::headers::Headers;
use crate::nats::window::Sending;

const ORIGIN: &str = "Slotcast-Origin";
const NUMBER: &str = "Slotcast-Seq";
/// The number of the event of the same topic that was not acknowledged yet when this one was sent. See `window`.
const AFTER: &str = "Slotcast-After";
const SCHEMA: &str = "Slotcast-Schema";
const CONTENT_TYPE: &str = "Content-Type";
const MESSAGE_ID: &str = "Nats-Msg-Id";

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

/// Adds what does not change from one try to the next.
pub(super) fn describe(headers: &mut Headers, content_type: &str, schema: Option<&str>) {
    headers.push(CONTENT_TYPE, content_type);
    if let Some(schema) = schema {
        headers.push(SCHEMA, schema);
    }
}

/// The headers of a message of core NATS.
pub(super) fn core(origin: &str, number: u64, given: &Headers) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in given.iter() {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            map.append(name, value);
        }
    }
    map.insert(HeaderName::from_static(ORIGIN), origin);
    map.insert(HeaderName::from_static(NUMBER), number.to_string());
    map
}

/// The headers of a message that is to be stored.
pub(super) fn stored(origin: &str, route: usize, is_pattern: bool, sending: &Sending) -> HeaderMap {
    let mut map = core(origin, sending.number, &sending.headers);
    if let Some(after) = sending.after {
        map.insert(HeaderName::from_static(AFTER), after.to_string());
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
    pub(super) id: Option<String>,
}

/// The headers of a message that has arrived, and what those of ours say.
pub(super) fn read(message: &Message) -> (Headers, Sender) {
    let mut headers = Headers::new();
    if let Some(map) = &message.headers {
        for (name, values) in map.iter() {
            for value in values {
                headers.push(name.as_ref(), value.as_str());
            }
        }
    }
    let sender = sender(&headers);
    (headers, sender)
}

/// What they say of the sender. What is no origin or no number counts as not there.
fn sender(headers: &Headers) -> Sender {
    let text = |name| headers.get(name).map(str::to_owned);
    let number = |name| {
        let digits = headers.get(name)?;
        let is_plain = digits.bytes().all(|it| it.is_ascii_digit());
        digits.parse::<u64>().ok().filter(|_| is_plain)
    };
    let origin = text(ORIGIN).filter(|it| !it.is_empty() && it.len() <= 64);
    let number_of = origin.is_some().then(|| number(NUMBER)).flatten();
    Sender {
        number: number_of,
        after: number(AFTER).filter(|after| number_of.is_some_and(|it| *after < it)),
        origin: origin.filter(|_| number_of.is_some()),
        schema: text(SCHEMA),
        id: text(MESSAGE_ID).filter(|it| it.len() <= 2048),
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
    let tokens: Vec<&str> = reply.split('.').collect();
    let begin = match (tokens.get(..2)?, tokens.len()) {
        (["$JS", "ACK"], 9) => 4,
        (["$JS", "ACK"], 11..) => 6,
        _ => return None,
    };
    let number = |index: usize| tokens.get(begin + index)?.parse::<u64>().ok();
    Some(Position {
        delivered: u32::try_from(number(0)?).unwrap_or(u32::MAX),
        stream: number(1)?,
        consumer: number(2)?,
        time: number(3)?,
        pending: number(4)?,
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
            let mut headers = Headers::new();
            all.iter()
                .for_each(|(name, value)| headers.push(name, value));
            sender(&headers)
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
