//! Deferred events: one lane for each payload type, one order over all lanes.
//!
//! An event is stored by value in the lane of its type, so that deferring allocates nothing once
//! the lanes have grown; the order says from which lane the next one comes.

use std::any::TypeId;
use std::collections::VecDeque;
use std::mem::needs_drop;
use std::ops::DerefMut;

use crate::core::emission::run::Runner;
use crate::core::failure::trace::Link;
use crate::core::primitives::flavour::{Local, Shared};
use crate::core::queue::envelope::{EnvelopeFlavour, EnvelopeFor, FreeList};
use crate::core::queue::index::Index;
use crate::core::queue::report::DrainReport;
use crate::core::queue::target::{Target, call};
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::signal_info::TopicId;

/// Events of one type, first in, first out.
pub(crate) struct TypedLane<M: QueueFlavour, E: 'static, C: 'static> {
    events: VecDeque<E>,
    /// Whose they are. Invariant: the counts, and that of the open one, add up to the number of events.
    runs: VecDeque<Run<M, E, C>>,
    /// The last of them, which the next event may join. EntryState within reach, as its origin is: to follow
    /// the pointers there, under the queue's lock, cost as much as the rest of deferring.
    open: Option<Run<M, E, C>>,
    topic_id: Option<TopicId>,
}

/// So many events in a row that have one target and follow from the same.
struct Run<M: QueueFlavour, E: 'static, C: 'static> {
    target: Target<M, E, C>,
    link: Link,
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

/// A lane, whatever its type.
pub trait Lane<M: QueueFlavour, C: 'static> {
    /// Delivers the first events, `most` at most, as long as there is leave to; how many.
    fn deliver(&mut self, most: usize, context: &mut C, tray: &mut DrainReport<'_, M>) -> usize;
    /// Drops all events, one by one.
    fn discard(&mut self, tray: &DrainReport<'_, M>);
    /// Takes the first event out. `number` is that of the lane.
    fn pop(&mut self, number: usize, free_list: &mut FreeList<M, C>) -> Option<M::Envelope<C>>;
}

impl<M: LaneFor<E>, E: 'static, C: 'static> Lane<M, C> for TypedLane<M, E, C> {
    fn deliver(&mut self, most: usize, context: &mut C, tray: &mut DrainReport<'_, M>) -> usize {
        let mut taken = 0;
        while let Some(first) = self.runs.front_mut().or(self.open.as_mut()) {
            let Run {
                target,
                link,
                count,
            } = first;
            match target {
                Target::Signal(signal) => {
                    let before = taken;
                    let mut run = Runner::new(signal, link.follows());
                    while *count > 0 && taken < most && tray.leave() {
                        let Some(event) = self.events.pop_front() else {
                            break;
                        };
                        *count -= 1;
                        taken += 1;
                        if let Some(mut report) = run.emit(&event, context) {
                            report.contain(signal.info.config.panics());
                            tray.report(Some(report));
                        }
                        if needs_drop::<E>() {
                            // User code: nothing may be pinned meanwhile.
                            run = Runner::new(signal, link.follows());
                            drop_event(event, &signal.info, tray.location);
                        }
                    }
                    tray.delivered += taken - before;
                }
                Target::Call(claim) => {
                    if *count > 0 && taken < most && tray.leave() {
                        let Some(event) = self.events.pop_front() else {
                            break;
                        };
                        *count -= 1;
                        taken += 1;
                        call(claim, &event, link.follows(), context, tray);
                        let info = claim.entry().head().info.as_deref().unwrap_or(tray.info);
                        drop_event(event, info, tray.location);
                    }
                }
            }
            if *count > 0 {
                break;
            }
            // May be the last handle of the signal, or let go of the captures.
            drop(self.pop_run());
        }
        taken
    }

    fn discard(&mut self, tray: &DrainReport<'_, M>) {
        while let Some(run) = self.pop_run() {
            let info = run.target.info().unwrap_or(tray.info);
            for event in self.events.drain(..run.count.min(self.events.len())) {
                drop_event(event, info, tray.location);
            }
        }
    }

    fn pop(&mut self, number: usize, free_list: &mut FreeList<M, C>) -> Option<M::Envelope<C>> {
        let event = self.events.pop_front()?;
        let first = self.runs.front_mut().or(self.open.as_mut())?;
        first.count -= 1;
        let again = match first.count {
            0 => None,
            _ => first.target.again(),
        };
        let (target, link) = match again {
            Some(target) => (target, first.link.clone()),
            None => {
                let Run { target, link, .. } = self.pop_run()?;
                (target, link)
            }
        };
        Some(free_list.allocate_as(number, target, link, event))
    }
}

/// A lane and its payload type.
struct Erased<M: QueueFlavour, C: 'static> {
    payload: TypeId,
    /// Invariant: a `TypedLane` for the payload.
    lane: M::Lane<C>,
}

impl<M: QueueFlavour, C: 'static> Erased<M, C> {
    fn new<E: 'static>() -> Self
    where
        M: LaneFor<E>,
    {
        Erased {
            payload: TypeId::of::<E>(),
            lane: M::lane::<C>(),
        }
    }

    /// The lane with its type. Does what `Any` does, with the type kept beside the lane: asked for
    /// through the table of a trait object it made a third of the cost of deferring an event.
    #[inline]
    fn typed<E: 'static>(&mut self) -> Option<&mut TypedLane<M, E, C>> {
        if self.payload != TypeId::of::<E>() {
            return None;
        }
        let lane: *mut <M::Lane<C> as std::ops::Deref>::Target = &mut *self.lane;
        // SAFETY: `new` is the only way to make one, and makes the lane for the payload type that
        // was just found to be `E`.
        Some(unsafe { &mut *lane.cast() })
    }
}

/// Lanes, and the order of the events in them.
pub(crate) struct Batch<M: QueueFlavour, C: 'static> {
    lanes: Vec<Option<Erased<M, C>>>,
    /// Lane numbers, with how many events come from there in a row.
    order: VecDeque<(usize, usize)>,
    len: usize,
    /// How many events the queue had before the first one of this batch.
    first: u64,
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

    /// The number of the first event, counted over all that the queue ever had.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The number of the next event that is added.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.len as u64
    }

    /// Says which number the first event has.
    pub(crate) fn begin_at(&mut self, first: u64) {
        self.first = first;
    }

    /// Adds an event at the end. `joins` tells whether the last one of its type has the same target;
    /// if it has not, `target` makes a new one, or the event comes back. `link` is taken only then.
    /// Runs under the queue's lock, and so calls nothing.
    #[inline]
    pub(crate) fn push<E: 'static>(
        &mut self,
        index: &mut Index,
        event: E,
        link: &mut Link,
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
        match &mut lane.open {
            Some(open) if open.link.is(link) && joins(&open.target, lane.topic_id) => {
                open.count += 1
            }
            _ => {
                let Some(target) = target() else {
                    return Err(event);
                };
                lane.topic_id = match &target {
                    Target::Signal(it) => Some(TopicId::new::<M>(&it.info.config, it.info.name())),
                    Target::Call(_) => None,
                };
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
        self.lanes[number].insert(Erased::new::<E>())
    }

    /// Delivers from the lane whose turn it is, `most` events at most; how many.
    pub(crate) fn deliver(
        &mut self,
        most: usize,
        context: &mut C,
        tray: &mut DrainReport<'_, M>,
    ) -> usize {
        let Some(&(number, count)) = self.order.front() else {
            return 0;
        };
        let Some(Some(lane)) = self.lanes.get_mut(number) else {
            return 0;
        };
        let taken = lane.lane.deliver(most.min(count), context, tray);
        self.pass(taken);
        taken
    }

    /// Takes the first event out. Runs under the queue's lock, and so calls nothing.
    pub(crate) fn pop(&mut self, free_list: &mut FreeList<M, C>) -> Option<M::Envelope<C>> {
        let &(number, _) = self.order.front()?;
        let lane = self.lanes.get_mut(number)?.as_mut()?;
        let envelope = lane.lane.pop(number, free_list)?;
        self.pass(1);
        Some(envelope)
    }

    /// The first events have gone from their lane.
    fn pass(&mut self, taken: usize) {
        self.len -= taken;
        self.first += taken as u64;
        match self.order.front_mut() {
            Some((_, count)) if *count > taken => *count -= taken,
            _ => drop(self.order.pop_front()),
        }
    }

    /// Drops all events, each by itself. The lanes stay as large as they are.
    pub(crate) fn discard(&mut self, tray: &DrainReport<'_, M>) {
        self.order.clear();
        self.begin_at(self.end());
        self.len = 0;
        for lane in self.lanes.iter_mut().flatten() {
            lane.lane.discard(tray);
        }
    }
}

/// What a queue needs of a flavour for lanes: a box that is `Send` where the events are.
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
pub trait LaneFor<E>: QueueFlavour + EnvelopeFor<E> {
    /// The queue's lane for payloads of this type.
    fn lane<C: 'static>() -> Self::Lane<C>
    where
        E: 'static;
}

impl<E: Send> LaneFor<E> for Shared {
    fn lane<C: 'static>() -> Box<dyn Lane<Shared, C> + Send>
    where
        E: 'static,
    {
        Box::new(TypedLane::<Shared, E, C>::new())
    }
}

impl<E> LaneFor<E> for Local {
    fn lane<C: 'static>() -> Box<dyn Lane<Local, C>>
    where
        E: 'static,
    {
        Box::new(TypedLane::<Local, E, C>::new())
    }
}
