//! The context of running work: it reports progress, and sees requests to stop.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::chain;
use super::error::Cancelled;
use super::host::{self, CallSite, Reports};
use super::pool::Pool;
#[cfg(feature = "follow")]
use crate::core::follow;
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

/// Progress, with its number among the reports of the job.
#[derive(Clone, Copy)]
pub(super) struct Report {
    pub(super) number: usize,
    pub(super) progress: Progress,
}

/// A callback for progress.
pub(super) trait DynListener: Send + Sync {
    /// Calls it, unless it was taken back.
    fn call(&self, report: Report, reports: &Reports);
    /// The job ends before another thread has come to call it with its last report: for those that need
    /// not be called by one thread at a time.
    fn finish(&self, _: Report) {}
    fn is_live(&self) -> bool;
}

/// A listener. A panic of its `Drop` is caught.
struct Listening {
    /// The number of the last report that it was called for.
    told: AtomicUsize,
    /// `None` only during the drop.
    listener: Option<Box<dyn DynListener>>,
    reports: Reports,
    location: CallSite,
}

impl Listening {
    /// Whether it was called neither with this report nor with a newer one.
    fn begins(&self, report: Report) -> bool {
        // AcqRel: the thread that ends the job may come in between.
        self.told.fetch_max(report.number, Ordering::AcqRel) < report.number
    }

    fn call(&self, report: Report) {
        if let Some(listener) = &self.listener {
            listener.call(report, &self.reports);
        }
    }

    fn finish(&self, report: Report) {
        if let Some(listener) = &self.listener {
            listener.finish(report);
        }
    }

    fn is_live(&self) -> bool {
        self.listener.as_ref().is_some_and(|it| it.is_live())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let listener = self.listener.take();
        self.reports.guard(self.location, || drop(listener));
    }
}

/// What a job has told, and whom: few jobs have any of it.
struct Telling {
    state: Mutex<TellingState>,
    /// Not 0: the listeners were removed.
    ended: AtomicUsize,
    reports: Reports,
}

#[derive(Default)]
struct TellingState {
    latest: Option<Report>,
    /// A thread calls the listeners.
    telling: bool,
    /// There is something that it has not told yet.
    more: bool,
    listeners: Option<Arc<[Arc<Listening>]>>,
    /// With how many listeners those that were taken back are looked for again.
    sweep_at: usize,
    on_cancel: Vec<(CallSite, Box<dyn FnOnce() + Send>)>,
}

impl Telling {
    /// Calls the listeners with the newest report, as long as there is a newer one. One thread does at a
    /// time, so no listener is called with an older report after a newer one.
    fn tell(self: Arc<Self>) {
        let begins = {
            let mut state = lock(&self.state);
            state.more = true;
            !std::mem::replace(&mut state.telling, true)
        };
        if !begins {
            return;
        }
        if chain::is_full() {
            chain::postpone(Box::new(move || self.tell_all()));
        } else {
            chain::enter(|| self.tell_all());
        }
    }

    fn tell_all(&self) {
        loop {
            let (latest, listeners) = {
                let mut state = lock(&self.state);
                if !std::mem::take(&mut state.more) {
                    state.telling = false;
                    return;
                }
                (state.latest, state.listeners.clone())
            };
            let Some(report) = latest else { continue };
            for listening in listeners.iter().flat_map(|all| all.iter()) {
                // Acquire; pairs with the Release in `remove_listeners`.
                let ended = self.ended.load(Ordering::Acquire) != 0;
                if !ended && listening.begins(report) {
                    listening.call(report);
                }
            }
        }
    }
}

/// What is told of a cancel, and the line that said so.
fn call_on_cancel(reports: &Reports, location: CallSite, f: Box<dyn FnOnce() + Send>) {
    if chain::is_full() {
        let reports = reports.clone();
        chain::postpone(Box::new(move || reports.guard(location, f)));
    } else {
        chain::enter(|| reports.guard(location, f));
    }
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
    /// Apart, and made when it is needed.
    telling: Mutex<Option<Arc<Telling>>>,
    /// `None` for a promise.
    pub(super) pool: Option<Arc<Pool>>,
    /// The line that made the job.
    pub(super) location: CallSite,
    /// What it follows from, and what it leads to.
    #[cfg(feature = "follow")]
    pub(super) work: follow::LongWork,
}

/// The job is asked to stop.
const STOP_REQUESTED: usize = 1;
/// There are, or were, listeners.
const HAS_LISTENERS: usize = 2;
/// The job has completed: what it tells and returns from now on is dropped.
const COMPLETED: usize = 4;
/// Its handle was dropped.
const UNOWNED: usize = 8;
/// One of a row of refused jobs. All higher bits count them.
const REFUSED: usize = 16;

impl JobContext {
    pub(super) fn new(pool: Option<Arc<Pool>>, location: CallSite) -> Self {
        JobContext {
            flags: AtomicUsize::new(0),
            telling: Mutex::new(None),
            pool,
            location,
            #[cfg(feature = "follow")]
            work: follow::LongWork::of_job(location),
        }
    }

    /// Where its failures are reported. Those of a promise go to the log.
    pub(super) fn reports(&self) -> &Reports {
        self.pool.as_ref().map_or(&host::LOG, |pool| &pool.reports)
    }

    /// Reports progress: `done` of `total`, in any unit; a total of 0 means that it is not known.
    ///
    /// Calls the callbacks of [`Job::on_progress`](super::Job::on_progress) on this thread, before it
    /// returns. If they run at that moment, because another thread or one of them reports, they are
    /// called again when they have returned, with the newest report: none sees an older one after a
    /// newer one, and a report that was superseded meanwhile is left out. Without callbacks it costs
    /// two uncontended locks, so a loop may report every step. Ignored when the job has completed, by
    /// a cancel too.
    pub fn progress(&self, done: u64, total: u64) {
        if self.is_completed() {
            return;
        }
        let telling = self.telling();
        let has_listeners = {
            let mut state = lock(&telling.state);
            state.latest = Some(Report {
                number: state.latest.map_or(1, |report| report.number + 1),
                progress: Progress { done, total },
            });
            state.listeners.is_some()
        };
        if has_listeners {
            telling.tell();
        }
    }

    /// Calls `f` once when the job is [cancelled](super::Job::cancel) or asked to
    /// [stop](super::Job::stop), on the thread that does that, before the job completes; at once, if
    /// that has happened already. For what does not look at [`is_cancelled`](Self::is_cancelled): a
    /// socket to be closed, a process to be killed.
    ///
    /// Runs outside of all locks. A panic in it is reported, as that of a callback is. If the job
    /// completes without a cancel, `f` is dropped. Several are called in the order they were added.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let jobs = slotcast::Jobs::new(1);
    /// let (began, begins) = mpsc::channel();
    /// let job = jobs.submit(move |cx| {
    ///     let (close, lines) = mpsc::channel::<String>(); // a connection
    ///     cx.on_cancel(move || drop(close));
    ///     began.send(()).unwrap();
    ///     lines.iter().count() // blocks until it is closed
    /// });
    /// begins.recv()?;
    /// job.stop();
    /// assert_eq!(job.wait(), Ok(0));
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    #[track_caller]
    pub fn on_cancel<F: FnOnce() + Send + 'static>(&self, f: F) {
        let location = Location::caller();
        let mut f: Option<Box<dyn FnOnce() + Send>> = Some(Box::new(f));
        let telling = self.telling();
        let flags = {
            let mut state = lock(&telling.state);
            // AcqRel; pairs with `stop` and `remove_listeners`: of the two, the later sees the flag of
            // the earlier. That one either finds `f` under the lock, or it is not added.
            let flags = self.flags.fetch_or(HAS_LISTENERS, Ordering::AcqRel);
            if flags & (STOP_REQUESTED | COMPLETED) == 0 {
                state.on_cancel.extend(f.take().map(|f| (location, f)));
            }
            flags
        };
        let Some(f) = f else { return };
        if flags & STOP_REQUESTED != 0 {
            call_on_cancel(&telling.reports, location, f);
        } else {
            telling.reports.guard(location, || drop(f));
        }
    }

    /// Whether the job was asked to stop: by [`Job::cancel`](super::Job::cancel), by
    /// [`Job::stop`](super::Job::stop), or by the end of its pool.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        // Acquire; pairs with the release in `stop`.
        self.flags.load(Ordering::Acquire) & STOP_REQUESTED != 0
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

    /// Asks the job to stop, and calls those who want to be told.
    pub(super) fn stop(&self) {
        // AcqRel: releases what the caller did before; pairs with the Acquire in `is_cancelled`, and
        // with `on_cancel`.
        let flags = self.flags.fetch_or(STOP_REQUESTED, Ordering::AcqRel);
        if flags & STOP_REQUESTED == 0 && flags & COMPLETED == 0 {
            self.tell_of_cancel(flags);
        }
    }

    fn tell_of_cancel(&self, flags: usize) {
        if flags & HAS_LISTENERS == 0 {
            return;
        }
        let telling = self.telling();
        let all = std::mem::take(&mut lock(&telling.state).on_cancel);
        for (location, f) in all {
            call_on_cancel(&telling.reports, location, f);
        }
    }

    /// Makes the caller the one that completes the job. Returns whether it is: the first.
    pub(super) fn begin_completing(&self) -> bool {
        self.flags.fetch_or(COMPLETED, Ordering::AcqRel) & COMPLETED == 0
    }

    /// Like [`begin_completing`](Self::begin_completing), and tells the work.
    pub(super) fn begin_cancelling(&self) -> bool {
        // One step, so that nobody sees it completed and not cancelled.
        let flags = self
            .flags
            .fetch_or(COMPLETED | STOP_REQUESTED, Ordering::AcqRel);
        if flags & COMPLETED != 0 {
            return false;
        }
        if flags & STOP_REQUESTED == 0 {
            self.tell_of_cancel(flags);
        }
        true
    }

    /// Records that the handle was dropped. Returns whether the job has completed: if not, whoever completes it
    /// finds that recorded.
    pub(super) fn disown(&self) -> bool {
        self.flags.fetch_or(UNOWNED, Ordering::AcqRel) & COMPLETED != 0
    }

    pub(super) fn is_unowned(&self) -> bool {
        self.flags.load(Ordering::Acquire) & UNOWNED != 0
    }

    pub(super) fn is_completed(&self) -> bool {
        self.flags.load(Ordering::Acquire) & COMPLETED != 0
    }

    /// Counts the job as refused, after this number of refused jobs that led to it. Once.
    pub(super) fn count_refused(&self, before: usize) {
        self.flags
            .fetch_add(REFUSED * (before + 1), Ordering::AcqRel);
    }

    /// The number of refused jobs in a row, of which this is the last.
    pub(super) fn refused(&self) -> usize {
        self.flags.load(Ordering::Acquire) / REFUSED
    }

    fn telling(&self) -> Arc<Telling> {
        let mut slot = lock(&self.telling);
        let telling = slot.get_or_insert_with(|| {
            Arc::new(Telling {
                state: Mutex::new(TellingState::default()),
                ended: AtomicUsize::new(0),
                reports: self.reports().clone(),
            })
        });
        telling.clone()
    }

    pub(super) fn latest(&self) -> Option<Progress> {
        let telling = lock(&self.telling).clone()?;
        let state = lock(&telling.state);
        state.latest.map(|report| report.progress)
    }

    /// Adds a listener until the job ends, and calls it with the latest progress, if there is any.
    pub(super) fn add_listener(&self, listener: Box<dyn DynListener>, location: CallSite) {
        let telling = self.telling();
        let listening = Arc::new(Listening {
            told: AtomicUsize::new(0),
            listener: Some(listener),
            reports: telling.reports.clone(),
            location,
        });
        let (latest, added, _old) = {
            let mut state = lock(&telling.state);
            let mut old = None;
            // AcqRel; pairs with `remove_listeners`: of the two, the later sees the flag of the
            // earlier. That one either finds the listener under the lock, or it is not added.
            let flags = self.flags.fetch_or(HAS_LISTENERS, Ordering::AcqRel);
            let added = flags & COMPLETED == 0;
            if added {
                old = state.listeners.take();
                let all = old.iter().flat_map(|all| all.iter());
                let sweep = state.sweep_at <= old.as_ref().map_or(0, |all| all.len());
                let all = all.filter(|it| !sweep || it.is_live()).cloned();
                let all: Arc<[_]> = all.chain([listening.clone()]).collect();
                if sweep {
                    state.sweep_at = 2 * all.len();
                }
                state.listeners = Some(all);
            }
            (state.latest, added, old)
        };
        match latest {
            Some(_) if added => telling.clone().tell(),
            Some(report) => listening.call(report),
            None => {}
        }
    }

    /// Removes and drops the listeners: the callbacks for the outcome are about to run.
    pub(super) fn remove_listeners(&self) {
        // Acquire; pairs with `add_listener`. Without listeners no lock is taken.
        if self.flags.load(Ordering::Acquire) & HAS_LISTENERS == 0 {
            return;
        }
        let telling = self.telling();
        // Release; pairs with the Acquire in `tell_all`.
        telling.ended.store(1, Ordering::Release);
        let (listeners, latest, on_cancel) = {
            let mut state = lock(&telling.state);
            let on_cancel = std::mem::take(&mut state.on_cancel);
            (state.listeners.take(), state.latest, on_cancel)
        };
        for listening in listeners.iter().flat_map(|all| all.iter()) {
            if let Some(report) = latest.filter(|report| listening.begins(*report)) {
                listening.finish(report);
            }
        }
        for (location, f) in on_cancel {
            telling.reports.guard(location, || drop(f));
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
