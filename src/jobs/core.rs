//! How one job completes: who is told, in which order, and who gets the outcome. Knows no pool and
//! no work.
//!
//! Whoever completes it has the outcome on the stack, and calls the callbacks with it, outside of
//! the lock. It is put away only when none is left, in the same moment in which nobody can add one
//! any more.

use std::task::{Poll, Waker};
use std::time::Instant;

use super::context::JobContext;
use super::error::{JobError, Outcome};
use super::host::{self, CallSite};
use crate::core::primitives::sync::{AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, lock};
use crate::core::primitives::thread::token;

/// Called with the outcome. The one that was added before it hangs on to it.
pub(super) trait Call<T>: Send {
    fn call(self: Box<Self>, outcome: &Outcome<T>);
    fn before(&mut self) -> &mut Option<Box<dyn Call<T>>>;
}

pub(super) struct Callback<T, F> {
    location: CallSite,
    before: Option<Box<dyn Call<T>>>,
    f: F,
}

impl<T, F> Callback<T, F> {
    pub(super) fn new(location: CallSite, f: F) -> Self {
        Callback {
            location,
            before: None,
            f,
        }
    }
}

impl<T: 'static, F: FnOnce(&Outcome<T>) + Send> Call<T> for Callback<T, F> {
    fn call(self: Box<Self>, outcome: &Outcome<T>) {
        host::guarded(self.location, || (self.f)(outcome));
    }

    fn before(&mut self) -> &mut Option<Box<dyn Call<T>>> {
        &mut self.before
    }
}

/// Takes the outcome by value.
pub(super) type Taker<T> = Box<dyn FnOnce(Outcome<T>) + Send>;

/// Who gets the outcome once the callbacks have run.
enum OutcomeSink<T> {
    /// The handle.
    Job,
    /// The handle, which wants to be polled.
    Waker(Waker),
    Taker(Taker<T>),
    /// The handle was dropped.
    Nobody,
}

/// One allocation has all of a job, so what is in here is kept small.
struct State<T> {
    /// The last one that was added.
    callbacks: Option<Box<dyn Call<T>>>,
    /// There between the callbacks and the taking.
    outcome: Option<Outcome<T>>,
    sink: OutcomeSink<T>,
    /// It has completed, and the callbacks that were there have run.
    done: bool,
    /// A thread waits for the bell.
    waiting: bool,
}

/// What a thread found that looked for the outcome.
pub(super) enum Waited<T> {
    Outcome(Outcome<T>),
    TimedOut,
    /// This thread is the one that runs the work, or the callbacks.
    Inside,
}

pub(super) struct Core<T> {
    state: Mutex<State<T>>,
    condvar: Condvar,
    /// The thread that runs the work, or the callbacks; 0 before. Only ever compared with one's own,
    /// so it needs no ordering.
    runner: AtomicUsize,
    pub(super) context: JobContext,
    /// The line that made the job.
    location: CallSite,
}

impl<T> Core<T> {
    pub(super) fn new(context: JobContext, location: CallSite) -> Self {
        Core {
            state: Mutex::new(State {
                callbacks: None,
                outcome: None,
                sink: OutcomeSink::Job,
                done: false,
                waiting: false,
            }),
            condvar: Condvar::new(),
            runner: AtomicUsize::new(0),
            context,
            location,
        }
    }

    pub(super) fn location(&self) -> CallSite {
        self.location
    }

    /// This thread is about to run the work.
    pub(super) fn begin(&self) {
        self.runner.store(token(), Ordering::Relaxed);
    }

    /// Completes the job. To be called once, by whoever has the work or the promise.
    pub(super) fn complete(&self, outcome: Outcome<T>) {
        self.begin();
        self.context.end();
        self.settle(outcome);
    }

    /// Calls the callbacks until there are no more, and hands the outcome to whom it belongs.
    fn settle(&self, outcome: Outcome<T>) {
        loop {
            let mut state = lock(&self.state);
            let Some(last) = state.callbacks.take() else {
                return self.end(state, outcome);
            };
            drop(state);
            for callback in in_order(last) {
                callback.call(&outcome);
            }
        }
    }

    /// Hands the outcome on. Nobody is called under the lock.
    fn end(&self, mut state: MutexGuard<'_, State<T>>, outcome: Outcome<T>) {
        state.done = true;
        match std::mem::replace(&mut state.sink, OutcomeSink::Job) {
            sink @ (OutcomeSink::Job | OutcomeSink::Waker(_)) => {
                state.outcome = Some(outcome);
                let waiting = state.waiting;
                drop(state);
                if waiting {
                    self.condvar.notify_all();
                }
                if let OutcomeSink::Waker(waker) = sink {
                    host::guarded(self.location, || waker.wake());
                }
            }
            OutcomeSink::Taker(taker) => {
                drop(state);
                host::guarded(self.location, || taker(outcome));
            }
            OutcomeSink::Nobody => {
                drop(state);
                host::guarded(self.location, || drop(outcome));
            }
        }
    }

    /// Adds a callback, or calls it now.
    pub(super) fn on_done(&self, mut callback: Box<dyn Call<T>>) {
        let outcome = {
            let mut state = lock(&self.state);
            *callback.before() = state.callbacks.take();
            state.callbacks = Some(callback);
            // Gone while callbacks run: whoever runs them comes to this one.
            state.outcome.take()
        };
        if let Some(outcome) = outcome {
            self.settle(outcome);
        }
    }

    /// Gives the outcome to `taker`, once the callbacks have run. The handle must not take it then.
    pub(super) fn send_outcome_to(&self, taker: Taker<T>) {
        match self.leave_to(OutcomeSink::Taker(taker)) {
            (Some(outcome), OutcomeSink::Taker(taker)) => {
                host::guarded(self.location, || taker(outcome));
            }
            (_, old) => host::guarded(self.location, || drop(old)),
        }
    }

    /// The handle is dropped, and takes nothing any more.
    pub(super) fn disown(&self) {
        let (outcome, sink) = self.leave_to(OutcomeSink::Nobody);
        if outcome.is_some() {
            host::guarded(self.location, || drop(outcome));
        }
        if let OutcomeSink::Waker(_) = sink {
            host::guarded(self.location, || drop(sink));
        }
    }

    /// The outcome if it is there, and `sink`; else who would have got it before.
    fn leave_to(&self, sink: OutcomeSink<T>) -> (Option<Outcome<T>>, OutcomeSink<T>) {
        let mut state = lock(&self.state);
        match state.outcome.take() {
            Some(outcome) => (Some(outcome), sink),
            None => (None, std::mem::replace(&mut state.sink, sink)),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        lock(&self.state).done
    }

    pub(super) fn try_take(&self) -> Option<Outcome<T>> {
        lock(&self.state).outcome.take()
    }

    /// Parks until the outcome is there, at most until `until`.
    pub(super) fn wait(&self, until: Option<Instant>) -> Waited<T> {
        let mut state = lock(&self.state);
        loop {
            if let Some(outcome) = state.outcome.take() {
                return Waited::Outcome(outcome);
            }
            if self.runner.load(Ordering::Relaxed) == token() {
                return Waited::Inside;
            }
            state.waiting = true;
            state = match until {
                None => self
                    .condvar
                    .wait(state)
                    .unwrap_or_else(|poisoned| poisoned.into_inner()),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Waited::TimedOut;
                    }
                    match self.condvar.wait_timeout(state, left) {
                        Ok((state, _)) => state,
                        Err(poisoned) => poisoned.into_inner().0,
                    }
                }
            };
        }
    }

    /// Takes the outcome, or remembers the waker until it is there.
    pub(super) fn poll(&self, waker: &Waker) -> Poll<Outcome<T>> {
        if let Some(outcome) = self.try_take() {
            return Poll::Ready(outcome);
        }
        // Cloned outside of the lock, and what was there is dropped outside of it: user code.
        let new = waker.clone();
        let (outcome, waker) = self.leave_to(OutcomeSink::Waker(new));
        // A panic in its `Drop` must not take the outcome with it.
        host::guarded(self.location, || drop(waker));
        outcome.map_or(Poll::Pending, Poll::Ready)
    }
}

/// The callbacks, the first one first.
fn in_order<T>(last: Box<dyn Call<T>>) -> impl Iterator<Item = Box<dyn Call<T>>> {
    let (mut rest, mut first) = (Some(last), None);
    while let Some(mut callback) = rest {
        rest = std::mem::replace(callback.before(), first);
        first = Some(callback);
    }
    std::iter::from_fn(move || {
        let mut callback = first.take()?;
        first = callback.before().take();
        Some(callback)
    })
}

impl<T> Drop for Core<T> {
    fn drop(&mut self) {
        debug_assert!(
            lock(&self.state).callbacks.is_none(),
            "a job completes before it goes"
        );
    }
}

/// The outcome of work that has run.
pub(super) fn outcome_of<T>(work: impl FnOnce() -> T) -> Outcome<T> {
    host::caught(work).map_err(JobError::Panicked)
}
