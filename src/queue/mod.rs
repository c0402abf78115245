//! Events that wait to be delivered.

pub(crate) mod bounded;
pub(crate) mod deferring;
pub(crate) mod delayed;
pub(crate) mod drained;
pub(crate) mod ready;

use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use crate::core::mode::{Mode, SendBound, Shared, SyncBound};
use crate::core::primitives::thread;
use crate::core::queue::claim::{Claim, posted};
use crate::core::queue::drain::DrainOptions;
use crate::core::queue::queue::Queue as Core;
use crate::core::queue::ready::Waited;
use crate::core::settings::bus::BusConfig;
use crate::core::settings::observer::observer;
use crate::error::{DeferError, DeferErrorKind};
use crate::outcome::Outcome;
use crate::queue::drained::Drained;
use crate::signal::Signal;

/// Events that wait to be delivered by whoever drains it.
///
/// A handle is cheap to clone, and all clones are the same queue. Every bus has one; more are made
/// for threads or loops that handle events with a state of their own, and subscribed to by
/// [`on_queue`](crate::flavour::Subscribe::on_queue).
///
/// # Order
///
/// First in, first out, over all topics. An event that was deferred goes to the handlers that are
/// subscribed when it is delivered. A drain takes what is there when it begins; what is deferred
/// meanwhile, by handlers too, waits for the next one. The queue keeps the room of its largest
/// burst; [`clear`](Self::clear) gives it back. Events that are deferred by
/// [`defer_latest`](Self::defer_latest) replace each other, and those of
/// [`defer_after`](Self::defer_after) join the end when they are due.
///
/// # Room
///
/// A queue takes what it is given, as long as memory allows; [`bounded`](Self::bounded) says how many
/// may wait, and what happens to one more.
///
/// # Threads
///
/// One drain runs at a time: a second thread waits for its turn. **The turn is held while handlers
/// run**, so handlers should not wait for another thread that drains. A drain from inside a drain,
/// of whichever queue, is refused, because two threads that did so could wait for each other for
/// ever; [`Drained::errors`] says so.
///
/// # Failure
///
/// A handler that fails keeps no other event from being delivered; failures are in the
/// [`Drained`]. The first panic goes on when the batch has been delivered, unless it comes from a
/// signal of a bus that contains panics, or the queue is that of one. Events that are inside
/// when the last handle goes are dropped, and their number is told to the error hook or logged.
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
    /// A queue of its own, without a context.
    #[must_use]
    #[track_caller]
    #[allow(
        clippy::new_without_default,
        reason = "there is a `Default`, for every context"
    )]
    pub fn new() -> Self {
        Self::with_context()
    }

    /// Delivers what is there now.
    ///
    /// Waits for its turn if another thread drains. Allocates nothing once the queue is warm.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic goes on.
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

    /// Delivers the first event, if there is one. If that is a call that was cancelled or paused, it
    /// is taken out and not delivered: go by [`Drained::remaining`].
    ///
    /// # Panics
    ///
    /// If a handler panics.
    #[track_caller]
    pub fn drain_one(&self) -> Drained {
        self.drain_one_with(&mut ())
    }

    /// Like [`drain`](Self::drain), but does not wait for its turn: if another thread drains,
    /// delivers nothing, and [`Drained::is_busy`] says so.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic goes on.
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

    /// Delivers what is there now, but begins no event once the time is up. The rest stays in front,
    /// in order. A budget of zero delivers nothing, any other at least one event, so that a loop that
    /// is late gets on.
    ///
    /// Looks at the clock after each event, of whatever kind. The budget begins when the call does:
    /// waiting for the turn counts.
    ///
    /// # Panics
    ///
    /// If a handler panics: when the drain ends, the first panic goes on.
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

    /// Drains until nothing is left, also of what handlers deferred meanwhile, or until `limit`
    /// events have been delivered: handlers that defer for ever do not keep it for ever.
    ///
    /// # Panics
    ///
    /// If a handler panics: after the batch it was in. What is left stays inside.
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
    /// A queue of its own, whose drains lend a `&mut C` to the handlers.
    #[must_use]
    #[track_caller]
    pub fn with_context() -> Self {
        Queue {
            core: M::ptr(Core::new(BusConfig::<M>::usual(), Location::caller())),
        }
    }

    /// Puts an event into this queue, for whoever is subscribed to `signal` when it is delivered.
    /// The signal need not belong to a bus.
    ///
    /// # Errors
    ///
    /// The event comes back if the queue or the signal was closed, or if the queue is full.
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
        self.core.defer(&signal.core, event)
    }

    /// Puts an event at the end of this queue, and takes back the one that was put so for the same
    /// signal, if it still waits. For what only counts as it is now: where the mouse is, how large
    /// the window.
    ///
    /// So at most one event of the signal waits that was deferred so; those of
    /// [`defer`](Self::defer) are not touched. One that a drain has taken does not wait any more: it is
    /// delivered, and the new one by the next drain. The event that was taken back is dropped outside
    /// of all locks; a panic in its `Drop` is a failure of its topic, told to the error hook or
    /// logged. O(1), and allocates nothing once the queue is warm.
    ///
    /// # Errors
    ///
    /// The event comes back if the queue or the signal was closed, or if the queue is full and has
    /// none of this signal to take back.
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

    /// Puts a closure into this queue, to be called where it is drained. Allocates. If the closure
    /// fails, the drain's [`Drained`] says so, and the error hook of the queue's bus is told.
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
        self.put(posted(
            |_: &mut C| f(),
            self.core.info().clone(),
            Location::caller(),
        ))
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
        self.put(posted(f, self.core.info().clone(), Location::caller()))
    }

    fn put(&self, claim: Claim<M, (), C>) -> Result<(), PostError>
    where
        M: SendBound<()>,
    {
        self.core.call(claim, ()).map_err(|refused| PostError {
            kind: refused.kind(),
        })
    }

    /// Delivers what is there now, and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic goes on.
    #[track_caller]
    pub fn drain_with(&self, context: &mut C) -> Drained {
        Drained::new(self.core.drain(context, DrainOptions::ALL))
    }

    /// Delivers the first event, if there is one, and lends the context to its handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics.
    #[track_caller]
    pub fn drain_one_with(&self, context: &mut C) -> Drained {
        Drained::new(self.core.drain(context, DrainOptions::at_most(1)))
    }

    /// Like [`try_drain`](Queue::try_drain), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics: when all has been delivered, the first panic goes on.
    #[track_caller]
    pub fn try_drain_with(&self, context: &mut C) -> Drained {
        let waits = false;
        Drained::new(self.core.drain(
            context,
            DrainOptions {
                waits,
                ..DrainOptions::ALL
            },
        ))
    }

    /// Like [`drain_for`](Queue::drain_for), and lends the context to the handlers.
    ///
    /// # Panics
    ///
    /// If a handler panics: when the drain ends, the first panic goes on.
    #[track_caller]
    pub fn drain_for_with(&self, context: &mut C, budget: Duration) -> Drained {
        let options = match (budget, Instant::now().checked_add(budget)) {
            (Duration::ZERO, _) => DrainOptions::at_most(0),
            (_, until) => DrainOptions {
                until,
                ..DrainOptions::ALL
            },
        };
        Drained::new(self.core.drain(context, options))
    }

    /// Drains with a context until nothing is left, or until `limit` events have been
    /// delivered.
    ///
    /// # Panics
    ///
    /// If a handler panics: after the batch it was in. What is left stays inside.
    #[track_caller]
    pub fn drain_until_idle_with(&self, context: &mut C, limit: usize) -> Drained {
        let mut all = Drained::new(self.core.drain(context, DrainOptions::at_most(limit)));
        while all.remaining > 0 && all.delivered < limit && !all.refused() {
            let options = DrainOptions::at_most(limit - all.delivered);
            all.append(Drained::new(self.core.drain(context, options)));
        }
        all
    }

    /// Sets what is called when there is something to drain, in place of what was set before.
    ///
    /// Called when the queue goes from empty to not empty, at once if something waits already, and
    /// after a drain that leaves something behind: never too seldom, at times once too often. It
    /// runs on the thread that defers, outside of all locks, and should do no more than wake the
    /// loop that drains: post to the window system's event loop, unpark a thread, or, as here, fill
    /// a channel of one. A panic in it is reported as a failure of the queue.
    ///
    /// The passing of time does not call it: [`next_deadline`](Self::next_deadline) says when the
    /// first delayed event is due. It is called when an event is delayed with an earlier deadline
    /// than all before, so that a loop that sleeps until then looks at it again.
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

    /// How many events wait for a drain that starts now, calls that have been cancelled meanwhile
    /// included; delayed ones are not, before a drain has begun when they are due. A snapshot.
    #[must_use]
    pub fn len(&self) -> usize {
        self.core.len()
    }

    /// Whether no event waits, as [`len`](Self::len) counts them. A snapshot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops all that waits, and all that is delayed; how many events. From inside a drain, that drain
    /// ends after the event it is at. What a drain on another thread has begun to deliver does not
    /// wait any more.
    pub fn clear(&self) -> usize {
        self.core.clear()
    }

    /// Refuses new events from now on. What is inside stays to be drained; `run` returns
    /// once that is done. Whoever waits for room gets the event back. Completes what
    /// [`ready`](Self::ready) gave, and does not call what `on_ready` set.
    ///
    /// What is delayed stays inside, too, and is delivered by drains that start when it is due. Nobody
    /// waits for that: `run` returns, and what is never drained is reported when the queue goes.
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

    /// Whether the queue was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.is_closed()
    }
}

impl Queue<Shared> {
    /// Drains until the queue is closed and empty; parks while there is nothing to do, and until the
    /// next delayed event is due.
    ///
    /// Once the queue is closed it does not wait for delayed events: those that are not due stay
    /// inside. What comes back says how many events were delivered. Failures are told to the hook, or
    /// logged, after each batch, and not kept.
    ///
    /// # Panics
    ///
    /// If a handler panics: after the batch it was in. What is left stays inside.
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
    /// Like [`run`](Queue::run), and lends the context to the handlers. Its errors are told to the
    /// hook or logged after each batch, and are not in what it returns.
    ///
    /// # Panics
    ///
    /// As `run` does.
    #[track_caller]
    pub fn run_with(&self, context: &mut C) -> Drained {
        let mut all = Drained::NOTHING;
        if thread::is_draining() {
            // Waiting inside of a drain would never end; the drain says so.
            return self.drain_with(context);
        }
        while self.core.wait(None) == Waited::Ready {
            let mut batch = self.drain_with(context);
            if batch.refused() {
                return batch;
            }
            all.delivered += batch.delivered;
            // Logged here, if nobody was told.
            batch.report = None;
        }
        all
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

// A panic of a handler leaves nothing half done: it is caught before it gets here, whatever the
// handlers capture and the events are.
impl<M: Mode, C> UnwindSafe for Queue<M, C> {}
impl<M: Mode, C> RefUnwindSafe for Queue<M, C> {}

/// A closure could not be posted, because the queue was closed or full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("closure was not posted: {kind}")]
pub struct PostError {
    kind: DeferErrorKind,
}

impl PostError {
    /// Why it could not be posted.
    #[must_use]
    pub fn kind(&self) -> DeferErrorKind {
        self.kind
    }
}
