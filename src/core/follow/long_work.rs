//! Work that runs later than it is made, perhaps in parts and on several threads.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::cause::Cause;
use crate::core::follow::follower::{self, with_own};
use crate::core::follow::here::{
    Here, HereGuard, Outer, add_nested, begin_work, end_call, enter, here, now,
};
#[cfg(feature = "jobs")]
use crate::core::follow::here::{cut, is_on};
use crate::core::follow::recorder::HandlerKey;
use crate::core::follow::tail::{Called, Entry};
use crate::failure::CallSite;
use crate::follow::step::StepKind;
use crate::topic::any_event::TopicInfo;

/// Work that has a number from the moment it is made, and runs later, perhaps in parts and on several threads: a job, a
/// promise, the future of a handler.
pub(crate) struct LongWork {
    here: Here,
    /// What its failures are blamed on.
    place: CallSite,
    /// When it was made; 0 if it has no number.
    made: u64,
    /// When it began; 0 if it has not.
    began: AtomicU64,
    own: AtomicU64,
    failed: AtomicU32,
    ended: AtomicBool,
}

impl LongWork {
    /// Makes a piece of work for the follower with this number. Without one it only follows from what has made it.
    fn new(
        follower: u32,
        kind: StepKind,
        handler: Option<HandlerKey<'_>>,
        place: CallSite,
    ) -> Self {
        let outer = here();
        let carried = LongWork {
            here: outer,
            place,
            made: 0,
            began: AtomicU64::new(0),
            own: AtomicU64::new(0),
            failed: AtomicU32::new(0),
            ended: AtomicBool::new(true),
        };
        if follower == 0 {
            return carried;
        }
        let (parent, made) = (outer.cause, now());
        let cause = with_own(follower, |records| {
            let handler = handler.map(|key| records.handler(key));
            let topic = handler.map(|it| records.handlers[it as usize].topic);
            let (cause, entry) = records.begin(kind, place, parent, made);
            (entry.topic, entry.handler) = (topic, handler);
            cause
        });
        match cause.flatten() {
            None => carried,
            cause => LongWork {
                here: Here { cause, follower },
                place,
                made,
                began: AtomicU64::new(0),
                own: AtomicU64::new(0),
                failed: AtomicU32::new(0),
                ended: AtomicBool::new(false),
            },
        }
    }

    /// The future of a handler.
    pub(crate) fn of_handler(follower: u32, handler: HandlerKey<'_>) -> Self {
        LongWork::new(follower, StepKind::Async, Some(handler), handler.place)
    }

    /// An emission that runs in parts.
    pub(crate) fn of_emission(follower: u32, topic_info: &TopicInfo, place: CallSite) -> Self {
        let work = LongWork::new(follower, StepKind::Emitted, None, place);
        if !work.is_recorded() {
            return work;
        }
        with_own(follower, |records| {
            let topic = records.count_emission(topic_info, place);
            if let Some(entry) = work.here.cause.and_then(|it| records.entry(it)) {
                entry.topic = Some(topic);
            }
        });
        work
    }

    /// Whether it has a number of its own.
    fn is_recorded(&self) -> bool {
        self.made != 0
    }

    /// Notes what an emission that runs in parts has done.
    pub(crate) fn note(&self, topic_info: &TopicInfo, ran: u32, stopped: bool) {
        if ran == 0 && self.is_recorded() {
            with_own(self.here.follower, |records| {
                let topic = records.topic(&topic_info.name);
                records.topics[topic as usize].unheard += 1;
            });
        }
        self.change(|entry| (entry.ran, entry.stopped) = (ran, stopped));
    }

    /// A job or a promise that is made by work that is followed.
    #[cfg(feature = "jobs")]
    pub(crate) fn of_job(place: CallSite) -> Self {
        let follower = if is_on() { here().follower } else { 0 };
        LongWork::new(follower, StepKind::Job, None, place)
    }

    /// Its number.
    pub(crate) fn cause(&self) -> Option<Cause> {
        self.here.cause.filter(|_| self.is_recorded())
    }

    fn change(&self, f: impl FnOnce(&mut Entry)) {
        if let Some(cause) = self.cause() {
            follower::change(self.here.follower, cause, f);
        }
    }

    /// Notes a failure that it ends with.
    #[cfg(feature = "jobs")]
    pub(crate) fn fail(&self, text: &str) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.change(|entry| entry.add_failures(1, Some(cut(text.to_owned()))));
    }

    /// Runs a part of it, until the guard is dropped.
    pub(crate) fn enter(&self) -> Part<'_> {
        if !self.is_recorded() {
            return Part {
                work: self,
                begin: 0,
                outer: None,
                _here: Some(enter(self.here)),
            };
        }
        let begin = now();
        let is_first = self
            .began
            .compare_exchange(0, begin, Ordering::Relaxed, Ordering::Relaxed);
        if is_first.is_ok() {
            let thread = with_own(self.here.follower, |records| records.thread()).flatten();
            self.change(|entry| {
                entry.waited = Some(begin.saturating_sub(self.made));
                entry.at = begin;
                entry.set_thread(thread);
            });
        }
        Part {
            work: self,
            begin,
            outer: Some(begin_work(self.here, Some(self.place))),
            _here: None,
        }
    }

    /// Has what runs until the guard is dropped follow from it.
    pub(crate) fn lead(&self) -> HereGuard {
        enter(self.here)
    }

    /// Ends it. With the handler whose future it is. Returns how long that took, if it was longer than it should.
    pub(crate) fn end(&self, handler: Option<HandlerKey<'_>>) -> Option<Duration> {
        if self.ended.swap(true, Ordering::Relaxed) {
            return None;
        }
        let (end, began) = (now(), self.began.load(Ordering::Relaxed));
        let called = Called {
            ran: began != 0,
            failed: self.failed.load(Ordering::Relaxed),
            own: self.own.load(Ordering::Relaxed),
            total: end.saturating_sub(self.made),
        };
        let slow = handler.and_then(|key| {
            with_own(self.here.follower, |records| {
                let handler = records.handler(key);
                records.count_later(handler, &called, None);
                records.slow(&called)
            })
        });
        self.change(|entry| {
            entry.took = Some(end.saturating_sub(entry.at));
            entry.ran = entry.ran.max(u32::from(called.ran));
        });
        slow.flatten()
    }
}

impl Drop for LongWork {
    fn drop(&mut self) {
        self.end(None);
    }
}

/// A part of a [`LongWork`] that runs on this thread.
pub(crate) struct Part<'w> {
    work: &'w LongWork,
    begin: u64,
    /// What has begun to be measured, if that is recorded.
    outer: Option<Outer>,
    _here: Option<HereGuard>,
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        let Some(outer) = self.outer.take() else {
            return;
        };
        let (nested, failed, failure) = end_call(outer);
        let total = now().saturating_sub(self.begin);
        add_nested(total);
        let own = total.saturating_sub(nested);
        self.work.own.fetch_add(own, Ordering::Relaxed);
        if failed > 0 {
            self.work.failed.fetch_add(failed, Ordering::Relaxed);
            self.work
                .change(|entry| entry.add_failures(failed, failure));
        }
    }
}
