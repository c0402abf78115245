//! Queues: the public type, and what signals and subscriptions put into one.
//!
//! # What it owns
//!
//! [`Queue`], what its methods return ([`drained::Drained`], [`delayed::Delayed`],
//! [`ready::Ready`], [`PostError`]), and those methods of `Signal` and `Subscribe` that add to a
//! queue ([`deferring`], [`delayed`]). Thin: all of it forwards to `core/queue`. Only loops over
//! whole drains (`run`, `drain_until_idle`) stand here.
//!
//! # What it guarantees
//!
//! What the documentation of the public methods says, on both flavours. A method that drains has
//! the caller's line (`#[track_caller]`), for the failure of a drain that is nested too deep.
//!
//! # What it does not know
//!
//! Buses and names: `bus.defer` and `bus.drain` stand with the bus. How events are stored and
//! delivered.
//!
//! # Decisions
//!
//! None of its own; those about queues stand in `core/queue`.

pub(crate) mod bounded;
pub(crate) mod deferring;
pub(crate) mod delayed;
pub(crate) mod drained;
pub(crate) mod ready;

use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

use crate::core::mode::{Mode, SendBound, Shared, SyncBound};
use crate::core::primitives::unwind::unwind_safe;
use crate::core::queue::active_drain::{DrainOptions, DrainSummary};
use crate::core::queue::claim::posted;
use crate::core::queue::queue::Queue as Core;
use crate::core::settings::bus::BusConfig;
use crate::core::settings::observer::observer;
use crate::error::{DeferError, DeferErrorKind};
use crate::outcome::Outcome;
use crate::queue::drained::Drained;
use crate::signal::Signal;

/// A queue of events, which a call of [`drain`](Queue::drain) delivers.
///
/// A handle is cheap to clone, and all clones are the same queue. Every bus has one. Create more
/// for threads or loops that handle events with a state of their own, and subscribe handlers to
/// them by [`on_queue`](crate::flavour::Subscribe::on_queue).
///
/// # Order
///
/// First in, first out, over all topics. A deferred event is delivered to the handlers that are
/// subscribed at the time of delivery. A drain delivers the events that are in the queue when it
/// begins; those deferred meanwhile, also by handlers, wait for the next drain. Events deferred by
/// [`defer_latest`](Self::defer_latest) replace each other, and those of
/// [`defer_after`](Self::defer_after) join the end when they are due.
///
/// # Capacity
///
/// A queue grows as long as memory allows; [`bounded`](Self::bounded) sets how many events may
/// wait, and what happens to one more. It keeps the memory of its largest burst;
/// [`clear`](Self::clear) frees it.
///
/// # Threads
///
/// One drain runs at a time: another thread that drains waits until it has ended. **A drain
/// excludes others while its handlers run**, so handlers should not wait for another thread that
/// drains.
///
/// # Drains inside of drains
///
/// A handler that a drain calls may drain, for example in the loop of a modal dialog. A drain of the
/// same queue delivers what the outer one has taken and not yet delivered, in order, then what was
/// deferred since, all with the context that it is given; the outer one goes on with what is left. A
/// drain of another queue works as usual, except that it does not wait if another thread is draining
/// that one, because two threads that did so could wait for each other for ever: it delivers nothing,
/// and [`Drained::is_busy`] returns `true`.
///
/// Such a drain, and one inside of an emission, is a level of nesting as an emission is. One that leaves
/// no level for the handlers it would call is refused, with a failure in [`Drained::errors`]; the
/// events stay.
///
/// # Failure
///
/// A handler that fails does not keep other events from being delivered; failures are in the
/// [`Drained`]. The first panic resumes when the batch has been delivered, unless it comes from a
/// signal of a bus that contains panics, or the queue belongs to such a bus. Events that are in the
/// queue when its last handle is dropped are dropped, and their number is reported to the error
/// hook or logged.
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Topic};
///
/// const SAVED: Topic<u64> = Topic::new("file.saved");
/// let bus = Bus::new();
/// let _sub = bus.on(&SAVED, |bytes| assert_eq!(*bytes, 512));
/// bus.defer(&SAVED, 512)?;
/// assert_eq!(bus.queue().len(), 1);
/// assert_eq!(bus.drain().delivered(), 1);
/// # Ok::<(), slotcast::DeferError<u64>>(())
/// ```
pub struct Queue<M: Mode, C: 'static = ()> {
    pub(crate) core: M::Ptr<Core<M, C>>,
}

impl<M: Mode> Queue<M> {
    /// Creates a queue without a context.
    #[must_use]
    #[track_caller]
    #[allow(
        clippy::new_without_default,
        reason = "there is a `Default`, for every context"
    )]
    pub fn new() -> Self {
        Self::with_context()
    }

    /// Delivers the events that are in the queue now.
    ///
    /// Waits if another thread drains; not inside of a drain, where it says so instead: see
    /// [drains inside of drains](Queue#drains-inside-of-drains). Allocates nothing once the queue has
    /// been as full before.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic resumes.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = slotcast::Queue::new();
    /// queue.post(|| println!("now is later"))?;
    /// assert_eq!(queue.drain().delivered(), 1);
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    #[track_caller]
    pub fn drain(&self) -> Drained {
        self.drain_with(&mut ())
    }

    /// Delivers the first event, if there is one. If that is a call that was cancelled or paused,
    /// it is removed and not delivered, so check [`Drained::remaining`] to see whether the queue is
    /// empty.
    ///
    /// # Panics
    ///
    /// If a handler panics.
    #[track_caller]
    pub fn drain_one(&self) -> Drained {
        self.drain_one_with(&mut ())
    }

    /// Like [`drain`](Self::drain), but does not wait: if another thread drains, delivers nothing,
    /// and [`Drained::is_busy`] returns `true`.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic resumes.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = slotcast::Queue::new();
    /// let other = queue.clone();
    /// queue.post(move || std::thread::scope(|scope| {
    ///     scope.spawn(|| assert!(other.try_drain().is_busy()));
    /// }))?;
    /// assert_eq!(queue.try_drain().delivered(), 1);
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    #[track_caller]
    pub fn try_drain(&self) -> Drained {
        self.try_drain_with(&mut ())
    }

    /// Delivers the events that are in the queue now, but begins none after `budget` has passed.
    /// The rest stays at the front, in order. A budget of zero delivers nothing, any other at least
    /// one event, so that a loop that is late makes progress.
    ///
    /// Reads the clock after each event, of whatever kind. The budget starts with the call: waiting
    /// for another thread's drain counts.
    ///
    /// # Panics
    ///
    /// If a handler panics: when the drain ends, the first panic resumes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let queue = slotcast::Queue::new();
    /// for _ in 0..3 {
    ///     queue.post(|| std::thread::sleep(Duration::from_millis(2)))?;
    /// }
    /// let frame = queue.drain_for(Duration::from_millis(1));
    /// assert_eq!((frame.delivered(), frame.remaining()), (1, 2));
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    #[track_caller]
    pub fn drain_for(&self, budget: Duration) -> Drained {
        self.drain_for_with(&mut (), budget)
    }

    /// Drains until the queue is empty, events deferred by handlers meanwhile included, or until
    /// `limit` events have been delivered: handlers that always defer another event do not make it
    /// run forever.
    ///
    /// # Panics
    ///
    /// If a handler panics: after the batch it was in. The remaining events stay in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// const COUNT: Topic<u32> = Topic::new("count.down");
    /// let bus = Bus::new();
    /// let own = bus.downgrade();
    /// let _sub = bus.on(&COUNT, move |n| if *n > 0 {
    ///     own.upgrade().unwrap().defer(&COUNT, n - 1).unwrap();
    /// });
    /// bus.defer(&COUNT, 3)?;
    /// assert_eq!(bus.queue().drain_until_idle(100).delivered(), 4);
    /// # Ok::<(), slotcast::DeferError<u32>>(())
    /// ```
    #[track_caller]
    pub fn drain_until_idle(&self, limit: usize) -> Drained {
        self.drain_until_idle_with(&mut (), limit)
    }
}

impl<M: Mode, C: 'static> Queue<M, C> {
    /// Creates a queue whose drains lend a `&mut C` to the handlers.
    #[must_use]
    #[track_caller]
    pub fn with_context() -> Self {
        Queue {
            core: M::ptr(Core::new(BusConfig::<M>::without_bus(), Location::caller())),
        }
    }

    /// Adds an event to this queue, for the handlers that are subscribed to `signal` when it is
    /// delivered. The signal need not belong to a bus.
    ///
    /// # Errors
    ///
    /// Returns the event if the queue or the signal was closed, or if the queue is full.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Signal};
    ///
    /// let key = Signal::<char>::new();
    /// let _sub = key.on(|_| ());
    /// let queue = Queue::new();
    /// queue.defer(&key, 'a')?;
    /// assert_eq!(queue.drain().delivered(), 1);
    /// # Ok::<(), slotcast::DeferError<char>>(())
    /// ```
    pub fn defer<E: 'static>(&self, signal: &Signal<M, E, C>, event: E) -> Result<(), DeferError<E>>
    where
        M: SendBound<E>,
    {
        self.core.defer(&signal.core, event, None)
    }

    /// Adds an event at the end of this queue, and removes the one that this method added for the
    /// same signal before, if that one still waits. For values of which only the newest matters:
    /// the position of the mouse, the size of a window.
    ///
    /// So at most one such event of the signal waits; those of [`defer`](Self::defer) are not
    /// affected. One that a drain has taken does not wait any more: it is delivered, and the new
    /// one by the next drain. The event that is removed is dropped outside of all locks; a panic in
    /// its `Drop` is a failure of its topic, reported to the error hook or logged. O(1), and
    /// allocates nothing once the queue has been as full before.
    ///
    /// # Errors
    ///
    /// Returns the event if the queue or the signal was closed, or if the queue is full and has no
    /// event of this signal to replace.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Signal};
    ///
    /// let resized = Signal::<(u32, u32)>::new();
    /// let _sub = resized.on(|size| assert_eq!(*size, (640, 480)));
    /// let queue = Queue::new();
    /// for size in [(638, 478), (639, 479), (640, 480)] {
    ///     queue.defer_latest(&resized, size)?;
    /// }
    /// assert_eq!(queue.drain().delivered(), 1);
    /// # Ok::<(), slotcast::DeferError<(u32, u32)>>(())
    /// ```
    pub fn defer_latest<E: 'static>(
        &self,
        signal: &Signal<M, E, C>,
        event: E,
    ) -> Result<(), DeferError<E>>
    where
        M: SendBound<E>,
    {
        self.core.defer_latest(&signal.core, event)
    }

    /// Adds a closure to this queue, to be called by the drain. Allocates. If the closure fails,
    /// the failure is in the drain's [`Drained`], and is reported to the error hook of the queue's
    /// bus.
    ///
    /// # Errors
    ///
    /// If the queue was closed, or is full; the closure is dropped.
    #[track_caller]
    pub fn post<F, R>(&self, f: F) -> Result<(), PostError>
    where
        F: FnOnce() -> R + 'static,
        R: Outcome,
        M: SendBound<F> + SendBound<()>,
    {
        self.put(|_| f())
    }

    /// Like [`post`](Self::post), with the context of the drain.
    ///
    /// # Errors
    ///
    /// If the queue was closed, or is full; the closure is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let ui = slotcast::Queue::<Vec<&str>>::with_context();
    /// ui.post_with(|lines| lines.push("hello"))?;
    /// let mut lines = Vec::new();
    /// ui.drain_with(&mut lines);
    /// assert_eq!(lines, ["hello"]);
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    #[track_caller]
    pub fn post_with<F, R>(&self, f: F) -> Result<(), PostError>
    where
        F: FnOnce(&mut C) -> R + 'static,
        R: Outcome,
        M: SendBound<F> + SendBound<()>,
    {
        self.put(f)
    }

    #[track_caller]
    fn put<R: Outcome>(&self, f: impl FnOnce(&mut C) -> R + 'static) -> Result<(), PostError>
    where
        M: SendBound<()>,
    {
        let claim = posted(f, self.core.info.clone(), Location::caller());
        let put = self.core.call(claim, ());
        put.map_err(|refused| PostError::new(refused.kind()))
    }

    /// Like [`drain`](Queue::drain), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic resumes.
    #[track_caller]
    pub fn drain_with(&self, context: &mut C) -> Drained {
        self.drain_by(context, DrainOptions::ALL)
    }

    /// Like [`drain_one`](Queue::drain_one), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics.
    #[track_caller]
    pub fn drain_one_with(&self, context: &mut C) -> Drained {
        self.drain_by(context, DrainOptions::at_most(1))
    }

    /// Like [`try_drain`](Queue::try_drain), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic resumes.
    #[track_caller]
    pub fn try_drain_with(&self, context: &mut C) -> Drained {
        let mut options = DrainOptions::ALL;
        options.waits = false;
        self.drain_by(context, options)
    }

    /// Like [`drain_for`](Queue::drain_for), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics: when the drain ends, the first panic resumes.
    #[track_caller]
    pub fn drain_for_with(&self, context: &mut C, budget: Duration) -> Drained {
        let mut options = DrainOptions::ALL;
        options.until = Instant::now().checked_add(budget);
        if budget.is_zero() {
            options.most = 0;
        }
        self.drain_by(context, options)
    }

    /// Like [`drain_until_idle`](Queue::drain_until_idle), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics: after the batch it was in. The remaining events stay in the queue.
    #[track_caller]
    pub fn drain_until_idle_with(&self, context: &mut C, limit: usize) -> Drained {
        let mut all = self.drain_by(context, DrainOptions::at_most(limit));
        while all.remaining() > 0 && all.taken() < limit && !all.is_stuck() {
            let options = DrainOptions::at_most(limit - all.taken());
            all.append(self.drain_by(context, options));
        }
        all
    }

    #[track_caller]
    pub(super) fn drain_by(&self, context: &mut C, options: DrainOptions) -> Drained {
        Drained(self.core.drain(context, options))
    }

    /// Sets the callback that is called when there are events to drain, in place of the one set
    /// before.
    ///
    /// It is called when the queue becomes non-empty, at once if events are waiting already, and
    /// after a drain that leaves events behind. No such moment is missed, but a call may be
    /// spurious. If it drains, and handlers defer again, it is called again when it has returned, and
    /// not inside of itself. It runs on the thread that defers, outside of all locks, and should only wake the
    /// loop that drains: post to the window system's event loop, unpark a thread, or, as here, send
    /// on a channel with a capacity of one. A panic in it is reported as a failure of the queue.
    ///
    /// The passing of time does not call it: [`next_deadline`](Self::next_deadline) says when the
    /// first delayed event is due. It is called when an event is delayed with an earlier deadline
    /// than all others, so that a loop that sleeps until the next deadline looks at it again.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let queue = slotcast::Queue::new();
    /// let (wake, woken) = mpsc::sync_channel(1); // one wake is as good as ten
    /// queue.on_ready(move || _ = wake.try_send(()));
    /// std::thread::spawn({ let queue = queue.clone(); move || queue.post(|| ()) });
    /// woken.recv()?;
    /// assert_eq!(queue.drain().delivered(), 1);
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    #[track_caller]
    pub fn on_ready<F>(&self, wake: F)
    where
        F: Fn() + 'static,
        M: SyncBound<F>,
    {
        self.core
            .on_ready(observer(move |(): &()| wake(), Location::caller()));
    }

    /// Takes the callback of [`on_ready`](Self::on_ready) out again, and returns whether there was one: for
    /// a loop that ends before its queue does. Its captures are dropped in this call, outside of locks, or
    /// with the call of it that is under way.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = slotcast::Queue::new();
    /// queue.on_ready(|| unreachable!("the loop has ended"));
    /// assert!(queue.clear_on_ready());
    /// queue.post(|| ())?;
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    pub fn clear_on_ready(&self) -> bool {
        self.core.clear_on_ready()
    }

    /// The number of events that wait for a drain that begins now, without calls that were cancelled.
    /// Delayed events are not counted until a drain has begun after their deadline. A snapshot.
    #[must_use]
    pub fn len(&self) -> usize {
        self.core.len()
    }

    /// Returns whether no event waits, as [`len`](Self::len) counts them. A snapshot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops all events that wait, delayed ones included, and returns their number. A drain that
    /// calls it from a handler ends after the current event. The batch that a drain on another
    /// thread has taken does not wait any more, and is delivered.
    pub fn clear(&self) -> usize {
        self.core.clear()
    }

    /// Drops the events of one topic that wait in this queue: deferred ones, delayed ones, and the calls of its
    /// [`on_queue`](crate::flavour::Subscribe::on_queue) handlers. Returns their number. The others stay in
    /// their order; a drain that calls it from a handler goes on with them. As with [`clear`](Self::clear),
    /// what a drain on another thread has taken is delivered.
    ///
    /// The events are dropped in this call, after the queue's lock was released, and threads that wait for
    /// capacity are woken. A `Drop` that panics is reported as a failure of the topic. The cost is O(n) in the
    /// number of events that wait; if there is one of the topic, each that stays takes an allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// let bus = Bus::new();
    /// let (moved, key) = (Topic::<u32>::new("moved"), Topic::<char>::new("key"));
    /// bus.defer(&moved, 1)?;
    /// bus.defer(&key, 'a')?;
    /// bus.defer(&moved, 2)?;
    /// assert_eq!(bus.queue().clear_topic(&bus.signal(&moved)), 2);
    /// assert_eq!(bus.queue().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_topic<E: 'static, D: 'static>(&self, signal: &Signal<M, E, D>) -> usize {
        self.core.clear_topic(&signal.core.info)
    }

    /// Refuses new events from now on. Those in the queue can still be drained; `run` returns once
    /// they are. Threads that wait for capacity get their event back. Futures of
    /// [`ready`](Self::ready) complete; the callback of `on_ready` is not called.
    ///
    /// Delayed events stay in the queue, too, and are delivered by drains that begin when they are
    /// due. `run` does not wait for them; those that are never drained are reported when the queue
    /// is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = slotcast::Queue::new();
    /// queue.post(|| ())?;
    /// queue.close();
    /// assert!(queue.post(|| ()).is_err());
    /// assert_eq!(queue.drain().delivered(), 1);
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    pub fn close(&self) {
        self.core.close();
    }

    /// Returns whether the queue was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.is_closed()
    }
}

impl Queue<Shared> {
    /// Drains until the queue is closed and empty; parks while there are no events, until the next
    /// delayed one is due.
    ///
    /// Inside of a drain it does not wait for another thread that drains: it returns, and
    /// [`Drained::is_busy`] returns `true`. Once the queue is closed it does not wait for delayed
    /// events: those that are not due stay in it. The return value has the number of events delivered. Failures are reported to the hook,
    /// or logged, after each batch, and are not in the return value.
    ///
    /// # Panics
    ///
    /// If a handler panics: after the batch it was in. The remaining events stay in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = slotcast::Queue::new();
    /// let worker = std::thread::spawn({ let queue = queue.clone(); move || queue.run().delivered() });
    /// queue.post(|| ())?;
    /// queue.close();
    /// assert_eq!(worker.join().unwrap(), 1);
    /// # Ok::<(), slotcast::PostError>(())
    /// ```
    #[track_caller]
    pub fn run(&self) -> Drained {
        self.run_with(&mut ())
    }
}

impl<C: 'static> Queue<Shared, C> {
    /// Like [`run`](Queue::run), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// As `run`.
    #[track_caller]
    pub fn run_with(&self, context: &mut C) -> Drained {
        let mut all = DrainSummary::default();
        while self.core.wait(None) {
            let batch = self.drain_with(context);
            // The failures are logged here, if there is no hook.
            all.count(&batch.0);
            if batch.is_stuck() {
                (all.busy, all.remaining) = (batch.is_busy(), batch.remaining());
                break;
            }
        }
        Drained(all)
    }
}

impl<M: Mode, C: 'static> Default for Queue<M, C> {
    #[track_caller]
    fn default() -> Self {
        Self::with_context()
    }
}

impl<M: Mode, C: 'static> Clone for Queue<M, C> {
    fn clone(&self) -> Self {
        Queue {
            core: self.core.clone(),
        }
    }
}

impl<M: Mode, C: 'static> fmt::Debug for Queue<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.len())
            .field("delayed", &self.delayed())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

unwind_safe! {
    [M: Mode, C] Queue<M, C>;
}

/// The error of a closure that could not be posted, because the queue was closed or full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("closure was not posted: {kind}")]
pub struct PostError {
    kind: DeferErrorKind,
}

impl PostError {
    pub(crate) fn new(kind: DeferErrorKind) -> Self {
        PostError { kind }
    }

    /// The reason why it could not be posted.
    #[must_use]
    pub fn kind(&self) -> DeferErrorKind {
        self.kind
    }
}
