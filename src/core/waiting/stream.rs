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
use crate::core::handler::failures as faults;
use crate::core::handler::handler_fn::Callee;
use crate::core::primitives::flavour::{Primitives as Mode, Shared};
use crate::core::primitives::sync::{Fault, Lock, Ordering, Word, fence, planted};
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::signal_info::Home;
use crate::core::waiting::waiter::{self, Told, Waiter};
use crate::error::{Lagged, StreamFull};
use crate::failure::Place;
use crate::policy::Overflow;

/// What waits between a handler and its stream.
pub(crate) struct Buffer<M: Mode, T> {
    state: Alone<M::Lock<State<T>>>,
    /// What comes before the inbox. Locked alone, or under the lock of the state.
    outbox: Alone<M::Lock<VecDeque<Numbered<T>>>>,
    /// How many events the stream has taken. All counts and numbers go round at the end.
    taken: Alone<M::Word>,
    /// How many threads wait for room. Changed under the lock of the state.
    blocked: M::Word,
    /// Rung for a thread that waits for an event.
    bell: M::Bell,
    /// Rung for threads that wait for room.
    room: M::Bell,
    capacity: usize,
    overflow: Overflow,
    home: M::Ptr<Home<M>>,
    place: Place,
}

/// On a line of memory of its own: what one thread writes all the time must not take from the other
/// what only that one needs.
#[repr(align(128))] // Two lines, for the pairwise prefetch.
struct Alone<T>(T);

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
pub(crate) struct Cursor {
    /// The number of the event that comes next, unless it is lost.
    next: usize,
    taken: usize,
}

/// What a stream yields.
pub(crate) type Item<T> = Result<T, Lagged>;

/// What came of an event.
enum Verdict {
    Added(Told),
    Full,
    Dropped,
    Over,
}

impl<M: Mode, T> Buffer<M, T> {
    pub(crate) fn new(
        capacity: usize,
        overflow: Overflow,
        home: M::Ptr<Home<M>>,
        place: Place,
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
        Buffer {
            state: Alone(M::Lock::new(state)),
            outbox: Alone(M::Lock::new(VecDeque::new())),
            taken: Alone(M::Word::new(0)),
            blocked: M::Word::new(0),
            bell: M::bell(),
            room: M::bell(),
            capacity,
            overflow,
            home,
            place,
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
        let verdict = M::wait(&self.state.0, &self.room, |state| {
            if std::mem::take(&mut blocked) {
                self.blocked.sub(1);
            }
            if state.over {
                return ControlFlow::Break(Verdict::Over);
            }
            if self.is_full(state) {
                match self.overflow {
                    Overflow::Reject => return ControlFlow::Break(Verdict::Full),
                    Overflow::DropNewest => {
                        state.next = state.next.wrapping_add(1);
                        return ControlFlow::Break(Verdict::Dropped);
                    }
                    Overflow::DropOldest => oldest = self.oldest(state),
                    // What a signal has kept is handed over before there is anybody to take it.
                    Overflow::Block if !state.begun => {}
                    Overflow::Block => {
                        self.blocked.add(1);
                        // Either this thread sees what was taken, or the stream that it waits.
                        fence(Ordering::SeqCst);
                        if self.is_full(state) || planted(Fault::Unlooked) {
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
            ControlFlow::Break(Verdict::Added(state.waiter.take()))
        });
        match verdict {
            Verdict::Added(told) => {
                told.tell::<M>(&self.bell);
                Ok(Code::Ran)
            }
            Verdict::Full => Err(StreamFull(self.capacity)),
            Verdict::Dropped => Ok(Code::Ran),
            Verdict::Over => Ok(Code::Skipped),
        }
    }

    /// Takes out the oldest, unless the stream has made room meanwhile.
    fn oldest(&self, state: &mut State<T>) -> Option<Numbered<T>> {
        self.outbox.0.with(|outbox| {
            if !self.is_full(state) && !planted(Fault::Unlooked) {
                return None;
            }
            let oldest = outbox.pop_front().or_else(|| state.inbox.pop_front())?;
            state.pushed = state.pushed.wrapping_sub(1);
            Some(oldest)
        })
    }

    /// Counts an event that could not be cloned.
    fn lose(&self) -> Told {
        self.state.0.with(|state| {
            if state.over {
                return Told::default();
            }
            state.next = state.next.wrapping_add(1);
            state.waiter.take()
        })
    }

    /// Nothing comes any more. What has come stays.
    pub(crate) fn end(&self) -> Told {
        let told = self.state.0.with(|state| {
            state.over = true;
            state.waiter.take()
        });
        self.make_room();
        told
    }

    /// Nobody takes anything any more.
    pub(crate) fn abandon(&self) {
        let (inbox, waker) = self.state.0.with(|state| {
            state.over = true;
            (std::mem::take(&mut state.inbox), state.waiter.forget())
        });
        let outbox = self.outbox.0.with(std::mem::take);
        self.make_room();
        drop_event(waker, &self.home, self.place);
        for Numbered { event, .. } in outbox.into_iter().chain(inbox) {
            drop_event(event, &self.home, self.place);
        }
    }

    /// Tells those who wait for room that there is some.
    fn make_room(&self) {
        if self.overflow != Overflow::Block {
            return;
        }
        fence(Ordering::SeqCst);
        if self.blocked.get() > 0 && !planted(Fault::Roomless) {
            // Who has just begun to wait does so with the lock, and hears the bell when it has let go.
            self.state.0.with(|_| ());
            M::ring(&self.room);
        }
    }

    pub(crate) fn poll(&self, cursor: &mut Cursor, waker: &Waker) -> Poll<Option<Item<T>>> {
        let poll = match self.first(cursor) {
            Some(item) => Poll::Ready(Some(item)),
            None => waiter::poll(
                &self.state.0,
                waker,
                |state| &mut state.waiter,
                |state| self.ask(cursor, state),
            ),
        };
        self.make_room();
        poll
    }

    /// Takes what is there.
    pub(crate) fn take(&self, cursor: &mut Cursor) -> Option<Item<T>> {
        let item = self.first(cursor).or_else(|| {
            let found = self.state.0.with(|state| self.ask(cursor, state));
            found.flatten()
        });
        self.make_room();
        item
    }

    /// What is next, if it is in the outbox.
    fn first(&self, cursor: &mut Cursor) -> Option<Item<T>> {
        self.outbox.0.with(|outbox| self.pop(cursor, outbox))
    }

    /// What is next. `None` inside: nothing any more. Nothing at all while something may still come.
    fn ask(&self, cursor: &mut Cursor, state: &mut State<T>) -> Option<Option<Item<T>>> {
        let first = self.outbox.0.with(|outbox| {
            if outbox.is_empty() {
                std::mem::swap(outbox, &mut state.inbox);
            }
            self.pop(cursor, outbox)
        });
        // What was lost at the end has nothing behind it.
        match first.or_else(|| Some(Err(cursor.lost(state.next)?))) {
            Some(item) => Some(Some(item)),
            None => state.over.then_some(None),
        }
    }

    /// The first of the outbox, unless one is missing before it.
    fn pop(&self, cursor: &mut Cursor, outbox: &mut VecDeque<Numbered<T>>) -> Option<Item<T>> {
        if let Some(lagged) = cursor.lost(outbox.front()?.number) {
            return Some(Err(lagged));
        }
        let Numbered { number, event } = outbox.pop_front()?;
        cursor.next = number.wrapping_add(1);
        cursor.taken = cursor.taken.wrapping_add(1);
        self.taken.0.set(cursor.taken);
        Some(Ok(event))
    }
}

impl<T> Buffer<Shared, T> {
    /// Parks until something comes, or nothing will. `None`: the time was up first.
    pub(crate) fn wait(
        &self,
        cursor: &mut Cursor,
        until: Option<Instant>,
    ) -> Option<Option<Item<T>>> {
        let found = match self.first(cursor) {
            Some(item) => Some(Some(item)),
            None => waiter::wait(
                &self.state.0,
                &self.bell,
                until,
                |state| &mut state.waiter,
                |state| self.ask(cursor, state),
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

impl Cursor {
    /// Goes on to the event of this number: how many are missing before it, if any.
    fn lost(&mut self, number: usize) -> Option<Lagged> {
        let lost = number.wrapping_sub(self.next);
        self.next = number;
        (lost > 0).then_some(Lagged(lost))
    }
}

/// A closure that makes what is buffered out of an event, or passes over it.
pub(crate) struct Pushes<M: Mode, T: 'static, F> {
    pub(crate) map: F,
    pub(crate) buffer: M::Ptr<Buffer<M, T>>,
}

/// Counts an event as lost if it is dropped by a panic of the closure.
struct Making<'m, M: Mode, T> {
    buffer: &'m Buffer<M, T>,
    head: &'m Head<M>,
}

impl<M: Mode, T> Drop for Making<'_, M, T> {
    fn drop(&mut self) {
        let told = self.buffer.lose();
        told.tell_guarded(&self.buffer.bell, self.head);
    }
}

impl<M, E, C, T, F> Callee<M, E, C> for Pushes<M, T, F>
where
    M: Mode,
    E: 'static,
    C: 'static,
    T: 'static,
    F: Fn(&E) -> Option<T> + 'static,
{
    type Kept = ();

    fn call(&self, head: &Head<M>, event: &E, round: &mut Round<'_, C>) -> Code {
        let making = Making {
            buffer: &*self.buffer,
            head,
        };
        let made = (self.map)(event);
        std::mem::forget(making);
        let Some(event) = made else {
            return Code::Skipped;
        };
        match self.buffer.push(event) {
            Ok(code) => code,
            Err(full) => faults::failed(head, Some(round.subject), Box::new(full)),
        }
    }

    fn ended(&self, (): &(), head: &Head<M>) {
        if !planted(Fault::Unended) {
            self.buffer.end().tell_guarded(&self.buffer.bell, head);
        }
    }
}

impl<M: Mode, T, F> Drop for Pushes<M, T, F> {
    fn drop(&mut self) {
        // Its limit has removed it, or the signal refused it. A panic of the waker is caught where
        // captures are dropped.
        if !planted(Fault::Unended) {
            self.buffer.end().tell::<M>(&self.buffer.bell);
        }
    }
}
