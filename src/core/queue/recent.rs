//! How much room was needed lately.
//!
//! # Decision
//!
//! **Room is looked at every 21 drains**, and whatever is empty then and has more than four times the room that the
//! most events of these drains took is let go. So a queue whose load changes by less than that, or that has few
//! events, allocates nothing. An odd number, because inbox and outbox change places with each drain, and one of them
//! may never be empty at its end: a burst keeps its room for three times as many at most.

const DRAINS: u32 = 21;
/// Room for so many times the events is kept.
const TIMES: usize = 4;
/// Room for so many events is kept in any case.
const FEW: usize = 256;

/// The most events that waited for one of the last drains.
#[derive(Default)]
pub(super) struct RecentUse {
    drains: u32,
    most: usize,
}

impl RecentUse {
    /// Counts a drain.
    #[inline]
    pub(super) fn count(&mut self) {
        self.drains += 1;
    }

    /// Records how many events there are.
    #[inline]
    pub(super) fn note(&mut self, events: usize) {
        self.most = self.most.max(events);
    }

    /// Whether the end of this drain is the one at which room is looked at.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.drains >= DRAINS
    }

    /// At the end of a drain: once in a while returns for how many events room is to be kept.
    #[inline]
    pub(super) fn end(&mut self) -> Option<usize> {
        if !self.is_due() {
            return None;
        }
        let most = std::mem::take(self).most;
        Some(most.saturating_mul(TIMES).max(FEW))
    }
}
