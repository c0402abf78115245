//! Pieces of work while they run.

#[cfg(feature = "nats")]
use std::sync::Arc;
use std::time::Duration;

use crate::cause::Cause;
use crate::core::follow::follower::{self, with_own};
use crate::core::follow::here::{
    Here, Origin, Outer, add_nested, begin_call, begin_work, end_call, here, now,
};
pub(crate) use crate::core::follow::recorder::{Counting, HandlerId, HandlerKey};
pub(crate) use crate::core::follow::tail::Called;
use crate::failure::CallSite;
#[cfg(feature = "nats")]
use crate::follow::received::Received;
use crate::follow::step::StepKind;
use crate::topic::any_event::TopicInfo;
#[cfg(feature = "nats")]
use crate::topic::name::Name;

/// The piece of work that runs on this thread, and the line that has led to it, if that is known on this thread.
#[cfg(feature = "nats")]
pub(crate) fn cause_and_place() -> Option<(Cause, Option<CallSite>)> {
    let here = here();
    let cause = here.cause?;
    let place = with_own(here.follower, |records| {
        records.entry(cause).map(|it| it.place)
    });
    Some((cause, place.flatten()))
}

/// An emission of a followed bus.
pub(crate) struct Emitting {
    /// `None` for a call that is a part of other work.
    cause: Option<Cause>,
    follower: u32,
    topic: u32,
    began: u64,
    /// The end of the last call.
    last: u64,
    /// The text of the first failure of its calls.
    failure: Option<Box<str>>,
    /// Its end is recorded.
    is_ended: bool,
    /// `None` once it has ended, and for a part.
    outer: Option<Outer>,
}

impl Emitting {
    /// Begins an emission, or the delivery of a deferred event, which is shown as this text. `None` if nobody follows
    /// any more.
    pub(crate) fn begin(
        follower: u32,
        topic_info: &TopicInfo,
        text: Option<Box<str>>,
        origin: Origin,
        place: CallSite,
    ) -> Option<Self> {
        let (parent, began) = (here().cause, now());
        let is_deferred = origin.at != 0;
        let kind = match is_deferred {
            true => StepKind::Deferred,
            false => StepKind::Emitted,
        };
        let place = origin.place.unwrap_or(place);
        let begun = with_own(follower, |records| {
            let topic = records.count_emission(topic_info, place);
            let (cause, entry) = records.begin(kind, place, parent, began);
            entry.topic = Some(topic);
            entry.waited = is_deferred.then(|| began.saturating_sub(origin.at));
            entry.set_text(text);
            Some((topic, cause?))
        });
        let (topic, cause) = begun.flatten()?;
        let cause = Some(cause);
        Some(Emitting {
            cause,
            follower,
            topic,
            began,
            last: began,
            failure: None,
            is_ended: false,
            outer: Some(begin_work(Here { cause, follower }, None)),
        })
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
            failure: None,
            is_ended: false,
            outer: None,
        })
    }

    pub(crate) fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// Begins to measure the call of the handler that this line has subscribed.
    pub(crate) fn begin_call(&self, handler: CallSite) -> Outer {
        begin_call(handler)
    }

    /// What was measured. `ran`: the handler was called.
    pub(crate) fn end_call(&mut self, outer: Outer, ran: bool) -> Called {
        let end = now();
        let (nested, failed, failure) = end_call(outer);
        let total = end.saturating_sub(self.last);
        self.last = end;
        if failure.is_some() && self.failure.is_none() {
            self.failure = failure;
        }
        Called {
            ran,
            failed,
            own: total.saturating_sub(nested),
            total,
        }
    }

    /// Records calls of these handlers, and how the emission ends, if these were all. `id` tells what a handler is known
    /// by, and `describe` what it is. Returns those that took longer than they should.
    pub(crate) fn record<'h, H>(
        &mut self,
        handlers: &'h [H],
        calls: &[Called],
        id: impl Fn(&H) -> HandlerId,
        describe: impl Fn(&'h H) -> (HandlerKey<'h>, Counting),
        end: Option<(u32, bool)>,
    ) -> Vec<(usize, Duration)> {
        let mut slow = Vec::new();
        let took = self.last.saturating_sub(self.began);
        let cause = self.cause;
        let failed = calls.iter().map(|it| it.failed).sum();
        let mut failure = self.failure.take();
        // Calls of an emission whose parts run on several threads.
        let mut is_elsewhere = false;
        with_own(self.follower, |records| {
            for (index, (handler, called)) in handlers.iter().zip(calls).enumerate() {
                let (number, counting) = records.known(id(handler), || describe(handler));
                records.count_given(number, called, counting);
                if let Some(took) = records.slow(called) {
                    slow.push((index, took));
                }
                if let Some(entry) = cause.and_then(|it| records.entry(it)) {
                    entry.add_call(number, called);
                }
            }
            if let Some((0, _)) = end {
                records.topics[self.topic as usize].unheard += 1;
            }
            is_elsewhere = cause.is_some_and(|it| !records.has(it));
            let Some(entry) = cause.and_then(|it| records.entry(it)) else {
                return;
            };
            entry.add_failures(failed, failure.take());
            if let Some((ran, stopped)) = end {
                (entry.took, entry.ran, entry.stopped) = (Some(took), ran, stopped);
            }
        });
        if let Some(cause) = cause.filter(|_| is_elsewhere) {
            follower::change(self.follower, cause, |entry| {
                entry.add_failures(failed, failure)
            });
        }
        self.is_ended = end.is_some();
        slow
    }

    /// Ends it.
    pub(crate) fn end(&mut self, ran: u32, stopped: bool) {
        if let Some(outer) = self.outer.take() {
            self.finish(outer, Some((ran, stopped)));
        }
    }

    fn finish(&mut self, outer: Outer, end: Option<(u32, bool)>) {
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
    #[inline]
    fn drop(&mut self) {
        if let Some(outer) = self.outer.take() {
            self.finish(outer, None);
        }
    }
}

/// A call that waited, a posted closure, or a part of a future: work that calls one piece of user code.
pub(crate) struct Work {
    cause: Cause,
    follower: u32,
    handler: Option<u32>,
    /// The topic of an event that has come from another machine.
    #[cfg(feature = "nats")]
    received: Option<u32>,
    began: u64,
    waited: Option<u64>,
    outer: Option<Outer>,
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
            #[cfg(feature = "nats")]
            received: None,
            began,
            waited,
            outer: Some(begin_work(here, Some(place))),
        })
    }

    /// Begins the delivery of an event that has come from another machine.
    #[cfg(feature = "nats")]
    pub(crate) fn begin_received(
        follower: u32,
        topic: &Name,
        received: Received,
        place: CallSite,
    ) -> Option<Self> {
        let mut work = Work::begin(follower, StepKind::Received, None, Origin::NONE, place)?;
        let received = Arc::new(received);
        with_own(follower, |records| {
            let topic = records.count_received(topic, work.began, &received);
            work.received = Some(topic);
            if let Some(entry) = records.entry(work.cause) {
                entry.topic = Some(topic);
                entry.set_received(received);
            }
        });
        Some(work)
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
        let called = Called {
            ran,
            failed,
            own: total.saturating_sub(nested),
            total,
        };
        with_own(self.follower, |records| {
            if let Some(handler) = self.handler {
                records.count_later(handler, &called, self.waited);
            }
            #[cfg(feature = "nats")]
            if let Some(topic) = self.received {
                records.end_received(topic);
            }
            if let Some(entry) = records.entry(self.cause) {
                entry.took = Some(total);
                entry.ran = u32::from(ran);
                entry.add_failures(failed, failure);
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
