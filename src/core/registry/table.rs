//! The table of a registry: topics by name and by key, and the index of patterns.
//!
//! A plain value: its lock, and who may read it without, is up to the registry.

use std::any::{Any, type_name};

use slotmap::{KeyData, SlotMap, new_key_type};

use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::hash::HashMap;
use crate::core::registry::listed::{AnySignal, ListedFlavour, WeakSignal};
use crate::core::registry::trie::Trie;
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::handler_list::PublishedList;
use crate::core::signal::signal::{PatternSignals, Signal};
use crate::error::WrongType;
use crate::failure::CallSite;
use crate::topic::any_event::{AnyEvent, Kind};
use crate::topic::name::Name;

new_key_type! { pub(crate) struct TopicKey; }

/// The key that a [`SignalInfo`] has as a number.
pub(super) fn key_of(topic: u64) -> TopicKey {
    KeyData::from_ffi(topic).into()
}

/// The signal of a key, if it exists with this payload type.
type Lookup<M, E, C> = Result<Option<<M as Primitives>::Ptr<Signal<M, E, C>>>, WrongType>;

/// A topic or a pattern.
pub(super) struct Topic<M: ListedFlavour> {
    pub(super) info: M::Ptr<SignalInfo<M>>,
    /// The line of its first use.
    pub(super) location: CallSite,
    pub(super) signal: M::AnySignal,
}

/// What an emission by name reads of a topic.
pub(super) struct NamedTopic<M: ListedFlavour, C: 'static> {
    pub(super) key: TopicKey,
    pub(super) info: M::Ptr<SignalInfo<M>>,
    pub(super) published: M::Ptr<PublishedList<M, C>>,
}

pub(super) struct Topics<M: ListedFlavour, C: 'static> {
    /// Topics and patterns. The signal of an entry may have been dropped already.
    pub(super) topics: SlotMap<TopicKey, Topic<M>>,
    /// The topics.
    pub(super) names: HashMap<Name, NamedTopic<M, C>>,
    /// The keys of patterns, and of topics once there was a pattern.
    pub(super) trie: Trie<TopicKey>,
    /// The topics are in the trie.
    pub(super) is_indexed: bool,
    pub(super) closed: bool,
}

impl<M: ListedFlavour, C: 'static> Topics<M, C> {
    pub(super) fn new() -> Self {
        Topics {
            topics: SlotMap::with_key(),
            names: HashMap::default(),
            trie: Trie::new(),
            is_indexed: false,
            closed: false,
        }
    }

    pub(super) fn key(&self, kind: Kind, name: &str) -> Option<TopicKey> {
        match kind {
            Kind::Topic => self.names.get(name).map(|it| it.key),
            Kind::Pattern => self.trie.pattern(name),
        }
    }

    /// The signal with this key. `None` if it has been dropped.
    pub(super) fn signal<E: 'static>(&self, key: TopicKey) -> Lookup<M, E, C> {
        let Some(topic) = self.topics.get(key) else {
            return Ok(None);
        };
        match topic.signal.as_any().downcast_ref::<WeakSignal<M, E, C>>() {
            Some(signal) => Ok(M::upgrade(&signal.0)),
            // A topic that has been dropped does not reserve its name.
            None if !topic.signal.exists() => Ok(None),
            None => Err(WrongType {
                topic: topic.info.name().as_str().to_owned(),
                registered: topic.info.topic_info.type_name(),
                requested: type_name::<E>(),
                location: topic.location,
            }),
        }
    }

    /// Visits the patterns that a name matches.
    pub(super) fn patterns_of_topic(
        &self,
        name: &str,
        mut visit: impl FnMut(&WeakSignal<M, AnyEvent, C>),
    ) {
        self.trie.patterns_of(name, &mut |key| {
            let pattern = self.topics.get(key).map(|it| it.signal.as_any());
            if let Some(pattern) = pattern.and_then(<dyn Any>::downcast_ref) {
                visit(pattern);
            }
        });
    }

    /// The patterns that a name matches. To be dropped where user code may run.
    pub(super) fn upgrade_patterns(&self, name: &str) -> PatternSignals<M, C> {
        let mut patterns = PatternSignals::<M, C>::new();
        if self.is_indexed {
            self.patterns_of_topic(name, |pattern| patterns.extend(M::upgrade(&pattern.0)));
        }
        patterns
    }

    pub(super) fn remove(&mut self, key: TopicKey) -> Option<Topic<M>> {
        let removed = self.topics.remove(key)?;
        let (kind, name) = (removed.info.topic_info.kind, removed.info.name().as_str());
        if self.key(kind, name) == Some(key) {
            if self.is_indexed {
                self.trie.remove(kind, name);
            }
            if kind == Kind::Topic {
                self.names.remove(name);
            }
        }
        if self.names.capacity() > 64 && self.names.len() < self.names.capacity() / 4 {
            self.names.shrink_to_fit();
        }
        if self.topics.is_empty() {
            self.topics = SlotMap::with_key();
            self.is_indexed = false;
        }
        Some(removed)
    }

    /// Adds a topic or a pattern to the trie. All topics, if it is the first pattern: a bus without patterns has no use
    /// for them there.
    pub(super) fn index(&mut self, kind: Kind, name: &Name, key: TopicKey) {
        if !self.is_indexed {
            if kind == Kind::Topic {
                return;
            }
            self.is_indexed = true;
            for (name, topic) in &self.names {
                self.trie.insert(Kind::Topic, name.as_str(), topic.key);
            }
        }
        self.trie.insert(kind, name.as_str(), key);
    }
}
