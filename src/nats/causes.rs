//! Causes, on their way to another machine and from there, and when that was. Without the feature `follow` there are
//! none.

use crate::nats::incoming::Arrived;

#[cfg(not(feature = "follow"))]
pub(super) use off::{enter, write};
#[cfg(feature = "follow")]
pub(super) use on::{enter, write};

/// How old an event is, and what is behind it.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "follow"), expect(dead_code, reason = "nobody looks"))]
pub(super) struct Age {
    /// When it was stored, or 0.
    stored: u64,
    pending: u64,
}

impl Age {
    pub(super) fn of(event: &Arrived) -> Self {
        Age {
            stored: event.time,
            pending: event.pending,
        }
    }
}

#[cfg(feature = "follow")]
mod on {
    use std::time::{SystemTime, UNIX_EPOCH};

    use crate::cause::Cause;
    use crate::core::follow::{Work, cause_and_place};
    use crate::failure::CallSite;
    use crate::follow::received::{Received, RemoteCause};
    use crate::nats::causes::Age;
    use crate::nats::headers::{Headers, is_value};
    use crate::nats::hub::Hub;
    use crate::nats::wire;
    use crate::shared::Signal;

    /// `origin/a3-7`, and the line.
    const CAUSE: &str = "Slotcast-Cause";
    /// When it was emitted, in nanoseconds since 1970, and the name of the bridge.
    const SENT: &str = "Slotcast-Sent";
    /// How long the name of a line may be that somebody has sent, and that of a bridge.
    const MOST: usize = 256;
    const MOST_OF_NAME: usize = 64;

    /// Adds what has led to an event that is sent, and when that was.
    pub(in crate::nats) fn write(headers: &mut Headers, hub: &Hub) {
        if let Some((cause, place)) = cause_and_place() {
            let place = place.map_or(String::new(), |it| format!(" {}:{}", it.file(), it.line()));
            headers.push(CAUSE, &format!("{}/{cause}{place}", hub.origin));
            let name = hub.name.as_deref().filter(|it| is_value(it));
            let name = name.map_or(String::new(), |it| format!(" {it}"));
            headers.push(SENT, &format!("{}{name}", now()));
        }
    }

    /// Has the emission of an event follow from what has led to it on another machine, until what this returns is
    /// dropped.
    pub(in crate::nats) fn enter<E: 'static, C: 'static>(
        signal: &Signal<E, C>,
        headers: &Headers,
        age: Age,
        place: CallSite,
    ) -> Option<Work> {
        let info = &signal.core.info;
        let follower = info.config.follower();
        if follower == 0 {
            return None;
        }
        let received = read(headers, age, now());
        Work::begin_received(follower, info.name(), received, place)
    }

    /// Nanoseconds since 1970. 0 before.
    fn now() -> i128 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |it| it.as_nanos() as i128)
    }

    /// What is known of an event that is handled now. Anybody may have sent it.
    fn read(headers: &Headers, age: Age, now: i128) -> Received {
        let sender = wire::sender(headers);
        let (sent, bridge) = headers.get(SENT).and_then(parse_sent).unzip();
        let is_stored = age.stored > 0;
        let since = if is_stored { Some(age.stored) } else { sent };
        // The clocks are those of different machines, and a sender says what it likes.
        let lag = |since| {
            let lag = (now - i128::from(since)).clamp(i64::MIN.into(), i64::MAX.into());
            i64::try_from(lag).unwrap_or(0)
        };
        Received {
            origin: sender.origin,
            bridge: bridge.flatten(),
            number: sender.number,
            lag: since.map(lag),
            is_stored,
            pending: age.pending,
            cause: headers.get(CAUSE).and_then(parse),
        }
    }

    fn parse(text: &str) -> Option<RemoteCause> {
        let (origin, rest) = text
            .split_once('/')
            .filter(|(it, _)| !it.is_empty() && it.len() <= 64)?;
        let (cause, place) = rest.split_once(' ').unwrap_or((rest, ""));
        let cause: Cause = cause.parse().ok()?;
        let place = place.chars().take(MOST).collect();
        Some(RemoteCause {
            origin: origin.to_owned(),
            cause,
            place,
        })
    }

    fn parse_sent(text: &str) -> Option<(u64, Option<String>)> {
        let (sent, name) = text.split_once(' ').unwrap_or((text, ""));
        let is_plain = sent.bytes().all(|it| it.is_ascii_digit());
        let sent = sent.parse().ok().filter(|_| is_plain)?;
        let name: String = name.chars().take(MOST_OF_NAME).collect();
        Some((sent, Some(name).filter(|it| !it.is_empty())))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn causes_are_read_and_nonsense_is_none() {
            let read = parse("abc/a3-7 src/checkout.rs:41").expect("a cause");
            assert_eq!(
                (read.to_string(), read.place()),
                ("abc/a3-7".to_owned(), "src/checkout.rs:41")
            );
            assert_eq!(parse("abc/a3-7").map(|it| it.place), Some(String::new()));
            for bad in ["", "a3-7", "/a3-7", "abc/", "abc/a3 x", "abc/0-0"] {
                assert_eq!(parse(bad), None, "{bad}");
            }
        }

        fn received(sent: &str, stored: u64) -> Received {
            let mut headers = Headers::new();
            headers.push(SENT, sent);
            headers.push("Slotcast-Origin", "abc");
            headers.push("Slotcast-Seq", "7");
            let pending = 3;
            read(&headers, Age { stored, pending }, 1_000)
        }

        #[test]
        fn what_is_stored_is_as_old_as_the_server_says_and_the_rest_as_the_sender_does() {
            let core = received("400 shop 1", 0);
            assert_eq!((core.lag, core.is_stored), (Some(600), false));
            assert_eq!(core.bridge(), Some("shop 1"));
            assert_eq!((core.origin(), core.number()), (Some("abc"), Some(7)));
            let stored = received("400 shop 1", 900);
            assert_eq!((stored.lag, stored.is_stored), (Some(100), true));
            assert_eq!((stored.bridge(), stored.pending()), (Some("shop 1"), 3));
        }

        #[test]
        fn times_and_names_of_somebody_who_lies_harm_nobody() {
            for bad in [
                "",
                " ",
                "x",
                "-1",
                "+1",
                "1.5",
                "1e3",
                "18446744073709551616",
            ] {
                let read = received(bad, 0);
                assert_eq!((read.lag, read.bridge()), (None, None), "{bad:?}");
            }
            assert_eq!(received("0", 0).lag, Some(1_000));
            assert_eq!(received("1400", 0).lag, Some(-400));
            let last = u64::MAX.to_string();
            assert_eq!(received(&last, 0).lag, Some(i64::MIN));
            assert_eq!(received("1", u64::MAX).lag, Some(i64::MIN));
            let long = received(&format!("1 {}", "é".repeat(1_000)), 0);
            assert_eq!(long.bridge(), Some(&*"é".repeat(64)));
            assert_eq!(received("1 ", 0).bridge(), None);
        }

        #[test]
        fn messages_of_other_programs_say_nothing() {
            let nothing = Age {
                stored: 0,
                pending: 0,
            };
            assert_eq!(read(&Headers::new(), nothing, 1_000), Received::default());
        }
    }
}

#[cfg(not(feature = "follow"))]
mod off {
    use crate::failure::CallSite;
    use crate::nats::causes::Age;
    use crate::nats::headers::Headers;
    use crate::nats::hub::Hub;
    use crate::shared::Signal;

    pub(in crate::nats) fn write(_: &mut Headers, _: &Hub) {}

    pub(in crate::nats) fn enter<E: 'static, C: 'static>(
        _: &Signal<E, C>,
        _: &Headers,
        _: Age,
        _: CallSite,
    ) -> Option<std::convert::Infallible> {
        None
    }
}
