//! Whether anybody listens.

use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};

use crate::core::mode::{Mode, SyncBound};
use crate::core::settings::observer::{ObserverRef, observer};
use crate::core::signal::signal::Signal as Core;
use crate::signal::Signal;

/// Keeps what [`Signal::on_demand`] set; dropping it takes it out.
///
/// Keeps the signal, too: a source waits for handlers that are yet to come. Dropping it calls
/// nobody, so whoever drops it stops its source itself.
#[must_use = "dropping it takes the callback out at once"]
pub struct Demand<M: Mode, E, C: 'static = ()> {
    signal: M::Ptr<Core<M, E, C>>,
    hook: ObserverRef<M, bool>,
}

impl<M: Mode, E, C> Demand<M, E, C> {
    pub(crate) fn new(signal: M::Ptr<Core<M, E, C>>, hook: ObserverRef<M, bool>) -> Self {
        signal.watch(hook.clone());
        Demand { signal, hook }
    }
}

impl<M: Mode, E: 'static, C: 'static> Signal<M, E, C> {
    /// Calls back when the first handler comes and when the last one goes, to start and to stop a
    /// source that costs something.
    ///
    /// `true`: there are handlers, of this signal or of a pattern; called at once if there are some
    /// already. `false`: there are none any more. Paused ones count. It is called by whoever
    /// subscribes or cancels, on that thread and outside of all locks; never twice at a time, never
    /// twice in a row with the same word, and the last call says how it is. A change that is undone
    /// while a call is under way may be left out. It may subscribe, cancel and emit; a panic in it is
    /// a failure of the signal.
    ///
    /// Costs those who subscribe and cancel one more lock; those who emit nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Signal;
    /// use std::sync::{Arc, atomic::{AtomicBool, Ordering::Relaxed}};
    ///
    /// let moved = Signal::<(i32, i32)>::new();
    /// let tracking = Arc::new(AtomicBool::new(false));
    /// let _demand = moved.on_demand({
    ///     let tracking = tracking.clone();
    ///     move |active| tracking.store(active, Relaxed)
    /// });
    /// let sub = moved.on(|_| ());
    /// assert!(tracking.load(Relaxed));
    /// drop(sub);
    /// assert!(!tracking.load(Relaxed));
    /// ```
    #[track_caller]
    pub fn on_demand<F>(&self, tell: F) -> Demand<M, E, C>
    where
        F: Fn(bool) + 'static,
        M: SyncBound<F>,
    {
        let hook = observer(move |active: &bool| tell(*active), Location::caller());
        Demand::new(self.core.clone(), hook)
    }
}

impl<M: Mode, E, C: 'static> Drop for Demand<M, E, C> {
    fn drop(&mut self) {
        self.signal.unwatch(self.hook.address());
    }
}

impl<M: Mode, E, C> fmt::Debug for Demand<M, E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Demand")
            .field("topic", &self.signal.info.name().as_str())
            .finish_non_exhaustive()
    }
}

// A panic of a handler leaves nothing half done: it is caught before it gets here, whatever the
// handlers capture and the events are.
impl<M: Mode, E, C> UnwindSafe for Demand<M, E, C> {}
impl<M: Mode, E, C> RefUnwindSafe for Demand<M, E, C> {}
