//! Who listens to what on a bus.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::registry::listed::AnySignal;
use crate::core::registry::registry::{Registry, RegistryFlavour};
use crate::core::registry::table::Topic;
use crate::core::signal::directory::Directory;
use crate::core::signal::wiring::{SignalReading, call_in, describe_hook};
use crate::topic::any_event::Kind;
use crate::wiring::handler::HandlerInfo;
use crate::wiring::{PatternWiring, QueueInfo, TopicWiring, Wiring};

impl<M: RegistryFlavour, C: 'static> Registry<M, C> {
    /// The wiring of a bus with this queue. Takes the lock of the registry, and then that of each signal by itself.
    /// O(topics + handlers), where a handler of a pattern counts for each topic that calls it.
    pub(crate) fn wiring(&self, queue: QueueInfo) -> Wiring {
        self.read(self.entries(), queue)
    }

    /// The wiring of these entries, of which some may have gone, and others may have come.
    fn read(&self, mut entries: Vec<Topic<M>>, queue: QueueInfo) -> Wiring {
        entries.sort_unstable_by(|a, b| a.info.name().as_str().cmp(b.info.name().as_str()));
        let hook = self.unhandled().as_ref().map(describe_hook);
        let (patterns, topics): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|entry| entry.info.topic_info.kind == Kind::Pattern);
        let read = |entry: Topic<M>| Some((entry.signal.read(&|_| true)?, entry));
        let patterns: Vec<_> = patterns.into_iter().filter_map(read).collect();
        let mut queues = Queues::of(queue);
        // Not those that were being made: they may have handlers by now.
        let known = patterns.iter().filter(|(it, _)| !it.handlers.is_empty());
        let by_address: BTreeMap<usize, &SignalReading> =
            known.map(|(it, _)| (it.signal, it)).collect();
        let topics = topics.into_iter().filter_map(|entry| {
            let reading = entry.signal.read(&|it| by_address.contains_key(&it))?;
            queues.add(&reading);
            Some(topic(reading, entry, &by_address, hook.as_ref()))
        });
        let topics = topics.collect();
        patterns.iter().for_each(|(reading, _)| queues.add(reading));
        let pattern = |(reading, entry): (SignalReading, Topic<M>)| PatternWiring {
            name: entry.info.name().clone(),
            place: entry.location,
            handlers: reading.handlers,
        };
        Wiring {
            topics,
            patterns: patterns.into_iter().map(pattern).collect(),
            queues: queues.all,
            warn_handlers: self.config.warn_handlers(),
        }
    }
}

fn topic<M: RegistryFlavour>(
    reading: SignalReading,
    entry: Topic<M>,
    patterns: &BTreeMap<usize, &SignalReading>,
    hook: Option<&HandlerInfo>,
) -> TopicWiring {
    let mut handlers = reading.handlers;
    handlers.extend(reading.of_others);
    let of_patterns = reading.patterns.iter();
    let of_patterns = of_patterns.filter_map(|it| patterns.get(it));
    handlers.extend(of_patterns.flat_map(|it| it.handlers.iter().cloned()));
    if handlers.is_empty() && !reading.is_closed {
        handlers.extend(hook.cloned());
    }
    call_in(&mut handlers, entry.info.name());
    TopicWiring {
        name: entry.info.name().clone(),
        type_name: entry.info.topic_info.type_name(),
        place: entry.location,
        handlers,
        retained: reading.retained,
        signal: reading.signal,
    }
}

/// The queues, in the order in which they were found.
struct Queues {
    all: Vec<QueueInfo>,
    known: BTreeSet<usize>,
}

impl Queues {
    fn of(queue: QueueInfo) -> Self {
        Queues {
            known: BTreeSet::from([queue.queue]),
            all: vec![queue],
        }
    }

    fn add(&mut self, reading: &SignalReading) {
        for handler in reading.handlers.iter().chain(&reading.of_others) {
            if let Some(queue) = reading.queues.get(&handler.target) {
                if self.known.insert(queue.queue) {
                    self.all.push(queue.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::flavour::Shared;
    use crate::{Bus, Topic};

    #[test]
    fn a_handler_of_a_pattern_that_comes_meanwhile_is_listed_with_its_topic() {
        let bus = Bus::new();
        let topic = bus.signal(&Topic::<u32>::new("order.placed"));
        let own = topic.on(|_| ());
        let registry: &Registry<Shared, ()> = &bus.core.registry;
        let entries = registry.entries();
        let _new = bus.subscribe_pattern("order.*").label("new").on(|_| ());
        drop(own);
        let queue = bus.core.queue.waiting().of(0, bus.core.queue.location);
        let wiring = registry.read(entries, queue);
        let [new] = wiring.topics()[0].handlers() else {
            panic!("{wiring:?}")
        };
        assert_eq!((new.label(), new.topic()), (Some("new"), "order.placed"));
        assert_eq!(new.pattern(), Some("order.*"));
        assert!(wiring.patterns().is_empty());
    }
}
