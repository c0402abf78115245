//! How many events a signal has accepted that wait in queues.

use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Word;

/// The number of accepted events, or of runs of them, and two flags.
pub(super) struct AcceptedCount<M: Primitives>(M::Word);

/// The signal is closed: it accepts no more events.
const CLOSED: usize = 1;
/// The last accepted event ends what the signal keeps for such events.
const LINGERS: usize = 2;
/// One accepted event.
const ONE: usize = 4;

impl<M: Primitives> AcceptedCount<M> {
    pub(super) fn new() -> Self {
        AcceptedCount(M::Word::new(0))
    }

    /// Refuses events from now on. Returns whether accepted ones wait.
    pub(super) fn close(&self) -> bool {
        self.0.or(CLOSED | LINGERS) >= ONE
    }

    /// Returns whether accepted events wait, and if so, has the last one end what is kept for them.
    pub(super) fn linger(&self) -> bool {
        self.0.or(LINGERS) >= ONE
    }

    /// Counts an event, or a run of them. `None` if the signal is closed.
    pub(super) fn accept(&self) -> Option<()> {
        let more = |count: usize| (count & CLOSED == 0).then_some(count + ONE);
        self.0.update(more).map(|_| ())
    }

    /// Counts one more event of those that were accepted.
    pub(super) fn add(&self) {
        self.0.add(ONE);
    }

    /// Counts an event as delivered or dropped. Returns whether what is kept for such events ends with it.
    #[inline]
    pub(super) fn settle(&self) -> bool {
        let before = self.0.sub(ONE);
        before < 2 * ONE && before & LINGERS != 0
    }
}
