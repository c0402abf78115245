//! What keeps the last events of a signal, as the signal sees it.

use std::ptr::NonNull;

use crate::core::handler::entry::{Entity, Handler};
use crate::core::primitives::flavour::Primitives as Mode;
use crate::core::settings::signal_info::Home;

/// What a signal keeps, whatever its events are.
pub(crate) trait Retain<M: Mode, C>: Entity<M> {
    /// Keeps a clone of the event if `gather` says that the emission takes place.
    ///
    /// # Safety
    ///
    /// The caller has a hold, and `event` points to an event of the signal.
    unsafe fn keep(&self, event: NonNull<()>, home: &Home<M>, gather: &mut dyn FnMut() -> bool);
    /// Inserts a handler and calls it with what is kept, the oldest first.
    ///
    /// # Safety
    ///
    /// The caller has a hold, and the handler is one of the signal.
    unsafe fn hand_over(&self, home: &Home<M>, insert: &mut dyn FnMut() -> Option<Handler<M, C>>);
    /// Keeps so many from now on.
    ///
    /// # Safety
    ///
    /// The caller has a hold.
    unsafe fn resize(&self, most: usize, home: &Home<M>);
}
