//! Queues: the public type, and what signals and subscriptions put into one.
//!
//! # What it owns
//!
//! [`Queue`], what its methods return ([`drained::Drained`], [`delayed::Delayed`],
//! [`loops::Ready`], [`PostError`]), and those methods of `Subscribe` that add to a queue
//! ([`deferring`]). Thin: all of it forwards to `core/queue`. Only loops over
//! whole drains (`run`, `drain_until_idle`) stand here.
//!
//! # What it guarantees
//!
//! What the documentation of the public methods says, on both flavours. A method that drains has
//! the caller's line (`#[track_caller]`), for the failure of a drain that is nested too deep.
//!
//! # What it does not know
//!
//! Buses and names: `bus.defer` and `bus.drain` stand with the bus. How events are stored and
//! delivered.
//!
//! # Decisions
//!
//! None of its own; those about queues stand in `core/queue`.

// In the order of use, which is that of their names: so rustdoc sorts their methods on the page of the alias.
pub(crate) mod bounded;
pub(crate) mod deferring;
pub(crate) mod delayed;
pub(crate) mod drained;
pub(crate) mod draining;
pub(crate) mod loops;

use crate::core::flavour::Flavour;
use crate::core::primitives::unwind::unwind_safe;
use crate::core::queue::queue::Queue as Core;
use crate::error::DeferErrorKind;
use crate::signal::Signal;
use std::fmt;

#[doc = include_str!("../flavour/queue.md")]
pub struct Queue<M: Flavour, C: 'static = ()> {
    pub(crate) core: M::Ptr<Core<M, C>>,
}

impl<M: Flavour, C: 'static> Queue<M, C> {
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

    /// The number of events that wait for a drain that begins now, without calls that were cancelled.
    /// Delayed events are not counted until a drain has begun after their deadline. A snapshot.
    #[must_use]
    pub fn len(&self) -> usize {
        self.core.len()
    }

    /// Returns whether no event waits, as [`len`](Self::len) counts them. A snapshot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops all events that wait, delayed ones included, and returns their number. A drain that
    /// calls it from a handler ends after the current event. The batch that a drain on another
    /// thread has taken does not wait any more, and is delivered.
    pub fn clear(&self) -> usize {
        self.core.clear()
    }

    /// Drops the events of one topic that wait in this queue: deferred ones, delayed ones, and the calls of its
    /// [`on_queue`](crate::flavour::Subscribe::on_queue) handlers. Returns their number. The others stay in
    /// their order; a drain that calls it from a handler goes on with them. As with [`clear`](Self::clear),
    /// what a drain on another thread has taken is delivered.
    ///
    /// The events are dropped in this call, after the queue's lock was released, and threads that wait for
    /// capacity are woken. A `Drop` that panics is reported as a failure of the topic. The cost is O(n) in the
    /// number of events that wait; if there is one of the topic, each that stays takes an allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// let bus = Bus::new();
    /// let (moved, key) = (Topic::<u32>::new("moved"), Topic::<char>::new("key"));
    /// bus.defer(&moved, 1)?;
    /// bus.defer(&key, 'a')?;
    /// bus.defer(&moved, 2)?;
    /// assert_eq!(bus.queue().clear_topic(&bus.signal(&moved)), 2);
    /// assert_eq!(bus.queue().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_topic<E: 'static, D: 'static>(&self, signal: &Signal<M, E, D>) -> usize {
        self.core.clear_topic(&signal.core.info)
    }

    /// Refuses new events from now on. Those in the queue can still be drained; `run` returns once
    /// they are. Threads that wait for capacity get their event back. Futures of
    /// [`ready`](Self::ready) complete; the callback of `on_ready` is not called.
    ///
    /// Delayed events stay in the queue, too, and are delivered by drains that begin when they are
    /// due. `run` does not wait for them; those that are never drained are reported when the queue
    /// is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = slotcast::Queue::new();
    /// queue.post(|| ())?;
    /// queue.close();
    /// assert!(queue.post(|| ()).is_err());
    /// assert_eq!(queue.drain().delivered(), 1);
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    pub fn close(&self) {
        self.core.close();
    }

    /// Returns whether the queue was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.is_closed()
    }
}

impl<M: Flavour, C: 'static> Default for Queue<M, C> {
    #[track_caller]
    fn default() -> Self {
        Self::with_context()
    }
}

impl<M: Flavour, C: 'static> Clone for Queue<M, C> {
    fn clone(&self) -> Self {
        Queue {
            core: self.core.clone(),
        }
    }
}

impl<M: Flavour, C: 'static> fmt::Debug for Queue<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.len())
            .field("delayed", &self.delayed())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

unwind_safe! {
    [M: Flavour, C] Queue<M, C>;
}

/// The error of a closure that could not be posted, because the queue was closed or full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("closure was not posted: {kind}")]
pub struct PostError {
    kind: DeferErrorKind,
}

impl PostError {
    pub(crate) fn new(kind: DeferErrorKind) -> Self {
        PostError { kind }
    }

    /// The reason why it could not be posted.
    #[must_use]
    pub fn kind(&self) -> DeferErrorKind {
        self.kind
    }
}
