//! Gives the room back that a burst of events has left in a queue: see [`recent`](crate::core::queue::recent). What is
//! not empty is left as it is.

use crate::core::primitives::sync::Lock;
use crate::core::queue::lanes::{Batch, OutboxBatch, QueueFlavour};
use crate::core::queue::queue::Queue;

impl<M: QueueFlavour, C: 'static> Queue<M, C> {
    /// Lets go what is empty and has room for more events than this. The caller has the turn.
    #[cold]
    #[inline(never)]
    pub(super) fn trim(&self, outbox: &OutboxBatch<M, C>, limit: usize) {
        let is_surplus = |batch: &Batch<M, C>| batch.len() == 0 && batch.room() > limit;
        let mut outbox = outbox.borrow_mut();
        let delivered = is_surplus(&outbox).then(|| std::mem::take(&mut *outbox));
        drop(outbox);
        let surplus = self.inbox.with(|inbox| {
            let batch = is_surplus(&inbox.batch).then(|| {
                let end = inbox.batch.end();
                let batch = std::mem::take(&mut inbox.batch);
                inbox.batch.begin_at(end);
                batch
            });
            let latest = inbox
                .latest
                .take_if(|it| it.len() == 0 && it.room() > limit);
            // Another one begins with the same keys, by which those are found that are due.
            let is_none_due = inbox.latest_len() == 0;
            let delayed = inbox
                .delayed
                .take_if(|it| is_none_due && it.len() == 0 && it.room() > limit);
            if inbox.replaceable.len() > limit {
                inbox.forget_replaced();
            }
            let is_surplus = inbox.free_list.len() > limit;
            let free_list = is_surplus.then(|| std::mem::take(&mut inbox.free_list));
            (batch, latest, delayed, free_list)
        });
        // After the lock, because it may take long. There is no event in any of it.
        drop((delivered, surplus));
    }
}
