//! How one job completes: its callbacks, the consumer of its outcome, its waiters and wakers. Knows
//! no pool and no work.
//!
//! The lifecycle of a job:
//!
//! 1. Exactly one caller completes it: the thread that has run its work; the one that takes the work
//!    out before it began (a cancel, the shutdown of the pool, an executor that drops its task); or
//!    the holder of its promise, by completing or by dropping it.
//! 2. The listeners for progress are removed and dropped.
//! 3. The callbacks run, in the order they were added, on the completing thread and outside of the
//!    lock. Those added meanwhile join the end.
//! 4. Under the lock under which no callback is left, the job becomes done, and its [`OutcomeSink`]
//!    decides who gets the outcome: it is stored for the handle, given to a consumer, or dropped. Of
//!    a handle the blocked threads are notified first, then the waker is called.
//! 5. A callback that is added later takes a stored outcome out and repeats 3 and 4 on its thread.
//!
//! **The outcome stays on the stack of the completing thread** while callbacks see it, and is stored
//! under the same lock under which none is left. So no lock is held while they run, `T` need not be
//! `Sync`, and a callback that is added later takes the outcome out and does the same. Until the
//! callbacks have run, `is_done` is `false`: an outcome that is done can be taken.

use std::task::{Poll, Waker};
use std::time::Instant;

use super::context::JobContext;
use super::error::Outcome;
use super::host::{self, CallSite};
use crate::core::primitives::sync::{
    AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, lock, wait_until,
};
use crate::core::primitives::thread::token;

/// A callback for the outcome, without its type: a node of a linked list.
pub(super) trait DynCallback<T>: Send {
    fn call(self: Box<Self>, outcome: &Outcome<T>);
    /// The callback that was added before this one.
    fn previous(&mut self) -> &mut Option<Box<dyn DynCallback<T>>>;
}

pub(super) struct Callback<T, F> {
    location: CallSite,
    previous: Option<Box<dyn DynCallback<T>>>,
    f: F,
}

impl<T, F> Callback<T, F> {
    pub(super) fn new(location: CallSite, f: F) -> Self {
        Callback {
            location,
            previous: None,
            f,
        }
    }
}

impl<T: 'static, F: FnOnce(&Outcome<T>) + Send> DynCallback<T> for Callback<T, F> {
    fn call(self: Box<Self>, outcome: &Outcome<T>) {
        host::catch_and_log(self.location, || (self.f)(outcome));
    }

    fn previous(&mut self) -> &mut Option<Box<dyn DynCallback<T>>> {
        &mut self.previous
    }
}

/// Takes the outcome by value.
pub(super) type Consumer<T> = Box<dyn FnOnce(Outcome<T>) + Send>;

/// The receiver of the outcome, once the callbacks have run.
enum OutcomeSink<T> {
    /// The handle.
    Handle,
    /// The handle, which was polled.
    Waker(Waker),
    Consumer(Consumer<T>),
    /// None: the handle was dropped.
    Dropped,
}

/// A job is one allocation, so its state is kept small.
struct State<T> {
    /// The last one that was added; it links to those before.
    callbacks: Option<Box<dyn DynCallback<T>>>,
    /// `Some` from the end of the callbacks until it is taken.
    outcome: Option<Outcome<T>>,
    sink: OutcomeSink<T>,
    /// The job has completed, and the callbacks added until then have run.
    done: bool,
    /// A thread waits on the condvar.
    waiting: bool,
}

pub(super) struct Core<T> {
    state: Mutex<State<T>>,
    condvar: Condvar,
    /// The token of the thread that runs the work or the callbacks; 0 before. Relaxed: a thread only
    /// looks for its own token, which it stored itself.
    runner: AtomicUsize,
    pub(super) context: JobContext,
    /// The line that made the job.
    pub(super) location: CallSite,
}

impl<T> Core<T> {
    pub(super) fn new(context: JobContext, location: CallSite) -> Self {
        Core {
            state: Mutex::new(State {
                callbacks: None,
                outcome: None,
                sink: OutcomeSink::Handle,
                done: false,
                waiting: false,
            }),
            condvar: Condvar::new(),
            runner: AtomicUsize::new(0),
            context,
            location,
        }
    }

    /// Records that this thread runs the work, or the callbacks.
    pub(super) fn begin(&self) {
        self.runner.store(token(), Ordering::Relaxed);
    }

    /// Completes the job. Must be called once, by the owner of the work or the promise.
    pub(super) fn complete(&self, outcome: Outcome<T>) {
        self.begin();
        self.context.remove_listeners();
        self.run_callbacks(outcome);
    }

    /// Calls the callbacks until none is left, then hands the outcome to its sink.
    fn run_callbacks(&self, outcome: Outcome<T>) {
        loop {
            let mut state = lock(&self.state);
            let Some(last) = state.callbacks.take() else {
                return self.hand_over(state, outcome);
            };
            drop(state);
            for callback in in_order(last) {
                callback.call(&outcome);
            }
        }
    }

    /// Marks the job done and hands the outcome to its sink. Releases the lock before any call.
    fn hand_over(&self, mut state: MutexGuard<'_, State<T>>, outcome: Outcome<T>) {
        state.done = true;
        match std::mem::replace(&mut state.sink, OutcomeSink::Handle) {
            sink @ (OutcomeSink::Handle | OutcomeSink::Waker(_)) => {
                state.outcome = Some(outcome);
                let waiting = state.waiting;
                drop(state);
                if waiting {
                    self.condvar.notify_all();
                }
                if let OutcomeSink::Waker(waker) = sink {
                    host::catch_and_log(self.location, || waker.wake());
                }
            }
            OutcomeSink::Consumer(consumer) => {
                drop(state);
                host::catch_and_log(self.location, || consumer(outcome));
            }
            OutcomeSink::Dropped => {
                drop(state);
                host::catch_and_log(self.location, || drop(outcome));
            }
        }
    }

    /// Adds a callback; calls it now if the outcome is stored.
    pub(super) fn on_done(&self, mut callback: Box<dyn DynCallback<T>>) {
        let outcome = {
            let mut state = lock(&self.state);
            *callback.previous() = state.callbacks.take();
            state.callbacks = Some(callback);
            // `None` while callbacks run: the thread that runs them will find this one.
            state.outcome.take()
        };
        if let Some(outcome) = outcome {
            self.run_callbacks(outcome);
        }
    }

    /// Gives the outcome to `consumer`, once the callbacks have run. The handle must not take it then.
    pub(super) fn send_outcome_to(&self, consumer: Consumer<T>) {
        match self.replace_sink(OutcomeSink::Consumer(consumer)) {
            (Some(outcome), OutcomeSink::Consumer(consumer)) => {
                host::catch_and_log(self.location, || consumer(outcome));
            }
            (_, old) => host::catch_and_log(self.location, || drop(old)),
        }
    }

    /// Drops the outcome, now or when it is there: the handle was dropped.
    pub(super) fn discard_outcome(&self) {
        let (outcome, sink) = self.replace_sink(OutcomeSink::Dropped);
        if outcome.is_some() {
            host::catch_and_log(self.location, || drop(outcome));
        }
        if let OutcomeSink::Waker(_) = sink {
            host::catch_and_log(self.location, || drop(sink));
        }
    }

    /// Takes a stored outcome, and returns it with `sink`; else stores `sink` and returns the old one.
    fn replace_sink(&self, sink: OutcomeSink<T>) -> (Option<Outcome<T>>, OutcomeSink<T>) {
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

    /// Parks until the outcome is stored, or until the deadline, and takes it. `None` at once, if this
    /// thread runs the work or the callbacks of this job.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Option<Outcome<T>> {
        let mut state = lock(&self.state);
        loop {
            if let Some(outcome) = state.outcome.take() {
                return Some(outcome);
            }
            if self.runner.load(Ordering::Relaxed) == token() {
                return None;
            }
            state.waiting = true;
            state = wait_until(&self.condvar, state, deadline).ok()?;
        }
    }

    /// Takes the outcome, or stores the waker.
    pub(super) fn poll(&self, waker: &Waker) -> Poll<Outcome<T>> {
        if let Some(outcome) = self.try_take() {
            return Poll::Ready(outcome);
        }
        // User code: the new waker is cloned, and the old one dropped, outside of the lock.
        let new = waker.clone();
        let (outcome, waker) = self.replace_sink(OutcomeSink::Waker(new));
        // A panic in its `Drop` must not take the outcome with it.
        host::catch_and_log(self.location, || drop(waker));
        outcome.map_or(Poll::Pending, Poll::Ready)
    }
}

/// The callbacks in the order they were added.
fn in_order<T>(last: Box<dyn DynCallback<T>>) -> impl Iterator<Item = Box<dyn DynCallback<T>>> {
    let (mut rest, mut first) = (Some(last), None);
    while let Some(mut callback) = rest {
        rest = std::mem::replace(callback.previous(), first);
        first = Some(callback);
    }
    std::iter::from_fn(move || {
        let mut callback = first.take()?;
        first = callback.previous().take();
        Some(callback)
    })
}

impl<T> Drop for Core<T> {
    fn drop(&mut self) {
        debug_assert!(
            lock(&self.state).callbacks.is_none(),
            "a job completes before it is dropped"
        );
    }
}
