//! The error of a wait that ended early.

use std::fmt;
use std::time::Duration;

/// Fewer events were recorded than expected.
///
/// # Examples
///
/// ```
/// use slotcast::testing::Recorder;
/// use slotcast::{Bus, Topic};
/// use std::time::Duration;
///
/// let bus = Bus::new();
/// let recorder = Recorder::new();
/// recorder.watch_pattern(&bus, "order.>");
/// bus.emit(&Topic::new("order.placed"), &7_u64);
/// let missing = recorder.wait_for(2, Duration::ZERO).unwrap_err();
/// assert_eq!(missing.to_string(), "1 of 2 events within 0ns: order.placed");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct Missing {
    pub(super) expected: usize,
    pub(super) topics: Vec<String>,
    pub(super) end: End,
}

/// Why the wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    TimedOut(Duration),
    Closed,
}

/// The maximum number of topics in the message.
const NAMED: usize = 16;

impl Missing {
    /// The number of events that were waited for.
    #[must_use]
    pub fn expected(&self) -> usize {
        self.expected
    }

    /// The number of events recorded and not taken when the wait ended. They can still be taken.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.topics.len()
    }

    /// The topics of the recorded events, in order, one for each event.
    #[must_use]
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// Returns whether the wait ended because nothing more could be recorded: everything watched was
    /// closed, cleared or dropped. Otherwise the time was up.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.end == End::Closed
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (expected, seen) = (self.expected, self.seen());
        let noun = if expected == 1 { "event" } else { "events" };
        write!(f, "{seen} of {expected} {noun}")?;
        match self.end {
            End::TimedOut(limit) => write!(f, " within {limit:?}")?,
            End::Closed => write!(f, ", and what was watched is closed")?,
        }
        if seen > 0 {
            let named = &self.topics[..seen.min(NAMED)];
            write!(f, ": {}", named.join(", "))?;
        }
        match seen.checked_sub(NAMED) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, " and {more} more"),
        }
    }
}
