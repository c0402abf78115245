//! A signal of any payload type, as the registry lists it: by a weak reference.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use crate::core::handler::entry::state;
use crate::core::primitives::flavour::{Local, Shared};
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::signal::Signal;
use crate::topic::any_event::AnyEvent;

/// A topic of any payload type, or a pattern. All methods but `as_any`, `address` and `exists` do nothing
/// if the signal has been dropped.
pub trait AnySignal<M: SignalFlavour, C: 'static> {
    /// Removes the handler with this key and sequence number. Returns whether it was there.
    fn cancel(&self, key: u64, sequence: u64) -> bool;
    fn close(&self);
    fn detach_from_bus(&self);
    fn as_any(&self) -> &dyn Any;
    /// The address of the signal, which identifies it.
    fn address(&self) -> usize;
    /// Returns whether the signal has handles, handlers or waiting events.
    fn exists(&self) -> bool;
    /// Adds a pattern that matches the topic.
    fn attach(&self, pattern: &dyn AnySignal<M, C>);
    /// Removes a pattern, by its address.
    fn detach(&self, pattern: usize);
    /// Marks the published snapshot as stale, because the handlers of a pattern have changed.
    fn invalidate(&self);
    /// Removes the handlers whose target has been dropped.
    fn prune(&self);
}

/// A weak reference to a signal.
pub struct WeakSignal<M: SignalFlavour, E, C: 'static>(pub(crate) M::Weak<Signal<M, E, C>>);

impl<M: SignalFlavour, E: 'static, C: 'static> AnySignal<M, C> for WeakSignal<M, E, C> {
    fn cancel(&self, key: u64, sequence: u64) -> bool {
        M::upgrade(&self.0).is_some_and(|signal| signal.remove(key, sequence, state::CANCELLED))
    }
    fn close(&self) {
        if let Some(signal) = M::upgrade(&self.0) {
            signal.close();
        }
    }
    fn detach_from_bus(&self) {
        if let Some(signal) = M::upgrade(&self.0) {
            signal.detach_from_bus();
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
    fn attach(&self, pattern: &dyn AnySignal<M, C>) {
        let pattern: Option<&WeakSignal<M, AnyEvent, C>> = pattern.as_any().downcast_ref();
        if let (Some(signal), Some(pattern)) = (M::upgrade(&self.0), pattern) {
            signal.attach(pattern.0.clone());
        }
    }
    fn detach(&self, pattern: usize) {
        if let Some(signal) = M::upgrade(&self.0) {
            signal.detach(pattern);
        }
    }
    fn invalidate(&self) {
        if let Some(signal) = M::upgrade(&self.0) {
            signal.invalidate();
        }
    }
    fn prune(&self) {
        if let Some(signal) = M::upgrade(&self.0) {
            signal.prune();
        }
    }
}

/// What the registry needs of a flavour: a pointer to an [`AnySignal`].
pub trait ListFlavour: SignalFlavour {
    /// A pointer to an entry of the registry.
    type AnySignal<C: 'static>: Clone;
    /// Erases the payload type.
    fn list<E: 'static, C: 'static>(signal: WeakSignal<Self, E, C>) -> Self::AnySignal<C>;
    /// Dereferences the pointer.
    fn listed<C: 'static>(listed: &Self::AnySignal<C>) -> &dyn AnySignal<Self, C>;
}

impl ListFlavour for Shared {
    type AnySignal<C: 'static> = Arc<dyn AnySignal<Shared, C> + Send + Sync>;
    fn list<E: 'static, C: 'static>(signal: WeakSignal<Self, E, C>) -> Self::AnySignal<C> {
        Arc::new(signal)
    }
    fn listed<C: 'static>(listed: &Self::AnySignal<C>) -> &dyn AnySignal<Shared, C> {
        &**listed
    }
}

impl ListFlavour for Local {
    type AnySignal<C: 'static> = Rc<dyn AnySignal<Local, C>>;
    fn list<E: 'static, C: 'static>(signal: WeakSignal<Self, E, C>) -> Self::AnySignal<C> {
        Rc::new(signal)
    }
    fn listed<C: 'static>(listed: &Self::AnySignal<C>) -> &dyn AnySignal<Local, C> {
        &**listed
    }
}
