//! Demand: whether a signal has handlers.

use std::fmt;
use std::panic::Location;

use crate::core::flavour::{Flavour, SyncBound};
use crate::core::primitives::unwind::unwind_safe;
use crate::core::settings::observer::{ObserverRef, observer};
use crate::core::signal::signal::Signal as Core;
use crate::signal::Signal;

#[doc = include_str!("../flavour/demand.md")]
#[must_use = "dropping it takes the callback out at once"]
pub struct Demand<M: Flavour, E, C: 'static = ()> {
    signal: M::Ptr<Core<M, E, C>>,
    observer: ObserverRef<M, bool>,
}

impl<M: Flavour, E: 'static, C: 'static> Signal<M, E, C> {
    /// Calls back when the first handler is added and when the last one is removed, to start and to
    /// stop a source that costs something.
    ///
    /// `true`: there are handlers, of this signal or of a pattern; called at once if there are some
    /// already. `false`: there are none any more. Paused handlers count. The callback runs on the
    /// thread that subscribes or cancels, outside of all locks; never twice at a time, never twice in
    /// a row with the same value, and the last call has the current state. A change that is undone
    /// during a call may be left out. It may subscribe, cancel and emit; a panic in it is a failure
    /// of the signal.
    ///
    /// Costs one more lock for each subscribing and cancelling; emitting pays nothing.
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
    pub fn on_demand<F>(&self, callback: F) -> Demand<M, E, C>
    where
        F: Fn(bool) + 'static,
        M: SyncBound<F>,
    {
        let observer = observer(move |active: &bool| callback(*active), Location::caller());
        self.core.watch(observer.clone());
        Demand {
            signal: self.core.clone(),
            observer,
        }
    }
}

impl<M: Flavour, E, C: 'static> Drop for Demand<M, E, C> {
    fn drop(&mut self) {
        self.signal.unwatch(self.observer.address());
    }
}

impl<M: Flavour, E, C> fmt::Debug for Demand<M, E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Demand")
            .field("topic", &self.signal.info.name().as_str())
            .finish_non_exhaustive()
    }
}

unwind_safe! {
    [M: Flavour, E, C] Demand<M, E, C>;
}
