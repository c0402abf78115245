//! What does it cost to subscribe and to cancel, by the number of handlers and the order?
//!
//! ```sh
//! cargo bench --bench changes
//! ```
//!
//! The cost for each handler should not depend on how many there are.

#![allow(clippy::unwrap_used, reason = "the names are right")]

mod measure;

use std::hint::black_box;

use measure::{Work, nanoseconds};
use slotcast::{Bus, Pattern, Signal, Subscription, Topic};

fn main() {
    println!("Subscribing one handler and cancelling it, in ns.");
    println!(
        "{:>9} {:>14} {:>14} {:>14}",
        "handlers", "oldest first", "newest first", "at random"
    );
    for n in [1, 100, 10_000, 100_000] {
        let costs = nanoseconds([
            all(n, |at, _| at),
            all(n, |at, n| n - 1 - at),
            all(n, shuffled),
        ]);
        println!(
            "{n:>9} {:>14.1} {:>14.1} {:>14.1}",
            costs[0], costs[1], costs[2]
        );
    }
    println!("\nThe same with an emission to all of them in between, once.");
    for n in [1, 100, 10_000, 100_000] {
        let costs = nanoseconds([emitted(n)]);
        println!("{n:>9} {:>14.1}", costs[0]);
    }
    println!("\nPatterns, in ns for each topic: as many patterns as topics; one over all of them.");
    for n in [1, 100, 1_000, 10_000] {
        let costs = nanoseconds([paired(n), over_all(n)]);
        println!("{n:>9} {:>14.1} {:>14.1}", costs[0], costs[1]);
    }
    println!(
        "\nThe wiring of a bus, in ns for each handler, by the number of topics with ten each."
    );
    for n in [1, 100, 1_000] {
        let costs = nanoseconds([looked_at(n)]);
        println!("{n:>9} {:>14.1}", costs[0]);
    }
}

/// The wiring of a bus with ten handlers for each topic, counted by handler.
fn looked_at(topics: usize) -> Work<'static> {
    let bus = Bus::new();
    for topic in 0..topics {
        let topic = Topic::<u64>::named(format!("room.{topic}.joined")).unwrap();
        for _ in 0..10 {
            bus.on(&topic, |_| ()).detach();
        }
    }
    rounds(topics * 10, move || drop(black_box(bus.wiring())))
}

/// As many topics as patterns, each of which matches one of them: all added, all dropped.
fn paired(n: usize) -> Work<'static> {
    let names: Vec<_> = (0..n)
        .map(|n| {
            (
                Topic::<u64>::named(format!("room.{n}.joined")).unwrap(),
                Pattern::parse(format!("room.{n}.*")).unwrap(),
            )
        })
        .collect();
    rounds(n, move || {
        let bus = Bus::new();
        let of = |(topic, pattern): &(_, _)| (bus.signal(topic), bus.on_pattern(pattern, |_| ()));
        drop(black_box(names.iter().map(of).collect::<Vec<_>>()));
    })
}

/// One pattern that matches all topics, subscribed and cancelled.
fn over_all(n: usize) -> Work<'static> {
    let bus = Bus::new();
    let held: Vec<_> = (0..n)
        .map(|n| bus.signal(&Topic::<u64>::named(format!("room.{n}.joined")).unwrap()))
        .collect();
    rounds(n, move || {
        black_box(&held);
        drop(bus.on_pattern("room.*.joined", |_| ()));
    })
}

/// A fixed permutation of `0..n`.
fn shuffled(at: usize, n: usize) -> usize {
    // A multiplier that has no factor in common with powers of ten.
    at.wrapping_mul(7_368_787) % n
}

fn all(n: usize, order: fn(usize, usize) -> usize) -> Work<'static> {
    let signal = Signal::<u64>::new();
    rounds(n, move || {
        let mut subs = subscribe(&signal, n);
        for at in 0..n {
            drop(black_box(subs[order(at, n)].take()));
        }
    })
}

fn emitted(n: usize) -> Work<'static> {
    let signal = Signal::<u64>::new();
    rounds(n, move || {
        let subs = subscribe(&signal, n);
        signal.emit(&1);
        drop(subs);
    })
}

fn subscribe(signal: &Signal<u64>, n: usize) -> Vec<Option<Subscription>> {
    (0..n)
        .map(|n| Some(signal.on(move |event| _ = black_box(n as u64 + event))))
        .collect()
}

/// Counts by handler, not by round.
fn rounds(n: usize, mut round: impl FnMut() + 'static) -> Work<'static> {
    Box::new(move |times| {
        let rounds = times.div_ceil(n as u64);
        (0..rounds).for_each(|_| round());
        rounds * n as u64
    })
}
