//! What waits to be sent.

pub(super) struct Outgoing;
