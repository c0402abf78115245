//! What is wired and what was counted, side by side: the rows that a report is written by.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::ptr;
use std::time::Duration;

use crate::failure::CallSite;
#[cfg(feature = "nats")]
use crate::follow::received::ReceivedReport;
#[cfg(feature = "serde")]
use crate::follow::report::EmitterReport;
use crate::follow::report::{HandlerReport, Report, TopicReport};
use crate::follow::times::Times;
use crate::wiring::TopicWiring;
use crate::wiring::handler::{HandlerInfo, HandlerKind};

/// All topics and patterns that exist or were used, both by name.
pub(super) struct Rows<'r> {
    pub(super) topics: Vec<TopicRow<'r>>,
    pub(super) patterns: Vec<PatternRow<'r>>,
    /// How many events were emitted on lines that are not kept, to any topic.
    pub(super) others: u64,
}

pub(super) struct TopicRow<'r> {
    pub(super) name: &'r str,
    pub(super) wired: Option<&'r TopicWiring>,
    pub(super) counted: Option<&'r TopicReport>,
    /// Those that are subscribed, in the order of calls, and then those that have gone.
    pub(super) handlers: Vec<HandlerRow<'r>>,
    /// The lines that have emitted to it, and how often.
    pub(super) emitters: Vec<(CallSite, u64)>,
}

pub(super) struct PatternRow<'r> {
    pub(super) name: &'r str,
    /// The line that used it first. `None` if it has no handlers any more.
    pub(super) place: Option<CallSite>,
    pub(super) handlers: Vec<HandlerRow<'r>>,
}

/// The handlers of one topic or pattern that one line has subscribed with one label: what is counted together.
#[derive(Clone, Copy)]
pub(super) struct HandlerRow<'r> {
    pub(super) key: Key<'r>,
    /// The first of them in the order of calls. `None` if they have gone.
    pub(super) first: Option<&'r HandlerInfo>,
    /// How many of them are subscribed.
    pub(super) count: usize,
    pub(super) counted: Option<&'r HandlerReport>,
}

/// The topic or pattern, the line, the label.
pub(super) type Key<'r> = (&'r str, CallSite, Option<&'r str>);

/// A key to look up. Its places are compared by address first: each line has one address, or a few, and to compare them
/// as places do is to compare their paths.
#[derive(Clone, Copy)]
struct Lookup<'r>(Key<'r>);

impl Hash for Lookup<'_> {
    fn hash<H: Hasher>(&self, to: &mut H) {
        let (name, place, label) = self.0;
        (name, place.line(), label).hash(to);
    }
}

impl PartialEq for Lookup<'_> {
    fn eq(&self, other: &Self) -> bool {
        let ((name, place, label), (its_name, its_place, its_label)) = (self.0, other.0);
        (name, label) == (its_name, its_label) && (ptr::eq(place, its_place) || place == its_place)
    }
}

impl Eq for Lookup<'_> {}

/// What was counted, by what it was counted for, and whether it is in a row.
struct Counted<'r>(HashMap<Lookup<'r>, (&'r HandlerReport, bool)>);

impl<'r> Counted<'r> {
    fn take(&mut self, key: Key<'r>) -> Option<&'r HandlerReport> {
        let (counted, is_taken) = self.0.get_mut(&Lookup(key))?;
        *is_taken = true;
        Some(counted)
    }
}

/// What was never measured.
static NEVER: Times = Times::NONE;

impl<'r> Rows<'r> {
    /// O(n) in the number of handlers of all topics and of what was counted, and O(n log n) in that of the topics.
    pub(super) fn of(report: &'r Report) -> Self {
        let key = |it: &'r HandlerReport| (it.topic(), it.place, it.label());
        let all = report.handlers.iter();
        let mut counted = Counted(all.map(|it| (Lookup(key(it)), (it, false))).collect());
        let mut topics: BTreeMap<&str, TopicRow> = BTreeMap::new();
        for it in &report.wiring.topics {
            let row = entry(&mut topics, it.name(), TopicRow::new);
            row.wired = Some(it);
            row.handlers = rows(&it.handlers, &mut counted);
        }
        for it in &report.topics {
            entry(&mut topics, it.name(), TopicRow::new).counted = Some(it);
        }
        let mut others = 0;
        for it in &report.emitters {
            match it.place {
                Some(place) => {
                    let row = entry(&mut topics, it.topic(), TopicRow::new);
                    row.emitters.push((place, it.emissions));
                }
                None => others += it.emissions,
            }
        }
        let mut patterns: BTreeMap<&str, PatternRow> = BTreeMap::new();
        for it in &report.wiring.patterns {
            let row = entry(&mut patterns, it.name(), PatternRow::new);
            row.place = Some(it.place);
            row.handlers = rows(&it.handlers, &mut counted);
        }
        // In the order of the report.
        for it in &report.handlers {
            let (key, name) = (key(it), it.topic());
            if counted.0[&Lookup(key)].1 {
                continue;
            }
            // A pattern without wildcards is one topic.
            let handlers = match name.contains(['*', '>']) {
                true => &mut entry(&mut patterns, name, PatternRow::new).handlers,
                false => &mut entry(&mut topics, name, TopicRow::new).handlers,
            };
            handlers.push(HandlerRow {
                key,
                first: None,
                count: 0,
                counted: Some(it),
            });
        }
        Rows {
            topics: topics.into_values().collect(),
            patterns: patterns.into_values().collect(),
            others,
        }
    }
}

#[cfg(feature = "serde")]
impl Rows<'_> {
    /// How many events the topic of an emitter had in all.
    pub(super) fn emissions(&self, emitter: &EmitterReport) -> u64 {
        let at = self
            .topics
            .binary_search_by(|it| it.name.cmp(emitter.topic()));
        at.map_or(0, |at| self.topics[at].emissions())
    }
}

/// The row of this name, which is there from now on.
fn entry<'a, 'r, R>(
    rows: &'a mut BTreeMap<&'r str, R>,
    name: &'r str,
    new: fn(&'r str) -> R,
) -> &'a mut R {
    rows.entry(name).or_insert_with(|| new(name))
}

/// The handlers in the order of the first of each row.
fn rows<'r>(handlers: &'r [HandlerInfo], counted: &mut Counted<'r>) -> Vec<HandlerRow<'r>> {
    let mut rows: Vec<HandlerRow> = Vec::new();
    let mut known: HashMap<Lookup, usize> = HashMap::new();
    // The hook for unhandled events is listed in the place of handlers.
    let is_one = |it: &&HandlerInfo| it.kind != HandlerKind::Hook;
    for handler in handlers.iter().filter(is_one) {
        let topic = handler.pattern().unwrap_or(handler.topic());
        let key = (topic, handler.place, handler.label());
        match known.entry(Lookup(key)) {
            Entry::Occupied(at) => rows[*at.get()].count += 1,
            Entry::Vacant(at) => {
                at.insert(rows.len());
                rows.push(HandlerRow {
                    key,
                    first: Some(handler),
                    count: 1,
                    counted: counted.take(key),
                });
            }
        }
    }
    rows
}

impl<'r> TopicRow<'r> {
    fn new(name: &'r str) -> Self {
        TopicRow {
            name,
            wired: None,
            counted: None,
            handlers: Vec::new(),
            emitters: Vec::new(),
        }
    }

    pub(super) fn type_name(&self) -> Option<&'static str> {
        let counted = || self.counted.map(|it| it.type_name);
        self.wired.map(|it| it.type_name).or_else(counted)
    }

    pub(super) fn emissions(&self) -> u64 {
        self.counted.map_or(0, |it| it.emissions)
    }

    pub(super) fn unheard(&self) -> u64 {
        self.counted.map_or(0, |it| it.unheard)
    }

    #[cfg(feature = "nats")]
    pub(super) fn received(&self) -> Option<&'r ReceivedReport> {
        self.counted?.received.as_ref()
    }
}

impl<'r> PatternRow<'r> {
    fn new(name: &'r str) -> Self {
        PatternRow {
            name,
            place: None,
            handlers: Vec::new(),
        }
    }
}

impl<'r> HandlerRow<'r> {
    pub(super) fn place(&self) -> CallSite {
        self.key.1
    }

    pub(super) fn label(&self) -> Option<&'r str> {
        self.key.2
    }

    pub(super) fn calls(&self) -> u64 {
        self.counted.map_or(0, |it| it.calls)
    }

    pub(super) fn failures(&self) -> u64 {
        self.counted.map_or(0, |it| it.failures)
    }

    pub(super) fn skipped(&self) -> u64 {
        self.counted.map_or(0, |it| it.skipped)
    }

    pub(super) fn own(&self) -> &'r Times {
        self.counted.map_or(&NEVER, |it| &it.own)
    }

    pub(super) fn total(&self) -> Duration {
        self.counted.map_or(Duration::ZERO, HandlerReport::total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::sample::report;

    #[test]
    fn what_was_only_counted_is_listed_with_its_topic_or_pattern() {
        let mut report = report();
        report.wiring.topics.clear();
        report.wiring.patterns.clear();
        let rows = Rows::of(&report);
        let names = |handlers: &[HandlerRow]| -> Vec<_> {
            let gone = |it: &HandlerRow| (it.label().map(str::to_owned), it.count, it.calls());
            handlers.iter().map(gone).collect()
        };
        let [topic] = &rows.topics[..] else {
            panic!("one topic");
        };
        assert_eq!(
            (topic.name, topic.emissions(), topic.emitters.len()),
            ("order.placed", 42, 1)
        );
        assert_eq!(
            names(&topic.handlers),
            [(Some("billing".to_owned()), 0, 40), (None, 0, 5)]
        );
        assert_eq!(rows.patterns[0].name, "order.>");
        assert_eq!(
            names(&rows.patterns[0].handlers),
            [(Some("guard".to_owned()), 0, 41)]
        );
    }

    #[test]
    fn the_hook_for_unhandled_events_is_no_handler() {
        let mut report = report();
        report.wiring.topics[0].handlers[0].kind = HandlerKind::Hook;
        assert!(Rows::of(&report).topics[0].handlers.is_empty());
    }
}
