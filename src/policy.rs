//! Policies: what happens to panics, and to events that exceed the capacity.

/// What happens to a handler's panic once the other handlers have run.
///
/// In either case it is a failure: it is in [`Emission::errors`](crate::Emission::errors) if the emission
/// returns, and is passed to the error hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Panics {
    /// The first panic of an emission or a drain is resumed in the code that emitted or drained.
    #[default]
    Resume,
    /// The panic is not resumed.
    Contain,
}

/// What happens to an event that is deferred to a full queue; see
/// [`Queue::bounded`](crate::flavour::Queue::bounded). For its meaning in a stream see
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
    /// The event is returned in [`DeferError::Full`](crate::DeferError::Full).
    Reject,
    /// The event that has waited longest, of any topic, is dropped and counted. An event whose delivery has
    /// begun does not wait any more.
    DropOldest,
    /// The event is dropped and counted.
    DropNewest,
    /// The thread that defers waits for capacity. In the shared flavour only: in the local one no other
    /// thread could free any.
    ///
    /// A drain frees capacity when it begins to deliver an event. The wait also ends as soon as it has
    /// become pointless: when the queue or the signal is closed, the event is returned in
    /// [`DeferError::Closed`](crate::DeferError::Closed). An emission that waits on behalf of a handler
    /// of [`on_queue`](crate::flavour::Subscribe::on_queue) goes on without it when the handler is
    /// cancelled, in whatever way, and has a failure of it when the queue is closed or its last handle is
    /// dropped. Events that a signal [keeps](crate::flavour::Signal::retain) do not wait: when they are
    /// handed over to a new handler, they may exceed the capacity.
    ///
    /// On the thread that drains the queue the event is returned in
    /// [`DeferError::Inside`](crate::DeferError::Inside) instead. A thread that fills
    /// its own queue before it drains it waits for ever, and so do two threads whose handlers wait for
    /// capacity in each other's queue: [`defer_timeout`](crate::flavour::Queue::defer_timeout) bounds the
    /// wait. On a target without threads this is [`Reject`](Self::Reject).
    Block,
}
