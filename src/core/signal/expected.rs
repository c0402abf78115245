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
    /// Collects the handlers of an emission that begins now, sorted by rank, if they are few and the event will remove
    /// one of them: a list of them would be published in vain. Returns its sequence limit, and the patterns, to be
    /// dropped outside of any lock.
    #[inline]
    pub(crate) fn collect_expecting(
        &self,
        handlers: &mut FewHandlers<M, C>,
    ) -> Option<(u64, PatternSignals<M, C>)> {
        let mut ends = false;
        let collected = self.state.with(|state| {
            if state.roster.is_closed() || state.roster.len() > FEW || state.retains() {
                return None;
            }
            let mut give = |handler: HandlerRef<M, C>| {
                ends |= handler.ends_now();
                handlers.push(handler);
            };
            let patterns = state.collect_handlers(None, None, &mut give);
            Some((sequence_limit(), patterns))
        });
        if !ends {
            self.info.topic_info.set_expects(false);
            handlers.clear();
            return None;
        }
        handlers.sort_unstable_by_key(rank);
        collected
    }
}
