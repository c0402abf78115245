//! Deferred events: one lane for each payload type, and one order over all lanes.
//!
//! An event is stored by value in the lane of its type, so that deferring allocates nothing once
//! the lanes have grown. The order says which lane has the next event. A *run* is a number of
//! events in a row, in one lane, with the same target and the same `tracing` span.
//!
//! # Decisions
//!
//! **A drain keeps one read guard for a run of events of one signal**, and checks after each event
//! whether the guarded snapshot is still the published one: no user code runs between two events.
//! For payloads with a `Drop` it takes a guard for each event, because no guard may be held while
//! user code runs between emissions.
//!
//! **The payload type stands beside the lane.** To ask `Any` through the vtable of a trait object
//! cost 4 of 20 ns for each deferred event: the two words of the `TypeId` are returned in memory
//! and compared at once. So the lane's `TypeId` is compared where it is stored, and the cast is
//! done by hand, with the one `unsafe` of this file.
//!
//! **A deferred event keeps the span, not its number.** Subscribers forget a span when it is
//! closed, and a number alone would mostly lead to nothing by the time of the drain. The span is
//! stored in the run, so that events deferred in one span share it, and an event of another span
//! begins another run. It is created before the queue's lock is taken and dropped after it. Events
//! that are taken out one by one share it by a reference count, because cloning a span calls the
//! subscriber.

#![allow(
    unsafe_code,
    reason = "one cast of a lane to its type: what `Any` does made a third of the cost of deferring"
)]

use std::any::TypeId;
use std::collections::VecDeque;
use std::mem::needs_drop;
use std::ops::DerefMut;

use crate::core::emission::run::Runner;
use crate::core::failure::trace::SpanLink;
use crate::core::primitives::flavour::{Local, Shared};
use crate::core::queue::active_drain::ActiveDrain;
use crate::core::queue::claim::Claim;
use crate::core::queue::envelope::{EnvelopeFlavour, FreeList, TypedEnvelope};
use crate::core::queue::index::Index;
use crate::core::queue::target::{Target, call, unreached};
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::signal_info::{SignalInfo, TopicId};
use crate::failure::CallSite;

/// Events of one type, first in, first out.
pub(crate) struct TypedLane<M: QueueFlavour, E: 'static, C: 'static> {
    events: VecDeque<E>,
    /// Invariant: the counts of these and of the open one add up to the number of events.
    runs: VecDeque<Run<M, E, C>>,
    /// The last run, which the next event may join. Stored inline, as its topic is: to follow the
    /// pointers to them, under the queue's lock, cost as much as the rest of deferring.
    open: Option<Run<M, E, C>>,
    /// The topic of the open run. `None` for claimed calls.
    topic_id: Option<TopicId>,
}

/// `count` events in a row with one target and one span.
struct Run<M: QueueFlavour, E: 'static, C: 'static> {
    target: Target<M, E, C>,
    link: SpanLink,
    count: usize,
}

impl<M: QueueFlavour, E, C> TypedLane<M, E, C> {
    pub(crate) fn new() -> Self {
        TypedLane {
            events: VecDeque::new(),
            runs: VecDeque::new(),
            open: None,
            topic_id: None,
        }
    }

    fn pop_run(&mut self) -> Option<Run<M, E, C>> {
        self.runs.pop_front().or_else(|| self.open.take())
    }
}

/// A claim of which no call waits any more, and the span of its last one. To be dropped outside of locks.
pub struct Emptied<M: QueueFlavour, C: 'static>(#[expect(dead_code)] (Claim<M, C>, SpanLink));

/// A lane of any payload type.
pub trait Lane<M: QueueFlavour, C: 'static> {
    /// Delivers the first events: `most` at most, and as many as [`ActiveDrain::take_one`] allows.
    /// Returns how many.
    fn deliver(&mut self, most: usize, drain: &mut ActiveDrain<'_, M, C>) -> usize;
    /// Drops all events, one by one. Returns how many of them were calls that were taken back. `info` and
    /// `location` are those of the queue.
    fn discard(&mut self, info: &SignalInfo<M>, location: CallSite) -> usize;
    /// The number of calls that were taken back. O(n).
    fn holes(&self) -> usize;
    /// Joins the places of calls that were taken back. Returns what is to be dropped, and the number of runs.
    fn join_holes(&mut self) -> (Vec<Emptied<M, C>>, usize);
    /// Removes the first event. `number` is that of the lane.
    fn pop(&mut self, number: usize, free_list: &mut FreeList<M, C>) -> Option<M::Envelope<C>>;
}

impl<M: LaneFor<E>, E: 'static, C: 'static> Lane<M, C> for TypedLane<M, E, C> {
    fn deliver(&mut self, most: usize, drain: &mut ActiveDrain<'_, M, C>) -> usize {
        let mut taken = 0;
        while let Some(first) = self.runs.front_mut().or(self.open.as_mut()) {
            let Run {
                target,
                link,
                count,
            } = first;
            match target {
                Target::Signal(signal) => {
                    let end = taken + (*count).min(most - taken);
                    let (before, mut missed) = (taken, 0);
                    let mut run = Runner::new(signal, link.follows());
                    while taken < end && drain.take_one() {
                        let Some(event) = self.events.pop_front() else {
                            break;
                        };
                        taken += 1;
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
                    *count -= taken - before;
                    drain.summary.delivered += taken - before - missed;
                }
                Target::Call(claim, number) => {
                    while *count > 0 && taken < most && drain.take_one() {
                        self.events.pop_front();
                        *count -= 1;
                        taken += 1;
                        let this = *number;
                        *number += 1;
                        call(claim, this, link.follows(), drain);
                    }
                }
                Target::Hole => {
                    let before = taken;
                    while *count > 0 && taken < most && drain.take_one() {
                        self.events.pop_front();
                        *count -= 1;
                        taken += 1;
                    }
                    drain.pass_holes(taken - before);
                }
            }
            if *count > 0 {
                break;
            }
            // May drop the last handle of the signal, or captures.
            drop(self.pop_run());
        }
        taken
    }

    fn discard(&mut self, info: &SignalInfo<M>, location: CallSite) -> usize {
        let mut holes = 0;
        while let Some(mut run) = self.pop_run() {
            for _ in 0..run.count.min(self.events.len()) {
                let event = self.events.pop_front();
                drop_event(event, run.target.info().unwrap_or(info), location);
                holes += usize::from(run.target.discard());
                run.target.advance();
            }
        }
        holes
    }

    fn holes(&self) -> usize {
        let runs = self.runs.iter().chain(&self.open);
        runs.map(|run| run.target.holes(run.count)).sum()
    }

    fn join_holes(&mut self) -> (Vec<Emptied<M, C>>, usize) {
        let mut emptied = Vec::new();
        let mut runs = VecDeque::<Run<M, E, C>>::with_capacity(self.runs.capacity());
        for mut run in self.runs.drain(..) {
            let mut holes = 0;
            while run.count > 0 && run.target.is_hole() {
                run.target.advance();
                run.count -= 1;
                holes += 1;
            }
            if holes > 0 {
                match runs.back_mut() {
                    Some(Run {
                        target: Target::Hole,
                        count,
                        ..
                    }) => *count += holes,
                    _ => runs.push_back(Run {
                        target: Target::Hole,
                        link: SpanLink::NONE,
                        count: holes,
                    }),
                }
            }
            match run.target {
                _ if run.count > 0 => runs.push_back(run),
                Target::Call(claim, _) => emptied.push(Emptied((claim, run.link))),
                Target::Signal(_) | Target::Hole => {}
            }
        }
        self.runs = runs;
        (emptied, self.runs.len())
    }

    fn pop(&mut self, number: usize, free_list: &mut FreeList<M, C>) -> Option<M::Envelope<C>> {
        let event = self.events.pop_front()?;
        let first = self.runs.front_mut().or(self.open.as_mut())?;
        first.count -= 1;
        let (target, link) = match &mut first.target {
            Target::Signal(signal) if first.count > 0 => {
                (Target::Signal(signal.clone()), first.link.clone())
            }
            Target::Call(claim, number) if first.count > 0 => {
                let this = *number;
                *number += 1;
                (Target::Call(claim.clone(), this), first.link.clone())
            }
            Target::Hole if first.count > 0 => (Target::Hole, first.link.clone()),
            _ => {
                let Run { target, link, .. } = self.pop_run()?;
                (target, link)
            }
        };
        Some(free_list.allocate(number, (target, link, event), M::envelope))
    }
}

/// A lane and its payload type.
struct Erased<M: QueueFlavour, C: 'static> {
    payload: TypeId,
    /// Invariant: a `TypedLane` for the payload.
    lane: M::Lane<C>,
}

impl<M: QueueFlavour, C: 'static> Erased<M, C> {
    /// The lane with its type, or `None` if it has another one.
    #[inline]
    fn typed<E: 'static>(&mut self) -> Option<&mut TypedLane<M, E, C>> {
        if self.payload != TypeId::of::<E>() {
            return None;
        }
        let lane: *mut <M::Lane<C> as std::ops::Deref>::Target = &mut *self.lane;
        // SAFETY: `Batch::open` alone constructs an `Erased`, and asks `LaneFor` for the lane of the payload type
        // that was just found to be `E`.
        Some(unsafe { &mut *lane.cast() })
    }
}

/// Lanes, and the order of the events in them.
pub(crate) struct Batch<M: QueueFlavour, C: 'static> {
    lanes: Vec<Option<Erased<M, C>>>,
    /// Numbers of lanes, each with how many events in a row are from that lane.
    order: VecDeque<(usize, usize)>,
    len: usize,
    /// The number of the first event of this batch, counted over the life of the queue.
    pub(super) first: u64,
}

impl<M: QueueFlavour, C: 'static> Default for Batch<M, C> {
    fn default() -> Self {
        Batch {
            lanes: Vec::new(),
            order: VecDeque::new(),
            len: 0,
            first: 0,
        }
    }
}

impl<M: QueueFlavour, C: 'static> Batch<M, C> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The number of the next event that is added.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.len as u64
    }

    /// Adds an event at the end. `joins` says whether the target of the last one of its type is its
    /// target, too. If not, `target` creates the target and `link` is taken; without a target the event is
    /// returned. Runs under the queue's lock, and calls no user code.
    #[inline]
    pub(crate) fn push<E: 'static>(
        &mut self,
        index: &mut Index,
        event: E,
        link: &mut SpanLink,
        joins: impl FnOnce(&Target<M, E, C>, Option<TopicId>) -> bool,
        target: impl FnOnce() -> Option<Target<M, E, C>>,
    ) -> Result<(), E>
    where
        M: LaneFor<E>,
    {
        let number = index.number(TypeId::of::<E>());
        let lane = match self.lanes.get_mut(number) {
            Some(Some(lane)) => lane,
            _ => self.open::<E>(number),
        };
        let Some(lane) = lane.typed() else {
            unreachable!("the index gives each type a lane of its own")
        };
        let topic_id = lane.topic_id;
        match &mut lane.open {
            Some(open) if open.link.is(link) && joins(&open.target, topic_id) => open.count += 1,
            _ => {
                let Some(target) = target() else {
                    return Err(event);
                };
                let info = target.signal().map(|signal| &signal.info);
                lane.topic_id = info.map(|info| TopicId::new(&info.config, info.name()));
                let link = link.take();
                let open = lane.open.replace(Run {
                    target,
                    link,
                    count: 1,
                });
                if let Some(full) = open {
                    lane.runs.push_back(full);
                }
            }
        }
        lane.events.push_back(event);
        match self.order.back_mut() {
            Some((last, count)) if *last == number => *count += 1,
            _ => self.order.push_back((number, 1)),
        }
        self.len += 1;
        Ok(())
    }

    #[cold]
    fn open<E: 'static>(&mut self, number: usize) -> &mut Erased<M, C>
    where
        M: LaneFor<E>,
    {
        if self.lanes.len() <= number {
            self.lanes.resize_with(number + 1, || None);
        }
        self.lanes[number].insert(Erased {
            payload: TypeId::of::<E>(),
            lane: M::lane::<C>(),
        })
    }

    /// The lane with the first event, its number, and how many events in a row are from it.
    fn first_lane(&mut self) -> Option<(&mut M::Lane<C>, usize, usize)> {
        let &(number, count) = self.order.front()?;
        let lane = self.lanes.get_mut(number)?.as_mut()?;
        Some((&mut lane.lane, number, count))
    }

    /// Delivers from the lane with the first event, `most` events at most; returns how many.
    pub(crate) fn deliver(&mut self, most: usize, drain: &mut ActiveDrain<'_, M, C>) -> usize {
        let Some((lane, _, count)) = self.first_lane() else {
            return 0;
        };
        let taken = lane.deliver(most.min(count), drain);
        self.advance(taken);
        taken
    }

    /// Removes the first event. Runs under the queue's lock, and calls no user code.
    pub(crate) fn pop(&mut self, free_list: &mut FreeList<M, C>) -> Option<M::Envelope<C>> {
        let (lane, number, _) = self.first_lane()?;
        let envelope = lane.pop(number, free_list)?;
        self.advance(1);
        Some(envelope)
    }

    /// Accounts for events that were removed from the front.
    fn advance(&mut self, taken: usize) {
        self.len -= taken;
        self.first += taken as u64;
        match self.order.front_mut() {
            Some((_, count)) if *count > taken => *count -= taken,
            _ => drop(self.order.pop_front()),
        }
    }

    /// The number of calls that were taken back. O(n).
    pub(super) fn holes(&self) -> usize {
        let lanes = self.lanes.iter().flatten();
        lanes.map(|lane| lane.lane.holes()).sum()
    }

    /// Joins the places of calls that were taken back, in the lane with this number.
    pub(super) fn join_holes(&mut self, number: usize) -> (Vec<Emptied<M, C>>, usize) {
        match self.lanes.get_mut(number) {
            Some(Some(lane)) => lane.lane.join_holes(),
            _ => (Vec::new(), 0),
        }
    }

    /// Drops all events, one by one. The lanes keep their capacity. Returns how many of the events were calls
    /// that were taken back.
    pub(crate) fn discard(&mut self, info: &SignalInfo<M>, location: CallSite) -> usize {
        self.order.clear();
        self.first = self.end();
        self.len = 0;
        let lanes = self.lanes.iter_mut().flatten();
        lanes.map(|lane| lane.lane.discard(info, location)).sum()
    }
}

/// What a queue needs of a flavour for lanes: a box that is `Send` if events are.
pub trait QueueFlavour: EnvelopeFlavour {
    type Lane<C: 'static>: DerefMut<Target: Lane<Self, C>>;
}

impl QueueFlavour for Shared {
    type Lane<C: 'static> = Box<dyn Lane<Shared, C> + Send>;
}

impl QueueFlavour for Local {
    type Lane<C: 'static> = Box<dyn Lane<Local, C>>;
}

/// A flavour whose queues take events of this type.
///
/// # Safety
///
/// `lane` returns a box of a [`TypedLane`] for this flavour, `E` and `C`.
pub unsafe trait LaneFor<E>: QueueFlavour {
    /// Boxes an envelope.
    fn envelope<C: 'static>(typed: TypedEnvelope<Self, E, C>) -> Self::Envelope<C>
    where
        E: 'static;

    /// Creates a lane for payloads of this type.
    fn lane<C: 'static>() -> Self::Lane<C>
    where
        E: 'static;
}

// SAFETY: `lane` boxes a lane of these types.
unsafe impl<E: Send> LaneFor<E> for Shared {
    fn lane<C: 'static>() -> Self::Lane<C>
    where
        E: 'static,
    {
        Box::new(TypedLane::<Shared, E, C>::new())
    }

    fn envelope<C: 'static>(typed: TypedEnvelope<Self, E, C>) -> Self::Envelope<C>
    where
        E: 'static,
    {
        Box::new(typed)
    }
}

// SAFETY: `lane` boxes a lane of these types.
unsafe impl<E> LaneFor<E> for Local {
    fn lane<C: 'static>() -> Self::Lane<C>
    where
        E: 'static,
    {
        Box::new(TypedLane::<Local, E, C>::new())
    }

    fn envelope<C: 'static>(typed: TypedEnvelope<Self, E, C>) -> Self::Envelope<C>
    where
        E: 'static,
    {
        Box::new(typed)
    }
}
