//! How one job completes: who is told, in which order, and who gets the outcome. Knows no pool and
//! no work.
//!
//! Whoever completes it has the outcome on the stack, and calls the callbacks with it, outside of
//! the lock. It is put away only when none is left, in the same moment in which nobody can add one
//! any more.

use std::task::{Poll, Waker};
use std::time::Instant;

use smallvec::SmallVec;

use super::context::JobContext;
use super::error::{JobError, Outcome};
use super::host::{self, Place};
use crate::core::sync::{AtomicUsize, Condvar, Fault, Mutex, Ordering, lock, planted};
use crate::core::thread::token;

/// Called with the outcome.
pub(super) struct Callback<T> {
    pub(super) place: Place,
    pub(super) f: Box<dyn FnOnce(&Outcome<T>) + Send>,
}

type Callbacks<T> = SmallVec<[Callback<T>; 1]>;

/// Takes the outcome by value.
pub(super) type Taker<T> = Box<dyn FnOnce(Outcome<T>) + Send>;

/// Who gets the outcome once the callbacks have run.
enum Heir<T> {
    /// The handle.
    Job,
    Taker(Taker<T>),
    /// The handle was dropped.
    Nobody,
}

struct State<T> {
    callbacks: Callbacks<T>,
    /// There between the callbacks and the taking.
    outcome: Option<Outcome<T>>,
    heir: Heir<T>,
    /// It has completed, and the callbacks that were there have run.
    done: bool,
    waker: Option<Waker>,
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
    bell: Condvar,
    /// The thread that runs the work, or the callbacks; 0 before. Only ever compared with one's own,
    /// so it needs no ordering.
    runner: AtomicUsize,
    pub(super) context: JobContext,
    /// The line that made the job.
    place: Place,
}

impl<T> Core<T> {
    pub(super) fn new(context: JobContext, place: Place) -> Self {
        Core {
            state: Mutex::new(State {
                callbacks: Callbacks::new(),
                outcome: None,
                heir: Heir::Job,
                done: false,
                waker: None,
                waiting: false,
            }),
            bell: Condvar::new(),
            runner: AtomicUsize::new(0),
            context,
            place,
        }
    }

    pub(super) fn place(&self) -> Place {
        self.place
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
        let mut looked = false;
        loop {
            let mut state = lock(&self.state);
            // Planted: what was added while callbacks ran is not looked for.
            let over = state.callbacks.is_empty() || (looked && planted(Fault::Uncalled));
            if over {
                state.done = true;
                let waker = state.waker.take();
                match std::mem::replace(&mut state.heir, Heir::Job) {
                    Heir::Job => {
                        state.outcome = Some(outcome);
                        let waiting = state.waiting;
                        drop(state);
                        if waiting {
                            self.bell.notify_all();
                        }
                        if let Some(waker) = waker {
                            host::guarded(self.place, || waker.wake());
                        }
                    }
                    Heir::Taker(taker) => {
                        drop(state);
                        host::guarded(self.place, || drop(waker));
                        host::guarded(self.place, || taker(outcome));
                    }
                    Heir::Nobody => {
                        drop(state);
                        host::guarded(self.place, || drop(waker));
                        host::guarded(self.place, || drop(outcome));
                    }
                }
                return;
            }
            let callbacks = std::mem::take(&mut state.callbacks);
            drop(state);
            looked = true;
            for Callback { place, f } in callbacks {
                host::guarded(place, || f(&outcome));
            }
        }
    }

    /// Adds a callback, or calls it now.
    pub(super) fn on_done(&self, callback: Callback<T>) {
        let outcome = {
            let mut state = lock(&self.state);
            state.callbacks.push(callback);
            // Gone while callbacks run: whoever runs them comes to this one.
            state.outcome.take()
        };
        if let Some(outcome) = outcome {
            self.settle(outcome);
        }
    }

    /// Gives the outcome to `taker`, once the callbacks have run. The handle must not take it then.
    pub(super) fn bequeath(&self, taker: Taker<T>) {
        let mut taker = Some(taker);
        let outcome = {
            let mut state = lock(&self.state);
            let outcome = state.outcome.take();
            if outcome.is_none() {
                state.heir = taker.take().map_or(Heir::Nobody, Heir::Taker);
            }
            outcome
        };
        if let (Some(taker), Some(outcome)) = (taker, outcome) {
            host::guarded(self.place, || taker(outcome));
        }
    }

    /// The handle is dropped, and takes nothing any more.
    pub(super) fn disown(&self) {
        let (outcome, waker) = {
            let mut state = lock(&self.state);
            let outcome = state.outcome.take();
            if outcome.is_none() && !planted(Fault::Undropped) {
                state.heir = Heir::Nobody;
            }
            (outcome, state.waker.take())
        };
        if outcome.is_some() || waker.is_some() {
            host::guarded(self.place, || drop(waker));
            host::guarded(self.place, || drop(outcome));
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
                    .bell
                    .wait(state)
                    .unwrap_or_else(|poisoned| poisoned.into_inner()),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Waited::TimedOut;
                    }
                    match self.bell.wait_timeout(state, left) {
                        Ok((state, _)) => state,
                        Err(poisoned) => poisoned.into_inner().0,
                    }
                }
            };
        }
    }

    /// Takes the outcome, or remembers the waker until it is there.
    pub(super) fn poll(&self, waker: &Waker) -> Poll<Outcome<T>> {
        let look = |new: Option<Waker>| {
            let mut state = lock(&self.state);
            if let Some(outcome) = state.outcome.take() {
                return (Poll::Ready(outcome), new);
            }
            match new {
                Some(new) => (Poll::Pending, state.waker.replace(new)),
                None => (Poll::Pending, None),
            }
        };
        if let (Poll::Ready(outcome), _) = look(None) {
            return Poll::Ready(outcome);
        }
        // Cloned outside of the lock, and what was there is dropped outside of it: user code.
        let new = waker.clone();
        if planted(Fault::Unlistened) {
            _ = lock(&self.state).waker.replace(new);
            return Poll::Pending;
        }
        let (poll, _old) = look(Some(new));
        poll
    }
}

impl<T> Drop for Core<T> {
    fn drop(&mut self) {
        debug_assert!(
            lock(&self.state).callbacks.is_empty(),
            "a job completes before it goes"
        );
    }
}

/// The outcome of work that has run.
pub(super) fn outcome_of<T>(work: impl FnOnce() -> T) -> Outcome<T> {
    host::caught(work).map_err(JobError::Panicked)
}
