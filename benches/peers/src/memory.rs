//! Bytes and allocations of what exists and does nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

use slotcast::{Bus, Pattern, Topic, local};

use crate::handlers::{Boxed, EVENT, Event, counter};
use crate::measure::Run;
use crate::peers::{
    Bare, Bevy, Evenio, Local, Peer, RsEvents, RxLocal, RxShared, Shared, Signals2, Snapshot, Swap,
};

/// The allocator of the system, which counts while it is asked to.
pub struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static BYTES: AtomicI64 = AtomicI64::new(0);
static ALLOCATIONS: AtomicI64 = AtomicI64::new(0);

fn count(bytes: i64, allocations: i64) {
    if COUNTS.load(Relaxed) {
        BYTES.fetch_add(bytes, Relaxed);
        ALLOCATIONS.fetch_add(allocations, Relaxed);
    }
}

// SAFETY: everything is passed on to the allocator of the system, unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64, 1);
        // SAFETY: what our caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as i64), -1);
        // SAFETY: what our caller promises.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64, 1);
        // SAFETY: what our caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as i64 - layout.size() as i64, 0);
        // SAFETY: what our caller promises.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// So many, so that what is shared by all counts little.
const MANY: usize = 1000;

/// The bytes and the allocations that each of many leaves behind, on the heap.
fn kept<T>(make: impl FnMut(usize) -> T) -> [f64; 2] {
    let mut made = Vec::with_capacity(MANY);
    BYTES.store(0, Relaxed);
    ALLOCATIONS.store(0, Relaxed);
    COUNTS.store(true, Relaxed);
    made.extend((0..MANY).map(make));
    COUNTS.store(false, Relaxed);
    drop(black_box(made));
    [&BYTES, &ALLOCATIONS].map(|it| it.load(Relaxed) as f64 / MANY as f64)
}

pub fn run(run: &mut Run) {
    let table = "Heap of what is idle, each of 1000";
    let mut all = Vec::new();
    let mut add = |case, contestant, counts: [f64; 2]| all.push((case, contestant, counts));
    add("a signal", Bare::NAME, peers_of::<Bare>());
    add("a signal", Swap::NAME, peers_of::<Swap>());
    add("a signal", Snapshot::NAME, peers_of::<Snapshot>());
    add("a signal", Shared::NAME, peers_of::<Shared>());
    add("a signal", Local::NAME, peers_of::<Local>());
    add("a signal", RxLocal::NAME, peers_of::<RxLocal>());
    add("a signal", RxShared::NAME, peers_of::<RxShared>());
    add("a signal", Signals2::NAME, peers_of::<Signals2>());
    add("a handler", Bare::NAME, handlers_of::<Bare>());
    add("a handler", Swap::NAME, handlers_of::<Swap>());
    add("a handler", Snapshot::NAME, handlers_of::<Snapshot>());
    add("a handler", Shared::NAME, handlers_of::<Shared>());
    add("a handler", Local::NAME, handlers_of::<Local>());
    add("a handler", RxLocal::NAME, handlers_of::<RxLocal>());
    add("a handler", RxShared::NAME, handlers_of::<RxShared>());
    add("a handler", Signals2::NAME, handlers_of::<Signals2>());
    add("a handler", RsEvents::NAME, handlers_of::<RsEvents>());
    add("a handler", Evenio::NAME, handlers_of::<Evenio>());
    add("a handler", Bevy::NAME, handlers_of::<Bevy>());
    let topics: Vec<Topic<Event>> = (0..MANY)
        .map(|n| Topic::named(format!("room.{n}.joined")).unwrap())
        .collect();
    let mut map = HashMap::new();
    add(
        "a topic without a handler",
        "`HashMap` + `Vec`",
        kept(|n| map.insert(topics[n].name().to_owned(), Vec::<u64>::new())),
    );
    let (bus, alone) = (Bus::new(), local::Bus::new());
    add(
        "a topic without a handler",
        "slotcast",
        kept(|n| bus.signal(&topics[n])),
    );
    add(
        "a topic without a handler",
        "slotcast, local",
        kept(|n| alone.signal(&topics[n])),
    );
    let mut map = HashMap::new();
    add(
        "a topic with a handler",
        "`HashMap` + `Vec`",
        kept(|n| {
            let handler: Boxed = Box::new(counter());
            map.insert(topics[n].name().to_owned(), vec![handler])
        }),
    );
    add(
        "a topic with a handler",
        "slotcast",
        kept(|n| bus.on(&topics[n], counter())),
    );
    add(
        "a topic with a handler",
        "slotcast, local",
        kept(|n| alone.on(&topics[n], counter())),
    );
    let pattern = |n| Pattern::parse(format!("room.{n}.*")).unwrap();
    add(
        "a pattern with a handler",
        "slotcast",
        kept(|n| bus.on_pattern(pattern(n), |_| ())),
    );
    add(
        "a pattern with a handler",
        "slotcast, local",
        kept(|n| alone.on_pattern(pattern(n), |_| ())),
    );
    let burst = if run.is_test { 1000 } else { 1_000_000 };
    let signal = slotcast::Signal::<Event>::new();
    let rooms = [("at once", 1), ("after 64 drains of 3 events", 65)];
    for (case, drains) in rooms {
        let queue = slotcast::Queue::new();
        let bytes = kept_of_burst(drains, burst, |count| {
            (0..count).for_each(|_| queue.defer(&signal, EVENT).unwrap());
            assert_eq!(queue.drain().unhandled(), count);
        });
        let mut waiting = Vec::new();
        let bare = kept_of_burst(drains, burst, |count| {
            (0..count).for_each(|_| waiting.push(EVENT));
            waiting.clear();
        });
        let table = format!("Heap that a burst of {burst} events leaves");
        run.record([&table, case, "`Vec`"], "bytes", bare, bare);
        run.record([&table, case, "slotcast"], "bytes", bytes, bare);
    }
    for (unit, at) in [("bytes", 0), ("allocations", 1)] {
        let mut bare = f64::NAN;
        let mut last = "";
        for (case, contestant, counts) in &all {
            if *case != last {
                (bare, last) = (counts[at], case);
            }
            run.record([table, case, contestant], unit, counts[at], bare);
        }
    }
}

/// The bytes that a burst leaves behind, after as many drains in all.
fn kept_of_burst(drains: usize, burst: usize, mut drain: impl FnMut(usize)) -> f64 {
    drain(3);
    BYTES.store(0, Relaxed);
    COUNTS.store(true, Relaxed);
    drain(burst);
    (1..drains).for_each(|_| drain(3));
    COUNTS.store(false, Relaxed);
    BYTES.load(Relaxed) as f64
}

fn peers_of<P: Peer>() -> [f64; 2] {
    kept(|_| P::new())
}

fn handlers_of<P: Peer>() -> [f64; 2] {
    let mut peer = P::new();
    // So that what comes with the first one is not counted.
    let first = peer.subscribe(counter());
    let counts = kept(|_| peer.subscribe(counter()));
    peer.cancel(first);
    counts
}
