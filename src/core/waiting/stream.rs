//! The handler behind a stream: it pushes what comes into a buffer with a bound.
//!
//! Handlers push into an inbox under its lock. The stream takes from an outbox, and where that is empty
//! exchanges the two: so it comes under the lock of the handlers once for all that were pushed meanwhile,
//! and not for each. All events have numbers, also those that are lost: where one is missing the stream
//! says so.
//!
//! Events are made before the lock is taken, and dropped after it; whoever waits is told after it.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::task::{Poll, Waker};
use std::time::Instant;

use crate::core::handler::entry::{Code, Head, Round};
use crate::core::handler::failures;
use crate::core::handler::handler_fn::Callee;
use crate::core::primitives::flavour::{Primitives, Shared};
use crate::core::primitives::sync::{Lock, Ordering, Word, fence};
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::signal_info::SignalInfo;
use crate::core::waiting::waiter::{self, PendingWake, Waiter};
use crate::error::{Lagged, StreamFull};
use crate::failure::CallSite;
use crate::policy::Overflow;

/// What waits between a handler and its stream.
pub(crate) struct StreamBuffer<M: Primitives, T> {
    state: CachePadded<M::Lock<State<T>>>,
    /// What comes before the inbox. Locked alone, or under the lock of the state.
    outbox: CachePadded<M::Lock<VecDeque<Numbered<T>>>>,
    /// How many events the stream has taken. All counts and numbers go round at the end.
    taken: CachePadded<M::Word>,
    /// How many threads wait for room. Changed under the lock of the state.
    blocked: M::Word,
    /// Rung for a thread that waits for an event.
    condvar: M::Condvar,
    /// Rung for threads that wait for room.
    room: M::Condvar,
    capacity: usize,
    overflow: Overflow,
    info: M::Ptr<SignalInfo<M>>,
    location: CallSite,
}

/// On a line of memory of its own: what one thread writes all the time must not take from the other
/// what only that one needs.
#[repr(align(128))] // Two lines, for the pairwise prefetch.
struct CachePadded<T>(T);

struct State<T> {
    inbox: VecDeque<Numbered<T>>,
    /// The number of the next event.
    next: usize,
    /// How many were pushed, without those that have been dropped since.
    pushed: usize,
    /// `taken`, when it was last looked at: where that will do, no line of memory goes back and forth.
    seen: usize,
    /// There is a stream.
    begun: bool,
    /// Nothing is let in any more.
    over: bool,
    waiter: Waiter,
}

struct Numbered<T> {
    number: usize,
    event: T,
}

/// Where a stream is in its buffer.
#[derive(Default)]
pub(crate) struct ReadPosition {
    /// The number of the event that comes next, unless it is lost.
    next: usize,
    taken: usize,
}

/// What a stream yields.
pub(crate) type Item<T> = Result<T, Lagged>;

/// What came of an event.
enum Admission {
    Added(PendingWake),
    Full,
    Dropped,
    Over,
}

impl<M: Primitives, T> StreamBuffer<M, T> {
    pub(crate) fn new(
        capacity: usize,
        overflow: Overflow,
        info: M::Ptr<SignalInfo<M>>,
        location: CallSite,
    ) -> Self {
        let state = State {
            inbox: VecDeque::new(),
            next: 0,
            pushed: 0,
            seen: 0,
            begun: false,
            over: false,
            waiter: Waiter::default(),
        };
        StreamBuffer {
            state: CachePadded(M::Lock::new(state)),
            outbox: CachePadded(M::Lock::new(VecDeque::new())),
            taken: CachePadded(M::Word::new(0)),
            blocked: M::Word::new(0),
            condvar: M::condvar(),
            room: M::condvar(),
            capacity,
            overflow,
            info,
            location,
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn begin(&self) {
        self.state.0.with(|state| state.begun = true);
    }

    pub(crate) fn len(&self) -> usize {
        self.state.0.with(|state| {
            state.seen = self.taken.0.get();
            state.len()
        })
    }

    fn is_full(&self, state: &mut State<T>) -> bool {
        let is_full = |state: &State<T>| state.len() >= self.capacity;
        if is_full(state) {
            state.seen = self.taken.0.get();
        }
        is_full(state)
    }

    /// Takes an event in, or does without it as the overflow says. An error: there is no room.
    fn push(&self, event: T) -> Result<Code, StreamFull> {
        let (mut event, mut oldest, mut blocked) = (Some(event), None, false);
        let admission = M::wait(&self.state.0, &self.room, |state| {
            if std::mem::take(&mut blocked) {
                self.blocked.sub(1);
            }
            if state.over {
                return ControlFlow::Break(Admission::Over);
            }
            if self.is_full(state) {
                match self.overflow {
                    Overflow::Reject => return ControlFlow::Break(Admission::Full),
                    Overflow::DropNewest => {
                        state.next = state.next.wrapping_add(1);
                        return ControlFlow::Break(Admission::Dropped);
                    }
                    Overflow::DropOldest => oldest = self.oldest(state),
                    // What a signal has kept is handed over before there is anybody to take it.
                    Overflow::Block if !state.begun => {}
                    Overflow::Block => {
                        self.blocked.add(1);
                        // Either this thread sees what was taken, or the stream that it waits.
                        fence(Ordering::SeqCst);
                        if self.is_full(state) {
                            blocked = true;
                            return ControlFlow::Continue(None);
                        }
                        self.blocked.sub(1);
                    }
                }
            }
            if let Some(event) = event.take() {
                let number = state.next;
                state.inbox.push_back(Numbered { number, event });
                state.next = number.wrapping_add(1);
                state.pushed = state.pushed.wrapping_add(1);
            }
            ControlFlow::Break(Admission::Added(state.waiter.take()))
        });
        match admission {
            Admission::Added(wake) => {
                wake.wake::<M>(&self.condvar);
                Ok(Code::Ran)
            }
            Admission::Full => Err(StreamFull(self.capacity)),
            Admission::Dropped => Ok(Code::Ran),
            Admission::Over => Ok(Code::Skipped),
        }
    }

    /// Takes out the oldest, unless the stream has made room meanwhile.
    fn oldest(&self, state: &mut State<T>) -> Option<Numbered<T>> {
        self.outbox.0.with(|outbox| {
            if !self.is_full(state) {
                return None;
            }
            let oldest = outbox.pop_front().or_else(|| state.inbox.pop_front())?;
            state.pushed = state.pushed.wrapping_sub(1);
            Some(oldest)
        })
    }

    /// PackedCounts an event that could not be cloned.
    fn lose(&self) -> PendingWake {
        self.state.0.with(|state| {
            if state.over {
                return PendingWake::default();
            }
            state.next = state.next.wrapping_add(1);
            state.waiter.take()
        })
    }

    /// Nothing comes any more. What has come stays.
    pub(crate) fn end(&self) -> PendingWake {
        let wake = self.state.0.with(|state| {
            state.over = true;
            state.waiter.take()
        });
        self.make_room();
        wake
    }

    /// Nobody takes anything any more.
    pub(crate) fn abandon(&self) {
        let (inbox, waker) = self.state.0.with(|state| {
            state.over = true;
            (std::mem::take(&mut state.inbox), state.waiter.forget())
        });
        let outbox = self.outbox.0.with(std::mem::take);
        self.make_room();
        drop_event(waker, &self.info, self.location);
        for Numbered { event, .. } in outbox.into_iter().chain(inbox) {
            drop_event(event, &self.info, self.location);
        }
    }

    /// Tells those who wait for room that there is some.
    fn make_room(&self) {
        if self.overflow != Overflow::Block {
            return;
        }
        fence(Ordering::SeqCst);
        if self.blocked.get() > 0 {
            // Who has just begun to wait does so with the lock, and hears the bell when it has let go.
            self.state.0.with(|_| ());
            M::notify_all(&self.room);
        }
    }

    pub(crate) fn poll(&self, position: &mut ReadPosition, waker: &Waker) -> Poll<Option<Item<T>>> {
        let poll = match self.first(position) {
            Some(item) => Poll::Ready(Some(item)),
            None => waiter::poll(
                &self.state.0,
                waker,
                |state| &mut state.waiter,
                |state| self.ask(position, state),
            ),
        };
        self.make_room();
        poll
    }

    /// Takes what is there.
    pub(crate) fn take(&self, position: &mut ReadPosition) -> Option<Item<T>> {
        let item = self.first(position).or_else(|| {
            let found = self.state.0.with(|state| self.ask(position, state));
            found.flatten()
        });
        self.make_room();
        item
    }

    /// What is next, if it is in the outbox.
    fn first(&self, position: &mut ReadPosition) -> Option<Item<T>> {
        self.outbox.0.with(|outbox| self.pop(position, outbox))
    }

    /// What is next. `None` inside: nothing any more. Nothing at all while something may still come.
    fn ask(&self, position: &mut ReadPosition, state: &mut State<T>) -> Option<Option<Item<T>>> {
        let first = self.outbox.0.with(|outbox| {
            if outbox.is_empty() {
                std::mem::swap(outbox, &mut state.inbox);
            }
            self.pop(position, outbox)
        });
        // What was lost at the end has nothing behind it.
        match first.or_else(|| Some(Err(position.lost(state.next)?))) {
            Some(item) => Some(Some(item)),
            None => state.over.then_some(None),
        }
    }

    /// The first of the outbox, unless one is missing before it.
    fn pop(
        &self,
        position: &mut ReadPosition,
        outbox: &mut VecDeque<Numbered<T>>,
    ) -> Option<Item<T>> {
        if let Some(lagged) = position.lost(outbox.front()?.number) {
            return Some(Err(lagged));
        }
        let Numbered { number, event } = outbox.pop_front()?;
        position.next = number.wrapping_add(1);
        position.taken = position.taken.wrapping_add(1);
        self.taken.0.set(position.taken);
        Some(Ok(event))
    }
}

impl<T> StreamBuffer<Shared, T> {
    /// Parks until something comes, or nothing will. `None`: the time was up first.
    pub(crate) fn wait(
        &self,
        position: &mut ReadPosition,
        until: Option<Instant>,
    ) -> Option<Option<Item<T>>> {
        let found = match self.first(position) {
            Some(item) => Some(Some(item)),
            None => waiter::wait(
                &self.state.0,
                &self.condvar,
                until,
                |state| &mut state.waiter,
                |state| self.ask(position, state),
            ),
        };
        self.make_room();
        found
    }
}

impl<T> State<T> {
    /// How many wait, as far as was looked: so many or fewer.
    fn len(&self) -> usize {
        self.pushed.wrapping_sub(self.seen)
    }
}

impl ReadPosition {
    /// Goes on to the event of this number: how many are missing before it, if any.
    fn lost(&mut self, number: usize) -> Option<Lagged> {
        let lost = number.wrapping_sub(self.next);
        self.next = number;
        (lost > 0).then_some(Lagged(lost))
    }
}

/// A closure that makes what is buffered out of an event, or passes over it.
pub(crate) struct StreamHandler<M: Primitives, T: 'static, F> {
    pub(crate) map: F,
    pub(crate) buffer: M::Ptr<StreamBuffer<M, T>>,
}

/// PackedCounts an event as lost if it is dropped by a panic of the closure.
struct LossGuard<'m, M: Primitives, T> {
    buffer: &'m StreamBuffer<M, T>,
    head: &'m Head<M>,
}

impl<M: Primitives, T> Drop for LossGuard<'_, M, T> {
    fn drop(&mut self) {
        let wake = self.buffer.lose();
        wake.wake_guarded(&self.buffer.condvar, self.head);
    }
}

impl<M, E, C, T, F> Callee<M, E, C> for StreamHandler<M, T, F>
where
    M: Primitives,
    E: 'static,
    C: 'static,
    T: 'static,
    F: Fn(&E) -> Option<T> + 'static,
{
    type EntryState = ();

    fn call(&self, head: &Head<M>, event: &E, cx: &mut Round<'_, C>) -> Code {
        let loss_guard = LossGuard {
            buffer: &*self.buffer,
            head,
        };
        let made = (self.map)(event);
        std::mem::forget(loss_guard);
        let Some(event) = made else {
            return Code::Skipped;
        };
        match self.buffer.push(event) {
            Ok(code) => code,
            Err(full) => failures::failed(head, Some(cx.topic_info), Box::new(full)),
        }
    }

    fn on_removed(&self, (): &(), head: &Head<M>) {
        self.buffer.end().wake_guarded(&self.buffer.condvar, head);
    }
}

impl<M: Primitives, T, F> Drop for StreamHandler<M, T, F> {
    fn drop(&mut self) {
        // Its limit has removed it, or the signal refused it. A panic of the waker is caught where
        // captures are dropped.
        self.buffer.end().wake::<M>(&self.buffer.condvar);
    }
}
