//! The wakers of the futures that wait for a queue.

use std::task::Waker;

use slotmap::{SlotMap, new_key_type};
use smallvec::SmallVec;

new_key_type! { pub(crate) struct WakerKey; }

/// The wakers of the futures that wait, each until it is woken or its future is dropped.
#[derive(Default)]
pub(super) struct Wakers(pub(super) Option<SlotMap<WakerKey, Waker>>);

pub(super) type Woken = SmallVec<[Waker; 2]>;

/// A thread that calls the callback or wakers of a queue.
#[derive(Debug)]
pub(super) struct Notifying {
    pub(super) thread: usize,
    /// There was something to notify them of meanwhile, on the same thread.
    pub(super) again: bool,
}

impl Wakers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(SlotMap::is_empty)
    }

    /// Removes all wakers. Their keys are not used again.
    pub(super) fn take(&mut self) -> Woken {
        let all = self.0.iter_mut().flat_map(SlotMap::drain);
        all.map(|(_, waker)| waker).collect()
    }
}
