//! The observers of whether a signal has handlers.

use crate::core::primitives::flavour::Primitives;
use crate::core::settings::observer::ObserverRef;

/// One observer.
struct Watcher<M: Primitives> {
    hook: ObserverRef<M, bool>,
    /// The value that it was notified of last.
    notified: bool,
    /// A call is running. The thread that makes it checks again afterwards.
    calling: bool,
}

/// The observers of one signal. Changed under its lock; calls none of them.
pub(crate) struct Watchers<M: Primitives>(Vec<Watcher<M>>);

impl<M: Primitives> Watchers<M> {
    pub(crate) fn new() -> Self {
        Watchers(Vec::new())
    }

    pub(crate) fn add(&mut self, hook: ObserverRef<M, bool>) {
        self.0.push(Watcher {
            hook,
            notified: false,
            calling: false,
        });
    }

    /// Removes and returns an observer, by its address.
    pub(crate) fn remove(&mut self, hook: usize) -> Option<ObserverRef<M, bool>> {
        let at = self.0.iter().position(|it| it.hook.address() == hook)?;
        Some(self.0.remove(at).hook)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next observer to call with this value, if there is one. Marks it as being called.
    pub(crate) fn next(&mut self, active: bool) -> Option<ObserverRef<M, bool>> {
        let is_due = |it: &&mut Watcher<M>| !it.calling && it.notified != active;
        let next = self.0.iter_mut().find(is_due)?;
        (next.calling, next.notified) = (true, active);
        Some(next.hook.clone())
    }

    /// Records that the call has ended.
    pub(crate) fn end_call(&mut self, hook: usize) {
        let it = self.0.iter_mut().find(|it| it.hook.address() == hook);
        it.into_iter().for_each(|it| it.calling = false);
    }
}
