//! One job of a pool, with its work; and what handles, pools and promises know of each other.

use std::sync::Arc;

use super::backlog::Runnable;
use super::context::JobContext;
use super::core::{Core, outcome_of};
use super::error::JobError;
use super::host;
use super::pool::{self, BlockingGuard, Pool};
use crate::core::primitives::sync::{Mutex, lock};

/// A job without its type: for handles without a value.
pub(super) trait Control: Send + Sync {
    fn context(&self) -> &JobContext;
    fn is_done(&self) -> bool;
    /// Cancels it if it waits, else tells it to stop; whether it waited.
    fn cancel(&self) -> bool;
}

/// A job: of a pool, or of a promise.
pub(super) trait Body<T>: Send + Sync {
    fn core(&self) -> &Core<T>;
    fn control(self: Arc<Self>) -> Arc<dyn Control>;
    /// This thread is about to wait for it for as long as it takes. Runs it here if it waits in the
    /// pool that this thread works for.
    fn help(self: Arc<Self>) -> Vec<BlockingGuard>;
}

pub(super) struct Task<T, F> {
    core: Core<T>,
    /// Whoever takes it out completes the job.
    work: Mutex<Option<F>>,
}

impl<T, F> Task<T, F>
where
    T: Send + 'static,
    F: FnOnce(&JobContext) -> T + Send + 'static,
{
    pub(super) fn new(work: F, pool: Arc<Pool>, location: host::CallSite) -> Arc<Self> {
        Arc::new(Task {
            core: Core::new(JobContext::new(Some(pool)), location),
            work: Mutex::new(Some(work)),
        })
    }

    fn pool(&self) -> Option<&Arc<Pool>> {
        self.core.context.pool.as_ref()
    }

    pub(super) fn claim(&self) -> Option<F> {
        lock(&self.work).take()
    }

    /// Completes it without running.
    pub(super) fn end(&self, work: Option<F>, error: JobError) {
        host::guarded(self.core.location(), || drop(work));
        self.core.complete(Err(error));
    }

    fn perform(&self, work: F) {
        self.core.begin();
        let outcome = outcome_of(|| work(&self.core.context));
        self.core.complete(outcome);
    }
}

impl<T, F> Runnable for Task<T, F>
where
    T: Send + 'static,
    F: FnOnce(&JobContext) -> T + Send + 'static,
{
    fn run(&self) -> bool {
        let work = self.claim();
        let claimed = work.is_some();
        if let Some(work) = work {
            self.perform(work);
        }
        claimed
    }

    fn is_tombstone(&self) -> bool {
        lock(&self.work).is_none()
    }

    fn run_here(&self) {
        let Some(pool) = self.pool() else { return };
        // Before the claim, so that a shutdown either waits for it or has cancelled it.
        let _running = pool.begin();
        if let Some(work) = self.claim() {
            pool.forget();
            self.perform(work);
        }
    }

    fn refuse(&self, error: JobError) {
        if let Some(work) = self.claim() {
            if let Some(pool) = self.pool() {
                pool.forget();
            }
            self.end(Some(work), error);
        }
    }
}

impl<T, F> Control for Task<T, F>
where
    T: Send + 'static,
    F: FnOnce(&JobContext) -> T + Send + 'static,
{
    fn context(&self) -> &JobContext {
        &self.core.context
    }

    fn is_done(&self) -> bool {
        self.core.is_done()
    }

    fn cancel(&self) -> bool {
        self.core.context.tell();
        let work = self.claim();
        if work.is_none() {
            return false;
        }
        if let Some(pool) = self.pool() {
            pool.forget();
        }
        self.end(work, JobError::Cancelled);
        true
    }
}

impl<T, F> Body<T> for Task<T, F>
where
    T: Send + 'static,
    F: FnOnce(&JobContext) -> T + Send + 'static,
{
    fn core(&self) -> &Core<T> {
        &self.core
    }

    fn control(self: Arc<Self>) -> Arc<dyn Control> {
        self
    }

    fn help(self: Arc<Self>) -> Vec<BlockingGuard> {
        let is_own = |here: &Arc<Pool>| self.pool().is_some_and(|pool| Arc::ptr_eq(pool, here));
        if let Some(pool) = pool::here().into_iter().find(is_own) {
            // All that is below on the stack waits for this job, so to run it on top holds up nobody.
            // Of another job that could not be said.
            pool::nest(pool, self.clone());
            if self.core.is_done() {
                return Vec::new();
            }
        }
        // Somebody else runs it, or will.
        pool::away()
    }
}
