//! Callbacks of a job, in their two forms: detached, and held by a subscription.

use std::fmt;
use std::sync::Arc;

use super::context::{DynListener, Progress, Report};
use super::core::{self, Core};
use super::deliver::{QueuedListener, outcome_callback};
use super::error::Outcome;
use super::host::{CallSite, Callback, Calls, Place, QueueSender, Reports};
use super::task::TypedJob;
use crate::core::primitives::sync::{Mutex, lock};
use crate::flavour::{Shared, Subscription};
use crate::outcome::{self, Flow};
use crate::queue::Queue;

/// A callback for the outcome.
pub(super) struct Done<F> {
    pub(super) place: Place,
    pub(super) f: F,
}

impl<T, F, R> core::Callback<T> for Done<F>
where
    F: FnOnce(&Outcome<T>) -> R + Send + 'static,
    R: outcome::Outcome,
{
    fn call(self, outcome: &Outcome<T>, reports: &Reports) -> bool {
        let Done { place, f } = self;
        reports.call(&place, || f(outcome));
        true
    }

    fn location(&self) -> CallSite {
        self.place.location
    }
}

/// A callback for the outcome, with a subscription.
struct SubscribedDone<F: 'static> {
    place: Place,
    callback: Callback<Mutex<Option<F>>>,
}

impl<T, F, R> core::Callback<T> for SubscribedDone<F>
where
    F: FnOnce(&Outcome<T>) -> R + Send + 'static,
    R: outcome::Outcome,
{
    fn call(self, outcome: &Outcome<T>, reports: &Reports) -> bool {
        self.callback.call(|slot| match lock(slot).take() {
            Some(f) => reports.call(&self.place, || f(outcome)),
            None => Flow::Continue,
        })
    }

    fn is_live(&self) -> bool {
        self.callback.is_live()
    }

    fn location(&self) -> CallSite {
        self.place.location
    }
}

/// A callback for progress.
struct Listens<F: 'static> {
    place: Place,
    callback: Callback<F>,
}

impl<F, R> DynListener for Listens<F>
where
    F: Fn(Progress) -> R + Send + Sync + 'static,
    R: outcome::Outcome,
{
    fn call(&self, report: Report, reports: &Reports) {
        let call = |f: &F| reports.call(&self.place, || f(report.progress));
        self.callback.call(call);
    }

    fn is_live(&self) -> bool {
        self.callback.is_live()
    }
}

/// Adds a callback to a job, and returns its subscription. Made by [`Job::subscribe`](super::Job::subscribe).
///
/// Taking a callback back, by its [`Subscription`](crate::Subscription), drops what it captured at once,
/// or when the call that runs has returned. The subscription reads inactive when the callback was called,
/// and when the job has completed. A callback that is paused when its call would be made is skipped. It
/// cannot be replaced. A job keeps nothing of what was taken back but a few words, and those only until
/// other callbacks need the room.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
///
/// let (promise, job) = slotcast::promise::<u32>();
/// let shown = Arc::new(AtomicU64::new(0));
/// let shows = shown.clone();
/// let bar = job.subscribe().label("bar").on_progress(move |it| shows.store(it.done, Ordering::Relaxed));
/// promise.progress(1, 2);
/// drop(bar);
/// promise.progress(2, 2);
/// assert_eq!(shown.load(Ordering::Relaxed), 1);
/// ```
#[must_use = "nothing is subscribed until a callback is given"]
pub struct JobSubscribe<'j, T> {
    job: &'j Arc<dyn TypedJob<T>>,
    place: Place,
}

impl<'j, T: Send + 'static> JobSubscribe<'j, T> {
    pub(super) fn new(job: &'j Arc<dyn TypedJob<T>>, location: CallSite) -> Self {
        JobSubscribe {
            job,
            place: Place::new(location),
        }
    }

    /// Sets a label that names the callback in reports, beside the line that subscribed it.
    pub fn label(mut self, label: impl Into<Box<str>>) -> Self {
        self.place.label = Some(label.into());
        self
    }

    /// Like [`Job::on_done`](super::Job::on_done).
    pub fn on_done<F, R>(self, f: F) -> Subscription<Shared>
    where
        F: FnOnce(&Outcome<T>) -> R + Send + 'static,
        R: outcome::Outcome,
    {
        let captures = Mutex::new(Some(f));
        let callback = Callback::new(captures, Calls::One, self.place.clone(), None);
        let subscription = callback.subscription();
        let place = self.place;
        Core::on_done(self.job, SubscribedDone { place, callback });
        subscription
    }

    /// Like [`Job::on_done_in`](super::Job::on_done_in), without consuming the handle: `f` gets the
    /// outcome by value, and the handle does not any more.
    ///
    /// Taking it back before the job has completed leaves the outcome to the handle again; when it waits
    /// in the queue already, it is dropped with `f`, at once. There is one taker: if the outcome was
    /// taken, or another queue is to get it, `f` gets [`JobError::Taken`](super::JobError::Taken).
    pub fn on_done_in<C: 'static, F, R>(
        self,
        queue: &Queue<Shared, C>,
        f: F,
    ) -> Subscription<Shared>
    where
        F: FnOnce(&mut C, Outcome<T>) -> R + Send + 'static,
        R: outcome::Outcome,
    {
        let callback = outcome_callback(f, self.place, QueueSender::new(queue));
        let subscription = callback.subscription();
        self.job.core().send_outcome_to(Box::new(callback));
        subscription
    }

    /// Like [`Job::on_progress`](super::Job::on_progress).
    pub fn on_progress<F, R>(self, f: F) -> Subscription<Shared>
    where
        F: Fn(Progress) -> R + Send + Sync + 'static,
        R: outcome::Outcome,
    {
        let callback = Callback::new(f, Calls::Many, self.place.clone(), None);
        let subscription = callback.subscription();
        let (place, location) = (self.place.clone(), self.place.location);
        let listener = Box::new(Listens { place, callback });
        self.job.core().context.add_listener(listener, location);
        subscription
    }

    /// Like [`Job::on_progress_in`](super::Job::on_progress_in).
    pub fn on_progress_in<C: 'static, F, R>(
        self,
        queue: &Queue<Shared, C>,
        f: F,
    ) -> Subscription<Shared>
    where
        F: FnMut(&mut C, Progress) -> R + Send + 'static,
        R: outcome::Outcome,
    {
        let location = self.place.location;
        let listener = QueuedListener::new(f, self.place, QueueSender::new(queue));
        let subscription = listener.callback().subscription();
        let context = &self.job.core().context;
        context.add_listener(Box::new(listener), location);
        subscription
    }
}

impl<T> fmt::Debug for JobSubscribe<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobSubscribe")
            .field("label", &self.place.label)
            .finish_non_exhaustive()
    }
}
