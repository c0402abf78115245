//! Promises 16 and 18: random operations on a queue and on a plain `Vec`, compared after each.

use std::time::{Duration, Instant};

use slotcast::{DeferErrorKind, Overflow};

use super::{Queue, Signal};
use crate::log::Log;

/// What waits in the plain queue: an event, and whether a newer one of its signal replaces it.
type Waiting = Vec<(u32, Option<usize>)>;

/// The promises in the simplest way.
#[derive(Default)]
struct Plain {
    waiting: Waiting,
    delayed: Vec<(u64, u32)>,
    bound: Option<(usize, Overflow)>,
    dropped: usize,
}

impl Plain {
    fn add(&mut self, event: u32, latest: Option<usize>) -> Option<DeferErrorKind> {
        if latest.is_some() {
            let before = self.waiting.len();
            self.waiting.retain(|(_, signal)| *signal != latest);
            if self.waiting.len() < before {
                self.waiting.push((event, latest));
                return None;
            }
        }
        if let Some((capacity, overflow)) = self.bound {
            if self.waiting.len() >= capacity {
                match overflow {
                    Overflow::Reject => return Some(DeferErrorKind::Full),
                    Overflow::DropNewest => {
                        self.dropped += 1;
                        return None;
                    }
                    _ => {
                        let excess = self.waiting.len() + 1 - capacity;
                        self.waiting.drain(..excess);
                        self.dropped += excess;
                    }
                }
            }
        }
        self.waiting.push((event, latest));
        None
    }

    fn drain(&mut self, now: u64, most: usize) -> Vec<String> {
        // Stable, so that equal deadlines stay as they were deferred.
        self.delayed.sort_by_key(|(deadline, _)| *deadline);
        let due = self
            .delayed
            .partition_point(|(deadline, _)| *deadline <= now);
        let due = self.delayed.drain(..due);
        self.waiting.extend(due.map(|(_, event)| (event, None)));
        let taken = self.waiting.drain(..most.min(self.waiting.len()));
        taken.map(|(event, _)| event.to_string()).collect()
    }
}

/// The same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

#[test]
fn a_queue_does_what_a_plain_one_does() {
    let bounds = [
        None,
        Some(Overflow::Reject),
        Some(Overflow::DropOldest),
        Some(Overflow::DropNewest),
    ];
    for seed in 0..if cfg!(miri) { 4 } else { 400 } {
        let mut random = Random(seed);
        let log = Log::default();
        let (one, two) = (Signal::<u32>::new(), Signal::<u32>::new());
        let other = Signal::<String>::new();
        let _subs = [&one, &two].map(|signal| {
            let log = log.clone();
            signal.on(move |n| log.add(n))
        });
        let _other = other.on({
            let log = log.clone();
            move |text| log.add(text)
        });
        let (mut queue, mut plain) = (Queue::new(), Plain::default());
        if let Some(overflow) = bounds[usize::try_from(seed % 4).unwrap()] {
            let capacity = usize::try_from(1 + random.below(5)).unwrap();
            queue = queue.bounded(capacity, overflow);
            plain.bound = Some((capacity, overflow));
        }
        let (start, mut clock) = (Instant::now(), 0);
        for event in 0..60 {
            let at = |clock| start + Duration::from_secs(clock);
            let signal = usize::try_from(random.below(3)).unwrap();
            match random.below(12) {
                0..=3 => {
                    let result = match signal {
                        0 => queue.defer(&one, event).map_err(|it| it.kind()),
                        1 => queue.defer(&two, event).map_err(|it| it.kind()),
                        _ => queue
                            .defer(&other, event.to_string())
                            .map_err(|it| it.kind()),
                    };
                    assert_eq!(result.err(), plain.add(event, None), "seed {seed}");
                }
                4..=6 => {
                    let result = match signal {
                        0 => queue.defer_latest(&one, event).map_err(|it| it.kind()),
                        1 => queue.defer_latest(&two, event).map_err(|it| it.kind()),
                        _ => queue
                            .defer_latest(&other, event.to_string())
                            .map_err(|it| it.kind()),
                    };
                    assert_eq!(result.err(), plain.add(event, Some(signal)), "seed {seed}");
                }
                7 => {
                    let deadline = clock + random.below(4);
                    let full = plain
                        .bound
                        .is_some_and(|(most, _)| plain.delayed.len() >= most);
                    let result = queue.defer_at(at(deadline), &one, event);
                    assert_eq!(result.is_err(), full, "seed {seed}");
                    if let Ok(delayed) = result {
                        match random.below(3) {
                            0 => assert!(delayed.cancel()),
                            _ => plain.delayed.push((deadline, event)),
                        }
                    }
                }
                8 => {
                    // The clock is not asked where nothing is delayed.
                    let most = if plain.delayed.is_empty() {
                        1
                    } else {
                        usize::MAX
                    };
                    let drained = match most {
                        1 => queue.drain_one(),
                        _ => queue.drain_at(at(clock)),
                    };
                    assert_eq!(log.take(), plain.drain(clock, most), "seed {seed}");
                    assert_eq!(drained.remaining(), plain.waiting.len(), "seed {seed}");
                }
                9 => {
                    clock = (clock + random.below(4)).saturating_sub(1);
                    queue.drain_at(at(clock));
                    assert_eq!(log.take(), plain.drain(clock, usize::MAX), "seed {seed}");
                }
                10 if random.below(8) == 0 => {
                    let count = plain.waiting.drain(..).count() + plain.delayed.drain(..).count();
                    assert_eq!(queue.clear(), count, "seed {seed}");
                }
                _ => {}
            }
            assert_eq!(queue.len(), plain.waiting.len(), "seed {seed}");
            assert_eq!(queue.delayed(), plain.delayed.len(), "seed {seed}");
            assert_eq!(queue.dropped(), plain.dropped, "seed {seed}");
            let first = plain
                .delayed
                .iter()
                .map(|(deadline, _)| at(*deadline))
                .min();
            assert_eq!(queue.next_deadline(), first, "seed {seed}");
        }
    }
}
