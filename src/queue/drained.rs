//! The result of a drain.

use std::fmt;

use crate::core::queue::active_drain::DrainSummary;
use crate::failure::{HandlerError, HandlerErrors};
use crate::signal::emission::{errors, into_result};

/// The result of a drain: what became of the events that it took, how many remain, and the failures.
///
/// It may be ignored. Failures that were neither reported to a hook nor looked at are logged when
/// it is dropped.
pub struct Drained(pub(crate) DrainSummary);

impl Drained {
    /// Adds the result of a later drain of the same queue.
    pub(crate) fn append(&mut self, later: Drained) {
        self.0.count(&later.0);
        self.0.remaining = later.0.remaining;
        self.0.refused |= later.0.refused;
        self.0.busy |= later.0.busy;
        self.0.report(later.0.report);
    }

    /// Returns whether another one would deliver no more: it was nested too deep, or another thread
    /// was draining.
    pub(crate) fn is_stuck(&self) -> bool {
        self.0.refused || self.0.busy
    }

    /// The number of events that were delivered: for which a handler was called, also one that failed.
    ///
    /// Every event that the drain has taken out of the queue is delivered,
    /// [`unhandled`](Self::unhandled), [`given_up`](Self::given_up), [`skipped`](Self::skipped) or in
    /// [`errors`](Self::errors).
    #[must_use]
    pub fn delivered(&self) -> usize {
        self.0.delivered
    }

    /// The number of events that were dropped because no live handler was there for them.
    ///
    /// The hook for unhandled events is told of each. An event that was accepted by a signal that has
    /// been closed since is told even where there is no such hook (a bus that is closed has none): all of
    /// them together are one failure of the drain, of the kind
    /// [`Undelivered`](crate::FailureKind::Undelivered), with their number. For a signal that is open it
    /// is no failure to have no handlers.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{FailureKind, Queue, Signal};
    ///
    /// let (order, queue) = (Signal::<u32>::new(), Queue::new());
    /// queue.defer(&order, 1)?;
    /// assert_eq!(queue.drain().unhandled(), 1);
    /// queue.defer(&order, 2)?;
    /// order.close();
    /// let drained = queue.drain();
    /// assert_eq!((drained.delivered(), drained.unhandled()), (0, 1));
    /// assert_eq!(drained.errors()[0].kind(), FailureKind::Undelivered);
    /// # Ok::<(), slotcast::DeferError<u32>>(())
    /// ```
    #[must_use]
    pub fn unhandled(&self) -> usize {
        self.0.unhandled
    }

    /// The number of calls of [`on_queue`](crate::flavour::Subscribe::on_queue) that were dropped because
    /// their owner gave them up: the handler was cancelled, in whatever way, after the emission and before
    /// the delivery.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Signal};
    ///
    /// let (order, queue) = (Signal::<u32>::new(), Queue::new());
    /// let sub = order.subscribe().on_queue(&queue, |(), _| ());
    /// order.emit(&1);
    /// drop(sub);
    /// let drained = queue.drain();
    /// assert_eq!((drained.delivered(), drained.given_up()), (0, 1));
    /// ```
    #[must_use]
    pub fn given_up(&self) -> usize {
        self.0.given_up
    }

    /// The number of events for which no handler was called although there was one: all were paused, or
    /// their filters did not let the event pass.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.0.skipped
    }

    /// The number of events that were taken out of the queue.
    pub(crate) fn taken(&self) -> usize {
        self.0.taken
    }

    /// The number of events left in the queue when the drain ended, without delayed ones.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.0.remaining
    }

    /// Returns whether another thread was draining, so that
    /// [`try_drain`](crate::flavour::Queue::try_drain), or any drain inside of a drain, delivered
    /// nothing. That is no failure.
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
            .field("unhandled", &self.unhandled())
            .field("given_up", &self.given_up())
            .field("skipped", &self.skipped())
            .field("remaining", &self.remaining())
            .field("errors", &errors)
            .finish()
    }
}
