//! A trail and a report as text, and the words that their pictures share.

use std::fmt;
use std::time::Duration;

use crate::failure::CallSite;
#[cfg(feature = "nats")]
use crate::follow::received::{Received, ReceivedReport};
use crate::follow::report::Report;
use crate::follow::rows::{HandlerRow, Rows, TopicRow};
use crate::follow::step::{Step, StepKind};
use crate::follow::trail::Trail;
use crate::wiring::text::{aligned, kind, label_of, line_of, queues, short, visible};

/// A time in two digits or more, with the unit that people would choose.
pub(super) fn time(nanos: u64) -> String {
    // In thousandths of the unit, from where on it is rounded to more than the unit before has.
    let (whole, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..99_950 => (nanos as f64 / 1e3, "µs"),
        99_950..999_500_000 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    let digits = format!("{whole:.*}", usize::from(whole < 9.95));
    format!("{} {unit}", digits.strip_suffix(".0").unwrap_or(&digits))
}

pub(super) fn time_of(time_span: Duration) -> String {
    time(time_span.as_nanos().try_into().unwrap_or(u64::MAX))
}

/// How many there are of something whose plural has an `s`.
pub(super) fn count(number: u64, what: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {what}{end}")
}

/// One line for each step, below what led to it, with its number, what it is, and how that went.
///
/// ```text
/// a3-7  order.placed      emitted at src/checkout.rs:41 on main, ran 2 in 1.3 ms
/// a3-8  └ billing         of order.placed, src/billing.rs:19, queued 0.2 ms, ran 1.1 ms on ui
/// a3-9    └ invoice.made  deferred at src/billing.rs:25, delivered after 3 ms on ui, failed: disk full
/// ```
impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |(depth, step): &(usize, Step)| {
            let name = name_of(step);
            let name = match depth {
                0 => name,
                depth => format!("{:width$}└ {name}", "", width = (depth - 1) * 2),
            };
            vec![step.cause.to_string(), name, story(step)]
        };
        let mut lines = Vec::new();
        if self.before.is_some() {
            lines.push("(earlier steps are not kept)".to_owned());
        }
        lines.extend(aligned(self.steps.iter().map(row).collect()).0);
        f.write_str(&lines.join("\n"))
    }
}

/// What a step is called: the topic of an event, the label of a handler.
fn name_of(step: &Step) -> String {
    let name = match step.kind {
        StepKind::Emitted | StepKind::Deferred => step.topic(),
        #[cfg(feature = "nats")]
        StepKind::Received => step.topic(),
        StepKind::Queued | StepKind::Async => return label_of(step.label()).into_owned(),
        StepKind::Posted => step.label().or(step.topic()),
        StepKind::Job => step.label(),
    };
    let other = match step.kind {
        StepKind::Job => "(job)",
        _ => "(posted)",
    };
    name.map_or(other.to_owned(), |it| visible(it).into_owned())
}

/// How a step went.
fn story(step: &Step) -> String {
    let place = line_of(step.place);
    let topic = visible(step.topic().unwrap_or("(no topic)"));
    let waited = |word: &str| step.waited.map(|it| format!("{word} {}", time(it)));
    let on = format!("on {}", visible(&step.thread));
    let ran = match (step.ran, step.took) {
        (0, Some(_)) => "no handler ran".to_owned(),
        (ran, Some(took)) => format!("ran {ran} in {}", time(took)),
        (0, None) => "is running".to_owned(),
        (ran, None) => format!("ran {ran}, is running"),
    };
    let took = match step.took {
        Some(took) => format!("ran {} {on}", time(took)),
        None => format!("is running {on}"),
    };
    let mut parts: Vec<String> = Vec::new();
    match step.kind {
        StepKind::Emitted => parts.extend([format!("emitted at {place} {on}"), ran]),
        StepKind::Deferred => {
            let after = waited("delivered after").unwrap_or("delivered".to_owned());
            parts.extend([format!("deferred at {place}"), format!("{after} {on}"), ran]);
        }
        StepKind::Queued => {
            parts.extend([format!("of {topic}"), place]);
            parts.extend(waited("queued"));
            parts.push(took);
        }
        StepKind::Async => {
            parts.extend([format!("future of {topic}"), place]);
            parts.extend(waited("waited"));
            parts.push(took);
        }
        StepKind::Posted => {
            parts.push(format!("posted at {place}"));
            parts.extend(waited("queued"));
            parts.push(took);
        }
        StepKind::Job => {
            parts.push(format!("submitted at {place}"));
            parts.extend(waited("waited"));
            parts.push(took);
        }
        #[cfg(feature = "nats")]
        StepKind::Received => {
            parts.push(format!("received by {place}"));
            parts.extend(step.received().into_iter().flat_map(come));
            if let Some(remote) = step.remote() {
                parts.push(format!("caused by {}", visible(&remote.to_string())));
                if !remote.place.is_empty() {
                    parts.push(format!("emitted there at {}", visible(&remote.place)));
                }
            }
            parts.push(took);
        }
    }
    if step.stopped {
        parts.push("stopped".to_owned());
    }
    parts.extend(step.text().map(|it| format!("event: {}", visible(it))));
    parts.extend(failure(step));
    parts.join(", ")
}

/// From where an event has come, how old it was, and what waited behind it.
#[cfg(feature = "nats")]
fn come(received: &Received) -> Vec<String> {
    let origin = received.origin.as_deref();
    let from = match (received.bridge.as_deref(), origin) {
        (Some(bridge), _) => format!("from {bridge:?}"),
        (None, Some(origin)) => format!("from {}", visible(origin)),
        (None, None) => "from another program".to_owned(),
    };
    let mut parts = vec![from];
    parts.extend(received.number.map(|it| format!("number {it}")));
    let since = match received.is_stored {
        true => "stored",
        false => "emitted",
    };
    parts.extend(match (received.ahead(), received.lag()) {
        (Some(ahead), _) => Some(format!(
            "{since} by a clock that is {} ahead",
            time_of(ahead)
        )),
        (None, lag) => lag.map(|it| format!("{since} {} before", time_of(it))),
    });
    let pending = Some(received.pending).filter(|it| *it > 0);
    parts.extend(pending.map(|it| format!("{it} behind it")));
    parts
}

fn failure(step: &Step) -> Option<String> {
    if step.failed == 0 && step.failure.is_none() {
        return None;
    }
    let mut text = match step.failed {
        0 | 1 => "failed".to_owned(),
        times => format!("failed {times} times, first"),
    };
    if let Some(call) = step.calls.iter().find(|it| it.failed) {
        let (label, place) = (label_of(call.label()), line_of(call.place));
        text += &format!(" in {label} ({place})");
    }
    if let Some(failure) = step.failure() {
        text += &format!(": {}", visible(failure));
    }
    Some(text)
}

/// A line about all, and then one for each topic, each of its handlers and each line that has emitted to it; for each
/// pattern, queue and warning.
///
/// ```text
/// followed for 12 s: 42 emissions, 1 unheard, 81 calls, 2 failures
/// order.placed  Order  42 emissions, 1 unheard
///   guard    41 calls  1 skipped               p50 0.9 µs  p99 2 µs   own 37 µs  total 37 µs  src/auth.rs:31     pattern order.>
///   billing  40 calls             2 failures   p50 1 ms    p99 10 ms  own 40 ms  total 80 ms  src/billing.rs:19  queued to src/ui.rs:8
///   emitted 42 times at src/checkout.rs:41
///   received 40 times, last 2 s ago: from "shop-1", number 39, stored 3 ms before, 12 behind it
/// queue of the bus  0 waiting  made at src/main.rs:10
/// queue             1 waiting  made at src/ui.rs:8
/// ```
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = Rows::of(self);
        let mut lines = vec![summary(self)];
        for topic in &rows.topics {
            lines.push(head(topic));
            let row = |it| cells(it, false);
            lines.extend(aligned(topic.handlers.iter().map(row).collect()).0);
            lines.extend(emitted(&topic.emitters));
            #[cfg(feature = "nats")]
            lines.extend(topic.received().map(|it| received(it, self.at)));
        }
        for pattern in &rows.patterns {
            lines.push(format!("{}  pattern", visible(pattern.name)));
            let row = |it| cells(it, true);
            lines.extend(aligned(pattern.handlers.iter().map(row).collect()).0);
        }
        if rows.others > 0 {
            let times = count(rows.others, "time");
            lines.push(format!("emitted {times} on other lines"));
        }
        lines.extend(queues(&self.wiring));
        if self.skipped > 0 {
            let steps = count(self.tail.len() as u64, "step");
            lines.push(format!("{steps} in the tail, {} skipped", self.skipped));
        }
        lines.extend(self.warnings.iter().map(|it| format!("warning: {it}")));
        f.write_str(&lines.join("\n"))
    }
}

fn summary(report: &Report) -> String {
    let topics = report.topics.iter();
    let handlers = report.handlers.iter();
    let all = [
        count(topics.clone().map(|it| it.emissions).sum(), "emission"),
        format!("{} unheard", topics.map(|it| it.unheard).sum::<u64>()),
        count(handlers.clone().map(|it| it.calls).sum(), "call"),
        count(handlers.map(|it| it.failures).sum(), "failure"),
    ];
    format!("followed for {}: {}", time(report.at), all.join(", "))
}

fn head(topic: &TopicRow) -> String {
    let mut head = visible(topic.name).into_owned();
    if let Some(type_name) = topic.type_name() {
        head += &format!("  {}", short(type_name));
    }
    format!("{head}  {}", emissions(topic))
}

/// What was emitted to a topic.
pub(super) fn emissions(topic: &TopicRow) -> String {
    match (topic.emissions(), topic.unheard()) {
        (0, _) => "never emitted".to_owned(),
        (all, 0) => count(all, "emission"),
        (all, unheard) => format!("{}, {unheard} unheard", count(all, "emission")),
    }
}

/// What a handler did, a cell each: calls, what was skipped, failures. Empty where there is none.
pub(super) fn deeds(row: &HandlerRow) -> [String; 3] {
    let some = |number, text: String| if number > 0 { text } else { String::new() };
    let calls = match row.calls() {
        0 => "never called".to_owned(),
        calls => count(calls, "call"),
    };
    let (skipped, failures) = (row.skipped(), row.failures());
    [
        calls,
        some(skipped, format!("{skipped} skipped")),
        some(failures, count(failures, "failure")),
    ]
}

/// How long a handler took, a cell each. Empty if it was never measured.
pub(super) fn times(row: &HandlerRow) -> [String; 4] {
    let own = row.own();
    if own.count() == 0 {
        return Default::default();
    }
    [
        format!("p50 {}", time_of(own.quantile(0.5))),
        format!("p99 {}", time_of(own.quantile(0.99))),
        format!("own {}", time_of(own.total())),
        format!("total {}", time_of(row.total())),
    ]
}

/// What is wired of a handler: how many there are, what it is, whether it has gone.
pub(super) fn wired(row: &HandlerRow) -> Vec<String> {
    let mut all = Vec::new();
    match row.first {
        None => all.push("gone".to_owned()),
        Some(first) => {
            all.extend(kind(first));
            if first.paused > 0 {
                all.push("paused".to_owned());
            }
        }
    }
    if row.count > 1 {
        all.push(count(row.count as u64, "handler"));
    }
    all
}

fn cells(row: &HandlerRow, is_pattern: bool) -> Vec<String> {
    let pattern = row.first.and_then(|it| it.pattern());
    let pattern = pattern.filter(|_| !is_pattern);
    let pattern = pattern.map(|it| format!("pattern {}", visible(it)));
    let mut cells = vec![format!("  {}", label_of(row.label()))];
    cells.extend(deeds(row));
    cells.extend(times(row));
    cells.push(line_of(row.place()));
    let ways: Vec<String> = pattern.into_iter().chain(wired(row)).collect();
    cells.push(ways.join(", "));
    cells
}

/// A row for each line that has emitted.
fn emitted(emitters: &[(CallSite, u64)]) -> Vec<String> {
    let row = |(place, emissions): &(CallSite, u64)| {
        let times = count(*emissions, "time");
        vec!["  emitted".to_owned(), times, origin(place)]
    };
    aligned(emitters.iter().map(row).collect()).0
}

/// What bridges have received of a topic.
#[cfg(feature = "nats")]
fn received(report: &ReceivedReport, now: u64) -> String {
    let (times, ago) = (count(report.count, "time"), now.saturating_sub(report.at));
    let last = come(&report.last).join(", ");
    format!("  received {times}, last {} ago: {last}", time(ago))
}

/// Where something was emitted.
pub(super) fn origin(place: CallSite) -> String {
    format!("at {}", line_of(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::sample::{HOSTILE, hostile, places, report, step};
    use crate::follow::step::Call;

    #[test]
    fn times_have_the_unit_that_people_would_choose() {
        let all = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1 µs"),
            (1_250, "1.2 µs"),
            (9_960, "10 µs"),
            (99_949, "100 µs"),
            (200_000, "0.2 ms"),
            (1_100_000, "1.1 ms"),
            (3_000_000, "3 ms"),
            (999_499_999, "999 ms"),
            (999_500_000, "1 s"),
            (61_000_000_000, "61 s"),
        ];
        for (nanos, text) in all {
            assert_eq!(time(nanos), text);
        }
    }

    fn trail(steps: Vec<Step>) -> Trail {
        Trail {
            steps: steps.into_iter().enumerate().collect(),
            before: None,
        }
    }

    #[test]
    fn a_trail_has_a_line_for_each_step_with_words_of_its_kind() {
        let [main, guard, billing, checkout, ..] = places();
        let placed = Step {
            ran: 2,
            text: Some("order 7".to_owned()),
            ..step(7, StepKind::Emitted, Some("order.placed"), checkout)
        };
        let queued = Step {
            label: Some("billing".to_owned()),
            waited: Some(200_000),
            took: Some(1_100_000),
            thread: "ui".to_owned(),
            ..step(8, StepKind::Queued, Some("order.placed"), billing)
        };
        let made = Step {
            waited: Some(3_000_000),
            ran: 1,
            failed: 2,
            failure: Some("disk full".to_owned()),
            calls: vec![Call {
                label: Some("mail".to_owned()),
                place: guard,
                own: 5,
                failed: true,
            }],
            ..step(9, StepKind::Deferred, Some("invoice.made"), billing)
        };
        let job = Step {
            waited: Some(20),
            thread: "pool".to_owned(),
            ..step(10, StepKind::Job, None, main)
        };
        let posted = step(11, StepKind::Posted, None, main);
        let future = Step {
            took: None,
            ..step(12, StepKind::Async, Some("order.placed"), main)
        };
        let silent = Step {
            stopped: true,
            ..step(13, StepKind::Emitted, Some("x"), main)
        };
        let steps = vec![placed, queued, made, job, posted, future, silent];
        let mut trail = trail(steps);
        let text = "\
a3-7  order.placed          emitted at src/follow/sample.rs:14 on main, ran 2 in 1.3 ms, event: order 7
a3-8  └ billing             of order.placed, src/follow/sample.rs:13, queued 0.2 ms, ran 1.1 ms on ui
a3-9    └ invoice.made      deferred at src/follow/sample.rs:13, delivered after 3 ms on main, ran 1 in 1.3 ms, \
failed 2 times, first in mail (src/follow/sample.rs:12): disk full
a3-a      └ (job)           submitted at src/follow/sample.rs:11, waited 20 ns, ran 1.3 ms on pool
a3-b        └ (posted)      posted at src/follow/sample.rs:11, ran 1.3 ms on main
a3-c          └ (no label)  future of order.placed, src/follow/sample.rs:11, is running on main
a3-d            └ x         emitted at src/follow/sample.rs:11 on main, no handler ran, stopped";
        assert_eq!(trail.to_string(), text);
        trail.before = Some(crate::follow::sample::cause(1));
        let written = trail.to_string();
        assert!(written.starts_with("(earlier steps are not kept)\na3-7  order.placed "));
    }

    #[test]
    fn a_report_has_what_happened_beside_what_is_wired() {
        let text = "\
followed for 2.5 s: 42 emissions, 1 unheard, 86 calls, 2 failures
order.paid  Order  never emitted
  guard  41 calls  1 skipped  p50 900 ns  p99 900 ns  own 37 µs  total 74 µs  src/follow/sample.rs:12  pattern order.>
order.placed  Order  42 emissions, 1 unheard
  guard       41 calls  1 skipped              p50 900 ns  p99 900 ns  own 37 µs  total 74 µs  src/follow/sample.rs:12  pattern order.>
  billing     40 calls             2 failures  p50 1 ms    p99 1 ms    own 40 ms  total 80 ms  src/follow/sample.rs:13  queued to src/follow/sample.rs:16
  (no label)  5 calls                          p50 3 µs    p99 3 µs    own 15 µs  total 30 µs  src/follow/sample.rs:15  gone
  emitted  40 times  at src/follow/sample.rs:14
order.>  pattern
  guard  41 calls  1 skipped  p50 900 ns  p99 900 ns  own 37 µs  total 74 µs  src/follow/sample.rs:12
emitted 2 times on other lines
queue of the bus  0 waiting       made at src/follow/sample.rs:11
queue             3 of 8 waiting  made at src/follow/sample.rs:16
2 steps in the tail, 90 skipped
warning: handler \"billing\" of topic \"order.placed\" that was subscribed at src/follow/sample.rs:13:9 took 60ms";
        assert_eq!(report().to_string(), text);
    }

    #[test]
    fn no_name_breaks_a_line() {
        let harmless = hostile("x");
        for &name in HOSTILE {
            let report = hostile(name);
            let lines = |text: String| {
                assert!(
                    !text.chars().any(|it| it.is_control() && it != '\n'),
                    "{text}"
                );
                text.split('\n').count()
            };
            assert_eq!(lines(report.to_string()), lines(harmless.to_string()));
            assert_eq!(lines(trail(report.tail).to_string()), 2);
        }
    }

    #[test]
    #[cfg(feature = "nats")]
    fn what_has_been_received_has_its_origin_and_its_lag() {
        use crate::follow::sample::with_received;

        let report = with_received(report(), "shop-1");
        let come = "from \"shop-1\", number 39, stored 3 ms before, 12 behind it";
        let text = format!("\n  received 40 times, last 2 s ago: {come}\n");
        assert!(report.to_string().contains(&text), "{report}");
        let step = report.tail[2].clone();
        let of = |change: fn(&mut Received)| {
            let mut received = step.received().expect("it is one").clone();
            change(&mut received);
            let received = Some(std::sync::Arc::new(received));
            let step = Step {
                received,
                ..step.clone()
            };
            trail(vec![step]).to_string()
        };
        let text = format!(
            "a3-9  order.placed  received by src/follow/sample.rs:11, {come}, caused by 0123abcd/a3-7f, \
emitted there at shop-1, ran 1.3 ms on main"
        );
        assert_eq!(of(|_| ()), text);
        let core = of(|it| (it.bridge, it.is_stored, it.pending) = (None, false, 0));
        assert!(core.contains(", from 0123abcd, number 39, emitted 3 ms before, caused by "));
        let ahead = of(|it| it.lag = Some(-5_000));
        assert!(ahead.contains("stored by a clock that is 5 µs ahead, 12 behind it"));
        let other = of(|it| *it = Received::default());
        assert!(other.ends_with("sample.rs:11, from another program, ran 1.3 ms on main"));
        for &name in HOSTILE {
            let report = with_received(hostile(name), name);
            let harmless = with_received(hostile("x"), "x");
            for (text, lines) in [
                (report.to_string(), harmless.to_string().split('\n').count()),
                (trail(report.tail).to_string(), 3),
            ] {
                let is_odd = |it: char| it.is_control() && it != '\n';
                assert!(!text.contains(is_odd), "{text}");
                assert_eq!(text.split('\n').count(), lines, "{text}");
            }
        }
    }
}
