//! Jobs that are completed by hand.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::core::primitives::unwind::unwind_safe;

use super::context::JobContext;
use super::core::{Core, HasCore};
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
    let core = Arc::new(Core::new(JobContext::new(None, Location::caller())));
    let job = Job::new(core.clone());
    (Promise { core }, job)
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
    core: Arc<Core<T>>,
}

impl<T: Send + 'static> Promise<T> {
    /// Completes the job with a value. Its callbacks run on this thread, and its waiters are woken.
    ///
    /// If the job has completed already, because it was cancelled, the value is dropped.
    pub fn complete(self, value: T) {
        Core::complete(&self.core, Ok(value));
    }

    /// Completes the job without a value.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{JobError, promise};
    ///
    /// let (promise, job) = promise::<u32>();
    /// promise.fail(JobError::Panicked("lost the connection".to_owned()));
    /// assert!(job.wait().is_err());
    /// ```
    pub fn fail(self, error: JobError) {
        Core::complete(&self.core, Err(error));
    }

    /// Completes the job with a value through a shared reference, for callbacks that may be called
    /// several times: the first one counts.
    ///
    /// # Errors
    ///
    /// The value comes back if the job has completed already: by an earlier call, or because it was
    /// cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// fn watch(changed: impl Fn(u32) + Send + 'static) { // an interface with a callback
    ///     changed(1);
    ///     changed(2);
    /// }
    /// let (promise, job) = slotcast::promise();
    /// watch(move |n| _ = promise.try_complete(n));
    /// assert_eq!(job.wait(), Ok(1));
    /// ```
    pub fn try_complete(&self, value: T) -> Result<(), T> {
        if !self.core.context.begin_completing() {
            return Err(value);
        }
        Core::finish(&self.core, Ok(value));
        Ok(())
    }

    /// Like [`try_complete`](Self::try_complete), without a value.
    ///
    /// # Errors
    ///
    /// The error comes back if the job has completed already.
    pub fn try_fail(&self, error: JobError) -> Result<(), JobError> {
        if !self.core.context.begin_completing() {
            return Err(error);
        }
        Core::finish(&self.core, Err(error));
        Ok(())
    }

    /// Whether the job was cancelled or asked to stop. One that was cancelled has completed, so that
    /// what the promise is given is dropped; one that was asked to stop completes with it.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.core.context.is_cancelled()
    }

    /// Calls `f` once when the job is cancelled or asked to stop, as [`JobContext::on_cancel`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let (abort, aborted) = mpsc::channel(); // a request that can be aborted
    /// let (promise, job) = slotcast::promise::<u32>();
    /// promise.on_cancel(move || _ = abort.send(()));
    /// assert!(job.cancel());
    /// assert_eq!(aborted.recv(), Ok(()));
    /// ```
    #[track_caller]
    pub fn on_cancel<F: FnOnce() + Send + 'static>(&self, f: F) {
        self.core.context.on_cancel(f);
    }

    /// Whether completing the job would count.
    pub(super) fn is_open(&self) -> bool {
        !self.core.context.is_completed()
    }

    /// Reports progress, as [`JobContext::progress`] does.
    pub fn progress(&self, done: u64, total: u64) {
        self.core.context.progress(done, total);
    }
}

impl<T: Send + 'static> Drop for Promise<T> {
    fn drop(&mut self) {
        if !self.core.context.is_completed() {
            Core::complete(&self.core, Err(JobError::Abandoned));
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

    fn cancel(self: Arc<Self>) -> bool {
        let cancels = self.context.begin_cancelling();
        if cancels {
            Self::finish(&self, Err(JobError::Cancelled));
        }
        cancels
    }
}

impl<T: Send + 'static> HasCore<T> for Core<T> {
    fn core(&self) -> &Core<T> {
        self
    }
}

impl<T: Send + 'static> TypedJob<T> for Core<T> {
    fn erase(self: Arc<Self>) -> Arc<dyn DynJob> {
        self
    }

    fn prepare_wait(self: Arc<Self>) -> Vec<BlockingGuard> {
        // Another job of those pools may hold the promise.
        pool::enter_blocking()
    }
}
