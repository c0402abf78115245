//! How an event has come from another machine, and what bridges have received of a topic.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cause::Cause;

/// How an event has come that a [bridge](crate::nats) has received: from which bridge, how long ago, and what waits
/// behind it. Of a step, [`Step::received`](crate::Step::received).
///
/// All of it is what the message says: a sender that does not tell the truth is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    pub(crate) origin: Option<String>,
    pub(crate) bridge: Option<String>,
    pub(crate) number: Option<u64>,
    /// Nanoseconds. Less than 0 if the clock there is ahead.
    pub(crate) lag: Option<i64>,
    pub(crate) is_stored: bool,
    pub(crate) pending: u64,
    pub(crate) cause: Option<RemoteCause>,
}

impl Received {
    /// What identifies the bridge that has sent it: 32 digits in base 16, which are others after each start. `None` if
    /// another program has.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The [name](crate::nats::BridgeBuilder::name) of that bridge. `None` if it has none, or its bus is not followed.
    #[must_use]
    pub fn bridge(&self) -> Option<&str> {
        self.bridge.as_deref()
    }

    /// Its number among the events of its topic that this bridge has sent, from 0.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.number
    }

    /// How old it was when its handling began here: the time since it was stored, by the clock of the server, and of an
    /// event that is [not stored](Self::is_stored) the time since it was emitted, by the clock of the sender.
    ///
    /// It is measured by two clocks, and is wrong by as much as they differ. Zero if the other one is
    /// [`ahead`](Self::ahead). `None` for an event that is not stored, and was emitted on a bus that is not followed.
    #[must_use]
    pub fn lag(&self) -> Option<Duration> {
        self.lag
            .map(|it| Duration::from_nanos(it.try_into().unwrap_or(0)))
    }

    /// By how much the other clock is ahead of the one here, at least. `None` if the event does not show that it is.
    #[must_use]
    pub fn ahead(&self) -> Option<Duration> {
        let lag = self.lag.filter(|it| *it < 0)?;
        Some(Duration::from_nanos(lag.unsigned_abs()))
    }

    /// Whether it was in a stream, so that its [`lag`](Self::lag) is the time since it was stored there. What it has
    /// waited in the outbox of its sender is not in that.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.is_stored
    }

    /// How many events waited behind it when its turn came: those that had arrived here on its route, and of a stream
    /// also those that the server had not sent yet when it sent the newest of these. Those of a reader or a group, of all
    /// of its topics.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.pending
    }

    /// What has led to it there. `None` if its bus is not followed.
    #[must_use]
    pub fn cause(&self) -> Option<&RemoteCause> {
        self.cause.as_ref()
    }
}

/// What has led to a piece of work on another machine, or in another process: that has sent the event.
///
/// `Display` writes `origin/a3-7`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCause {
    pub(crate) origin: String,
    pub(crate) cause: Cause,
    pub(crate) place: String,
}

impl RemoteCause {
    /// What identifies the bridge that has sent the event.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The number of the emission there.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// The line that has emitted it there, as text. Empty if that is not known.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }
}

impl fmt::Display for RemoteCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.origin, self.cause)
    }
}

/// What bridges have received of one topic: how far behind it is handled. See
/// [`TopicReport::received`](crate::TopicReport::received).
#[derive(Debug, Clone)]
pub struct ReceivedReport {
    pub(crate) count: u64,
    pub(crate) handling: u64,
    /// Nanoseconds since the following began.
    pub(crate) at: u64,
    pub(crate) last: Arc<Received>,
}

impl ReceivedReport {
    /// How many events: one that is tried again counts each time.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many of them are being handled at this moment.
    #[must_use]
    pub fn handling(&self) -> u64 {
        self.handling
    }

    /// The last of them, whose [`lag`](Received::lag) and [`pending`](Received::pending) are those of the topic at that
    /// time.
    #[must_use]
    pub fn last(&self) -> &Received {
        &self.last
    }

    /// When its handling began, from the beginning of the following.
    #[must_use]
    pub fn at(&self) -> Duration {
        Duration::from_nanos(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_ahead_is_no_lag() {
        let of = |lag| {
            let received = Received {
                lag,
                ..Received::default()
            };
            (received.lag(), received.ahead())
        };
        let nanos = Duration::from_nanos;
        assert_eq!(of(None), (None, None));
        assert_eq!(of(Some(7)), (Some(nanos(7)), None));
        assert_eq!(of(Some(0)), (Some(nanos(0)), None));
        assert_eq!(of(Some(-7)), (Some(nanos(0)), Some(nanos(7))));
        assert_eq!(of(Some(i64::MIN)), (Some(nanos(0)), Some(nanos(1 << 63))));
    }
}
