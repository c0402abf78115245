//! What a drain collects while it runs: the number of events, and the failures.

use crate::core::failure::report::{self, Report};
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Word;
use crate::core::settings::signal_info::SignalInfo;
use crate::failure::CallSite;

/// The totals of a running drain, and what it needs to deliver an event.
pub struct DrainReport<'q, M: Primitives> {
    pub(crate) delivered: usize,
    pub(super) report: Option<Box<Report>>,
    /// The queue's own, for failures that belong to no signal.
    pub(crate) info: &'q SignalInfo<M>,
    /// Where the queue was created.
    pub(crate) location: CallSite,
    /// The queue's counter of events that are left to deliver.
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

    /// Takes one event off the number that is left; returns whether there was one. `clear` inside
    /// of a handler sets that number to zero, and so ends the drain.
    #[inline]
    pub(crate) fn take_one(&self) -> bool {
        // The only writers are this thread's drain and what it calls, so a load and a store will
        // do. Acquire and Release: they pair with those of other threads that read how many are
        // left.
        let left = self.left.get();
        if left > 0 {
            self.left.set(left - 1);
        }
        left > 0
    }

    /// Adds failures.
    pub(crate) fn report(&mut self, later: Option<Box<Report>>) {
        report::join(&mut self.report, later);
    }
}
