//! The handlers of patterns, and the topics that take them in.

use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::sync::Lock;
use crate::core::signal::directory::{Directory, SignalFlavour};
use crate::core::signal::signal::{PatternSignal, Signal};
use crate::topic::any_event::Kind;

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// Passes a strong reference to each handler to `give`.
    pub(crate) fn upgrade_all(&self, give: &mut impl FnMut(HandlerRef<M, C>)) {
        self.state.with(|state| state.upgrade_all(give));
    }

    /// Takes in the handlers of a pattern, as they are now and later.
    pub(crate) fn attach(&self, pattern: M::Weak<PatternSignal<M, C>>) {
        let old = self.state.with(|state| {
            if state.roster.is_closed() {
                return None;
            }
            let known = |it: &M::Weak<PatternSignal<M, C>>| M::address(it) == M::address(&pattern);
            if !state.patterns().any(known) {
                state.ext().patterns.push(pattern);
            }
            Some(self.unpublish(state))
        });
        drop(old);
        self.notify_watchers();
    }

    /// Removes a pattern, by its address.
    pub(crate) fn detach(&self, pattern: usize) {
        let old = self.state.with(|state| {
            let stays = |it: &M::Weak<PatternSignal<M, C>>| M::address(it).addr() != pattern;
            state.ext().patterns.retain(stays);
            state.trim();
            self.unpublish(state)
        });
        drop(old);
        self.notify_watchers();
    }

    /// Marks the published snapshot stale, because the handlers of a pattern have changed.
    pub(crate) fn invalidate(&self) {
        let old = self.state.with(|state| self.unpublish(state));
        drop(old);
        self.notify_watchers();
    }

    /// Invalidates all topics that match, if this is a pattern. O(n) in the number of these topics.
    pub(super) fn invalidate_topics(&self) {
        if let Some(registry) = self.pattern_registry() {
            registry.invalidate(&self.info);
        }
    }

    /// The registry, if this is a pattern.
    pub(super) fn pattern_registry(&self) -> Option<&M::Ptr<M::Directory<C>>> {
        match self.info.topic_info.kind {
            Kind::Pattern => self.registry.as_ref(),
            Kind::Topic => None,
        }
    }
}
