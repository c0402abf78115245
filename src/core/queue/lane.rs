//! The lane of one payload type: its events, by value, and their targets.
//!
//! A *run* is a number of events in a row, in one lane, with the same target and the same `tracing` span.
//!
//! # Decisions
//!
//! **A drain keeps one read guard for a run of events of one signal**, and checks after each event
//! whether the guarded snapshot is still the published one: no user code runs between two events.
//! For payloads with a `Drop` it takes a guard for each event, because no guard may be held while
//! user code runs between emissions.
//!
//! **A deferred event keeps the span, not its number.** Subscribers forget a span when it is
//! closed, and a number alone would mostly lead to nothing by the time of the drain. The span is
//! stored in the run, so that events deferred in one span share it, and an event of another span
//! begins another run. It is created before the queue's lock is taken and dropped after it. Events
//! that are taken out one by one share it by a reference count, because cloning a span calls the
//! subscriber.

use std::cell::{Cell, RefCell};
use std::mem::needs_drop;

use crate::core::emission::run::Runner;
use crate::core::failure::link::Link;
use crate::core::primitives::sync::Word;
use crate::core::queue::active_drain::ActiveDrain;
use crate::core::queue::envelope::{EnvelopeFlavour, EnvelopeFor, FreeList};
use crate::core::queue::runs::{Content, Emptied};
use crate::core::queue::target::{Caller, Target, unreached};
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::signal_info::{SignalInfo, TopicId};
use crate::core::signal::signal::Signal;
use crate::failure::CallSite;

/// Events of one type, first in, first out.
pub(crate) struct TypedLane<M: EnvelopeFlavour, E: 'static, C: 'static> {
    /// Not borrowed while user code runs, which may be a drain that takes from this lane.
    content: RefCell<Content<M, E, C>>,
    /// How many of the events that the current delivery has taken are taken off their runs.
    taken_off: Cell<usize>,
    /// The topic of the open run. `None` for claimed calls.
    topic_id: Option<TopicId>,
}

impl<M: EnvelopeFlavour, E, C> TypedLane<M, E, C> {
    pub(crate) fn new() -> Self {
        TypedLane {
            content: RefCell::default(),
            taken_off: Cell::new(0),
            topic_id: None,
        }
    }

    /// Adds an event; see [`Batch::push`](crate::core::queue::lanes::Batch::push).
    #[inline]
    pub(super) fn push(
        &mut self,
        event: E,
        link: &mut Link,
        joins: impl FnOnce(&Target<M, E, C>, Option<TopicId>) -> bool,
        target: impl FnOnce() -> Option<Target<M, E, C>>,
    ) -> Result<(), E> {
        let content = self.content.get_mut();
        match &mut content.open {
            Some(open) if open.link.is(link) && joins(&open.target, self.topic_id) => {
                open.count += 1;
            }
            _ => {
                let Some(target) = target() else {
                    return Err(event);
                };
                let info = target.signal().map(|signal| &signal.info);
                self.topic_id = info.map(|info| TopicId::new(&info.config, info.name()));
                content.begin_run(target, link.take());
            }
        }
        content.events.push_back(event);
        Ok(())
    }
}

/// A lane of any payload type.
pub trait Lane<M: EnvelopeFlavour, C: 'static> {
    /// Delivers the first events: `most` at most, and as many as [`ActiveDrain::take_one`] allows,
    /// where `left` are left. Returns how many.
    fn deliver(&self, most: usize, left: usize, drain: &mut ActiveDrain<'_, M, C>) -> usize;
    /// Takes those off their run that the current delivery has taken, `taken` in all.
    fn settle(&self, taken: usize);
    /// Drops all events, one by one. Returns how many of them were calls that were taken back. `info` and
    /// `location` are those of the queue.
    fn discard(&mut self, info: &SignalInfo<M>, location: CallSite) -> usize;
    /// Returns whether it has events of the topic with this information, or calls of handlers of it.
    fn is_of(&self, info: &SignalInfo<M>) -> bool;
    /// How many events, or runs of them, it has room for.
    fn room(&self) -> usize;
    /// Joins the places of calls that were taken back. Returns what is to be dropped, and the number of runs.
    fn join_holes(&mut self) -> (Vec<Emptied<M, C>>, usize);
    /// Removes the first event. `number` is that of the lane.
    fn pop(&self, number: usize, free_list: &mut FreeList<M, C>) -> Option<M::Envelope<C>>;
}

impl<M: EnvelopeFor<E>, E: 'static, C: 'static> Lane<M, C> for TypedLane<M, E, C> {
    fn deliver(&self, most: usize, left: usize, drain: &mut ActiveDrain<'_, M, C>) -> usize {
        let mut taken = 0;
        self.taken_off.set(0);
        while taken < most {
            let mut content = self.content.borrow_mut();
            match content.first_run() {
                Some(run) if run.count > 1 => {
                    // Because a drain inside of a handler may take the rest of the run.
                    let (target, link) = (run.target.repeat(), run.link.clone());
                    let end = left - most.min(taken + run.count);
                    drop(content);
                    let mut now = left - taken;
                    let _here = link.follows().origin().enter();
                    match &target {
                        Target::Signal(signal) => {
                            self.deliver_run(signal, &link, &mut now, end, drain);
                        }
                        Target::Call(claim, first) => {
                            let mut caller = Caller::new(claim, link.follows());
                            let mut number = *first;
                            while self.take_next(&mut now, end, drain).is_some() {
                                caller.call(number, drain);
                                number += 1;
                            }
                            caller.leave(drain);
                        }
                        Target::Hole => {
                            while self.take_next(&mut now, end, drain).is_some() {
                                drain.pass_hole();
                            }
                        }
                    }
                    taken = left - now;
                    if now > end || drain.left.get() != now {
                        break;
                    }
                    self.settle(taken);
                }
                Some(_) if drain.take_one(left - taken) => {
                    let next = content.take_first();
                    drop(content);
                    taken += 1;
                    self.taken_off.set(taken);
                    if let Some((target, link, event)) = next {
                        target.deliver(event, link.follows(), drain);
                        // May drop the last handle of the signal, or captures.
                    }
                    if drain.left.get() != left - taken {
                        break;
                    }
                }
                _ => break,
            }
        }
        taken
    }

    fn settle(&self, taken: usize) {
        let count = taken - self.taken_off.replace(taken);
        // The delivery has a clone of the target.
        drop(self.content.borrow_mut().take_off(count));
    }

    fn discard(&mut self, info: &SignalInfo<M>, location: CallSite) -> usize {
        self.content.get_mut().discard(info, location)
    }

    fn is_of(&self, info: &SignalInfo<M>) -> bool {
        self.content.borrow().is_of(info)
    }

    fn room(&self) -> usize {
        self.content.borrow().room()
    }

    fn join_holes(&mut self) -> (Vec<Emptied<M, C>>, usize) {
        self.content.get_mut().join_holes()
    }

    fn pop(&self, number: usize, free_list: &mut FreeList<M, C>) -> Option<M::Envelope<C>> {
        let content = self.content.borrow_mut().take_first()?;
        Some(free_list.allocate(number, content, M::envelope))
    }
}

impl<M: EnvelopeFor<E>, E: 'static, C: 'static> TypedLane<M, E, C> {
    /// Takes the next event of a run, of `left` that are left, unless only `end` are to be left, or a handler
    /// has cleared the queue, or drained it.
    #[inline(always)]
    fn take_next(&self, left: &mut usize, end: usize, drain: &ActiveDrain<'_, M, C>) -> Option<E> {
        if *left == end || !drain.take_one(*left) {
            return None;
        }
        *left -= 1;
        self.content.borrow_mut().events.pop_front()
    }

    /// Delivers the events of one run, as many as [`take_next`](Self::take_next) takes.
    #[inline]
    fn deliver_run(
        &self,
        signal: &Signal<M, E, C>,
        link: &Link,
        left: &mut usize,
        end: usize,
        drain: &mut ActiveDrain<'_, M, C>,
    ) {
        let before = *left;
        let mut missed = 0;
        let mut run = Runner::new(signal, link.follows());
        while let Some(event) = self.take_next(left, end, drain) {
            let mut summary = run.emit(&event, drain.context);
            if summary.counts.ran() == 0 {
                // It may look for other handlers: no read guard may be held meanwhile.
                run = Runner::new(signal, link.follows());
                summary = unreached(signal, &event, summary, link.follows(), drain);
                missed += usize::from(summary.counts.ran() == 0);
            }
            if let Some(report) = summary.report {
                drain.report(report, signal.info.config.panics());
            }
            if needs_drop::<E>() {
                // User code: no read guard may be held meanwhile.
                run = Runner::new(signal, link.follows());
                drop_event(event, &signal.info, drain.location);
            }
        }
        drain.summary.delivered += before - *left - missed;
    }
}
