//! What does it cost to defer an event and deliver it to one handler?
//!
//! ```sh
//! cargo bench --bench queue
//! ```
//!
//! Beside it the usual way: a channel of boxed closures, each with a clone of an `Arc`.

#![allow(clippy::unwrap_used, reason = "the queues stay open")]

mod measure;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use measure::{Work, nanoseconds};
use slotcast::{Bus, Overflow, Queue, Signal, Topic, local};

const NUMBER: Topic<u64> = Topic::new("bench.number");

/// How many events are deferred before each drain.
const BATCHES: [u64; 3] = [1, 16, 1024];

fn main() {
    println!(
        "One event deferred and delivered to one handler, in ns; in brackets the ratio to the channel."
    );
    println!(
        "{:>6} {:>9} {:>17} {:>17} {:>17} {:>17}",
        "batch", "channel", "bus, handle", "bus, by name", "local, handle", "on_queue"
    );
    for batch in BATCHES {
        let sum = Arc::new(AtomicU64::new(0));
        let (sender, receiver) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let bus = Bus::new();
        let _sub = bus.on(&NUMBER, adder(&sum));
        let handle = bus.signal(&NUMBER);
        let local = local::Bus::new();
        let _local = local.on(&NUMBER, adder(&sum));
        let local_handle = local.signal(&NUMBER);
        let source = Bus::new();
        let queue = slotcast::Queue::new();
        let queued = adder(&sum);
        let _queued = source
            .subscribe(&NUMBER)
            .on_queue(&queue, move |(), n| queued(n));
        let source = source.signal(&NUMBER);

        let costs = nanoseconds([
            batches(
                batch,
                |n| {
                    let sum = sum.clone();
                    sender.send(Box::new(move || add(&sum, n))).unwrap();
                },
                || {
                    while let Ok(f) = receiver.try_recv() {
                        f()
                    }
                },
            ),
            batches(batch, |n| handle.defer(n).unwrap(), || _ = bus.drain()),
            batches(
                batch,
                |n| bus.defer(&NUMBER, n).unwrap(),
                || _ = bus.drain(),
            ),
            batches(
                batch,
                |n| local_handle.defer(n).unwrap(),
                || _ = local.drain(),
            ),
            batches(batch, |n| _ = source.emit(&n), || _ = queue.drain()),
        ]);
        print!("{batch:>6} {:>9.1}", costs[0]);
        for cost in &costs[1..] {
            print!(" {cost:>9.1} ({:>5.2})", cost / costs[0]);
        }
        println!();
    }
    other_ways();
    let_go();
}

/// What else goes through a queue: the latest of many, later, and with a bound.
fn other_ways() {
    println!("\nOther ways, in ns for each event.");
    let sum = Arc::new(AtomicU64::new(0));
    let moved = Signal::<u64>::new();
    let _sub = moved.on(adder(&sum));
    let (latest, later) = (Queue::new(), Queue::new());
    let start = Instant::now();
    let bounded = |overflow| Queue::new().bounded(1024, overflow);
    let (reject, oldest) = (bounded(Overflow::Reject), bounded(Overflow::DropOldest));
    let costs = nanoseconds([
        batches(
            1024,
            |n| latest.defer_latest(&moved, n).unwrap(),
            || _ = latest.drain(),
        ),
        batches(
            100_000,
            |n| {
                // In no order.
                let delay = Duration::from_nanos(n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32);
                later.defer_at(start + delay, &moved, n).unwrap();
            },
            || _ = later.drain_at(start + Duration::from_secs(60)),
        ),
        batches(
            1024,
            |n| reject.defer(&moved, n).unwrap(),
            || _ = reject.drain(),
        ),
        batches(
            1024,
            |n| oldest.defer(&moved, n).unwrap(),
            || _ = oldest.drain(),
        ),
        batches(1024, |n| oldest.defer(&moved, n).unwrap(), || ()),
    ]);
    oldest.clear();
    let names = [
        "defer_latest, 1024 a drain",
        "defer_at, 100,000 at a time",
        "a bound that rejects",
        "a bound that drops the oldest",
        "dropping the oldest",
    ];
    for (name, cost) in names.iter().zip(&costs) {
        println!("{name:>30} {cost:>9.1}");
    }
}

/// How soon is an emission let go that waits for room, when its handler is cancelled?
fn let_go() {
    let mut delays: Vec<_> = (0..200).map(|_| delay_of_a_cancel()).collect();
    delays.sort_unstable();
    let [median, longest] = [delays[100], delays[199]].map(|it| it.as_secs_f64() * 1e6);
    println!("\nA cancel lets an emission go that waits for room, in us.");
    println!("{:>30} {median:>9.1}", "median of 200");
    println!("{:>30} {longest:>9.1}", "longest");
}

fn delay_of_a_cancel() -> Duration {
    let (signal, queue) = (
        Signal::<u64>::new(),
        Queue::new().bounded(1, Overflow::Block),
    );
    let sub = signal.subscribe().on_queue(&queue, |(), _| ());
    signal.emit(&1);
    let emitting = signal.clone();
    let waiting = thread::spawn(move || {
        emitting.emit(&2);
        Instant::now()
    });
    // Until it waits.
    thread::sleep(Duration::from_millis(2));
    let start = Instant::now();
    sub.cancel();
    waiting.join().unwrap().saturating_duration_since(start)
}

fn add(sum: &AtomicU64, n: u64) {
    sum.store(sum.load(Relaxed).wrapping_add(n), Relaxed);
}

fn adder(sum: &Arc<AtomicU64>) -> impl Fn(&u64) + Send + Sync + 'static {
    let sum = sum.clone();
    move |n| add(&sum, *n)
}

fn batches<'w>(batch: u64, defer: impl Fn(u64) + 'w, drain: impl Fn() + 'w) -> Work<'w> {
    Box::new(move |times| {
        let mut left = times.max(batch);
        while left > 0 {
            let now = left.min(batch);
            (0..now).for_each(&defer);
            drain();
            left -= now;
        }
        times.max(batch)
    })
}
