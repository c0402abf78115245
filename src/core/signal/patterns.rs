//! Patterns: the handlers of one, and the topics that take them in.

use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::sync::Lock;
use crate::core::reclaim::hazard::SnapshotState;
use crate::core::signal::directory::{Directory, SignalFlavour};
use crate::core::signal::signal::{PatternSignal, Signal};
use crate::topic::any_event::Kind;

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// Gives a strong reference to each handler.
    pub(crate) fn upgrade_all(&self, give: &mut impl FnMut(HandlerRef<M, C>)) {
        self.state.with(|state| state.upgrade_all(give));
    }

    /// Takes the handlers of a pattern in, if it has not, and what they are in this moment.
    pub(crate) fn attach(&self, pattern: M::Weak<PatternSignal<M, C>>) {
        let old = self.state.with(|state| {
            if state.roster.is_closed() {
                return None;
            }
            let known = |it: &M::Weak<PatternSignal<M, C>>| M::address(it) == M::address(&pattern);
            if !state.patterns().any(known) {
                state.ext().patterns.push(pattern);
            }
            self.published.take(SnapshotState::Stale)
        });
        drop(old);
        self.tell_watchers();
    }

    /// Forgets a pattern, by its address.
    pub(crate) fn detach(&self, pattern: usize) {
        let old = self.state.with(|state| {
            let stays = |it: &M::Weak<PatternSignal<M, C>>| M::address(it).addr() != pattern;
            state.ext().patterns.retain(stays);
            state.trim();
            match state.roster.is_closed() {
                true => None,
                false => self.published.take(state.idle_state(&self.info)),
            }
        });
        drop(old);
        self.tell_watchers();
    }

    /// The handlers of a pattern have changed.
    pub(crate) fn invalidate(&self) {
        let old = self.state.with(|state| match state.roster.is_closed() {
            true => None,
            false => self.published.take(state.idle_state(&self.info)),
        });
        drop(old);
        self.tell_watchers();
    }

    /// Renews all topics that this pattern matches, if it is one. Costs O(topics that match).
    pub(super) fn invalidate_topics(&self) {
        if let Some(registry) = self.pattern_registry() {
            registry.invalidate(&self.info);
        }
    }

    pub(super) fn pattern_registry(&self) -> Option<M::Ptr<M::Directory<C>>> {
        match self.info.topic_info.kind {
            Kind::Pattern => M::upgrade(self.registry.as_ref()?),
            Kind::Topic => None,
        }
    }

    /// Whether the topic at this address has handlers of this pattern.
    pub(crate) fn is_part_of(&self, signal: usize) -> bool {
        self.pattern_registry()
            .is_some_and(|registry| registry.matches(&self.info, signal))
    }
}
