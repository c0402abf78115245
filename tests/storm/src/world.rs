//! What the threads share for one round: buses, signals, pools, an executor, and shelves with subscriptions.
//!
//! All of it is made anew while threads use it: a [`Slot`] is read by cloning what is inside, so that the last
//! handle goes wherever somebody happens to have it. No lock of the storm is held while the crate is called, or
//! anything of it dropped.
//!
//! Two rules keep the storm from waiting for itself, as the crate's page on limits asks: whatever may wait (room,
//! another drain, a waiting cancel, a job) is done by workers at depth 0 only, that is outside of all handlers;
//! and handlers of `on_mut` do nothing but count.

use std::cell::Cell;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};

use slotcast::{
    Bus, HandlerError, Job, Jobs, Overflow, Panics, Promise, Signal, Subscription, Topic,
};

use crate::control::Control;
use crate::executor::{Executor, Gate};
use crate::ledger;
use crate::random::{below, one_in, pick};
use crate::tracked::{Event, Kind, Seat, Token};

/// A thing that is replaced while others use it.
pub struct Slot<T>(Mutex<T>);

impl<T: Clone> Slot<T> {
    fn new(it: T) -> Self {
        Slot(Mutex::new(it))
    }

    pub fn get(&self) -> T {
        self.0.lock().unwrap().clone()
    }

    /// Puts another one in; the old one comes back, to be dropped outside of the lock.
    pub fn replace(&self, with: T) -> T {
        std::mem::replace(&mut *self.0.lock().unwrap(), with)
    }
}

/// The context of a bus that has one.
pub struct App {
    pub calls: u64,
    _token: Token,
}

impl App {
    pub fn new() -> Self {
        App {
            calls: 0,
            _token: Token::new(Kind::Context),
        }
    }
}

/// The target of weak handlers.
pub struct Target(pub Token);

/// A subscription, with what is known of it.
pub struct Sub {
    pub subscription: Subscription,
    /// Those of its closures: the first, and those that have replaced it.
    pub seats: Vec<Arc<Seat>>,
    pub target: Option<Arc<Target>>,
    /// Of a bus, where failures are told to a hook.
    pub may_fail: bool,
    /// Whether it takes a plain event, and not any.
    pub is_plain: bool,
}

pub struct World {
    pub buses: [Slot<Bus>; 3],
    pub app_bus: Slot<Bus<App>>,
    pub signals: [Slot<Signal<Event>>; 3],
    pub pools: [Slot<Jobs>; 3],
    pub executor: Executor,
    pub shelves: [Mutex<Vec<Sub>>; 4],
    pub gates: Mutex<Vec<Arc<Gate>>>,
    pub jobs: Mutex<Vec<Job<u64>>>,
    pub promises: Mutex<Vec<(u64, Promise<u64>)>>,
    pub control: Control,
    pub is_over: AtomicBool,
}

/// The names of wild topics. The last two exist now and then.
pub const TOPICS: [&str; 6] = [
    "wild.a",
    "wild.b",
    "wild.b.c",
    "kept.a",
    "now.and.then",
    "wild.rare",
];
pub const PATTERNS: [&str; 6] = ["wild.*", "wild.>", ">", "kept.a", "now.*.then", "*.b.c"];

/// One of the wild topics.
pub fn wild_topic() -> Topic<Event> {
    Topic::new(pick::<&str>(&TOPICS))
}

impl World {
    pub fn new(workers: usize) -> Arc<Self> {
        let executor = Executor::start("executor", 2, 256);
        Arc::new(World {
            buses: [0, 1, 2].map(|number| Slot::new(new_bus(number, &executor))),
            app_bus: Slot::new(new_app_bus()),
            signals: [(); 3].map(|()| Slot::new(Signal::new())),
            pools: [0, 1, 2].map(|number| Slot::new(new_pool(number, &executor))),
            executor,
            shelves: [const { Mutex::new(Vec::new()) }; 4],
            gates: Mutex::default(),
            jobs: Mutex::default(),
            promises: Mutex::default(),
            control: Control::new(workers),
            is_over: AtomicBool::new(false),
        })
    }

    /// Puts a subscription on a shelf; what does not fit comes back.
    pub fn shelve(&self, sub: Sub) -> Option<Sub> {
        let mut shelf = pick(&self.shelves).lock().unwrap();
        shelf.push(sub);
        if shelf.len() <= 24 {
            return None;
        }
        let victim = below(shelf.len());
        Some(shelf.swap_remove(victim))
    }

    /// Takes a subscription from a shelf.
    pub fn take(&self) -> Option<Sub> {
        take_one(pick(&self.shelves))
    }
}

/// Takes one out of a list.
pub fn take_one<T>(list: &Mutex<Vec<T>>) -> Option<T> {
    let mut list = list.lock().unwrap();
    match list.len() {
        0 => None,
        len => Some(list.swap_remove(below(len))),
    }
}

/// A wild bus: the first resumes panics, the second contains them, the third has no executor. Its queue has any
/// bound but that which waits.
pub fn new_bus(number: usize, executor: &Executor) -> Bus {
    let panics = if number == 1 {
        Panics::Contain
    } else {
        Panics::Resume
    };
    let builder = Bus::builder().panics(panics);
    let bus = match number {
        2 => builder.max_depth(20).build(),
        _ => builder.executor(executor.handle()).build(),
    };
    set_hook(&bus);
    let overflow = [Overflow::Reject, Overflow::DropOldest, Overflow::DropNewest];
    if one_in(2) {
        drop(bus.queue().bounded(1 + below(64), *pick(&overflow)));
    }
    bus
}

pub fn new_app_bus() -> Bus<App> {
    let bus = Bus::<App>::with_context();
    set_hook(&bus);
    bus
}

/// A pool of threads, with or without a bound, or one of the executor.
pub fn new_pool(number: usize, executor: &Executor) -> Jobs {
    let pool = match number {
        0 => Jobs::new(2),
        1 => Jobs::builder().workers(1).backlog(8).build(),
        _ => Jobs::with_executor(executor.handle()),
    };
    pool.set_error_hook(ticking_off());
    pool
}

/// Sets an error hook that ticks failures off.
pub fn set_hook<C: 'static>(bus: &Bus<C>) {
    bus.set_error_hook(ticking_off());
}

fn ticking_off() -> impl Fn(&HandlerError) + Send + Sync + 'static {
    let token = Token::new(Kind::Hook);
    move |error| {
        ledger::in_hook(|| {
            token.look();
            ledger::told(error);
        });
    }
}

static CURRENT: RwLock<Option<Arc<World>>> = RwLock::new(None);

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Makes a world that of all handlers, or takes it away.
pub fn set_current(world: Option<Arc<World>>) {
    let old = std::mem::replace(&mut *CURRENT.write().unwrap(), world);
    drop(old);
}

/// The world of this round, for handlers, which must not keep it alive.
pub fn current() -> Option<Arc<World>> {
    CURRENT.read().unwrap().clone()
}

/// How many handlers this thread is inside of.
pub fn depth() -> usize {
    DEPTH.get()
}

/// Enters a handler, until the guard is dropped.
pub fn enter() -> Inside {
    DEPTH.set(DEPTH.get() + 1);
    Inside
}

pub struct Inside;

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}
