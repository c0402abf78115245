//! How long to wait before the next try to connect, or to send.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(5);
/// The longest wait within [`EARLY`], and after it.
const MOST_EARLY: Duration = Duration::from_millis(250);
const MOST: Duration = Duration::from_secs(5);
const EARLY: Duration = Duration::from_secs(10);

/// Doubles from 5 ms to 250 ms in the first ten seconds, and to 5 s later, less up to a fifth at random: so that not
/// all clients of a server come back at the same moment.
#[derive(Default)]
pub(super) struct Retry {
    tries: u32,
    since: Option<Instant>,
}

impl Retry {
    /// How long to wait before the next try.
    pub(super) fn wait(&mut self) -> Duration {
        let since = *self.since.get_or_insert_with(Instant::now);
        self.tries = self.tries.saturating_add(1);
        let random = RandomState::new().hash_one(0_u8);
        wait(self.tries, since.elapsed(), random)
    }
}

fn wait(tries: u32, elapsed: Duration, random: u64) -> Duration {
    let most = if elapsed < EARLY { MOST_EARLY } else { MOST };
    let doubled = FIRST.saturating_mul(1 << (tries - 1).min(20)).min(most);
    doubled - doubled / 5 * (random % 1000) as u32 / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_that_grows_once() {
        let early: Vec<u128> = (1..=8)
            .map(|it| wait(it, Duration::ZERO, 0).as_millis())
            .collect();
        assert_eq!(early, [5, 10, 20, 40, 80, 160, 250, 250]);
        let late: Vec<u128> = (9..=13).map(|it| wait(it, EARLY, 0).as_millis()).collect();
        assert_eq!(late, [1280, 2560, 5000, 5000, 5000]);
        assert_eq!(wait(u32::MAX, EARLY, 0), MOST);
    }

    #[test]
    fn waits_are_shorter_at_random_by_a_fifth_at_most() {
        for random in [0, 1, 500, 999, u64::MAX] {
            let it = wait(3, Duration::ZERO, random);
            assert!(
                (Duration::from_millis(16)..=Duration::from_millis(20)).contains(&it),
                "{it:?}"
            );
        }
    }
}
