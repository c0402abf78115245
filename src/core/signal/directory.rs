//! Whom a signal tells of its changes, if it belongs to a bus. A signal knows no registry.

use crate::core::handler::entry::Handler;
use crate::core::primitives::flavour::Primitives;
use crate::core::reclaim::hazard::Reads;
use crate::core::settings::signal_info::Home;

/// What signals need of a flavour: the type of who is told of their changes.
pub trait Signals: Reads {
    type Directory<C: 'static>: Directory<Self, C>;
}

/// Where the signals of a bus are listed, as a signal sees it.
pub trait Directory<M: Primitives, C: 'static> {
    /// There is a handler with a target that may die.
    fn expect_weak(&self);
    /// Who hears of events that nobody handles.
    fn unhandled(&self) -> Option<Handler<M, C>>;
    /// Lets the topics that a pattern matches know that it has got a handler.
    fn attach(&self, pattern: &Home<M>);
    /// Lets the topics that a pattern matches know that it has lost a handler.
    fn renew(&self, pattern: &Home<M>);
    /// Whether a pattern matches the topic at this address.
    fn matches(&self, pattern: &Home<M>, topic: usize) -> bool;
    /// Forgets a signal, unless another has its place by now.
    fn sign_off(&self, home: &Home<M>, address: usize);
}
