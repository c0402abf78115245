//! A storm: threads that do at random everything that the public face has, at once, on a few shared buses,
//! signals, topics, patterns, queues and pools, while everything that is promised is counted.
//!
//! ```sh
//! CARGO_TARGET_DIR=target/storm cargo run --release --manifest-path tests/storm/Cargo.toml -- \
//!     --seconds 30 --threads 8 --seed 7
//! ```
//!
//! The storm goes in rounds of about two seconds. In each, a world is made (`world.rs`), and workers do
//! operations (`operations.rs`, `subscriptions.rs`, `background.rs`, `controlled.rs`) with handlers that do
//! more of them (`handlers.rs`, `nested.rs`). Then all is dropped, and the books have to balance (`checks.rs`).
//!
//! It exits with 0 if they always did, with 1 at a broken promise, with 2 at a standstill, and with 3 if its
//! arguments are wrong. Lines that begin with `slotcast:` are the log of the crate; there should be few.

mod background;
mod checks;
mod control;
mod controlled;
mod executor;
mod handlers;
mod ledger;
mod line;
mod nested;
mod operations;
mod random;
mod situations;
mod subscriptions;
mod tracked;
mod watchdog;
mod world;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use operations::Worker;
use world::World;

static SEED: AtomicU64 = AtomicU64::new(0);
static ROUND: AtomicU64 = AtomicU64::new(0);
static BEGUN: OnceLock<Instant> = OnceLock::new();
/// How long the workers of one round work.
const ROUND_TIME: Duration = Duration::from_secs(2);
/// The memory is warm after so many rounds.
const WARM: u64 = 3;

pub fn seed() -> u64 {
    SEED.load(Relaxed)
}

pub fn round() -> u64 {
    ROUND.load(Relaxed)
}

pub fn seconds() -> f64 {
    BEGUN
        .get()
        .map_or(0.0, |begun| begun.elapsed().as_secs_f64())
}

fn main() {
    let Ok((time, threads)) = arguments() else {
        eprintln!("usage: [--seconds 30] [--threads 8] [--seed N]; at most 64 threads");
        std::process::exit(3);
    };
    println!("seed {}, {threads} threads, {} s", seed(), time.as_secs());
    random::begin(seed());
    silence_own_panics();
    watchdog::start();
    let _station = watchdog::enter(0);
    let begun = *BEGUN.get_or_init(Instant::now);
    let mut warm = None;
    while begun.elapsed() < time {
        let left = time.saturating_sub(begun.elapsed());
        one_round(threads, left.min(ROUND_TIME));
        if ROUND.fetch_add(1, Relaxed) + 1 == WARM {
            warm = Some(checks::resident());
        }
    }
    let memory = match warm {
        Some(warm) => checks::memory_flat(&warm),
        None => format!("skipped: fewer than {WARM} rounds"),
    };
    print_table(&memory);
}

/// The time, and the number of threads.
fn arguments() -> Result<(Duration, usize), ()> {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    SEED.store(
        clock.map_or(1, |it| it.as_micros() as u64 % 1_000_000_000),
        Relaxed,
    );
    let (mut seconds, mut threads) = (30, 8);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let number: u64 = arguments.next().and_then(|it| it.parse().ok()).ok_or(())?;
        match argument.as_str() {
            "--seconds" => seconds = number,
            "--threads" if (1..watchdog::STATIONS as u64).contains(&number) => {
                threads = number as usize
            }
            "--seed" => SEED.store(number, Relaxed),
            _ => return Err(()),
        }
    }
    Ok((Duration::from_secs(seconds), threads))
}

/// Panics of the storm are not printed. All others end it.
fn silence_own_panics() {
    std::panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let is_own = payload.is::<ledger::Mute>()
            || payload
                .downcast_ref::<String>()
                .is_some_and(|it| ledger::id_in(it).is_some());
        if !is_own {
            let stack = std::backtrace::Backtrace::force_capture();
            checks::violation(
                "2, failures",
                format!("a panic that is none of the storm's: {info}\n{stack}"),
            );
        }
    }));
}

fn one_round(threads: usize, time: Duration) {
    watchdog::now("beginning a round");
    let world = World::new(threads);
    world::set_current(Some(world.clone()));
    let runner = std::thread::Builder::new().name("run".into()).spawn({
        let world = world.clone();
        move || run_queues(&world)
    });
    let until = Instant::now() + time;
    std::thread::scope(|scope| {
        for number in 0..threads {
            let world = world.clone();
            let name = format!("worker {}", number + 1);
            let worker = std::thread::Builder::new().name(name);
            worker
                .spawn_scoped(scope, move || work(world, number, until))
                .expect("a thread starts");
        }
        while Instant::now() < until {
            watchdog::now("watching the workers");
            std::thread::sleep(Duration::from_millis(100));
        }
        watchdog::now("joining the workers");
    });

    world.control.finish(threads);
    watchdog::now("ending pools");
    world.is_over.store(true, SeqCst);
    std::mem::take(&mut *world.gates.lock().unwrap())
        .iter()
        .for_each(|gate| gate.open());
    background::finish(&world);
    watchdog::now("closing buses");
    for bus in &world.buses {
        _ = ledger::caught(|| bus.get().close());
    }
    world.app_bus.get().close();
    watchdog::now("joining the thread that runs queues");
    runner
        .expect("a thread starts")
        .join()
        .expect("it does not panic");
    world.executor.stop();
    world::set_current(None);
    watchdog::now("waiting for those who still have the world");
    while Arc::strong_count(&world) > 1 {
        std::thread::sleep(Duration::from_micros(100));
    }
    watchdog::now("dropping the world");
    _ = ledger::caught(|| drop(world));
    watchdog::now("waiting until nothing is alive");
    checks::nothing_alive();
    ledger::close();
    background::close();
}

/// A worker, until the round is over.
fn work(world: Arc<World>, number: usize, until: Instant) {
    let _station = watchdog::enter(number + 1);
    random::begin_thread(round(), number);
    let mut worker = Worker::new(world, number);
    while Instant::now() < until {
        for _ in 0..16 {
            operations::one(&mut worker);
        }
    }
    watchdog::now("dropping what a worker has");
    let Worker {
        pauses,
        scope,
        nexts,
        streams,
        demands,
        ..
    } = worker;
    drop((pauses, nexts, streams, demands));
    _ = ledger::caught(|| drop(scope));
}

/// Runs the queue of one wild bus after the other, each until it is closed.
fn run_queues(world: &World) {
    while !world.is_over.load(SeqCst) {
        let queue = random::pick(&world.buses).get().queue();
        if let Ok(drained) = ledger::caught(|| queue.run()) {
            operations::drained(&drained);
        }
        // A bus whose queue alone was closed stays a while.
        std::thread::sleep(Duration::from_micros(50));
    }
}

fn print_table(memory: &str) {
    let [events, calls] = [&operations::EVENTS, &operations::CALLS].map(|it| it.load(Relaxed));
    let [raised, told, others] =
        [&ledger::RAISED, &ledger::TOLD, &ledger::OTHERS].map(|it| it.load(Relaxed));
    let rows = [
        ("operations", watchdog::operations().to_string()),
        ("events", events.to_string()),
        ("calls", calls.to_string()),
        (
            "failures",
            format!("{raised}, told {told}, and {others} without an id"),
        ),
        ("jobs", background::JOBS.load(Relaxed).to_string()),
        ("seconds", format!("{:.1} in {} rounds", seconds(), round())),
        ("memory", memory.to_owned()),
    ];
    println!();
    rows.iter()
        .for_each(|(name, value)| println!("{name:<12} {value}"));
}
