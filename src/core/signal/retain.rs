//! What keeps the last events of a signal, as the signal sees it.

use crate::core::handler::entry::Header;
use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::flavour::Primitives;
use crate::core::reclaim::counted::Allocation;
use crate::core::settings::signal_info::SignalInfo;

/// What a signal keeps.
pub(crate) trait Retain<M: Primitives, E, C>: Allocation<M, Header = Header<M>> {
    /// Keeps a clone of the event if `collect_handlers` says that the emission takes place.
    fn keep(&self, event: &E, info: &SignalInfo<M>, collect_handlers: &mut dyn FnMut() -> bool);
    /// Inserts a handler and calls it with what is kept, the oldest first.
    fn hand_over(&self, info: &SignalInfo<M>, insert: &mut dyn FnMut() -> Option<HandlerRef<M, C>>);
    /// Keeps so many from now on.
    fn resize(&self, most: usize, info: &SignalInfo<M>);
}
