//! Situations that this version is known to handle wrong: each is made on purpose, on signals of its own, and looked
//! at. They are not storms; they stand here so that whoever mends one sees it pass, and so that `--allow-known`
//! has something to count. See [`Known`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use slotcast::{Overflow, Queue, Signal};

use crate::checks::{Known, is_known_allowed, known};
use crate::operations::Worker;
use crate::random::{below, one_in};
use crate::tracked::Event;

pub fn one(worker: &mut Worker) {
    // A thread has to wait for that, and the others pay for it.
    if one_in(20) {
        return pointless_wait(worker.number);
    }
    beyond_bound();
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
        known(
            Known::BeyondBound,
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
    let most = if is_known_allowed() { 20 } else { 10_000 };
    let begun = std::time::Instant::now();
    while gone.load(SeqCst) == 0 && begun.elapsed() < Duration::from_millis(most) {
        std::thread::sleep(Duration::from_millis(1));
    }
    if gone.load(SeqCst) == 0 {
        let text = format!("worker {worker}: an emission waits for room after {what}");
        known(Known::PointlessWait, text);
    }
    queue.close();
    queue.clear();
    waits.join().expect("an emission that does not panic");
}
