//! One bus: a registry of topics and a queue, which are closed together.
//!
//! # What it owns
//!
//! The registry and the queue of a bus.
//!
//! # What it guarantees
//!
//! The queue is closed before the registry is, or before the signals are detached.
//!
//! # What it does not know
//!
//! Names, events and handlers.
//!
//! # Decisions
//!
//! **Dropping a bus closes its queue and leaves its signals to their handles.** A `Signal` with a handle
//! stays usable; `defer` through it is refused.

use crate::core::flavour::Flavour;
use crate::core::queue::queue::Queue;
use crate::core::registry::registry::Registry;
use crate::core::settings::bus::{BusConfig, RegistryQuery};
use crate::core::settings::observer::observer;
use crate::failure::CallSite;
use crate::wiring::Wiring;

/// The registry and the queue of a bus.
pub(crate) struct Bus<M: Flavour, C: 'static> {
    pub(crate) registry: M::Ptr<Registry<M, C>>,
    pub(crate) queue: M::Ptr<Queue<M, C>>,
}

impl<M: Flavour, C: 'static> Bus<M, C> {
    pub(crate) fn new(config: BusConfig<M>, location: CallSite) -> Self {
        let queue = M::ptr(Queue::new(config.clone(), location));
        let registry = Registry::new(config);
        let own = M::downgrade(&registry);
        #[cfg(feature = "follow")]
        let own_queue = M::downgrade(&queue);
        let answer = move |query: &RegistryQuery| {
            let Some(registry) = M::upgrade(&own) else {
                return;
            };
            match query {
                RegistryQuery::Matches(query) => query.answer.set(registry.matches(query)),
                #[cfg(feature = "follow")]
                RegistryQuery::LookAgain => registry.look_again(),
                #[cfg(feature = "follow")]
                RegistryQuery::Wiring(wiring) => {
                    if let Some(queue) = M::upgrade(&own_queue) {
                        let waiting = queue.waiting().of(queue.address(), queue.location);
                        *wiring.borrow_mut() = Some(registry.wiring(waiting));
                    }
                }
            }
        };
        registry.config.set_registry(observer(answer, location));
        Bus { registry, queue }
    }

    /// Who listens to what.
    pub(crate) fn wiring(&self) -> Wiring {
        let (queue, waiting) = (&self.queue, self.queue.waiting());
        self.registry
            .wiring(waiting.of(queue.address(), queue.location))
    }

    /// Closes the queue and all signals.
    pub(crate) fn close(&self) {
        // The queue first: the drop of a handler's captures cannot defer any more.
        self.queue.close();
        self.registry.close();
    }
}

impl<M: Flavour, C: 'static> Drop for Bus<M, C> {
    fn drop(&mut self) {
        self.queue.close();
        self.registry.detach_from_bus();
    }
}
