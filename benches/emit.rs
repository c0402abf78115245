//! What does an emission cost, by the number of handlers, beside the loops that promise nothing?
//!
//! ```sh
//! cargo bench --bench emit
//! ```
//!
//! The handlers add to a counter of their own; `mixed` has eight types of closures in turn, as a
//! program has. Code layout alone moves a loop by a fifth on some processors: repeat with
//! `RUSTFLAGS="-C llvm-args=-align-loops=64"` before believing a difference.

mod measure;

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use arc_swap::ArcSwap;
use measure::{Work, each, is_test, nanoseconds};
use slotcast::{Signal, Subscription, local};

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

    println!("\nTwo threads on one signal with 4 handlers that share nothing, M emissions/s.");
    let handlers: Vec<Boxed> = (0..4)
        .map(|_| Box::new(|event: &Event| _ = black_box(event.amount)) as Boxed)
        .collect();
    let swap = ArcSwap::from_pointee(handlers);
    let signal = Signal::<Event>::new();
    let _subs: Vec<_> = (0..4)
        .map(|_| signal.on(|event| _ = black_box(event.amount)))
        .collect();
    let event = &event;
    scaling("arc-swap", || {
        Box::new(each(|| call(&swap.load(), black_box(event))))
    });
    scaling("shared", || {
        Box::new(each(|| signal.emit(black_box(event))))
    });
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

/// The rate of one thread and of two, the best of some runs.
fn scaling<'w>(name: &str, work: impl Fn() -> Box<Work<'w>> + Sync) {
    let times = if is_test() { 10 } else { 2_000_000 };
    let rate = |threads: usize| {
        let runs = (0..if is_test() { 1 } else { 10 }).map(|_| {
            let start = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| work()(times));
                }
            });
            (times * threads as u64) as f64 / start.elapsed().as_secs_f64() / 1e6
        });
        runs.fold(0.0, f64::max)
    };
    let (one, two) = (rate(1), rate(2));
    println!(
        "{name:>9}: {one:.0} with one thread, {two:.0} with two ({:.2} times)",
        two / one
    );
}
