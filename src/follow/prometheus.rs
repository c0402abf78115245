//! A report for Prometheus.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::time::Duration;

#[cfg(feature = "nats")]
use crate::follow::received::ReceivedReport;
use crate::follow::report::Report;
#[cfg(feature = "nats")]
use crate::follow::rows::TopicRow;
use crate::follow::rows::{HandlerRow, Rows};
use crate::follow::times::Times;
use crate::wiring::text::line_of;

impl Report {
    /// What was counted in the text format of [Prometheus](https://prometheus.io), version 0.0.4: what `/metrics`
    /// answers, with the type `text/plain; version=0.0.4`.
    ///
    /// For each topic that exists or was emitted to, `slotcast_emissions_total` and `slotcast_unheard_total`, with the
    /// label `topic`. For each handler, `slotcast_calls_total`, `slotcast_failures_total`, `slotcast_skipped_total` and
    /// the summary `slotcast_own_seconds`, the time without nested emissions, with the labels `topic` (the pattern, if
    /// it was subscribed to one), `handler` (its label, empty without one) and `place`: those whose labels are the same
    /// are counted together. `slotcast_queue_length` by `place`, the line that made the queue. And
    /// `slotcast_tail_skipped_total`.
    ///
    /// For each topic of which a bridge has received something, also by `topic`: `slotcast_received_total`, and of the
    /// last one `slotcast_received_lag_seconds`, how old it was when its handling began and
    /// `slotcast_received_pending`, how many events waited behind it. They are missing where that is not known, and stay
    /// as they are while nothing comes. Nothing of it is written where no bridge has received anything.
    ///
    /// The counters begin at 0 with each following. Sorted by topic, label and line. O(n log n) in the number of
    /// handlers.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Follow, Topic};
    ///
    /// const PLACED: Topic<u64> = Topic::new("order.placed");
    /// let bus = Bus::new();
    /// let following = bus.follow(Follow::new());
    /// bus.emit(&PLACED, &7);
    /// let text = following.report().to_prometheus();
    /// assert!(text.contains("\nslotcast_emissions_total{topic=\"order.placed\"} 1\n"));
    /// ```
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        let rows = Rows::of(self);
        let mut text = String::new();
        let topics = rows.topics.iter();
        let topics = topics.map(|it| (labels(&[("topic", it.name)]), it));
        let topics: BTreeMap<_, _> = topics.collect();
        let all = topics.iter().map(|(labels, it)| (labels, it.emissions()));
        let help = "Events emitted, or delivered after they were deferred.";
        write(&mut text, "emissions_total", "counter", help, all);
        let all = topics.iter().map(|(labels, it)| (labels, it.unheard()));
        let help = "Events that no handler was called for.";
        write(&mut text, "unheard_total", "counter", help, all);

        #[cfg(feature = "nats")]
        write_received(&mut text, &topics);

        let handlers = handlers(&rows);
        let all = handlers.iter().map(|(labels, it)| (labels, it.calls));
        let help = "Calls of handlers.";
        write(&mut text, "calls_total", "counter", help, all);
        let all = handlers.iter().map(|(labels, it)| (labels, it.failures));
        let help = "Calls of handlers that failed.";
        write(&mut text, "failures_total", "counter", help, all);
        let all = handlers.iter().map(|(labels, it)| (labels, it.skipped));
        let help = "Events for which a handler was skipped.";
        write(&mut text, "skipped_total", "counter", help, all);
        write_own(&mut text, &handlers);

        let mut queues: BTreeMap<String, u64> = BTreeMap::new();
        for it in &self.wiring.queues {
            let labels = labels(&[("place", &line_of(it.place))]);
            *queues.entry(labels).or_default() += it.len as u64;
        }
        let all = queues.iter().map(|(labels, len)| (labels, *len));
        let help = "Events that wait in queues.";
        write(&mut text, "queue_length", "gauge", help, all);
        let all = [(&String::new(), self.skipped)];
        let help = "Pieces of work that are not kept any more.";
        write(
            &mut text,
            "tail_skipped_total",
            "counter",
            help,
            all.into_iter(),
        );
        text
    }
}

/// What the handlers did whose labels are the same.
#[derive(Default)]
struct Sums {
    calls: u64,
    failures: u64,
    skipped: u64,
    own: Times,
}

/// The handlers by their labels. Those of a pattern are listed with each topic, too, and are left out there.
fn handlers(rows: &Rows) -> BTreeMap<String, Sums> {
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    let of_topics = rows.topics.iter().flat_map(|it| &it.handlers);
    let is_own = |it: &&HandlerRow| it.first.is_none_or(|it| it.pattern.is_none());
    let of_patterns = rows.patterns.iter().flat_map(|it| &it.handlers);
    for row in of_topics.filter(is_own).chain(of_patterns) {
        let (topic, place, label) = row.key;
        let place = line_of(place);
        let handler = label.unwrap_or_default();
        let labels = labels(&[("topic", topic), ("handler", handler), ("place", &place)]);
        let sum = sums.entry(labels).or_default();
        sum.calls += row.calls();
        sum.failures += row.failures();
        sum.skipped += row.skipped();
        sum.own.merge(row.own());
    }
    sums
}

/// A metric with one value for each set of labels.
fn write<'t>(
    text: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    all: impl Iterator<Item = (&'t String, impl Display)>,
) {
    head(text, name, kind, help);
    for (labels, value) in all {
        _ = writeln!(text, "slotcast_{name}{} {value}", braced(labels));
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    _ = writeln!(text, "# HELP slotcast_{name} {help}");
    _ = writeln!(text, "# TYPE slotcast_{name} {kind}");
}

/// What bridges have received, by the labels of topics.
#[cfg(feature = "nats")]
fn write_received(text: &mut String, topics: &BTreeMap<String, &TopicRow>) {
    let all = topics.iter();
    let all = all.filter_map(|(labels, it)| Some((labels, it.received()?)));
    let all: Vec<_> = all.collect();
    if all.is_empty() {
        return;
    }
    let counts = all.iter().map(|(labels, it)| (*labels, it.count));
    let help = "Events that bridges have received, and have begun to handle.";
    write(text, "received_total", "counter", help, counts);
    let lag = |it: &ReceivedReport| it.last.lag().map(seconds);
    let lags = all
        .iter()
        .filter_map(|(labels, it)| Some((*labels, lag(it)?)));
    let help = "How old the last of them was when its handling began.";
    write(text, "received_lag_seconds", "gauge", help, lags);
    let pending = all.iter().map(|(labels, it)| (*labels, it.last.pending));
    let help = "How many events waited behind the last of them.";
    write(text, "received_pending", "gauge", help, pending);
}

fn write_own(text: &mut String, handlers: &BTreeMap<String, Sums>) {
    let name = "own_seconds";
    let help = "How long calls of handlers took, without the emissions nested in them.";
    head(text, name, "summary", help);
    for (labels, sums) in handlers {
        let own = &sums.own;
        for (share, digits) in [(0.5, "0.5"), (0.9, "0.9"), (0.99, "0.99")] {
            // Quantiles of nothing are no number.
            if own.count() > 0 {
                let value = seconds(own.quantile(share));
                _ = writeln!(
                    text,
                    "slotcast_{name}{{{labels},quantile=\"{digits}\"}} {value}"
                );
            }
        }
        let (sum, count, labels) = (seconds(own.total()), own.count(), braced(labels));
        _ = writeln!(text, "slotcast_{name}_sum{labels} {sum}");
        _ = writeln!(text, "slotcast_{name}_count{labels} {count}");
    }
}

fn braced(labels: &str) -> String {
    match labels {
        "" => String::new(),
        labels => format!("{{{labels}}}"),
    }
}

fn labels(all: &[(&str, &str)]) -> String {
    let label = |(name, value): &(&str, &str)| format!("{name}=\"{}\"", escaped(value));
    all.iter().map(label).collect::<Vec<_>>().join(",")
}

/// The inside of a quoted value: these three, and no others.
fn escaped(value: &str) -> String {
    let value = value.replace('\\', r"\\").replace('"', "\\\"");
    value.replace('\n', r"\n")
}

fn seconds(time: Duration) -> String {
    format!("{}.{:09}", time.as_secs(), time.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::sample::{HOSTILE, hostile, report};

    #[test]
    fn each_metric_has_its_help_its_type_and_its_values() {
        let text = report().to_prometheus();
        let billing = r#"topic="order.placed",handler="billing",place="src/follow/sample.rs:13""#;
        let guard = r#"topic="order.>",handler="guard",place="src/follow/sample.rs:12""#;
        let begin = "# HELP slotcast_emissions_total Events emitted, or delivered after they were deferred.\n\
            # TYPE slotcast_emissions_total counter\n\
            slotcast_emissions_total{topic=\"order.paid\"} 0\n\
            slotcast_emissions_total{topic=\"order.placed\"} 42\n\
            # HELP slotcast_unheard_total ";
        assert!(text.starts_with(begin), "{text}");
        for line in [
            format!("slotcast_calls_total{{{billing}}} 40"),
            format!("slotcast_failures_total{{{billing}}} 2"),
            format!("slotcast_calls_total{{{guard}}} 41"),
            format!("slotcast_skipped_total{{{guard}}} 1"),
            "# TYPE slotcast_own_seconds summary".to_owned(),
            format!("slotcast_own_seconds{{{billing},quantile=\"0.99\"}} 0.001000000"),
            format!("slotcast_own_seconds_sum{{{billing}}} 0.040000000"),
            format!("slotcast_own_seconds_count{{{billing}}} 40"),
            "slotcast_queue_length{place=\"src/follow/sample.rs:16\"} 3".to_owned(),
            "slotcast_tail_skipped_total 90".to_owned(),
        ] {
            let found = text.lines().filter(|it| *it == line).count();
            assert_eq!(found, 1, "{line} in {text}");
        }
        assert!(text.ends_with('\n'));
    }

    /// The name and the labels of a line, if it is valid: `name{label="value",..} number`.
    fn series(line: &str) -> Option<&str> {
        let (series, value) = line.rsplit_once(' ')?;
        value.parse::<f64>().ok()?;
        let (name, mut rest) = series.split_once('{').unwrap_or((series, "}"));
        let is_name = |it: &str| it.chars().all(|it| it.is_ascii_lowercase() || it == '_');
        while rest != "}" {
            let (label, value) = rest.split_once("=\"")?;
            let mut escape = false;
            let end = value.find(|it| {
                let ends = !escape && it == '"';
                escape = !escape && it == '\\';
                ends
            })?;
            rest = &value[end + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
            is_name(label).then_some(())?;
        }
        is_name(name).then_some(series)
    }

    #[test]
    fn lines_are_valid_and_different_whatever_names_hold() {
        for &name in HOSTILE {
            let text = hostile(name).to_prometheus();
            let mut all = std::collections::BTreeSet::new();
            for line in text.split_terminator('\n') {
                let is_comment =
                    line.starts_with("# HELP slotcast_") || line.starts_with("# TYPE slotcast_");
                let mut is_new = || series(line).is_some_and(|it| all.insert(it));
                assert!(is_comment || is_new(), "{line:?}");
            }
        }
        assert_eq!(escaped("a \"b\"\n\\c\r\té"), "a \\\"b\\\"\\n\\\\c\r\té");
    }

    #[test]
    fn seconds_have_nine_digits() {
        assert_eq!(seconds(Duration::from_nanos(1_000_000_007)), "1.000000007");
        assert_eq!(seconds(Duration::ZERO), "0.000000000");
    }

    #[test]
    #[cfg(feature = "nats")]
    fn what_has_been_received_has_its_lag_where_that_is_known() {
        use crate::follow::sample::with_received;

        assert!(!report().to_prometheus().contains("received"));
        let mut report = with_received(report(), "shop-1");
        let lines = |report: &Report| {
            let text = report.to_prometheus();
            let all = text
                .lines()
                .filter(|it| it.starts_with("slotcast_received"));
            all.map(str::to_owned).collect::<Vec<_>>()
        };
        let topic = "{topic=\"order.placed\"}";
        let wanted = [
            format!("slotcast_received_total{topic} 40"),
            format!("slotcast_received_lag_seconds{topic} 0.003000000"),
            format!("slotcast_received_pending{topic} 12"),
        ];
        assert_eq!(lines(&report), wanted);
        let received = report.topics[0].received.as_mut().expect("it is there");
        received.last = std::sync::Arc::default();
        let pending = format!("slotcast_received_pending{topic} 0");
        assert_eq!(lines(&report), [wanted[0].clone(), pending]);
    }
}
