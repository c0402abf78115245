//! Queues: the public type, and what signals and subscriptions put into one.
//!
//! # What it owns
//!
//! [`Queue`], what its methods return ([`drained::Drained`], [`delayed::Delayed`],
//! [`ready::Ready`], [`PostError`]), and those methods of `Signal` and `Subscribe` that add to a
//! queue ([`deferring`], [`delayed`]). Thin: all of it forwards to `core/queue`. Only loops over
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

// In the order of use: rustdoc lists methods by the order of modules, and those of this file last.
pub(crate) mod bounded;

pub(crate) mod filling;

pub(crate) mod deferring;

pub(crate) mod delayed;

pub(crate) mod draining;

pub(crate) mod drained;
pub(crate) mod ready;

use std::fmt;

use crate::core::flavour::Flavour;
use crate::core::primitives::unwind::unwind_safe;
use crate::core::queue::queue::Queue as Core;
use crate::error::DeferErrorKind;

/// A queue of events, which a call of [`drain`](Queue::drain) delivers.
///
/// A handle is cheap to clone, and all clones are the same queue. Every bus has one. Create more
/// for threads or loops that handle events with a state of their own, and subscribe handlers to
/// them by [`on_queue`](crate::flavour::Subscribe::on_queue).
///
/// # Order
///
/// First in, first out, over all topics. A deferred event is delivered to the handlers that are
/// subscribed at the time of delivery. A drain delivers the events that are in the queue when it
/// begins; those deferred meanwhile, also by handlers, wait for the next drain. Events deferred by
/// [`defer_latest`](Self::defer_latest) replace each other, and those of
/// [`defer_after`](Self::defer_after) join the end when they are due.
///
/// # Capacity
///
/// A queue grows as long as memory allows; [`bounded`](Self::bounded) sets how many events may
/// wait, and what happens to one more. It keeps the memory of its largest burst;
/// [`clear`](Self::clear) frees it.
///
/// # Threads
///
/// One drain runs at a time: another thread that drains waits until it has ended. **A drain
/// excludes others while its handlers run**, so handlers should not wait for another thread that
/// drains.
///
/// # Drains inside of drains
///
/// A handler that a drain calls may drain, for example in the loop of a modal dialog. A drain of the
/// same queue delivers what the outer one has taken and not yet delivered, in order, then what was
/// deferred since, all with the context that it is given; the outer one goes on with what is left. A
/// drain of another queue works as usual, except that it does not wait if another thread is draining
/// that one, because two threads that did so could wait for each other for ever: it delivers nothing,
/// and [`Drained::is_busy`](crate::Drained::is_busy) returns `true`.
///
/// Such a drain, and one inside of an emission, is a level of nesting as an emission is. One that leaves
/// no level for the handlers it would call is refused, with a failure in [`Drained::errors`](crate::Drained::errors); the
/// events stay.
///
/// # Failure
///
/// A handler that fails does not keep other events from being delivered; failures are in the
/// [`Drained`](crate::Drained). The first panic resumes when the batch has been delivered, unless it comes from a
/// signal of a bus that contains panics, or the queue belongs to such a bus. Events that are in the
/// queue when its last handle is dropped are dropped, and their number is reported to the error
/// hook or logged.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Topic};
///
/// const SAVED: Topic<u64> = Topic::new("file.saved");
/// let bus = Bus::new();
/// let _sub = bus.on(&SAVED, |bytes| assert_eq!(*bytes, 512));
/// bus.defer(&SAVED, 512)?;
/// assert_eq!(bus.queue().len(), 1);
/// assert_eq!(bus.drain().delivered(), 1);
/// # Ok::<(), slotcast::DeferError<u64>>(())
/// ```
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
    /// their order. As with [`clear`](Self::clear), what a drain on another thread has taken is delivered.
    ///
    /// O(n) in the number of events that wait, if there is one of the topic. They are dropped in this call,
    /// after the queue's lock.
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
