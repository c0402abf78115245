//! One job of a pool, with its work; and the traits by which handles, pools and promises share a job.
//!
//! **What a running job returns counts, cancelled or not.** It was asked to stop; whether it heeds
//! that in time only the work itself knows, and a value that was computed is not thrown away.

use std::sync::Arc;

use super::backlog::Runnable;
use super::context::JobContext;
use super::core::Core;
use super::error::JobError;
use super::host::{self, CallSite};
use super::pool::{self, BlockingGuard, Pool};
use crate::core::primitives::sync::{Mutex, lock};

/// A job without the type of its value: what a [`JobHandle`](super::JobHandle) uses.
pub(super) trait DynJob: Send + Sync {
    fn context(&self) -> &JobContext;
    fn is_done(&self) -> bool;
    /// Cancels the job if it has not begun, else asks it to stop. Returns whether it had not begun.
    fn cancel(&self) -> bool;
}

/// A job with a value: of a pool, or of a promise.
pub(super) trait TypedJob<T>: Send + Sync {
    fn core(&self) -> &Core<T>;
    fn erase(self: Arc<Self>) -> Arc<dyn DynJob>;
    /// Prepares this thread for a wait without a deadline: runs the job here if it waits in a pool
    /// that this thread works for; otherwise gives those pools a spare thread until the guards are
    /// dropped.
    fn prepare_wait(self: Arc<Self>) -> Vec<BlockingGuard>;
}

/// The work of a job.
pub(super) trait Work<T>: FnOnce(&JobContext) -> T + Send + 'static {}
impl<T, F: FnOnce(&JobContext) -> T + Send + 'static> Work<T> for F {}

pub(super) struct Task<T, F> {
    core: Core<T>,
    /// The thread that takes the work out completes the job.
    work: Mutex<Option<F>>,
}

impl<T: Send + 'static, F: Work<T>> Task<T, F> {
    pub(super) fn new(work: F, pool: Arc<Pool>, location: CallSite) -> Arc<Self> {
        Arc::new(Task {
            core: Core::new(JobContext::new(Some(pool)), location),
            work: Mutex::new(Some(work)),
        })
    }

    fn pool(&self) -> Option<&Arc<Pool>> {
        self.core.context.pool.as_ref()
    }

    /// Takes the work out, and with it the duty to complete the job.
    pub(super) fn claim(&self) -> Option<F> {
        lock(&self.work).take()
    }

    /// Completes the job without running its claimed work.
    pub(super) fn complete_unrun(&self, work: Option<F>, error: JobError) {
        host::catch_and_log(self.core.location, || drop(work));
        self.core.complete(Err(error));
    }

    fn run_claimed(&self, work: F) {
        self.core.begin();
        let outcome =
            host::catch_and_report(|| work(&self.core.context)).map_err(JobError::Panicked);
        self.core.complete(outcome);
    }
}

impl<T: Send + 'static, F: Work<T>> Runnable for Task<T, F> {
    fn run(&self) -> bool {
        self.claim().map(|work| self.run_claimed(work)).is_some()
    }

    fn is_tombstone(&self) -> bool {
        lock(&self.work).is_none()
    }

    fn run_inline(&self) {
        let Some(pool) = self.pool() else { return };
        // Before the claim, so that a shutdown either waits for the job or has cancelled it.
        let _running = pool.begin_inline();
        if let Some(work) = self.claim() {
            pool.add_tombstone();
            self.run_claimed(work);
        }
    }

    fn abort(&self, error: JobError) -> bool {
        let work = self.claim();
        if work.is_none() {
            return false;
        }
        if let Some(pool) = self.pool() {
            pool.add_tombstone();
        }
        self.complete_unrun(work, error);
        true
    }
}

impl<T: Send + 'static, F: Work<T>> DynJob for Task<T, F> {
    fn context(&self) -> &JobContext {
        &self.core.context
    }

    fn is_done(&self) -> bool {
        self.core.is_done()
    }

    fn cancel(&self) -> bool {
        self.core.context.request_cancel();
        self.abort(JobError::Cancelled)
    }
}

impl<T: Send + 'static, F: Work<T>> TypedJob<T> for Task<T, F> {
    fn core(&self) -> &Core<T> {
        &self.core
    }

    fn erase(self: Arc<Self>) -> Arc<dyn DynJob> {
        self
    }

    fn prepare_wait(self: Arc<Self>) -> Vec<BlockingGuard> {
        let is_own = |it: &Arc<Pool>| self.pool().is_some_and(|pool| Arc::ptr_eq(pool, it));
        if let Some(pool) = pool::current_pools().into_iter().find(is_own) {
            // Everything below on the stack waits for this job, so running it on top delays nothing.
            // That would not hold for another job.
            pool::run_nested(pool, self.clone());
            if self.core.is_done() {
                return Vec::new();
            }
        }
        // Another thread runs it, or will.
        pool::enter_blocking()
    }
}
