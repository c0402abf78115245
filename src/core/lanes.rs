//! Deferred events: one lane for each payload type, one order over all lanes.
//!
//! An event is stored by value in the lane of its type, so that deferring allocates nothing once
//! the lanes have grown; the order says from which lane the next one comes.

use std::any::{Any, TypeId};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use super::emission;
use super::entry::Code;
use super::faults;
use super::handlers::Claim;
use super::mode::{Carries, Mode};
use super::queue::Tray;
use super::signal::Signal;
use super::thread::{self, Frame};

/// Where an event goes.
pub(crate) enum Target<M: Mode, E: 'static, C: 'static> {
    /// To whoever is subscribed by then.
    Signal(M::Ptr<Signal<M, E, C>>),
    /// To one handler.
    Call(Claim<M, E, C>),
}

/// Events of one type, first in, first out.
pub(crate) struct TypedLane<M: Mode, E: 'static, C: 'static> {
    events: VecDeque<E>,
    /// The targets of the events, with how many each has in a row. Invariant: the counts add up to
    /// the number of events.
    runs: VecDeque<(Target<M, E, C>, usize)>,
}

impl<M: Mode, E, C> TypedLane<M, E, C> {
    pub(crate) fn new() -> Self {
        TypedLane { events: VecDeque::new(), runs: VecDeque::new() }
    }
}

/// A lane, whatever its type.
pub trait Lane<M: Mode, C> {
    /// Delivers the first event.
    fn deliver(&mut self, context: &mut C, tray: &mut Tray<M>);
    /// Drops all events, one by one.
    fn discard(&mut self, tray: &Tray<M>);
    fn as_any(&mut self) -> &mut dyn Any;
}

impl<M: Mode, E: 'static, C: 'static> Lane<M, C> for TypedLane<M, E, C> {
    fn deliver(&mut self, context: &mut C, tray: &mut Tray<M>) {
        let (Some(event), Some((target, count))) = (self.events.pop_front(), self.runs.front_mut())
        else {
            return;
        };
        *count -= 1;
        let last = *count == 0;
        match target {
            Target::Signal(signal) => {
                tray.add(emission::run(signal, &event, context));
                faults::drop_event(event, &signal.home, tray.place);
            }
            Target::Call(claim) => {
                call(claim, &event, context, tray);
                let home = claim.entry().head().home.clone();
                faults::drop_event(event, home.as_deref().unwrap_or(&tray.home), tray.place);
            }
        }
        if last {
            // May be the last handle of the signal, or let go of the captures.
            drop(self.runs.pop_front());
        }
    }

    fn discard(&mut self, tray: &Tray<M>) {
        while let Some((target, count)) = self.runs.pop_front() {
            let home = match &target {
                Target::Signal(signal) => Some(signal.home.clone()),
                Target::Call(claim) => claim.entry().head().home.clone(),
            };
            let home = home.as_deref().unwrap_or(&tray.home);
            for event in self.events.drain(..count.min(self.events.len())) {
                faults::drop_event(event, home, tray.place);
            }
        }
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// Makes one call that was claimed earlier. Neither it nor the drop of its captures unwinds.
fn call<M: Mode, E, C>(claim: &Claim<M, E, C>, event: &E, context: &mut C, tray: &mut Tray<M>) {
    let Some(hold) = claim.entry().hold() else { return };
    let frame = Frame { inside: hold.entry().address(), horizon: 0 };
    let Some(level) = thread::descend(usize::MAX) else { return };
    let level = level.enter(frame);
    let mut code = Code::Failed;
    // SAFETY: `hold` is one.
    let mut deliver = || code = unsafe { hold.entry().deliver(event, context) };
    let head = claim.entry().head();
    faults::guarded(head.home.as_deref(), head.label(), head.place, &mut deliver);
    drop(hold);
    if thread::failures() != 0 {
        let home = head.home.as_deref().unwrap_or(&tray.home);
        tray.report(faults::collect(thread::depth(), 0, &home.settings));
    }
    if code != Code::Skipped {
        tray.delivered += 1;
    }
    drop(level);
}

/// Hands a `TypeId` on as it is: it is a hash already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            self.0 = chunk.iter().fold(self.0, |sum, byte| (sum << 8) ^ u64::from(*byte));
        }
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Which lane has which type. Only ever grows, by one for each type that is deferred.
#[derive(Default)]
pub(crate) struct Index(HashMap<TypeId, usize, BuildHasherDefault<Identity>>);

/// Lanes, and the order of the events in them.
pub(crate) struct Batch<M: Mode, C: 'static> {
    lanes: Vec<Option<M::Lane<C>>>,
    /// Lane numbers, with how many events come from there in a row.
    order: VecDeque<(usize, usize)>,
    len: usize,
}

impl<M: Mode, C: 'static> Batch<M, C> {
    pub(crate) fn new() -> Self {
        Batch { lanes: Vec::new(), order: VecDeque::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds an event at the end. `joins` tells whether the last run has the same target; if it
    /// has not, `target` makes a new one. Runs under the queue's lock, and so calls nothing.
    pub(crate) fn push<E: 'static>(
        &mut self,
        index: &mut Index,
        event: E,
        joins: impl FnOnce(&Target<M, E, C>) -> bool,
        target: impl FnOnce() -> Target<M, E, C>,
    ) where
        M: Carries<E>,
    {
        let next = index.0.len();
        let number = *index.0.entry(TypeId::of::<E>()).or_insert(next);
        if self.lanes.len() <= number {
            self.lanes.resize_with(number + 1, || None);
        }
        let lane = self.lanes[number].get_or_insert_with(M::lane::<C>);
        let Some(lane) = lane.as_any().downcast_mut::<TypedLane<M, E, C>>() else {
            unreachable!("the index gives each type a lane of its own")
        };
        lane.events.push_back(event);
        match lane.runs.back_mut() {
            Some((last, count)) if joins(last) => *count += 1,
            _ => lane.runs.push_back((target(), 1)),
        }
        match self.order.back_mut() {
            Some((last, count)) if *last == number => *count += 1,
            _ => self.order.push_back((number, 1)),
        }
        self.len += 1;
    }

    /// Delivers the first event. The cursor moves first, so that nothing is delivered twice.
    #[inline]
    pub(crate) fn deliver(&mut self, context: &mut C, tray: &mut Tray<M>) {
        let Some((number, count)) = self.order.front_mut() else { return };
        let number = *number;
        *count -= 1;
        if *count == 0 {
            self.order.pop_front();
        }
        self.len -= 1;
        if let Some(lane) = &mut self.lanes[number] {
            lane.deliver(context, tray);
        }
    }

    /// Drops all events, each by itself. The lanes stay as large as they are.
    pub(crate) fn discard(&mut self, tray: &Tray<M>) {
        self.order.clear();
        self.len = 0;
        for lane in self.lanes.iter_mut().flatten() {
            lane.discard(tray);
        }
    }
}
