//! Streams of events, and handlers that pass events to a sink.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::{FusedStream, Stream};

use crate::bus::Bus;
use crate::core::handler::handler_fn::Filter;
use crate::core::handler::plain::Plain;
use crate::core::mode::{Mode, SendBound, Shared, SyncBound};
use crate::core::primitives::unwind::unwind_safe;
use crate::core::waiting::stream::{ReadPosition, StreamBuffer, StreamHandler};
use crate::error::{Lagged, TimedOut};
use crate::outcome::Outcome;
use crate::policy::Overflow;
use crate::signal::Signal;
use crate::signal::subscribe::Subscribe;
use crate::signal::subscription::Subscription;
use crate::topic::Topic;
use crate::topic::any_event::AnyEvent;
use crate::topic::pattern::IntoPattern;

/// A bounded [`Stream`] of the events of a signal. Returned by `stream()` of a signal, a bus or the
/// builder.
///
/// It is subscribed when it is created, not when it is first polled: events that are emitted in
/// between wait in its buffer. It is a handler until its end: it has its place in the order by its
/// priority, counts in `len`, and an event that only it gets is not unhandled.
///
/// # Loss
///
/// `capacity` counts the events that wait in the buffer. What happens to one more depends on the
/// [`Overflow`] that the stream is created with; no loss is silent:
///
/// - `Reject`: the emission has a failure of this handler, with [`StreamFull`](crate::StreamFull)
///   as its source, and the event is not in the stream.
/// - `DropOldest`, `DropNewest`: the stream yields an `Err` of [`Lagged`] in the place of the
///   dropped events, with their number. [`skip_lag`](Self::skip_lag) makes of it a stream of plain
///   events that counts them.
/// - `Block`: the emission waits until an event is taken from the stream, or the stream ends. In
///   the shared flavour only. The events that a signal that [retains](Signal::retain) them passes
///   to a new stream may exceed the capacity. **A thread that fills its own stream waits forever**,
///   and so does a task of an executor whose only thread emits: unlike a queue, a stream cannot
///   know which thread will take its events.
///
/// A clone that panics is a failure of the handler, and counts as lost in the stream.
///
/// # The end
///
/// When the handler is removed, by a `close`, a `clear`, its [limit](Subscribe::limit), or because
/// the last handle of the signal or the bus is dropped, the stream yields what is buffered, and
/// then `None`. It does not keep its signal alive. Dropping it unsubscribes, drops what is
/// buffered, and ends the wait of emissions that it blocks.
///
/// # Order, threads, cost
///
/// Events that one thread emits arrive in the order they were emitted. An event is cloned on the
/// thread that emits, and the task is woken there, outside of locks, before the next handler runs;
/// a waker that panics is a failure of the handler, but the event is in the stream then. An event
/// costs a clone and a lock on either side, usually not the same lock, and allocates nothing once
/// the buffer has been as full before; its memory is at most that of twice the capacity.
///
/// # Examples
///
/// ```
/// use futures::StreamExt;
/// use slotcast::{Overflow, Signal};
///
/// # futures::executor::block_on(async {
/// let progress = Signal::<u32>::new();
/// let mut percents = progress.stream(2, Overflow::DropOldest);
/// for n in [10, 20, 30] {
///     progress.emit(&n);
/// }
/// progress.close();
/// assert_eq!(percents.next().await.unwrap().unwrap_err().lost(), 1);
/// assert_eq!(percents.next().await, Some(Ok(20)));
/// assert_eq!(percents.next().await, Some(Ok(30)));
/// assert_eq!(percents.next().await, None);
/// # })
/// ```
#[must_use = "dropping it unsubscribes at once"]
pub struct EventStream<M: Mode, E: 'static> {
    buffer: M::Ptr<StreamBuffer<M, E>>,
    position: ReadPosition,
    subscription: Subscription<M>,
    /// Whether it has yielded `None`.
    done: bool,
}

impl<M: Mode, E: 'static, C: 'static> Signal<M, E, C> {
    /// Subscribes a stream that buffers up to `capacity` events; see [`EventStream`] for what
    /// happens to one more.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero; in the local flavour with [`Overflow::Block`], because no other
    /// thread could take an event.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Overflow, Signal};
    ///
    /// let key = Signal::<char>::new();
    /// let mut keys = key.stream(64, Overflow::Reject);
    /// key.emit(&'a');
    /// assert_eq!(keys.try_take(), Some(Ok('a')));
    /// assert_eq!(keys.try_take(), None);
    /// ```
    #[track_caller]
    pub fn stream(&self, capacity: usize, overflow: Overflow) -> EventStream<M, E>
    where
        E: Clone,
        M: SendBound<E>,
    {
        self.subscribe().stream(capacity, overflow)
    }
}

impl<M: Mode, E: 'static, C: 'static, P: Filter<E>> Subscribe<M, E, C, P> {
    /// Subscribes a stream of the events that pass; see [`EventStream`]. A limit ends it.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero; in the local flavour with [`Overflow::Block`].
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Overflow, Signal};
    ///
    /// let size = Signal::<u64>::new();
    /// let large = size.subscribe().filter(|n| *n > 1000).limit(1).stream(8, Overflow::DropNewest);
    /// for n in [5, 5000, 6000] {
    ///     size.emit(&n);
    /// }
    /// assert_eq!(futures::executor::block_on_stream(large).collect::<Vec<_>>(), [Ok(5000)]);
    /// ```
    #[track_caller]
    pub fn stream(self, capacity: usize, overflow: Overflow) -> EventStream<M, E>
    where
        E: Clone,
        M: SendBound<E>,
    {
        self.push(capacity, overflow, |event| Some(event.clone()))
    }

    /// Subscribes a stream of the values that `map` returns for the events; those for which it
    /// returns `None` are skipped. For events that are not `Clone`, for patterns, and if a part of
    /// the event is enough.
    ///
    /// `map` runs on the emitting thread, in place of the clone.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero; in the local flavour with [`Overflow::Block`].
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Overflow, Signal};
    ///
    /// struct Order { id: u64, lines: Vec<String> } // not `Clone`
    ///
    /// let placed = Signal::<Order>::new();
    /// let mut large = placed
    ///     .subscribe()
    ///     .stream_map(8, Overflow::Reject, |o| (o.lines.len() > 1).then_some(o.id));
    /// placed.emit(&Order { id: 1, lines: vec!["tea".into()] });
    /// placed.emit(&Order { id: 2, lines: vec!["tea".into(), "milk".into()] });
    /// assert_eq!(large.try_take(), Some(Ok(2)));
    /// ```
    #[track_caller]
    pub fn stream_map<T, F>(self, capacity: usize, overflow: Overflow, map: F) -> EventStream<M, T>
    where
        T: 'static,
        F: Fn(&E) -> Option<T> + 'static,
        M: SendBound<T> + SyncBound<F>,
    {
        self.push(capacity, overflow, map)
    }

    #[track_caller]
    fn push<T: 'static>(
        self,
        capacity: usize,
        overflow: Overflow,
        map: impl Fn(&E) -> Option<T> + 'static,
    ) -> EventStream<M, T> {
        assert!(
            capacity > 0,
            "a stream needs a capacity of at least one event"
        );
        assert!(
            M::WAITS || overflow != Overflow::Block,
            "a stream of the local flavour cannot wait for room: nobody else could make any"
        );
        let (info, location) = (self.signal.info.clone(), self.options.location);
        let buffer = M::ptr(StreamBuffer::new(capacity, overflow, info, location));
        let handler = StreamHandler {
            map,
            buffer: buffer.clone(),
        };
        let subscription = self.finish(handler);
        buffer.begin();
        EventStream {
            buffer,
            position: ReadPosition::default(),
            subscription,
            done: false,
        }
    }

    /// Subscribes a handler that passes a clone of each event to a sink: the sender of a channel,
    /// say.
    ///
    /// What the sink returns is the result of the handler, so back-pressure is visible: a
    /// `try_send` that finds the channel full, or closed, is a failure of this handler in the
    /// emission. A sink that blocks blocks the emission; `|e| _ = sender.send(e)` hides failures.
    /// A handler whose receiver has gone ends itself by [`Flow::Cancel`](crate::Flow::Cancel).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc::sync_channel;
    /// use slotcast::Signal;
    ///
    /// let line = Signal::<String>::new();
    /// let (sender, receiver) = sync_channel(1);
    /// let _sub = line.subscribe().label("log").send_to(move |e| sender.try_send(e));
    /// assert!(line.emit(&"one".to_owned()).errors().is_empty());
    /// let done = line.emit(&"two".to_owned());
    /// assert!(done.errors()[0].to_string().ends_with("failed: sending on a full channel"));
    /// assert_eq!(receiver.recv()?, "one");
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
    /// ```
    ///
    /// Until the receiver is dropped:
    ///
    /// ```
    /// use slotcast::{Flow, Signal};
    ///
    /// let line = Signal::<String>::new();
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// let sub = line.subscribe().send_to(move |e| match sender.send(e) {
    ///     Ok(()) => Flow::Continue,
    ///     Err(_) => Flow::Cancel,
    /// });
    /// drop(receiver);
    /// assert!(line.emit(&"one".to_owned()).errors().is_empty());
    /// assert!(!sub.is_active());
    /// ```
    pub fn send_to<F, R>(self, sink: F) -> Subscription<M>
    where
        E: Clone,
        F: Fn(E) -> R + 'static,
        R: Outcome,
        M: SyncBound<F>,
    {
        self.finish(Plain(move |_: &mut C, event: &E| sink(event.clone())))
    }
}

impl<M: Mode, C: 'static> Bus<M, C> {
    /// Subscribes a stream of a topic's events; see [`Signal::stream`].
    ///
    /// # Panics
    ///
    /// If `capacity` is zero; in the local flavour with [`Overflow::Block`]; and if the topic has
    /// another payload type.
    #[track_caller]
    pub fn stream<E>(
        &self,
        topic: &Topic<E>,
        capacity: usize,
        overflow: Overflow,
    ) -> EventStream<M, E>
    where
        E: Clone + 'static,
        M: SendBound<E>,
    {
        self.subscribe(topic).stream(capacity, overflow)
    }

    /// Subscribes a stream to every topic whose name matches, of the values that `map` returns for
    /// their events; see [`on_pattern`](Bus::on_pattern) and [`EventStream`].
    ///
    /// # Panics
    ///
    /// If `capacity` is zero; in the local flavour with [`Overflow::Block`]; and if `pattern` is a
    /// text that is not a pattern.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Overflow, Topic};
    ///
    /// let bus = Bus::new();
    /// let mut ids = bus.stream_pattern("order.*", 8, Overflow::DropOldest, |event| {
    ///     event.payload::<u64>().map(|id| (event.topic().to_owned(), *id))
    /// });
    /// bus.emit(&Topic::new("order.placed"), &7_u64);
    /// bus.emit(&Topic::new("order.note"), &"not a number");
    /// assert_eq!(ids.try_take(), Some(Ok(("order.placed".to_owned(), 7))));
    /// assert_eq!(ids.try_take(), None);
    /// ```
    #[track_caller]
    pub fn stream_pattern<T, F>(
        &self,
        pattern: impl IntoPattern,
        capacity: usize,
        overflow: Overflow,
        map: F,
    ) -> EventStream<M, T>
    where
        T: 'static,
        F: Fn(&AnyEvent) -> Option<T> + 'static,
        M: SendBound<T> + SyncBound<F>,
    {
        self.subscribe_pattern(pattern)
            .stream_map(capacity, overflow, map)
    }
}

impl<M: Mode, E: 'static> EventStream<M, E> {
    /// Takes the next item if there is one in the buffer, without waiting. `None` if there is none,
    /// or the stream has ended.
    pub fn try_take(&mut self) -> Option<Result<E, Lagged>> {
        self.buffer.take(&mut self.position)
    }

    /// The number of events in the buffer. A snapshot.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Returns whether the buffer is empty. A snapshot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of events that the buffer may hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Returns whether its handler has been removed, so that only buffered events are left. A
    /// snapshot.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.subscription.is_active()
    }
}

impl<E: 'static> EventStream<Shared, E> {
    /// Parks the thread until there is an item; `None` when the stream has ended. For threads
    /// without an executor.
    ///
    /// Inside of a handler it blocks the emission, and waits forever if no other thread emits. Inside of a
    /// job it takes a worker away for as long; no other thread stands in.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Overflow, Signal};
    ///
    /// let line = Signal::<String>::new();
    /// let mut lines = line.stream(8, Overflow::Block);
    /// let writer = std::thread::spawn(move || {
    ///     let mut written = Vec::new();
    ///     while let Some(Ok(line)) = lines.wait() {
    ///         written.push(line);
    ///     }
    ///     written
    /// });
    /// line.emit(&"one".to_owned());
    /// line.close();
    /// assert_eq!(writer.join().unwrap(), ["one"]);
    /// ```
    pub fn wait(&mut self) -> Option<Result<E, Lagged>> {
        self.subscription.cancel_if_dead();
        self.buffer.wait(&mut self.position, None).flatten()
    }

    /// Like [`wait`](Self::wait), but for no longer than `timeout`. A timeout of zero does not
    /// wait.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] if there was no item in time; the stream can still be used.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Overflow, Signal};
    /// use std::time::Duration;
    ///
    /// let key = Signal::<char>::new();
    /// let mut keys = key.stream(8, Overflow::Reject);
    /// assert!(keys.wait_timeout(Duration::ZERO).is_err());
    /// key.emit(&'a');
    /// assert_eq!(keys.wait_timeout(Duration::ZERO)?, Some(Ok('a')));
    /// key.close();
    /// assert_eq!(keys.wait_timeout(Duration::ZERO)?, None);
    /// # Ok::<(), slotcast::TimedOut>(())
    /// ```
    pub fn wait_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<Result<E, Lagged>>, TimedOut> {
        // A time beyond the range of the clock is never reached.
        let until = Instant::now().checked_add(timeout);
        self.subscription.cancel_if_dead();
        self.buffer.wait(&mut self.position, until).ok_or(TimedOut)
    }
}

impl<M: Mode, E: 'static> Stream for EventStream<M, E> {
    type Item = Result<E, Lagged>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<E, Lagged>>> {
        let this = &mut *self;
        this.subscription.cancel_if_dead();
        let poll = this.buffer.poll(&mut this.position, context.waker());
        this.done = matches!(poll, Poll::Ready(None));
        poll
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), None)
    }
}

impl<M: Mode, E: 'static> FusedStream for EventStream<M, E> {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

// No field is pinned structurally.
impl<M: Mode, E: 'static> Unpin for EventStream<M, E> {}

impl<M: Mode, E: 'static> Drop for EventStream<M, E> {
    fn drop(&mut self) {
        // Before the subscription is cancelled, which would otherwise wake the task.
        self.buffer.abandon();
    }
}

impl<M: Mode, E: 'static> fmt::Debug for EventStream<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

unwind_safe! {
    [M: Mode, E] EventStream<M, E>;
}
