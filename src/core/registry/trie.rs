//! An index of topics and patterns: finds the topics that match a pattern, and the patterns that match a
//! name, without visiting the others.
//!
//! Source: the subscription list of the NATS server, a trie by tokens,
//! <https://github.com/nats-io/nats-server/blob/main/server/sublist.go>. Unlike it, one trie has both
//! patterns and topics, so that it is searched in both directions; a wildcard is a child like any other, by
//! a token that no name can have; and results are not cached, because a topic keeps its patterns.
//!
//! Knows nothing of handlers, locks or events.

use slotmap::{SlotMap, new_key_type};

use crate::core::primitives::hash::HashMap;
use crate::topic::any_event::Kind;

new_key_type! { struct NodeKey; }

pub(crate) const ONE: &str = "*";
pub(crate) const REST: &str = ">";

#[derive(Default)]
struct Node<T> {
    children: HashMap<Box<str>, NodeKey>,
    /// The values of the topic and the pattern that end here.
    topic: Option<T>,
    pattern: Option<T>,
}

/// A map from names of topics, and from patterns, to values.
pub(crate) struct Trie<T> {
    nodes: SlotMap<NodeKey, Node<T>>,
    root: NodeKey,
    /// The number of searches.
    #[cfg(test)]
    pub(crate) matched: std::sync::atomic::AtomicUsize,
}

impl<T: Copy + Default> Trie<T> {
    pub(crate) fn new() -> Self {
        let mut nodes = SlotMap::with_key();
        let root = nodes.insert(Node::default());
        Trie {
            nodes,
            root,
            #[cfg(test)]
            matched: std::sync::atomic::AtomicUsize::new(0),
        }
    }

    /// Adds a name or a pattern, or replaces the value of an equal one. O(tokens).
    pub(crate) fn insert(&mut self, kind: Kind, text: &str, value: T) {
        let mut at = self.root;
        for token in text.split('.') {
            at = match self.nodes[at].children.get(token) {
                Some(&child) => child,
                None => {
                    let child = self.nodes.insert(Node::default());
                    self.nodes[at].children.insert(token.into(), child);
                    child
                }
            };
        }
        *self.nodes[at].value(kind) = Some(value);
    }

    /// The value of a pattern. O(tokens).
    pub(crate) fn pattern(&self, pattern: &str) -> Option<T> {
        let mut at = self.root;
        for token in pattern.split('.') {
            at = *self.nodes[at].children.get(token)?;
        }
        self.nodes[at].pattern
    }

    /// Removes a name or a pattern, and the nodes that lead to nothing else. O(tokens).
    pub(crate) fn remove(&mut self, kind: Kind, text: &str) {
        self.prune(self.root, kind, Some(text));
        if self.nodes.len() == 1 {
            // Frees the memory of the largest number of nodes there has been.
            *self = Trie::new();
        }
    }

    /// Removes `text` below `at`. Returns whether `at` is empty.
    fn prune(&mut self, at: NodeKey, kind: Kind, text: Option<&str>) -> bool {
        let Some(text) = text else {
            *self.nodes[at].value(kind) = None;
            return self.nodes[at].is_empty();
        };
        let (token, rest) = split(text);
        let Some(&child) = self.nodes[at].children.get(token) else {
            return false;
        };
        if self.prune(child, kind, rest) {
            self.nodes.remove(child);
            let children = &mut self.nodes[at].children;
            children.remove(token);
            if children.len() < children.capacity() / 4 {
                children.shrink_to_fit();
            }
        }
        self.nodes[at].is_empty()
    }

    /// Visits the patterns that match a name, in no order. Visits only nodes of patterns that could still
    /// match.
    pub(crate) fn patterns_of(&self, name: &str, visit: &mut impl FnMut(T)) {
        #[cfg(test)]
        self.matched
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.patterns_below(self.root, Some(name), visit);
    }

    fn patterns_below(&self, at: NodeKey, name: Option<&str>, visit: &mut impl FnMut(T)) {
        let node = &self.nodes[at];
        let Some(name) = name else {
            return node.pattern.into_iter().for_each(visit);
        };
        let (token, rest) = split(name);
        if let Some(&child) = node.children.get(REST) {
            self.patterns_below(child, None, visit);
        }
        for token in [token, ONE] {
            if let Some(&child) = node.children.get(token) {
                self.patterns_below(child, rest, visit);
            }
        }
    }

    /// Visits the topics that match a pattern, in no order. O(tokens + what `*` and `>` cover).
    pub(crate) fn topics_of(&self, pattern: &str, visit: &mut impl FnMut(T)) {
        #[cfg(test)]
        self.matched
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.topics_below(self.root, Some(pattern), visit);
    }

    fn topics_below(&self, at: NodeKey, pattern: Option<&str>, visit: &mut impl FnMut(T)) {
        let node = &self.nodes[at];
        let Some(pattern) = pattern else {
            return node.topic.into_iter().for_each(visit);
        };
        let (token, rest) = split(pattern);
        let named = node
            .children
            .iter()
            .filter(|(token, _)| ![ONE, REST].contains(&&***token));
        match token {
            ONE => named.for_each(|(_, &child)| self.topics_below(child, rest, visit)),
            REST => named.for_each(|(_, &child)| {
                self.topics_below(child, None, visit);
                self.topics_below(child, Some(REST), visit);
            }),
            token => {
                if let Some(&child) = node.children.get(token) {
                    self.topics_below(child, rest, visit);
                }
            }
        }
    }
}

impl<T> Node<T> {
    fn value(&mut self, kind: Kind) -> &mut Option<T> {
        match kind {
            Kind::Topic => &mut self.topic,
            Kind::Pattern => &mut self.pattern,
        }
    }

    fn is_empty(&self) -> bool {
        self.topic.is_none() && self.pattern.is_none() && self.children.is_empty()
    }
}

/// The first token and the rest.
fn split(text: &str) -> (&str, Option<&str>) {
    text.split_once('.')
        .map_or((text, None), |(token, rest)| (token, Some(rest)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Pattern;

    fn tokens(wild: bool) -> impl Strategy<Value = String> {
        let token = prop::sample::select(if wild {
            vec!["a", "b", "*"]
        } else {
            vec!["a", "b"]
        });
        let rest = prop::bool::weighted(if wild { 0.3 } else { 0.0 });
        (prop::collection::vec(token, 1..4), rest).prop_map(|(mut tokens, rest)| {
            tokens.extend(rest.then_some(REST));
            tokens.join(".")
        })
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(Kind, String),
        Remove(Kind, String),
    }

    fn step() -> impl Strategy<Value = Step> {
        let text = prop_oneof![
            tokens(false).prop_map(|name| (Kind::Topic, name)),
            tokens(true).prop_map(|pattern| (Kind::Pattern, pattern)),
        ];
        (text, prop::bool::weighted(0.7)).prop_map(|((kind, text), insert)| {
            if insert {
                Step::Insert(kind, text)
            } else {
                Step::Remove(kind, text)
            }
        })
    }

    proptest! {
        /// Compares with a list, by `Pattern::matches` for each pair.
        #[test]
        fn finds_what_a_list_finds(steps in prop::collection::vec(step(), 1..40)) {
            let mut trie = Trie::new();
            let mut list: Vec<(Kind, String, usize)> = Vec::new();
            for (value, step) in steps.into_iter().enumerate() {
                let (Step::Insert(kind, text) | Step::Remove(kind, text)) = &step;
                list.retain(|(k, s, _)| (k, s) != (kind, text));
                match &step {
                    Step::Insert(..) => {
                        trie.insert(*kind, text, value);
                        list.push((*kind, text.clone(), value));
                    }
                    Step::Remove(..) => trie.remove(*kind, text),
                }
            }
            for (kind, text, value) in &list {
                let (mut found, mut expected) = (Vec::new(), Vec::new());
                for (other, other_text, value) in list.iter().filter(|(other, ..)| other != kind) {
                    let (pattern, name) = match other {
                        Kind::Pattern => (other_text, text),
                        Kind::Topic => (text, other_text),
                    };
                    let matches = Pattern::parse(pattern.as_str()).is_ok_and(|it| it.matches(name));
                    expected.extend(matches.then_some(*value));
                }
                match kind {
                    Kind::Topic => trie.patterns_of(text, &mut |value| found.push(value)),
                    Kind::Pattern => {
                        trie.topics_of(text, &mut |value| found.push(value));
                        assert_eq!(trie.pattern(text), Some(*value));
                    }
                }
                found.sort_unstable();
                expected.sort_unstable();
                assert_eq!(found, expected, "{text}");
            }
            // When all are removed, no node is left.
            for (kind, text, _) in &list {
                trie.remove(*kind, text);
            }
            assert_eq!(trie.nodes.len(), 1);
        }
    }
}
