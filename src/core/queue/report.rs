//! What a drain collects, while it goes on.

use crate::core::failure::report::{self, Report};
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Word;
use crate::core::settings::signal_info::SignalInfo;
use crate::failure::CallSite;

/// What a drain collects.
pub struct DrainReport<'q, M: Primitives> {
    pub(crate) delivered: usize,
    pub(super) report: Option<Box<Report>>,
    /// Where failures go that no signal is to blame for.
    pub(crate) info: &'q SignalInfo<M>,
    /// Where the queue was made.
    pub(crate) location: CallSite,
    left: &'q M::Word,
}

impl<'q, M: Primitives> DrainReport<'q, M> {
    pub(super) fn new(info: &'q SignalInfo<M>, location: CallSite, left: &'q M::Word) -> Self {
        DrainReport {
            delivered: 0,
            report: None,
            info,
            location,
            left,
        }
    }

    /// Whether there is another event to deliver; counts it as taken.
    #[inline]
    pub(crate) fn leave(&self) -> bool {
        let left = self.left.get();
        if left > 0 {
            self.left.set(left - 1);
        }
        left > 0
    }

    pub(crate) fn report(&mut self, later: Option<Box<Report>>) {
        report::join(&mut self.report, later);
    }
}
