//! The result of an emission.

use std::fmt;

use crate::core::emission::summary::{EmissionSummary, PackedCounts};
use crate::core::failure::report::Report;
#[cfg(feature = "follow")]
use crate::core::failure::report::recycle;
use crate::failure::{HandlerError, HandlerErrors};
use crate::policy::Panics;

/// The result of an emission: how many handlers ran, whether one stopped it, and what failed.
///
/// It may be ignored. Failures that were neither reported to a hook nor read are logged when it is
/// dropped, one line each on standard error or, with the feature `tracing`, an event. 16 bytes;
/// without failures nothing on the heap.
///
/// # Examples
///
/// ```
/// use slotcast::Signal;
///
/// let saved = Signal::<u64>::new();
/// let _a = saved.on(|_| ());
/// let _b = saved.on(|_| Err::<(), _>("disk full"));
/// let done = saved.emit(&512);
/// assert_eq!((done.ran(), done.errors().len()), (2, 1));
/// ```
pub struct Emission {
    counts: PackedCounts,
    report: Option<Box<Report>>,
}

impl Emission {
    /// Creates the result. With [`Panics::Resume`], the first panic resumes instead, if there was one.
    #[inline]
    pub(crate) fn finish(summary: EmissionSummary, panics: impl FnOnce() -> Panics) -> Self {
        let EmissionSummary { counts, report } = summary;
        let report = report.map(|report| report.resume(panics()));
        Emission { counts, report }
    }

    /// The number of handlers that were entered, including failing ones.
    #[must_use]
    pub fn ran(&self) -> usize {
        self.counts.ran() as usize
    }

    /// Whether a handler returned [`Flow::Stop`](crate::Flow::Stop), so that no further handler ran.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.counts.stopped()
    }

    /// Whether the emission found the signal closed: at its begin, so that nothing ran, or before its
    /// next handler. `false` if the last handler closes it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.counts.closed()
    }

    /// The number of this emission, if its bus is [followed](crate::flavour::Bus::follow).
    #[cfg(feature = "follow")]
    #[must_use]
    pub fn cause(&self) -> Option<crate::cause::Cause> {
        self.report.as_ref()?.cause
    }

    /// The failures, in the order they happened. Those that were read are not logged.
    #[must_use]
    pub fn errors(&self) -> &[HandlerError] {
        errors(self.report.as_deref())
    }

    /// What failed first, if anything did. Unlike [`errors`](Self::errors) it leaves the failures to be logged.
    #[cfg(feature = "nats")]
    pub(crate) fn first_failure(&self) -> Option<String> {
        let report = self.report.as_ref()?;
        report.errors.first().map(ToString::to_string)
    }

    /// Returns the emission itself if nothing failed.
    ///
    /// # Errors
    ///
    /// All failures, as one error.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Signal;
    ///
    /// let saved = Signal::<u64>::new();
    /// let _sub = saved.on(|_| Err::<(), _>("disk full"));
    /// let error = saved.emit(&512).into_result().unwrap_err();
    /// assert!(error.to_string().ends_with("failed: disk full"));
    /// ```
    pub fn into_result(self) -> Result<Self, HandlerErrors> {
        into_result(self, |emission| &mut emission.report)
    }
}

#[cfg(feature = "follow")]
impl Drop for Emission {
    #[inline]
    fn drop(&mut self) {
        if let Some(report) = self.report.take() {
            recycle(report);
        }
    }
}

/// The failures of a report; marks it as read.
pub(crate) fn errors(report: Option<&Report>) -> &[HandlerError] {
    report.map_or(&[], |report| {
        report.seen.set();
        &report.errors
    })
}

/// Returns `whole`, unless its report has failures.
pub(crate) fn into_result<T>(
    mut whole: T,
    report: fn(&mut T) -> &mut Option<Box<Report>>,
) -> Result<T, HandlerErrors> {
    match report(&mut whole) {
        Some(report) if !report.errors.is_empty() => {
            Err(HandlerErrors(std::mem::take(&mut report.errors)))
        }
        _ => Ok(whole),
    }
}

impl fmt::Debug for Emission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emission")
            .field("ran", &self.counts.ran())
            .field("stopped", &self.counts.stopped())
            .field("is_closed", &self.counts.closed())
            .field(
                "errors",
                &self.report.as_ref().map_or(0, |report| report.errors.len()),
            )
            .finish()
    }
}
