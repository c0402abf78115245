//! A signal of any payload type, as the registry lists it: by a weak reference.

use std::any::Any;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use crate::core::handler::entry::state;
use crate::core::primitives::flavour::{Local, Shared};
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::signal::Signal;
use crate::core::signal::wiring::SignalReading;
use crate::topic::any_event::AnyEvent;

/// A topic of any payload type, or a pattern. All methods but `as_any`, `address` and `exists` do nothing
/// if the signal has been dropped.
pub trait AnySignal {
    /// Removes the handler with this key and sequence number. Returns whether it was there.
    fn cancel(&self, key: u64, sequence: u64) -> bool;
    fn close(&self);
    fn detach_from_bus(&self);
    fn as_any(&self) -> &dyn Any;
    /// The address of the signal, which identifies it.
    fn address(&self) -> usize;
    /// Returns whether the signal has handles, handlers or waiting events.
    fn exists(&self) -> bool;
    /// Adds a pattern that matches the topic: its [`WeakSignal`]. Returns whether the topic exists.
    fn attach(&self, pattern: &dyn Any) -> bool;
    /// Removes a pattern, by its address.
    fn detach(&self, pattern: usize);
    /// Takes the published list out, because the handlers of a pattern have changed. `forget` is called if the topic
    /// need not be told of the next change. Returns whether the topic exists.
    fn invalidate(&self, forget: &mut dyn FnMut()) -> bool;
    /// Removes the handlers whose target has been dropped.
    fn prune(&self);
    /// Tells all handlers that the bus is paused.
    fn hold(&self);
    /// Describes its handlers, and those of the patterns that are not known. `None` if the signal has been dropped.
    fn read(&self, is_known: &dyn Fn(usize) -> bool) -> Option<SignalReading>;
}

/// A pointer to a signal of any payload type.
pub trait ListedFlavour: SignalFlavour {
    type AnySignal: Deref<Target: AnySignal> + Clone;
    /// Erases the payload type.
    fn list<E: 'static, C: 'static>(signal: WeakSignal<Self, E, C>) -> Self::AnySignal;
}

impl ListedFlavour for Shared {
    type AnySignal = Arc<dyn AnySignal + Send + Sync>;
    fn list<E: 'static, C: 'static>(signal: WeakSignal<Shared, E, C>) -> Self::AnySignal {
        Arc::new(signal)
    }
}

impl ListedFlavour for Local {
    type AnySignal = Rc<dyn AnySignal>;
    fn list<E: 'static, C: 'static>(signal: WeakSignal<Local, E, C>) -> Self::AnySignal {
        Rc::new(signal)
    }
}

/// A weak reference to a signal.
pub struct WeakSignal<M: SignalFlavour, E, C: 'static>(pub(crate) M::Weak<Signal<M, E, C>>);

impl<M: SignalFlavour, E: 'static, C: 'static> WeakSignal<M, E, C> {
    fn if_exists(&self, f: impl FnOnce(&Signal<M, E, C>)) {
        if let Some(signal) = M::upgrade(&self.0) {
            f(&signal);
        }
    }
}

impl<M: SignalFlavour, E: 'static, C: 'static> AnySignal for WeakSignal<M, E, C> {
    fn cancel(&self, key: u64, sequence: u64) -> bool {
        M::upgrade(&self.0).is_some_and(|signal| signal.remove(key, sequence, state::CANCELLED))
    }
    fn close(&self) {
        self.if_exists(Signal::close);
    }
    fn detach_from_bus(&self) {
        self.if_exists(Signal::detach_from_bus);
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
    fn attach(&self, pattern: &dyn Any) -> bool {
        let signal = M::upgrade(&self.0);
        let pattern = pattern.downcast_ref::<WeakSignal<M, AnyEvent, C>>();
        if let (Some(signal), Some(WeakSignal(pattern))) = (&signal, pattern) {
            signal.attach(pattern.clone());
        }
        signal.is_some()
    }
    fn detach(&self, pattern: usize) {
        self.if_exists(|signal| signal.detach(pattern));
    }
    fn invalidate(&self, forget: &mut dyn FnMut()) -> bool {
        let signal = M::upgrade(&self.0);
        match &signal {
            Some(signal) => signal.invalidate(forget),
            None => forget(),
        }
        signal.is_some()
    }
    fn prune(&self) {
        self.if_exists(Signal::prune);
    }
    fn hold(&self) {
        self.if_exists(Signal::hold);
    }
    fn read(&self, is_known: &dyn Fn(usize) -> bool) -> Option<SignalReading> {
        M::upgrade(&self.0).map(|signal| signal.read(is_known))
    }
}
