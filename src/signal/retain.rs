//! The last events, kept for those who subscribe later.

use std::panic::Location;

use crate::core::emission::retained::retain;
use crate::core::mode::{Mode, SyncBound};
use crate::core::signal::signal::Signal as Core;
use crate::signal::Signal;

impl<M: Mode, E: 'static> Signal<M, E> {
    /// Keeps the last event from now on, and hands it to whoever subscribes later; see
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
    /// let (seen, told) = std::sync::mpsc::channel();
    /// let _sub = level.on(move |n| seen.send(*n).unwrap()); // is called at once
    /// level.emit(&43);
    /// assert_eq!(told.try_iter().collect::<Vec<_>>(), [42, 43]);
    /// ```
    #[track_caller]
    pub fn retain_last(&self)
    where
        E: Clone,
        M: SyncBound<E>,
    {
        self.retain(1);
    }

    /// Keeps the last `events` events from now on, and hands them to whoever subscribes later, the
    /// oldest first, before `on` returns; 0 keeps none any more, and drops what is kept.
    ///
    /// Each event reaches each handler of this signal exactly once, by its emission or from here,
    /// also where one thread subscribes while another emits (then the emission's call may come
    /// first). Limits, filters and pauses are asked as for an emission; failures are told to the
    /// error hook or logged, and a panic does not reach whoever subscribes. Handlers of patterns are
    /// not handed anything. `clear` leaves what is kept, `close` drops it. A topic that retains
    /// exists until its bus goes, it is closed, or 0 is kept.
    ///
    /// For signals without a context, because there is none to lend to whoever subscribes. An
    /// emission costs one clone of the event, two locks and an allocation more, and a count for each
    /// handler; signals that retain nothing pay nothing.
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
