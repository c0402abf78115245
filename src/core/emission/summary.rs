//! The result of an emission, before it is reported.

use crate::core::failure::report::{self, Report};
use crate::core::handler::entry::CallResult;

/// How many handlers ran and how the emission ended, in one word, so that it is returned with the report in
/// two registers. Returned in memory it cost more than an emission to one handler.
#[derive(Clone, Copy)]
pub(crate) struct PackedCounts(pub(super) u64);

impl PackedCounts {
    pub(super) const STOPPED: u64 = 1 << 32;
    pub(super) const CLOSED: u64 = 1 << 33;
    /// Each of the handlers had a dead target.
    pub(super) const ORPHANED: u64 = 1 << 34;

    /// The counts of an emission that was made in parts.
    pub(super) fn of(ran: usize, stopped: bool, closed: bool) -> Self {
        let stopped = if stopped { Self::STOPPED } else { 0 };
        let closed = if closed { Self::CLOSED } else { 0 };
        PackedCounts(ran as u64 | stopped | closed)
    }

    pub(crate) fn ran(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
        let ran = self.0 as u32;
        ran
    }

    pub(crate) fn stopped(self) -> bool {
        self.0 & Self::STOPPED != 0
    }

    pub(crate) fn closed(self) -> bool {
        self.0 & Self::CLOSED != 0
    }

    pub(crate) fn orphaned(self) -> bool {
        self.0 & Self::ORPHANED != 0
    }

    /// Adds the result of a call that was counted when it began.
    pub(crate) fn note(&mut self, code: CallResult) {
        if code == CallResult::Stopped {
            self.0 |= Self::STOPPED;
        }
    }

    fn add(&mut self, later: PackedCounts) {
        self.0 = (self.0 + u64::from(later.ran())) | (later.0 & (Self::STOPPED | Self::CLOSED));
    }
}

/// The result of an emission.
pub(crate) struct EmissionSummary {
    pub(crate) counts: PackedCounts,
    pub(crate) report: Option<Box<Report>>,
}

impl EmissionSummary {
    pub(crate) const NOTHING: EmissionSummary = EmissionSummary {
        counts: PackedCounts(0),
        report: None,
    };
    pub(crate) const CLOSED: EmissionSummary = EmissionSummary {
        counts: PackedCounts(PackedCounts::CLOSED),
        report: None,
    };

    /// Whether anything has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.report
            .as_ref()
            .is_some_and(|report| !report.is_empty())
    }

    /// Adds what the emission did later.
    pub(crate) fn add(&mut self, later: EmissionSummary) {
        self.counts.add(later.counts);
        report::join(&mut self.report, later.report);
    }
}
