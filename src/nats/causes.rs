//! Causes, on their way to another machine and from there. Without the feature `follow` there are none.

#[cfg(not(feature = "follow"))]
pub(super) use off::{enter, write};
#[cfg(feature = "follow")]
pub(super) use on::{enter, write};

#[cfg(feature = "follow")]
mod on {
    use crate::cause::Cause;
    use crate::core::follow::{Work, cause_and_place};
    use crate::failure::CallSite;
    use crate::follow::step::RemoteCause;
    use crate::nats::headers::Headers;
    use crate::shared::Signal;

    /// `origin/a3-7`, and the line.
    const CAUSE: &str = "Slotcast-Cause";
    /// How long the name of a line may be that somebody has sent.
    const MOST: usize = 256;

    /// Adds what has led to an event that is sent.
    pub(in crate::nats) fn write(headers: &mut Headers, origin: &str) {
        if let Some((cause, place)) = cause_and_place() {
            let place = place.map_or(String::new(), |it| format!(" {}:{}", it.file(), it.line()));
            headers.push(CAUSE, &format!("{origin}/{cause}{place}"));
        }
    }

    /// Has the emission of an event follow from what has led to it on another machine, until what this returns is
    /// dropped.
    pub(in crate::nats) fn enter<E: 'static, C: 'static>(
        signal: &Signal<E, C>,
        headers: &Headers,
        place: CallSite,
    ) -> Option<Work> {
        let info = &signal.core.info;
        if info.config.follower() == 0 {
            return None;
        }
        let remote = headers.get(CAUSE).and_then(parse);
        Work::begin_received(info.config.follower(), info.name(), remote, place)
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
    }
}

#[cfg(not(feature = "follow"))]
mod off {
    use crate::failure::CallSite;
    use crate::nats::headers::Headers;
    use crate::shared::Signal;

    pub(in crate::nats) fn write(_: &mut Headers, _: &str) {}

    pub(in crate::nats) fn enter<E: 'static, C: 'static>(
        _: &Signal<E, C>,
        _: &Headers,
        _: CallSite,
    ) -> Option<std::convert::Infallible> {
        None
    }
}
