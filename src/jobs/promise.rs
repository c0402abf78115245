//! Jobs that are completed by hand.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::core::primitives::unwind::unwind_safe;

use super::context::JobContext;
use super::core::Core;
use super::error::JobError;
use super::job::Job;
use super::pool::{self, BlockingGuard};
use super::task::{DynJob, TypedJob};

/// Creates a job, and the promise that completes it: for work that is done elsewhere, by a callback of
/// another library, a device, a person.
///
/// # Examples
///
/// ```
/// use slotcast::promise;
///
/// fn ask(answer: impl FnOnce(u32) + Send + 'static) { // an interface with a callback
///     std::thread::spawn(|| answer(42));
/// }
/// let (promise, job) = promise();
/// ask(|answer| promise.complete(answer));
/// assert_eq!(job.wait(), Ok(42));
/// ```
#[track_caller]
pub fn promise<T: Send + 'static>() -> (Promise<T>, Job<T>) {
    let core = Arc::new(Core::new(JobContext::new(None), Location::caller()));
    let job = Job::new(core.clone());
    (Promise { core: Some(core) }, job)
}

/// Completes a job, once. Made by [`promise`].
///
/// A promise that is dropped without that completes its job as [`JobError::Abandoned`], so that waiters
/// do not wait for ever.
///
/// # Examples
///
/// ```
/// use slotcast::{JobError, promise};
///
/// let (promise, job) = promise::<u32>();
/// drop(promise);
/// assert_eq!(job.wait(), Err(JobError::Abandoned));
/// ```
#[must_use = "dropping the promise completes its job as abandoned"]
pub struct Promise<T: Send + 'static> {
    /// `None` once the job was completed.
    core: Option<Arc<Core<T>>>,
}

impl<T: Send + 'static> Promise<T> {
    /// Completes the job with a value. Its callbacks run on this thread, and its waiters are woken.
    pub fn complete(mut self, value: T) {
        if let Some(core) = self.core.take() {
            core.complete(Ok(value));
        }
    }

    /// Completes the job without a value; after a cancel, for example, with [`JobError::Cancelled`].
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{JobError, promise};
    ///
    /// let (promise, job) = promise::<u32>();
    /// job.cancel();
    /// if promise.is_cancelled() {
    ///     promise.fail(JobError::Cancelled);
    /// }
    /// assert_eq!(job.wait(), Err(JobError::Cancelled));
    /// ```
    pub fn fail(mut self, error: JobError) {
        if let Some(core) = self.core.take() {
            core.complete(Err(error));
        }
    }

    /// Whether the job was cancelled. It still completes only by this promise, and with what the
    /// promise is given, so nothing is lost by not asking.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.context().is_some_and(JobContext::is_cancelled)
    }

    /// Reports progress, as [`JobContext::progress`] does.
    pub fn progress(&self, done: u64, total: u64) {
        if let Some(context) = self.context() {
            context.progress(done, total);
        }
    }

    fn context(&self) -> Option<&JobContext> {
        Some(&self.core.as_ref()?.context)
    }
}

impl<T: Send + 'static> Drop for Promise<T> {
    fn drop(&mut self) {
        if let Some(core) = self.core.take() {
            core.complete(Err(JobError::Abandoned));
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise")
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

unwind_safe! {
    [T: Send + 'static] Promise<T>;
}

/// The job of a promise is nothing but its core: there is no work that could be claimed.
impl<T: Send + 'static> DynJob for Core<T> {
    fn context(&self) -> &JobContext {
        &self.context
    }

    fn is_done(&self) -> bool {
        self.is_done()
    }

    fn cancel(&self) -> bool {
        self.context.request_cancel();
        false
    }
}

impl<T: Send + 'static> TypedJob<T> for Core<T> {
    fn core(&self) -> &Core<T> {
        self
    }

    fn erase(self: Arc<Self>) -> Arc<dyn DynJob> {
        self
    }

    fn prepare_wait(self: Arc<Self>) -> Vec<BlockingGuard> {
        // Another job of those pools may hold the promise.
        pool::enter_blocking()
    }
}
