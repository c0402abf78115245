//! A signal of any type, as a registry lists it: weakly.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use crate::core::handler::entry::state;
use crate::core::primitives::flavour::{Local, Shared};
use crate::core::signal::directory::Signals;
use crate::core::signal::signal::Signal;
use crate::topic::any_event::AnyEvent;

/// A topic, whatever its type, or a pattern.
pub trait Listed<M: Signals, C: 'static> {
    /// Removes the handler with this key and sequence number.
    fn cancel(&self, key: u64, sequence: u64) -> bool;
    fn close(&self);
    fn unlist(&self);
    fn as_any(&self) -> &dyn Any;
    /// Where the signal stands.
    fn address(&self) -> usize;
    /// It has handles, handlers or waiting events.
    fn exists(&self) -> bool;
    /// Takes the handlers of a pattern in.
    fn attach(&self, group: &dyn Listed<M, C>);
    /// Forgets a pattern, by its address.
    fn detach(&self, group: usize);
    /// The handlers of a pattern have changed.
    fn renew(&self);
    /// Removes the handlers whose target has died.
    fn prune(&self);
}

/// A signal that the registry does not keep.
pub struct WeakSignal<M: Signals, E, C: 'static>(pub(crate) M::Weak<Signal<M, E, C>>);

impl<M: Signals, E: 'static, C: 'static> Listed<M, C> for WeakSignal<M, E, C> {
    fn cancel(&self, key: u64, sequence: u64) -> bool {
        M::upgrade(&self.0).is_some_and(|signal| signal.remove(key, sequence, state::CANCELLED))
    }
    fn close(&self) {
        if let Some(signal) = M::upgrade(&self.0) {
            signal.close();
        }
    }
    fn unlist(&self) {
        if let Some(signal) = M::upgrade(&self.0) {
            signal.unlist();
        }
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn address(&self) -> usize {
        M::address(&self.0).addr()
    }
    fn exists(&self) -> bool {
        M::exists(&self.0)
    }
    fn attach(&self, group: &dyn Listed<M, C>) {
        let group: Option<&WeakSignal<M, AnyEvent, C>> = group.as_any().downcast_ref();
        if let (Some(signal), Some(group)) = (M::upgrade(&self.0), group) {
            signal.attach(group.0.clone());
        }
    }
    fn detach(&self, group: usize) {
        if let Some(signal) = M::upgrade(&self.0) {
            signal.detach(group);
        }
    }
    fn renew(&self) {
        if let Some(signal) = M::upgrade(&self.0) {
            signal.renew();
        }
    }
    fn prune(&self) {
        if let Some(signal) = M::upgrade(&self.0) {
            signal.prune();
        }
    }
}

/// What a registry needs of a flavour: a pointer to what is listed.
pub trait Lists: Signals {
    /// A topic in a registry.
    type Listed<C: 'static>: Clone;
    fn list<E: 'static, C: 'static>(signal: WeakSignal<Self, E, C>) -> Self::Listed<C>;
    /// What is listed.
    fn listed<C: 'static>(listed: &Self::Listed<C>) -> &dyn Listed<Self, C>;
}

impl Lists for Shared {
    type Listed<C: 'static> = Arc<dyn Listed<Shared, C> + Send + Sync>;
    fn list<E: 'static, C: 'static>(signal: WeakSignal<Self, E, C>) -> Self::Listed<C> {
        Arc::new(signal)
    }
    fn listed<C: 'static>(listed: &Self::Listed<C>) -> &dyn Listed<Shared, C> {
        &**listed
    }
}

impl Lists for Local {
    type Listed<C: 'static> = Rc<dyn Listed<Local, C>>;
    fn list<E: 'static, C: 'static>(signal: WeakSignal<Self, E, C>) -> Self::Listed<C> {
        Rc::new(signal)
    }
    fn listed<C: 'static>(listed: &Self::Listed<C>) -> &dyn Listed<Local, C> {
        &**listed
    }
}
