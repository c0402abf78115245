//! Tells whoever feeds a signal whether anybody listens.

use crate::core::failure::pending as faults;
use crate::core::handler::entry::Anchor;
use crate::core::mode::Mode;
use crate::core::primitives::sync::Lock;
use crate::core::registry::registry::Groups;
use crate::core::settings::signal_info::Hook;
use crate::core::signal::signal::Signal;

/// One who wants to know.
struct Watcher<M: Mode> {
    hook: Hook<M, bool>,
    /// What it was told last.
    told: bool,
    /// A call is under way. Whoever makes it looks again afterwards.
    telling: bool,
}

/// Those who want to know, of one signal. Changed under its lock; calls nobody.
pub(crate) struct Watchers<M: Mode>(Vec<Watcher<M>>);

impl<M: Mode> Watchers<M> {
    pub(crate) fn new() -> Self {
        Watchers(Vec::new())
    }

    pub(crate) fn add(&mut self, hook: Hook<M, bool>) {
        self.0.push(Watcher {
            hook,
            told: false,
            telling: false,
        });
    }

    /// Takes one out, by its address.
    pub(crate) fn remove(&mut self, hook: usize) -> Option<Hook<M, bool>> {
        let at = self.0.iter().position(|it| it.hook.address() == hook)?;
        Some(self.0.remove(at).hook)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next one to be told, if there is one: its turn begins.
    pub(crate) fn next(&mut self, active: bool) -> Option<Hook<M, bool>> {
        let untold = |it: &&mut Watcher<M>| !it.telling && it.told != active;
        let next = self.0.iter_mut().find(untold)?;
        (next.telling, next.told) = (true, active);
        Some(next.hook.clone())
    }

    /// Its turn is over.
    pub(crate) fn told(&mut self, hook: usize) {
        let it = self.0.iter_mut().find(|it| it.hook.address() == hook);
        it.into_iter().for_each(|it| it.telling = false);
    }
}

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
    pub(crate) fn tell_watchers(&self) {
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
                // SAFETY: `hold` is one.
                let call = || _ = unsafe { hold.entry().deliver(&active, &mut ()) };
                faults::guarded(Some(&*self.home), None, hook.head().place, call);
            }
            self.writer.with(|writer| {
                let more = writer.more.as_mut();
                more.into_iter()
                    .for_each(|more| more.watchers.told(hook.address()));
            });
        }
    }
}
