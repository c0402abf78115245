//! Adding events and closures to a queue.

use std::panic::Location;
use std::time::{Duration, Instant};

use crate::core::flavour::{Flavour, SendBound, Shared};
use crate::core::queue::claim::posted;
use crate::error::DeferError;
use crate::outcome::Outcome;
use crate::queue::{PostError, Queue};
use crate::signal::Signal;

impl<M: Flavour, C: 'static> Queue<M, C> {
    /// Adds an event to this queue, for the handlers that are subscribed to `signal` when it is
    /// delivered. The signal need not belong to a bus.
    ///
    /// # Errors
    ///
    /// Returns the event if the queue or the signal was closed, or if the queue is full.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Signal};
    ///
    /// let key = Signal::<char>::new();
    /// let _sub = key.on(|_| ());
    /// let queue = Queue::new();
    /// queue.defer(&key, 'a')?;
    /// assert_eq!(queue.drain().delivered(), 1);
    /// # Ok::<(), slotcast::DeferError<char>>(())
    /// ```
    pub fn defer<E: 'static>(&self, signal: &Signal<M, E, C>, event: E) -> Result<(), DeferError<E>>
    where
        M: SendBound<E>,
    {
        self.core.defer(&signal.core, event, None)
    }

    /// Adds an event at the end of this queue, and removes the one that this method added for the
    /// same signal before, if that one still waits. For values of which only the newest matters:
    /// the position of the mouse, the size of a window.
    ///
    /// So at most one such event of the signal waits; those of [`defer`](Self::defer) are not
    /// affected. One that a drain has taken does not wait any more: it is delivered, and the new
    /// one by the next drain. The event that is removed is dropped outside of all locks; a panic in
    /// its `Drop` is a failure of its topic, reported to the error hook or logged. O(1), and
    /// allocates nothing once the queue has been as full before.
    ///
    /// # Errors
    ///
    /// Returns the event if the queue or the signal was closed, or if the queue is full and has no
    /// event of this signal to replace.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Signal};
    ///
    /// let resized = Signal::<(u32, u32)>::new();
    /// let _sub = resized.on(|size| assert_eq!(*size, (640, 480)));
    /// let queue = Queue::new();
    /// for size in [(638, 478), (639, 479), (640, 480)] {
    ///     queue.defer_latest(&resized, size)?;
    /// }
    /// assert_eq!(queue.drain().delivered(), 1);
    /// # Ok::<(), slotcast::DeferError<(u32, u32)>>(())
    /// ```
    pub fn defer_latest<E: 'static>(
        &self,
        signal: &Signal<M, E, C>,
        event: E,
    ) -> Result<(), DeferError<E>>
    where
        M: SendBound<E>,
    {
        self.core.defer_latest(&signal.core, event)
    }

    /// Adds a closure to this queue, to be called by the drain. Allocates. If the closure fails,
    /// the failure is in the drain's [`Drained`](crate::Drained), and is reported to the error hook of the queue's
    /// bus.
    ///
    /// # Errors
    ///
    /// If the queue was closed, or is full; the closure is dropped.
    #[track_caller]
    pub fn post<F, R>(&self, f: F) -> Result<(), PostError>
    where
        F: FnOnce() -> R + 'static,
        R: Outcome,
        M: SendBound<F> + SendBound<()>,
    {
        self.put(|_| f())
    }

    /// Like [`post`](Self::post), with the context of the drain.
    ///
    /// # Errors
    ///
    /// If the queue was closed, or is full; the closure is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let ui = slotcast::Queue::<Vec<&str>>::with_context();
    /// ui.post_with(|lines| lines.push("hello"))?;
    /// let mut lines = Vec::new();
    /// ui.drain_with(&mut lines);
    /// assert_eq!(lines, ["hello"]);
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    #[track_caller]
    pub fn post_with<F, R>(&self, f: F) -> Result<(), PostError>
    where
        F: FnOnce(&mut C) -> R + 'static,
        R: Outcome,
        M: SendBound<F> + SendBound<()>,
    {
        self.put(f)
    }

    #[track_caller]
    fn put<R: Outcome>(&self, f: impl FnOnce(&mut C) -> R + 'static) -> Result<(), PostError>
    where
        M: SendBound<()>,
    {
        let claim = posted(f, self.core.info.clone(), Location::caller());
        let put = self.core.call(claim, ());
        put.map_err(|refused| PostError::new(refused.kind()))
    }
}

impl<C: 'static> Queue<Shared, C> {
    /// Like [`defer`](Self::defer), but waits for capacity no longer than `timeout` if the queue is
    /// set to [`Overflow::Block`](crate::Overflow::Block). A timeout of zero does not wait.
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
