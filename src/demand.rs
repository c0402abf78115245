//! Whether anybody listens.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::core::home::Hook;
use crate::core::mode::Mode;
use crate::core::signal::Signal;

/// Keeps what [`Signal::on_demand`](crate::flavour::Signal::on_demand) set; dropping it takes it out.
///
/// Keeps the signal, too: a source waits for handlers that are yet to come. Dropping it calls
/// nobody, so whoever drops it stops its source itself.
#[must_use = "dropping it takes the callback out at once"]
pub struct Demand<M: Mode, E, C: 'static = ()> {
    signal: M::Ptr<Signal<M, E, C>>,
    hook: Hook<M, bool>,
}

impl<M: Mode, E, C> Demand<M, E, C> {
    pub(crate) fn new(signal: M::Ptr<Signal<M, E, C>>, hook: Hook<M, bool>) -> Self {
        signal.watch(hook.clone());
        Demand { signal, hook }
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
            .field("topic", &self.signal.home.name().as_str())
            .finish_non_exhaustive()
    }
}

// A panic of a handler leaves nothing half done: it is caught before it gets here, whatever the
// handlers capture and the events are.
impl<M: Mode, E, C> UnwindSafe for Demand<M, E, C> {}
impl<M: Mode, E, C> RefUnwindSafe for Demand<M, E, C> {}
