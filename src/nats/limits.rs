//! The streams that a bridge makes.

use std::time::Duration;

/// The limits of the streams that a bridge makes where they are missing. They keep their events in files, and drop the
/// oldest where a limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    pub(super) bytes: u64,
    pub(super) events: Option<u64>,
    pub(super) age: Option<Duration>,
    pub(super) duplicates: Duration,
    pub(super) refuse: bool,
}

impl StreamLimits {
    /// At most this many bytes, and two minutes of remembered duplicates.
    #[must_use]
    pub const fn bytes(bytes: u64) -> Self {
        StreamLimits {
            bytes,
            events: None,
            age: None,
            duplicates: Duration::from_secs(120),
            refuse: false,
        }
    }

    /// And at most this many events.
    #[must_use]
    pub const fn events(mut self, events: u64) -> Self {
        self.events = Some(events);
        self
    }

    /// And no events older than this.
    #[must_use]
    pub const fn age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }

    /// Refuses new events where a limit is reached, instead of dropping the oldest: they wait at whoever sends them.
    #[must_use]
    pub const fn refuse_new(mut self) -> Self {
        self.refuse = true;
        self
    }

    /// How long the server remembers what it has stored, so as to store it once: two minutes, unless this is called. A
    /// bridge that cannot reach the server for longer may have an event stored twice, which readers drop all the same.
    ///
    /// A server that was started again reads all events of this window before it stores the next one: some three
    /// seconds for a million of them.
    #[must_use]
    pub const fn duplicates(mut self, window: Duration) -> Self {
        self.duplicates = window;
        self
    }
}
