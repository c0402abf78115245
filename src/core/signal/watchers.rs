//! Those who want to know whether a signal has handlers.

use crate::core::primitives::flavour::Primitives;
use crate::core::settings::observer::ObserverRef;

/// One who wants to know.
struct Watcher<M: Primitives> {
    hook: ObserverRef<M, bool>,
    /// What it was told last.
    told: bool,
    /// A call is under way. Whoever makes it looks again afterwards.
    telling: bool,
}

/// Those who want to know, of one signal. Changed under its lock; calls nobody.
pub(crate) struct Watchers<M: Primitives>(Vec<Watcher<M>>);

impl<M: Primitives> Watchers<M> {
    pub(crate) fn new() -> Self {
        Watchers(Vec::new())
    }

    pub(crate) fn add(&mut self, hook: ObserverRef<M, bool>) {
        self.0.push(Watcher {
            hook,
            told: false,
            telling: false,
        });
    }

    /// Takes one out, by its address.
    pub(crate) fn remove(&mut self, hook: usize) -> Option<ObserverRef<M, bool>> {
        let at = self.0.iter().position(|it| it.hook.address() == hook)?;
        Some(self.0.remove(at).hook)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next one to be told, if there is one: its turn begins.
    pub(crate) fn next(&mut self, active: bool) -> Option<ObserverRef<M, bool>> {
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
