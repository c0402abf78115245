//! Tells whoever feeds a signal whether anybody listens.

use crate::core::primitives::sync::Lock;
use crate::core::reclaim::counted::Anchor;
use crate::core::settings::failure_source::guarded;
use crate::core::settings::observer::Hook;
use crate::core::signal::directory::Signals as Mode;
use crate::core::signal::signal::{Groups, Signal};

impl<M: Mode, E, C: 'static> Signal<M, E, C> {
    /// Adds somebody who wants to know whether there are handlers, and says it if there are.
    pub(crate) fn watch(&self, hook: Hook<M, bool>) {
        self.writer.with(|writer| {
            self.home.subject.set_watched();
            writer.more().watchers.add(hook);
        });
        self.tell_watchers();
    }

    /// Forgets one of them, by its address. A call that is under way goes on.
    pub(crate) fn unwatch(&self, hook: usize) {
        let gone = self.writer.with(|writer| {
            let gone = writer.more().watchers.remove(hook);
            writer.trim();
            gone
        });
        gone.as_ref().into_iter().for_each(Anchor::release);
    }

    /// Tells those who want to know of a change, one call at a time for each of them.
    pub(super) fn tell_watchers(&self) {
        while self.home.subject.is_watched() {
            let (next, _groups) = self.writer.with(|writer| {
                let groups: Groups<M, C> = writer.groups().filter_map(M::upgrade).collect();
                let active =
                    !writer.roster.is_empty() || groups.iter().any(|group| group.len() > 0);
                let more = writer.more.as_mut();
                let next = more.and_then(|more| Some((more.watchers.next(active)?, active)));
                (next, groups)
            });
            let Some((hook, active)) = next else { return };
            if let Some(hold) = hook.hold() {
                let call = || hold.observe(&active);
                guarded(Some(&*self.home), None, hook.place(), call);
            }
            self.writer.with(|writer| {
                let more = writer.more.as_mut();
                more.into_iter()
                    .for_each(|more| more.watchers.told(hook.address()));
            });
        }
    }
}
