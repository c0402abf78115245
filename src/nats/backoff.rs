//! How long to wait between tries.

use std::time::Duration;

/// How often an event whose handling fails is tried again, and how long is waited before each time.
///
/// # Examples
///
/// ```
/// use slotcast::nats::Backoff;
/// use std::time::Duration;
///
/// let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(30), 5);
/// let waits: Vec<u128> = (1..=5).map_while(|tries| backoff.wait(tries)).map(|it| it.as_millis()).collect();
/// assert_eq!(waits, [100, 200, 400, 800]); // the fifth try is the last
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    tries: u32,
}

impl Backoff {
    /// Waits `first` after the first failure, twice that after the second, and so on up to `most`; gives the event up
    /// after `tries` tries, the first one included. No tries are taken for one.
    #[must_use]
    pub const fn exponential(first: Duration, most: Duration, tries: u32) -> Self {
        Backoff {
            first,
            most,
            tries: if tries == 0 { 1 } else { tries },
        }
    }

    /// Always waits the same time; gives the event up after `tries` tries, the first one included.
    #[must_use]
    pub const fn fixed(wait: Duration, tries: u32) -> Self {
        Backoff::exponential(wait, wait, tries)
    }

    /// One try, and no other.
    #[must_use]
    pub const fn never() -> Self {
        Backoff::fixed(Duration::ZERO, 1)
    }

    /// The number of tries, the first one included.
    #[must_use]
    pub const fn tries(&self) -> u32 {
        self.tries
    }

    /// How long to wait after this many tries have failed. `None` if the event is to be given up.
    #[must_use]
    pub fn wait(&self, failed: u32) -> Option<Duration> {
        if failed >= self.tries {
            return None;
        }
        let doubled = failed.saturating_sub(1).min(63);
        let nanos = self.first.as_nanos().saturating_mul(1 << doubled);
        let most = self.most.as_nanos();
        Some(Duration::from_nanos(
            u64::try_from(nanos.min(most)).unwrap_or(u64::MAX),
        ))
    }
}

impl Default for Backoff {
    /// Five tries, with 100 ms, 200 ms, 400 ms and 800 ms in between.
    fn default() -> Self {
        Backoff::exponential(Duration::from_millis(100), Duration::from_secs(30), 5)
    }
}
