//! A report for those that read data: the traits of `serde`.
//!
//! Written by hand, and not derived: nearly every field is computed (lines as text, quantiles, what is wired beside what
//! was counted), so a derive would need types that only repeat what is written.
//!
//! There are two shapes. A [`Report`] always has all fields. A [`State`], which is asked for four times in a second,
//! leaves out those with their usual values, which page.js knows as well:
//!
//! - of a handler: `label`, `to`, `pattern` and `left` if `null`; `kind` if `plain`; `count` if 1; `gone` if `false`;
//!   `priority`, `paused`, `failures`, `skipped`, `p50` and `own_ns` if 0; `p99` if it is `p50`; `total_ns` if it is
//!   `own_ns`; `place` if it is the `place` of the topic or the pattern that it is listed with; and `calls` if they are
//!   the `emissions` of that topic, or 0 of a pattern;
//! - of a topic: `emissions`, `unheard` and `retained` if 0;
//! - of an emitter: `emissions` if they are those of the topic;
//! - of any step: `received`, unless it has come from another machine, and `remote` and `remote_place`, unless what has
//!   led to it there is known; and of a topic `received`, unless something of it has come from there;
//! - of a step in the tail: `kind` if `emitted`; `cause`, `topic`, `label`, `waited`, `text` and `failure` if `null`;
//!   `ran` and `failed` if 0; `stopped` if `false`; and always `calls`, which the cascade of the step has.
//!
//! What has not changed since the last request is there again all the same: a state depends on no other one, so any
//! number of clients can ask, and one that has missed some is not wrong.

use std::fmt;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::cause::Cause;
use crate::failure::CallSite;
#[cfg(feature = "nats")]
use crate::follow::received::{Received, ReceivedReport};
use crate::follow::report::{EmitterReport, Report};
use crate::follow::rows::{HandlerRow, PatternRow, Rows, TopicRow};
use crate::follow::step::{Call, Step, StepKind};
use crate::follow::times::Times;
use crate::follow::trail::Trail;
use crate::wiring::QueueInfo;
use crate::wiring::handler::HandlerKind;
use crate::wiring::text::visible;

/// A report as it is asked for again and again: with the tail only from there on, and without what is usual.
#[cfg_attr(
    not(feature = "inspector"),
    allow(dead_code, reason = "the page asks for it")
)]
pub(crate) struct State<'r> {
    pub(crate) report: &'r Report,
    /// What [`Report::tail`] takes.
    pub(crate) after: u64,
}

/// An object with these fields, in this order.
macro_rules! object {
    ($to:expr, $name:literal, $($key:literal: $value:expr),+ $(,)?) => {
        object!($to, $name, if false, $($key: $value),+)
    };
    // If that is so, without those whose value is what stands behind `=>`; and without those with `;` before what is so.
    (
        $to:expr, $name:literal, if $is_brief:expr,
        $($key:literal: $value:expr $(=> $usual:expr)? $(; $is_left_out:expr)?),+ $(,)?
    ) => {{
        let mut object = $to.serialize_struct($name, [$($key),+].len())?;
        $(
            let value = $value;
            if false $(|| $is_brief && value == $usual)? $(|| $is_left_out)? {
                object.skip_field($key)?;
            } else {
                object.serialize_field($key, &value)?;
            }
        )+
        object.end()
    }};
}

/// A part of a report or of a state.
struct Part<'r, T> {
    it: &'r T,
    is_brief: bool,
    usual: Usual,
}

/// What is usual for a part, because of what it is listed with.
#[derive(Clone, Copy, Default)]
struct Usual {
    place: Option<Line>,
    /// Calls, or emissions.
    count: u64,
}

/// These, one by one.
fn parts<'r, T: 'r>(
    all: impl IntoIterator<Item = &'r T, IntoIter: Clone>,
    is_brief: bool,
    usual: Usual,
) -> Each<impl Iterator<Item = Part<'r, T>> + Clone> {
    Each(all.into_iter().map(move |it| Part {
        it,
        is_brief,
        usual,
    }))
}

/// `file:line`, as the texts have it, without a string in between.
#[derive(Clone, Copy, PartialEq)]
struct Line(CallSite);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.file().split('\\').enumerate() {
            f.write_str(if at > 0 { "\\" } else { "" })?;
            f.write_str(&visible(part))?;
        }
        write!(f, ":{}", self.0.line())
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A list of what is looked at one by one.
struct Each<I>(I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for Each<I> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.clone())
    }
}

/// Durations are integers: nanoseconds, for five centuries.
fn nanos(time: Duration) -> u64 {
    time.as_nanos().try_into().unwrap_or(u64::MAX)
}

fn line(place: Option<CallSite>) -> Option<Line> {
    place.map(Line)
}

/// An object: `at`, nanoseconds since the following began; `topics`, each with its `handlers`; `patterns`, the same;
/// `emitters`; `queues`; `tail`; `next`; `skipped`; and `warnings`, as texts. All that takes time is an integer of
/// nanoseconds, and all that has a line has it as `file:line`.
///
/// The topics are those that exist and those that were emitted to, by name, with the handlers in the order of calls: a
/// handler that was never called is there with 0 calls. What one line has subscribed with one label is one entry, with
/// the `count` of those that are subscribed and `id`, `kind`, `priority`, `paused` and `left` of the first of them; it is
/// `gone` if none of them is. A handler of a pattern is listed with each topic that it hears and with its pattern, and
/// has the counts of all of these together everywhere.
///
/// A topic of which a bridge has received something has that as `received`: the `count`; how many are being handled,
/// `handling`; and of the last one when its handling began, `at`, and itself as `last`: an object with `origin`, the
/// name of the `bridge`, `number`, `lag`, whether it was `stored`, and `pending`, as the methods of the same names say;
/// `null` where something is not known. A `lag` of less than 0 is by how much the other clock is ahead. A step that has
/// come so has the same as `received`, and what has led to it there as `remote` and `remote_place`.
///
/// Fields are only added. O(n log n) in the number of handlers of all topics and of what was counted.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        write(self, 0, false, to)
    }
}

impl Serialize for State<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        write(self.report, self.after, true, to)
    }
}

fn write<S: Serializer>(
    report: &Report,
    after: u64,
    is_brief: bool,
    to: S,
) -> Result<S::Ok, S::Error> {
    let rows = Rows::of(report);
    let news = report.tail.iter().filter(|it| it.is_news(after));
    let usual = Usual::default();
    let emitter = |it| Part {
        it,
        is_brief,
        usual: Usual {
            count: rows.emissions(it),
            ..usual
        },
    };
    object!(to, "Report",
        "at": report.at,
        "topics": parts(&rows.topics, is_brief, usual),
        "patterns": parts(&rows.patterns, is_brief, usual),
        "emitters": Each(report.emitters.iter().map(emitter)),
        "queues": Each(report.wiring.queues.iter().map(Filled)),
        "tail": parts(news, is_brief, usual),
        "next": report.next(),
        "skipped": report.skipped,
        "warnings": Each(report.warnings.iter().map(ToString::to_string)),
    )
}

impl Serialize for Part<'_, TopicRow<'_>> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Part { it, is_brief, .. } = *self;
        let place = line(it.wired.map(|it| it.place));
        let count = it.emissions();
        let usual = Usual { place, count };
        #[cfg(feature = "nats")]
        let received = it.received();
        #[cfg(not(feature = "nats"))]
        let received = None::<()>;
        object!(to, "Topic", if is_brief,
            "name": it.name,
            "type": it.type_name(),
            "place": place,
            "emissions": count => 0,
            "unheard": it.unheard() => 0,
            "retained": it.wired.map_or(0, |it| it.retained) => 0,
            "received": received; received.is_none(),
            "handlers": parts(&it.handlers, is_brief, usual),
        )
    }
}

impl Serialize for Part<'_, PatternRow<'_>> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Part { it, is_brief, .. } = *self;
        let place = line(it.place);
        let usual = Usual { place, count: 0 };
        object!(to, "Pattern",
            "name": it.name,
            "place": place,
            "handlers": parts(&it.handlers, is_brief, usual),
        )
    }
}

impl Serialize for Part<'_, HandlerRow<'_>> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Part {
            it,
            is_brief,
            usual,
        } = *self;
        let (kind, leads_to) = it.first.map(|it| kind(&it.kind)).unzip();
        let own = it.own();
        let (median, all) = (nanos(own.quantile(0.5)), nanos(own.total()));
        object!(to, "Handler", if is_brief,
            "id": it.first.map(|it| it.id.sequence),
            "label": it.label() => None,
            "place": Some(Line(it.place())) => usual.place,
            "kind": kind => Some("plain"),
            "to": leads_to.flatten() => None,
            "pattern": it.first.and_then(|it| it.pattern()) => None,
            "count": it.count => 1,
            "priority": it.first.map_or(0, |it| it.priority) => 0,
            "paused": it.first.map_or(0, |it| it.paused) => 0,
            "left": it.first.and_then(|it| it.left) => None,
            "gone": it.first.is_none() => false,
            "calls": it.calls() => usual.count,
            "failures": it.failures() => 0,
            "skipped": it.skipped() => 0,
            "p50": median => 0,
            "p99": nanos(own.quantile(0.99)) => median,
            "own_ns": all => 0,
            "total_ns": nanos(it.total()) => all,
        )
    }
}

/// What a handler is, and the queue or the topic that its events go to.
fn kind(kind: &HandlerKind) -> (&'static str, Option<Target<'_>>) {
    match kind {
        HandlerKind::Plain => ("plain", None),
        HandlerKind::Mut => ("mut", None),
        HandlerKind::Weak => ("weak", None),
        HandlerKind::Queue { place } => ("queue", Some(Target::Queue(Line(place)))),
        HandlerKind::Async => ("async", None),
        HandlerKind::Next => ("next", None),
        HandlerKind::Stream { .. } => ("stream", None),
        HandlerKind::Forward { topic } => ("forward", Some(Target::Topic(topic))),
        HandlerKind::Hook => ("hook", None),
    }
}

/// Where the events of a handler go.
#[derive(PartialEq)]
enum Target<'r> {
    Queue(Line),
    Topic(&'r str),
}

impl Serialize for Target<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Target::Queue(place) => place.serialize(to),
            Target::Topic(name) => name.serialize(to),
        }
    }
}

impl Serialize for Part<'_, EmitterReport> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Part {
            it,
            is_brief,
            usual,
        } = *self;
        object!(to, "Emitter", if is_brief,
            "topic": &it.topic,
            "place": line(it.place),
            "emissions": it.emissions => usual.count,
        )
    }
}

/// How full a queue is. The type is one of the default build, which serializes nothing.
struct Filled<'r>(&'r QueueInfo);

impl Serialize for Filled<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        object!(to, "Queue",
            "place": Line(self.0.place),
            "len": self.0.len,
            "capacity": self.0.capacity,
        )
    }
}

/// An object: its number as `id`, and that of what led to it as `cause`. `ran` and `failed` are counts; all that takes
/// time is an integer of nanoseconds.
impl Serialize for Step {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (is_brief, usual) = (false, Usual::default());
        Part {
            it: self,
            is_brief,
            usual,
        }
        .serialize(to)
    }
}

impl Serialize for Part<'_, Step> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Part { it, is_brief, .. } = *self;
        #[cfg(feature = "nats")]
        let (received, remote) = (
            it.received(),
            it.remote().map(|it| (it.to_string(), it.place.as_str())),
        );
        #[cfg(not(feature = "nats"))]
        let (received, remote) = (None::<()>, None::<(&str, &str)>);
        object!(to, "Step", if is_brief,
            "id": it.cause,
            "cause": it.parent => None,
            "topic": it.topic.as_deref() => None,
            "kind": it.kind.name() => StepKind::Emitted.name(),
            "label": it.label.as_deref() => None,
            "place": Line(it.place),
            "thread": &it.thread,
            "at": it.at,
            "waited": it.waited => None,
            "took": it.took,
            "ran": it.ran => 0,
            "stopped": it.stopped => false,
            "failed": it.failed => 0,
            "text": it.text.as_deref() => None,
            "failure": it.failure.as_deref() => None,
            "received": received; received.is_none(),
            "remote": remote.as_ref().map(|it| &it.0); remote.is_none(),
            "remote_place": remote.as_ref().map(|it| &it.1); remote.is_none(),
            "calls": &it.calls; is_brief,
        )
    }
}

#[cfg(feature = "nats")]
impl Serialize for Received {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        object!(to, "Received",
            "origin": &self.origin,
            "bridge": &self.bridge,
            "number": self.number,
            "lag": self.lag,
            "stored": self.is_stored,
            "pending": self.pending,
        )
    }
}

#[cfg(feature = "nats")]
impl Serialize for ReceivedReport {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        object!(to, "ReceivedReport",
            "count": self.count,
            "handling": self.handling,
            "at": self.at,
            "last": &*self.last,
        )
    }
}

impl Serialize for Call {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        object!(to, "Call",
            "label": &self.label,
            "place": Line(self.place),
            "own_ns": self.own,
            "failed": self.failed,
        )
    }
}

/// As its text.
impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// An object: `count`, and nanoseconds: `total_ns`, `max`, and the quantiles `p50`, `p90` and `p99`.
impl Serialize for Times {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        object!(to, "Times",
            "count": self.count(),
            "total_ns": nanos(self.total()),
            "max": nanos(self.max()),
            "p50": nanos(self.quantile(0.5)),
            "p90": nanos(self.quantile(0.9)),
            "p99": nanos(self.quantile(0.99)),
        )
    }
}

/// An object: `before`, and `steps`, each with how deep it is nested as `depth` and with itself as `step`.
impl Serialize for Trail {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        object!(to, "Trail",
            "before": self.before,
            "steps": Each(self.steps.iter().map(Nested)),
        )
    }
}

struct Nested<'t>(&'t (usize, Step));

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (depth, step) = self.0;
        object!(to, "Nested", "depth": depth, "step": step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::report::TopicReport;
    use crate::follow::sample::{HOSTILE, hostile, report};
    use crate::topic::name::Name;
    use serde_json::{Value, json};

    fn read(from: &impl Serialize) -> Value {
        let text = serde_json::to_string(from).expect("it can be written");
        serde_json::from_str(&text).expect("it can be read")
    }

    #[test]
    fn a_report_has_what_is_wired_beside_what_was_counted() {
        let read = read(&report());
        let rest = |field: &str| read[field].clone();
        assert_eq!(
            (rest("at"), rest("next")),
            (json!(2_500_000_000_u64), rest("at"))
        );
        assert_eq!(rest("skipped"), json!(90));
        let (paid, placed) = (&read["topics"][0], &read["topics"][1]);
        // Never emitted to.
        assert_eq!(
            (&paid["name"], &paid["emissions"]),
            (&json!("order.paid"), &json!(0))
        );
        assert_eq!(placed["type"], "app::Order");
        assert_eq!(placed["place"], "src/follow/sample.rs:11");
        assert_eq!(
            (&placed["emissions"], &placed["unheard"]),
            (&json!(42), &json!(1))
        );
        let own = 40_000_000_u64;
        assert_eq!(
            placed["handlers"][1],
            json!({
                "id": 2, "label": "billing", "place": "src/follow/sample.rs:13", "kind": "queue",
                "to": "src/follow/sample.rs:16", "pattern": null, "count": 1, "priority": 0, "paused": 0,
                "left": null, "gone": false, "calls": 40, "failures": 2, "skipped": 0, "p50": 1_000_000,
                "p99": 1_000_000, "own_ns": own, "total_ns": own * 2,
            })
        );
        let pattern = &placed["handlers"][0];
        assert_eq!(
            (&pattern["pattern"], &pattern["calls"]),
            (&json!("order.>"), &json!(41))
        );
        let gone = &placed["handlers"][2];
        assert_eq!(
            (&gone["gone"], &gone["id"], &gone["calls"]),
            (&json!(true), &Value::Null, &json!(5))
        );
        assert_eq!(read["patterns"][0]["handlers"][0]["calls"], 41);
        assert_eq!(
            rest("emitters"),
            json!([
                {"topic": "", "place": null, "emissions": 2},
                {"topic": "order.placed", "place": "src/follow/sample.rs:14", "emissions": 40},
            ])
        );
        assert_eq!(rest("queues")[1]["capacity"], 8);
        assert!(
            rest("warnings")[0]
                .as_str()
                .is_some_and(|it| it.ends_with("took 60ms"))
        );
        let step = &rest("tail")[1];
        assert_eq!(
            (&step["id"], &step["cause"]),
            (&json!("a3-8"), &json!("a3-7"))
        );
        assert_eq!(
            (&step["at"], &step["kind"]),
            (&json!(8_000_000), &json!("queued"))
        );
    }

    /// What a state has left out, as page.js fills it in.
    fn fill(mut state: Value) -> Value {
        let add = |to: &mut Value, usual: Value| {
            for (key, value) in usual.as_object().expect("it is an object") {
                to.as_object_mut()
                    .expect("it is an object")
                    .entry(key)
                    .or_insert(value.clone());
            }
        };
        let list = |of: &mut Value, field: &str| match of[field].take() {
            Value::Array(all) => all,
            other => panic!("{field} is {other}"),
        };
        for field in ["topics", "patterns"] {
            let mut all = list(&mut state, field);
            for it in &mut all {
                if field == "topics" {
                    add(it, json!({"emissions": 0, "unheard": 0, "retained": 0}));
                }
                let mut handlers = list(it, "handlers");
                let calls = it.get("emissions").cloned().unwrap_or(0.into());
                for handler in &mut handlers {
                    let usual = json!({
                        "label": null, "place": it["place"], "kind": "plain", "to": null, "pattern": null,
                        "count": 1, "priority": 0, "paused": 0, "left": null, "gone": false, "calls": calls,
                        "failures": 0, "skipped": 0, "p50": 0, "own_ns": 0,
                    });
                    add(handler, usual);
                    let usual = json!({"p99": handler["p50"], "total_ns": handler["own_ns"]});
                    add(handler, usual);
                }
                it["handlers"] = handlers.into();
            }
            state[field] = all.into();
        }
        let mut tail = list(&mut state, "tail");
        for step in &mut tail {
            let usual = json!({
                "kind": "emitted", "cause": null, "topic": null, "label": null, "waited": null, "ran": 0,
                "stopped": false, "failed": 0, "text": null, "failure": null,
            });
            add(step, usual);
        }
        let mut emitters = list(&mut state, "emitters");
        for emitter in &mut emitters {
            let topics = state["topics"].as_array().expect("it is a list");
            let topic = topics.iter().find(|it| it["name"] == emitter["topic"]);
            let emissions = topic.map_or(0.into(), |it| it["emissions"].clone());
            add(emitter, json!({"emissions": emissions}));
        }
        state["emitters"] = emitters.into();
        state["tail"] = tail.into();
        state
    }

    #[test]
    fn a_state_leaves_out_what_is_usual_and_the_calls_of_steps() {
        let mut usual = report();
        let at_topic = usual.wiring.topics[1].place;
        for it in &mut usual.wiring.topics[1].handlers {
            (it.place, it.kind, it.label) = (at_topic, HandlerKind::Plain, None);
            it.pattern = None;
        }
        usual.handlers.clear();
        let after = 0;
        for report in [report(), hostile("x"), usual.clone()] {
            let mut full = read(&report);
            for step in full["tail"].as_array_mut().expect("it is a list") {
                step.as_object_mut().expect("it is one").remove("calls");
            }
            let report = &report;
            assert_eq!(fill(read(&State { report, after })), full);
        }
        usual.emitters[1].emissions = 42;
        let report = &usual;
        let brief = read(&State { report, after });
        let handlers = &brief["topics"][1]["handlers"];
        assert_eq!(
            *handlers,
            json!([{"id": 1, "count": 2, "priority": 10, "calls": 0}])
        );
        assert!(brief["emitters"][1].get("emissions").is_none());
        assert!(brief["tail"][0].get("kind").is_none());
    }

    /// As many topics, each with ten handlers of lines of their own, all called as often as this; and a full tail.
    fn large(topics: usize, calls: u64) -> Report {
        let mut large = report();
        let (wired, counted) = (&large.wiring.topics[1], &large.handlers[1]);
        let (mut wiring, mut handlers, mut emissions) = (Vec::new(), Vec::new(), Vec::new());
        let mut emitters = Vec::new();
        for number in 0..topics {
            let name = format!("service.area-{}.event-{number:03}", number % 20);
            let mut topic = wired.clone();
            topic.name = Name::Made(name.as_str().into());
            topic.handlers.clear();
            for at in 0..10 {
                let (mut handler, mut count) = (wired.handlers[1].clone(), counted.clone());
                handler.id.sequence = (number * 10 + at) as u64;
                handler.topic = topic.name.clone();
                handler.kind = HandlerKind::Plain;
                handler.place = topic.place;
                handler.label = Some(format!("handler {at}").into());
                (count.topic, count.label) = (name.clone(), Some(format!("handler {at}")));
                (count.place, count.calls, count.failures) = (handler.place, calls, 0);
                count.own = Times::default();
                (0..calls).for_each(|it| count.own.add(200 + it));
                count.total = nanos(count.own.total());
                topic.handlers.push(handler);
                handlers.push(count);
            }
            wiring.push(topic);
            emissions.push(TopicReport {
                name: name.clone(),
                emissions: calls,
                ..large.topics[0].clone()
            });
            emitters.push(EmitterReport {
                topic: name,
                emissions: calls,
                ..large.emitters[1].clone()
            });
        }
        let names: Vec<_> = emissions.iter().map(|it| it.name.clone()).collect();
        (large.wiring.topics, large.handlers) = (wiring, handlers);
        (large.topics, large.emitters) = (emissions, emitters);
        let step = large.tail[0].clone();
        large.tail.clear();
        for name in names.iter().cycle().take(1024) {
            let mut step = step.clone();
            (step.topic, step.ran) = (Some(name.clone()), 10);
            large.tail.push(step);
        }
        large
    }

    #[test]
    fn a_state_of_ten_thousand_handlers_takes_a_mebibyte_at_most() {
        let report = &large(1000, 300);
        let after = 0;
        let state = serde_json::to_vec(&State { report, after }).expect("it can be written");
        assert!(state.len() <= 1 << 20, "{} bytes", state.len());
        let full = serde_json::to_vec(report).expect("it can be written");
        assert!(full.len() > 2 * state.len(), "{} bytes", full.len());
    }

    #[test]
    fn a_line_is_written_as_in_the_texts() {
        for place in crate::follow::sample::places() {
            assert_eq!(Line(place).to_string(), crate::wiring::text::line_of(place));
        }
    }

    #[test]
    fn a_state_has_the_tail_from_there_on() {
        let report = report();
        let state = |after| {
            read(&State {
                report: &report,
                after,
            })["tail"]
                .as_array()
                .map(Vec::len)
        };
        assert_eq!(state(0), Some(2));
        // The first of them ends at 8.3 ms.
        assert_eq!(state(8_300_000), Some(2));
        assert_eq!(state(8_300_001), Some(1));
        assert_eq!(state(report.next()), Some(0));
    }

    #[test]
    fn handlers_of_one_line_with_one_label_are_one_entry() {
        let mut report = report();
        let handlers = &mut report.wiring.topics[1].handlers;
        let mut second = handlers[1].clone();
        second.id.sequence = 77;
        handlers.push(second);
        let handlers = read(&report)["topics"][1]["handlers"].clone();
        assert_eq!(
            (&handlers[1]["count"], &handlers[1]["id"]),
            (&json!(2), &json!(2))
        );
        assert_eq!(handlers.as_array().map(Vec::len), Some(3));
    }

    #[test]
    fn names_are_as_they_are_whatever_they_hold() {
        for &name in HOSTILE {
            let read = read(&hostile(name));
            assert_eq!(read["topics"][0]["name"], name);
            assert_eq!(read["topics"][0]["handlers"][0]["label"], name);
            let step = &read["tail"][0];
            assert!(
                ["topic", "label", "thread", "text", "failure"]
                    .iter()
                    .all(|it| step[it] == name)
            );
            assert_eq!(step["calls"][0]["label"], name);
        }
    }

    #[test]
    fn a_trail_has_each_step_with_its_depth() {
        let report = report();
        let trail = Trail::to(report.tail[1].cause, &report.tail).expect("it is kept");
        let read = read(&trail);
        assert_eq!(read["steps"][1]["depth"], 1);
        assert_eq!(read["steps"][1]["step"]["id"], "a3-8");
        assert_eq!(read["before"], Value::Null);
    }

    #[test]
    #[cfg(feature = "nats")]
    fn what_has_been_received_has_its_origin_and_its_lag() {
        use crate::follow::sample::with_received;
        use std::sync::Arc;

        for &name in HOSTILE {
            let mut report = with_received(report(), name);
            let after = 0;
            let state = read(&State {
                report: &report,
                after,
            });
            let last = json!({
                "origin": "0123abcd", "bridge": name, "number": 39, "lag": 3_000_000, "stored": true, "pending": 12,
            });
            for all in [read(&report), state] {
                let topic = &all["topics"][1];
                assert_eq!(
                    topic["received"],
                    json!({"count": 40, "handling": 1, "at": 500_000_000, "last": last})
                );
                let step = &all["tail"][2];
                assert_eq!(step["received"], last);
                assert_eq!(
                    (&step["remote"], &step["remote_place"]),
                    (&json!("0123abcd/a3-7f"), &json!(name))
                );
                // Of what has not come from elsewhere there is nothing.
                for other in [&all["topics"][0], &all["tail"][0]] {
                    assert!(other.get("received").is_none() && other.get("remote").is_none());
                }
            }
            for lag in [i64::MIN, -1, i64::MAX] {
                let received = report.tail[2].received.as_mut().expect("it is one");
                Arc::make_mut(received).lag = Some(lag);
                assert_eq!(read(&report)["tail"][2]["received"]["lag"], lag);
            }
            report.tail[2].received = Some(Arc::default());
            let nothing = json!({
                "origin": null, "bridge": null, "number": null, "lag": null, "stored": false, "pending": 0,
            });
            assert_eq!(read(&report)["tail"][2]["received"], nothing);
        }
    }
}
