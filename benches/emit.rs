//! What does an emission cost, by the number of handlers, beside the loops that promise nothing?
//!
//! ```sh
//! cargo bench --bench emit
//! ```
//!
//! The handlers add to a counter of their own; `mixed` has eight types of closures in turn, as a
//! program has. Code layout alone moves a loop by a fifth on some processors: repeat with
//! `RUSTFLAGS="-C llvm-args=-align-loops=64"` before believing a difference.

#![allow(clippy::unwrap_used, reason = "the threads live as long as the bench")]

mod measure;

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use measure::{each, is_test, nanoseconds};
use slotcast::{Bus, Signal, Subscription, Topic, local};

struct Event {
    amount: u64,
    _other: u64,
}

type Boxed = Box<dyn Fn(&Event) + Send + Sync>;

fn counter() -> impl Fn(&Event) + Send + Sync + 'static {
    let sum = AtomicU64::new(0);
    move |event| sum.store(sum.load(Relaxed).wrapping_add(event.amount), Relaxed)
}

fn local_counter() -> impl Fn(&Event) + 'static {
    let sum = Cell::new(0_u64);
    move |event| sum.set(sum.get().wrapping_add(event.amount))
}

/// Closures of eight types, for a processor that cannot guess the next.
fn mixed(n: usize) -> Boxed {
    fn one<const K: u64>() -> Boxed {
        let sum = AtomicU64::new(K);
        Box::new(move |event| sum.store(sum.load(Relaxed).wrapping_add(event.amount ^ K), Relaxed))
    }
    // Not in a cycle: by a fixed shuffle.
    let makers = [
        one::<0>, one::<1>, one::<2>, one::<3>, one::<4>, one::<5>, one::<6>, one::<7>,
    ];
    makers[(n.wrapping_mul(0x9e37_79b9) >> 7) % 8]()
}

fn main() {
    let event = Event {
        amount: 1,
        _other: 2,
    };
    println!("One emission, in ns; in brackets the ratio to the bare loop.");
    println!(
        "{:>9} {:>9} {:>17} {:>17} {:>17}",
        "handlers", "bare", "arc-swap", "shared", "local"
    );
    for n in [0, 1, 4, 16, 64, 1024] {
        let bare: Vec<Boxed> = (0..n).map(|_| Box::new(counter()) as Boxed).collect();
        let swap = ArcSwap::from_pointee(
            (0..n)
                .map(|_| Box::new(counter()) as Boxed)
                .collect::<Vec<Boxed>>(),
        );
        let shared = Signal::new();
        let _shared: Vec<_> = (0..n).map(|_| shared.on(counter())).collect();
        let local = local::Signal::new();
        let _local: Vec<_> = (0..n).map(|_| local.on(local_counter())).collect();
        row(
            &n.to_string(),
            nanoseconds([
                each(|| call(black_box(&bare), black_box(&event))),
                each(|| call(&swap.load(), black_box(&event))),
                each(|| shared.emit(black_box(&event))),
                each(|| local.emit(black_box(&event))),
            ]),
        );
    }
    let n = 64;
    let bare: Vec<Boxed> = (0..n).map(mixed).collect();
    let swap = ArcSwap::from_pointee((0..n).map(mixed).collect::<Vec<Boxed>>());
    let (shared, _shared) = mixed_signal(n);
    row(
        "64 mixed",
        nanoseconds([
            each(|| call(black_box(&bare), black_box(&event))),
            each(|| call(&swap.load(), black_box(&event))),
            each(|| shared.emit(black_box(&event))),
        ]),
    );

    by_pattern(&event);
    println!(
        "\nFour handlers that share nothing, emitted to by one thread and by two, in M emissions/s."
    );
    let idle = || |event: &Event| _ = black_box(event.amount);
    let boxed = || -> Vec<Boxed> { (0..4).map(|_| Box::new(idle()) as Boxed).collect() };
    let (bare, swap, signal) = (boxed(), ArcSwap::from_pointee(boxed()), Signal::new());
    let _subs: Vec<_> = (0..4).map(|_| signal.on(idle())).collect();
    let event = &event;
    scaling([
        ("bare", &|times| {
            repeat(times, || call(black_box(&bare), black_box(event)))
        }),
        ("arc-swap", &|times| {
            repeat(times, || call(&swap.load(), black_box(event)))
        }),
        ("shared", &|times| {
            repeat(times, || _ = signal.emit(black_box(event)))
        }),
    ]);
}

/// What a handler of a pattern costs beside one of the topic.
fn by_pattern(event: &Event) {
    let topic = Topic::<Event>::new("bench.event");
    let (exact, mixed) = (Bus::new(), Bus::new());
    let any = counter();
    let of_pattern = mixed.on_pattern("bench.*", move |event| {
        if let Some(event) = event.payload::<Event>() {
            any(event);
        }
    });
    let _subs = [
        exact.on(&topic, counter()),
        exact.on(&topic, counter()),
        mixed.on(&topic, counter()),
        of_pattern,
    ];
    let (exact, mixed) = (exact.signal(&topic), mixed.signal(&topic));
    let [two, one] = nanoseconds([
        each(|| exact.emit(black_box(event))),
        each(|| mixed.emit(black_box(event))),
    ]);
    println!(
        "\nTwo handlers of the topic: {two:.2} ns; one, and one of a pattern: {one:.2} ({:.2}).",
        one / two
    );
}

fn repeat(times: u64, mut work: impl FnMut()) {
    for _ in 0..times {
        work();
    }
}

#[inline]
fn call(handlers: &[Boxed], event: &Event) {
    for handler in handlers {
        handler(event);
    }
}

/// As many types of closures for the signal, without a box between.
fn mixed_signal(n: usize) -> (Signal<Event>, Vec<Subscription>) {
    fn one<const K: u64>(signal: &Signal<Event>) -> Subscription {
        let sum = AtomicU64::new(K);
        signal.on(move |event| sum.store(sum.load(Relaxed).wrapping_add(event.amount ^ K), Relaxed))
    }
    let makers = [
        one::<0>, one::<1>, one::<2>, one::<3>, one::<4>, one::<5>, one::<6>, one::<7>,
    ];
    let signal = Signal::new();
    let subs = (0..n)
        .map(|n| makers[(n.wrapping_mul(0x9e37_79b9) >> 7) % 8](&signal))
        .collect();
    (signal, subs)
}

fn row<const N: usize>(name: &str, costs: [f64; N]) {
    print!("{name:>9} {:>9.2}", costs[0]);
    for cost in &costs[1..] {
        print!(" {cost:>9.2} ({:>5.2})", cost / costs[0]);
    }
    println!();
}

/// The rates of one thread alone and of two that start together, the best of many short rounds in
/// which the contestants take turns. A machine may put both threads on the halves of one core, or
/// take one away: what the bare loop does not reach, nobody can.
fn scaling<const N: usize>(contestants: [(&str, &(dyn Fn(u64) + Sync)); N]) {
    let (rounds, times) = if is_test() { (1, 10) } else { (3000, 20_000) };
    let (asleep, ready) = (Barrier::new(2), AtomicUsize::new(0));
    let timed = |work: &dyn Fn(u64)| {
        let start = Instant::now();
        work(times);
        (start, Instant::now())
    };
    let together = |work: &dyn Fn(u64)| {
        // Wakes the other, and then starts at the same moment.
        asleep.wait();
        let turn = ready.fetch_add(1, AcqRel) / 2 + 1;
        while ready.load(Acquire) < 2 * turn {
            std::hint::spin_loop();
        }
        timed(work)
    };
    let turns = || (0..rounds).flat_map(|_| contestants.iter().enumerate());
    let mut best = [[Duration::MAX; 2]; N];
    std::thread::scope(|scope| {
        let (send, other) = std::sync::mpsc::channel();
        scope.spawn(move || {
            for (_, (_, work)) in turns() {
                send.send(together(work)).unwrap();
            }
        });
        for (n, (_, work)) in turns() {
            let alone = timed(work);
            let (both, other) = (together(work), other.recv().unwrap());
            let lasted = [alone.1 - alone.0, both.1.max(other.1) - both.0.min(other.0)];
            best[n] = [0, 1].map(|i| best[n][i].min(lasted[i]));
        }
    });
    for ((name, _), [alone, both]) in contestants.iter().zip(best) {
        let one = times as f64 / alone.as_secs_f64() / 1e6;
        let two = 2.0 * times as f64 / both.as_secs_f64() / 1e6;
        println!("{name:>9}: {one:.0} and {two:.0} ({:.2} times)", two / one);
    }
}
