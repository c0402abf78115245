//! Situations that a storm seldom makes by itself: each is made on purpose, on signals of its own, and looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use slotcast::{Bus, Overflow, Queue, Signal, Topic};

use crate::checks::violation;
use crate::operations::Worker;
use crate::random::{below, one_in};
use crate::tracked::Event;

pub fn one(worker: &mut Worker) {
    // A thread has to wait for that, and the others pay for it.
    if one_in(20) {
        return pointless_wait(worker.number);
    }
    match below(3) {
        0 => vanished(),
        1 => not_delivered(),
        _ => beyond_bound(),
    }
}

/// Calls that were accepted are made, although their signal is closed meanwhile.
fn vanished() {
    let (signal, queue, calls) = (
        Signal::<Event>::new(),
        Queue::new(),
        Arc::new(AtomicUsize::new(0)),
    );
    let counts = calls.clone();
    let _sub = signal
        .subscribe()
        .on_queue(&queue, move |(), _| _ = counts.fetch_add(1, SeqCst));
    for _ in 0..3 {
        signal.emit(&Event::new());
    }
    signal.close();
    let drained = queue.drain();
    if calls.load(SeqCst) != 3 {
        let text = format!(
            "3 calls were accepted, {} were made: {drained:?}",
            calls.load(SeqCst)
        );
        violation("7, accepted", text);
    }
}

/// What reaches no handler does not count as delivered.
fn not_delivered() {
    let (bus, calls) = (Bus::new(), Arc::new(AtomicUsize::new(0)));
    let topic = Topic::<Event>::new("asked");
    let counts = calls.clone();
    bus.on(&topic, move |_| _ = counts.fetch_add(1, SeqCst))
        .detach();
    _ = bus.defer(&topic, Event::new());
    bus.close();
    let delivered = bus.queue().drain().delivered();
    let calls = calls.load(SeqCst);
    if delivered != calls {
        violation(
            "7, accepted",
            format!("{delivered} delivered, and {calls} calls"),
        );
    }
}

/// A bound that is set late counts what a drain has left.
fn beyond_bound() {
    let (signal, queue) = (Signal::<Event>::new(), Queue::new());
    let _sub = signal.on(|_| ());
    let defer = || _ = queue.defer(&signal, Event::new());
    (0..4).for_each(|_| defer());
    queue.drain_one();
    drop(queue.clone().bounded(2, Overflow::DropOldest));
    (0..2).for_each(|_| defer());
    let left = queue.len();
    queue.clear();
    if left > 2 {
        violation(
            "7, accepted",
            format!("{left} events wait, of a capacity of 2"),
        );
    }
}

/// Whoever waits for room that nobody needs any more goes on.
fn pointless_wait(worker: usize) {
    let signal = Signal::<Event>::new();
    let queue = Queue::new().bounded(1, Overflow::Block);
    let sub = signal.subscribe().on_queue(&queue, |(), _| ());
    signal.emit(&Event::new());
    let way = below(3);
    let (emits, gone) = (signal.clone(), Arc::new(AtomicUsize::new(0)));
    let ends = gone.clone();
    let waits = std::thread::spawn(move || {
        _ = emits.emit(&Event::new()).errors();
        ends.store(1, SeqCst);
    });
    std::thread::sleep(Duration::from_millis(2));
    let what = match way {
        0 => {
            sub.cancel();
            "a cancel"
        }
        1 => {
            signal.close();
            "the close of its signal"
        }
        _ => {
            signal.clear();
            "the clear of its signal"
        }
    };
    let begun = std::time::Instant::now();
    while gone.load(SeqCst) == 0 && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(1));
    }
    if gone.load(SeqCst) == 0 {
        let text = format!("worker {worker}: an emission waits for room after {what}");
        violation("7, accepted", text);
    }
    queue.close();
    queue.clear();
    waits.join().expect("an emission that does not panic");
}
