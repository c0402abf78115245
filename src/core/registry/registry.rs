//! The topics of one bus, by name, and its patterns, all referenced weakly.
//!
//! Each name has one payload type while its topic exists. Topics are matched against patterns when
//! either is added, never for an emission of a topic that exists.

use std::rc::Rc;
use std::sync::Arc;

use slotmap::Key as _;

use crate::core::handler::erased::HandlerRef;
use crate::core::primitives::flavour::{Local, Shared};
use crate::core::primitives::sync::{Lock, Word};
use crate::core::reclaim::hazard::{Missed, Publish};
use crate::core::reclaim::publication::Guarded;
use crate::core::registry::listed::{AnySignal, ListedFlavour, WeakSignal};
use crate::core::registry::table::{NamedTopic, Topic, TopicKey, Topics, key_of};
use crate::core::settings::bus::{BusConfig, PatternQuery, Provided};
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::directory::{Directory, SignalFlavour};
use crate::core::signal::handler_list::ListGuard;
use crate::core::signal::signal::{PatternSignals, Signal, StrongPatternSignal};
use crate::error::WrongType;
use crate::failure::CallSite;
use crate::topic::any_event::{Kind, TopicInfo};
use crate::topic::name::Name;

/// The result of looking up a name for an emission.
pub(crate) enum Found<M: RegistryFlavour, E, C: 'static> {
    Topic(M::Ptr<Signal<M, E, C>>),
    /// The topic does not exist. Has the patterns that the name matches.
    Patterns(PatternSignals<M, C>),
}

/// The result of looking up a name for an emission, without a lock.
pub(crate) enum LookUp<M: RegistryFlavour, C: 'static> {
    Handlers(ListGuard<M, C>),
    Nobody,
    /// The topic does not exist. There may be patterns that match, or a hook.
    NoTopic,
    /// It has changed on the way. To be dropped, and looked up again.
    Missed(Missed<M::ReadGuard>),
    /// It has to be looked up under the lock.
    Locked,
}

/// The topics and the patterns of a bus.
pub struct Registry<M: RegistryFlavour, C: 'static> {
    topics: Guarded<M, Topics<M, C>>,
    /// The hook for unhandled events, as the only handler of a pattern that is not in `topics`.
    unhandled: M::Lock<Option<StrongPatternSignal<M, C>>>,
    /// 1 once there has been a handler with a weak target, which keeps its topic even when the target has
    /// been dropped.
    has_weak: M::Word,
    pub(crate) config: BusConfig<M>,
    /// Only kept.
    _provided: Option<M::Ptr<Provided<M>>>,
}

impl<M: RegistryFlavour, C: 'static> Registry<M, C> {
    pub(crate) fn new(config: BusConfig<M>) -> M::Ptr<Self> {
        M::ptr(Registry {
            topics: Guarded::new(Topics::new()),
            unhandled: M::Lock::new(None),
            has_weak: M::Word::new(0),
            _provided: config.provided(),
            config,
        })
    }

    /// Whether the topic has the handlers of the pattern.
    pub(crate) fn matches(&self, query: &PatternQuery) -> bool {
        let topics = self.topics_of(&query.pattern);
        topics.iter().any(|(_, it)| it.address() == query.topic)
    }

    /// What an emission of this name finds that begins now at this level, without a lock.
    #[inline(always)]
    pub(crate) fn look_up<E: 'static>(&self, name: &str, level: usize) -> LookUp<M, C> {
        // One level deeper there is no emission now, and so no read guard.
        let found = self.topics.read(level + 1, |all| {
            if all.closed {
                return None;
            }
            let Some(topic) = all.names.get(name) else {
                let config = &self.config;
                let is_heard = config.has_unhandled_hook() || config.follower() != 0;
                let is_nobody = !all.is_indexed && !is_heard;
                return Some(match is_nobody {
                    true => LookUp::Nobody,
                    false => LookUp::NoTopic,
                });
            };
            let info = &topic.info.topic_info;
            if !info.is_of::<E>() || info.is_matched() {
                return None;
            }
            if topic.published.is_empty() {
                return Some(LookUp::Nobody);
            }
            match topic.published.try_load_once(level)? {
                Ok(list) => Some(LookUp::Handlers(list)),
                Err(missed) => Some(LookUp::Missed(missed)),
            }
        });
        found.flatten().unwrap_or(LookUp::Locked)
    }

    /// The same for a list that is published aside. Apart, so that emissions of a bus that nobody follows do not pay for
    /// it.
    #[cfg(feature = "follow")]
    pub(crate) fn look_up_followed<E: 'static>(&self, name: &str, level: usize) -> LookUp<M, C> {
        let found = self.topics.read(level + 1, |all| {
            let topic = all.names.get(name).filter(|_| !all.closed)?;
            let info = &topic.info.topic_info;
            if !info.is_of::<E>() || info.is_matched() {
                return None;
            }
            Some(match topic.published.try_load_any_once(level)? {
                Ok(list) => LookUp::Handlers(list),
                Err(missed) => LookUp::Missed(missed),
            })
        });
        found.flatten().unwrap_or(LookUp::Locked)
    }

    /// The patterns that a name matches, for an emission at this level; see [`look_up`](Self::look_up).
    pub(crate) fn patterns(&self, name: &str, level: usize) -> PatternSignals<M, C> {
        let upgrade = |all: &Topics<M, C>| all.upgrade_patterns(name);
        let found = self.topics.read(level + 1, upgrade);
        found.unwrap_or_else(|| self.topics.with(|all| upgrade(all)))
    }

    /// The signal of a topic if the topic exists, otherwise the patterns that match the name.
    pub(crate) fn find<E: 'static>(&self, name: &str) -> Result<Found<M, E, C>, WrongType> {
        M::Published::prepare();
        self.topics.with(|all| {
            // The next one need not come here.
            all.open();
            if let Some(topic) = all.names.get(name) {
                if let Some(signal) = all.signal(topic.key)? {
                    return Ok(Found::Topic(signal));
                }
            }
            // Moved out of the lock: one of these may be the last reference.
            Ok(Found::Patterns(all.upgrade_patterns(name)))
        })
    }

    /// The signal of a topic or a pattern, created if it does not exist.
    pub(crate) fn signal<E: 'static>(
        this: &M::Ptr<Self>,
        kind: Kind,
        name: &Name,
        location: CallSite,
    ) -> Result<M::Ptr<Signal<M, E, C>>, WrongType> {
        if this.has_weak.get() != 0 {
            this.prune_if_full();
        }
        let (signal, closed, _dropped) = this.topics.with(|all| {
            let mut dropped = None;
            if let Some(key) = all.key(kind, name.as_str()) {
                if let Some(signal) = all.signal(key)? {
                    return Ok((signal, false, None));
                }
                // The last handle is being dropped at this moment, on another thread.
                dropped = all.change().remove(key);
            }
            let all = all.change();
            let mut patterns = Vec::new();
            if kind == Kind::Topic {
                all.patterns_of_topic(name.as_str(), |pattern| patterns.push(pattern.0.clone()));
            }
            let mut created = None;
            let key = all.topics.insert_with_key(|key| {
                let topic_info = TopicInfo::new::<E>(kind, name.clone());
                let key = key.data().as_ffi();
                let info = SignalInfo::new(topic_info, key, this.config.clone());
                let registry = M::directory(this);
                let signal = M::ptr(Signal::new(info, Some(registry), patterns));
                let listed = M::list(WeakSignal(M::downgrade(&signal)));
                let info = signal.info.clone();
                created = Some(signal);
                Topic {
                    info,
                    location,
                    signal: listed,
                }
            });
            let Some(signal) = created else {
                unreachable!("a slotmap calls the closure once")
            };
            all.index(kind, name, key);
            if kind == Kind::Topic {
                let topic = NamedTopic {
                    key,
                    info: signal.info.clone(),
                    published: signal.published.clone(),
                };
                all.names.insert(name.clone(), topic);
            }
            Ok((signal, all.closed, dropped))
        })?;
        if closed {
            signal.close();
        }
        Ok(signal)
    }

    /// Sets the hook for unhandled events, or none, and drops the previous one. Returns whether there was
    /// one. Costs O(topics).
    pub(crate) fn set_unhandled(&self, hook: Option<StrongPatternSignal<M, C>>) -> bool {
        let old = self.unhandled.with(|pattern| {
            self.config.set_has_unhandled_hook(hook.is_some());
            std::mem::replace(pattern, hook)
        });
        self.look_again();
        // `old` is dropped last, when no snapshot that an emission may still load has that hook.
        old.is_some()
    }

    /// Has all topics look again for whom to call. O(topics).
    pub(crate) fn look_again(&self) {
        for (key, signal) in self.all() {
            if !signal.invalidate(&mut || ()) {
                self.remove_dropped(key);
            }
        }
    }

    /// Pauses all signals, and those that are created later. O(handlers).
    pub(crate) fn pause(&self) {
        // Before the handlers are held: one that is subscribed meanwhile looks here.
        self.config.pause();
        self.all().iter().for_each(|(_, it)| it.hold());
    }

    /// If the next topic exceeds the capacity, removes handlers whose target has been dropped, and so the
    /// topics that only those kept. Then reserves capacity for as many topics as are left, so that adding
    /// n topics costs O(n) in total.
    fn prune_if_full(&self) {
        let is_full = self
            .topics
            .with(|all| all.topics.len() == all.topics.capacity());
        if !is_full {
            return;
        }
        self.all().iter().for_each(|(_, it)| it.prune());
        self.topics.with(|all| {
            let left = all.topics.len();
            if left > all.topics.capacity() / 2 {
                all.change().topics.reserve(left);
            }
        });
    }

    /// The topics that match a pattern.
    fn topics_of(&self, pattern: &Name) -> Vec<(TopicKey, M::AnySignal)> {
        self.topics.with(|all| {
            let mut found = Vec::new();
            all.trie.topics_of(pattern.as_str(), &mut |key| {
                let signal = all.topics.get(key).map(|topic| topic.signal.clone());
                found.extend(signal.map(|it| (key, it)));
            });
            found
        })
    }

    /// Removes a signal that is being dropped at this moment, on another thread, which could not be told of a change.
    /// From now on emissions by name do not find what it has published before that.
    fn remove_dropped(&self, key: TopicKey) {
        let _dropped = self.topics.with(|all| {
            let exists = all.topics.get(key)?.signal.exists();
            (!exists).then(|| all.change().remove(key))
        });
    }

    /// Removes a handler of a topic. Returns whether it was there.
    pub(crate) fn cancel(&self, topic: u64, key: u64, sequence: u64) -> bool {
        self.get(topic).is_some_and(|it| it.cancel(key, sequence))
    }

    /// The names of the topics that exist, in alphabetical order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.topics.with(|all| {
            let existing = all.topics.values().filter(|it| it.signal.exists());
            let topics = existing.filter(|it| it.info.topic_info.kind == Kind::Topic);
            topics
                .map(|it| it.info.name().as_str().to_owned())
                .collect()
        });
        names.sort_unstable();
        names
    }

    /// Closes all signals, and those that are created later.
    pub(crate) fn close(&self) {
        self.topics.with(|all| all.change().closed = true);
        self.topics_first().iter().for_each(|it| it.close());
        drop(self.unhandled.with(Option::take));
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.topics.with(|all| all.closed)
    }

    fn get(&self, topic: u64) -> Option<M::AnySignal> {
        self.topics
            .with(|all| Some(all.topics.get(key_of(topic))?.signal.clone()))
    }

    /// All topics and patterns, some of which may have been dropped.
    pub(super) fn entries(&self) -> Vec<Topic<M>> {
        let copy = |topic: &Topic<M>| Topic {
            info: topic.info.clone(),
            signal: topic.signal.clone(),
            ..*topic
        };
        self.topics
            .with(|all| all.topics.values().map(copy).collect())
    }

    fn all(&self) -> Vec<(TopicKey, M::AnySignal)> {
        self.topics.with(|all| {
            let signals = all.topics.iter().map(|(key, it)| (key, it.signal.clone()));
            signals.collect()
        })
    }

    /// All signals, those of patterns last: topics keep the patterns for the events that they have accepted.
    fn topics_first(&self) -> Vec<M::AnySignal> {
        let of = |all: &Topics<M, C>, kind| {
            let all = all.topics.values();
            let these = all.filter(move |it| it.info.topic_info.kind == kind);
            these.map(|it| it.signal.clone()).collect::<Vec<_>>()
        };
        self.topics
            .with(|all| [of(all, Kind::Topic), of(all, Kind::Pattern)].concat())
    }

    /// Detaches the signals from the bus: from now on their handlers do not keep them. The hook for unhandled
    /// events goes.
    pub(crate) fn detach_from_bus(&self) {
        self.set_unhandled(None);
        self.topics_first()
            .iter()
            .for_each(|it| it.detach_from_bus());
    }
}

/// What the registry needs of a flavour: that it is the directory of the signals.
pub trait RegistryFlavour: ListedFlavour {
    fn directory<C: 'static>(
        registry: &Self::Ptr<Registry<Self, C>>,
    ) -> Self::Ptr<Self::Directory<C>>;
}

impl SignalFlavour for Shared {
    type Directory<C: 'static> = Registry<Shared, C>;
}

impl SignalFlavour for Local {
    type Directory<C: 'static> = Registry<Local, C>;
}

impl RegistryFlavour for Shared {
    fn directory<C: 'static>(registry: &Arc<Registry<Shared, C>>) -> Arc<Registry<Shared, C>> {
        registry.clone()
    }
}

impl RegistryFlavour for Local {
    fn directory<C: 'static>(registry: &Rc<Registry<Local, C>>) -> Rc<Registry<Local, C>> {
        registry.clone()
    }
}

impl<M: RegistryFlavour, C: 'static> Directory<M, C> for Registry<M, C> {
    fn expect_weak(&self) {
        self.has_weak.set(1);
    }
    fn unhandled(&self) -> Option<HandlerRef<M, C>> {
        if !self.config.has_unhandled_hook() {
            return None;
        }
        let pattern = self.unhandled.with(|pattern| pattern.clone())?;
        let mut hook = None;
        pattern.upgrade_all(&mut |it| hook = Some(it));
        hook
    }

    fn attach(&self, pattern: &SignalInfo<M>) {
        let Some(own) = self.get(pattern.key) else {
            return;
        };
        for (key, topic) in self.topics_of(pattern.name()) {
            if !topic.attach(own.as_any()) {
                self.remove_dropped(key);
            }
        }
    }

    fn invalidate(&self, topics: &[u64], forget: &mut dyn FnMut(u64)) {
        for &key in topics {
            match self.get(key) {
                Some(topic) => _ = topic.invalidate(&mut || forget(key)),
                None => forget(key),
            }
        }
    }

    fn unregister(&self, info: &SignalInfo<M>, address: usize) {
        let key = key_of(info.key);
        let removed = self.topics.with(|all| {
            if all.topics.get(key)?.signal.address() != address {
                return None;
            }
            all.change().remove(key)
        });
        drop(removed);
        if info.topic_info.kind == Kind::Pattern {
            for (_, topic) in self.topics_of(info.name()) {
                topic.detach(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::core::flavour::Shared;
    use crate::{Bus, Topic};

    fn matched(bus: &Bus) -> usize {
        let registry: &Registry<Shared, ()> = &bus.core.registry;
        registry
            .topics
            .with(|all| all.trie.matched.load(Ordering::Relaxed))
    }

    #[test]
    fn emissions_of_topics_that_exist_match_nothing() {
        let bus = Bus::new();
        let topic = Topic::<u32>::new("a.b");
        let signal = bus.signal(&topic);
        let (_one, _two) = (bus.on_pattern("a.*", |_| ()), bus.on_pattern(">", |_| ()));
        let before = matched(&bus);
        for _ in 0..3 {
            // Subscribing makes the snapshot stale: the emission builds the next one.
            signal.on(|_| ()).detach();
            assert!(signal.emit(&1).ran() > 2);
            assert!(bus.emit(&topic, &1).ran() > 2);
            assert!(bus.defer(&topic, 1).is_ok());
            bus.drain();
        }
        assert_eq!(matched(&bus), before);
        // One look-up for a name without a topic, however many patterns there are.
        assert_eq!(bus.emit(&Topic::new("a.c"), &1).ran(), 2);
        assert_eq!(matched(&bus), before + 1);
    }

    #[test]
    fn further_handlers_of_a_pattern_look_for_no_topics() {
        let bus = Bus::new();
        let topics = ["a.b", "a.c"].map(|name| bus.signal(&Topic::<u32>::new(name)));
        let _first = bus.on_pattern("a.*", |_| ());
        let before = matched(&bus);
        for count in 1..4 {
            assert_eq!(topics[0].emit(&1).ran(), count);
            bus.on_pattern("a.*", |_| ()).detach();
        }
        assert!(bus.on_pattern("a.*", |_| ()).cancel());
        assert!(topics.iter().all(|topic| topic.emit(&1).ran() == 4));
        assert_eq!(matched(&bus), before);
    }
}
