//! How one job completes: its callbacks, the consumer of its outcome, its waiters and wakers. Knows
//! no pool and no work.
//!
//! The lifecycle of a job:
//!
//! 1. Whoever is the first completes it: the thread that has run its work; the one that takes the work
//!    out before it began (the shutdown of the pool, an executor that drops its task); whoever cancels
//!    it; or the holder of its promise, by completing or by dropping it. What comes later is dropped.
//! 2. The listeners for progress are removed and dropped.
//! 3. The callbacks run, in the order they were added, on the completing thread and outside of the
//!    lock. Those added meanwhile join the end. Deep inside of other callbacks they are left for
//!    later ([`chain`]): the outcome is stored as *postponed*, and whoever comes first, the thread's
//!    list or anybody who waits for the job, takes it out and runs them.
//! 4. Under the lock under which no callback is left, the job becomes done, and the outcome is given to a
//!    consumer, stored for the handle, or dropped where there is neither. The blocked threads are notified
//!    first, then the waker is called. A job whose handle was dropped before its callbacks were taken out gets
//!    no other ones: it is done when these have run, without the lock.
//! 5. A callback that is added later takes a stored outcome out and repeats 3 and 4 on its thread.
//!
//! **The outcome stays on the stack of the completing thread** while callbacks see it, and is stored
//! under the same lock under which none is left. So no lock is held while they run, `T` need not be
//! `Sync`, and a callback that is added later takes the outcome out and does the same. Until the
//! callbacks have run, `is_done` is `false`: an outcome that is done can be taken.
//!
//! **Whoever comes after the outcome was taken is told so**, by [`JobError::Taken`]: a callback, a
//! consumer or a wait. A panic that no callback, consumer or taker has seen is reported when the
//! outcome is dropped.

use std::sync::Arc;
use std::task::{Poll, Waker};

use smallvec::SmallVec;

use super::chain;
use super::context::JobContext;
use super::error::{JobError, Outcome};
use super::host::{CallSite, Cause, Place, Reports};
use crate::core::primitives::clock::Instant;
use crate::core::primitives::sync::{
    AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, THREADS, lock, wait_until,
};
use crate::core::primitives::thread::token;

/// A callback for the outcome.
pub(super) trait Callback<T>: Send + 'static {
    /// Calls it, unless it was taken back. Returns whether it was called.
    fn call(self, outcome: &Outcome<T>, reports: &Reports) -> bool;
    fn is_live(&self) -> bool {
        true
    }
    fn location(&self) -> CallSite;
}

/// A callback without its type.
trait DynCallback<T>: Send {
    fn call(self: Box<Self>, outcome: &Outcome<T>, reports: &Reports) -> bool;
    fn is_live(&self) -> bool;
    fn location(&self) -> CallSite;
}

impl<T, K: Callback<T>> DynCallback<T> for K {
    fn call(self: Box<Self>, outcome: &Outcome<T>, reports: &Reports) -> bool {
        Callback::call(*self, outcome, reports)
    }
    fn is_live(&self) -> bool {
        Callback::is_live(self)
    }
    fn location(&self) -> CallSite {
        Callback::location(self)
    }
}

/// Takes the outcome by value.
pub(super) trait DynConsumer<T>: Send {
    fn take(self: Box<Self>, outcome: Outcome<T>);
    fn is_live(&self) -> bool {
        true
    }
}

type Callbacks<T> = SmallVec<[Box<dyn DynCallback<T>>; 1]>;

/// A job is one allocation, so its state is kept small.
struct State<T> {
    callbacks: Callbacks<T>,
    /// With how many callbacks those that were taken back are looked for again.
    sweep_at: usize,
    /// `Some` from the end of the callbacks until it is taken, and while it is postponed.
    outcome: Option<Outcome<T>>,
    /// The outcome has been stored, but the callbacks have not seen it.
    postponed: bool,
    /// Gets the outcome once the callbacks have run, and not the handle.
    consumer: Option<Box<dyn DynConsumer<T>>>,
    /// Of the handle, which was polled.
    waker: Option<Waker>,
    /// The outcome was given to somebody, or dropped.
    taken: bool,
    /// A callback has seen the outcome.
    seen: bool,
    /// A thread waits on the condvar.
    waiting: bool,
}

impl<T> State<T> {
    /// The outcome, if all callbacks have run and nobody has taken it.
    fn stored(&mut self) -> Option<Outcome<T>> {
        self.outcome.take_if(|_| !self.postponed)
    }

    /// The outcome for whoever takes it, if the job is done.
    fn take(&mut self) -> Option<Outcome<T>> {
        if self.taken {
            return Some(Err(JobError::Taken));
        }
        let outcome = self.stored()?;
        self.taken = true;
        Some(outcome)
    }
}

pub(super) struct Core<T> {
    state: Mutex<State<T>>,
    condvar: Condvar,
    /// Not 0: the job has completed, and the callbacks added until then have run. Release, paired with Acquire:
    /// whoever sees that sees what they did.
    done: AtomicUsize,
    /// The token of the thread that runs the work or the callbacks; 0 before. Relaxed: a thread only
    /// looks for its own token, which it stored itself.
    runner: AtomicUsize,
    pub(super) context: JobContext,
}

/// What a core is part of, and is kept alive by.
pub(super) trait HasCore<T>: Send + Sync {
    fn core(&self) -> &Core<T>;
}

impl<T> Core<T> {
    pub(super) fn new(context: JobContext) -> Self {
        Core {
            state: Mutex::new(State {
                callbacks: SmallVec::new(),
                sweep_at: 8,
                outcome: None,
                postponed: false,
                consumer: None,
                waker: None,
                taken: false,
                seen: false,
                waiting: false,
            }),
            condvar: Condvar::new(),
            done: AtomicUsize::new(0),
            runner: AtomicUsize::new(0),
            context,
        }
    }

    /// Records that this thread runs the work, or the callbacks.
    pub(super) fn begin(&self) {
        self.runner.store(token(), Ordering::Relaxed);
    }

    /// Whether this thread runs the work or the callbacks. To be asked before the outcome is looked for:
    /// the token of a thread that has ended, and so has stored the outcome, may be that of another one.
    pub(super) fn is_inside(&self) -> bool {
        self.runner.load(Ordering::Relaxed) == token()
    }

    fn guard(&self, f: impl FnOnce()) {
        self.context.reports().guard(self.context.location, f);
    }

    /// Drops an outcome. A panic that nobody has seen is reported.
    fn discard(&self, outcome: Outcome<T>, seen: bool) {
        if let (Err(JobError::Panicked(text)), false) = (&outcome, seen) {
            let place = Place::new(self.context.location);
            let text = text.clone();
            self.context
                .reports()
                .report(&place, Cause::JobPanicked(text));
        }
        self.guard(|| drop(outcome));
    }

    /// Stores the outcome for whoever comes first to run the callbacks.
    fn postpone(&self, outcome: Outcome<T>) {
        let mut state = lock(&self.state);
        state.outcome = Some(outcome);
        state.postponed = true;
        let (waiting, waker) = (state.waiting, state.waker.take());
        drop(state);
        self.wake(waiting, waker);
    }

    fn wake(&self, waiting: bool, waker: Option<Waker>) {
        if waiting {
            self.condvar.notify_all();
        }
        if let Some(waker) = waker {
            self.guard(|| waker.wake());
        }
    }

    /// Runs the callbacks of a postponed outcome, on this thread.
    fn resume(&self) {
        let outcome = {
            let mut state = lock(&self.state);
            if !std::mem::take(&mut state.postponed) {
                return;
            }
            state.outcome.take()
        };
        if let Some(outcome) = outcome {
            chain::enter(|| self.run_callbacks(outcome, false));
        }
    }

    /// Calls the callbacks until none is left, then hands the outcome over. `seen`: a callback has seen it.
    fn run_callbacks(&self, outcome: Outcome<T>, mut seen: bool) {
        self.begin();
        #[cfg(feature = "follow")]
        self.context.work.end(None);
        #[cfg(feature = "follow")]
        let _lead = self.context.work.lead();
        self.context.remove_listeners();
        let refused = self.context.refused();
        let _refused = (refused > 0).then(|| chain::set_refused(refused));
        loop {
            let mut state = lock(&self.state);
            state.seen |= seen;
            if state.callbacks.is_empty() {
                return self.hand_over(state, outcome);
            }
            let callbacks = std::mem::take(&mut state.callbacks);
            // Without a handle nobody adds another one, and nobody waits.
            let is_last = self.context.is_unowned() && state.consumer.is_none();
            seen |= state.seen;
            drop(state);
            if refused > chain::MAX_REFUSED {
                self.end_chain(callbacks);
            } else {
                let reports = self.context.reports();
                for callback in callbacks {
                    seen |= callback.call(&outcome, reports);
                }
            }
            if is_last {
                self.done.store(1, Ordering::Release);
                return self.discard(outcome, seen);
            }
        }
    }

    /// Drops the callbacks of a job that was refused as those that led to it were.
    #[cold]
    fn end_chain(&self, callbacks: Callbacks<T>) {
        for callback in callbacks {
            let place = Place::new(callback.location());
            let cause = Cause::RefusedAgain(self.context.refused());
            self.context.reports().report(&place, cause);
            self.guard(|| drop(callback));
        }
    }

    /// Marks the job done, and hands the outcome to the consumer or the handle. Releases the lock before any call.
    fn hand_over(&self, mut state: MutexGuard<'_, State<T>>, outcome: Outcome<T>) {
        self.done.store(1, Ordering::Release);
        let (waiting, waker) = (state.waiting, state.waker.take());
        let (consumer, taken_back) = match state.consumer.take() {
            Some(consumer) if consumer.is_live() => (Some(consumer), None),
            taken_back => (None, taken_back),
        };
        if let Some(consumer) = consumer {
            state.taken = true;
            drop(state);
            self.guard(|| consumer.take(outcome));
        } else if self.context.is_unowned() {
            state.taken = true;
            let seen = state.seen;
            drop(state);
            self.discard(outcome, seen);
        } else {
            state.outcome = Some(outcome);
            drop(state);
        }
        self.wake(waiting, waker);
        if taken_back.is_some() {
            self.guard(|| drop(taken_back));
        }
    }

    /// Gives the outcome to `consumer`, once the callbacks have run. If it was given to another one
    /// already, or will be, this one is told so.
    pub(super) fn send_outcome_to(&self, consumer: Box<dyn DynConsumer<T>>) {
        #[cfg(feature = "follow")]
        let _lead = self.context.work.lead();
        let mut old = None;
        let outcome = {
            let mut state = lock(&self.state);
            match (state.take(), &state.consumer) {
                (Some(outcome), _) => Some((outcome, consumer)),
                (None, Some(other)) if other.is_live() => Some((Err(JobError::Taken), consumer)),
                (None, _) => {
                    old = state.consumer.replace(consumer);
                    None
                }
            }
        };
        self.guard(|| drop(old));
        if let Some((outcome, consumer)) = outcome {
            self.guard(|| consumer.take(outcome));
        }
    }

    /// The handle was dropped: drops the outcome, now or when it is there, unless a consumer gets it. `polled`:
    /// there may be a waker.
    pub(super) fn discard_outcome(&self, polled: bool) {
        if !self.context.disown() && !polled {
            return;
        }
        let mut state = lock(&self.state);
        let waker = state.waker.take();
        let outcome = state.stored();
        state.taken |= outcome.is_some();
        let seen = state.seen;
        drop(state);
        if let Some(outcome) = outcome {
            self.discard(outcome, seen);
        }
        if waker.is_some() {
            self.guard(|| drop(waker));
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire) != 0
    }

    pub(super) fn try_take(&self) -> Option<Outcome<T>> {
        let mut state = lock(&self.state);
        if state.postponed {
            drop(state);
            self.resume();
            state = lock(&self.state);
        }
        state.take()
    }

    /// Parks until the outcome is stored, or until the deadline, and takes it. `None` at once, if this
    /// thread runs the work or the callbacks of this job, or there are no threads.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Option<Outcome<T>> {
        // What this thread has left for later may be what this wait is for.
        while !self.is_done() && chain::run_one() {}
        loop {
            let inside = self.is_inside();
            if let Some(outcome) = self.try_take() {
                return Some(outcome);
            }
            if inside || !THREADS {
                return None;
            }
            let mut state = lock(&self.state);
            while !state.postponed && state.outcome.is_none() && !state.taken {
                state.waiting = true;
                state = wait_until(&self.condvar, state, deadline).ok()?;
            }
        }
    }

    /// Takes the outcome, or stores the waker.
    pub(super) fn poll(&self, waker: &Waker) -> Poll<Outcome<T>> {
        // Before that there is none, and no callback that this thread could run.
        let completed = self.context.is_completed();
        if let Some(outcome) = completed.then(|| self.try_take()).flatten() {
            return Poll::Ready(outcome);
        }
        // User code: the new waker is cloned, and the old one dropped, outside of the lock.
        let mut new = Some(waker.clone());
        let old = loop {
            let mut state = lock(&self.state);
            if let Some(outcome) = state.take() {
                drop(state);
                self.guard(|| drop(new));
                return Poll::Ready(outcome);
            }
            if !state.postponed {
                break std::mem::replace(&mut state.waker, new.take());
            }
            drop(state);
            self.resume();
        };
        // A panic in its `Drop` must not take the outcome with it.
        self.guard(|| drop(old));
        Poll::Pending
    }
}

impl<T: 'static> Core<T> {
    /// Completes the job, unless it has completed: then the outcome is dropped.
    pub(super) fn complete<J: HasCore<T> + ?Sized + 'static>(job: &Arc<J>, outcome: Outcome<T>) {
        let core = job.core();
        if core.context.begin_completing() {
            Self::finish(job, outcome);
        } else {
            core.discard(outcome, false);
        }
    }

    /// Runs the callbacks and hands the outcome over. For whoever has begun to complete the job.
    pub(super) fn finish<J: HasCore<T> + ?Sized + 'static>(job: &Arc<J>, outcome: Outcome<T>) {
        let core = job.core();
        if chain::is_full() {
            core.postpone(outcome);
            let job = job.clone();
            chain::postpone(Box::new(move || job.core().resume()));
        } else {
            chain::enter(|| core.run_callbacks(outcome, false));
        }
    }

    /// Adds a callback; calls it now if the outcome is stored or gone.
    pub(super) fn on_done<J: HasCore<T> + ?Sized + 'static>(
        job: &Arc<J>,
        callback: impl Callback<T>,
    ) {
        let core = job.core();
        if core.context.is_completed() && core.context.refused() == 0 && !chain::is_full() {
            let stored = lock(&core.state).stored();
            if let Some(outcome) = stored {
                // By value, so that it needs no box.
                return chain::enter(|| {
                    core.begin();
                    #[cfg(feature = "follow")]
                    let _lead = core.context.work.lead();
                    let seen = callback.call(&outcome, core.context.reports());
                    core.run_callbacks(outcome, seen);
                });
            }
        }
        Self::add(job, Box::new(callback));
    }

    /// Adds a callback, and calls those that there are if the outcome has been stored meanwhile.
    fn add<J: HasCore<T> + ?Sized + 'static>(job: &Arc<J>, callback: Box<dyn DynCallback<T>>) {
        let core = job.core();
        let mut callback = Some(callback);
        let mut dead = Callbacks::new();
        let outcome = {
            let mut state = lock(&core.state);
            if !state.taken {
                if state.callbacks.len() >= state.sweep_at {
                    dead = state.sweep();
                }
                if let Some(callback) = callback.take() {
                    state.callbacks.push(callback);
                }
            }
            // `None` while callbacks run or wait to be run: this one will be found there.
            state.stored()
        };
        for callback in dead {
            core.guard(|| drop(callback));
        }
        if let Some(callback) = callback {
            #[cfg(feature = "follow")]
            let _lead = core.context.work.lead();
            callback.call(&Err(JobError::Taken), core.context.reports());
        }
        if let Some(outcome) = outcome {
            Self::finish(job, outcome);
        }
    }
}

impl<T> State<T> {
    /// Removes the callbacks that are called no more.
    #[cold]
    fn sweep(&mut self) -> Callbacks<T> {
        let all = std::mem::take(&mut self.callbacks);
        let (live, dead) = all.into_iter().partition(|callback| callback.is_live());
        self.callbacks = live;
        self.sweep_at = 8.max(2 * self.callbacks.len());
        dead
    }
}

impl<T> Drop for Core<T> {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let state = state.unwrap_or_else(|poisoned| poisoned.into_inner());
        debug_assert!(
            state.callbacks.is_empty(),
            "a job completes before it is dropped"
        );
        let seen = state.seen;
        if let Some(outcome) = state.outcome.take() {
            // The handle was the last to have the job.
            self.discard(outcome, seen);
        }
    }
}
