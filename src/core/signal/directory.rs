//! The registry of a bus, as its signals see it.

use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::flavour::Primitives;
use crate::core::reclaim::hazard::ReadFlavour;
use crate::core::settings::signal_info::SignalInfo;

/// The requirements of signals on a flavour.
pub trait SignalFlavour: ReadFlavour {
    type Directory<C: 'static>: Directory<Self, C>;
}

/// The registry that is notified of changes of a signal.
pub trait Directory<M: Primitives, C: 'static> {
    /// Records that there is a handler with a weak target.
    fn expect_weak(&self);
    /// The hook for unhandled events.
    fn unhandled(&self) -> Option<HandlerRef<M, C>>;
    /// Attaches a pattern, which has a new handler, to the topics that it matches.
    fn attach(&self, pattern: &SignalInfo<M>);
    /// Invalidates the topics that a pattern matches, because its handlers have changed.
    fn invalidate(&self, pattern: &SignalInfo<M>);
    /// Removes a signal, unless another one has its name by now.
    fn unregister(&self, info: &SignalInfo<M>, address: usize);
}
