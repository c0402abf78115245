//! One bus: a registry of topics and a queue, and their common end.

use crate::core::mode::Mode;
use crate::core::queue::queue::Queue;
use crate::core::registry::registry::Registry;
use crate::core::settings::bus::BusConfig;
use crate::failure::CallSite;

pub(crate) struct Bus<M: Mode, C: 'static> {
    pub(crate) registry: M::Ptr<Registry<M, C>>,
    pub(crate) queue: M::Ptr<Queue<M, C>>,
}

impl<M: Mode, C: 'static> Bus<M, C> {
    pub(crate) fn new(config: BusConfig<M>, location: CallSite) -> Self {
        let queue = M::ptr(Queue::new(config.clone(), location));
        Bus {
            registry: M::ptr(Registry::new(config)),
            queue,
        }
    }

    pub(crate) fn close(&self) {
        // First the queue: a handler that is dropped by the rest cannot defer any more.
        self.queue.close();
        self.registry.close();
    }
}

impl<M: Mode, C: 'static> Drop for Bus<M, C> {
    fn drop(&mut self) {
        self.queue.close();
        self.registry.detach_from_bus();
    }
}
