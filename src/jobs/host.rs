//! What jobs need of the rest of the crate: somewhere to tell of failures that nobody collects, and
//! queues. The only file of this module that reaches into the crate's core.

use std::panic::Location;
use std::sync::{Arc, Weak};

use crate::core::failure::{log, panics, pending};
use crate::core::mode::Shared;
use crate::core::queue::claim::posted;
use crate::core::queue::queue::Queue as Core;
use crate::core::settings::signal_info::SignalInfo;
use crate::error::DeferErrorKind;
use crate::failure::{Cause, HandlerError};
use crate::outcome::Outcome;
use crate::queue::Queue;

/// A line of the user's code.
pub(super) type CallSite = &'static Location<'static>;

/// What failures of jobs name as their topic.
const TOPIC: &str = "(job)";

/// Runs user code that must not unwind into us; a panic of it is logged.
pub(super) fn guarded(location: CallSite, f: impl FnOnce()) {
    pending::logged(TOPIC, location, f);
}

/// Runs user code, and tells the message of its panic.
pub(super) fn caught<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    panics::catch_and_report(f)
}

/// The way to where a queue is drained. Does not keep the queue.
pub(super) struct QueueSender<C: 'static> {
    queue: Weak<Core<Shared, C>>,
    info: Arc<SignalInfo<Shared>>,
    location: CallSite,
}

impl<C: 'static> QueueSender<C> {
    pub(super) fn to(queue: &Queue<Shared, C>, location: CallSite) -> Self {
        QueueSender {
            queue: Arc::downgrade(&queue.core),
            info: queue.core.info().clone(),
            location,
        }
    }

    /// Puts a call into the queue. Where that is refused, the call is dropped, outside of locks.
    pub(super) fn post<F, R>(&self, f: F) -> Result<(), DeferErrorKind>
    where
        F: FnOnce(&mut C) -> R + Send + 'static,
        R: Outcome,
    {
        let Some(queue) = self.queue.upgrade() else {
            guarded(self.location, || drop(f));
            return Err(DeferErrorKind::Closed);
        };
        let claim = posted(f, self.info.clone(), self.location);
        queue.call(claim, ()).map_err(|refused| refused.kind())
    }

    /// Tells that an outcome did not get into the queue: to the hook of its bus, or the log.
    pub(super) fn lost(&self, kind: DeferErrorKind) {
        let error = HandlerError {
            topic: TOPIC.into(),
            label: None,
            location: self.location,
            cause: Cause::Unqueued(kind),
        };
        if !self.info.config.tell(&error) {
            log::log(&error);
        }
    }
}
