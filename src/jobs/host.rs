//! What jobs need of the rest of the crate: reporting of failures that no emission collects, and
//! queues.
//!
//! The only file of this folder that imports from `crate::core`, apart from its primitives (atomics,
//! locks, thread-locals).

use std::sync::{Arc, Weak};

pub(super) use crate::core::failure::panics::catch_and_report;
use crate::core::failure::{log, pending};
use crate::core::mode::Shared;
use crate::core::queue::claim::posted;
use crate::core::queue::queue::Queue as Core;
use crate::core::settings::signal_info::SignalInfo;
use crate::error::DeferErrorKind;
pub(super) use crate::failure::CallSite;
use crate::failure::{Cause, HandlerError};
use crate::outcome::Outcome;
use crate::queue::Queue;

/// The topic that failures of jobs name.
const TOPIC: &str = "(job)";

/// Runs user code that must not unwind into the caller; logs its panic.
#[inline]
pub(super) fn catch_and_log(location: CallSite, f: impl FnOnce()) {
    pending::logged(TOPIC, location, f);
}

/// Posts calls to a queue. Holds a weak reference to it.
pub(super) struct QueueSender<C: 'static> {
    queue: Weak<Core<Shared, C>>,
    info: Arc<SignalInfo<Shared>>,
    location: CallSite,
}

impl<C: 'static> QueueSender<C> {
    pub(super) fn new(queue: &Queue<Shared, C>, location: CallSite) -> Self {
        QueueSender {
            queue: Arc::downgrade(&queue.core),
            info: queue.core.info.clone(),
            location,
        }
    }

    /// Puts a call into the queue. If the queue refuses it, the call is dropped, outside of locks.
    pub(super) fn post<F, R>(&self, f: F) -> Result<(), DeferErrorKind>
    where
        F: FnOnce(&mut C) -> R + Send + 'static,
        R: Outcome,
    {
        let Some(queue) = self.queue.upgrade() else {
            catch_and_log(self.location, || drop(f));
            return Err(DeferErrorKind::Closed);
        };
        let claim = posted(f, self.info.clone(), self.location);
        queue
            .call_uncounted(claim, ())
            .map_err(|refused| refused.kind())
    }

    /// Reports that the queue refused an outcome: to the error hook of its bus, or to the log.
    pub(super) fn report_lost(&self, kind: DeferErrorKind) {
        let error = HandlerError {
            topic: TOPIC.into(),
            label: None,
            location: self.location,
            cause: Cause::Unqueued(kind),
        };
        if !self.info.config.call_hook(&error) {
            log::log(&error);
        }
    }
}
