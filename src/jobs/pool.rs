//! What a pool knows of its jobs: which wait, how many run; and the threads that run them. Jobs are
//! run, told and dropped outside of its lock.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::backlog::{Backlog, Item, Runnable};
use super::error::{JobError, SubmitErrorKind};
use super::host::{self, CallSite};
use crate::core::primitives::sync::{
    AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, lock, per_thread, thread,
};

/// How many jobs run on top of each other on one thread, each because the one below waits for it.
const MOST_NESTED: usize = 32;

/// How often a thread looks for work before it sleeps: about a microsecond. A model would look for
/// ever.
const LOOKS: usize = if cfg!(loom) { 0 } else { 100 };

per_thread! {
    /// The pool that this thread works for.
    HERE: RefCell<Vec<Arc<Pool>>> = RefCell::new(Vec::new())
}
per_thread! {
    NESTED: Cell<usize> = Cell::new(0)
}

struct State {
    backlog: Backlog,
    /// How many may wait.
    capacity: usize,
    closed: bool,
    /// Jobs, their callbacks included.
    running: usize,
    /// Threads that sleep and that nobody has woken yet.
    idle: usize,
    /// Threads that were woken and do not know it yet.
    woken: usize,
    /// Threads that wait for room.
    blocked: usize,
    /// How many threads there should be: one more for each that is away.
    wanted: usize,
    alive: usize,
    threads: Vec<thread::JoinHandle<()>>,
}

pub(super) struct Pool {
    state: Mutex<State>,
    work: Condvar,
    room: Condvar,
    /// Rings when the last job and the last thread of a closed pool have ended.
    quiet: Condvar,
    ending: AtomicUsize,
    /// Something may be on the list. A hint, for those who look without the lock.
    filled: AtomicUsize,
    name: Box<str>,
    location: CallSite,
}

/// What happens where there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenFull {
    Waits,
    Refuses,
}

impl Pool {
    pub(super) fn new(name: &str, capacity: usize, location: CallSite) -> Arc<Self> {
        Arc::new(Pool {
            state: Mutex::new(State {
                backlog: Backlog::default(),
                capacity,
                closed: false,
                running: 0,
                idle: 0,
                woken: 0,
                blocked: 0,
                wanted: 0,
                alive: 0,
                threads: Vec::new(),
            }),
            work: Condvar::new(),
            room: Condvar::new(),
            quiet: Condvar::new(),
            ending: AtomicUsize::new(0),
            filled: AtomicUsize::new(0),
            name: name.into(),
            location,
        })
    }

    /// AsyncHandler the threads.
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

    /// One thread more, which is counted already.
    fn spawn(self: &Arc<Self>, name: &str) -> io::Result<thread::JoinHandle<()>> {
        let pool = self.clone();
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _here = enter(pool.clone());
            pool.serve();
        });
        if spawned.is_err() {
            let mut state = lock(&self.state);
            state.wanted -= 1;
            state.alive -= 1;
        }
        spawned
    }

    /// What a thread of the pool does.
    fn serve(&self) {
        let mut state = lock(&self.state);
        // Whether this thread has looked whether something comes.
        let mut looked = false;
        while !state.closed && state.alive <= state.wanted {
            let Some(item) = state.backlog.pop() else {
                self.filled.store(0, Ordering::Relaxed);
                if !looked {
                    // To sleep and to be woken costs more than what comes next may take.
                    drop(state);
                    self.look();
                    state = lock(&self.state);
                    looked = true;
                    continue;
                }
                looked = false;
                state.idle += 1;
                state = self.wait(&self.work, state);
                if state.woken > 0 {
                    state.woken -= 1;
                } else {
                    state.idle -= 1;
                }
                continue;
            };
            looked = false;
            state.running += 1;
            let blocked = state.blocked > 0;
            drop(state);
            if blocked {
                self.room.notify_one();
            }
            let ran = match item {
                // What is left of it is dropped here, and not under the lock.
                Item::Job(job) => job.run(),
                Item::Bare(work) => {
                    host::guarded(self.location, work);
                    true
                }
            };
            state = lock(&self.state);
            if !ran {
                state.backlog.was_tombstone();
            }
            self.on_removed(&mut state);
        }
        state.alive -= 1;
        if state.closed && state.alive == 0 {
            self.quiet.notify_all();
        }
    }

    /// Looks for a moment whether something comes.
    fn look(&self) {
        for _ in 0..LOOKS {
            if self.filled.load(Ordering::Relaxed) != 0 {
                return;
            }
            std::hint::spin_loop();
        }
    }

    fn on_removed(&self, state: &mut State) {
        state.running -= 1;
        if state.closed && state.running == 0 {
            self.quiet.notify_all();
        }
    }

    fn wait<'s>(&self, condvar: &Condvar, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        condvar
            .wait(state)
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Puts something on the list, and tells it where. It comes back where it is refused.
    pub(super) fn admit(
        self: &Arc<Self>,
        item: Item,
        when_full: WhenFull,
    ) -> Result<(), (SubmitErrorKind, Item)> {
        let mut state = lock(&self.state);
        // Asked only where it matters.
        let mut inside = None;
        loop {
            if state.closed {
                return Err((SubmitErrorKind::ShutDown, item));
            }
            if state.backlog.len() < state.capacity {
                break;
            }
            if when_full == WhenFull::Refuses {
                return Err((SubmitErrorKind::Full, item));
            }
            // A job that waits for room may be the one that has to make it.
            if *inside.get_or_insert_with(|| self.is_here()) {
                break;
            }
            state.blocked += 1;
            state = self.wait(&self.room, state);
            state.blocked -= 1;
        }
        state.backlog.push(item);
        self.filled.store(1, Ordering::Relaxed);
        let wakes = state.idle > 0;
        if wakes {
            state.idle -= 1;
            state.woken += 1;
        }
        drop(state);
        if wakes {
            self.work.notify_one();
        }
        Ok(())
    }

    /// A job is about to run that no thread of ours has taken from the list.
    pub(super) fn begin(&self) -> Running<'_> {
        lock(&self.state).running += 1;
        Running(self)
    }

    /// What is on the list of a job that ran elsewhere, or will not run, is but a shell.
    pub(super) fn forget(&self) {
        let (_shells, room) = {
            let mut state = lock(&self.state);
            (state.backlog.add_tombstone(), state.blocked > 0)
        };
        if room {
            self.room.notify_one();
        }
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

    /// Whether jobs are told to stop.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire) != 0
    }

    /// Tells all jobs to stop.
    pub(super) fn tell(&self) {
        self.ending.store(1, Ordering::Release);
    }

    /// Takes nothing any more, and cancels what waits.
    pub(super) fn close(&self) {
        let mut backlog = {
            let mut state = lock(&self.state);
            state.closed = true;
            state.woken += std::mem::take(&mut state.idle);
            std::mem::take(&mut state.backlog)
        };
        self.work.notify_all();
        self.room.notify_all();
        while let Some(item) = backlog.pop() {
            match item {
                Item::Job(job) => job.refuse(JobError::Cancelled),
                Item::Bare(work) => host::guarded(self.location, || drop(work)),
            }
        }
    }

    /// Waits until nothing runs any more; how many jobs do. Does not wait inside of one of them.
    pub(super) fn settle(&self, until: Option<Instant>) -> usize {
        if self.is_here() {
            return self.running();
        }
        let mut state = lock(&self.state);
        while state.running > 0 || state.alive > 0 {
            state = match until {
                None => self.wait(&self.quiet, state),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return state.running;
                    }
                    match self.quiet.wait_timeout(state, left) {
                        Ok((state, _)) => state,
                        Err(poisoned) => poisoned.into_inner().0,
                    }
                }
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

    fn is_here(&self) -> bool {
        let is_me = |it: &Arc<Pool>| std::ptr::eq(Arc::as_ptr(it), self);
        HERE.try_with(|here| here.borrow().iter().any(is_me))
            .unwrap_or(false)
    }

    /// A thread of this pool is about to wait for something that may need another job of the pool:
    /// until it is back, there is one thread more.
    fn away(pool: Arc<Pool>) -> Option<BlockingGuard> {
        let spawns = {
            let mut state = lock(&pool.state);
            // Jobs of somebody else's executor: how it copes with waiting is its affair.
            if state.closed || state.wanted == 0 {
                return None;
            }
            state.wanted += 1;
            // Whether or not one sleeps: by the time that is seen, it may have work.
            let spawns = state.alive < state.wanted;
            state.alive += usize::from(spawns);
            spawns
        };
        if spawns && pool.spawn(&format!("{}-spare", pool.name)).is_err() {
            // Then it is waited for without.
            return None;
        }
        Some(BlockingGuard(pool))
    }
}

/// A job runs that no thread of ours has taken from the list.
pub(super) struct Running<'p>(&'p Pool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.on_removed(&mut lock(&self.0.state));
    }
}

/// A thread of the pool waits.
pub(super) struct BlockingGuard(Arc<Pool>);

impl Drop for BlockingGuard {
    fn drop(&mut self) {
        let wakes = {
            let mut state = lock(&self.0.state);
            state.wanted -= 1;
            // One of those that sleep is too many.
            let wakes = state.alive > state.wanted && state.idle > 0;
            if wakes {
                state.idle -= 1;
                state.woken += 1;
            }
            wakes
        };
        if wakes {
            self.0.work.notify_one();
        }
    }
}

/// The pools that this thread works for, each in a job of the one before.
pub(super) fn here() -> Vec<Arc<Pool>> {
    HERE.try_with(|here| here.borrow().clone())
        .unwrap_or_default()
}

/// This thread is about to wait: [`Pool::away`], for all that it works for.
pub(super) fn away() -> Vec<BlockingGuard> {
    here().into_iter().filter_map(Pool::away).collect()
}

/// This thread works for `pool`, until that is dropped.
pub(super) fn enter(pool: Arc<Pool>) -> Here {
    let entered = HERE.try_with(|here| here.borrow_mut().push(pool));
    Here(entered.is_ok())
}

pub(super) struct Here(bool);

impl Drop for Here {
    fn drop(&mut self) {
        if self.0 {
            // What comes out is dropped here, where nothing is borrowed.
            let _pool = HERE.try_with(|here| here.borrow_mut().pop());
        }
    }
}

/// Runs a job that this thread is about to wait for, if it still waits: here, or on a thread of its
/// own where many are on top of each other already.
pub(super) fn nest(pool: Arc<Pool>, job: Arc<dyn Runnable>) {
    let depth = NESTED.try_with(Cell::get).unwrap_or(MOST_NESTED);
    if depth >= MOST_NESTED {
        let name = format!("{}-nested", pool.name);
        let job = job.clone();
        let spawned = thread::Builder::new().name(name).spawn(move || {
            let _here = enter(pool);
            job.run_here();
        });
        if spawned.is_ok() {
            return;
        }
    }
    let _ = NESTED.try_with(|nested| nested.set(depth + 1));
    job.run_here();
    let _ = NESTED.try_with(|nested| nested.set(depth));
}
