//! What retains the events of a signal, as the signal sees it.

use crate::core::handler::entry::Header;
use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::flavour::Primitives;
use crate::core::reclaim::counted::Allocation;
use crate::core::settings::signal_info::SignalInfo;

/// Retains the last events of a signal.
pub(crate) trait Retain<M: Primitives, E, C>: Allocation<M, Header = Header<M>> {
    /// Retains a clone of the event if `collect_handlers` returns that the emission takes place.
    fn keep(&self, event: &E, info: &SignalInfo<M>, collect_handlers: &mut dyn FnMut() -> bool);
    /// Inserts a handler and calls it with the retained events, the oldest first.
    fn hand_over(&self, info: &SignalInfo<M>, insert: &mut dyn FnMut() -> Option<HandlerRef<M, C>>);
    /// Sets the number of events to retain.
    fn resize(&self, most: usize, info: &SignalInfo<M>);
}
