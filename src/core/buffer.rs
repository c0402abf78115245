//! The handler behind a stream: it pushes what comes into a buffer with a bound.
//!
//! Events are made before the lock is taken, and dropped after it; whoever waits is told after it.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::entry::{Code, Head, Round};
use super::faults;
use super::handlers::Callee;
use super::home::{Home, Place};
use super::mode::{Mode, Shared};
use super::room::Overflow;
use super::sync::{Fault, Lock, planted};
use super::waiter::{self, Told, Waiter};
use crate::error::{Lagged, StreamFull};

/// What waits between a handler and its stream.
pub(crate) struct Buffer<M: Mode, T> {
    state: M::Lock<State<T>>,
    /// Rung for a thread that waits for an event.
    bell: M::Bell,
    /// Rung for threads that wait for room.
    room: M::Bell,
    capacity: usize,
    overflow: Overflow,
    home: M::Ptr<Home<M>>,
    place: Place,
}

struct State<T> {
    events: VecDeque<Waiting<T>>,
    /// How many were lost after the last of `events`.
    lost: usize,
    /// Nothing is let in any more.
    over: bool,
    waiter: Waiter,
    /// How many threads wait for room.
    blocked: usize,
}

struct Waiting<T> {
    /// How many were lost before this one, and after the one in front of it.
    lost: usize,
    event: T,
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

impl<T> State<T> {
    /// What is next. `None` inside: nothing any more. Nothing at all while something may still come.
    fn ask(&mut self) -> Option<Option<Item<T>>> {
        let lost = match self.events.front_mut() {
            Some(first) => &mut first.lost,
            None => &mut self.lost,
        };
        if *lost > 0 {
            return Some(Some(Err(Lagged(std::mem::take(lost)))));
        }
        match self.events.pop_front() {
            Some(Waiting { event, .. }) => Some(Some(Ok(event))),
            None => self.over.then_some(None),
        }
    }

    fn drop_oldest(&mut self) -> Option<T> {
        let Waiting { lost, event } = self.events.pop_front()?;
        match self.events.front_mut() {
            Some(next) => next.lost += lost + 1,
            None => self.lost += lost + 1,
        }
        Some(event)
    }
}

impl<M: Mode, T> Buffer<M, T> {
    pub(crate) fn new(
        capacity: usize,
        overflow: Overflow,
        home: M::Ptr<Home<M>>,
        place: Place,
    ) -> Self {
        let state = State {
            events: VecDeque::new(),
            lost: 0,
            over: false,
            waiter: Waiter::default(),
            blocked: 0,
        };
        Buffer {
            state: M::Lock::new(state),
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

    pub(crate) fn len(&self) -> usize {
        self.state.with(|state| state.events.len())
    }

    /// Takes an event in, or does without it as the overflow says. An error: there is no room.
    fn push(&self, event: T) -> Result<Code, StreamFull> {
        let (mut event, mut oldest, mut blocked) = (Some(event), None, false);
        let verdict = M::wait(&self.state, &self.room, |state| {
            state.blocked -= usize::from(std::mem::take(&mut blocked));
            if state.over {
                return ControlFlow::Break(Verdict::Over);
            }
            if state.events.len() >= self.capacity {
                match self.overflow {
                    Overflow::Reject => return ControlFlow::Break(Verdict::Full),
                    Overflow::DropNewest => {
                        state.lost += 1;
                        return ControlFlow::Break(Verdict::Dropped);
                    }
                    Overflow::DropOldest => oldest = state.drop_oldest(),
                    Overflow::Block => {
                        state.blocked += 1;
                        blocked = true;
                        return ControlFlow::Continue(None);
                    }
                }
            }
            if let Some(event) = event.take() {
                let lost = std::mem::take(&mut state.lost);
                state.events.push_back(Waiting { lost, event });
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

    /// Counts an event that could not be cloned.
    fn lose(&self) -> Told {
        self.state.with(|state| {
            state.lost += 1;
            state.waiter.take()
        })
    }

    /// Nothing comes any more. What has come stays.
    pub(crate) fn end(&self) -> Told {
        let (told, blocked) = self.state.with(|state| {
            state.over = true;
            (state.waiter.take(), state.blocked)
        });
        self.make_room(blocked);
        told
    }

    /// Nobody takes anything any more.
    pub(crate) fn abandon(&self) {
        let (events, waker, blocked) = self.state.with(|state| {
            state.over = true;
            let events = std::mem::take(&mut state.events);
            (events, state.waiter.forget(), state.blocked)
        });
        self.make_room(blocked);
        drop(waker);
        for Waiting { event, .. } in events {
            faults::drop_event(event, &self.home, self.place);
        }
    }

    /// Tells those who wait for room that there is some.
    fn make_room(&self, blocked: usize) {
        if blocked > 0 && !planted(Fault::Roomless) {
            M::ring(&self.room);
        }
    }

    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Option<Item<T>>> {
        let mut blocked = 0;
        let poll = waiter::poll(
            &self.state,
            waker,
            |state| &mut state.waiter,
            |state| {
                blocked = state.blocked;
                state.ask()
            },
        );
        self.make_room(blocked);
        poll
    }

    /// What is there already.
    pub(crate) fn take(&self) -> Option<Item<T>> {
        let (item, blocked) = self.state.with(|state| (state.ask(), state.blocked));
        self.make_room(blocked);
        item.flatten()
    }
}

impl<T> Buffer<Shared, T> {
    /// Parks until something comes, or nothing will. `None`: the time was up first.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Option<Option<Item<T>>> {
        let mut blocked = 0;
        let ask = |state: &mut State<T>| {
            blocked = state.blocked;
            state.ask()
        };
        let item = waiter::wait(&self.state, &self.bell, until, |it| &mut it.waiter, ask);
        self.make_room(blocked);
        item
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
