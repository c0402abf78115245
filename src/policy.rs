//! What is decided once: what becomes of panics, and of events for which there is no room.

/// What becomes of a handler's panic once the other handlers have run.
///
/// In either case it is a failure: in [`Emission::errors`](crate::Emission::errors) if there is an
/// emission to return, and told to the error hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Panics {
    /// The first panic of an emission, or of a drain, goes on to whoever emitted or drained.
    #[default]
    Resume,
    /// It ends there.
    Contain,
}

/// What becomes of an event that is deferred to a full queue; see
/// [`Queue::bounded`](crate::flavour::Queue::bounded). For what it means to a stream see
/// [`EventStream`](crate::flavour::EventStream).
///
/// # Examples
///
/// ```
/// use slotcast::{Overflow, Queue, Signal};
///
/// let reading = Signal::<f64>::new();
/// let _sub = reading.on(|celsius| assert!(*celsius > 20.0));
/// let queue = Queue::new().bounded(2, Overflow::DropOldest);
/// for celsius in [19.5, 20.5, 21.5] {
///     queue.defer(&reading, celsius)?;
/// }
/// assert_eq!((queue.drain().delivered(), queue.dropped()), (2, 1));
/// # Ok::<(), slotcast::DeferError<f64>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// The event is handed back, in [`DeferError::Full`].
    Reject,
    /// The event that has waited longest, whatever its topic, is dropped to make room, and counted.
    /// One whose delivery has begun does not wait any more.
    DropOldest,
    /// The event is dropped, and counted.
    DropNewest,
    /// The thread that defers waits for room. In the shared flavour only: in the local one, nobody
    /// else could make room.
    ///
    /// A drain makes room when it begins to deliver an event. On the thread that drains the queue the
    /// event is handed back instead, in [`DeferError::Inside`]. A thread that fills its own queue
    /// before it drains it waits for ever, and so do two whose handlers wait for room in each other's
    /// queue: [`defer_timeout`](crate::flavour::Queue::defer_timeout) bounds the wait.
    Block,
}
