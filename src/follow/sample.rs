//! Reports made by hand, for the unit tests of what writes them.

/// Tests quote these lines, so they stay at the top: 11 to 16.
pub(super) fn places() -> [CallSite; 6] {
    #[track_caller]
    fn line() -> CallSite {
        Location::caller()
    }
    [
        // One of them takes one line.
        line(),
        line(),
        line(),
        line(),
        line(),
        line(),
    ]
}

use std::panic::Location;

use crate::cause::Cause;
use crate::failure::CallSite;
#[cfg(feature = "nats")]
use crate::follow::received::{Received, ReceivedReport, RemoteCause};
use crate::follow::report::{EmitterReport, HandlerReport, Report, TopicReport};
use crate::follow::step::{Call, Step, StepKind};
use crate::follow::times::Times;
use crate::subscription_id::SubscriptionId;
use crate::topic::name::Name;
use crate::wiring::handler::{HandlerInfo, HandlerKind};
use crate::wiring::warning::Warning;
use crate::wiring::{PatternWiring, QueueInfo, TopicWiring, Wiring};

/// What breaks a line, a string, a comment or an entity somewhere.
pub(super) const HOSTILE: &[&str] = &[
    "a \"b\" 'c' `d`",
    "back\\slash\\",
    "two\nlines\r\n\u{2028}\u{85}\u{b}",
    "<img/src=x/onerror=alert(1)>&lt;#35;",
    "--> subgraph end; ]})| %% {{x}}",
    "é ü \u{202e}\u{0}\u{7f}\u{1b}[31m",
    "*/ // # HELP x y\n# TYPE x counter",
    "",
];

pub(super) fn cause(number: u64) -> Cause {
    Cause::new(0xa3, number).expect("it is not 0")
}

pub(super) fn step(number: u64, kind: StepKind, topic: Option<&str>, place: CallSite) -> Step {
    Step {
        cause: cause(number),
        parent: (number > 7).then(|| cause(number - 1)),
        kind,
        topic: topic.map(str::to_owned),
        label: None,
        place,
        thread: "main".to_owned(),
        at: number * 1_000_000,
        waited: None,
        took: Some(1_300_000),
        ran: 0,
        failed: 0,
        stopped: false,
        text: None,
        failure: None,
        calls: Vec::new(),
        #[cfg(feature = "nats")]
        received: None,
    }
}

fn handler(number: u64, topic: &'static str, label: Option<&str>, place: CallSite) -> HandlerInfo {
    HandlerInfo {
        id: SubscriptionId {
            sequence: number,
            key: 0,
            topic: 0,
        },
        topic: Name::Fixed(topic),
        pattern: None,
        label: label.map(Into::into),
        place,
        priority: 0,
        kind: HandlerKind::Plain,
        target: 0,
        paused: 0,
        left: None,
        has_filter: false,
        replaced_at: None,
    }
}

fn topic(name: &'static str, place: CallSite, handlers: Vec<HandlerInfo>) -> TopicWiring {
    TopicWiring {
        name: Name::Fixed(name),
        type_name: "app::Order",
        place,
        handlers,
        retained: 0,
        signal: 0,
    }
}

fn counted(topic: &str, label: Option<&str>, place: CallSite, own: &[u64]) -> HandlerReport {
    let mut times = Times::default();
    own.iter().for_each(|it| times.add(*it));
    HandlerReport {
        topic: topic.to_owned(),
        label: label.map(str::to_owned),
        place,
        kind: None,
        calls: own.len() as u64,
        failures: 0,
        skipped: 0,
        own: times,
        total: own.iter().sum::<u64>() * 2,
        waited: Times::default(),
    }
}

fn emitter(topic: &str, place: Option<CallSite>, emissions: u64) -> EmitterReport {
    EmitterReport {
        topic: topic.to_owned(),
        place,
        emissions,
    }
}

fn emitted(name: &str, emissions: u64, unheard: u64) -> TopicReport {
    TopicReport {
        name: name.to_owned(),
        type_name: "app::Order",
        emissions,
        unheard,
        #[cfg(feature = "nats")]
        received: None,
    }
}

/// Two topics: one of them with two handlers, of which one waits in a queue and one has gone, and a handler of a
/// pattern; the other was never emitted to.
pub(super) fn report() -> Report {
    let [main, guard, billing, checkout, audit, ui] = places();
    let guarding = HandlerInfo {
        pattern: Some(Name::Fixed("order.>")),
        priority: 10,
        ..handler(1, "order.placed", Some("guard"), guard)
    };
    let in_pattern = HandlerInfo {
        topic: Name::Fixed("order.>"),
        ..guarding.clone()
    };
    let in_paid = HandlerInfo {
        topic: Name::Fixed("order.paid"),
        ..guarding.clone()
    };
    let queued = HandlerInfo {
        kind: HandlerKind::Queue { place: ui },
        target: 5,
        ..handler(2, "order.placed", Some("billing"), billing)
    };
    let wiring = Wiring {
        topics: vec![
            topic("order.paid", main, vec![in_paid]),
            topic("order.placed", main, vec![guarding, queued]),
        ],
        patterns: vec![PatternWiring {
            name: Name::Fixed("order.>"),
            place: guard,
            handlers: vec![in_pattern],
        }],
        queues: vec![
            QueueInfo {
                place: main,
                len: 0,
                capacity: None,
                queue: 4,
            },
            QueueInfo {
                place: ui,
                len: 3,
                capacity: Some(8),
                queue: 5,
            },
        ],
        warn_handlers: 64,
    };
    let mut failing = counted("order.placed", Some("billing"), billing, &[1_000_000; 40]);
    failing.failures = 2;
    failing.waited.add(200_000);
    let mut skipping = counted("order.>", Some("guard"), guard, &[900; 41]);
    skipping.skipped = 1;
    Report {
        topics: vec![emitted("order.placed", 42, 1)],
        handlers: vec![
            skipping,
            failing,
            counted("order.placed", None, audit, &[3_000; 5]),
        ],
        emitters: vec![
            emitter("", None, 2),
            emitter("order.placed", Some(checkout), 40),
        ],
        tail: vec![
            step(7, StepKind::Emitted, Some("order.placed"), checkout),
            step(8, StepKind::Queued, Some("order.placed"), billing),
        ],
        skipped: 90,
        warnings: vec![Warning::Slow {
            topic: "order.placed".to_owned(),
            label: Some("billing".to_owned()),
            place: billing,
            took: std::time::Duration::from_millis(60),
        }],
        wiring,
        at: 2_500_000_000,
    }
}

/// A report in which all that users name is this text.
pub(super) fn hostile(text: &'static str) -> Report {
    let [place, ..] = places();
    let mut report = report();
    for topic in &mut report.wiring.topics {
        topic.name = Name::Fixed(text);
        topic.type_name = text;
        for handler in &mut topic.handlers {
            handler.topic = Name::Fixed(text);
            handler.label = Some(text.into());
            handler.pattern = handler.pattern.take().map(|_| Name::Fixed(text));
        }
    }
    for pattern in &mut report.wiring.patterns {
        pattern.name = Name::Fixed(text);
        pattern.handlers[0].pattern = Some(Name::Fixed(text));
        pattern.handlers[0].label = Some(text.into());
    }
    let forward = HandlerInfo {
        kind: HandlerKind::Forward {
            topic: text.to_owned(),
        },
        ..handler(9, text, Some(text), place)
    };
    report.wiring.topics[1].handlers.push(forward);
    for it in &mut report.topics {
        (it.name, it.type_name) = (text.to_owned(), text);
    }
    for it in &mut report.handlers {
        (it.topic, it.label) = (text.to_owned(), Some(text.to_owned()));
    }
    for it in &mut report.emitters {
        it.topic = it.place.map_or("", |_| text).to_owned();
    }
    for it in &mut report.tail {
        let text = || Some(text.to_owned());
        (it.topic, it.label, it.text, it.failure) = (text(), text(), text(), text());
        it.thread = text().unwrap_or_default();
        it.calls.push(Call {
            label: text(),
            place,
            own: 5,
            failed: true,
        });
    }
    report
}

/// The same, with a topic of which a bridge has received events from one with this name, and the last of them, whose
/// sender calls its line so, too.
#[cfg(feature = "nats")]
pub(super) fn with_received(mut report: Report, name: &str) -> Report {
    let [main, ..] = places();
    let origin = "0123abcd".to_owned();
    let last = std::sync::Arc::new(Received {
        origin: Some(origin.clone()),
        bridge: Some(name.to_owned()),
        number: Some(39),
        lag: Some(3_000_000),
        is_stored: true,
        pending: 12,
        cause: Some(RemoteCause {
            origin,
            cause: cause(0x7f),
            place: name.to_owned(),
        }),
    });
    report.topics[0].received = Some(ReceivedReport {
        count: 40,
        handling: 1,
        at: 500_000_000,
        last: last.clone(),
    });
    report.tail.push(Step {
        received: Some(last),
        ..step(9, StepKind::Received, Some("order.placed"), main)
    });
    report
}
