//! The ledger of failures: each is entered when it is raised, and ticked off when an error hook, or the
//! outcome of a job, tells of it. Told twice ends the storm at once; told never is seen at the end of a round.
//!
//! A failure is known by its id, which its error or its message carries. Some panics carry a payload that is
//! no text; those are known by the label of their handler, and counted: as many told as raised. The crate
//! recognises them by their looks, which is documented: see [`forget`].
//!
//! Nothing fails on purpose while a hook runs (promise 11 sends that to the log) or the thread unwinds.

use std::any::Any;
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex};

use slotcast::{FailureKind, HandlerError, Signal};

use crate::checks::violation;
use crate::random::one_in;
use crate::tracked::tick;
use crate::watchdog::what_this_thread_does;
use crate::world::depth;

const TEXT: &str = "failure of the storm ";

/// An error that a handler returns.
#[derive(Debug)]
pub struct Failure(u64);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TEXT}{}", self.0)
    }
}

impl std::error::Error for Failure {}

/// The payload of a panic that has no text.
pub struct Mute(u64);

#[derive(Default)]
struct Entry {
    what: &'static str,
    is_panic: bool,
    raised: u64,
    told: u64,
    /// In `errors()`, of emissions and drains.
    listed: u64,
    /// Whose failure it is, and how many handlers the thread was inside of.
    label: u64,
    depth: usize,
    /// What the thread did when it was raised, and those that caught it as a resumed panic.
    raised_in: &'static str,
    resumed_in: Vec<&'static str>,
    told_in: Vec<&'static str>,
    notes: Vec<&'static str>,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry {
            what,
            raised,
            told,
            listed,
            raised_in,
            resumed_in,
            told_in,
            notes,
            ..
        } = self;
        let Entry { label, depth, .. } = self;
        if *raised > 0 {
            write!(f, "{what} (label {label}), raised {raised} times, ")?;
            write!(f, "the last time in `{raised_in}` at depth {depth}, ")?;
        } else {
            write!(f, "never raised, ")?;
        }
        write!(
            f,
            "told {told} times in {told_in:?}, in errors() {listed} times, "
        )?;
        write!(
            f,
            "caught as a resumed panic in {resumed_in:?}; notes: {notes:?}"
        )
    }
}

static LEDGER: [LazyLock<Mutex<HashMap<u64, Entry>>>; 16] =
    [const { LazyLock::new(|| Mutex::new(HashMap::new())) }; 16];

pub static RAISED: AtomicU64 = AtomicU64::new(0);
static PANICS: AtomicU64 = AtomicU64::new(0);
pub static TOLD: AtomicU64 = AtomicU64::new(0);
/// Failures without an id: full queues, refused emissions, missing executors.
pub static OTHERS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static IN_HOOK: Cell<u32> = const { Cell::new(0) };
}

/// Runs a hook: nothing fails on purpose inside.
pub fn in_hook<R>(f: impl FnOnce() -> R) -> R {
    IN_HOOK.set(IN_HOOK.get() + 1);
    let result = f();
    IN_HOOK.set(IN_HOOK.get() - 1);
    result
}

/// Whether user code may fail here.
pub fn may_fail() -> bool {
    IN_HOOK.get() == 0 && !std::thread::panicking()
}

fn with<R>(id: u64, f: impl FnOnce(&mut HashMap<u64, Entry>) -> R) -> R {
    f(&mut LEDGER[id as usize % LEDGER.len()].lock().unwrap())
}

fn raise(id: u64, label: u64, what: &'static str, is_panic: bool) {
    RAISED.fetch_add(1, Relaxed);
    if is_panic {
        PANICS.fetch_add(1, Relaxed);
    }
    with(id, |ledger| {
        let entry = ledger.entry(id).or_default();
        (entry.what, entry.is_panic, entry.raised_in) = (what, is_panic, what_this_thread_does());
        (entry.label, entry.depth) = (label, depth());
        entry.raised += 1;
    });
}

/// An error to return, from the handler with this label, or 0.
pub fn error_of(label: u64, what: &'static str) -> Failure {
    let id = tick();
    raise(id, label, what, false);
    Failure(id)
}

/// Panics with a text that has an id.
pub fn panic_now(what: &'static str) -> ! {
    panic_of(0, what)
}

fn panic_of(label: u64, what: &'static str) -> ! {
    let id = tick();
    raise(id, label, what, true);
    panic!("{TEXT}{id}");
}

/// Panics: with an id, or in a way that only the label of its handler tells whose it is.
pub fn fail_of(label: u64, what: &'static str) -> ! {
    if one_in(2) {
        panic_of(label, what);
    }
    raise(label, label, what, true);
    panic_any(Mute(label));
}

/// Drops a panic that was caught.
///
/// One without a text leaves room for another that looks the same: something of the crate has to happen in
/// between that shows that it was caught.
pub fn forget(payload: Box<dyn Any + Send>) {
    let is_mute = is_mute(&*payload);
    drop(payload);
    if is_mute {
        drop(Signal::<()>::new().on(|()| ()));
    }
}

/// Whether a panic carries no text.
pub fn is_mute(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Mute>()
}

/// The id in a message of ours.
pub fn id_in(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(TEXT)?;
    let digits = rest
        .find(|it: char| !it.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

/// The id in a panic of ours.
pub fn id_of(payload: &(dyn Any + Send)) -> Option<u64> {
    let text = payload
        .downcast_ref::<String>()
        .and_then(|text| id_in(text));
    text.or(payload.downcast_ref::<Mute>().map(|it| it.0))
}

/// The id of a failure, or `None` if it is none of ours: a full queue, a refused emission.
fn id_of_error(error: &HandlerError) -> Option<u64> {
    if let Some(failure) = error.error().and_then(|it| it.downcast_ref::<Failure>()) {
        return Some(failure.0);
    }
    if error.kind() != FailureKind::Panicked {
        return None;
    }
    let text = error.to_string();
    let label = || error.label()?.parse().ok();
    match id_in(&text).or_else(label) {
        None => violation(
            "2, failures",
            format!("a panic that is none of the storm's: {text}"),
        ),
        id => id,
    }
}

/// A hook was told.
pub fn told(error: &HandlerError) {
    match id_of_error(error) {
        Some(id) => {
            let is_panic = error.kind() == FailureKind::Panicked;
            told_as(id, is_panic, || format!("an error hook, of {error}"));
        }
        None => _ = OTHERS.fetch_add(1, Relaxed),
    }
}

/// Somebody was told of a panic who should be.
pub fn told_id(id: u64, who: &str) {
    told_as(id, true, || who.to_owned());
}

fn told_as(id: u64, is_panic: bool, who: impl FnOnce() -> String) {
    TOLD.fetch_add(1, Relaxed);
    let wrong = with(id, |ledger| {
        let entry = ledger.entry(id).or_default();
        entry.told += 1;
        entry.is_panic |= is_panic;
        entry.told_in.push(what_this_thread_does());
        (entry.told > entry.raised).then(|| entry.to_string())
    });
    let Some(entry) = wrong else { return };
    let text = format!("told once too often: {}; {entry}", who());
    violation("2, failures", text);
}

/// Notes what a handler has done with the panic of another one.
pub fn note(label: u64, what: &'static str) {
    with(label, |ledger| {
        ledger.entry(label).or_default().notes.push(what)
    });
}

/// The failures of an emission or a drain were read.
pub fn listed(errors: &[HandlerError]) {
    for id in errors.iter().filter_map(id_of_error) {
        let wrong = with(id, |ledger| {
            let entry = ledger.entry(id).or_default();
            entry.listed += 1;
            (entry.listed > entry.raised).then(|| entry.to_string())
        });
        if let Some(text) = wrong {
            violation("2, failures", format!("once too often in errors(): {text}"));
        }
    }
}

/// Runs what may resume a panic; returns the panic, which has to be one of the storm.
pub fn caught<R>(f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(f)).inspect_err(|payload| match id_of(&**payload) {
        Some(id) => with(id, |ledger| {
            let caught_in = what_this_thread_does();
            ledger.entry(id).or_default().resumed_in.push(caught_in);
        }),
        None => violation(
            "2, failures",
            "an emitter met a panic that is none of the storm's".into(),
        ),
    })
}

/// At the end of a round: each was told once.
pub fn close() {
    for shard in &LEDGER {
        for (id, entry) in shard.lock().unwrap().drain() {
            if entry.told != entry.raised {
                let text = format!("not told to any hook: {id}, {entry}");
                violation("2, failures", text);
            }
        }
    }
}
