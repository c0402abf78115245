//! Notifies observers of whether a signal has handlers.

use crate::core::primitives::sync::Lock;
use crate::core::reclaim::counted::WeakRef;
use crate::core::settings::failure_source::guarded;
use crate::core::settings::observer::ObserverRef;
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::signal::{PatternSignals, Signal};

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// Adds an observer of whether there are handlers, and notifies it if there are some.
    pub(crate) fn watch(&self, hook: ObserverRef<M, bool>) {
        self.state.with(|state| {
            self.info.topic_info.set_watched();
            state.ext().watchers.add(hook);
        });
        self.read_patterns();
        self.notify_watchers();
    }

    /// Removes an observer, by its address. A running call of it continues.
    pub(crate) fn unwatch(&self, hook: usize) {
        let removed = self.state.with(|state| {
            let removed = state.ext().watchers.remove(hook);
            state.trim();
            removed
        });
        removed.as_ref().into_iter().for_each(WeakRef::release);
    }

    /// Notifies the observers of a change, with one call at a time for each of them.
    #[inline]
    pub(super) fn notify_watchers(&self) {
        if self.info.topic_info.is_watched() {
            self.notify_each();
        }
    }

    #[cold]
    fn notify_each(&self) {
        while self.info.topic_info.is_watched() {
            let (next, _patterns) = self.state.with(|state| {
                let patterns: PatternSignals<M, C> =
                    state.patterns().filter_map(M::upgrade).collect();
                let own = !state.roster.is_empty();
                let active = !state.roster.is_closed()
                    && (own || patterns.iter().any(|pattern| pattern.len() > 0));
                let ext = state.ext.as_mut();
                let next = ext.and_then(|ext| Some((ext.watchers.next(active)?, active)));
                (next, patterns)
            });
            let Some((hook, active)) = next else { return };
            if let Some(strong) = hook.upgrade() {
                let call = || strong.observe(&active);
                guarded(Some(&*self.info), None, hook.head().location, call);
            }
            self.state.with(|state| {
                let ext = state.ext.as_mut();
                ext.into_iter()
                    .for_each(|ext| ext.watchers.end_call(hook.address()));
            });
        }
    }
}
