//! What does a job with a completion callback cost, beside a bare task that sends on a channel?
//!
//! ```sh
//! cargo bench --bench jobs
//! ```
//!
//! Both on the same pool, in turn: ours, by `execute`, and that of another crate's, by its own spawn.
//! After that the memory of many jobs through a short backlog, and the time of cancelling many.

#![allow(clippy::unwrap_used, reason = "nothing here fails")]

mod measure;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use measure::{Work, is_test, nanoseconds};
use slotcast::{Executor, Jobs};

/// How many jobs are under way before they are waited for.
const BATCHES: [u64; 3] = [1, 64, 1024];

fn main() {
    println!("One empty job, in ns; in brackets the ratio to the bare task before it.");
    println!(
        "{:>6} {:>20} {:>20} {:>20} {:>20}",
        "batch",
        "ours: bare + channel",
        "submit + on_done",
        "tokio: bare + channel",
        "submit + on_done"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    for batch in BATCHES {
        let ours = Jobs::new(1);
        let handle = runtime.handle().clone();
        let theirs = Jobs::with_executor(move |task: Box<dyn FnOnce() + Send>| {
            drop(handle.spawn(async move { task() }));
        });
        let costs = nanoseconds([
            bare(batch, |sender, n| {
                ours.execute(Box::new(move || sender.send(n).unwrap()));
            }),
            with_callback(batch, &ours),
            bare(batch, |sender, n| {
                drop(runtime.spawn(async move { sender.send(n).unwrap() }));
            }),
            with_callback(batch, &theirs),
        ]);
        println!(
            "{batch:>6} {:>20.0} {:>12.0} ({:>5.2}) {:>20.0} {:>12.0} ({:>5.2})",
            costs[0],
            costs[1],
            costs[1] / costs[0],
            costs[2],
            costs[3],
            costs[3] / costs[2],
        );
    }
    cancelling();
    flat();
}

/// Tasks that each send on a channel, received by whoever has spawned them.
fn bare<'w>(batch: u64, spawn: impl Fn(mpsc::Sender<u64>, u64) + 'w) -> Work<'w> {
    let (sender, receiver) = mpsc::channel();
    Box::new(move |times| {
        let mut done = 0;
        while done < times {
            for n in 0..batch {
                spawn(sender.clone(), n);
            }
            for _ in 0..batch {
                receiver.recv().unwrap();
            }
            done += batch;
        }
        done
    })
}

/// Empty jobs whose callbacks count; the last one wakes whoever has submitted them.
fn with_callback(batch: u64, jobs: &Jobs) -> Work<'_> {
    let waits = Arc::new((AtomicU64::new(0), thread::current()));
    Box::new(move |times| {
        let mut done = 0;
        while done < times {
            waits.0.store(batch, Relaxed);
            for _ in 0..batch {
                let waits = waits.clone();
                jobs.submit(|_| ()).on_done(move |_| {
                    if waits.0.fetch_sub(1, AcqRel) == 1 {
                        waits.1.unpark();
                    }
                });
            }
            while waits.0.load(Acquire) > 0 {
                thread::park();
            }
            done += batch;
        }
        done
    })
}

fn cancelling() {
    println!("\nCancelling jobs that wait, the last one first, in ns for each.");
    let counts = if is_test() {
        [1, 10]
    } else {
        [10_000, 100_000]
    };
    for count in counts {
        let jobs = Jobs::new(1);
        let (open, gate) = mpsc::channel::<()>();
        drop(jobs.submit(move |_| gate.recv()));
        let all: Vec<_> = (0..count).map(|n| jobs.submit(move |_| n)).collect();
        let start = Instant::now();
        let cancelled = all.iter().rev().filter(|job| job.cancel()).count();
        let time = start.elapsed();
        assert!(cancelled + 1 >= count);
        println!("{count:>8} {:>8.0}", time.as_nanos() as f64 / count as f64);
        drop(open);
    }
}

/// The resident memory, in KiB, where the system tells it.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn flat() {
    let count = if is_test() { 2000 } else { 1_000_000 };
    let jobs = Jobs::builder().workers(1).backlog(1000).build();
    let told = Arc::new(AtomicU64::new(0));
    let submit = |count: u64| {
        for _ in 0..count {
            let told = told.clone();
            let job = jobs.submit(|_| [0_u8; 256]);
            job.on_done(move |_| _ = told.fetch_add(1, Relaxed));
        }
    };
    submit(count / 100);
    let before = resident();
    let start = Instant::now();
    submit(count);
    let time = start.elapsed();
    let after = resident();
    jobs.shutdown();
    println!(
        "\n{} jobs of 256 bytes through a backlog of 1000: {:.0} ns each, resident KiB {:?} before and {:?} after",
        told.load(Relaxed),
        time.as_nanos() as f64 / count as f64,
        before.unwrap_or(0),
        after.unwrap_or(0),
    );
}
