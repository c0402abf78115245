//! Finds the topics of a pattern, and the patterns of a name, without looking at the others.
//!
//! A tree by tokens that holds both: the wildcards are tokens that no name can have. Knows nothing
//! of handlers, locks or events.

use std::collections::HashMap;

use slotmap::{SlotMap, new_key_type};

use crate::topic::any_event::Kind;

new_key_type! { struct NodeKey; }

pub(crate) const ONE: &str = "*";
pub(crate) const REST: &str = ">";

struct Node<T> {
    children: HashMap<Box<str>, NodeKey>,
    /// What ends here.
    topic: Option<T>,
    pattern: Option<T>,
}

/// Names of topics, and patterns, each with a value.
pub(crate) struct Trie<T> {
    nodes: SlotMap<NodeKey, Node<T>>,
    root: NodeKey,
    /// How often something was matched.
    #[cfg(test)]
    pub(crate) matched: std::cell::Cell<usize>,
}

impl<T: Copy> Trie<T> {
    pub(crate) fn new() -> Self {
        let mut nodes = SlotMap::with_key();
        let root = nodes.insert(Node::new());
        Trie {
            nodes,
            root,
            #[cfg(test)]
            matched: std::cell::Cell::new(0),
        }
    }

    /// Adds a subject; the value of an equal one that was there goes. O(tokens).
    pub(crate) fn insert(&mut self, kind: Kind, topic_info: &str, value: T) {
        let mut at = self.root;
        for token in topic_info.split('.') {
            at = match self.nodes[at].children.get(token) {
                Some(&child) => child,
                None => {
                    let child = self.nodes.insert(Node::new());
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

    /// Removes a subject, and the tokens that lead to nothing else. O(tokens).
    pub(crate) fn remove(&mut self, kind: Kind, topic_info: &str) {
        self.prune(self.root, kind, Some(topic_info));
        if self.nodes.len() == 1 {
            // Gives back the room of the largest crowd.
            *self = Trie::new();
        }
    }

    /// Removes what is below `at`; whether nothing is left there.
    fn prune(&mut self, at: NodeKey, kind: Kind, topic_info: Option<&str>) -> bool {
        let Some(topic_info) = topic_info else {
            *self.nodes[at].value(kind) = None;
            return self.nodes[at].is_empty();
        };
        let (token, rest) = split(topic_info);
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

    /// Visits the patterns that a name matches, in no order. Looks at those nodes only that a
    /// pattern leads to which could still match.
    pub(crate) fn patterns_of(&self, name: &str, visit: &mut impl FnMut(T)) {
        #[cfg(test)]
        self.matched.set(self.matched.get() + 1);
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
        self.matched.set(self.matched.get() + 1);
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
    fn new() -> Self {
        Node {
            children: HashMap::new(),
            topic: None,
            pattern: None,
        }
    }

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

/// The first token, and what follows it.
fn split(topic_info: &str) -> (&str, Option<&str>) {
    match topic_info.split_once('.') {
        Some((token, rest)) => (token, Some(rest)),
        None => (topic_info, None),
    }
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
        let topic_info = prop_oneof![
            tokens(false).prop_map(|name| (Kind::Topic, name)),
            tokens(true).prop_map(|pattern| (Kind::Pattern, pattern)),
        ];
        (topic_info, prop::bool::weighted(0.7)).prop_map(
            |((kind, topic_info), insert)| match insert {
                true => Step::Insert(kind, topic_info),
                false => Step::Remove(kind, topic_info),
            },
        )
    }

    proptest! {
        /// Against a list, and `Pattern::matches` for each pair.
        #[test]
        fn finds_what_a_list_finds(steps in prop::collection::vec(step(), 1..40)) {
            let mut trie = Trie::new();
            let mut list: Vec<(Kind, String, usize)> = Vec::new();
            for (value, step) in steps.into_iter().enumerate() {
                let (Step::Insert(kind, topic_info) | Step::Remove(kind, topic_info)) = &step;
                list.retain(|(k, s, _)| (k, s) != (kind, topic_info));
                match &step {
                    Step::Insert(..) => {
                        trie.insert(*kind, topic_info, value);
                        list.push((*kind, topic_info.clone(), value));
                    }
                    Step::Remove(..) => trie.remove(*kind, topic_info),
                }
            }
            for (kind, topic_info, value) in &list {
                let (mut found, mut expected) = (Vec::new(), Vec::new());
                for (other, text, value) in list.iter().filter(|(other, ..)| other != kind) {
                    let (pattern, name) = match other {
                        Kind::Pattern => (text, topic_info),
                        Kind::Topic => (topic_info, text),
                    };
                    let matches = Pattern::parse(pattern.as_str()).is_ok_and(|it| it.matches(name));
                    expected.extend(matches.then_some(*value));
                }
                match kind {
                    Kind::Topic => trie.patterns_of(topic_info, &mut |value| found.push(value)),
                    Kind::Pattern => {
                        trie.topics_of(topic_info, &mut |value| found.push(value));
                        assert_eq!(trie.pattern(topic_info), Some(*value));
                    }
                }
                found.sort_unstable();
                expected.sort_unstable();
                assert_eq!(found, expected, "{topic_info}");
            }
            // And nothing is left of what goes.
            for (kind, topic_info, _) in &list {
                trie.remove(*kind, topic_info);
            }
            assert_eq!(trie.nodes.len(), 1);
        }
    }
}
