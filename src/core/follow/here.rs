//! The cause of what runs on a thread.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cause::Cause;
use crate::core::primitives::clock::Instant;
use crate::failure::CallSite;

/// The cause of a piece of code, and the number of the follower that records what it leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Here {
    pub(super) cause: Option<Cause>,
    pub(super) follower: u32,
}

impl Here {
    const NOWHERE: Here = Here {
        cause: None,
        follower: 0,
    };
}

/// What is known of the code that runs on a thread. In one piece, and without a destructor, so that it is found at once.
struct State {
    here: Cell<Here>,
    /// How long nested emissions of the running call took.
    nested: Cell<u64>,
    /// The line that a failure of the running call is blamed on. Those of others are not its own.
    blamed: Cell<Option<CallSite>>,
    /// The failures of the running call.
    failed: Cell<u32>,
}

thread_local! {
    static STATE: State = const {
        State {
            here: Cell::new(Here::NOWHERE),
            nested: Cell::new(0),
            blamed: Cell::new(None),
            failed: Cell::new(0),
        }
    };
    /// The text of the first failure of each call that runs and has some, the innermost last. Never borrowed while user
    /// code runs.
    static FAILURES: RefCell<Vec<Option<Box<str>>>> = const { RefCell::new(Vec::new()) };
}

/// The number of followers.
static FOLLOWERS: AtomicUsize = AtomicUsize::new(0);

/// Returns whether somebody follows a bus of this process.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    // Relaxed: it publishes nothing. Whoever begins to follow invalidates what is published, under locks.
    FOLLOWERS.load(Ordering::Relaxed) != 0
}

pub(super) fn count_follower() {
    FOLLOWERS.fetch_add(1, Ordering::Relaxed);
}

pub(super) fn discount_follower() {
    FOLLOWERS.fetch_sub(1, Ordering::Relaxed);
}

/// Nanoseconds since some moment before the first following. Never 0.
pub(super) fn now() -> u64 {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    let elapsed = BEGIN.get_or_init(Instant::now).elapsed();
    // Not by `as_nanos`, which has 128 bits. These last for 584 years.
    elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos()) + 1
}

/// What the code that runs follows from. Nothing once nobody follows anything.
pub(crate) fn here() -> Here {
    if is_on() {
        STATE.with(|it| it.here.get())
    } else {
        Here::NOWHERE
    }
}

/// Has what runs until the guard is dropped follow from nothing: it is somebody else's code.
pub(crate) fn enter_nothing() -> Option<HereGuard> {
    is_on().then(|| enter(Here::NOWHERE))
}

/// The cause of the code that runs.
pub(crate) fn cause() -> Option<Cause> {
    here().cause
}

/// Has what runs until the guard is dropped follow from this.
pub(crate) fn enter(here: Here) -> HereGuard {
    HereGuard(STATE.with(|it| it.here.replace(here)))
}

/// Restores what the code before followed from.
pub(crate) struct HereGuard(Here);

impl Drop for HereGuard {
    fn drop(&mut self) {
        STATE.with(|it| it.here.set(self.0));
    }
}

/// What a deferred event takes along: where it comes from, which line, and when.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(super) here: Here,
    /// 0 if it was not deferred.
    pub(super) at: u64,
    pub(super) place: Option<CallSite>,
}

impl Origin {
    pub(crate) const NONE: Origin = Origin {
        here: Here::NOWHERE,
        at: 0,
        place: None,
    };

    /// That of the code that runs, if somebody follows.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn here() -> Self {
        if is_on() {
            Origin::taken(Location::caller())
        } else {
            Origin::NONE
        }
    }

    /// That of an emission at another line than the one that runs it.
    pub(crate) fn at_line(place: CallSite) -> Self {
        Origin {
            here: here(),
            at: 0,
            place: Some(place),
        }
    }

    #[cold]
    fn taken(place: CallSite) -> Self {
        Origin {
            here: here(),
            at: now(),
            place: Some(place),
        }
    }

    /// Has what runs until the guard is dropped follow from this. From nothing, if nobody has followed when it was
    /// taken.
    #[inline]
    pub(crate) fn enter(self) -> Option<HereGuard> {
        (self.place.is_some() || is_on()).then(|| enter(self.here))
    }
}

/// What is measured of a call, or of a piece of work: what it began with.
pub(crate) struct Outer {
    here: Here,
    blamed: Option<CallSite>,
    nested: u64,
    failed: u32,
}

/// Begins to measure a call of what stands at this line.
pub(super) fn begin_call(blamed: CallSite) -> Outer {
    STATE.with(|it| it.begin(Some(blamed)))
}

/// Begins to measure a piece of work, which what runs in it follows from. Without a line for an emission, which has all
/// that fails in it beside its calls.
pub(super) fn begin_work(here: Here, blamed: Option<CallSite>) -> Outer {
    STATE.with(|it| {
        let outer = it.begin(blamed);
        it.here.set(here);
        outer
    })
}

/// What was measured: the time of nested emissions, the failures, and the text of the first.
pub(super) fn end_call(outer: Outer) -> (u64, u32, Option<Box<str>>) {
    STATE.with(|it| {
        it.here.set(outer.here);
        it.blamed.set(outer.blamed);
        let nested = it.nested.replace(outer.nested);
        let failed = it.failed.replace(outer.failed);
        let failure = if failed == 0 { None } else { take_failure() };
        (nested, failed, failure)
    })
}

impl State {
    fn begin(&self, blamed: Option<CallSite>) -> Outer {
        Outer {
            here: self.here.get(),
            blamed: self.blamed.replace(blamed),
            nested: self.nested.replace(0),
            failed: self.failed.replace(0),
        }
    }
}

/// The text of the first failure of a call that has some, and ends.
#[cold]
fn take_failure() -> Option<Box<str>> {
    let last = FAILURES.try_with(|it| it.borrow_mut().pop());
    last.ok().flatten().flatten()
}

/// Counts the time of an emission as nested in the call that it is in.
pub(super) fn add_nested(nanos: u64) {
    STATE.with(|it| it.nested.set(it.nested.get().saturating_add(nanos)));
}

/// Notes a failure of what stands at this line, if it is that of the running call. `text` is called where user code may
/// run.
pub(crate) fn failed(location: CallSite, text: impl FnOnce() -> Option<String>) {
    let blamed = STATE.with(|it| it.blamed.get());
    let is_own = blamed.map_or(here().cause.is_some(), |it| it == location);
    if !is_on() || !is_own {
        return;
    }
    let before = STATE.with(|it| it.failed.replace(it.failed.get() + 1));
    if before == 0 {
        let text = text().map(cut);
        _ = FAILURES.try_with(|it| it.borrow_mut().push(text));
    }
}

/// How many bytes of a text are kept.
const MOST: usize = 256;

/// The beginning of a text.
pub(super) fn cut(mut text: String) -> Box<str> {
    if text.len() > MOST {
        let mut end = MOST - '…'.len_utf8();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text.into_boxed_str()
}
