//! The ways in which a job ends without a value, and the reasons to refuse one.

use crate::error::hands_back;

/// The outcome of a job: its value, or the reason why it has none.
pub type Outcome<T> = Result<T, JobError>;

/// The reason why a job has no value.
///
/// # Examples
///
/// ```
/// use slotcast::{JobError, Jobs};
///
/// let jobs = Jobs::new(1);
/// let job = jobs.submit(|_| -> u32 { panic!("out of paper") });
/// assert_eq!(job.wait(), Err(JobError::Panicked("out of paper".to_owned())));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// It was cancelled, or its pool was shut down before it began.
    #[error("job was cancelled")]
    Cancelled,
    /// It panicked, with this message; or the `Drop` of what it captured did.
    #[error("job panicked: {0}")]
    Panicked(String),
    /// It was never completed: its promise was dropped, or the executor dropped its task.
    #[error("job was abandoned by whoever should have completed it")]
    Abandoned,
    /// It was waited for from inside of itself: by its own work, by one of its callbacks, or by work
    /// that it waits for on the same thread. The wait would never have ended; the job continues.
    #[error("job was waited for from inside of itself")]
    Inside,
    /// It was waited for on a target without threads, where nothing completes it while this one waits: await
    /// it, or add a callback. The job continues.
    #[error("job was waited for on a target that has no threads")]
    NoThreads,
    /// Its outcome was given to somebody else: to whoever polled it by reference, or to a queue.
    #[error("outcome of the job was taken")]
    Taken,
}

/// This job was asked to stop. Returned by [`JobContext::check`](super::JobContext::check).
///
/// Converts into a [`JobError`], and by `?` into every boxed error.
///
/// # Examples
///
/// ```
/// use slotcast::JobError;
/// use slotcast::jobs::Cancelled;
///
/// fn chunks(cx: &slotcast::jobs::JobContext) -> Result<u64, Cancelled> {
///     for _chunk in 0..8 {
///         cx.check()?;
///     }
///     Ok(8)
/// }
/// let jobs = slotcast::Jobs::new(1);
/// assert_eq!(jobs.submit(chunks).wait(), Ok(Ok(8)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("job was told to stop")]
pub struct Cancelled;

impl From<Cancelled> for JobError {
    fn from(_: Cancelled) -> Self {
        JobError::Cancelled
    }
}

/// Work that a pool refused, handed back.
///
/// # Examples
///
/// ```
/// use slotcast::jobs::{Jobs, SubmitErrorKind};
///
/// let jobs = Jobs::new(1);
/// jobs.shutdown();
/// let error = jobs.try_submit(|_| 7).unwrap_err();
/// assert_eq!(error.kind(), SubmitErrorKind::ShutDown);
/// assert_eq!(error.to_string(), "pool of jobs is shut down");
/// let _work = error.into_work();
/// ```
#[non_exhaustive]
pub enum SubmitError<F> {
    /// The pool's [`backlog`](super::JobsBuilder::backlog) is full.
    Full(F),
    /// The pool was shut down.
    ShutDown(F),
}

/// The reason why a pool refused work, without the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitErrorKind {
    /// Its backlog is full.
    #[error("backlog of jobs is full")]
    Full,
    /// It was shut down.
    #[error("pool of jobs is shut down")]
    ShutDown,
}

hands_back! {
    impl<F> SubmitError<F>: Full | ShutDown {
        /// The reason why the work was refused.
        pub fn kind(&self) -> SubmitErrorKind;
        /// The work.
        pub fn into_work(self) -> F;
    }
}
