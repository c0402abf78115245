//! Names that differ by a slip.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Names of more characters are not compared: nobody has typed them.
const LONGEST: usize = 64;
/// A slip in a shorter token gives another word.
const SHORTEST_TOKEN: usize = 4;
/// As many names are compared for each thing that they share: more of them are a series.
const MOST: usize = 32;

/// Some names of topics, each with a payload type, to be found by similar ones.
pub(crate) struct Similar {
    names: Vec<Spelled>,
    /// A hash of what similar names share, with the place of a name that has it. Sorted.
    by_rest: Vec<(u64, usize)>,
}

/// A name, and what it says.
struct Spelled {
    name: Vec<char>,
    letters: Vec<char>,
    payload: u64,
}

impl Similar {
    pub(crate) fn to<'n>(names: impl Iterator<Item = (&'n str, &'n str)>) -> Self {
        let names: Vec<Spelled> = names.map(|(name, of)| Spelled::new(name, of)).collect();
        let mut by_rest = Vec::new();
        for (at, name) in names.iter().enumerate() {
            by_rest.extend(name.rests().into_iter().map(|it| (it, at)));
        }
        by_rest.sort_unstable();
        Similar { names, by_rest }
    }

    /// The places of the names that are similar to this one, of a topic with the same payload type.
    pub(crate) fn find(&self, name: &str, type_name: &str) -> Vec<usize> {
        if self.names.is_empty() {
            return Vec::new();
        }
        let name = Spelled::new(name, type_name);
        let mut found = Vec::new();
        for rest in name.rests() {
            let first = self.by_rest.partition_point(|it| it.0 < rest);
            let shared = self.by_rest[first..].iter().take(MOST);
            found.extend(shared.take_while(|it| it.0 == rest).map(|it| it.1));
        }
        found.sort_unstable();
        found.dedup();
        found.retain(|at| is_similar(&self.names[*at], &name));
        found
    }
}

impl Spelled {
    fn new(name: &str, type_name: &str) -> Self {
        let mut payload = DefaultHasher::new();
        type_name.hash(&mut payload);
        let name: Vec<char> = name.chars().collect();
        let kept = name.iter().filter(|it| !matches!(it, '_' | '-'));
        Spelled {
            letters: kept.flat_map(|it| it.to_lowercase()).collect(),
            payload: payload.finish(),
            name,
        }
    }

    /// Hashes of what two names share if they are similar: a name, what is left of it without one character, and
    /// its letters; each with the payload type.
    fn rests(&self) -> Vec<u64> {
        if self.name.len() > LONGEST {
            return Vec::new();
        }
        let name = &self.name[..];
        let mut rests = vec![hash(self.payload, name), hash(self.payload, &self.letters)];
        let mut before = self.payload;
        for (at, it) in name.iter().enumerate() {
            rests.push(hash(before, &name[at + 1..]));
            before = hash(before, &[*it]);
        }
        rests.sort_unstable();
        rests.dedup();
        rests
    }
}

/// A hash that goes on where another one ended. Names that share one by chance are compared, and that is all.
fn hash(before: u64, name: &[char]) -> u64 {
    name.iter().fold(before, |before, it| {
        let mixed = (before ^ u64::from(u32::from(*it))).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    })
}

fn is_similar(one: &Spelled, other: &Spelled) -> bool {
    if one.payload != other.payload {
        return false;
    }
    let is_same_text = one.letters == other.letters;
    let (one, other) = (&one.name[..], &other.name[..]);
    if one == other || is_same_text {
        return one != other;
    }
    let start = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (a, b) = (&one[start..], &other[start..]);
    let end = a.iter().rev().zip(b.iter().rev());
    let end = end.take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
    let is_slip = match (a, b) {
        ([_], [] | [_]) | ([], [_]) => true,
        ([first, second], [third, fourth]) => first == fourth && second == third,
        _ => false,
    };
    let differs_by_number = a.iter().chain(b).any(|it| it.is_numeric());
    let length = token(one, start).max(token(other, start));
    is_slip && !differs_by_number && length >= SHORTEST_TOKEN
}

/// The length of the token around this place.
fn token(name: &[char], at: usize) -> usize {
    let before = name[..at].iter().rev().take_while(|it| **it != '.').count();
    let behind = name[at..].iter().take_while(|it| **it != '.').count();
    before + behind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similar(one: &str, other: &str) -> bool {
        let both = |one, other| {
            !Similar::to([(one, "u32")].into_iter())
                .find(other, "u32")
                .is_empty()
        };
        assert_eq!(both(one, other), both(other, one));
        both(one, other)
    }

    #[test]
    fn names_are_similar_that_differ_by_a_slip() {
        assert!(similar("order.placed", "order.paced"));
        assert!(similar("order.placed", "order.plaecd"));
        assert!(similar("order.placed", "order.plased"));
        assert!(similar("order.placed", "orders.placed"));
        assert!(similar("order.placed", "order_placed"));
        assert!(similar("orderPlaced", "order_placed"));
        assert!(similar("größe.neu", "größse.neu"));
    }

    #[test]
    fn names_with_other_payloads_are_not() {
        let similar = Similar::to([("order.placed", "u32")].into_iter());
        assert_eq!(similar.find("order.paced", "u32"), [0]);
        assert!(similar.find("order.paced", "u64").is_empty());
    }

    #[test]
    fn many_names_that_share_something_are_not_all_compared() {
        let names: Vec<_> = ('\u{4e00}'..'\u{5200}')
            .map(|it| format!("order.{it}laced"))
            .collect();
        let similar = Similar::to(names.iter().map(|it| (&**it, "u32")));
        let found = similar.find("order.placed", "u32");
        assert!((1..=MOST).contains(&found.len()), "{}", found.len());
    }

    #[test]
    fn other_names_are_not() {
        assert!(!similar("order.placed", "order.placed"));
        assert!(!similar("order.placed", "order.packed.up"));
        assert!(!similar("mouse.x", "mouse.y"));
        assert!(!similar("key.up", "key.ups"));
        assert!(!similar("sensor.1", "sensor.2"));
        assert!(!similar("sensor1.read", "sensor12.read"));
        assert!(!similar("", "a"));
        assert!(!similar(&"a".repeat(65), &"a".repeat(64)));
    }
}
