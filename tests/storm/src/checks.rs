//! What ends the storm: a broken promise, with its number in the storm's own list, a text and the seed.
//!
//! 1. control events: each delivered once to everybody who stays, in order (`control.rs`);
//! 2. failures: each told once (`ledger.rs`);
//! 3. no call after a cancel, none after a waiting cancel, none beyond a limit (`tracked.rs`);
//! 4. everything dropped once, and nothing alive at the end of a round (here);
//! 5. memory: the resident set does not grow (here);
//! 6. nothing stands still (`watchdog.rs`); jobs complete once (`background.rs`);
//! 7. what was accepted is delivered or counted, and bounds hold (`situations.rs`).

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::tracked::{KINDS, counts};
use crate::watchdog;

/// The resident set may grow by so many bytes after the warm-up.
pub const MAY_GROW: u64 = 16 << 20;

/// Ends the storm. If another thread does already, waits for that.
pub fn violation(check: &str, what: String) -> ! {
    static FIRST: Mutex<()> = Mutex::new(());
    let first = FIRST.lock();
    eprintln!("\nVIOLATION of check {check}: {what}");
    eprintln!(
        "seed {}, round {}, after {:.1} s",
        crate::seed(),
        crate::round(),
        crate::seconds()
    );
    eprintln!(
        "on {:?}; the threads are in:",
        std::thread::current().name().unwrap_or("a thread")
    );
    watchdog::print_all();
    // With the lock: nothing else is printed.
    let _first = first;
    std::process::exit(1);
}

/// At the end of a round: all that was made has been dropped. Threads of pools that were dropped may need a
/// moment.
pub fn nothing_alive() {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        if KINDS.iter().all(|&kind| counts(kind).0 == counts(kind).1) {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let left = KINDS.map(|kind| {
        let (made, dropped) = counts(kind);
        format!("{kind:?}: {made} made, {dropped} dropped")
    });
    violation(
        "4, drops",
        format!("something is alive after all was dropped: {left:?}"),
    );
}

/// The resident set, in bytes; or why it is not known.
pub fn resident() -> Result<u64, String> {
    let file = "/proc/self/statm";
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    // Counted in pages: of 4 KiB nearly everywhere. Where they are larger, the bound is wider.
    pages
        .map(|pages| pages * 4096)
        .ok_or_else(|| format!("{file} has no second number"))
}

/// At the end: memory has not grown since the warm-up.
pub fn memory_flat(warm: &Result<u64, String>) -> String {
    match (warm, resident()) {
        (Ok(warm), Ok(end)) => {
            let (mib, grown) = (1 << 20, end.saturating_sub(*warm));
            let text = format!("{} MiB warm, {} MiB at the end", warm / mib, end / mib);
            if grown > MAY_GROW {
                let bound = MAY_GROW / mib;
                violation(
                    "5, memory",
                    format!("{text}: more than {bound} MiB of growth"),
                );
            }
            text
        }
        (Err(reason), _) => format!("skipped: {reason}"),
        (_, Err(reason)) => format!("skipped: {reason}"),
    }
}
