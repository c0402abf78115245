//! What a drain is given, what it collects while it runs, and its result.

use crate::core::failure::report::{self, Report};
use crate::core::primitives::clock::Instant;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Word;
use crate::core::settings::signal_info::SignalInfo;
use crate::failure::CallSite;
use crate::policy::Panics;

/// How far a drain goes.
#[derive(Clone, Copy)]
pub(crate) struct DrainOptions {
    /// The maximum number of events.
    pub(crate) most: usize,
    /// No event but the first is begun after this time.
    pub(crate) until: Option<Instant>,
    /// The time that decides which delayed events are due, in place of the clock.
    pub(crate) now: Option<Instant>,
    /// Whether to wait for the turn if another thread has it.
    pub(crate) waits: bool,
}

impl DrainOptions {
    /// No limits.
    pub(crate) const ALL: DrainOptions = DrainOptions {
        most: usize::MAX,
        until: None,
        now: None,
        waits: true,
    };

    pub(crate) fn at_most(most: usize) -> Self {
        DrainOptions {
            most,
            ..DrainOptions::ALL
        }
    }

    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.most == 0 || self.until.is_some_and(has_passed)
    }
}

#[inline(never)]
fn has_passed(until: Instant) -> bool {
    Instant::now() >= until
}

/// The result of a drain.
#[derive(Default)]
pub(crate) struct DrainSummary {
    /// Events for which a handler was called.
    pub(crate) delivered: usize,
    /// Events for which there was no handler.
    pub(crate) unhandled: usize,
    /// Those of a closed signal, of which no hook was told.
    pub(super) untold: usize,
    /// Calls that their owner gave up.
    pub(crate) given_up: usize,
    /// Events whose handlers were paused, or did not let them pass.
    pub(crate) skipped: usize,
    /// Events taken out of the queue.
    pub(crate) taken: usize,
    pub(crate) remaining: usize,
    /// Another thread had the turn.
    pub(crate) busy: bool,
    /// It was nested too deep.
    pub(crate) refused: bool,
    pub(crate) report: Option<Box<Report>>,
}

impl DrainSummary {
    /// Adds the counts of a later drain of the same queue.
    pub(crate) fn count(&mut self, later: &DrainSummary) {
        self.delivered += later.delivered;
        self.unhandled += later.unhandled;
        self.given_up += later.given_up;
        self.skipped += later.skipped;
        self.taken += later.taken;
    }

    /// Adds failures.
    pub(crate) fn report(&mut self, later: Option<Box<Report>>) {
        report::join(&mut self.report, later);
    }
}

/// A running drain: what it needs to deliver an event, and what it has collected.
pub struct ActiveDrain<'d, M: Primitives, C> {
    pub(crate) context: &'d mut C,
    pub(super) options: DrainOptions,
    pub(super) summary: DrainSummary,
    /// The queue's own, for failures that belong to no signal.
    pub(super) info: &'d SignalInfo<M>,
    /// Where the queue was created.
    pub(super) location: CallSite,
    /// The queue's counter of events that are left to deliver.
    pub(super) left: &'d M::Word,
    /// The queue's counter of calls in it that were taken back.
    pub(super) holes: &'d M::Word,
}

impl<M: Primitives, C> ActiveDrain<'_, M, C> {
    /// Takes one event off the number that is left, if that is as `expected`, which is not zero; returns
    /// whether it did. `clear` inside of a handler sets that number to zero, and a drain inside of one
    /// takes its own events off it.
    #[inline]
    pub(super) fn take_one(&self, expected: usize) -> bool {
        // The only writers are this thread's drain and what it calls, so a load and a store will
        // do. Acquire and Release: they pair with those of other threads that read how many are
        // left.
        let left = self.left.get();
        let takes = left == expected;
        if takes {
            self.left.set(left - 1);
        }
        takes
    }

    /// Accounts for a call that was taken back: it does not count as an event.
    pub(super) fn pass_hole(&mut self) {
        self.holes.sub(1);
        self.options.most = self.options.most.saturating_add(1);
    }

    /// Adds the failures of one delivery. Its panic is dropped if panics are to be contained.
    pub(super) fn report(&mut self, mut failures: Box<Report>, panics: Panics) {
        #[cfg(feature = "follow")]
        if failures.is_empty() {
            // It has the number of a followed emission alone.
            return report::recycle(failures);
        }
        failures.contain(panics);
        self.summary.report(Some(failures));
    }
}
