//! What users are told, on a thread of its own: failures for the error hook, changes of the state, and the wakers of
//! awaited emissions. All of these are user code, which must hold up neither the connection nor a delivery.
//!
//! Bounded: of failures the newest are left out beyond [`MOST`], and their number is told; of states only the last one
//! is kept. Wakers are as many as there are emissions that somebody awaits.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};
use std::task::Waker;

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
    wakers: Vec<Waker>,
    ended: bool,
}

impl Teller {
    pub(super) fn report(&self, report: Report) {
        let mut pending = lock(&self.pending);
        if pending.reports.len() < MOST {
            pending.reports.push_back(report);
        } else {
            pending.left_out += 1;
        }
        drop(pending);
        self.ready.notify_one();
    }

    pub(super) fn state(&self, state: State) {
        let before = lock(&self.pending).state.replace(state);
        drop(before);
        self.ready.notify_one();
    }

    pub(super) fn wake(&self, wakers: impl IntoIterator<Item = Waker>) {
        lock(&self.pending).wakers.extend(wakers);
        self.ready.notify_one();
    }

    /// Has [`run`](Self::run) return when everything is told.
    pub(super) fn end(&self) {
        lock(&self.pending).ended = true;
        self.ready.notify_one();
    }

    /// Tells what there is to tell, until the end.
    pub(super) fn run(&self, report: &dyn Fn(Report), state: &dyn Fn(State)) {
        loop {
            let mut pending = lock(&self.pending);
            while pending.is_empty() && !pending.ended {
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
            for waker in now.wakers {
                contained(|| waker.wake());
            }
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
        self.reports.is_empty() && self.state.is_none() && self.wakers.is_empty()
    }
}

/// Runs user code whose panic is nobody's.
fn contained(f: impl FnOnce()) {
    if let Err(payload) = catch(f) {
        drop_payload(payload);
    }
}
