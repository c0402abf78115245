//! What keeps the last events of a signal, as the signal sees it.

use std::ptr::NonNull;

use crate::core::handler::entry::{Entity, Handler};
use crate::core::primitives::flavour::Primitives;
use crate::core::settings::signal_info::SignalInfo;

/// What a signal keeps, whatever its events are.
pub(crate) trait Retain<M: Primitives, C>: Entity<M> {
    /// Keeps a clone of the event if `collect_handlers` says that the emission takes place.
    ///
    /// # Safety
    ///
    /// The caller has a hold, and `event` points to an event of the signal.
    unsafe fn keep(
        &self,
        event: NonNull<()>,
        info: &SignalInfo<M>,
        collect_handlers: &mut dyn FnMut() -> bool,
    );
    /// Inserts a handler and calls it with what is kept, the oldest first.
    ///
    /// # Safety
    ///
    /// The caller has a hold, and the handler is one of the signal.
    unsafe fn hand_over(
        &self,
        info: &SignalInfo<M>,
        insert: &mut dyn FnMut() -> Option<Handler<M, C>>,
    );
    /// Keeps so many from now on.
    ///
    /// # Safety
    ///
    /// The caller has a hold.
    unsafe fn resize(&self, most: usize, info: &SignalInfo<M>);
}
