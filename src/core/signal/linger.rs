//! What a signal keeps for events that it accepted before it was closed, or before its bus was dropped.

use crate::core::handler::entry::WeakRef;
use crate::core::handler::erased::{DynHandler, HandlerRef};
use crate::core::primitives::sync::Lock;
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::signal::{Accepted, PatternSignals, Signal, SignalState, sequence_limit};

impl<M: SignalFlavour, E, C: 'static> SignalState<M, E, C> {
    /// Keeps the patterns for the events that the signal has accepted. What is returned is to be dropped
    /// outside of the lock.
    pub(super) fn keep_patterns(&mut self) -> PatternSignals<M, C> {
        let patterns: PatternSignals<M, C> = self.patterns().filter_map(M::upgrade).collect();
        if !patterns.is_empty() {
            // Added to what is there, so that nothing is dropped under the lock.
            self.ext()
                .kept
                .extend(patterns.iter().filter_map(Accepted::new));
        }
        patterns
    }
}

impl<M: SignalFlavour, E: 'static, C: 'static> Signal<M, E, C> {
    /// Collects the handlers for an event that was accepted before the signal was closed, and returns the
    /// sequence limit. The returned patterns are to be dropped outside of any lock.
    pub(crate) fn collect_late(
        &self,
        unhandled: Option<&HandlerRef<M, C>>,
        give: &mut impl FnMut(HandlerRef<M, C>),
    ) -> (u64, PatternSignals<M, C>) {
        self.state.with(|state| {
            let patterns = state.collect_handlers(unhandled, None, give);
            (sequence_limit(), patterns)
        })
    }

    /// Returns whether there is a live handler, of the signal or of a pattern, for an accepted event.
    pub(crate) fn has_receivers(&self) -> bool {
        let (own, patterns) = self.state.with(|state| {
            let patterns: PatternSignals<M, C> = state.patterns().filter_map(M::upgrade).collect();
            (state.has_live(), patterns)
        });
        own || patterns
            .iter()
            .any(|it| it.state.with(|state| state.has_live()))
    }

    /// Drops what was kept for accepted events, because the last of them is gone.
    #[cold]
    pub(super) fn end_lingering(&self) {
        let (entries, kept) = self.state.with(|state| {
            let kept = match state.ext.as_mut() {
                Some(ext) => std::mem::take(&mut ext.kept),
                None => Vec::new(),
            };
            if !state.roster.is_closed() {
                return (Vec::new(), kept);
            }
            if let Some(ext) = state.ext.as_mut() {
                ext.patterns = Vec::new();
            }
            state.trim();
            (state.roster.drain(), kept)
        });
        entries
            .iter()
            .for_each(WeakRef::<M, dyn DynHandler<M, C>>::retire);
        // May be the last events of a pattern.
        drop(kept);
    }
}
