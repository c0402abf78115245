//! What a picture of a report shows: the boxes and arrows that those of a wiring are written with.

use std::collections::{BTreeMap, BTreeSet};

use crate::failure::CallSite;
use crate::follow::report::Report;
use crate::follow::rows::{HandlerRow, Rows, TopicRow};
use crate::follow::text::{deeds, emissions, origin, times, wired};
use crate::wiring::picture::{Arrow, Node, Picture, Shape, Targets, queue_lines};
use crate::wiring::text::{label_of, line_of, short, visible};
use crate::wiring::warning::Warning;
use crate::wiring::{dot, mermaid};

impl Report {
    /// What was counted as a picture in the language DOT of [Graphviz](https://graphviz.org): the lines that have
    /// emitted, topics, patterns, handlers and queues, with how often each way was gone.
    ///
    /// A handler that has failed, or was slow (see [`Follow::slow`](crate::Follow::slow)), is red and says so. What one
    /// line has subscribed with one label is one box. Valid whatever names, labels and paths hold, and the same for the
    /// same report: topics and patterns by name, handlers in the order of calls, emitting lines as they are listed by
    /// [`emitters`](Self::emitters), without the others. O(n log n) in the number of handlers and emitting lines.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Follow, Topic};
    ///
    /// const PLACED: Topic<u64> = Topic::new("order.placed");
    /// let bus = Bus::new();
    /// let following = bus.follow(Follow::new());
    /// let _sub = bus.subscribe(&PLACED).label("billing").on(|_| ());
    /// (0..3).for_each(|number| _ = bus.emit(&PLACED, &number));
    ///
    /// let picture = following.report().to_dot();
    /// assert!(picture.starts_with("digraph report {"));
    /// assert!(picture.contains("e0 -> t0 [label=\"3\"];"));
    /// assert!(picture.contains("t0 -> h0 [label=\"3\"];"));
    /// ```
    #[must_use]
    pub fn to_dot(&self) -> String {
        dot::write("report", &picture(self))
    }

    /// What was counted as a flowchart of [Mermaid](https://mermaid.js.org): what [`to_dot`](Self::to_dot) shows, at the
    /// same cost and in the same order, with the limits of [`Wiring::to_mermaid`](crate::Wiring::to_mermaid).
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
    /// assert!(following.report().to_mermaid().contains("e0 -->|1| t0\n"));
    /// ```
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        mermaid::write(&picture(self))
    }
}

fn picture(report: &Report) -> Picture {
    let rows = Rows::of(report);
    let is_slow = |it: &Warning| match it {
        Warning::Slow { label, place, .. } => Some((label.clone(), *place)),
        _ => None,
    };
    let mut drawing = Drawing {
        picture: Picture {
            nodes: Vec::new(),
            arrows: Vec::new(),
        },
        targets: targets(report, &rows),
        slow: report.warnings.iter().filter_map(is_slow).collect(),
        lines: BTreeMap::new(),
        handlers: 0,
    };
    let patterns = rows.patterns.iter().enumerate();
    let patterns = patterns.map(|(at, it)| (it.name, format!("p{at}")));
    let patterns: BTreeMap<&str, String> = patterns.collect();
    for (at, topic) in rows.topics.iter().enumerate() {
        drawing.add_topic(format!("t{at}"), topic, &patterns);
    }
    for row in &rows.patterns {
        let id = &patterns[row.name];
        let mut lines = vec![visible(row.name).into_owned(), "pattern".to_owned()];
        lines.extend(row.place.map(line_of));
        drawing.add(id.clone(), Shape::Pattern, lines);
        for handler in &row.handlers {
            drawing.add_handler(id, handler);
        }
    }
    for (at, queue) in report.wiring.queues.iter().enumerate() {
        drawing.add(format!("q{at}"), Shape::Queue, queue_lines(at, queue));
    }
    drawing.picture
}

/// The boxes of this picture that handlers may lead to.
fn targets(report: &Report, rows: &Rows) -> Targets {
    let topics = rows.topics.iter().enumerate();
    let topics = topics.filter_map(|(at, it)| Some((it.wired?.signal, format!("t{at}"))));
    let queues = report.wiring.queues.iter().enumerate();
    Targets {
        topics: topics.collect(),
        queues: queues
            .map(|(at, it)| (it.queue, format!("q{at}")))
            .collect(),
    }
}

struct Drawing {
    picture: Picture,
    targets: Targets,
    /// The labels and lines of handlers that were slow.
    slow: BTreeSet<(Option<String>, CallSite)>,
    /// The boxes of emitting lines.
    lines: BTreeMap<CallSite, String>,
    /// How many boxes of handlers there are.
    handlers: usize,
}

impl Drawing {
    fn add(&mut self, id: String, shape: Shape, lines: Vec<String>) {
        self.picture.nodes.push(Node {
            id,
            shape,
            lines,
            is_marked: false,
        });
    }

    fn add_arrow(&mut self, from: &str, to: &str, number: Option<u64>) {
        self.picture.arrows.push(Arrow {
            from: from.to_owned(),
            to: to.to_owned(),
            number,
        });
    }

    fn add_topic(&mut self, id: String, topic: &TopicRow, patterns: &BTreeMap<&str, String>) {
        let mut lines = vec![visible(topic.name).into_owned()];
        lines.extend(topic.type_name().map(short));
        lines.extend(topic.wired.map(|it| line_of(it.place)));
        lines.push(emissions(topic));
        self.add(id.clone(), Shape::Topic, lines);
        for (place, emissions) in &topic.emitters {
            let next = format!("e{}", self.lines.len());
            let line = self.lines.entry(place).or_insert(next.clone()).clone();
            if line == next {
                self.add(next, Shape::Emitter, vec![origin(place)]);
            }
            self.add_arrow(&line, &id, Some(*emissions));
        }
        let mut heard = BTreeSet::new();
        for handler in &topic.handlers {
            match handler.first.and_then(|it| it.pattern()) {
                None => self.add_handler(&id, handler),
                // How often it was called for this topic is not known.
                Some(pattern) if heard.insert(pattern) => {
                    if let Some(pattern) = patterns.get(pattern) {
                        self.add_arrow(&id, pattern, None);
                    }
                }
                Some(_) => {}
            }
        }
    }

    fn add_handler(&mut self, from: &str, row: &HandlerRow) {
        let id = format!("h{}", self.handlers);
        self.handlers += 1;
        let key = (row.label().map(str::to_owned), row.place());
        let is_slow = self.slow.contains(&key);
        let mut lines = vec![label_of(row.label()).into_owned(), line_of(row.place())];
        let [calls, skipped, failures] = deeds(row);
        let more = [calls, skipped, failures].into_iter().chain(times(row));
        lines.extend(more.filter(|it| !it.is_empty()));
        lines.extend(is_slow.then(|| "slow".to_owned()));
        lines.extend(wired(row));
        self.picture.nodes.push(Node {
            id: id.clone(),
            shape: Shape::Handler,
            lines,
            is_marked: is_slow || row.failures() > 0,
        });
        self.add_arrow(from, &id, Some(row.calls()));
        let target = row.first.and_then(|it| self.targets.find(it)).cloned();
        if let Some(to) = target {
            self.add_arrow(&id, &to, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::sample::{self, HOSTILE, hostile, report};

    #[test]
    fn dot_shows_who_emits_and_who_is_called_how_often() {
        let expected = r#"digraph report {
  rankdir=LR;
  node [shape=box];
  t0 [label="order.paid\nOrder\nsrc/follow/sample.rs:11\nnever emitted"];
  t1 [label="order.placed\nOrder\nsrc/follow/sample.rs:11\n42 emissions, 1 unheard"];
  e0 [label="at src/follow/sample.rs:14", shape=plain];
  h0 [label="billing\nsrc/follow/sample.rs:13\n40 calls\n2 failures\np50 1 ms\np99 1 ms\nown 40 ms\ntotal 80 ms\nslow\nqueued to src/follow/sample.rs:16", style=rounded, color=red];
  h1 [label="(no label)\nsrc/follow/sample.rs:15\n5 calls\np50 3 µs\np99 3 µs\nown 15 µs\ntotal 30 µs\ngone", style=rounded];
  p0 [label="order.>\npattern\nsrc/follow/sample.rs:12", style=dashed];
  h2 [label="guard\nsrc/follow/sample.rs:12\n41 calls\n1 skipped\np50 900 ns\np99 900 ns\nown 37 µs\ntotal 74 µs", style=rounded];
  q0 [label="queue of the bus\nsrc/follow/sample.rs:11\n0 waiting", shape=cds];
  q1 [label="queue\nsrc/follow/sample.rs:16\n3 of 8 waiting", shape=cds];
  t0 -> p0;
  e0 -> t1 [label="40"];
  t1 -> p0;
  t1 -> h0 [label="40"];
  h0 -> q1;
  t1 -> h1 [label="5"];
  p0 -> h2 [label="41"];
}
"#;
        assert_eq!(report().to_dot(), expected);
    }

    #[test]
    fn mermaid_shows_the_same() {
        let mermaid = report().to_mermaid();
        for line in [
            "flowchart LR",
            "  e0[/\"at src/follow/sample#46;rs#58;14\"/]",
            "  e0 -->|40| t1",
            "  t1 --> p0",
            "  p0 -->|41| h2",
            "  h0 --> q1",
            "  style h0 stroke:red",
        ] {
            assert!(mermaid.lines().any(|it| it == line), "{line} in {mermaid}");
        }
        assert_eq!(mermaid.matches("style ").count(), 1);
    }

    #[test]
    fn what_failed_and_what_was_slow_is_marked() {
        let marked = |report: &Report| {
            let dot = report.to_dot();
            let red = dot.lines().filter(|it| it.contains("color=red"));
            red.filter(|it| it.contains("billing")).count()
        };
        let mut report = report();
        report.warnings.clear();
        assert_eq!(marked(&report), 1);
        report.handlers[1].failures = 0;
        assert_eq!(marked(&report), 0);
        report.warnings = sample::report().warnings;
        assert_eq!(marked(&report), 1);
    }

    #[test]
    fn a_line_that_emits_to_two_topics_is_one_box() {
        let mut report = report();
        let mut second = report.emitters[1].clone();
        second.topic = "order.paid".to_owned();
        report.emitters.insert(0, second);
        let dot = report.to_dot();
        assert_eq!(dot.matches("sample.rs:14").count(), 1);
        assert!(dot.contains("e0 -> t0 [label=\"40\"]") && dot.contains("e0 -> t1 [label=\"40\"]"));
    }

    #[test]
    fn a_topic_has_one_arrow_to_a_pattern_with_two_handlers() {
        let mut report = report();
        let handlers = &mut report.wiring.topics[0].handlers;
        let mut second = handlers[0].clone();
        second.label = Some("second".into());
        handlers.push(second);
        assert_eq!(report.to_dot().matches("t0 -> p0;").count(), 1);
    }

    #[test]
    fn names_stay_inside_of_their_strings() {
        let outside = |text: &str| -> Vec<String> {
            // Every second piece is inside of quotes.
            let pieces = text.replace("\\\\", "").replace("\\\"", "");
            pieces.split('"').step_by(2).map(str::to_owned).collect()
        };
        for &name in HOSTILE {
            // Those that have gone are listed with a topic, or with a pattern.
            let is_pattern = name.contains(['*', '>']);
            let harmless = hostile(if is_pattern { ">" } else { "x" });
            let report = hostile(name);
            assert_eq!(outside(&report.to_dot()), outside(&harmless.to_dot()));
            assert_eq!(
                outside(&report.to_mermaid()),
                outside(&harmless.to_mermaid())
            );
            let inside = report.to_mermaid();
            let inside: String = inside.split('"').skip(1).step_by(2).collect();
            let inside = inside.replace("<br/>", "");
            let is_plain = |it: char| it.is_ascii_alphanumeric() || " /#;".contains(it);
            assert!(inside.chars().all(is_plain), "{inside}");
            assert!(
                !report
                    .to_dot()
                    .chars()
                    .any(|it| it.is_control() && it != '\n')
            );
        }
    }

    #[test]
    #[ignore = "needs `dot` of Graphviz: .ci/run runs it where that is"]
    fn dot_of_graphviz_accepts_hostile_names() {
        use std::io::Write as _;
        use std::process::{Command, Stdio};
        for &name in HOSTILE {
            let mut dot = Command::new("dot")
                .arg("-Tsvg")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("it is installed");
            let mut input = dot.stdin.take().expect("it was asked for");
            let picture = hostile(name).to_dot();
            input.write_all(picture.as_bytes()).expect("it reads");
            drop(input);
            let done = dot.wait_with_output().expect("it ends");
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(
                done.status.success() && said.is_empty(),
                "{said}: {picture}"
            );
        }
    }
}
