//! The signal that a handler belongs to, as the handler sees it.

use crate::core::handler::entry::{Header, WeakRef};
use crate::core::handler::erased::{DynHandler, HandlerRef};
use crate::core::primitives::flavour::Primitives;

/// A signal, as its handlers see it.
pub(crate) trait Owner<M: Primitives>: Sized + 'static {
    type Event: 'static;
    type Context: 'static;
    /// Removes the handler with this key and sequence number. Returns whether it was there, and alive.
    fn remove(&self, key: u64, sequence: u64, flags: usize) -> bool;
    /// Removes the handler with this header, unless it was replaced. Returns whether it was there, and alive.
    fn remove_itself(&self, head: &Header<M>, flags: usize) -> bool;
    /// The handler that has this key and sequence number now: the latest replacement.
    fn current(&self, key: u64, sequence: u64) -> Option<HandlerRef<M, Self::Context>>;
    /// Replaces a handler by the one that `make` creates from it. Returns whether it did.
    fn exchange(
        &self,
        key: u64,
        sequence: u64,
        make: impl FnOnce(
            &HandlerRef<M, Self::Context>,
        ) -> Option<WeakRef<M, dyn DynHandler<M, Self::Context>>>,
    ) -> bool;
    /// Records that handlers need not look for pauses of the signal or the bus any more, unless there is one.
    fn unhold(&self);
}
