//! What the storm counts: events, captures, and the seat that all closures of one subscription share.
//!
//! A [`Token`] is in everything that has to be dropped exactly once. It counts when it is made and when it is
//! dropped, and notices a second drop. Events and captures may be told to panic when they are dropped, or, an
//! event, when it is cloned; that failure is entered in the ledger like any other.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use slotcast::{SubscriptionId, WeakBus};

use crate::checks::violation;
use crate::ledger;

/// The kinds of tokens.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Event,
    Capture,
    Hook,
    Job,
    Context,
}

pub const KINDS: [Kind; 5] = [
    Kind::Event,
    Kind::Capture,
    Kind::Hook,
    Kind::Job,
    Kind::Context,
];

static MADE: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];
static DROPPED: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];

/// How many of this kind were made and dropped.
pub fn counts(kind: Kind) -> (u64, u64) {
    // In this order: what is made meanwhile does not look dropped twice.
    let dropped = DROPPED[kind as usize].load(SeqCst);
    (MADE[kind as usize].load(SeqCst), dropped)
}

const LIVE: u64 = 0x5107_ca57_a11f_e000;
const DEAD: u64 = 0xdead_dead_dead_dead;

/// Dropped exactly once, or the storm ends.
pub struct Token {
    kind: Kind,
    state: AtomicU64,
}

impl Token {
    pub fn new(kind: Kind) -> Self {
        MADE[kind as usize].fetch_add(1, Relaxed);
        Token {
            kind,
            state: AtomicU64::new(LIVE),
        }
    }

    /// Has to be alive where it is looked at.
    pub fn look(&self) {
        if self.state.load(Relaxed) != LIVE {
            violation(
                "4, drops",
                format!("{:?} was used after it had been dropped", self.kind),
            );
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if self.state.swap(DEAD, SeqCst) != LIVE {
            violation("4, drops", format!("{:?} was dropped twice", self.kind));
        }
        DROPPED[self.kind as usize].fetch_add(1, SeqCst);
    }
}

/// The clock of the storm: every event and every cancel takes one tick.
static CLOCK: AtomicU64 = AtomicU64::new(1);

/// A time later than all before, and earlier than all after.
pub fn tick() -> u64 {
    CLOCK.fetch_add(1, SeqCst)
}

/// What an event does besides being delivered.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Manners {
    /// Its drop panics. Only for events that are deferred to a bus; a clone does not inherit it.
    pub drop_fails: bool,
    /// Its clone panics.
    pub clone_fails: bool,
    /// The handler that meets it emits it again, until that is refused.
    pub recurs: bool,
}

/// An event, with an id of its own.
pub struct Event {
    pub id: u64,
    /// Of control events: the worker, and the number that it gave.
    pub worker: usize,
    pub number: u64,
    pub manners: Manners,
    token: Token,
}

impl Event {
    pub fn new() -> Self {
        Event::at(tick())
    }

    /// With an id that was taken before.
    pub fn at(id: u64) -> Self {
        let (worker, number, manners) = (0, 0, Manners::default());
        Event {
            id,
            worker,
            number,
            manners,
            token: Token::new(Kind::Event),
        }
    }

    /// A control event.
    pub fn numbered(worker: usize, number: u64) -> Self {
        let mut event = Event::new();
        (event.worker, event.number) = (worker, number);
        event
    }

    pub fn with(manners: Manners) -> Self {
        let mut event = Event::new();
        event.manners = manners;
        event
    }

    pub fn look(&self) {
        self.token.look();
    }
}

impl Clone for Event {
    fn clone(&self) -> Self {
        if self.manners.clone_fails && ledger::may_fail() {
            ledger::panic_now("the clone of an event");
        }
        let mut event = Event::at(self.id);
        (event.worker, event.number) = (self.worker, self.number);
        event
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        self.token.look();
        if self.manners.drop_fails && ledger::may_fail() {
            ledger::panic_now("the drop of an event");
        }
    }
}

/// What the closures of one subscription share, and what may be asked of them.
pub struct Seat {
    /// From this time on no emission may begin a call.
    left: AtomicU64,
    /// The waiting cancel has said that there will be no call.
    over: AtomicBool,
    /// How many captures are alive.
    captures: AtomicI64,
    /// Shared with the closures that replace this one.
    budget: Arc<Budget>,
    /// To cancel it from inside, by its id.
    pub own_id: OnceLock<(WeakBus, SubscriptionId)>,
    /// How it was subscribed.
    kind: OnceLock<&'static str>,
    /// Its label: by it a panic is known that carries no id.
    pub label: u64,
}

struct Budget {
    calls: AtomicU64,
    limit: u64,
}

impl Seat {
    pub fn new(limit: u64) -> Arc<Self> {
        Seat::sharing(
            Arc::new(Budget {
                calls: AtomicU64::new(0),
                limit,
            }),
            tick(),
        )
    }

    /// The seat of a closure that replaces that of this one.
    pub fn renewed(&self) -> Arc<Self> {
        Seat::sharing(self.budget.clone(), self.label)
    }

    pub fn set_kind(&self, kind: &'static str) {
        _ = self.kind.set(kind);
    }

    pub fn kind(&self) -> &'static str {
        self.kind.get().copied().unwrap_or("a handler")
    }

    pub fn limit(&self) -> u64 {
        self.budget.limit
    }

    fn sharing(budget: Arc<Budget>, label: u64) -> Arc<Self> {
        let (left, captures) = (AtomicU64::new(u64::MAX), AtomicI64::new(0));
        let (over, own_id, kind) = (AtomicBool::new(false), OnceLock::new(), OnceLock::new());
        Arc::new(Seat {
            left,
            over,
            captures,
            budget,
            own_id,
            kind,
            label,
        })
    }

    /// A call begins.
    pub fn enter(&self, event: &Event) {
        event.look();
        self.must_not_be_over("began");
        let left = self.left.load(SeqCst);
        if event.id >= left {
            let text =
                "a handler was called by an emission that began after its cancel had returned";
            violation(
                "3, cancelled",
                format!("{text} (event {}, cancelled at {left})", event.id),
            );
        }
        let calls = self.budget.calls.fetch_add(1, SeqCst) + 1;
        if calls > self.budget.limit {
            let limit = self.budget.limit;
            violation(
                "3, limits",
                format!("call {calls} of a handler with a limit of {limit}"),
            );
        }
    }

    /// A call ends.
    pub fn must_not_be_over(&self, what: &str) {
        if self.over.load(SeqCst) {
            let text = format!("a call {what} although `cancel_and_wait` had returned Ok before");
            violation("3, waiting cancel", text);
        }
    }

    /// It was cancelled, or replaced.
    pub fn leave(&self) {
        self.left.fetch_min(tick(), SeqCst);
    }

    /// The waiting cancel has returned `Ok`.
    pub fn end(&self) {
        self.leave();
        self.over.store(true, SeqCst);
        let alive = self.captures.load(SeqCst);
        if alive != 0 {
            let text =
                format!("{alive} captures were alive when `cancel_and_wait` had returned Ok");
            violation("3, waiting cancel", text);
        }
    }
}

/// What a closure captures. Its drop may panic.
pub struct Capture {
    pub seat: Arc<Seat>,
    fails: bool,
    token: Token,
}

impl Capture {
    pub fn new(seat: &Arc<Seat>, fails: bool) -> Self {
        seat.captures.fetch_add(1, SeqCst);
        Capture {
            seat: seat.clone(),
            fails,
            token: Token::new(Kind::Capture),
        }
    }

    pub fn look(&self) {
        self.token.look();
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.token.look();
        self.seat.captures.fetch_sub(1, SeqCst);
        if self.fails && ledger::may_fail() {
            ledger::fail_of(self.seat.label, "the drop of captures");
        }
    }
}
