//! How long something took, over many times.

use std::time::Duration;

/// Four buckets for each doubling, up to a minute and more.
const BUCKETS: usize = 144;

/// How long something took, over many times: how often, how long in all and at most, and how the times are spread.
///
/// A quantile is exact to a quarter of a doubling: of the times in one step of that width it is the greatest that they
/// can be. Times of more than a minute count as the greatest.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Follow, Topic};
///
/// const PLACED: Topic<u64> = Topic::new("order.placed");
/// let bus = Bus::new();
/// let following = bus.follow(Follow::new());
/// let _sub = bus.on(&PLACED, |_| ());
/// (0..100).for_each(|n| _ = bus.emit(&PLACED, &n));
///
/// let report = following.report();
/// let own = report.handlers()[0].own();
/// assert_eq!(own.count(), 100);
/// assert!(own.quantile(0.5) <= own.quantile(0.99) && own.total() >= own.max());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Times {
    count: u64,
    total: u64,
    max: u64,
    buckets: Option<Box<[u32; BUCKETS]>>,
}

fn bucket(nanos: u64) -> usize {
    if nanos < 4 {
        return nanos as usize;
    }
    let octave = 61 - nanos.leading_zeros() as usize;
    (octave * 4 + (nanos >> octave) as usize).min(BUCKETS - 1)
}

/// The greatest time in a bucket.
fn end_of(bucket: usize) -> u64 {
    if bucket < 4 {
        return bucket as u64;
    }
    let octave = bucket / 4 - 1;
    (((bucket % 4) as u64 + 5) << octave) - 1
}

impl Times {
    /// Those of what was never measured.
    pub(crate) const NONE: Times = Times {
        count: 0,
        total: 0,
        max: 0,
        buckets: None,
    };

    pub(crate) fn add(&mut self, nanos: u64) {
        self.count += 1;
        self.total = self.total.saturating_add(nanos);
        self.max = self.max.max(nanos);
        let buckets = self.buckets.get_or_insert_with(|| Box::new([0; BUCKETS]));
        let bucket = &mut buckets[bucket(nanos)];
        *bucket = bucket.saturating_add(1);
    }

    pub(crate) fn merge(&mut self, other: &Times) {
        self.count += other.count;
        self.total = self.total.saturating_add(other.total);
        self.max = self.max.max(other.max);
        if let Some(others) = &other.buckets {
            let own = self.buckets.get_or_insert_with(|| Box::new([0; BUCKETS]));
            for (own, other) in own.iter_mut().zip(&**others) {
                *own = own.saturating_add(*other);
            }
        }
    }

    /// How often it was measured.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How long it took in all.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.total)
    }

    /// The longest time.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The time that this share of all times does not exceed: 0.5 for the median, 0.99 for that of the slowest
    /// hundredth. Zero if nothing was measured; a share beyond 0 and 1 counts as the nearest of these.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let Some(buckets) = &self.buckets else {
            return Duration::ZERO;
        };
        let all: u64 = buckets.iter().map(|&it| u64::from(it)).sum();
        let rank = (share.clamp(0.0, 1.0) * all as f64).ceil().max(1.0) as u64;
        let mut passed = 0;
        for (number, &count) in buckets.iter().enumerate() {
            passed += u64::from(count);
            if passed >= rank {
                let end = if number + 1 == BUCKETS {
                    self.max
                } else {
                    end_of(number)
                };
                return Duration::from_nanos(end.min(self.max));
            }
        }
        self.max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_four_for_each_doubling_and_without_gaps() {
        for nanos in (0..4096).chain([1 << 20, (1 << 20) + 1, 1 << 35, u64::MAX]) {
            let at = bucket(nanos);
            let begin = if at == 0 { 0 } else { end_of(at - 1) + 1 };
            assert!(begin <= nanos, "{nanos} in {at}");
            assert!(nanos <= end_of(at) || at == BUCKETS - 1, "{nanos} in {at}");
            assert!(end_of(at) - begin <= nanos / 4 || at == BUCKETS - 1);
        }
        assert!(end_of(BUCKETS - 1) > 60_000_000_000);
    }

    #[test]
    fn quantiles_are_within_a_quarter_of_a_doubling() {
        let mut times = Times::default();
        (1..=1000).for_each(|n| times.add(n * 1000));
        let mut halves = [Times::default(), Times::default()];
        (1..=1000).for_each(|n| halves[n as usize % 2].add(n * 1000));
        let [mut one, two] = halves;
        one.merge(&two);
        for times in [times, one] {
            let near = |share, nanos: f64| {
                let found = times.quantile(share).as_nanos() as f64;
                assert!(found >= nanos && found <= nanos * 1.25, "{share}: {found}");
            };
            near(0.5, 500_000.0);
            near(0.99, 990_000.0);
            assert_eq!(times.quantile(1.0), times.max());
            assert_eq!((times.count(), times.max().as_micros()), (1000, 1000));
            assert_eq!(times.total().as_micros(), 500_500);
        }
        assert_eq!(Times::default().quantile(0.5), Duration::ZERO);
    }
}
