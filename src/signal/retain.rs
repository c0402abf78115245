//! Retained events: the last ones, for later subscribers.

use std::panic::Location;

use crate::core::emission::retained::retain;
use crate::core::mode::{Mode, SyncBound};
use crate::core::signal::signal::Signal as Core;
use crate::signal::Signal;

impl<M: Mode, E: 'static> Signal<M, E> {
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
    /// Each event reaches each handler of this signal exactly once, by its emission or from the kept
    /// ones, also where one thread subscribes while another emits (then the emission's call may come
    /// first). Limits, filters and pauses apply as for an emission; failures are reported to the
    /// error hook or logged, and a panic does not reach the subscriber. Handlers of patterns are not
    /// handed anything. `clear` leaves the kept events, `close` drops them. A topic that retains events
    /// exists until its bus is dropped, it is closed, or 0 are kept.
    ///
    /// Only for signals without a context, because subscribing has none to lend. An emission costs one
    /// clone of the event, two locks and an allocation more, and a count for each handler; signals that
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
}
