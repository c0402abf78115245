//! The waiting jobs of a pool, first in, first out. Runs and drops nothing.
//!
//! A job that is cancelled, or run elsewhere, is taken off if it is the first or the last on the list, as
//! where an executor runs it at once; anywhere else it leaves a tombstone. Tombstones are counted, and swept
//! out when they are half of the list, so that each costs constant time and they are never many. All of it, the claim of a job too, is done under the lock of the pool, so that the number of
//! waiting jobs is exact at any moment.

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::JobError;

/// A job, as its pool knows it.
pub(super) trait Runnable: Send + Sync {
    /// Makes the caller the one that runs or aborts the job. Returns whether it is: the first. Called under the
    /// lock of the pool, like the next one.
    fn claim(&self) -> bool;
    fn is_claimed(&self) -> bool;
    /// Runs the job, which the caller has claimed.
    fn run(self: Arc<Self>);
    /// Completes the job with this error and drops its work. The caller has claimed it.
    fn abort(self: Arc<Self>, error: JobError);
    /// Like [`abort`](Self::abort), of a job that its pool or executor did not take.
    fn refuse(self: Arc<Self>, error: JobError);
    /// Asks the job to stop.
    fn stop(&self);
    /// Completes the job as cancelled, whether it waits or runs.
    fn cancel(self: Arc<Self>) -> bool;
}

/// What a pool runs.
pub(super) enum Item {
    Job(Arc<dyn Runnable>),
    /// A task without a job: it has no outcome.
    Bare(Box<dyn FnOnce() + Send>),
}

#[derive(Default)]
pub(super) struct Backlog {
    items: VecDeque<Item>,
    /// The number of tombstones on the list.
    tombstones: usize,
}

/// Fewer tombstones are not worth a sweep.
const MIN_TOMBSTONES: usize = 32;

/// Room for so many jobs is kept when none waits.
const KEPT: usize = 4096;

impl Backlog {
    /// The number of waiting jobs, without tombstones.
    pub(super) fn len(&self) -> usize {
        self.items.len() - self.tombstones
    }

    pub(super) fn push(&mut self, item: Item) {
        self.items.push_back(item);
    }

    /// Removes the first item, and claims it. `Err`: it was a tombstone.
    pub(super) fn pop(&mut self) -> Option<Result<Item, Item>> {
        let item = self.items.pop_front()?;
        self.trim();
        let waits = match &item {
            Item::Job(job) => job.claim(),
            Item::Bare(_) => true,
        };
        self.tombstones -= usize::from(!waits);
        Some(if waits { Ok(item) } else { Err(item) })
    }

    /// Does not keep the room of a burst.
    fn trim(&mut self) {
        if self.items.is_empty() && self.items.capacity() > KEPT {
            self.items = VecDeque::new();
        }
    }

    /// The waiting jobs.
    pub(super) fn jobs(&self) -> Vec<Arc<dyn Runnable>> {
        let waiting = |item: &Item| match item {
            Item::Job(job) if !job.is_claimed() => Some(job.clone()),
            _ => None,
        };
        self.items.iter().filter_map(waiting).collect()
    }

    /// Claims a listed job. `None`: the caller was not the first to. Otherwise returns a reference to it, which
    /// is that of the list if it was at one of its ends; anywhere else it becomes a tombstone. What was swept
    /// out is added to `swept`. All of it is to be dropped outside of locks.
    pub(super) fn claim(
        &mut self,
        job: &Arc<dyn Runnable>,
        swept: &mut Vec<Item>,
    ) -> Option<Arc<dyn Runnable>> {
        if !job.claim() {
            return None;
        }
        if let Some(Item::Job(job)) = self.take_from_end(job) {
            self.trim();
            return Some(job);
        }
        self.tombstones += 1;
        if self.tombstones >= MIN_TOMBSTONES && self.tombstones * 2 >= self.items.len() {
            self.tombstones = 0;
            for item in std::mem::take(&mut self.items) {
                match &item {
                    Item::Job(job) if job.is_claimed() => swept.push(item),
                    _ => self.items.push_back(item),
                }
            }
        }
        Some(job.clone())
    }

    /// Takes a job off the list if it is the last one or the first.
    fn take_from_end(&mut self, job: &Arc<dyn Runnable>) -> Option<Item> {
        let is_it = |item: &Item| matches!(item, Item::Job(it) if std::ptr::addr_eq(&**it, &**job));
        if self.items.back().is_some_and(is_it) {
            return self.items.pop_back();
        }
        let is_first = self.items.front().is_some_and(is_it);
        is_first.then(|| self.items.pop_front()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_a_burst_is_given_back_when_no_job_waits() {
        let mut backlog = Backlog::default();
        for (burst, is_kept) in [(KEPT / 2, true), (KEPT * 2, false)] {
            for _ in 0..burst {
                backlog.push(Item::Bare(Box::new(|| ())));
            }
            while backlog.pop().is_some() {}
            assert_eq!(backlog.items.capacity() > 0, is_kept);
        }
    }
}
