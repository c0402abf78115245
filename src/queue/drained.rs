//! The result of a drain.

use std::fmt;

use crate::core::queue::active_drain::DrainSummary;
use crate::failure::{FailureKind, HandlerError, HandlerErrors};
use crate::signal::emission::{errors, into_result};

/// The result of a drain: how many events it delivered, how many remain, and the failures.
///
/// It may be ignored. Failures that were neither reported to a hook nor looked at are logged when
/// it is dropped.
pub struct Drained(pub(super) DrainSummary);

impl Drained {
    /// Adds the result of a later drain of the same queue.
    pub(crate) fn append(&mut self, later: Drained) {
        self.0.delivered += later.0.delivered;
        self.0.remaining = later.0.remaining;
        self.0.report(later.0.report);
    }

    /// Returns whether it was refused as a drain inside a drain.
    pub(crate) fn refused(&self) -> bool {
        let is_refusal = |error: &HandlerError| error.kind() == FailureKind::NestedDrain;
        let report = self.0.report.as_ref();
        report.is_some_and(|report| report.errors.iter().any(is_refusal))
    }

    /// The number of events delivered: calls that had been cancelled or paused do not count, events
    /// without a handler do.
    #[must_use]
    pub fn delivered(&self) -> usize {
        self.0.delivered
    }

    /// The number of events left in the queue when the drain ended, without delayed ones.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.0.remaining
    }

    /// Returns whether another thread was draining, so that
    /// [`try_drain`](crate::flavour::Queue::try_drain) delivered nothing. That is no failure.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.0.busy
    }

    /// The failures, in the order they happened. Calling this keeps them out of the log.
    #[must_use]
    pub fn errors(&self) -> &[HandlerError] {
        errors(self.0.report.as_deref())
    }

    /// Returns the result itself if nothing failed.
    ///
    /// # Errors
    ///
    /// All failures, as one error.
    pub fn into_result(self) -> Result<Self, HandlerErrors> {
        into_result(self, |drained| &mut drained.0.report)
    }
}

impl fmt::Debug for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.0.report.as_ref().map_or(0, |it| it.errors.len());
        f.debug_struct("Drained")
            .field("delivered", &self.delivered())
            .field("remaining", &self.remaining())
            .field("errors", &errors)
            .finish()
    }
}
