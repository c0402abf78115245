//! The handlers of patterns, and the topics that take them in.

use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::sync::Lock;
use crate::core::signal::directory::{Directory, SignalFlavour};
use crate::core::signal::signal::{PatternSignal, PatternSignals, Signal};
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
                self.info.topic_info.set_matched();
                state.ext().patterns.push(pattern);
            }
            Some(self.unpublish(state))
        });
        drop(old);
        if self.info.topic_info.is_watched() {
            self.read_patterns();
        }
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

    /// Takes the published list out, because the handlers of a pattern, or the hook for unhandled events, have
    /// changed. `forget` is called in the same step if the topic need not be told of the next change: last, because
    /// whoever finds the topic forgotten relies on it.
    pub(crate) fn invalidate(&self, forget: &mut dyn FnMut()) {
        let old = self.state.with(|state| {
            let old = self.unpublish(state);
            if !self.info.topic_info.is_watched() {
                forget();
            }
            old
        });
        drop(old);
        self.notify_watchers();
    }

    /// Tells the topics of a new handler, if this is a pattern. O(n) in the number of topics that match for the first
    /// one.
    pub(super) fn attach_topics(&self) {
        let Some(registry) = self.pattern_registry() else {
            return;
        };
        if self.state.with(|state| state.roster.is_attached) {
            return self.invalidate_topics();
        }
        registry.attach(&self.info);
        // Only now: another thread that adds a handler meanwhile has to see to it, too.
        self.state.with(|state| state.roster.is_attached = true);
    }

    /// Invalidates the topics whose lists may have handlers of this, if it is a pattern. O(n) in the number of these
    /// topics.
    pub(super) fn invalidate_topics(&self) {
        let Some(registry) = self.pattern_registry() else {
            return;
        };
        // They stay noted until they are invalidated: another change finds them, and invalidates them itself.
        let readers: Vec<u64> = self.state.with(|state| {
            let ext = state.ext.iter();
            ext.flat_map(|ext| &ext.readers).copied().collect()
        });
        if !readers.is_empty() {
            registry.invalidate(&readers, &mut |topic| self.forget(topic));
        }
    }

    /// Of a pattern: this topic need not be told of the next change.
    pub(super) fn forget(&self, topic: u64) {
        self.state.with(|state| {
            if let Some(ext) = &mut state.ext {
                ext.readers.remove(&topic);
                if ext.readers.len() < ext.readers.capacity() / 4 {
                    ext.readers.shrink_to_fit();
                }
            }
            state.trim();
        });
    }

    /// Sees to it that the patterns of this topic tell it of their next change.
    pub(super) fn read_patterns(&self) {
        let _patterns = self.state.with(|state| {
            let mut patterns = PatternSignals::<M, C>::new();
            if !state.roster.is_closed() {
                patterns.extend(state.patterns().filter_map(M::upgrade));
            }
            for pattern in &patterns {
                pattern.state.with(|state| {
                    state.ext().readers.insert(self.info.key);
                });
            }
            // To be dropped outside of the lock.
            patterns
        });
    }

    /// The contrary.
    pub(super) fn leave_patterns(&self) {
        let patterns: PatternSignals<M, C> = self
            .state
            .with(|state| state.patterns().filter_map(M::upgrade).collect());
        patterns.iter().for_each(|it| it.forget(self.info.key));
    }

    /// The registry, if this is a pattern.
    #[inline]
    pub(super) fn pattern_registry(&self) -> Option<&M::Ptr<M::Directory<C>>> {
        match self.info.topic_info.kind {
            Kind::Pattern => self.registry.as_ref(),
            Kind::Topic => None,
        }
    }
}
