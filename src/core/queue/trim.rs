//! Gives the room back that a burst of events has left in a queue: see [`recent`](crate::core::queue::recent). What is
//! not empty is left as it is.

use crate::core::queue::delayed::DelayQueue;
use crate::core::queue::envelope::FreeList;
use crate::core::queue::inbox::Inbox;
use crate::core::queue::lanes::{Batch, Outbox, QueueFlavour};
use crate::core::queue::latest::Latest;

/// What a queue has let go. There is no event in any of it. To be dropped after the lock, because it may take long.
#[expect(dead_code, reason = "it is only dropped")]
pub(super) struct Surplus<M: QueueFlavour, C: 'static> {
    delivered: Option<Box<Batch<M, C>>>,
    batch: Option<Box<Batch<M, C>>>,
    latest: Option<Box<Latest<M, C>>>,
    delayed: Option<Box<DelayQueue<M, C>>>,
    free_list: Option<FreeList<M, C>>,
}

impl<M: QueueFlavour, C: 'static> Inbox<M, C> {
    /// Lets go what is empty and has room for more events than this.
    #[cold]
    #[inline(never)]
    pub(super) fn trim(&mut self, outbox: &Outbox<M, C>, limit: usize) -> Surplus<M, C> {
        let is_surplus = |batch: &Batch<M, C>| batch.len() == 0 && batch.room() > limit;
        let mut outbox = outbox.borrow_mut();
        let delivered = is_surplus(&outbox).then(|| std::mem::take(&mut *outbox));
        let batch = is_surplus(&self.batch).then(|| {
            let end = self.batch.end();
            let batch = std::mem::take(&mut self.batch);
            self.batch.begin_at(end);
            batch
        });
        let latest = self.latest.take_if(|it| it.len() == 0 && it.room() > limit);
        // Another one begins with the same keys, by which those are found that are due.
        let is_none_due = self.latest_len() == 0;
        let delayed = self
            .delayed
            .take_if(|it| is_none_due && it.len() == 0 && it.room() > limit);
        if self.replaceable.len() > limit {
            self.forget_replaced();
        }
        let is_surplus = self.free_list.len() > limit;
        let free_list = is_surplus.then(|| std::mem::take(&mut self.free_list));
        Surplus {
            delivered,
            batch,
            latest,
            delayed,
            free_list,
        }
    }
}
