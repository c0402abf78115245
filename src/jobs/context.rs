//! The context of running work: it reports progress, and sees requests to stop.

use std::fmt;
use std::sync::Arc;

use super::error::Cancelled;
use super::host::{self, CallSite};
use super::pool::Pool;
use crate::core::primitives::sync::{AtomicUsize, Mutex, Ordering, lock};
use crate::core::primitives::unwind::unwind_safe;

/// The progress of a job.
///
/// # Examples
///
/// ```
/// let (promise, job) = slotcast::promise::<()>();
/// promise.progress(3, 4);
/// let progress = job.progress().unwrap();
/// assert_eq!((progress.done, progress.fraction()), (3, Some(0.75)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Progress {
    /// The amount that is done, in a unit of the job's choice.
    pub done: u64,
    /// The total amount; 0 if the job does not know it.
    pub total: u64,
}

impl Progress {
    /// The part that is done, from 0 to 1; `None` if the total is not known.
    #[must_use]
    pub fn fraction(self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "the 53rd bit does not show")]
        let part = |of: u64| self.done as f64 / of as f64;
        (self.total > 0).then(|| part(self.total).min(1.0))
    }
}

/// A callback for progress. Its panics are caught and logged, that of its `Drop` too.
pub(super) struct Listener {
    location: CallSite,
    /// `None` only during the drop.
    f: Option<Box<dyn Fn(Progress) + Send + Sync>>,
}

impl Listener {
    pub(super) fn new(
        location: CallSite,
        f: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let f: Option<Box<dyn Fn(Progress) + Send + Sync>> = Some(Box::new(f));
        Arc::new(Listener { location, f })
    }

    fn call(&self, progress: Progress) {
        if let Some(f) = &self.f {
            host::catch_and_log(self.location, || f(progress));
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let f = self.f.take();
        host::catch_and_log(self.location, || drop(f));
    }
}

#[derive(Default)]
struct ProgressState {
    latest: Option<Progress>,
    listeners: Option<Arc<[Arc<Listener>]>>,
}

/// The context of running work, its `cx`: reports progress, and says when the work should stop.
///
/// # Examples
///
/// ```
/// let jobs = slotcast::Jobs::new(1);
/// let job = jobs.submit(|cx| {
///     for page in 0..12 {
///         if cx.is_cancelled() {
///             return page;
///         }
///         cx.progress(page + 1, 12);
///     }
///     12
/// });
/// let handle = job.handle();
/// assert_eq!(job.wait(), Ok(12));
/// assert_eq!(handle.progress().unwrap().done, 12);
/// ```
pub struct JobContext {
    /// The bits below.
    flags: AtomicUsize,
    /// Boxed: few jobs report progress.
    progress: Mutex<Option<Box<ProgressState>>>,
    /// `None` for a promise.
    pub(super) pool: Option<Arc<Pool>>,
}

/// The job is asked to stop.
const CANCEL_REQUESTED: usize = 1;
/// There are listeners for progress.
const HAS_LISTENERS: usize = 2;
/// The job has ended: listeners are not added any more.
const ENDED: usize = 4;

impl JobContext {
    pub(super) fn new(pool: Option<Arc<Pool>>) -> Self {
        JobContext {
            flags: AtomicUsize::new(0),
            progress: Mutex::new(None),
            pool,
        }
    }

    /// Reports progress: `done` of `total`, in any unit; a total of 0 means that it is not known.
    ///
    /// Calls the callbacks of [`Job::on_progress`](super::Job::on_progress) on this thread, before it
    /// returns. Without any it costs two uncontended locks, so a loop may report every step.
    pub fn progress(&self, done: u64, total: u64) {
        let progress = Progress { done, total };
        let listeners = {
            let mut state = lock(&self.progress);
            let state = state.get_or_insert_default();
            state.latest = Some(progress);
            state.listeners.clone()
        };
        for listener in listeners.iter().flat_map(|all| all.iter()) {
            listener.call(progress);
        }
    }

    /// Whether the job was asked to stop: cancelled while it runs, or its pool dropped.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        // Acquire; pairs with the release in `request_cancel`.
        let requested = self.flags.load(Ordering::Acquire) & CANCEL_REQUESTED != 0;
        let pool = self.pool.as_ref();
        requested || pool.is_some_and(|it| it.is_cancel_requested())
    }

    /// For `cx.check()?`: ends work that was asked to stop, at a place of its own choosing.
    ///
    /// The work then returns an `Err`, and that is the value of the job: `Ok(Err(Cancelled))`.
    ///
    /// # Errors
    ///
    /// If the job was asked to stop.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() {
            Err(Cancelled)
        } else {
            Ok(())
        }
    }

    /// Asks the job to stop.
    pub(super) fn request_cancel(&self) {
        // Releases what the caller did before; pairs with the Acquire in `is_cancelled`.
        self.flags.fetch_or(CANCEL_REQUESTED, Ordering::AcqRel);
    }

    pub(super) fn latest(&self) -> Option<Progress> {
        lock(&self.progress).as_ref()?.latest
    }

    /// Adds a listener until the job ends, and calls it with the latest progress, if there is any.
    pub(super) fn add_listener(&self, listener: Arc<Listener>) {
        let (latest, _old) = {
            let mut state = lock(&self.progress);
            let state = state.get_or_insert_default();
            let mut old = None;
            // AcqRel; pairs with `remove_listeners`: of the two, the later sees the flag of the
            // earlier. That one either finds the listener under the lock, or it is not added.
            if self.flags.fetch_or(HAS_LISTENERS, Ordering::AcqRel) & ENDED == 0 {
                let all = state.listeners.iter().flat_map(|all| all.iter().cloned());
                let all = all.chain([listener.clone()]).collect();
                old = state.listeners.replace(all);
            }
            (state.latest, old)
        };
        if let Some(latest) = latest {
            listener.call(latest);
        }
    }

    /// Removes and drops the listeners: the job has ended.
    pub(super) fn remove_listeners(&self) {
        // AcqRel; pairs with `add_listener`. Without listeners no lock is taken.
        if self.flags.fetch_or(ENDED, Ordering::AcqRel) & HAS_LISTENERS != 0 {
            let mut state = lock(&self.progress);
            let _listeners = state.as_mut().and_then(|state| state.listeners.take());
            // Before the listeners, whose drop runs user code.
            drop(state);
        }
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext")
            .field("is_cancelled", &self.is_cancelled())
            .field("progress", &self.latest())
            .finish()
    }
}

unwind_safe! {
    [] JobContext;
}
