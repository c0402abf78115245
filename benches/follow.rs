//! What does it cost to follow a bus?
//!
//! ```sh
//! cargo bench --bench follow --features follow
//! ```
//!
//! Both columns are of a build with the feature: the first of a bus that nobody follows.

#![allow(clippy::unwrap_used, reason = "the events are accepted")]

mod measure;

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use measure::{Work, nanoseconds};
use slotcast::{Bus, Follow, Following, Queue, Topic};

const TICK: Topic<u64> = Topic::new("tick");
const TOCK: Topic<u64> = Topic::new("tock");

fn main() {
    println!("In ns, for each: not followed, and followed.");
    println!("{:>28} {:>9} {:>9}", "", "off", "on");
    for handlers in [0, 1, 4, 64] {
        row(&format!("emit, {handlers} handlers"), |bus| {
            emit(bus, handlers)
        });
    }
    row("emit by name, 1 handler", by_name);
    row("nested, 1 in 1", nested);
    row("defer and drain", deferred);
    row("an emission that defers", deferring);
    row("on_queue", on_queue);
    println!("\nEmissions in a microsecond, one handler: one thread, and two on one topic.");
    for is_followed in [false, true] {
        let rates = [1, 2].map(|threads| rate(threads, is_followed));
        let name = if is_followed {
            "followed"
        } else {
            "not followed"
        };
        let [one, two] = rates;
        println!("{name:>28} {one:>9.2} {two:>9.2}   {:.2} times", two / one);
    }
    println!("\nA report of 10,000 handlers in 1,000 topics, in ms.");
    println!("{:>28} {:>9.2}", "", report());
}

/// Measures an operation with and without a following.
fn row(name: &str, operation: impl Fn(&Bus) -> Work<'static>) {
    let (off, on) = (Bus::new(), Bus::new());
    let following = on.follow(Follow::new());
    let costs = nanoseconds([operation(&off), operation(&on)]);
    assert!(following.report().topics().len() <= 2);
    println!("{name:>28} {:>9.1} {:>9.1}", costs[0], costs[1]);
}

fn subscribe(bus: &Bus, handlers: u64) {
    for n in 0..handlers {
        bus.on(&TICK, move |event| _ = black_box(n + event))
            .detach();
    }
}

fn rounds(mut round: impl FnMut() + 'static) -> Work<'static> {
    Box::new(move |times| {
        (0..times).for_each(|_| round());
        times
    })
}

fn emit(bus: &Bus, handlers: u64) -> Work<'static> {
    subscribe(bus, handlers);
    let signal = bus.signal(&TICK);
    rounds(move || _ = signal.emit(black_box(&1)))
}

fn by_name(bus: &Bus) -> Work<'static> {
    subscribe(bus, 1);
    let bus = bus.clone();
    rounds(move || _ = bus.emit(&TICK, black_box(&1)))
}

fn nested(bus: &Bus) -> Work<'static> {
    bus.on(&TOCK, |event| _ = black_box(event)).detach();
    let inner = bus.signal(&TOCK);
    let outer = bus.signal(&TICK);
    outer.on(move |event| _ = inner.emit(event)).detach();
    rounds(move || _ = outer.emit(black_box(&1)))
}

fn deferred(bus: &Bus) -> Work<'static> {
    subscribe(bus, 1);
    let (bus, signal) = (bus.clone(), bus.signal(&TICK));
    let mut waiting = 0;
    rounds(move || {
        signal.defer(1).unwrap();
        waiting += 1;
        if waiting % 64 == 0 {
            bus.drain();
        }
    })
}

fn deferring(bus: &Bus) -> Work<'static> {
    subscribe(bus, 1);
    let (outer, inner) = (bus.signal(&TOCK), bus.signal(&TICK));
    outer.on(move |event| inner.defer(*event)).detach();
    let bus = bus.clone();
    let mut waiting = 0;
    rounds(move || {
        outer.emit(black_box(&1));
        waiting += 1;
        if waiting % 64 == 0 {
            bus.drain();
        }
    })
}

fn on_queue(bus: &Bus) -> Work<'static> {
    let queue = Queue::new();
    let signal = bus.signal(&TICK);
    signal
        .subscribe()
        .on_queue(&queue, |(), event| _ = black_box(event))
        .detach();
    let mut waiting = 0;
    rounds(move || {
        signal.emit(black_box(&1));
        waiting += 1;
        if waiting % 64 == 0 {
            queue.drain();
        }
    })
}

/// The emissions of all threads in a microsecond, the best of five.
fn rate(threads: u64, is_followed: bool) -> f64 {
    let (bus, times) = (Bus::new(), if measure::is_test() { 10 } else { 1_000_000 });
    let _following: Option<Following> = is_followed.then(|| bus.follow(Follow::new()));
    let calls = AtomicU64::new(0);
    bus.on(&TICK, |event| _ = black_box(event)).detach();
    let run = || {
        let begin = Instant::now();
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let signal = bus.signal(&TICK);
                    (0..times).for_each(|n| _ = signal.emit(&n));
                    calls.fetch_add(times, Ordering::Relaxed);
                });
            }
        });
        (threads * times) as f64 / begin.elapsed().as_secs_f64() / 1e6
    };
    (0..5).map(|_| run()).fold(0.0, f64::max)
}

fn report() -> f64 {
    let bus = Bus::<()>::builder().warn_handlers(0).build();
    let following = bus.follow(Follow::new());
    for topic in 0..1000 {
        let topic = Topic::<u64>::named(format!("room.{topic}.joined")).unwrap();
        for handler in 0..10 {
            bus.subscribe(&topic)
                .label(handler.to_string())
                .on(|_| ())
                .detach();
        }
        bus.emit(&topic, &1);
    }
    let run = || {
        let begin = Instant::now();
        drop(black_box(following.report()));
        begin.elapsed().as_secs_f64() * 1e3
    };
    (0..5).map(|_| run()).fold(f64::MAX, f64::min)
}
