//! What a subscription is known by.

use std::fmt;

/// The id of one subscription, unique in the process: [`Bus::cancel`](crate::Bus) takes it.
///
/// `Copy` and small; ordered by the time of subscribing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId {
    /// Unique in the process, so equality and order depend on this field alone.
    pub(crate) sequence: u64,
    pub(crate) key: u64,
    /// The topic's key in its bus; 0 without a bus.
    pub(crate) topic: u64,
}

impl fmt::Debug for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubscriptionId({})", self.sequence)
    }
}
