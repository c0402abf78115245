//! Pieces of work while they run.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use smallvec::SmallVec;

use crate::cause::Cause;
use crate::core::follow::follower::{self, ShowPanic, with_own};
use crate::core::follow::here::{
    Here, HereGuard, Origin, Outer, add_nested, begin_call, end_call, enter, here, now,
};
#[cfg(feature = "jobs")]
use crate::core::follow::here::{cut, is_on};
use crate::core::follow::recorder::{CALLS, CallEntry, Entry};
pub(crate) use crate::core::follow::recorder::{Called, Counting, HandlerKey};
use crate::failure::CallSite;
use crate::follow::step::StepKind;
use crate::topic::any_event::TopicInfo;

/// An emission of a followed bus.
pub(crate) struct Emitting {
    /// `None` for a call that is a part of other work.
    cause: Option<Cause>,
    follower: u32,
    topic: u32,
    began: u64,
    /// The end of the last call.
    last: u64,
    /// Its end is recorded.
    is_ended: bool,
    /// `None` once it has ended, and for a part.
    outer: Option<Outer>,
    _here: Option<HereGuard>,
}

impl Emitting {
    /// Begins an emission, or the delivery of a deferred event. `None` if nobody follows any more. The event is
    /// shown first, which may panic.
    pub(crate) fn begin(
        follower: u32,
        topic_info: &TopicInfo,
        event: Option<&dyn Any>,
        origin: Origin,
        place: CallSite,
    ) -> (Option<Self>, Option<ShowPanic>) {
        let shows = event.zip(follower::shows(follower));
        let (text, panic) =
            shows.map_or((None, None), |(event, it)| it.show(&topic_info.name, event));
        let (parent, began) = (here().cause, now());
        let is_deferred = origin.at != 0;
        let kind = match is_deferred {
            true => StepKind::Deferred,
            false => StepKind::Emitted,
        };
        let place = origin.place.unwrap_or(place);
        let begun = with_own(follower, |records| {
            let topic = records.topic(&topic_info.name);
            records.count_emission(topic, topic_info.type_name(), place);
            let (cause, entry) = records.begin(kind, place, parent, began);
            let entry = entry?;
            entry.topic = Some(topic);
            entry.waited = is_deferred.then(|| began.saturating_sub(origin.at));
            entry.text = text;
            Some((topic, cause?))
        });
        let Some((topic, cause)) = begun.flatten() else {
            return (None, panic);
        };
        let here = Here {
            cause: Some(cause),
            follower,
        };
        let emitting = Emitting {
            cause: Some(cause),
            follower,
            topic,
            began,
            last: began,
            is_ended: false,
            outer: Some(begin_call(None)),
            _here: Some(enter(here)),
        };
        (Some(emitting), panic)
    }

    /// Calls that are no emission of their own: they are counted, and are those of the work that runs, if it `is_part`
    /// of that.
    pub(crate) fn part(follower: u32, is_part: bool) -> Option<Self> {
        let began = now();
        (follower != 0).then(|| Emitting {
            cause: here().cause.filter(|_| is_part),
            follower,
            topic: 0,
            began,
            last: began,
            is_ended: false,
            outer: None,
            _here: None,
        })
    }

    pub(crate) fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// Begins to measure the call of the handler that this line has subscribed.
    pub(crate) fn begin_call(&self, handler: CallSite) -> Outer {
        begin_call(Some(handler))
    }

    /// What was measured. `ran`: the handler was called.
    pub(crate) fn end_call(&mut self, outer: Outer, ran: bool) -> Called {
        let end = now();
        let (nested, failed, failure) = end_call(outer);
        let total = end.saturating_sub(self.last);
        self.last = end;
        Called {
            ran,
            failed,
            failure,
            own: total.saturating_sub(nested),
            total,
        }
    }

    /// Records calls, with how each is counted, and with how the emission ends, if these were all. Returns those that
    /// took longer than they should.
    pub(crate) fn record<'h>(
        &mut self,
        calls: impl Iterator<Item = (HandlerKey<'h>, Called, Counting)>,
        end: Option<(u32, bool)>,
    ) -> SmallVec<[(usize, Duration); 1]> {
        let mut slow = SmallVec::new();
        let took = self.last.saturating_sub(self.began);
        let cause = self.cause;
        // Calls of an emission whose parts run on several threads.
        let mut elsewhere = None;
        with_own(self.follower, |records| {
            let mut failures = (0, None);
            let mut kept = SmallVec::<[CallEntry; 1]>::new();
            for (index, (key, mut called, counting)) in calls.enumerate() {
                let handler = records.handler_at(index, key);
                records.count_given(handler, &called, counting);
                slow.extend(records.slow(&called).map(|took| (index, took)));
                failures.0 += called.failed;
                failures.1 = failures.1.or(called.failure.take());
                if called.ran && kept.len() < CALLS {
                    kept.push(CallEntry::new(handler, &called));
                }
            }
            if let Some((0, _)) = end {
                records.topics[self.topic as usize].unheard += 1;
            }
            if cause.is_some_and(|it| !records.has(it)) {
                elsewhere = Some(failures);
                return;
            }
            let Some(entry) = cause.and_then(|it| records.entry(it)) else {
                return;
            };
            entry.add_calls(kept);
            entry.add_failures(failures.0, failures.1);
            if let Some((ran, stopped)) = end {
                (entry.took, entry.ran, entry.stopped) = (Some(took), ran, stopped);
            }
        });
        if let Some((cause, (failed, failure))) = cause.zip(elsewhere) {
            follower::change(self.follower, cause, |entry| {
                entry.add_failures(failed, failure)
            });
        }
        self.is_ended = end.is_some();
        slow
    }

    /// Ends it.
    pub(crate) fn end(mut self, ran: u32, stopped: bool) {
        self.finish(Some((ran, stopped)));
    }

    fn finish(&mut self, end: Option<(u32, bool)>) {
        let Some(outer) = self.outer.take() else {
            return;
        };
        let (_, failed, failure) = end_call(outer);
        let took = self.last.saturating_sub(self.began);
        add_nested(took);
        if failed == 0 && self.is_ended {
            return;
        }
        with_own(self.follower, |records| {
            let end = end.filter(|_| !self.is_ended);
            if let Some((0, _)) = end {
                records.topics[self.topic as usize].unheard += 1;
            }
            if let Some(entry) = self.cause.and_then(|it| records.entry(it)) {
                if let Some((ran, stopped)) = end {
                    (entry.ran, entry.stopped) = (ran, stopped);
                }
                entry.took = Some(took);
                entry.add_failures(failed, failure);
            }
        });
    }
}

impl Drop for Emitting {
    fn drop(&mut self) {
        self.finish(None);
    }
}

/// A call that waited, a posted closure, or a part of a future: work that calls one piece of user code.
pub(crate) struct Work {
    cause: Cause,
    follower: u32,
    handler: Option<u32>,
    began: u64,
    waited: Option<u64>,
    outer: Option<Outer>,
    _here: HereGuard,
}

impl Work {
    /// Begins a piece of work for the follower with this number. `None` if there is none.
    pub(crate) fn begin(
        follower: u32,
        kind: StepKind,
        handler: Option<HandlerKey<'_>>,
        origin: Origin,
        place: CallSite,
    ) -> Option<Self> {
        if follower == 0 {
            return None;
        }
        let (parent, began) = (origin.here.cause, now());
        let waited = origin.place.map(|_| began.saturating_sub(origin.at));
        let (cause, handler) = with_own(follower, |records| {
            let handler = handler.map(|key| records.handler(key));
            let topic = handler.map(|it| records.handlers[it as usize].topic);
            let (cause, entry) = records.begin(kind, place, parent, began);
            let entry = entry?;
            (entry.topic, entry.handler, entry.waited) = (topic, handler, waited);
            Some((cause?, handler))
        })
        .flatten()?;
        let here = Here {
            cause: Some(cause),
            follower,
        };
        Some(Work {
            cause,
            follower,
            handler,
            began,
            waited,
            outer: Some(begin_call(Some(place))),
            _here: enter(here),
        })
    }

    /// Begins a piece of work that no bus has, if it was led to by work that is followed.
    pub(crate) fn begin_led(kind: StepKind, origin: Origin, place: CallSite) -> Option<Self> {
        Work::begin(origin.here.follower, kind, None, origin, place)
    }

    /// Ends it. `ran`: the user's code was called. Returns how long it took, if that was longer than it should.
    pub(crate) fn end(mut self, ran: bool) -> Option<Duration> {
        self.finish(ran)
    }

    /// Drops it: there was nothing to call.
    pub(crate) fn forget(mut self) {
        if let Some(outer) = self.outer.take() {
            end_call(outer);
            with_own(self.follower, |records| records.forget(self.cause));
        }
    }

    fn finish(&mut self, ran: bool) -> Option<Duration> {
        let outer = self.outer.take()?;
        let (nested, failed, failure) = end_call(outer);
        let total = now().saturating_sub(self.began);
        add_nested(total);
        let mut called = Called {
            ran,
            failed,
            failure,
            own: total.saturating_sub(nested),
            total,
        };
        with_own(self.follower, |records| {
            if let Some(handler) = self.handler {
                records.count_later(handler, &called, self.waited);
            }
            if let Some(entry) = records.entry(self.cause) {
                entry.took = Some(total);
                entry.ran = u32::from(ran);
                entry.add_failures(failed, called.failure.take());
            }
            records.slow(&called)
        })
        .flatten()
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.finish(true);
    }
}

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
            let entry = entry?;
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
            let topic = records.topic(&topic_info.name);
            records.count_emission(topic, topic_info.type_name(), place);
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
                _here: enter(self.here),
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
                entry.thread = thread;
            });
        }
        Part {
            work: self,
            begin,
            outer: Some(begin_call(Some(self.place))),
            _here: enter(self.here),
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
            failure: None,
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
    outer: Option<Outer>,
    _here: HereGuard,
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
