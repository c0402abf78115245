//! Jobs: submitted, promised, cancelled, waited for, in pools that are shut down and made anew.
//!
//! Each job carries a number, and has to complete with what belongs to it, or cancelled, panicked with an id, or
//! abandoned. Its callbacks are counted when they are added and when they run, and run in that order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Duration;

use slotcast::jobs::{JobContext, Outcome};
use slotcast::{Job, JobError, Jobs, promise};

use crate::checks::violation;
use crate::ledger;
use crate::nested::nested_alone;
use crate::operations::Worker;
use crate::random::{below, one_in, pick};
use crate::tracked::{Capture, Kind, Seat, Token, tick};
use crate::world::{App, World, depth, new_pool, take_one};

pub static JOBS: AtomicU64 = AtomicU64::new(0);
static ADDED: AtomicU64 = AtomicU64::new(0);
static RAN: AtomicU64 = AtomicU64::new(0);

fn value_of(number: u64) -> u64 {
    number.wrapping_mul(3) + 1
}

fn check_outcome(number: u64, outcome: &Outcome<u64>) {
    let right = match outcome {
        Ok(value) => *value == value_of(number),
        Err(JobError::Panicked(text)) => ledger::id_in(text).is_some(),
        Err(JobError::Cancelled | JobError::Abandoned) => true,
        Err(_) => false,
    };
    if !right {
        violation(
            "6, jobs",
            format!("job {number} has completed with {outcome:?}"),
        );
    }
}

/// The work of a job.
fn work(number: u64, cx: &JobContext, pool: Option<Jobs>, token: &Token) -> u64 {
    token.look();
    if one_in(3) {
        cx.progress(1, 2);
    }
    if one_in(8) {
        nested_alone();
    }
    if one_in(16) && ledger::may_fail() {
        ledger::panic_now("a job");
    }
    if let Some(pool) = pool {
        // A job may wait for another one of its own pool.
        let (child, token) = (tick(), Token::new(Kind::Job));
        JOBS.fetch_add(1, Relaxed);
        if let Ok(job) = pool.try_submit(move |_| {
            token.look();
            value_of(child)
        }) {
            check_outcome(child, &job.wait());
        }
    }
    _ = cx.is_cancelled();
    token.look();
    value_of(number)
}

/// Submits a job.
pub fn submit(world: &World) {
    let which = below(world.pools.len());
    let pool = world.pools[which].get();
    let (number, token) = (tick(), Token::new(Kind::Job));
    JOBS.fetch_add(1, Relaxed);
    let own = one_in(16).then(|| pool.clone());
    let work = move |cx: &JobContext| work(number, cx, own, &token);
    // Waiting for room is for those who are in nothing else.
    let job = if depth() == 0 && one_in(2) {
        Ok(pool.submit(work))
    } else {
        pool.try_submit(work)
    };
    if let Ok(job) = job {
        follow(world, number, job);
    }
}

/// Promises a value; somebody completes it.
pub fn promise_one(world: &World) {
    let number = tick();
    JOBS.fetch_add(1, Relaxed);
    let (promise, job) = promise();
    let old = {
        let mut promises = world.promises.lock().unwrap();
        promises.push((number, promise));
        (promises.len() > 32).then(|| promises.swap_remove(0))
    };
    old.into_iter()
        .for_each(|(number, promise)| promise.complete(value_of(number)));
    follow(world, number, job);
}

pub fn complete_one(world: &World) {
    if let Some((number, promise)) = take_one(&world.promises) {
        promise.progress(1, 1);
        match below(4) {
            0 => drop(promise),
            1 => promise.fail(JobError::Cancelled),
            _ => promise.complete(value_of(number)),
        }
    }
}

/// Adds callbacks to a job, and hands it on or keeps it.
fn follow(world: &World, number: u64, job: Job<u64>) {
    let (next, added) = (Arc::new(AtomicUsize::new(0)), 1 + below(3));
    let seat = Seat::new(u64::MAX);
    for place in 0..added {
        ADDED.fetch_add(1, SeqCst);
        let (next, capture) = (next.clone(), Capture::new(&seat, false));
        job.on_done(move |outcome| {
            capture.look();
            RAN.fetch_add(1, SeqCst);
            check_outcome(number, outcome);
            let turn = next.fetch_add(1, SeqCst);
            if turn != place {
                violation(
                    "6, jobs",
                    format!("callback {place} of job {number} ran as number {turn}"),
                );
            }
            if let (Err(JobError::Panicked(text)), 0) = (outcome, place) {
                ledger::id_in(text)
                    .into_iter()
                    .for_each(|id| ledger::told_id(id, "the callback of a job"));
            }
        });
    }
    if one_in(4) {
        let capture = Capture::new(&seat, false);
        job.on_progress(move |_| capture.look());
    }
    let capture = Capture::new(&seat, false);
    match below(8) {
        0 | 1 => {
            let queue = pick(&world.buses).get().queue();
            if one_in(2) {
                let capture = Capture::new(&seat, false);
                job.on_progress_in(&queue, move |(), _| capture.look());
            }
            let handle = job.on_done_in(&queue, move |(), outcome| {
                capture.look();
                check_outcome(number, &outcome);
            });
            if one_in(4) {
                handle.cancel();
            }
        }
        2 => {
            let queue = world.app_bus.get().queue();
            drop(job.on_done_in(&queue, move |app: &mut App, outcome| {
                app.calls += 1;
                capture.look();
                check_outcome(number, &outcome);
            }));
        }
        3 => drop(job.abort_on_drop()),
        4 => drop(job),
        5 => _ = job.cancel(),
        _ => {
            let mut jobs = world.jobs.lock().unwrap();
            jobs.push(job);
            let old = (jobs.len() > 32).then(|| jobs.swap_remove(0));
            drop(jobs);
            drop(old);
        }
    }
}

/// Waits for a job, or takes its outcome, or lets it go. For workers at depth 0.
pub fn wait(worker: &mut Worker) {
    let Some(job) = take_one(&worker.world.jobs) else {
        return;
    };
    match below(4) {
        0 => _ = job.cancel(),
        1 => drop(job.try_take()),
        2 => drop(job.wait_timeout(Duration::from_micros(below(500) as u64))),
        // Not `wait`: the promise may be on a shelf.
        _ => drop(job.wait_timeout(Duration::from_millis(5))),
    }
}

/// Shuts a pool down, and puts another one in its place.
pub fn renew_pool(worker: &mut Worker) {
    let world = &worker.world;
    let which = below(world.pools.len());
    let old = world.pools[which].replace(new_pool(which, &world.executor));
    match below(3) {
        0 => _ = old.shutdown(),
        1 => _ = old.shutdown_timeout(Duration::from_micros(200)),
        _ => drop(old),
    }
}

/// The end of a round: pools end, promises go.
pub fn finish(world: &World) {
    for pool in &world.pools {
        pool.get().shutdown();
    }
    let promises = std::mem::take(&mut *world.promises.lock().unwrap());
    drop(promises);
    let jobs = std::mem::take(&mut *world.jobs.lock().unwrap());
    drop(jobs);
}

/// When nothing runs any more: each callback has run once.
pub fn close() {
    let (added, ran) = (ADDED.load(SeqCst), RAN.load(SeqCst));
    if added != ran {
        violation(
            "6, jobs",
            format!("{added} callbacks were added to jobs, and {ran} have run"),
        );
    }
}
