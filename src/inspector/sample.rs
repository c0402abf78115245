//! What is followed, made by hand, for the unit tests of the answers.

use std::panic::Location;

use crate::cause::Cause;
use crate::follow::report::{EmitterReport, HandlerReport, Report, TopicReport};
use crate::follow::step::{Step, StepKind};
use crate::follow::times::Times;
use crate::follow::trail::Trail;
use crate::inspector::Source;
use crate::topic::name::Name;
use crate::wiring::{TopicWiring, Wiring};

const NAME: &str = "order.placed";

/// One topic with a handler and two events.
pub(super) struct Fake {
    steps: Vec<Step>,
    pub(super) has_ended: bool,
}

fn cause(number: u64) -> Cause {
    Cause::new(0xa3, number).expect("it is not 0")
}

impl Fake {
    pub(super) fn new() -> Self {
        let step = |number, parent| Step {
            cause: cause(number),
            parent,
            kind: StepKind::Emitted,
            topic: Some(NAME.to_owned()),
            label: None,
            place: Location::caller(),
            thread: NAME.to_owned(),
            at: number * 1_000_000,
            waited: None,
            took: Some(500_000),
            ran: 1,
            failed: 1,
            stopped: false,
            text: Some(NAME.to_owned()),
            failure: Some(NAME.to_owned()),
            calls: Vec::new(),
            #[cfg(feature = "nats")]
            received: None,
        };
        Fake {
            steps: vec![step(7, None), step(8, Some(cause(7)))],
            has_ended: false,
        }
    }
}

fn wiring() -> Wiring {
    let topic = TopicWiring {
        name: Name::Fixed(NAME),
        type_name: "u64",
        place: Location::caller(),
        handlers: Vec::new(),
        retained: 0,
        signal: 0,
    };
    Wiring {
        topics: vec![topic],
        patterns: Vec::new(),
        queues: Vec::new(),
        warn_handlers: 0,
    }
}

impl Source for Fake {
    fn has_ended(&self) -> bool {
        self.has_ended
    }

    fn report(&self) -> Report {
        Report {
            topics: vec![TopicReport {
                name: NAME.to_owned(),
                type_name: "u64",
                emissions: 2,
                unheard: 0,
                #[cfg(feature = "nats")]
                received: None,
            }],
            handlers: vec![HandlerReport {
                topic: NAME.to_owned(),
                label: Some(NAME.to_owned()),
                place: Location::caller(),
                kind: None,
                calls: 2,
                failures: 1,
                skipped: 0,
                own: Times::default(),
                total: 0,
                waited: Times::default(),
            }],
            emitters: vec![EmitterReport {
                topic: NAME.to_owned(),
                place: Some(Location::caller()),
                emissions: 2,
            }],
            tail: self.steps.clone(),
            skipped: 0,
            warnings: Vec::new(),
            wiring: wiring(),
            at: 10_000_000,
        }
    }

    fn trail(&self, cause: Cause) -> Option<Trail> {
        Trail::to(cause, &self.steps)
    }

    fn cascade(&self, cause: Cause) -> Option<Trail> {
        Trail::around(cause, &self.steps)
    }
}
