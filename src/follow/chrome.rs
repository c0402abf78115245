//! A report as a trace that browsers and Perfetto show.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cause::Cause;
use crate::follow::report::Report;
use crate::follow::step::{Step, StepKind};
use crate::wiring::text::line_of;

impl Report {
    /// The tail as a trace that <https://ui.perfetto.dev> and `chrome://tracing` open: JSON in the trace event format of
    /// Chrome, in which each thread has a track, each piece of work a slice on it, and each cause is an arrow.
    ///
    /// A step that is nested in its cause has no arrow, nor has one whose cause is not in the tail any more. Futures
    /// take turns on a thread, so they have tracks of their own, as many as there were at once. What runs ends with the
    /// report. Tracks in the order of their first steps, steps in the order of the tail; O(n) in its length, times the
    /// number of futures that a thread had at once.
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
    /// let trace = following.report().to_chrome_trace();
    /// assert!(trace.contains(r#"{"name":"order.placed","cat":"emitted","ph":"X","#));
    /// ```
    #[must_use]
    pub fn to_chrome_trace(&self) -> String {
        let tracks = Tracks::of(self);
        let mut events = Vec::new();
        for (number, name) in tracks.names.iter().enumerate() {
            events.push(format!(
                r#"{{"name":"thread_name","ph":"M","pid":1,"tid":{number},"args":{{"name":{}}}}}"#,
                quoted(name)
            ));
        }
        let steps = self.tail.iter().zip(&tracks.numbers);
        let slices = steps.map(|(step, track)| Slice {
            step,
            track: *track,
            end: end(step, self.at),
        });
        let slices: Vec<Slice> = slices.collect();
        let by_cause = slices.iter().map(|it| (it.step.cause, it));
        let by_cause: BTreeMap<Cause, &Slice> = by_cause.collect();
        for slice in &slices {
            events.push(slice.event());
            let parent = slice.step.parent.and_then(|it| by_cause.get(&it));
            if let Some(parent) = parent.filter(|it| !it.holds(slice)) {
                events.extend(parent.arrow_to(slice));
            }
        }
        format!("[\n{}\n]\n", events.join(",\n"))
    }
}

/// When a step ended. What runs has done so until now.
fn end(step: &Step, now: u64) -> u64 {
    let took = step.took.map(|it| step.at.saturating_add(it));
    took.unwrap_or(now).max(step.at)
}

/// The tracks that steps are shown on. On one track, a step is nested in another or beside it; what a thread does in
/// turns takes more tracks than one.
struct Tracks<'r> {
    names: Vec<&'r str>,
    /// That of each step of the tail.
    numbers: Vec<usize>,
}

/// One track, with the ends of what is not over, the first to end last.
struct Lane {
    number: usize,
    ends: Vec<u64>,
}

impl<'r> Tracks<'r> {
    fn of(report: &'r Report) -> Self {
        let mut tracks = Tracks {
            names: Vec::new(),
            numbers: Vec::new(),
        };
        let mut threads: BTreeMap<_, Vec<Lane>> = BTreeMap::new();
        // The tail is sorted by beginnings, on which the lanes depend.
        for step in &report.tail {
            let is_future = step.kind == StepKind::Async;
            let name = if is_future { "futures" } else { &step.thread };
            // Threads may have the same name.
            let lanes = threads.entry((step.cause.thread(), name)).or_default();
            let end = end(step, report.at);
            let has_room = |lane: &mut Lane| {
                while lane.ends.last().is_some_and(|it| *it <= step.at) {
                    lane.ends.pop();
                }
                // What runs beside a future is not nested in it.
                lane.ends.last().is_none_or(|it| !is_future && end <= *it)
            };
            let at = lanes.iter_mut().position(has_room).unwrap_or_else(|| {
                lanes.push(Lane {
                    number: tracks.names.len(),
                    ends: Vec::new(),
                });
                tracks.names.push(name);
                lanes.len() - 1
            });
            lanes[at].ends.push(end);
            tracks.numbers.push(lanes[at].number);
        }
        tracks
    }
}

/// A step, as it is shown.
struct Slice<'r> {
    step: &'r Step,
    track: usize,
    /// Nanoseconds since the following began.
    end: u64,
}

impl Slice<'_> {
    fn event(&self) -> String {
        let step = self.step;
        let kind = step.kind.name();
        // Those of calls have a label, which is what they are called by.
        let is_event = matches!(step.kind.name(), "emitted" | "deferred" | "received");
        let name = match is_event {
            true => step.topic(),
            false => step.label().or(step.topic()),
        };
        let mut args = format!(
            r#""id":"{}","place":{}"#,
            step.cause,
            quoted(&line_of(step.place))
        );
        if let Some(parent) = step.parent {
            _ = write!(args, r#","cause":"{parent}""#);
        }
        let texts = [
            ("topic", step.topic()),
            ("label", step.label()),
            ("text", step.text()),
            ("failure", step.failure()),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                _ = write!(args, r#","{name}":{}"#, quoted(text));
            }
        }
        if let Some(waited) = step.waited {
            _ = write!(args, r#","waited_ns":{waited}"#);
        }
        let (ran, failed, stopped) = (step.ran, step.failed, step.stopped);
        _ = write!(
            args,
            r#","ran":{ran},"failed":{failed},"stopped":{stopped}"#
        );
        format!(
            r#"{{"name":{},"cat":"{kind}","ph":"X","ts":{},"dur":{},"pid":1,"tid":{},"args":{{{args}}}}}"#,
            quoted(name.unwrap_or(kind)),
            micros(step.at),
            micros(self.end - step.at),
            self.track,
        )
    }

    /// Whether that one is shown inside of this one.
    fn holds(&self, other: &Slice) -> bool {
        self.track == other.track && self.step.at <= other.step.at && other.step.at < self.end
    }

    /// From where it was when it led to that one to the beginning of that one.
    fn arrow_to(&self, other: &Slice) -> [String; 2] {
        let to = other.step;
        // An arrow belongs to the slice that has its end inside.
        let last = self.end.saturating_sub(1).max(self.step.at);
        let began = to.at.saturating_sub(to.waited.unwrap_or(0));
        let from = began.clamp(self.step.at, last);
        let arrow = |phase: &str, at: u64, track: usize| {
            let (id, at) = (to.cause, micros(at));
            format!(
                r#"{{"name":"cause","cat":"cause","ph":{phase},"id":"{id}","ts":{at},"pid":1,"tid":{track}}}"#
            )
        };
        [
            arrow(r#""s""#, from, self.track),
            arrow(r#""f","bp":"e""#, to.at, other.track),
        ]
    }
}

/// Microseconds, the unit of the format, exact to the nanosecond.
fn micros(nanos: u64) -> String {
    format!("{}.{:03}", nanos / 1000, nanos % 1000)
}

/// A string of JSON.
fn quoted(text: &str) -> String {
    let mut all = String::with_capacity(text.len() + 2);
    all.push('"');
    for it in text.chars() {
        match it {
            '"' | '\\' => all.extend(['\\', it]),
            '\0'..' ' => _ = write!(all, "\\u{:04x}", u32::from(it)),
            _ => all.push(it),
        }
    }
    all.push('"');
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "serde")]
    use crate::follow::sample::{HOSTILE, hostile};
    use crate::follow::sample::{places, report, step};

    #[test]
    fn steps_are_slices_of_their_threads_and_causes_are_arrows() {
        let mut report = report();
        report.tail[1].thread = "ui".to_owned();
        report.tail[1].waited = Some(100_000);
        let trace = r#"[
{"name":"thread_name","ph":"M","pid":1,"tid":0,"args":{"name":"main"}},
{"name":"thread_name","ph":"M","pid":1,"tid":1,"args":{"name":"ui"}},
{"name":"order.placed","cat":"emitted","ph":"X","ts":7000.000,"dur":1300.000,"pid":1,"tid":0,"args":{"id":"a3-7","place":"src/follow/sample.rs:14","topic":"order.placed","ran":0,"failed":0,"stopped":false}},
{"name":"order.placed","cat":"queued","ph":"X","ts":8000.000,"dur":1300.000,"pid":1,"tid":1,"args":{"id":"a3-8","place":"src/follow/sample.rs:13","cause":"a3-7","topic":"order.placed","waited_ns":100000,"ran":0,"failed":0,"stopped":false}},
{"name":"cause","cat":"cause","ph":"s","id":"a3-8","ts":7900.000,"pid":1,"tid":0},
{"name":"cause","cat":"cause","ph":"f","bp":"e","id":"a3-8","ts":8000.000,"pid":1,"tid":1}
]
"#;
        assert_eq!(report.to_chrome_trace(), trace);
        // Inside of its cause.
        report.tail[1].thread = "main".to_owned();
        report.tail[1].took = Some(200_000);
        assert!(!report.to_chrome_trace().contains("\"cat\":\"cause\""));
        report.tail.clear();
        assert_eq!(report.to_chrome_trace(), "[\n\n]\n");
    }

    #[test]
    fn futures_that_are_there_at_once_have_tracks_of_their_own() {
        let [place, ..] = places();
        let mut report = report();
        let future = |number, took| {
            let mut step = step(number, StepKind::Async, Some("x"), place);
            (step.at, step.took) = (number, took);
            step
        };
        report.tail = vec![
            future(7, Some(10)),
            future(8, Some(2)),
            future(9, None),
            future(10, Some(1)),
        ];
        let tracks = Tracks::of(&report);
        assert_eq!(tracks.numbers, [0, 1, 2, 1]);
        assert_eq!(tracks.names, ["futures"; 3]);
        let slice = report.to_chrome_trace();
        assert!(
            slice.contains(r#""ts":0.009,"dur":2499999.991,"#),
            "{slice}"
        );
    }

    #[test]
    fn steps_of_one_track_are_nested_or_beside_each_other() {
        let [place, ..] = places();
        let mut report = report();
        let step = |at, took| Step {
            at,
            took: Some(took),
            ..step(7, StepKind::Emitted, Some("x"), place)
        };
        // An emission that is awaited ends at 15.
        report.tail = vec![
            step(0, 10),
            step(2, 3),
            step(5, 10),
            step(5, 2),
            step(12, 2),
            step(16, 1),
        ];
        let tracks = Tracks::of(&report);
        assert_eq!(tracks.numbers, [0, 0, 1, 0, 0, 0]);
        assert_eq!(tracks.names, ["main"; 2]);
    }

    #[test]
    fn strings_end_where_they_should() {
        assert_eq!(quoted("a\"b\\\n\u{1f}é"), "\"a\\\"b\\\\\\u000a\\u001fé\"");
    }

    #[test]
    #[cfg(feature = "serde")]
    fn names_are_as_they_are_whatever_they_hold() {
        for &name in HOSTILE {
            let trace = hostile(name).to_chrome_trace();
            let read: serde_json::Value = serde_json::from_str(&trace).expect("it can be read");
            let events = read.as_array().expect("it is a list");
            assert_eq!(events[0]["args"]["name"], name);
            let slices = events.iter().filter(|it| it["ph"] == "X");
            assert_eq!(slices.clone().count(), 2);
            for slice in slices {
                assert_eq!(slice["name"], name);
                assert!(
                    ["label", "text", "failure"]
                        .iter()
                        .all(|it| slice["args"][it] == name)
                );
            }
        }
    }
}
