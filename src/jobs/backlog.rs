//! What waits in a pool, first in, first out. Runs and drops nothing.
//!
//! A job that is cancelled, or run elsewhere, leaves its shell on the list. Shells are counted, and
//! swept out when they are half of it, so that each costs constant time and they are never many.

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::JobError;

/// A job, as its pool knows it.
pub(super) trait Runnable: Send + Sync {
    /// Runs it; `false` if somebody else has the work, and it is only a shell.
    fn run(&self) -> bool;
    fn is_tombstone(&self) -> bool;
    /// Runs it without the list of its pool, wherever this is called.
    fn run_here(&self);
    /// Completes it with this error, unless it has begun.
    fn refuse(&self, error: JobError);
}

/// What a pool runs.
pub(super) enum Item {
    Job(Arc<dyn Runnable>),
    /// Work that nobody asks about.
    Bare(Box<dyn FnOnce() + Send>),
}

#[derive(Default)]
pub(super) struct Backlog {
    items: VecDeque<Item>,
    /// How many shells are on the list; below zero for the moment between the taking out of a shell
    /// and its being counted, by two threads.
    tombstones: isize,
}

/// So few are not worth sweeping.
const FEW: isize = 32;

impl Backlog {
    /// How many wait, without shells.
    pub(super) fn len(&self) -> usize {
        self.items.len().saturating_add_signed(-self.tombstones)
    }

    pub(super) fn push(&mut self, item: Item) {
        self.items.push_back(item);
    }

    /// The first, which may be a shell.
    pub(super) fn pop(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    /// What was popped was a shell.
    pub(super) fn was_tombstone(&mut self) {
        self.tombstones -= 1;
    }

    /// A job that was put here has become a shell. Gives back shells, to be dropped outside of locks.
    pub(super) fn add_tombstone(&mut self) -> Vec<Item> {
        self.tombstones += 1;
        let many = usize::try_from(self.tombstones).unwrap_or(0);
        if self.tombstones < FEW || many * 2 < self.items.len() {
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
