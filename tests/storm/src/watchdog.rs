//! The watchdog: ends the storm if a thread stands still, and says where all of them are.
//!
//! Each worker has a station, where it leaves a mark with every operation: a counter, and the name of the
//! operation. The main thread has one, too, for what it does between rounds. The watchdog looks twice a
//! second; a station that is in use and shows the same for 20 seconds ends the process with 2. Threads that
//! may rest for as long as they like (those of pools, and those that `run` a queue) have none.

use std::cell::Cell;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How often the watchdog looks, and how often a thread may stand still: for 20 seconds. Looks are counted, and
/// not time, so that a process that is stopped as a whole is not taken for one that stands still.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOKS: u32 = 40;

/// At most so many workers, and the main thread.
pub const STATIONS: usize = 65;

struct Station {
    in_use: AtomicBool,
    /// How many operations it has begun.
    begun: AtomicU64,
    operation: Mutex<&'static str>,
}

static STATION: [Station; STATIONS] = [const {
    Station {
        in_use: AtomicBool::new(false),
        begun: AtomicU64::new(0),
        operation: Mutex::new("nothing"),
    }
}; STATIONS];

thread_local! {
    static OWN: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Takes the station with this number for this thread, until the guard is dropped.
pub fn enter(number: usize) -> Leave {
    STATION[number].in_use.store(true, Relaxed);
    OWN.set(Some(number));
    Leave(number)
}

/// Gives the station back.
pub struct Leave(usize);

impl Drop for Leave {
    fn drop(&mut self) {
        STATION[self.0].in_use.store(false, Relaxed);
        OWN.set(None);
    }
}

/// Notes what this thread does now.
pub fn now(operation: &'static str) {
    let Some(own) = OWN.get() else { return };
    *STATION[own].operation.lock().unwrap() = operation;
    STATION[own].begun.fetch_add(1, Relaxed);
}

/// What this thread does now.
pub fn what_this_thread_does() -> &'static str {
    match OWN.get() {
        Some(own) => *STATION[own].operation.lock().unwrap(),
        None => "a thread of a pool, an executor or a queue",
    }
}

/// How many operations all have begun.
pub fn operations() -> u64 {
    STATION[1..].iter().map(|it| it.begun.load(Relaxed)).sum()
}

/// Prints where each thread is.
pub fn print_all() {
    for (number, it) in STATION.iter().enumerate() {
        if it.in_use.load(Relaxed) {
            let (operation, begun) = (*it.operation.lock().unwrap(), it.begun.load(Relaxed));
            let who = if number == 0 {
                "main".to_owned()
            } else {
                format!("worker {number}")
            };
            eprintln!("  {who:>10}: {operation} (its operation {begun})");
        }
    }
}

/// Starts the watchdog. It ends with the process.
pub fn start() {
    let watch = || {
        let mut seen = [(0, 0); STATIONS];
        loop {
            std::thread::sleep(LOOK_EVERY);
            for (it, (begun, looks)) in STATION.iter().zip(&mut seen) {
                let now = it.begun.load(Relaxed);
                if now != *begun || !it.in_use.load(Relaxed) {
                    (*begun, *looks) = (now, 0);
                } else {
                    *looks += 1;
                    if *looks > LOOKS {
                        bark();
                    }
                }
            }
        }
    };
    let started = std::thread::Builder::new()
        .name("watchdog".into())
        .spawn(watch);
    drop(started.expect("the watchdog starts"));
}

fn bark() -> ! {
    let seconds = (LOOK_EVERY * LOOKS).as_secs();
    eprintln!(
        "\nSTANDSTILL: a thread has done nothing for {seconds} s (seed {})",
        crate::seed()
    );
    print_all();
    let pid = std::process::id().to_string();
    let stacks = Command::new("gdb")
        .args(["-p", &pid, "-batch", "-ex", "thread apply all bt"])
        .status();
    if let Err(error) = stacks {
        eprintln!("skipped: no stacks, because gdb did not start: {error}");
    }
    std::process::exit(2);
}
