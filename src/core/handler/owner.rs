//! The signal that a handler belongs to, as the handler sees it.

use crate::core::handler::entry::WeakRef;
use crate::core::handler::erased::{DynHandler, HandlerRef};
use crate::core::primitives::flavour::Primitives;

pub(crate) trait Owner<M: Primitives>: Sized + 'static {
    type Event: 'static;
    type Context: 'static;
    /// Removes the handler with this key and sequence number; whether it was there, and alive.
    fn remove(&self, key: u64, sequence: u64, flags: usize) -> bool;
    /// What has the place of this handler now.
    fn current(&self, key: u64, sequence: u64) -> Option<HandlerRef<M, Self::Context>>;
    /// Puts what `make` makes of a handler into its place; whether there was something.
    fn exchange(
        &self,
        key: u64,
        sequence: u64,
        make: impl FnOnce(
            &HandlerRef<M, Self::Context>,
        ) -> Option<WeakRef<M, dyn DynHandler<M, Self::Context>>>,
    ) -> bool;
    /// Whether the topic at this address has handlers of this pattern.
    fn is_part_of(&self, signal: usize) -> bool;
}
