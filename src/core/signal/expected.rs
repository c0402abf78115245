//! The handlers of an emission that removes one of them.

use smallvec::SmallVec;

use crate::core::handler::erased::{HandlerRef, rank};
use crate::core::primitives::sync::Lock;
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::signal::{Signal, sequence_limit};

/// With more handlers a list is published nevertheless: it is changed in less time than it takes to collect them.
const FEW: usize = 8;

/// Handlers that are not published.
pub(crate) type FewHandlers<M, C> = SmallVec<[HandlerRef<M, C>; FEW]>;

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// Collects the handlers of an emission that begins now, sorted by rank, if there are few, and none of patterns,
    /// which may be many. Returns its sequence limit, and whether the event will remove one of them, so that a list of
    /// them would be published in vain.
    #[inline]
    pub(crate) fn collect_expecting(
        &self,
        handlers: &mut FewHandlers<M, C>,
    ) -> Option<(u64, bool)> {
        let mut ends = false;
        let sequence_limit = self.state.with(|state| {
            let roster = &state.roster;
            let is_few = roster.len() <= FEW && roster.has_few_slots();
            let is_other = roster.is_closed() || state.retains();
            if !is_few || is_other || state.patterns().next().is_some() {
                return None;
            }
            state.upgrade_all(&mut |handler: HandlerRef<M, C>| {
                ends |= handler.ends_now();
                handlers.push(handler);
            });
            Some(sequence_limit())
        });
        handlers.sort_unstable_by_key(rank);
        Some((sequence_limit?, ends))
    }
}
