//! What has arrived, so that it is handled once: of each bridge and topic the last number, and for groups, which have
//! no order, the newest events themselves.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};

/// Of how many bridges and topics the last numbers are remembered, and the origins with them.
const MOST_ORIGINS: usize = 1024;
/// Where there are patterns, one bridge has many topics.
const MOST_SEQUENCES: usize = 16_384;
/// How many events of a group are remembered.
const MOST_EVENTS: usize = 65_536;
/// How many events one gap counts for at most. Numbers that are further apart were not counted up by a bridge.
const MOST_LOST: u64 = 1 << 32;

/// Behind all that a stream has.
pub(super) const NOWHERE: u64 = u64::MAX;

/// What becomes of an event, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is new, and this many before it have not arrived.
    New(u64),
    /// It is new, and was counted among those that have not arrived.
    Late,
    /// It has arrived before.
    Duplicate,
    /// The one that was sent before it has not arrived; the last one that has was at this position. Either the missing
    /// one is not in the stream any more, or this one is too early and comes again behind it.
    Early(u64),
}

/// The last number of each sequence.
pub(super) struct Memory {
    /// By origin and topic.
    sequences: HashMap<String, HashMap<String, Sequence>>,
    len: usize,
    most: usize,
    clock: u64,
}

struct Sequence {
    /// The last number, and its position in the stream.
    last: u64,
    position: u64,
    /// What has not arrived, below some number that has: the newest such gap.
    gap: (u64, u64),
    /// Whether those in it were counted as not arrived: not where they are from before the first one that has.
    is_counted: bool,
    used: u64,
}

impl Sequence {
    fn look(&self, number: u64, after: Option<u64>) -> Verdict {
        if number <= self.last {
            let (from, to) = self.gap;
            return match (from..to).contains(&number) {
                true if self.is_counted => Verdict::Late,
                true => Verdict::New(0),
                false => Verdict::Duplicate,
            };
        }
        if after.is_some_and(|after| after > self.last) {
            return Verdict::Early(self.position);
        }
        Verdict::New((number - self.last - 1).min(MOST_LOST))
    }

    fn note(&mut self, number: u64, position: u64, used: u64) {
        self.used = used;
        if number > self.last {
            if number > self.last + 1 {
                self.gap = (self.last + 1, number);
                self.is_counted = true;
            }
            (self.last, self.position) = (number, position);
        } else if (self.gap.0..self.gap.1).contains(&number) {
            self.gap.0 = number + 1;
        }
    }
}

impl Memory {
    pub(super) fn new(has_patterns: bool) -> Self {
        Memory {
            sequences: HashMap::new(),
            len: 0,
            most: if has_patterns {
                MOST_SEQUENCES
            } else {
                MOST_ORIGINS
            },
            clock: 0,
        }
    }

    /// Looks at a number, and notes it with its position if it is new.
    pub(super) fn judge(
        &mut self,
        (origin, topic): (&str, &str),
        number: u64,
        after: Option<u64>,
        position: u64,
    ) -> Verdict {
        self.clock += 1;
        let used = self.clock;
        let Some(sequence) = self.sequence(origin, topic) else {
            // Whatever was before, this is where it begins here.
            self.begin((origin, topic), number, position);
            return Verdict::New(0);
        };
        let verdict = sequence.look(number, after);
        if let Verdict::New(_) | Verdict::Late = verdict {
            sequence.note(number, position, used);
        }
        verdict
    }

    /// What has arrived was in a stream that is not there any more: it has no position.
    pub(super) fn forget_positions(&mut self) {
        for sequence in self.sequences.values_mut().flat_map(HashMap::values_mut) {
            sequence.position = NOWHERE;
        }
    }

    /// Notes that a number has arrived.
    pub(super) fn note(&mut self, (origin, topic): (&str, &str), number: u64, position: u64) {
        self.clock += 1;
        let used = self.clock;
        match self.sequence(origin, topic) {
            Some(sequence) => sequence.note(number, position, used),
            None => self.begin((origin, topic), number, position),
        }
    }

    fn sequence(&mut self, origin: &str, topic: &str) -> Option<&mut Sequence> {
        self.sequences.get_mut(origin)?.get_mut(topic)
    }

    /// Notes the first number of a sequence.
    fn begin(&mut self, (origin, topic): (&str, &str), number: u64, position: u64) {
        if self.len >= self.most {
            self.forget();
        }
        // What is below has not arrived since this process began.
        let gap = (0, number);
        let of_origin = self.sequences.entry(origin.to_owned()).or_default();
        of_origin.insert(
            topic.to_owned(),
            Sequence {
                last: number,
                position,
                gap,
                is_counted: false,
                used: self.clock,
            },
        );
        self.len += 1;
    }

    /// Forgets the half that has not been used for longest.
    fn forget(&mut self) {
        let all = self.sequences.values().flat_map(HashMap::values);
        let mut used: Vec<u64> = all.map(|it| it.used).collect();
        let middle = used.len() / 2;
        let (_, median, _) = used.select_nth_unstable(middle);
        let median = *median;
        self.sequences.retain(|_, topics| {
            topics.retain(|_, it| it.used >= median);
            !topics.is_empty()
        });
        self.len = self.sequences.values().map(HashMap::len).sum();
    }
}

/// The newest events, whatever their order.
pub(super) struct Recent {
    /// Two hashes of each, by keys that nobody else knows: that two events have the same does not happen.
    known: HashSet<u128>,
    order: VecDeque<u128>,
    hashers: (RandomState, RandomState),
}

impl Recent {
    pub(super) fn new() -> Self {
        Recent {
            known: HashSet::new(),
            order: VecDeque::new(),
            hashers: (RandomState::new(), RandomState::new()),
        }
    }

    fn key(&self, event: &impl Hash) -> u128 {
        let (one, other) = (
            self.hashers.0.hash_one(event),
            self.hashers.1.hash_one(event),
        );
        (u128::from(one) << 64) | u128::from(other)
    }

    pub(super) fn contains(&self, event: &impl Hash) -> bool {
        self.known.contains(&self.key(event))
    }

    /// Notes an event, and forgets the oldest one beyond the limit.
    pub(super) fn note(&mut self, event: &impl Hash) {
        let key = self.key(event);
        if self.known.insert(key) {
            self.order.push_back(key);
            if self.order.len() > MOST_EVENTS {
                let oldest = self.order.pop_front();
                oldest.map(|it| self.known.remove(&it));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(memory: &mut Memory, number: u64, after: Option<u64>) -> Verdict {
        memory.judge(("abc", "order"), number, after, 100)
    }

    #[test]
    fn what_has_arrived_is_a_duplicate_and_gaps_are_counted() {
        let mut memory = Memory::new(false);
        assert_eq!(judge(&mut memory, 5, None), Verdict::New(0));
        assert_eq!(judge(&mut memory, 6, None), Verdict::New(0));
        assert_eq!(judge(&mut memory, 6, None), Verdict::Duplicate);
        assert_eq!(judge(&mut memory, 9, None), Verdict::New(2));
        assert_eq!(memory.judge(("abc", "other"), 6, None, 0), Verdict::New(0));
        assert_eq!(
            memory.judge(("other", "order"), 6, None, 0),
            Verdict::New(0)
        );
    }

    #[test]
    fn a_number_that_nobody_can_have_counted_to_is_one_gap() {
        let mut memory = Memory::new(false);
        judge(&mut memory, 0, None);
        assert_eq!(judge(&mut memory, u64::MAX, None), Verdict::New(MOST_LOST));
        assert_eq!(judge(&mut memory, 5, None), Verdict::Late);
        assert_eq!(judge(&mut memory, u64::MAX - 1, None), Verdict::Late);
        assert_eq!(judge(&mut memory, u64::MAX, None), Verdict::Duplicate);
    }

    #[test]
    fn what_stands_too_early_is_told_apart_until_the_one_before_has_come() {
        let mut memory = Memory::new(false);
        judge(&mut memory, 0, None);
        assert_eq!(judge(&mut memory, 2, Some(1)), Verdict::Early(100));
        assert_eq!(judge(&mut memory, 1, None), Verdict::New(0));
        assert_eq!(judge(&mut memory, 2, Some(1)), Verdict::New(0));
    }

    #[test]
    fn what_was_missing_is_new_when_it_comes_late() {
        let mut memory = Memory::new(false);
        judge(&mut memory, 0, None);
        memory.note(("abc", "order"), 3, 0);
        assert_eq!(judge(&mut memory, 1, None), Verdict::Late);
        assert_eq!(judge(&mut memory, 1, None), Verdict::Duplicate);
        assert_eq!(judge(&mut memory, 2, None), Verdict::Late);
        assert_eq!(judge(&mut memory, 3, None), Verdict::Duplicate);
        assert_eq!(judge(&mut memory, 0, None), Verdict::Duplicate);
    }

    #[test]
    fn what_is_lost_and_comes_late_is_counted_once_in_all() {
        let mut memory = Memory::new(false);
        let mut lost = 0;
        // 4 and 6 come late, 7 never, and 3 and 1 so late that they are taken for such as have come.
        for number in [2, 5, 4, 8, 6, 3, 1, 6, 9] {
            match judge(&mut memory, number, None) {
                Verdict::New(more) => lost += more,
                Verdict::Late => lost -= 1,
                Verdict::Duplicate | Verdict::Early(_) => (),
            }
        }
        assert_eq!(lost, 2);
    }

    #[test]
    fn what_is_before_the_first_that_came_is_new() {
        let mut memory = Memory::new(false);
        judge(&mut memory, 5, Some(4));
        assert_eq!(judge(&mut memory, 4, None), Verdict::New(0));
    }

    #[test]
    fn the_oldest_sequences_are_forgotten() {
        let mut memory = Memory::new(false);
        for origin in 0..10 * MOST_ORIGINS {
            memory.judge((&origin.to_string(), "order"), 3, None, 0);
            memory.judge(("kept", "order"), 3, None, 0);
        }
        assert!(memory.len <= MOST_ORIGINS && memory.sequences.len() == memory.len);
        assert_eq!(
            memory.judge(("kept", "order"), 3, None, 0),
            Verdict::Duplicate
        );
        assert_eq!(memory.judge(("0", "order"), 3, None, 0), Verdict::New(0));
    }

    #[test]
    fn the_newest_events_are_known() {
        let mut recent = Recent::new();
        for event in 0..=MOST_EVENTS {
            recent.note(&("abc", event));
        }
        assert!(!recent.contains(&("abc", 0_usize)) && recent.contains(&("abc", 1_usize)));
        assert_eq!(recent.known.len(), recent.order.len());
    }
}
