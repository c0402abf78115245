//! What only shows over time: queues that only grow, and handlers that stay paused.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use crate::failure::CallSite;
use crate::subscription_id::SubscriptionId;
use crate::wiring::handler::{HandlerInfo, HandlerKind};
use crate::wiring::warning::Warning;
use crate::wiring::{PatternWiring, TopicWiring, Wiring};

const SECOND: u64 = 1_000_000_000;
/// Reports that are nearer to each other than that are one.
const APART: u64 = SECOND;
/// Something has lasted if it was so in as many reports. Two that are long after each other tell nothing of what was in
/// between.
const LOOKS: u32 = 10;
/// How long a queue has to grow.
const GROWING: u64 = 30 * SECOND;
/// How long something has to be paused.
const PAUSED: u64 = 3600 * SECOND;

/// What reports have seen of the queues, and of what is paused. As large as the wiring.
#[derive(Default)]
pub(crate) struct Watch {
    /// When the last report was that counts.
    counted: Option<u64>,
    /// By the address of the queue.
    queues: HashMap<usize, Growing>,
    paused: HashMap<SubscriptionId, Paused>,
}

/// A queue, since it was shorter than before or is known.
struct Growing {
    place: CallSite,
    from: usize,
    since: u64,
    /// How long it was in the last report.
    len: usize,
    /// How long it was in the last report that counts.
    counted: usize,
    /// How often it was longer than in the report before.
    times: u32,
}

/// A handler, since it is known to be paused.
struct Paused {
    since: u64,
    times: u32,
}

/// Those of one line that have been paused for long.
struct Line<'w> {
    first: &'w HandlerInfo,
    count: usize,
    since: u64,
}

impl Watch {
    /// Looks at how it is at this time, in nanoseconds. Returns what has lasted, the queues as they are listed and then
    /// the lines in the order of the handlers.
    pub(crate) fn look(&mut self, wiring: &Wiring, at: u64) -> Vec<Warning> {
        let counts = self.counted.is_none_or(|it| at >= it + APART);
        if counts {
            self.counted = Some(at);
        }
        let mut found = self.look_at_queues(wiring, at, counts);
        found.extend(self.look_at_handlers(wiring, at, counts));
        found
    }

    fn look_at_queues(&mut self, wiring: &Wiring, at: u64, counts: bool) -> Vec<Warning> {
        let mut known = std::mem::take(&mut self.queues);
        let mut found = Vec::new();
        for queue in wiring.queues() {
            // Another one may have the address of one that has gone.
            let is_it = |it: &Growing| it.place == queue.place && it.len <= queue.len;
            let mut growing = known.remove(&queue.queue).filter(is_it).unwrap_or(Growing {
                place: queue.place,
                from: queue.len,
                since: at,
                len: queue.len,
                counted: queue.len,
                times: 0,
            });
            growing.len = queue.len;
            if counts {
                growing.times += u32::from(queue.len > growing.counted);
                growing.counted = queue.len;
            }
            let during = at.saturating_sub(growing.since);
            if growing.times >= LOOKS && during >= GROWING {
                found.push(Warning::GrowingQueue {
                    place: queue.place,
                    from: growing.from,
                    len: queue.len,
                    during: Duration::from_nanos(during),
                });
            }
            self.queues.insert(queue.queue, growing);
        }
        found
    }

    fn look_at_handlers(&mut self, wiring: &Wiring, at: u64, counts: bool) -> Vec<Warning> {
        let mut known = std::mem::take(&mut self.paused);
        let mut lines: Vec<Line> = Vec::new();
        let mut by_place: HashMap<CallSite, usize> = HashMap::new();
        // Those of a pattern are listed with each topic, too.
        let of_topics = wiring.topics().iter().flat_map(TopicWiring::handlers);
        let own = of_topics.filter(|it| it.pattern.is_none() && it.kind != HandlerKind::Hook);
        let of_patterns = wiring.patterns().iter().flat_map(PatternWiring::handlers);
        for handler in own.chain(of_patterns).filter(|it| it.paused > 0) {
            let mut paused = known.remove(&handler.id).unwrap_or(Paused {
                since: at,
                times: 0,
            });
            paused.times += u32::from(counts);
            if paused.times >= LOOKS && at.saturating_sub(paused.since) >= PAUSED {
                match by_place.entry(handler.place) {
                    Entry::Vacant(line) => {
                        line.insert(lines.len());
                        lines.push(Line {
                            first: handler,
                            count: 1,
                            since: paused.since,
                        });
                    }
                    Entry::Occupied(line) => {
                        let line = &mut lines[*line.get()];
                        line.count += 1;
                        line.since = line.since.min(paused.since);
                    }
                }
            }
            self.paused.insert(handler.id, paused);
        }
        let warning = |line: Line| Warning::LongPaused {
            topic: line
                .first
                .pattern()
                .unwrap_or(line.first.topic())
                .to_owned(),
            label: line.first.label().map(str::to_owned),
            place: line.first.place,
            count: line.count,
            during: Duration::from_nanos(at.saturating_sub(line.since)),
        };
        lines.into_iter().map(warning).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::sample::{places, report};

    /// A wiring whose second queue is so long.
    fn with_len(len: usize) -> Wiring {
        let mut wiring = report().wiring;
        wiring.queues[1].len = len;
        wiring
    }

    /// The warnings of the last of some reports, each so many seconds after the one before.
    fn grown(lens: impl IntoIterator<Item = usize>, seconds: f64) -> Vec<Warning> {
        let (mut watch, mut at, mut found) = (Watch::default(), 7, Vec::new());
        for len in lens {
            found = watch.look(&with_len(len), at);
            at += (seconds * 1e9) as u64;
        }
        found
    }

    #[test]
    fn a_queue_that_only_grows_is_told_after_half_a_minute() {
        assert_eq!(grown(100..130, 1.0), []);
        let [_, _, _, _, _, ui] = places();
        let during = Duration::from_secs(30);
        let expected = Warning::GrowingQueue {
            place: ui,
            from: 100,
            len: 130,
            during,
        };
        assert_eq!(
            expected.to_string(),
            format!(
                "queue that was made at {ui} has only grown for 30 s, from 100 to 130: who drains it?"
            )
        );
        assert_eq!(grown(100..=130, 1.0), [expected]);
        // A page asks four times in a second.
        assert_eq!(grown(100..220, 0.25), []);
        assert_eq!(grown(100..=220, 0.25).len(), 1);
        // Full, or left alone since.
        let full = (1..=40).map(|it| it.min(20));
        assert_eq!(grown(full, 1.0).len(), 1);
    }

    #[test]
    fn a_queue_that_was_shorter_once_or_grew_at_once_is_not() {
        let drained = (1..=100).map(|it| it % 31);
        assert_eq!(grown(drained, 1.0), []);
        // Between two reports that do not count.
        let between = (1..=400).map(|it| if it % 31 == 2 { 0 } else { it });
        assert_eq!(grown(between, 0.25), []);
        // A burst after a long time.
        assert_eq!(grown((0..100).map(|it| it / 90 * 500), 1.0), []);
        // Two reports, or a few, tell nothing.
        assert_eq!(grown(0..9, 1000.0), []);
    }

    #[test]
    fn a_queue_at_the_place_of_another_begins_anew() {
        let mut watch = Watch::default();
        let [main, ..] = places();
        for at in 0..=30 {
            assert_eq!(watch.look(&with_len(at), at as u64 * SECOND).len(), at / 30);
        }
        let mut other = with_len(31);
        other.queues[1].place = main;
        assert_eq!(watch.look(&other, 31 * SECOND), []);
        // One that has gone is forgotten.
        other.queues.clear();
        assert_eq!(watch.look(&other, 32 * SECOND), []);
        assert!(watch.queues.is_empty());
    }

    /// A wiring in which these handlers are paused: that of the pattern, that of the topic.
    fn with_pauses(pattern: usize, topic: usize) -> Wiring {
        let mut wiring = report().wiring;
        for it in &mut wiring.topics {
            it.handlers[0].paused = pattern;
        }
        wiring.patterns[0].handlers[0].paused = pattern;
        wiring.topics[1].handlers[1].paused = topic;
        wiring
    }

    #[test]
    fn what_is_paused_for_an_hour_is_told() {
        let mut watch = Watch::default();
        let minutes = |it: u64| it * 60 * SECOND;
        for at in 0..60 {
            assert_eq!(watch.look(&with_pauses(1, 0), minutes(at)), []);
        }
        let [_, guard, billing, ..] = places();
        let expected = Warning::LongPaused {
            topic: "order.>".to_owned(),
            label: Some("guard".to_owned()),
            place: guard,
            count: 1,
            during: Duration::from_secs(3600),
        };
        assert_eq!(
            expected.to_string(),
            format!(
                "handler \"guard\" of topic \"order.>\" that was subscribed at {guard} has been paused for 1 h 0 min: is it ever resumed?"
            )
        );
        assert_eq!(watch.look(&with_pauses(2, 1), minutes(60)), [expected]);
        // Each for itself.
        assert_eq!(watch.look(&with_pauses(0, 1), minutes(119)), []);
        assert_eq!(watch.paused.len(), 1);
        assert_eq!(watch.look(&with_pauses(1, 1), minutes(120)), []);
        for at in 121..130 {
            let found = watch.look(&with_pauses(1, 1), minutes(at));
            let is_it =
                |it: &Warning| matches!(it, Warning::LongPaused { place, .. } if *place == billing);
            assert_eq!(
                (found.len(), found.iter().all(is_it)),
                (usize::from(at >= 127), true),
                "{at}"
            );
        }
    }

    #[test]
    fn handlers_of_one_line_are_told_together() {
        let mut wiring = with_pauses(0, 1);
        for number in 0..500 {
            let mut other = wiring.topics[1].handlers[1].clone();
            other.id.sequence = 100 + number;
            wiring.topics[1].handlers.push(other);
        }
        let mut watch = Watch::default();
        let mut found = Vec::new();
        for at in 0..10 {
            found = watch.look(&wiring, at * 400 * SECOND);
        }
        let [warning] = &found[..] else {
            panic!("{found:?}");
        };
        let [_, _, billing, ..] = places();
        assert_eq!(
            warning.to_string(),
            format!(
                "handler \"billing\" of topic \"order.placed\" that was subscribed at {billing}, and 500 others of this line, have been paused for 1 h 0 min: are they ever resumed?"
            )
        );
    }
}
