//! Pauses of all handlers of a signal.
//!
//! They are counted in what the handlers share; a flag in the state of each makes it look there. A flag
//! too many costs a check; so it is set after a pause was counted, and taken away, under the same lock,
//! when there is none.

use crate::core::handler::entry::state;
use crate::core::primitives::sync::{Lock, Word};
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::signal::Signal;

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// Begins a pause of all handlers. It ends where it is counted. O(handlers).
    pub(crate) fn pause(&self) {
        // Before it is one: whoever is skipped because of it sees this.
        #[cfg(feature = "nats")]
        self.info.begun_pauses.add(1);
        // Before the handlers are held: one that is subscribed meanwhile looks here.
        self.info.pauses.add(1);
        self.hold();
    }

    /// Tells all handlers to look for a pause of the signal or the bus.
    pub(crate) fn hold(&self) {
        self.state.with(|state| {
            let entries = state.roster.iter();
            entries.for_each(|entry| _ = entry.head().state.or(state::HELD));
        });
    }

    /// Tells all handlers not to look any more, unless there is a pause.
    pub(crate) fn unhold(&self) {
        self.state.with(|state| {
            if self.info.is_paused() {
                return;
            }
            let held = state.roster.iter().filter(|it| it.head().has(state::HELD));
            // Set and taken away under the lock, so it is there once.
            held.for_each(|entry| _ = entry.head().state.sub(state::HELD));
        });
    }
}
