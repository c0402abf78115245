//! The waiting jobs of a pool, first in, first out. Runs and drops nothing.
//!
//! A job that is cancelled, or run elsewhere, leaves a tombstone on the list. Tombstones are counted,
//! and swept out when they are half of the list, so that each costs constant time and they are never
//! many.

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::JobError;

/// A job, as its pool knows it.
pub(super) trait Runnable: Send + Sync {
    /// Runs the job; `false` if its work was taken already, so that only a tombstone was left.
    fn run(&self) -> bool;
    fn is_tombstone(&self) -> bool;
    /// Runs the job on this thread, although its pool still has it on the list.
    fn run_inline(&self);
    /// Completes the job with this error, unless it has begun. Returns whether it had not.
    fn abort(&self, error: JobError) -> bool;
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
    /// The number of tombstones on the list. Below zero for a moment if one thread pops a tombstone
    /// and counts it before the thread that made it does.
    tombstones: isize,
}

/// Fewer tombstones are not worth a sweep.
const MIN_TOMBSTONES: isize = 32;

impl Backlog {
    /// The number of waiting jobs, without tombstones.
    pub(super) fn len(&self) -> usize {
        self.items.len().saturating_add_signed(-self.tombstones)
    }

    pub(super) fn push(&mut self, item: Item) {
        self.items.push_back(item);
    }

    /// Removes the first item, which may be a tombstone.
    pub(super) fn pop(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    /// Counts that a popped item was a tombstone.
    pub(super) fn was_tombstone(&mut self) {
        self.tombstones -= 1;
    }

    /// Counts that a listed job has become a tombstone. Returns tombstones, to be dropped outside of
    /// locks.
    pub(super) fn add_tombstone(&mut self) -> Vec<Item> {
        self.tombstones += 1;
        let count = usize::try_from(self.tombstones).unwrap_or(0);
        if self.tombstones < MIN_TOMBSTONES || count * 2 < self.items.len() {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.items);
        let mut tombstones = Vec::new();
        for item in all {
            match &item {
                Item::Job(job) if job.is_tombstone() => tombstones.push(item),
                _ => self.items.push_back(item),
            }
        }
        self.tombstones = self.tombstones.saturating_sub_unsigned(tombstones.len());
        tombstones
    }
}
