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
    /// Invalidates topics, given by their keys, because the handlers of a pattern have changed. `forget` is called for
    /// each that need not be told of the next change.
    fn invalidate(&self, topics: &[u64], forget: &mut dyn FnMut(u64));
    /// Removes a signal, unless another one has its name by now.
    fn unregister(&self, info: &SignalInfo<M>, address: usize);
}
