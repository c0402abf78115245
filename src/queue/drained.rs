//! The result of a drain.

use std::fmt;

use crate::core::failure::report::{self, Report};
use crate::core::queue::drain::DrainSummary;
use crate::failure::{HandlerError, HandlerErrors};
use crate::signal::emission::{errors, into_result};

/// The result of a drain: how many events it delivered, how many remain, and the failures.
///
/// It may be ignored. Failures that were neither reported to a hook nor looked at are logged when
/// it is dropped.
pub struct Drained {
    pub(crate) delivered: usize,
    pub(crate) remaining: usize,
    /// Another thread was draining.
    pub(crate) busy: bool,
    pub(crate) report: Option<Box<Report>>,
}

impl Drained {
    pub(crate) const NOTHING: Drained = Drained {
        delivered: 0,
        remaining: 0,
        busy: false,
        report: None,
    };

    pub(crate) fn new(summary: DrainSummary) -> Self {
        let DrainSummary {
            delivered,
            remaining,
            busy,
            report,
        } = summary;
        Drained {
            delivered,
            remaining,
            busy,
            report,
        }
    }

    /// Adds the result of a later drain of the same queue.
    pub(crate) fn append(&mut self, later: Drained) {
        self.delivered += later.delivered;
        self.remaining = later.remaining;
        report::join(&mut self.report, later.report);
    }

    /// Returns whether it was refused as a drain inside a drain.
    pub(crate) fn refused(&self) -> bool {
        let errors = self
            .report
            .as_ref()
            .map_or(&[][..], |report| &report.errors);
        errors
            .iter()
            .any(|error| error.kind() == crate::FailureKind::NestedDrain)
    }

    /// The number of events delivered: calls that had been cancelled or paused do not count, events
    /// without a handler do.
    #[must_use]
    pub fn delivered(&self) -> usize {
        self.delivered
    }

    /// The number of events left in the queue when the drain ended, without delayed ones.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.remaining
    }

    /// Returns whether another thread was draining, so that
    /// [`try_drain`](crate::flavour::Queue::try_drain) delivered nothing. That is no failure.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// The failures, in the order they happened. Calling this keeps them out of the log.
    #[must_use]
    pub fn errors(&self) -> &[HandlerError] {
        errors(self.report.as_deref())
    }

    /// Returns the result itself if nothing failed.
    ///
    /// # Errors
    ///
    /// All failures, as one error.
    pub fn into_result(self) -> Result<Self, HandlerErrors> {
        into_result(self, |drained| &mut drained.report)
    }
}

impl fmt::Debug for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drained")
            .field("delivered", &self.delivered)
            .field("remaining", &self.remaining)
            .field(
                "errors",
                &self.report.as_ref().map_or(0, |report| report.errors.len()),
            )
            .finish()
    }
}
