//! One piece of work that was followed.

use std::panic::Location;
#[cfg(feature = "nats")]
use std::sync::Arc;
use std::time::Duration;

use crate::cause::Cause;
use crate::failure::CallSite;
#[cfg(feature = "nats")]
use crate::follow::received::{Received, RemoteCause};

/// What kind of work a [`Step`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StepKind {
    /// An event, emitted at once.
    Emitted,
    /// An event that was deferred to a queue or delayed, and is delivered.
    Deferred,
    /// The call of a handler that waited in a queue.
    Queued,
    /// The future of a handler.
    Async,
    /// A closure that was posted to a queue, or the outcome of a job that was delivered by one.
    Posted,
    /// A job, or the callbacks of a promise that was kept.
    Job,
    /// An event that a [bridge](crate::nats) has received, and delivers.
    #[cfg(feature = "nats")]
    Received,
}

impl StepKind {
    /// What data calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            StepKind::Emitted => "emitted",
            StepKind::Deferred => "deferred",
            StepKind::Queued => "queued",
            StepKind::Async => "async",
            StepKind::Posted => "posted",
            StepKind::Job => "job",
            #[cfg(feature = "nats")]
            StepKind::Received => "received",
        }
    }
}

/// One piece of work that was followed, with its number and that of the work that led to it: an emission, a queued call,
/// a future, a job.
#[derive(Debug, Clone)]
pub struct Step {
    pub(crate) cause: Cause,
    pub(crate) parent: Option<Cause>,
    pub(crate) kind: StepKind,
    pub(crate) topic: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) place: CallSite,
    pub(crate) thread: String,
    /// Nanoseconds since the following began.
    pub(crate) at: u64,
    /// Nanoseconds that it waited before it began.
    pub(crate) waited: Option<u64>,
    /// Nanoseconds from its beginning to its end. `None` as long as it runs.
    pub(crate) took: Option<u64>,
    pub(crate) ran: u32,
    pub(crate) failed: u32,
    pub(crate) stopped: bool,
    pub(crate) text: Option<String>,
    pub(crate) failure: Option<String>,
    pub(crate) calls: Vec<Call>,
    #[cfg(feature = "nats")]
    pub(crate) received: Option<Arc<Received>>,
}

/// One call of a handler inside of a [`Step`].
#[derive(Debug, Clone)]
pub struct Call {
    pub(crate) label: Option<String>,
    pub(crate) place: CallSite,
    /// Nanoseconds without nested emissions.
    pub(crate) own: u64,
    pub(crate) failed: bool,
}

impl Step {
    /// Whether it ended at this nanosecond or later, or runs.
    pub(crate) fn is_news(&self, after: u64) -> bool {
        let ended = self.took.map(|took| self.at.saturating_add(took));
        ended.is_none_or(|it| it >= after)
    }

    /// Its number.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// The number of the work that led to it. `None` if nothing that was followed did.
    #[must_use]
    pub fn parent(&self) -> Option<Cause> {
        self.parent
    }

    /// What kind of work it is.
    #[must_use]
    pub fn kind(&self) -> StepKind {
        self.kind
    }

    /// The topic of the event, or that of the handler. `None` for a job and a posted closure.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        self.topic.as_deref()
    }

    /// The label of the handler that is called, if it is one and has one.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The line that emitted, deferred, posted or submitted it; that of the handler if it is a call.
    #[must_use]
    pub fn place(&self) -> &'static Location<'static> {
        self.place
    }

    /// The name of the thread it ran on: its number there, if it has no name.
    #[must_use]
    pub fn thread(&self) -> &str {
        &self.thread
    }

    /// When it began, from the beginning of the following.
    #[must_use]
    pub fn at(&self) -> Duration {
        Duration::from_nanos(self.at)
    }

    /// How long it waited in a queue or for a thread. `None` if it did not.
    #[must_use]
    pub fn waited(&self) -> Option<Duration> {
        self.waited.map(Duration::from_nanos)
    }

    /// How long it took, with what is nested in it. `None` as long as it runs.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        self.took.map(Duration::from_nanos)
    }

    /// How many handlers have run.
    #[must_use]
    pub fn ran(&self) -> usize {
        self.ran as usize
    }

    /// How many failures there were in it.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failed as usize
    }

    /// Whether a handler has stopped the emission.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// What was made of the event by [`Follow::show`](crate::Follow::show): at most 256 bytes of it.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The message of the first failure in it: at most 256 bytes.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// What has led to it on another machine, for an event that a [bridge](crate::nats) has received from a bus that was
    /// followed, too.
    #[cfg(feature = "nats")]
    #[must_use]
    pub fn remote(&self) -> Option<&RemoteCause> {
        self.received.as_ref()?.cause()
    }

    /// From where, how long ago and with what behind it the event has come, if a [bridge](crate::nats) has received it.
    #[cfg(feature = "nats")]
    #[must_use]
    pub fn received(&self) -> Option<&Received> {
        self.received.as_deref()
    }

    /// The calls of handlers that it has made itself, of which the first eight are kept.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }
}

impl Call {
    /// The label of the handler.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The line that subscribed it.
    #[must_use]
    pub fn place(&self) -> &'static Location<'static> {
        self.place
    }

    /// How long it took without the emissions nested in it.
    #[must_use]
    pub fn own(&self) -> Duration {
        Duration::from_nanos(self.own)
    }

    /// Whether it failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.failed
    }
}
