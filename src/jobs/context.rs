//! What running work is given: a way to tell how far it is, and to hear that it should stop.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::error::Cancelled;
use super::host::{self, CallSite};
use super::pool::Pool;
use crate::core::primitives::sync::{AtomicUsize, Mutex, Ordering, lock};

/// How far a job is.
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
    /// How much is done, in whatever unit the job counts.
    pub done: u64,
    /// Of how much; 0 where the job does not know.
    pub total: u64,
}

impl Progress {
    /// The part that is done, from 0 to 1; `None` if the total is not known.
    #[must_use]
    pub fn fraction(self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "nobody sees the 53rd digit")]
        let part = |of: u64| self.done as f64 / of as f64;
        (self.total > 0).then(|| part(self.total).min(1.0))
    }
}

/// Whoever is told of progress. Its panics end here, that of its `Drop` too.
pub(super) struct Listener {
    location: CallSite,
    /// `None` while it is dropped.
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
            host::guarded(self.location, || f(progress));
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let f = self.f.take();
        host::guarded(self.location, || drop(f));
    }
}

#[derive(Default)]
struct ProgressState {
    latest: Option<Progress>,
    listeners: Option<Arc<[Arc<Listener>]>>,
}

/// What running work is given, as its `cx`: a way to tell how far it is, and to hear that it
/// should stop.
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
    /// What has happened to it: the bits below.
    flags: AtomicUsize,
    /// Few jobs tell how far they are.
    meter: Mutex<Option<Box<ProgressState>>>,
    /// `None` for a promise.
    pub(super) pool: Option<Arc<Pool>>,
}

const TOLD: usize = 1;
const LISTENED: usize = 2;
const ENDED: usize = 4;

impl JobContext {
    pub(super) fn new(pool: Option<Arc<Pool>>) -> Self {
        JobContext {
            flags: AtomicUsize::new(0),
            meter: Mutex::new(None),
            pool,
        }
    }

    /// Tells how far the job is: `done` of `total`, in any unit; a total of 0 says that it is not
    /// known.
    ///
    /// Calls what [`Job::on_progress`](super::Job::on_progress) has added, here and now. Costs two
    /// uncontended locks if nothing was, so a loop may tell of every step.
    pub fn progress(&self, done: u64, total: u64) {
        let progress = Progress { done, total };
        let listeners = {
            let mut meter = lock(&self.meter);
            let meter = meter.get_or_insert_default();
            meter.latest = Some(progress);
            meter.listeners.clone()
        };
        for listener in listeners.iter().flat_map(|all| all.iter()) {
            listener.call(progress);
        }
    }

    /// Whether the job was told to stop: cancelled while it runs, or its pool dropped.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let told = self.flags.load(Ordering::Acquire) & TOLD != 0;
        told || self.pool.as_ref().is_some_and(|pool| pool.is_ending())
    }

    /// For `cx.check()?`: ends work that was told to stop, at a place of its own choosing.
    ///
    /// The work then returns an `Err`, and that is the value of the job: `Ok(Err(Cancelled))`.
    ///
    /// # Errors
    ///
    /// If the job was told to stop.
    pub fn check(&self) -> Result<(), Cancelled> {
        match self.is_cancelled() {
            true => Err(Cancelled),
            false => Ok(()),
        }
    }

    pub(super) fn tell(&self) {
        self.flags.fetch_or(TOLD, Ordering::AcqRel);
    }

    pub(super) fn latest(&self) -> Option<Progress> {
        lock(&self.meter).as_ref()?.latest
    }

    /// Calls `listener` from now on, and now if there is something to tell.
    pub(super) fn listen(&self, listener: Arc<Listener>) {
        let (latest, _old) = {
            let mut meter = lock(&self.meter);
            let meter = meter.get_or_insert_default();
            let mut old = None;
            // Whoever ends it later finds that there is something to let go of.
            if self.flags.fetch_or(LISTENED, Ordering::AcqRel) & ENDED == 0 {
                let all = meter.listeners.iter().flat_map(|all| all.iter().cloned());
                let all = all.chain([listener.clone()]).collect();
                old = meter.listeners.replace(all);
            }
            (meter.latest, old)
        };
        if let Some(latest) = latest {
            listener.call(latest);
        }
    }

    /// The job has ended: lets go of those who listen.
    pub(super) fn end(&self) {
        if self.flags.fetch_or(ENDED, Ordering::AcqRel) & LISTENED != 0 {
            let mut meter = lock(&self.meter);
            let _listeners = meter.as_mut().and_then(|meter| meter.listeners.take());
            // Before what it has guarded: they are user code.
            drop(meter);
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

// No user code runs while something in here is half done.
impl UnwindSafe for JobContext {}
impl RefUnwindSafe for JobContext {}
