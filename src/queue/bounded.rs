//! Bounded queues.

use std::time::{Duration, Instant};

use crate::core::flavour::{Flavour, Shared};
use crate::error::DeferError;
use crate::policy::Overflow;
use crate::queue::Queue;
use crate::signal::Signal;

impl<M: Flavour, C: 'static> Queue<M, C> {
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

    /// The number of events that may wait; `None` without a bound.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.core.capacity()
    }

    /// The number of events dropped because of overflow since the queue was created, oldest and
    /// newest. A snapshot.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.core.dropped()
    }
}

impl<C: 'static> Queue<Shared, C> {
    /// Like [`defer`](Self::defer), but waits for capacity no longer than `timeout` if the queue is
    /// set to [`Overflow::Block`]. A timeout of zero does not wait.
    ///
    /// # Errors
    ///
    /// Returns the event as `defer` does, and if there was no capacity in time:
    /// [`DeferError::TimedOut`].
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{DeferError, Overflow, Queue, Signal};
    /// use std::time::Duration;
    ///
    /// let key = Signal::<char>::new();
    /// let queue = Queue::new().bounded(1, Overflow::Block);
    /// let soon = Duration::from_millis(1);
    /// queue.defer_timeout(&key, 'a', soon)?;
    /// assert!(matches!(queue.defer_timeout(&key, 'b', soon), Err(DeferError::TimedOut('b'))));
    /// # Ok::<(), DeferError<char>>(())
    /// ```
    pub fn defer_timeout<E: Send + 'static>(
        &self,
        signal: &Signal<Shared, E, C>,
        event: E,
        timeout: Duration,
    ) -> Result<(), DeferError<E>> {
        // A time beyond the range of the clock is never reached.
        let until = Instant::now().checked_add(timeout);
        self.core.defer(&signal.core, event, until)
    }
}
