//! Whom a signal tells of its changes, if it belongs to a bus. A signal knows no registry.

use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::flavour::Primitives;
use crate::core::reclaim::hazard::ReadFlavour;
use crate::core::settings::signal_info::SignalInfo;

/// What signals need of a flavour: the type of who is told of their changes.
pub trait SignalFlavour: ReadFlavour {
    type Directory<C: 'static>: Directory<Self, C>;
}

/// Where the signals of a bus are listed, as a signal sees it.
pub trait Directory<M: Primitives, C: 'static> {
    /// There is a handler with a target that may die.
    fn expect_weak(&self);
    /// Who hears of events that nobody handles.
    fn unhandled(&self) -> Option<HandlerRef<M, C>>;
    /// Lets the topics that a pattern matches know that it has got a handler.
    fn attach(&self, pattern: &SignalInfo<M>);
    /// Lets the topics that a pattern matches know that it has lost a handler.
    fn invalidate(&self, pattern: &SignalInfo<M>);
    /// Whether a pattern matches the topic at this address.
    fn matches(&self, pattern: &SignalInfo<M>, topic: usize) -> bool;
    /// Forgets a signal, unless another has its place by now.
    fn unregister(&self, info: &SignalInfo<M>, address: usize);
}
