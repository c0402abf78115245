//! Deferred events: one lane for each payload type, and one order over all lanes.
//!
//! An event is stored by value in the lane of its type, so that deferring allocates nothing once
//! the lanes have grown. The order says which lane has the next event.
//!
//! # Decisions
//!
//! **The payload type stands beside the lane.** To ask `Any` through the vtable of a trait object
//! cost 4 of 20 ns for each deferred event: the two words of the `TypeId` are returned in memory
//! and compared at once. So the lane's `TypeId` is compared where it is stored, and the cast is
//! done by hand.
//!
//! **The outbox belongs to whoever has the turn, and that is written under the lock of the inbox**, which a drain
//! needs at its begin and at its end in any case. A mutex of its own cost each drain two locked instructions of
//! fourteen. An event that is drained alone needs only the first of these two locks: if nobody has had the lock
//! since, there is nothing to be looked at. The thread whose token stands there reaches the outbox again in the
//! drains inside of its handlers. In the batch all that a drain changes is in cells.

#![allow(
    unsafe_code,
    reason = "one cast of a lane to its type: what `Any` does made a third of the cost of deferring; an outbox \
              that only the thread uses that has the turn; and what the lock of the inbox guards elsewhere"
)]

use std::any::TypeId;
use std::cell::{RefCell, UnsafeCell};
use std::marker::PhantomData;
use std::ops::{ControlFlow, DerefMut};

use crate::core::failure::link::Link;
use crate::core::primitives::clock::Instant;
use crate::core::primitives::flavour::{Local, Shared};
use crate::core::primitives::sync::{Lock, Word};
use crate::core::primitives::thread;
use crate::core::queue::active_drain::ActiveDrain;
use crate::core::queue::envelope::{EnvelopeFlavour, EnvelopeFor, FreeList, TypedEnvelope};
use crate::core::queue::index::Index;
use crate::core::queue::lane::{Lane, TypedLane};
use crate::core::queue::order::Position;
use crate::core::queue::runs::Emptied;
use crate::core::queue::target::Target;
use crate::core::settings::signal_info::{SignalInfo, TopicId};
use crate::failure::CallSite;

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
    position: Position,
    /// Envelopes for events that are drained alone: one for each lane that was created.
    spare: RefCell<FreeList<M, C>>,
}

impl<M: QueueFlavour, C: 'static> Default for Batch<M, C> {
    fn default() -> Self {
        Batch {
            lanes: Vec::new(),
            position: Position::default(),
            spare: RefCell::default(),
        }
    }
}

impl<M: QueueFlavour, C: 'static> Batch<M, C> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.position.len.get()
    }

    /// The number of the first event, counted over the life of the queue.
    #[inline]
    pub(crate) fn first(&self) -> u64 {
        self.position.first.get()
    }

    /// Sets the number of the first event, of an empty batch.
    #[inline]
    pub(crate) fn begin_at(&self, first: u64) {
        self.position.first.set(first);
    }

    /// The number of the next event that is added.
    #[inline]
    pub(crate) fn end(&self) -> u64 {
        self.first() + self.len() as u64
    }

    /// Adds an event at the end. `joins` says whether the target of the last one of its type is its
    /// target, too. If not, `target` creates the target and `link` is taken; without a target the event is
    /// returned. Runs under the queue's lock, and calls no user code.
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
        loop {
            let number = index.last();
            if let Some(lane) = self.typed(number) {
                lane.push(event, link, joins, target)?;
                self.position.push(number);
                return Ok(());
            }
            self.open::<E>(index);
        }
    }

    /// Makes the lane of this payload type the last one of the index, and creates it if it is not there.
    #[inline(never)]
    fn open<E: 'static>(&mut self, index: &mut Index)
    where
        M: LaneFor<E>,
    {
        let number = index.number(TypeId::of::<E>());
        if self.lanes.len() <= number {
            self.lanes.resize_with(number + 1, || None);
        }
        self.lanes[number].get_or_insert_with(|| {
            let envelope = M::envelope(TypedEnvelope::empty(number));
            self.spare.get_mut().recycle(envelope);
            Erased {
                payload: TypeId::of::<E>(),
                lane: M::lane::<C>(),
            }
        });
    }

    /// The lane with this number, if it is there, and of this type.
    #[inline]
    fn typed<E: 'static>(&mut self, number: usize) -> Option<&mut TypedLane<M, E, C>> {
        self.lanes.get_mut(number)?.as_mut()?.typed()
    }

    /// The lane with the first event, its number, and how many events in a row are from it.
    fn first_lane(&self) -> Option<(&M::Lane<C>, usize, usize)> {
        let (number, count) = self.position.front();
        let lane = self.lanes.get(number)?.as_ref()?;
        Some((&lane.lane, number, count))
    }

    /// Delivers from the lane with the first event, `most` events at most; returns how many.
    pub(crate) fn deliver(&self, most: usize, drain: &mut ActiveDrain<'_, M, C>) -> usize {
        let Some((lane, _, count)) = self.first_lane() else {
            return 0;
        };
        let len = self.len();
        let taken = lane.deliver(most.min(count), len, drain);
        // Otherwise a drain inside of a handler has accounted for them before it took its own.
        if self.len() == len {
            self.account_for(lane, taken);
        }
        taken
    }

    /// Accounts for the events that a delivery from the first lane has taken.
    fn account_for(&self, lane: &M::Lane<C>, taken: usize) {
        lane.settle(taken);
        self.position.advance(taken);
    }

    /// Removes the first event, of `left` that are left: if there are more in here, a delivery further
    /// up this thread's stack has taken those without accounting for them. Calls no user code.
    pub(crate) fn pop(
        &self,
        left: usize,
        free_list: &mut FreeList<M, C>,
    ) -> Option<M::Envelope<C>> {
        let taken = self.len() - left;
        if taken > 0 {
            self.account_for(self.first_lane()?.0, taken);
        }
        let (lane, number, _) = self.first_lane()?;
        let envelope = lane.pop(number, free_list)?;
        self.position.advance(1);
        Some(envelope)
    }

    /// Removes the first event, into an envelope of those that are kept in `other`.
    pub(super) fn pop_alone(&self, other: &Self) -> Option<M::Envelope<C>> {
        let (lane, number, _) = self.first_lane()?;
        other.provide(number, self);
        let envelope = lane.pop(number, &mut other.spare.borrow_mut())?;
        self.position.advance(1);
        Some(envelope)
    }

    /// Sees to it that an envelope with this number is kept here, if there is one in one of the two.
    fn provide(&self, number: usize, other: &Self) {
        if !self.spare.borrow().has(number) && other.spare.borrow().has(number) {
            // All of them: a list has room for as many as it had.
            self.spare.swap(&other.spare);
        }
    }

    /// Takes an envelope with this number, if there is one in one of the two.
    pub(super) fn take_spare(&self, number: usize, other: &Self) -> Option<M::Envelope<C>> {
        self.provide(number, other);
        self.spare.borrow_mut().take(number)
    }

    /// Keeps an empty envelope.
    pub(super) fn keep_spare(&self, envelope: M::Envelope<C>) {
        self.spare.borrow_mut().recycle(envelope);
    }

    /// Returns whether it has events of the topic with this information, or calls of handlers of it.
    pub(super) fn is_of(&self, info: &SignalInfo<M>) -> bool {
        let lanes = self.lanes.iter().flatten();
        lanes.into_iter().any(|lane| lane.lane.is_of(info))
    }

    /// The most events, or runs of them, that a part of it has room for.
    pub(super) fn room(&self) -> usize {
        let lanes = self.lanes.iter().flatten();
        let lanes = lanes.map(|lane| lane.lane.room());
        lanes.fold(self.position.room(), usize::max)
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
        self.position.clear();
        let lanes = self.lanes.iter_mut().flatten();
        lanes.map(|lane| lane.lane.discard(info, location)).sum()
    }
}

/// What a thread that has the turn delivers from. Not borrowed mutably while user code runs, which may be
/// another drain.
pub(super) type Outbox<M, C> = RefCell<Box<Batch<M, C>>>;

/// The two boxes of a queue: the inbox, under its lock, and the outbox, from which one thread at a time delivers.
pub(crate) struct Boxes<M: QueueFlavour, C: 'static, I> {
    inbox: M::Lock<I>,
    /// The token of the thread that has the turn, or 0; with [`AWAITED`] if others wait for it. Set under the lock.
    owner: M::Word,
    /// Used under the lock while nobody has the turn, and by the owner.
    outbox: Outbox<M, C>,
    /// Notified when a turn ends that others wait for.
    turn: M::Condvar,
    /// Not 0 if anybody has had the lock since the turn began; or if its end needs the lock in any case.
    touched: M::Word,
    /// The number of events left to deliver in the outbox. Written only by whoever has the turn:
    /// raised under the lock of the inbox, lowered by the drain for each event that it delivers,
    /// and set to zero by `clear`, also in a handler that the drain calls. The loads (Acquire) pair
    /// with these stores (Release). Another thread may see a number that is too high; then the end
    /// of the drain, under the lock of the inbox, does the notification that this thread has left
    /// out.
    pub(super) left: M::Word,
    /// The number of calls in inbox and outbox that were taken back: their places are there, and are not
    /// events.
    pub(super) holes: M::Word,
}

/// Tokens are even.
const AWAITED: usize = 1;

// SAFETY: `outbox` is private, and is reached in two ways: under the lock, where no other thread has the turn; and
// by a thread that has it, which is never sent to another one (`Turn`), or finds its own token in `owner`. A turn
// begins under the lock when there is none, and ends with a store that the next one has loaded. The batch itself is
// `Send`, and so is what the lock guards.
unsafe impl<C: 'static, I: Send> Sync for Boxes<Shared, C, I> {}

impl<M: QueueFlavour, C: 'static, I: Default> Default for Boxes<M, C, I> {
    fn default() -> Self {
        Boxes {
            inbox: M::Lock::new(I::default()),
            owner: M::Word::new(0),
            outbox: RefCell::default(),
            turn: M::condvar(),
            touched: M::Word::new(0),
            left: M::Word::new(0),
            holes: M::Word::new(0),
        }
    }
}

impl<M: QueueFlavour, C: 'static, I> Boxes<M, C, I> {
    /// Calls `f` with the inbox, under the lock.
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut I) -> R) -> R {
        self.inbox.with(|inbox| {
            self.touched.set(1);
            f(inbox)
        })
    }

    /// Like `with`, and with the outbox, unless another thread has the turn.
    pub(super) fn with_both<R>(&self, f: impl FnOnce(&mut I, Option<&Outbox<M, C>>) -> R) -> R {
        self.with(|inbox| {
            let is_free = !self.is_taken() || self.is_mine();
            f(inbox, is_free.then_some(&self.outbox))
        })
    }

    /// Calls `check` under the lock, and again whenever `condvar` is notified; see [`Primitives::wait`].
    ///
    /// [`Primitives::wait`]: crate::core::primitives::flavour::Primitives::wait
    pub(super) fn wait<R>(
        &self,
        condvar: &M::Condvar,
        mut check: impl FnMut(&mut I) -> ControlFlow<R, Option<Instant>>,
    ) -> R {
        M::wait(&self.inbox, condvar, |inbox| {
            self.touched.set(1);
            check(inbox)
        })
    }

    /// Whether a thread has the turn.
    pub(super) fn is_taken(&self) -> bool {
        self.owner.get() != 0
    }

    /// Whether this thread has the turn.
    pub(super) fn is_mine(&self) -> bool {
        self.owner.get() & !AWAITED == thread::token()
    }

    /// Calls `f` with the outbox if this thread has the turn.
    pub(super) fn with_mine<R>(&self, f: impl FnOnce(&Outbox<M, C>) -> R) -> Option<R> {
        self.is_mine().then(|| f(&self.outbox))
    }

    /// Begins the turn of this thread, which has none, and calls `begin` under the lock; that returns whether the end
    /// of the turn needs the lock if nobody has had it in between. If another thread has the turn, waits for it, or
    /// returns `None`.
    #[inline]
    pub(super) fn take_turn(
        &self,
        waits: bool,
        mut begin: impl FnMut(&mut I, &Outbox<M, C>) -> bool,
    ) -> Option<Turn<'_, M, C, I>> {
        let begun = self.inbox.with(|inbox| {
            // It may end meanwhile, without the lock. Then whoever ends it looks for what has come, as if this one
            // waited.
            let is_free = !self.is_taken() || self.owner.or(AWAITED) & !AWAITED == 0;
            if is_free {
                self.begin_turn(inbox, &mut begin);
            }
            is_free
        });
        if !begun {
            if !waits {
                return None;
            }
            self.wait_for_turn(&mut begin);
        }
        Some(Turn {
            boxes: self,
            one_thread: PhantomData,
        })
    }

    #[inline(always)]
    fn begin_turn(&self, inbox: &mut I, begin: impl FnOnce(&mut I, &Outbox<M, C>) -> bool) {
        let needs_lock = begin(inbox, &self.outbox);
        self.touched.set(usize::from(needs_lock));
        self.owner.set(thread::token());
    }

    #[cold]
    fn wait_for_turn(&self, begin: &mut dyn FnMut(&mut I, &Outbox<M, C>) -> bool) {
        self.wait(&self.turn, |inbox| {
            // It may end meanwhile, without the lock.
            if self.owner.or(AWAITED) & !AWAITED != 0 {
                return ControlFlow::Continue(None);
            }
            self.begin_turn(inbox, &mut *begin);
            ControlFlow::Break(())
        });
    }
}

/// What the lock of a queue guards together with its inbox, and is kept elsewhere.
pub(crate) struct Beside<M: QueueFlavour, C: 'static, I, T> {
    boxes: M::Ptr<Boxes<M, C, I>>,
    /// Used under the lock of the boxes.
    value: UnsafeCell<T>,
}

// SAFETY: `value` is private, and reached under a lock that one thread has at a time.
unsafe impl<C: 'static, I: Send, T: Send> Sync for Beside<Shared, C, I, T> {}

impl<M: QueueFlavour, C: 'static, I, T> Beside<M, C, I, T> {
    pub(super) fn new(boxes: M::Ptr<Boxes<M, C, I>>, value: T) -> Self {
        let value = UnsafeCell::new(value);
        Beside { boxes, value }
    }

    pub(super) fn boxes(&self) -> &M::Ptr<Boxes<M, C, I>> {
        &self.boxes
    }

    /// Calls `f` with both, under the lock.
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut I, &mut T) -> R) -> R {
        // SAFETY: under a lock that is not entered again.
        let f = |inbox: &mut I| f(inbox, unsafe { &mut *self.value.get() });
        self.boxes.with(f)
    }

    /// Calls `f` under the lock. What it does, the end of a turn need not look at.
    #[inline]
    pub(super) fn with_own<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: under a lock that is not entered again.
        let f = |_: &mut I| f(unsafe { &mut *self.value.get() });
        self.boxes.inbox.with(f)
    }
}

/// The turn of this thread: it has the outbox.
pub(crate) struct Turn<'b, M: QueueFlavour, C: 'static, I> {
    boxes: &'b Boxes<M, C, I>,
    one_thread: PhantomData<*const ()>,
}

impl<M: QueueFlavour, C, I> Turn<'_, M, C, I> {
    pub(super) fn outbox(&self) -> &Outbox<M, C> {
        &self.boxes.outbox
    }

    /// Calls `end` under the lock, and ends the turn.
    #[inline]
    pub(super) fn end(self, end: impl FnOnce(&mut I, &Outbox<M, C>)) {
        let boxes = self.boxes;
        let before = boxes.inbox.with(|inbox| {
            end(inbox, &boxes.outbox);
            let before = boxes.owner.get();
            boxes.owner.set(0);
            before
        });
        std::mem::forget(self);
        if before & AWAITED != 0 {
            M::notify_all(&boxes.turn);
        }
    }

    /// Ends the turn, unless that needs the lock. If somebody has come for the turn at the same time, and did not get
    /// it, returns what `look` does under the lock.
    #[inline]
    pub(super) fn end_untouched(self, look: impl FnOnce(&mut I) -> bool) -> Result<bool, Self> {
        let boxes = self.boxes;
        if boxes.touched.get() != 0 {
            return Err(self);
        }
        std::mem::forget(self);
        if boxes.owner.swap(0) & AWAITED == 0 {
            return Ok(false);
        }
        // Whoever has set this a moment ago waits by the time that the lock is free.
        let found = boxes.with(|inbox| !boxes.is_taken() && look(inbox));
        M::notify_all(&boxes.turn);
        Ok(found)
    }
}

/// Only where the turn does not end as it should.
impl<M: QueueFlavour, C, I> Drop for Turn<'_, M, C, I> {
    #[cold]
    fn drop(&mut self) {
        self.boxes.inbox.with(|_| self.boxes.owner.set(0));
        M::notify_all(&self.boxes.turn);
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
pub unsafe trait LaneFor<E>: QueueFlavour + EnvelopeFor<E> {
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
}

// SAFETY: `lane` boxes a lane of these types.
unsafe impl<E> LaneFor<E> for Local {
    fn lane<C: 'static>() -> Self::Lane<C>
    where
        E: 'static,
    {
        Box::new(TypedLane::<Local, E, C>::new())
    }
}
