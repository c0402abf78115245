//! The state of a pool (which jobs wait, how many run) and the threads that run its jobs. Jobs are
//! run, completed and dropped outside of its lock.
//!
//! **A pool of our own.** `threadpool`, `rayon`, `blocking` and `tokio` run tasks. None of them has
//! all of: a bound on what waits, with the work handed back; cancelling what waits in constant time,
//! with its captures dropped at once; a shutdown that cancels what waits and reports after a timeout
//! what still runs; and waiting inside of the pool that cannot stop a pool of one. Around any of them
//! these would have to be built from the outside, and that is the larger half. So it is built once,
//! and works around each of them ([`Jobs::with_executor`](super::Jobs::with_executor)). A cancelled
//! job leaves a tombstone on the list, and tombstones are swept out when they are half of it. An
//! earlier list was a linked one with keys (`slotmap`): with it, and with threads that sleep without
//! spinning first, a job cost 139 ns, and costs 115 now.
//!
//! **A job that waits for a job of its pool runs that one itself**, and no other: everything below it
//! on the stack waits for it, so nothing is delayed, and every circle on one thread is a true one,
//! which is refused ([`JobError::Inside`]). Running the next job instead, whichever it is, could keep
//! a job that waits for a millisecond below one that takes an hour, and could run on top of a job
//! the one that waits for it. Beyond 32 on one stack, each such job gets a thread of its own. For a
//! promise, which any other job may hold, and for a job that has begun elsewhere, the pool has one
//! more thread while its worker waits, whether or not another one sleeps at that moment. So has each
//! pool that this thread is in a job of, where one runs its jobs inside of another's.
//!
//! **A job that submits to its own full pool goes beyond the bound.** Running another job in the
//! meantime has the drawbacks above, and waiting is a deadlock. `try_submit` is for jobs that submit
//! without end.
//!
//! **What jobs cost.** `submit` and `on_done` of an empty job, against a bare task of the same pool
//! that sends on a channel: 0.7 to 1.2 times one by one; mostly 0.7 to 1.2 times in batches of 64, up
//! to 2.5 in runs where the worker keeps falling asleep; and 1.5 to 2.8 times in batches of 1024. What
//! is left there is one allocation more, and the cache lines of the job that the other thread's
//! processor has to fetch. Shrinking the job, ordering its fields and counting the pool less often
//! gained 3 % at most. Cache lines of its own for the lock, and spinning three or ten times as long
//! before sleeping, gained nothing that shows between the runs. An allocator that does not lock where
//! another thread frees brings it to 1.2 to 1.5. (`cargo bench --bench jobs`, twelve runs, two shared
//! cores, Zen 4, Rust 1.95; some 10 % more than now.) In locked instructions, allocator included, such a job takes 28
//! and the bare task 12. Where an executor runs it at once it takes 28, too, and the bare task 7; they are 10 for the
//! references to the job and to its pool, 6 for the lock of the pool, 8 for those of the job and its work, one
//! to complete it, and 3 for what the callback shares. It was 41. None of them is for what could be left out: the
//! pool has to find the job, to cancel it, from when it is submitted until it has ended, and anybody may add
//! callbacks.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;

use super::backlog::{Backlog, Item, Runnable};
use super::error::{JobError, SubmitErrorKind};
use super::host::{CallSite, Reports};
use crate::core::primitives::clock::Instant;
use crate::core::primitives::sync::{
    AtomicUsize, Condvar, Mutex, Ordering, THREADS, lock, per_thread, thread, wait, wait_until,
};

/// The limit of jobs that run on top of each other on one thread, each waited for by the one below.
const MAX_NESTED: usize = 32;

/// How often a thread spins for work before it sleeps: about a microsecond. Not in a model, which
/// would spin for ever.
const MAX_SPINS: usize = if cfg!(slotcast_loom) { 0 } else { 100 };

per_thread! {
    /// The pools that this thread works for, each in a job of the one before.
    CURRENT: RefCell<Vec<Arc<Pool>>> = RefCell::new(Vec::new())
}
per_thread! {
    /// The number of nested jobs on this thread's stack.
    NESTED: Cell<usize> = Cell::new(0)
}

#[derive(Default)]
struct State {
    backlog: Backlog,
    /// The limit of waiting jobs.
    capacity: usize,
    /// Nothing is accepted any more.
    closed: bool,
    /// The number of running jobs, including those whose callbacks run.
    running: usize,
    /// Those of them that are no tasks without a job.
    active: Vec<Arc<dyn Runnable>>,
    /// The number of threads that sleep and have not been notified.
    idle: usize,
    /// The number of threads that were notified and have not woken yet.
    woken: usize,
    /// The number of threads that wait for capacity.
    blocked: usize,
    /// The number of threads that there should be: one more for each that is blocked in a job.
    wanted: usize,
    alive: usize,
    threads: Vec<thread::JoinHandle<()>>,
}

impl State {
    /// Counts a sleeping thread as notified. Returns whether there is one: the caller notifies it.
    fn wakes_one(&mut self) -> bool {
        let wakes = self.idle > 0;
        if wakes {
            self.idle -= 1;
            self.woken += 1;
        }
        wakes
    }

    /// Counts a job as running.
    fn begin(&mut self, job: Arc<dyn Runnable>) -> Begun {
        self.running += 1;
        let begun = Begun(Arc::as_ptr(&job).addr());
        self.active.push(job);
        begun
    }

    /// Returns what is left of it, to be dropped outside of the lock.
    fn end(&mut self, begun: Begun) -> Option<Arc<dyn Runnable>> {
        self.running -= 1;
        let is_it = |job: &Arc<dyn Runnable>| Arc::as_ptr(job).addr() == begun.0;
        let at = self.active.iter().position(is_it)?;
        Some(self.active.swap_remove(at))
    }

    /// Whether nothing is left to be run.
    fn is_finished(&self) -> bool {
        self.closed && self.backlog.len() == 0
    }
}

/// A job that counts as running: its address, which no other has as long as it is among the active ones.
#[derive(Clone, Copy)]
struct Begun(usize);

pub(super) struct Pool {
    state: Mutex<State>,
    not_empty: Condvar,
    not_full: Condvar,
    /// Notified when the last job, and when the last thread, of a closed pool has ended.
    ended: Condvar,
    /// Not 0: the backlog may have items. A hint for threads that spin without the lock, so Relaxed.
    filled: AtomicUsize,
    name: Box<str>,
    location: CallSite,
    pub(super) reports: Reports,
}

/// What `admit` does where the backlog is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenFull {
    Wait,
    Refuse,
    /// Goes beyond the limit.
    Exceed,
}

impl Pool {
    pub(super) fn new(name: &str, capacity: usize, location: CallSite) -> Arc<Self> {
        Arc::new(Pool {
            state: Mutex::new(State {
                capacity,
                ..State::default()
            }),
            not_empty: Condvar::new(),
            not_full: Condvar::new(),
            ended: Condvar::new(),
            filled: AtomicUsize::new(0),
            name: name.into(),
            location,
            reports: Reports::new(),
        })
    }

    /// Starts the threads.
    pub(super) fn start(self: &Arc<Self>, workers: usize) -> io::Result<()> {
        for number in 0..workers {
            {
                let mut state = lock(&self.state);
                state.wanted += 1;
                state.alive += 1;
            }
            let thread = self.spawn(&format!("{}-{number}", self.name))?;
            lock(&self.state).threads.push(thread);
        }
        Ok(())
    }

    /// Starts one more thread, which the caller has counted already.
    fn spawn(self: &Arc<Self>, name: &str) -> io::Result<thread::JoinHandle<()>> {
        let pool = self.clone();
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _current = enter(pool.clone());
            pool.run_worker();
        });
        if spawned.is_err() {
            let mut state = lock(&self.state);
            state.wanted -= 1;
            state.alive -= 1;
        }
        spawned
    }

    /// The loop of a worker thread.
    fn run_worker(&self) {
        let mut state = lock(&self.state);
        // Whether this thread has spun since it last had an item.
        let mut spun = false;
        // The job that this thread ran last.
        let mut ended = None;
        while !state.is_finished() && state.alive <= state.wanted {
            let item = match state.backlog.pop() {
                Some(Ok(item)) => item,
                Some(Err(tombstone)) => {
                    // Outside of the lock.
                    drop(state);
                    drop(tombstone);
                    state = lock(&self.state);
                    continue;
                }
                None => {
                    self.filled.store(0, Ordering::Relaxed);
                    if !spun {
                        // Sleeping and being woken may cost more than the next item does.
                        drop(state);
                        drop(ended.take());
                        self.spin();
                        state = lock(&self.state);
                        spun = true;
                        continue;
                    }
                    spun = false;
                    state.idle += 1;
                    state = wait(&self.not_empty, state);
                    if state.woken > 0 {
                        state.woken -= 1;
                    } else {
                        state.idle -= 1;
                    }
                    continue;
                }
            };
            spun = false;
            let blocked = state.blocked > 0;
            match item {
                Item::Job(job) => {
                    let begun = state.begin(job.clone());
                    drop(state);
                    drop(ended.take());
                    self.notify_not_full(blocked);
                    job.run();
                    state = lock(&self.state);
                    ended = state.end(begun);
                }
                Item::Bare(work) => {
                    state.running += 1;
                    drop(state);
                    drop(ended.take());
                    self.notify_not_full(blocked);
                    self.reports.guard(self.location, work);
                    state = lock(&self.state);
                    state.running -= 1;
                }
            }
            self.notify_ended(&state);
        }
        state.alive -= 1;
        if state.alive == 0 {
            self.notify_ended(&state);
        }
        drop(state);
        drop(ended);
    }

    fn notify_not_full(&self, blocked: bool) {
        if blocked {
            self.not_full.notify_one();
        }
    }

    /// Notifies those that wait for the end, if it may have come.
    fn notify_ended(&self, state: &State) {
        if state.running == 0 && state.is_finished() {
            self.ended.notify_all();
        }
    }

    /// Spins for a moment until there may be an item.
    fn spin(&self) {
        for _ in 0..MAX_SPINS {
            if self.filled.load(Ordering::Relaxed) != 0 {
                return;
            }
            std::hint::spin_loop();
        }
    }

    /// Puts an item on the list, and wakes a thread.
    ///
    /// # Errors
    ///
    /// If the item is refused. It is dropped then, outside of the lock: after the guard.
    pub(super) fn admit(&self, item: Item, when_full: WhenFull) -> Result<(), SubmitErrorKind> {
        let mut state = lock(&self.state);
        // Computed only where it matters.
        let mut inside = None;
        loop {
            if state.closed {
                return Err(SubmitErrorKind::ShutDown);
            }
            if state.backlog.len() < state.capacity || when_full == WhenFull::Exceed {
                break;
            }
            if when_full == WhenFull::Refuse {
                return Err(SubmitErrorKind::Full);
            }
            // A job that waits for capacity may be the one that has to end to free it.
            // So may one that this thread would begin, if it is the only one.
            if !THREADS || *inside.get_or_insert_with(|| self.is_current()) {
                break;
            }
            state.blocked += 1;
            state = wait(&self.not_full, state);
            state.blocked -= 1;
        }
        state.backlog.push(item);
        self.filled.store(1, Ordering::Relaxed);
        let wakes = state.wakes_one();
        drop(state);
        if wakes {
            self.not_empty.notify_one();
        }
        Ok(())
    }

    /// Claims a waiting job. Returns whether the caller was the first to.
    pub(super) fn claim(&self, job: &Arc<dyn Runnable>) -> bool {
        let mut swept = Vec::new();
        let (claimed, blocked) = {
            let mut state = lock(&self.state);
            let claimed = state.backlog.claim(job, &mut swept);
            self.notify_ended(&state);
            (claimed, state.blocked > 0)
        };
        self.notify_not_full(claimed.is_some() && blocked);
        claimed.is_some()
    }

    /// Begins a job that is on the list, on this thread, unless it was claimed already.
    fn begin_listed(&self, job: &Arc<dyn Runnable>) -> Option<Begun> {
        let mut swept = Vec::new();
        let (begun, blocked) = {
            let mut state = lock(&self.state);
            // In one step, so that a shutdown either waits for the job or has cancelled it.
            let claimed = state.backlog.claim(job, &mut swept);
            (claimed.map(|job| state.begin(job)), state.blocked > 0)
        };
        self.notify_not_full(begun.is_some() && blocked);
        begun
    }

    fn end(&self, begun: Begun) {
        let ended = {
            let mut state = lock(&self.state);
            let ended = state.end(begun);
            self.notify_ended(&state);
            ended
        };
        drop(ended);
    }

    pub(super) fn waiting(&self) -> usize {
        lock(&self.state).backlog.len()
    }

    pub(super) fn running(&self) -> usize {
        lock(&self.state).running
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// Refuses items from now on.
    pub(super) fn refuse(&self) {
        {
            let mut state = lock(&self.state);
            state.closed = true;
            state.woken += std::mem::take(&mut state.idle);
        }
        self.not_empty.notify_all();
        self.not_full.notify_all();
    }

    /// Refuses items from now on, cancels the waiting jobs, and asks the running ones to stop.
    pub(super) fn close(&self) {
        let (backlog, active) = {
            let mut state = lock(&self.state);
            state.closed = true;
            let backlog: Vec<_> = std::iter::from_fn(|| state.backlog.pop()).collect();
            (backlog, state.active.clone())
        };
        self.refuse();
        for item in backlog {
            match item {
                Ok(Item::Job(job)) => job.abort(JobError::Cancelled),
                Ok(Item::Bare(work)) => self.reports.guard(self.location, || drop(work)),
                Err(_tombstone) => {}
            }
        }
        for job in active {
            job.stop();
        }
    }

    /// Cancels the jobs that wait and those that run. Returns how many.
    pub(super) fn cancel_all(&self) -> usize {
        let all = {
            let state = lock(&self.state);
            let mut all = state.backlog.jobs();
            all.extend(state.active.iter().cloned());
            all
        };
        all.into_iter().filter(|job| job.clone().cancel()).count()
    }

    /// Waits until no job waits or runs and no thread is left, and joins the threads. Returns the number
    /// of jobs that still do. Does not wait if called inside of one of them, and where there are no threads.
    pub(super) fn wait_ended(&self, deadline: Option<Instant>) -> usize {
        if !THREADS || self.is_current() {
            let state = lock(&self.state);
            return state.running + state.backlog.len();
        }
        let mut state = lock(&self.state);
        while state.running > 0 || state.alive > 0 || !state.is_finished() {
            state = match wait_until(&self.ended, state, deadline) {
                Ok(state) => state,
                Err(state) => return state.running + state.backlog.len(),
            };
        }
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        for thread in threads {
            // They have left the loop, and never unwind.
            let _ = thread.join();
        }
        0
    }

    /// Whether this thread works for this pool.
    fn is_current(&self) -> bool {
        let is_self = |it: &Arc<Pool>| std::ptr::eq(Arc::as_ptr(it), self);
        CURRENT
            .try_with(|current| current.borrow().iter().any(is_self))
            .unwrap_or(false)
    }

    /// Prepares this thread of the pool for a wait that may need another job of the pool: until the
    /// guard is dropped, there is one more thread.
    fn enter_blocking(pool: Arc<Pool>) -> Option<BlockingGuard> {
        let spawns = {
            let mut state = lock(&pool.state);
            // No threads of our own: how the user's executor copes with waiting is its affair.
            if state.is_finished() || state.wanted == 0 {
                return None;
            }
            state.wanted += 1;
            // Whether or not a thread sleeps: by the time that is seen, it may have work.
            let spawns = state.alive < state.wanted;
            state.alive += usize::from(spawns);
            spawns
        };
        if spawns && pool.spawn(&format!("{}-spare", pool.name)).is_err() {
            // Then the wait has to do without.
            return None;
        }
        Some(BlockingGuard(pool))
    }
}

/// A thread of the pool is blocked in a job.
pub(super) struct BlockingGuard(Arc<Pool>);

impl Drop for BlockingGuard {
    fn drop(&mut self) {
        let wakes = {
            let mut state = lock(&self.0.state);
            state.wanted -= 1;
            // One of the sleeping threads has to end.
            state.alive > state.wanted && state.wakes_one()
        };
        if wakes {
            self.0.not_empty.notify_one();
        }
    }
}

/// The pools that this thread works for, each in a job of the one before.
pub(super) fn current_pools() -> Vec<Arc<Pool>> {
    CURRENT
        .try_with(|current| current.borrow().clone())
        .unwrap_or_default()
}

/// Prepares this thread for a wait: [`Pool::enter_blocking`], for all pools that it works for.
pub(super) fn enter_blocking() -> Vec<BlockingGuard> {
    let pools = current_pools().into_iter();
    pools.filter_map(Pool::enter_blocking).collect()
}

/// Makes this thread work for `pool`, until the guard is dropped.
fn enter(pool: Arc<Pool>) -> EnterGuard {
    let mut pool = Some(pool);
    let _ = CURRENT.try_with(|current| current.borrow_mut().extend(pool.take()));
    EnterGuard {
        outside: pool,
        begun: None,
    }
}

struct EnterGuard {
    /// The pool, where the thread is ending and has no list of them any more.
    outside: Option<Arc<Pool>>,
    /// A job that ends with the guard.
    begun: Option<Begun>,
}

impl Drop for EnterGuard {
    fn drop(&mut self) {
        let pop = || CURRENT.try_with(|current| current.borrow_mut().pop());
        // It is dropped here, where nothing is borrowed.
        let pool = self.outside.take().or_else(|| pop().ok().flatten());
        if let (Some(pool), Some(begun)) = (pool, self.begun) {
            pool.end(begun);
        }
    }
}

/// Runs a job on this thread, which works for the pool meanwhile, although the pool has it on the list; unless
/// it was claimed already.
pub(super) fn run_listed(pool: Arc<Pool>, job: Arc<dyn Runnable>) {
    let Some(begun) = pool.begin_listed(&job) else {
        return;
    };
    // The thread has the pool, so that it need not be counted once more.
    let mut entered = enter(pool);
    entered.begun = Some(begun);
    job.run();
}

/// A job runs on a thread that works for the pool already.
struct NestedGuard<'p>(&'p Pool, Begun);

impl Drop for NestedGuard<'_> {
    fn drop(&mut self) {
        self.0.end(self.1);
    }
}

/// Runs a job that this thread is about to wait for, if it has not begun: on this thread, or beyond
/// [`MAX_NESTED`] on a thread of its own.
pub(super) fn run_nested(pool: Arc<Pool>, job: Arc<dyn Runnable>) {
    let depth = NESTED.try_with(Cell::get).unwrap_or(MAX_NESTED);
    if depth >= MAX_NESTED {
        let name = format!("{}-nested", pool.name);
        let (pool, job) = (pool.clone(), job.clone());
        let run = move || run_listed(pool, job);
        if thread::Builder::new().name(name).spawn(run).is_ok() {
            return;
        }
    }
    let Some(begun) = pool.begin_listed(&job) else {
        return;
    };
    let _ = NESTED.try_with(|nested| nested.set(depth + 1));
    let running = NestedGuard(&pool, begun);
    job.run();
    drop(running);
    let _ = NESTED.try_with(|nested| nested.set(depth));
}
