//! The handlers of an emission that removes one of them.

use smallvec::SmallVec;

use crate::core::handler::erased::{HandlerRef, rank};
use crate::core::primitives::sync::Lock;
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::signal::{PatternSignals, Signal, sequence_limit};

/// With more handlers a list is published nevertheless: it is changed in less time than it takes to collect them.
const FEW: usize = 8;

/// Handlers that are not published.
pub(crate) type FewHandlers<M, C> = SmallVec<[HandlerRef<M, C>; FEW]>;

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// Collects the handlers of an emission that begins now, sorted by rank, if they are few. Returns its sequence
    /// limit, whether the event will remove one of them, so that a list of them would be published in vain, and the
    /// patterns, to be dropped outside of any lock.
    #[inline]
    pub(crate) fn collect_expecting(
        &self,
        handlers: &mut FewHandlers<M, C>,
    ) -> Option<(u64, bool, PatternSignals<M, C>)> {
        let mut ends = false;
        let (sequence_limit, patterns) = self.state.with(|state| {
            let patterns: PatternSignals<M, C> = state.patterns().filter_map(M::upgrade).collect();
            let of_patterns = patterns
                .iter()
                .map(|it| it.state.with(|it| it.roster.len()));
            let roster = &state.roster;
            let is_few = roster.has_few_slots() && roster.len() + of_patterns.sum::<usize>() <= FEW;
            if roster.is_closed() || !is_few || state.retains() {
                return (None, patterns);
            }
            let mut give = |handler: HandlerRef<M, C>| {
                ends |= handler.ends_now();
                handlers.push(handler);
            };
            let _same = state.collect_handlers(None, None, &mut give);
            (Some(sequence_limit()), patterns)
        });
        handlers.sort_unstable_by_key(rank);
        Some((sequence_limit?, ends, patterns))
    }
}
