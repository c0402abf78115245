//! One bus: a registry of topics and a queue, and their common end.

use crate::core::mode::Mode;
use crate::core::queue::queue::Queue;
use crate::core::registry::registry::Registry;
use crate::core::settings::bus::Settings;
use crate::failure::Place;

pub(crate) struct Bus<M: Mode, C: 'static> {
    pub(crate) registry: M::Ptr<Registry<M, C>>,
    pub(crate) queue: M::Ptr<Queue<M, C>>,
}

impl<M: Mode, C: 'static> Bus<M, C> {
    pub(crate) fn new(settings: Settings<M>, place: Place) -> Self {
        let queue = M::ptr(Queue::new(settings.clone(), place));
        Bus {
            registry: M::ptr(Registry::new(settings)),
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
        self.registry.unlist();
    }
}
