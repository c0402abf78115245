//! Delivery of outcomes and progress through a queue.
//!
//! **Outcomes and progress are calls that the bound of a queue does not count.** A worker must not wait
//! for whoever drains, and an outcome comes only once. Of the progress of one callback at most one call
//! waits, with the newest.

use std::sync::Arc;

use super::context::{DynListener, Progress, Report};
use super::core::DynConsumer;
use super::error::Outcome;
use super::host::{Callback, Calls, Place, QueueSender, Queued, Reports, Turn};
use crate::core::primitives::sync::{AtomicUsize, Mutex, Ordering, lock};
use crate::outcome::{self, BoxError, Flow};

/// The outcome and the closure that gets it.
pub(super) struct Delivery<T, F> {
    f: Mutex<Option<F>>,
    outcome: Mutex<Option<Outcome<T>>>,
}

/// A consumer that puts the outcome into a queue.
pub(super) type OutcomeCallback<C, T, F> = Callback<Delivery<T, F>, C>;

pub(super) fn outcome_callback<C: 'static, T: Send + 'static, F: Send + 'static>(
    f: F,
    place: Place,
    sender: QueueSender<C>,
) -> OutcomeCallback<C, T, F> {
    let delivery = Delivery {
        f: Mutex::new(Some(f)),
        outcome: Mutex::new(None),
    };
    Callback::new(delivery, Calls::One, place, Some(sender))
}

impl<C: 'static, T, F, R> Queued<C> for Delivery<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut C, Outcome<T>) -> R + Send + 'static,
    R: outcome::Outcome,
{
    fn deliver(&self, context: &mut C, mut returned: impl FnMut(Result<Flow, BoxError>)) {
        let (f, outcome) = (lock(&self.f).take(), lock(&self.outcome).take());
        if let (Some(f), Some(outcome)) = (f, outcome) {
            returned(f(context, outcome).settle());
        }
    }
}

impl<C: 'static, T, F, R> DynConsumer<T> for OutcomeCallback<C, T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut C, Outcome<T>) -> R + Send + 'static,
    R: outcome::Outcome,
{
    fn take(self: Box<Self>, outcome: Outcome<T>) {
        self.prepare(|delivery| *lock(&delivery.outcome) = Some(outcome));
        if let Err(kind) = self.post(Turn::only()) {
            self.report_lost(kind);
        }
    }

    fn is_live(&self) -> bool {
        Callback::is_live(self)
    }
}

/// The newest progress and the closure that gets it.
pub(super) struct Relay<F> {
    newest: Mutex<Option<Report>>,
    /// `None` while it is called.
    f: Mutex<Option<F>>,
    /// Not 0: a call came while another one was made, by a drain inside of it.
    again: AtomicUsize,
}

impl<C: 'static, F, R> Queued<C> for Relay<F>
where
    F: FnMut(&mut C, Progress) -> R + Send + 'static,
    R: outcome::Outcome,
{
    fn deliver(&self, context: &mut C, mut returned: impl FnMut(Result<Flow, BoxError>)) {
        let Some(f) = lock(&self.f).take() else {
            return self.again.store(1, Ordering::Relaxed);
        };
        let mut guard = PutBack(&self.f, Some(f));
        loop {
            let newest = *lock(&self.newest);
            if let (Some(report), Some(f)) = (newest, &mut guard.1) {
                returned(f(context, report.progress).settle());
            }
            // Relaxed: set by this thread.
            if self.again.swap(0, Ordering::Relaxed) == 0 {
                return;
            }
        }
    }
}

/// Puts the closure back when it is dropped, after a panic, too.
struct PutBack<'r, F>(&'r Mutex<Option<F>>, Option<F>);

impl<F> Drop for PutBack<'_, F> {
    fn drop(&mut self) {
        let f = self.1.take();
        *lock(self.0) = f;
    }
}

/// A listener that puts progress into a queue.
pub(super) struct QueuedListener<C: 'static, F: 'static> {
    callback: Callback<Relay<F>, C>,
    /// Not 0: a call waits in the queue.
    waits: Arc<AtomicUsize>,
}

impl<C: 'static, F: Send + 'static> QueuedListener<C, F> {
    pub(super) fn new(f: F, place: Place, sender: QueueSender<C>) -> Self {
        let relay = Relay {
            newest: Mutex::new(None),
            f: Mutex::new(Some(f)),
            again: AtomicUsize::new(0),
        };
        QueuedListener {
            callback: Callback::new(relay, Calls::Many, place, Some(sender)),
            waits: Arc::new(AtomicUsize::new(0)),
        }
    }

    pub(super) fn callback(&self) -> &Callback<Relay<F>, C> {
        &self.callback
    }
}

impl<C: 'static, F, R> DynListener for QueuedListener<C, F>
where
    F: FnMut(&mut C, Progress) -> R + Send + 'static,
    R: outcome::Outcome,
{
    fn call(&self, report: Report, _: &Reports) {
        self.finish(report);
    }

    fn finish(&self, report: Report) {
        self.callback.prepare(|relay| {
            let mut newest = lock(&relay.newest);
            if newest.is_none_or(|newest| newest.number < report.number) {
                *newest = Some(report);
            }
        });
        if let Some(turn) = Turn::take(&self.waits) {
            // A queue that is closed refuses it. The call is dropped, which gives up its turn.
            let _ = self.callback.post(turn);
        }
    }

    fn is_live(&self) -> bool {
        self.callback.is_live()
    }
}
