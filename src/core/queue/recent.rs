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
    /// Records how many events there are.
    #[inline]
    pub(super) fn note(&mut self, events: usize) {
        self.most = self.most.max(events);
    }

    /// Records that a drain has ended. Once in a while returns for how many events room is to be kept.
    #[inline]
    pub(super) fn end(&mut self) -> Option<usize> {
        self.drains += 1;
        if self.drains < DRAINS {
            return None;
        }
        let most = std::mem::take(self).most;
        Some(most.saturating_mul(TIMES).max(FEW))
    }
}
