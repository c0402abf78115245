//! Whether a bridge has its server.

use std::time::Instant;

/// Whether a bridge has its server. A snapshot; [`Bridge::states`](super::Bridge::states) tells of each change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It has not been connected yet.
    Connecting,
    /// It is connected.
    Connected,
    /// It is connected, and the server takes no event of a stored route at the moment: the stream is full, or JetStream
    /// has not started. The bridge goes on trying, and events wait.
    Holding {
        /// What the server says.
        reason: String,
    },
    /// It was connected, and tries to be again.
    Disconnected {
        /// Since when.
        since: Instant,
        /// What has ended the connection, or what the last try has come to.
        error: String,
    },
    /// It has been stopped.
    Stopped,
}

impl State {
    /// Whether there is a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self, State::Connected | State::Holding { .. })
    }
}
