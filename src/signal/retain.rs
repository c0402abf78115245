//! Retained events: the last ones, for later subscribers.

use std::panic::Location;

use crate::core::emission::retained::retain;
use crate::core::flavour::{Flavour, SyncBound};
use crate::core::signal::signal::Signal as Core;
use crate::signal::Signal;

impl<M: Flavour, E: 'static> Signal<M, E> {
    /// Keeps the last event from now on, and hands it to later subscribers; see
    /// [`retain`](Signal::retain).
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Signal;
    ///
    /// let level = Signal::<u32>::new();
    /// level.retain_last();
    /// level.emit(&40);
    /// level.emit(&42);
    /// let (sender, seen) = std::sync::mpsc::channel();
    /// let _sub = level.on(move |n| sender.send(*n).unwrap()); // is called at once
    /// level.emit(&43);
    /// assert_eq!(seen.try_iter().collect::<Vec<_>>(), [42, 43]);
    /// ```
    #[track_caller]
    pub fn retain_last(&self)
    where
        E: Clone,
        M: SyncBound<E>,
    {
        self.retain(1);
    }

    /// Keeps the last `events` events from now on, and hands them to later subscribers, the oldest
    /// first, before `on` returns; 0 stops that, and drops the kept events.
    ///
    /// Each handler of this signal sees each kept or emitted event once, in the order in which they were kept,
    /// whichever thread emits: the kept ones first, then what is emitted meanwhile, also by the handler
    /// itself. No handler sees an older event after a newer one. Nobody waits for that: where a handler is
    /// running already, on another thread, or on this one with older events before it, the event is left to
    /// that call, which continues with it. So an `emit` may return before such a handler has seen its event,
    /// [`ran`](crate::Emission::ran) does not count it yet, and its failure is the other caller's. An awaited
    /// emission [in order](crate::EmitAsync::in_order) calls each handler when its turn comes.
    ///
    /// Limits, filters and pauses apply as for an emission; failures are reported to the error hook or
    /// logged, and a panic does not reach the subscriber. What a handler subscribes after it has ended,
    /// while it is called, takes its place and gets what follows: a `once` handler that subscribes itself
    /// anew runs once for each event. Handlers of patterns are not handed anything, nor those of
    /// [`skip_kept`](crate::flavour::Subscribe::skip_kept). `clear` leaves the kept events, `close` drops
    /// them. A topic that retains events exists until its bus is dropped, it is closed, or 0 are kept.
    ///
    /// [`next`](Self::next) counts as a new handler each time: `loop { signal.next().await }` gets the
    /// oldest kept event again and again. For each event once there is a
    /// [`stream`](Self::stream), for the next change `signal.subscribe().skip_kept().next()`.
    ///
    /// Only for signals without a context, because subscribing has none to lend. An emission costs one
    /// clone of the event, a lock and an allocation more, and three locks for each handler; signals that
    /// retain nothing pay nothing.
    #[track_caller]
    pub fn retain(&self, events: usize)
    where
        E: Clone,
        M: SyncBound<E>,
    {
        let location = Location::caller();
        Core::retain(&self.core, events, || retain::<M, E>(events, location));
    }

    /// A clone of the event that was kept last; `None` if the signal keeps none. O(1) beside the clone, which is
    /// made outside of locks.
    ///
    /// # Examples
    ///
    /// ```
    /// let level = slotcast::Signal::<u32>::new();
    /// level.retain_last();
    /// assert_eq!(level.last(), None);
    /// level.emit(&42);
    /// assert_eq!(level.last(), Some(42));
    /// ```
    #[must_use]
    pub fn last(&self) -> Option<E>
    where
        E: Clone,
    {
        let kept = self.core.retained()?.last()?;
        Some(E::clone(&kept.event))
    }
}
