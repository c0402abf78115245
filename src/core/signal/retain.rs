//! What retains the events of a signal, as the signal sees it.

use crate::core::handler::entry::Header;
use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Word;
use crate::core::reclaim::counted::{Allocation, Part};
use crate::core::settings::signal_info::SignalInfo;

/// An event that was retained, and what has become of its emission.
pub(crate) struct Kept<M: Primitives, E> {
    /// The events of a signal are numbered in the order in which they are retained.
    pub(crate) number: u64,
    pub(crate) event: Part<E>,
    /// How many handlers were entered with it.
    pub(crate) ran: M::Word,
    /// Not 0 once a handler has stopped its emission.
    pub(crate) stopped: M::Word,
}

pub(crate) type KeptPtr<M, E> = <M as Primitives>::Ptr<Kept<M, E>>;

impl<M: Primitives, E> Kept<M, E> {
    pub(crate) fn new(number: u64, event: E) -> Self {
        Kept {
            number,
            event: Part::new(event),
            ran: M::Word::new(0),
            stopped: M::Word::new(0),
        }
    }

    /// Records what has become of a call.
    pub(crate) fn note(&self, ran: u32, stopped: bool) {
        self.ran.add(ran as usize);
        if stopped {
            self.stopped.set(1);
        }
    }
}

/// Collects the handlers of an emission, and passes each to the closure that it is given. Returns whether the
/// emission takes place.
pub(crate) type CollectHandlers<'f, M, C> =
    dyn FnMut(&mut dyn FnMut(&HandlerRef<M, C>)) -> bool + 'f;

/// How a handler is called with an event; with `None` it is the event of the emission that calls.
pub(crate) type Deliver<'f, M, E> = dyn FnMut(Option<&Kept<M, E>>) + 'f;

/// Retains the last events of a signal, and sees to it that each handler is given them in order.
pub(crate) trait Retain<M: Primitives, E, C>: Allocation<M, Header = Header<M>> {
    /// Retains a clone of the event if `collect_handlers` returns that the emission takes place. The handlers
    /// that it passes on get the event by [`deliver`](Self::deliver). `None`: there is no clone.
    fn keep(
        &self,
        event: &E,
        info: &SignalInfo<M>,
        collect_handlers: &mut CollectHandlers<'_, M, C>,
    ) -> Option<KeptPtr<M, E>>;
    /// Calls a handler with what it has not been given yet, in order. Returns at once where another call of
    /// this function does that, on another thread or further out on this one.
    fn deliver(
        &self,
        handler: &HandlerRef<M, C>,
        number: u64,
        info: &SignalInfo<M>,
        deliver: &mut Deliver<'_, M, E>,
    );
    /// Inserts a handler and calls it with the retained events, the oldest first; with a context it is called
    /// when one is lent.
    fn hand_over(&self, info: &SignalInfo<M>, insert: &mut dyn FnMut() -> Option<HandlerRef<M, C>>);
    /// Calls the handlers that are behind with what they have not been given yet.
    fn catch_up(&self, info: &SignalInfo<M>, context: &mut C);
    /// Sets the number of events to retain.
    fn resize(&self, most: usize, info: &SignalInfo<M>);
    /// The number of retained events.
    fn len(&self) -> usize;
    /// The event that was retained last.
    fn last(&self) -> Option<KeptPtr<M, E>>;
}
