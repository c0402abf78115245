//! Names that differ by a slip.

use std::collections::{BTreeSet, HashMap};

/// Names of more characters are not compared: nobody has typed them.
const LONGEST: usize = 64;
/// A slip in a shorter token gives another word.
const SHORTEST_TOKEN: usize = 4;

/// Some names, to be found by similar ones.
pub(crate) struct Similar {
    names: Vec<Vec<char>>,
    /// The names, by what is left of them without one character, and by themselves.
    by_rest: HashMap<Vec<char>, Vec<usize>>,
}

impl Similar {
    pub(crate) fn to<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let names: Vec<Vec<char>> = names.map(|it| it.chars().collect()).collect();
        let mut by_rest: HashMap<Vec<char>, Vec<usize>> = HashMap::new();
        for (at, name) in names.iter().enumerate() {
            for rest in rests(name) {
                by_rest.entry(rest).or_default().push(at);
            }
        }
        Similar { names, by_rest }
    }

    /// The places of the names that are similar to this one.
    pub(crate) fn find(&self, name: &str) -> BTreeSet<usize> {
        if self.names.is_empty() {
            return BTreeSet::new();
        }
        let name: Vec<char> = name.chars().collect();
        let rests = rests(&name);
        let found = rests.iter().filter_map(|rest| self.by_rest.get(rest));
        let similar = |at: &&usize| is_similar(&self.names[**at], &name);
        found.flatten().filter(similar).copied().collect()
    }
}

/// What two names share if they are similar: a name, what is left of it without one character, and its letters.
fn rests(name: &[char]) -> Vec<Vec<char>> {
    if name.len() > LONGEST {
        return Vec::new();
    }
    let without = |at: usize| [&name[..at], &name[at + 1..]].concat();
    let mut rests: Vec<_> = (0..name.len()).map(without).collect();
    rests.push(name.to_vec());
    rests.push(letters(name));
    rests.sort_unstable();
    rests.dedup();
    rests
}

fn letters(name: &[char]) -> Vec<char> {
    let kept = name.iter().filter(|it| !matches!(it, '_' | '-'));
    kept.flat_map(|it| it.to_lowercase()).collect()
}

fn is_similar(one: &[char], other: &[char]) -> bool {
    if one == other || letters(one) == letters(other) {
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
        let both = |one, other| !Similar::to([one].into_iter()).find(other).is_empty();
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
