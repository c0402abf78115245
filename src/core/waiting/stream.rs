//! The handler behind a stream: it pushes events into a bounded buffer.
//!
//! Handlers push into an inbox under its lock. The stream takes from an outbox, and swaps the two
//! when the outbox is empty: so it takes the handlers' lock once for all events pushed meanwhile,
//! and not for each. Every event has a number, those that are lost too.
//!
//! Events are created before the lock is acquired, and dropped after it is released; waiters are
//! notified after it is released.
//!
//! # Decisions
//!
//! **A stream takes under another lock than handlers push under.** So the two threads meet once for
//! many events, and `len`, the capacity and what `DropOldest` drops are exact all the same: the
//! stream publishes how many events it has taken in a word, which handlers read when they would
//! have to refuse an event, and `DropOldest` takes from the outbox too. The locks and the word have
//! cache lines of their own: when one of them shared a line with something that the other thread
//! reads, the whole gain was lost. Between two threads this passes 1.2 to 1.9 times as many events
//! as a broadcast channel. With one lock for both it was 0.7 to 0.85, whether one event was taken
//! at a time or 32, and also when the task yielded to its executor once before it parked. A
//! lock-free queue, of `crossbeam-queue`, passed 3 times as many, but allocates for every 31
//! events, where emitting is to allocate nothing; its ring of a fixed size takes its memory at
//! once.
//!
//! **A loss is reported where it happened.** Where a number is missing, the stream yields how many
//! are, and leaves the event behind them in the buffer: it counts in `len`, and `DropOldest` may
//! still drop it. A panic in a clone counts as one lost event.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::task::{Poll, Waker};

use crate::core::handler::describe::Waiting;
use crate::core::handler::entry::{CallResult, Header};
use crate::core::handler::erased::EmitContext;
use crate::core::handler::failures;
use crate::core::handler::handler_fn::HandlerFn;
use crate::core::primitives::clock::Instant;
use crate::core::primitives::flavour::{Primitives, Shared};
use crate::core::primitives::sync::{Lock, Ordering, THREADS, Word, fence};
use crate::core::settings::failure_source::drop_event;
use crate::core::settings::signal_info::SignalInfo;
use crate::core::waiting::waiter::{self, PendingWake, Waiter};
use crate::error::{Lagged, StreamFull};
use crate::failure::CallSite;
use crate::policy::Overflow;
use crate::wiring::handler::HandlerKind;

/// The events between a handler and its stream.
pub(crate) struct StreamBuffer<M: Primitives, T> {
    state: CachePadded<M::Lock<State<T>>>,
    /// The events before those of the inbox. Locked alone, or under the lock of the state.
    outbox: CachePadded<M::Lock<VecDeque<Numbered<T>>>>,
    /// The number of events that the stream has taken. All counts and numbers wrap around. Written
    /// by the stream (Release), read by handlers and `len` (Acquire).
    taken: CachePadded<M::Word>,
    /// The number of threads that wait for capacity. Changed under the lock of the state, read
    /// without it in `notify_not_full`: see the fences there and in `push`.
    blocked: M::Word,
    /// Notified for a thread that waits for an event.
    condvar: M::Condvar,
    /// Notified for threads that wait for capacity.
    not_full: M::Condvar,
    capacity: usize,
    overflow: Overflow,
    info: M::Ptr<SignalInfo<M>>,
    location: CallSite,
}

/// A value on a cache line of its own, so that the writes of one thread do not take from another
/// the line with what only that one needs.
#[repr(align(128))] // Two lines, for the pairwise prefetch.
struct CachePadded<T>(T);

struct State<T> {
    inbox: VecDeque<Numbered<T>>,
    /// The number of the next event.
    next: usize,
    /// The number of events pushed, less those dropped since.
    pushed: usize,
    /// The value of `taken` when it was last read. As long as that will do, the threads do not
    /// exchange its cache line.
    seen: usize,
    /// The stream exists, and may take events.
    begun: bool,
    /// No more events are accepted.
    over: bool,
    waiter: Waiter,
}

struct Numbered<T> {
    number: usize,
    event: T,
}

/// The position of a stream in its buffer.
#[derive(Default)]
pub(crate) struct ReadPosition {
    /// The number of the next event, unless that is lost.
    next: usize,
    taken: usize,
}

/// What a stream yields.
pub(crate) type Item<T> = Result<T, Lagged>;

impl<M: Primitives, T> StreamBuffer<M, T> {
    pub(crate) fn new(
        capacity: usize,
        overflow: Overflow,
        info: M::Ptr<SignalInfo<M>>,
        location: CallSite,
    ) -> Self {
        StreamBuffer {
            state: CachePadded(M::Lock::new(State {
                inbox: VecDeque::new(),
                next: 0,
                pushed: 0,
                seen: 0,
                begun: false,
                over: false,
                waiter: Waiter::default(),
            })),
            outbox: CachePadded(M::Lock::new(VecDeque::new())),
            taken: CachePadded(M::Word::new(0)),
            blocked: M::Word::new(0),
            condvar: M::condvar(),
            not_full: M::condvar(),
            capacity,
            overflow,
            info,
            location,
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Tells the buffer that its stream exists: from now on, a full one may block.
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

    /// Adds an event, or handles the overflow. Returns an error if the buffer is full and rejects
    /// events.
    fn push(&self, event: T) -> Result<CallResult, StreamFull> {
        let (mut event, mut oldest, mut blocked) = (Some(event), None, false);
        let added = M::wait(&self.state.0, &self.not_full, |state| {
            if std::mem::take(&mut blocked) {
                self.blocked.sub(1);
            }
            if state.over {
                return ControlFlow::Break(Ok((CallResult::Skipped, PendingWake::default())));
            }
            if self.is_full(state) {
                match self.overflow {
                    Overflow::Reject => {
                        return ControlFlow::Break(Err(StreamFull(self.capacity)));
                    }
                    Overflow::DropNewest => {
                        state.next = state.next.wrapping_add(1);
                        return ControlFlow::Break(Ok((CallResult::Ran, PendingWake::default())));
                    }
                    Overflow::DropOldest => oldest = self.pop_oldest(state),
                    // Events that a signal retains are handed over before the stream exists.
                    Overflow::Block if !state.begun => {}
                    // Nobody could take an event while this thread waits.
                    Overflow::Block if !THREADS => {
                        return ControlFlow::Break(Err(StreamFull(self.capacity)));
                    }
                    Overflow::Block => {
                        self.blocked.add(1);
                        // SeqCst, pairs with the fence in `notify_not_full`: either this thread
                        // sees that events were taken, or the stream sees that it waits.
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
            ControlFlow::Break(Ok((CallResult::Ran, state.waiter.take())))
        });
        let (result, wake) = added?;
        wake.wake::<M>(&self.condvar);
        Ok(result)
    }

    /// Removes the oldest event, unless the stream has taken one meanwhile.
    fn pop_oldest(&self, state: &mut State<T>) -> Option<Numbered<T>> {
        self.outbox.0.with(|outbox| {
            if !self.is_full(state) {
                return None;
            }
            let oldest = outbox.pop_front().or_else(|| state.inbox.pop_front())?;
            state.pushed = state.pushed.wrapping_sub(1);
            Some(oldest)
        })
    }

    /// Counts an event that could not be cloned as lost.
    fn lose(&self) -> PendingWake {
        self.state.0.with(|state| {
            if state.over {
                return PendingWake::default();
            }
            state.next = state.next.wrapping_add(1);
            state.waiter.take()
        })
    }

    /// Refuses further events; those in the buffer stay. Returns the waiter, to be woken.
    pub(crate) fn end(&self) -> PendingWake {
        let wake = self.state.0.with(|state| {
            state.over = true;
            state.waiter.take()
        });
        self.notify_not_full();
        wake
    }

    /// Refuses further events and drops those in the buffer, because the stream is dropped.
    pub(crate) fn abandon(&self) {
        let (inbox, waker) = self.state.0.with(|state| {
            state.over = true;
            (std::mem::take(&mut state.inbox), state.waiter.forget())
        });
        let outbox = self.outbox.0.with(std::mem::take);
        self.notify_not_full();
        drop_event(waker, &self.info, self.location);
        for Numbered { event, .. } in outbox.into_iter().chain(inbox) {
            drop_event(event, &self.info, self.location);
        }
    }

    /// Notifies the threads that wait for capacity, if there are any.
    fn notify_not_full(&self) {
        if self.overflow != Overflow::Block {
            return;
        }
        // SeqCst, pairs with the fence in `push`, between the store to `taken` and the load of
        // `blocked`.
        fence(Ordering::SeqCst);
        if self.blocked.get() > 0 {
            // A thread that is about to wait has the lock until it is parked, and would miss a
            // notification before that.
            self.state.0.with(|_| ());
            M::notify_all(&self.not_full);
        }
    }

    /// The next item, or `None` if no more come. Otherwise registers the waker.
    pub(crate) fn poll(&self, position: &mut ReadPosition, waker: &Waker) -> Poll<Option<Item<T>>> {
        let poll = match self.pop(position) {
            Some(item) => Poll::Ready(Some(item)),
            None => waiter::poll(
                &self.state.0,
                waker,
                |state| &mut state.waiter,
                |state| self.pop_or_swap(position, state),
            ),
        };
        self.notify_not_full();
        poll
    }

    /// The next item, if it is in the buffer.
    pub(crate) fn take(&self, position: &mut ReadPosition) -> Option<Item<T>> {
        let item = self.pop(position).or_else(|| {
            let found = self.state.0.with(|state| self.pop_or_swap(position, state));
            found.flatten()
        });
        self.notify_not_full();
        item
    }

    /// The next item, if it is in the outbox.
    fn pop(&self, position: &mut ReadPosition) -> Option<Item<T>> {
        self.outbox.0.with(|outbox| self.pop_from(position, outbox))
    }

    /// The next item, from the outbox or the inbox, or `Some(None)` if no more come. `None` while
    /// there is none, but may still be one.
    fn pop_or_swap(
        &self,
        position: &mut ReadPosition,
        state: &mut State<T>,
    ) -> Option<Option<Item<T>>> {
        let first = self.outbox.0.with(|outbox| {
            if outbox.is_empty() {
                std::mem::swap(outbox, &mut state.inbox);
            }
            self.pop_from(position, outbox)
        });
        // A loss at the end has no event behind it.
        let item = first.or_else(|| Some(Err(position.lost(state.next)?)));
        (item.is_some() || state.over).then_some(item)
    }

    /// Removes the first event of the outbox, unless one is missing before it: then returns that
    /// loss.
    fn pop_from(
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
    /// Parks until there is an item, or no more come. Returns `None` if `until` comes first.
    pub(crate) fn wait(
        &self,
        position: &mut ReadPosition,
        until: Option<Instant>,
    ) -> Option<Option<Item<T>>> {
        let found = match self.pop(position) {
            Some(item) => Some(Some(item)),
            None => waiter::wait(
                &self.state.0,
                &self.condvar,
                until,
                |state| &mut state.waiter,
                |state| self.pop_or_swap(position, state),
            ),
        };
        self.notify_not_full();
        found
    }
}

impl<T> State<T> {
    /// The number of events in the buffer, or more than that if the stream has taken some since
    /// `seen`.
    fn len(&self) -> usize {
        self.pushed.wrapping_sub(self.seen)
    }
}

impl ReadPosition {
    /// Moves on to the event with this number; returns how many are missing before it, if any.
    fn lost(&mut self, number: usize) -> Option<Lagged> {
        let lost = number.wrapping_sub(self.next);
        self.next = number;
        (lost > 0).then_some(Lagged(lost))
    }
}

/// A closure that maps an event to what is buffered, or skips it.
pub(crate) struct StreamHandler<M: Primitives, T: 'static, F> {
    pub(crate) map: F,
    pub(crate) buffer: M::Ptr<StreamBuffer<M, T>>,
}

/// Counts an event as lost if it is dropped, which only a panic of the closure does.
struct LossGuard<'m, M: Primitives, T> {
    buffer: &'m StreamBuffer<M, T>,
    head: &'m Header<M>,
}

impl<M: Primitives, T> Drop for LossGuard<'_, M, T> {
    fn drop(&mut self) {
        let wake = self.buffer.lose();
        wake.wake_guarded(&self.buffer.condvar, self.head);
    }
}

impl<M, E, C, T, F> HandlerFn<M, E, C> for StreamHandler<M, T, F>
where
    M: Primitives,
    E: 'static,
    C: 'static,
    T: 'static,
    F: Fn(&E) -> Option<T> + 'static,
{
    const WAITS: bool = true;
    type EntryState = ();
    fn kind(&self) -> (HandlerKind, usize) {
        // The number of events is under another lock: see `waiting`.
        let capacity = self.buffer.capacity();
        (HandlerKind::Stream { len: 0, capacity }, 0)
    }
    fn waiting(&self) -> Option<Waiting> {
        let capacity = Some(self.buffer.capacity());
        let len = self.buffer.len();
        Some(Waiting { len, capacity })
    }

    fn call(&self, head: &Header<M>, event: &E, cx: &mut EmitContext<'_, C>) -> CallResult {
        let buffer = &*self.buffer;
        let loss_guard = LossGuard { buffer, head };
        let made = (self.map)(event);
        std::mem::forget(loss_guard);
        let Some(event) = made else {
            return CallResult::Skipped;
        };
        let pushed = buffer.push(event);
        pushed.unwrap_or_else(|full| failures::failed(head, Some(cx.topic_info()), Box::new(full)))
    }

    fn on_removed(&self, (): &(), head: &Header<M>) {
        self.buffer.end().wake_guarded(&self.buffer.condvar, head);
    }
}

impl<M: Primitives, T, F> Drop for StreamHandler<M, T, F> {
    fn drop(&mut self) {
        // Here the stream ends if a limit has removed the handler, or the signal refused it. A
        // panic of the waker is caught by what drops the captures.
        self.buffer.end().wake::<M>(&self.buffer.condvar);
    }
}
