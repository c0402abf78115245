//! What users are told, on a thread of its own: failures for the error hook, and changes of the state. Both are user
//! code, which must hold up neither the connection nor a delivery.
//!
//! Bounded: of failures the newest are left out beyond [`MOST`], and their number is told; of states only the last one
//! is kept.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};

use crate::core::failure::panics::{catch, drop_payload};
use crate::core::primitives::sync::{lock, wait};
use crate::failure::CallSite;
use crate::nats::error::BridgeError;
use crate::nats::state::State;

/// How many failures wait at most.
const MOST: usize = 1024;

/// A failure that is to be told.
pub(super) struct Report {
    pub(super) topic: String,
    /// The line of the route, or of the start.
    pub(super) place: CallSite,
    pub(super) error: BridgeError,
}

#[derive(Default)]
pub(super) struct Teller {
    pending: Mutex<Pending>,
    ready: Condvar,
}

#[derive(Default)]
struct Pending {
    reports: VecDeque<Report>,
    /// How many were left out since the last one was told.
    left_out: usize,
    state: Option<State>,
    ended: bool,
    /// Whether the thread waits: who notifies it asks the system, which takes longer than all the rest.
    is_idle: bool,
}

impl Teller {
    /// Adds something, and has the thread look at it.
    fn add(&self, add: impl FnOnce(&mut Pending)) {
        let mut pending = lock(&self.pending);
        add(&mut pending);
        let was_idle = std::mem::take(&mut pending.is_idle);
        drop(pending);
        if was_idle {
            self.ready.notify_one();
        }
    }

    pub(super) fn report(&self, report: Report) {
        // Where it is left out, it is dropped outside of the lock.
        let mut report = Some(report);
        self.add(|pending| {
            if pending.reports.len() < MOST {
                pending.reports.extend(report.take());
            } else {
                pending.left_out += 1;
            }
        });
    }

    pub(super) fn state(&self, state: State) {
        self.add(|pending| pending.state = Some(state));
    }

    /// Has [`run`](Self::run) return when everything is told.
    pub(super) fn end(&self) {
        self.add(|pending| pending.ended = true);
    }

    /// Tells what there is to tell, until the end.
    pub(super) fn run(&self, report: &dyn Fn(Report), state: &dyn Fn(State)) {
        loop {
            let mut pending = lock(&self.pending);
            while pending.is_empty() && !pending.ended {
                pending.is_idle = true;
                pending = wait(&self.ready, pending);
            }
            if pending.is_empty() {
                return;
            }
            let ended = pending.ended;
            let now = std::mem::replace(
                &mut *pending,
                Pending {
                    ended,
                    ..Pending::default()
                },
            );
            drop(pending);
            if let Some(it) = now.state {
                contained(|| state(it));
            }
            let last = now.reports.back().map(|it| (it.topic.clone(), it.place));
            for it in now.reports {
                contained(|| report(it));
            }
            if let (Some((topic, place)), 1..) = (last, now.left_out) {
                let text = format!("{} further failures were left out", now.left_out);
                contained(|| {
                    report(Report {
                        topic,
                        place,
                        error: BridgeError::Server(text),
                    })
                });
            }
        }
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.reports.is_empty() && self.state.is_none()
    }
}

/// Runs user code whose panic is nobody's.
pub(super) fn contained(f: impl FnOnce()) {
    if let Err(payload) = catch(f) {
        drop_payload(payload);
    }
}
