//! Bounded queues.

use crate::core::flavour::Flavour;
use crate::core::queue::queue::Queue as Core;
use crate::core::settings::bus::BusConfig;
use crate::policy::Overflow;
use crate::queue::Queue;
use std::panic::Location;

impl<M: Flavour> Queue<M> {
    /// Creates a queue without a context.
    #[must_use]
    #[track_caller]
    #[allow(
        clippy::new_without_default,
        reason = "there is a `Default`, for every context"
    )]
    pub fn new() -> Self {
        Self::with_context()
    }
}

impl<M: Flavour, C: 'static> Queue<M, C> {
    /// Creates a queue whose drains lend a `&mut C` to the handlers.
    #[must_use]
    #[track_caller]
    pub fn with_context() -> Self {
        Queue {
            core: M::ptr(Core::new(BusConfig::<M>::without_bus(), Location::caller())),
        }
    }

    /// Sets how many events may wait, and what happens to one more. Applies to all clones of the
    /// handle, so that `bus.queue().bounded(..)` bounds the queue of a bus.
    ///
    /// `capacity` counts events of all topics, calls and closures included, as [`len`](Self::len)
    /// does; one that is being delivered does not wait any more. It applies to everything that adds
    /// an event: `defer` in all its forms, `post`, and emissions to handlers subscribed by
    /// [`on_queue`](crate::flavour::Subscribe::on_queue), where a refusal is that handler's
    /// failure. An event that replaces another by [`defer_latest`](Self::defer_latest) needs no
    /// capacity. Delayed events are counted separately: there may be `capacity` of them, and those
    /// that are due join even if the queue is full.
    ///
    /// A bound may be set at any time, in place of the one before; events beyond it stay, and those that
    /// a drain has left are still the oldest. With
    /// [`Overflow::Block`] and [`Overflow::DropOldest`] a drain takes the lock for each event, and
    /// costs more than that of a queue without a bound.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero. In the local flavour with [`Overflow::Block`]: no other thread could
    /// free capacity.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{DeferError, Overflow, Queue, Signal};
    ///
    /// let key = Signal::<char>::new();
    /// let queue = Queue::new().bounded(2, Overflow::Reject);
    /// queue.defer(&key, 'a')?;
    /// queue.defer(&key, 'b')?;
    /// assert!(matches!(queue.defer(&key, 'c'), Err(DeferError::Full('c'))));
    /// # Ok::<(), DeferError<char>>(())
    /// ```
    #[track_caller]
    pub fn bounded(self, capacity: usize, overflow: Overflow) -> Self {
        assert!(
            capacity > 0,
            "a queue needs a capacity of at least one event"
        );
        assert!(
            M::WAITS || overflow != Overflow::Block,
            "a queue of the local flavour cannot wait for room: nobody else could make any"
        );
        self.core.bound(capacity, overflow);
        self
    }
}
