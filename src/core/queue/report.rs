//! What a drain collects, while it goes on.

use crate::core::failure::report::{self, Report};
use crate::core::primitives::flavour::Primitives as Mode;
use crate::core::primitives::sync::Word;
use crate::core::settings::signal_info::Home;
use crate::failure::Place;

/// What a drain collects.
pub struct Tray<'q, M: Mode> {
    pub(crate) delivered: usize,
    pub(super) report: Option<Box<Report>>,
    /// Where failures go that no signal is to blame for.
    pub(crate) home: &'q Home<M>,
    /// Where the queue was made.
    pub(crate) place: Place,
    left: &'q M::Word,
}

impl<'q, M: Mode> Tray<'q, M> {
    pub(super) fn new(home: &'q Home<M>, place: Place, left: &'q M::Word) -> Self {
        Tray {
            delivered: 0,
            report: None,
            home,
            place,
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
