//! What is allocated, when, and when it goes: counted by an allocator that counts for each thread
//! apart, so that tests do not disturb each other. Most tests run on both flavours.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use slotcast::flavour::{Bus, Flavour, Local, SendBound, Shared, Signal, Subscription, SyncBound};
use slotcast::{Flow, IntoPattern};

thread_local! {
    /// Bytes that this thread allocated, less those that it freed.
    static BYTES: Cell<isize> = const { Cell::new(0) };
    /// How often this thread allocated, or grew what it had.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn count(bytes: isize, allocations: usize) {
    // Plain cells without a destructor: there as long as the thread is.
    BYTES.set(BYTES.get() + bytes);
    ALLOCATIONS.set(ALLOCATIONS.get() + allocations);
}

#[expect(
    clippy::cast_possible_wrap,
    reason = "no allocation is larger than half of the memory"
)]
fn signed(bytes: usize) -> isize {
    bytes as isize
}

// SAFETY: all is done by the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()), 1);
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-signed(layout.size()), 0);
        // SAFETY: as the caller says.
        unsafe { System.dealloc(memory, layout) }
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(signed(size) - signed(layout.size()), 1);
        // SAFETY: as the caller says.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// How many bytes more are in use after `f` than before, what it returns included.
fn bytes_of<R>(f: impl FnOnce() -> R) -> (isize, R) {
    let before = BYTES.get();
    let result = f();
    (BYTES.get() - before, result)
}

/// How often `f` allocates.
fn allocations_of(f: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

type Plain = fn(&u32) -> Flow;
type Passes = fn(&u32) -> bool;
type Nested<M> = fn(&mut Nest<M>, &u32);
type Later = fn(&mut (), &u32);
type Capturing = Box<dyn Fn(&u32) + Send + Sync>;

/// Either flavour, with what the tests subscribe and send.
trait Either:
    Flavour
    + SyncBound<Plain>
    + SyncBound<Passes>
    + SyncBound<Nested<Self>>
    + SyncBound<Later>
    + SyncBound<Capturing>
    + SyncBound<u32>
    + SendBound<()>
    + SendBound<u32>
    + SendBound<[u64; 5]>
    + SendBound<String>
    + SendBound<Capturing>
    + SendBound<Plain>
{
    /// Subscribes a handler without captures, whose type has no name.
    fn on_nothing(signal: &Signal<Self, u32>) -> Subscription<Self>;
    /// The same, by a pattern.
    fn on_any(bus: &Bus<Self>, pattern: impl IntoPattern) -> Subscription<Self>;
    /// A target, and a weak handler of it.
    fn on_target(signal: &Signal<Self, u32>) -> (Self::Ptr<u64>, Subscription<Self>);
    /// An async handler.
    fn on_started(signal: &Signal<Self, u32>) -> Subscription<Self>;
}

impl Either for Shared {
    fn on_nothing(signal: &Signal<Self, u32>) -> Subscription<Self> {
        signal.on(|_| ())
    }
    fn on_any(bus: &Bus<Self>, pattern: impl IntoPattern) -> Subscription<Self> {
        bus.on_pattern(pattern, |_| ())
    }
    fn on_target(signal: &Signal<Self, u32>) -> (Arc<u64>, Subscription<Self>) {
        let target = Arc::new(7);
        let sub = signal.on_weak(&target, |_, _| ());
        (target, sub)
    }
    fn on_started(signal: &Signal<Self, u32>) -> Subscription<Self> {
        signal.subscribe().on_async(async |_| ())
    }
}

impl Either for Local {
    fn on_nothing(signal: &Signal<Self, u32>) -> Subscription<Self> {
        signal.on(|_| ())
    }
    fn on_any(bus: &Bus<Self>, pattern: impl IntoPattern) -> Subscription<Self> {
        bus.on_pattern(pattern, |_| ())
    }
    fn on_target(signal: &Signal<Self, u32>) -> (std::rc::Rc<u64>, Subscription<Self>) {
        let target = std::rc::Rc::new(7);
        let sub = signal.on_weak(&target, |_, _| ());
        (target, sub)
    }
    fn on_started(signal: &Signal<Self, u32>) -> Subscription<Self> {
        signal.subscribe().on_async(async |_| ())
    }
}

/// Runs a test on both flavours.
macro_rules! on_both {
    ($($(#[$attribute:meta])* $test:ident;)*) => {
        mod shared {
            $($(#[$attribute])* #[test] fn $test() { super::$test::<slotcast::flavour::Shared>(); })*
        }
        mod local {
            $($(#[$attribute])* #[test] fn $test() { super::$test::<slotcast::flavour::Local>(); })*
        }
    };
}

/// As many as `n`, and a few where each step is slow.
fn times(n: usize) -> usize {
    if cfg!(miri) { n.min(300) } else { n }
}

/// A signal with all that stands between an event and a handler.
fn subscribe_all_kinds<M: Either>(signal: &Signal<M, u32>) -> impl Sized + use<M> {
    let go_on: Plain = |_| Flow::Continue;
    let stop_at_three: Plain = |n| if *n == 3 { Flow::Stop } else { Flow::Continue };
    let is_even: Passes = |n| n % 2 == 0;
    let is_small: Passes = |n| *n < 1000;
    let paused = signal.on(go_on);
    let pauses = [paused.pause(), paused.pause()];
    let others = [
        signal.on(go_on),
        signal.subscribe().priority(7).on(stop_at_three),
        signal.subscribe().priority(-7).label("last").on(go_on),
        signal
            .subscribe()
            .filter(is_even)
            .filter(is_small)
            .label("even")
            .on(go_on),
        signal.subscribe().limit(usize::MAX).on(go_on),
        signal
            .subscribe()
            .limit(usize::MAX)
            .filter(is_even)
            .priority(i32::MIN)
            .label("all")
            .on(go_on),
    ];
    (paused, pauses, others)
}

/// The context of handlers that emit on their own signal.
struct Nest<M: Either> {
    signal: Signal<M, u32, Nest<M>>,
    deepest: u32,
}

/// Shuffles, the same way each time.
fn shuffle<T>(items: &mut [T]) {
    let mut random = 1_u64;
    for end in (1..items.len()).rev() {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        items.swap(end, usize::try_from(random >> 33).unwrap() % (end + 1));
    }
}

// After `on_both`: a macro is visible below its definition.
mod emitting;
mod handlers;
#[cfg(feature = "jobs")]
mod jobs;
mod queues;
mod topics;
mod waiting;
