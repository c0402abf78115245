//! One job of a pool, with its work; and the traits by which handles, pools and promises share a job.
//!
//! **A cancel completes the job at once**, whether it waits or runs, so that a restarted search never
//! shows the old result, and nobody waits for work that does not look up. What the work returns later
//! is dropped where it ran. Whoever wants what a running job makes of the rest of its time asks it to
//! `stop`: then what it returns counts.

use std::sync::Arc;

use super::backlog::Runnable;
use super::chain;
use super::context::JobContext;
use super::core::{Core, HasCore};
use super::error::JobError;
use super::host::{self, CallSite};
use super::pool::{self, BlockingGuard, Pool};
use crate::core::primitives::sync::{AtomicUsize, Mutex, Ordering, lock};

/// A job without the type of its value: what a [`JobHandle`](super::JobHandle) uses.
pub(super) trait DynJob: Send + Sync {
    fn context(&self) -> &JobContext;
    fn is_done(&self) -> bool;
    /// Completes the job as cancelled. Returns whether it had not completed.
    fn cancel(self: Arc<Self>) -> bool;
}

/// A job with a value: of a pool, or of a promise.
pub(super) trait TypedJob<T>: HasCore<T> {
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
    /// Taken out by whoever claims the job.
    work: Mutex<Option<F>>,
    /// Not 0: somebody has claimed it. Relaxed, because it is changed and read under the lock of the pool.
    claimed: AtomicUsize,
}

impl<T: Send + 'static, F: Work<T>> Task<T, F> {
    pub(super) fn new(work: F, pool: Arc<Pool>, location: CallSite) -> Arc<Self> {
        Arc::new(Task {
            core: Core::new(JobContext::new(Some(pool), location)),
            work: Mutex::new(Some(work)),
            claimed: AtomicUsize::new(0),
        })
    }

    fn pool(&self) -> Option<&Arc<Pool>> {
        self.core.context.pool.as_ref()
    }

    pub(super) fn take_work(&self) -> Option<F> {
        lock(&self.work).take()
    }

    fn drop_work(&self) {
        let work = self.take_work();
        let context = &self.core.context;
        context.reports().guard(context.location, || drop(work));
    }
}

impl<T: Send + 'static, F: Work<T>> HasCore<T> for Task<T, F> {
    fn core(&self) -> &Core<T> {
        &self.core
    }
}

impl<T: Send + 'static, F: Work<T>> Runnable for Task<T, F> {
    fn claim(&self) -> bool {
        let is_first = !self.is_claimed();
        self.claimed.store(1, Ordering::Relaxed);
        is_first
    }

    fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::Relaxed) != 0
    }

    fn run(self: Arc<Self>) {
        if self.core.context.is_completed() {
            // Cancelled between the claim and now.
            return self.drop_work();
        }
        let Some(work) = self.take_work() else { return };
        self.core.begin();
        #[cfg(feature = "follow")]
        let part = self.core.context.work.enter();
        let outcome =
            host::catch_and_report(|| work(&self.core.context)).map_err(JobError::Panicked);
        #[cfg(feature = "follow")]
        drop(part);
        #[cfg(feature = "follow")]
        if let Err(JobError::Panicked(text)) = &outcome {
            self.core.context.work.fail(text);
        }
        Core::complete(&self, outcome);
    }

    fn abort(self: Arc<Self>, error: JobError) {
        self.drop_work();
        Core::complete(&self, Err(error));
    }

    fn refuse(self: Arc<Self>, error: JobError) {
        // It is on no list, where whoever waits for it would look.
        self.claim();
        self.core.context.count_refused(chain::refused());
        self.abort(error);
    }

    fn stop(&self) {
        self.core.context.stop();
    }

    fn cancel(self: Arc<Self>) -> bool {
        if !self.core.context.begin_cancelling() {
            return false;
        }
        // Of a job that waits, the work is dropped before anybody is told.
        let job: Arc<dyn Runnable> = self.clone();
        if self.pool().is_some_and(|pool| pool.claim(&job)) {
            self.drop_work();
        }
        Core::finish(&self, Err(JobError::Cancelled));
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

    fn cancel(self: Arc<Self>) -> bool {
        Runnable::cancel(self)
    }
}

impl<T: Send + 'static, F: Work<T>> TypedJob<T> for Task<T, F> {
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
