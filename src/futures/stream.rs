//! Streams of events, and handlers that pass events to a sink.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::{FusedStream, Stream};

use crate::core::failure::log::no_threads;
use crate::core::flavour::{Flavour, SendBound, Shared, SyncBound};
use crate::core::handler::plain::Plain;
use crate::core::primitives::clock::Instant;
use crate::core::primitives::unwind::unwind_safe;
use crate::core::waiting::stream::{ReadPosition, StreamBuffer, StreamHandler};
use crate::error::{Lagged, TimedOut};
use crate::outcome::Outcome;
use crate::policy::Overflow;
use crate::signal::subscribe::{Filter, Subscribe};
use crate::signal::subscription::Subscription;

#[doc = include_str!("../flavour/event_stream.md")]
#[must_use = "dropping it unsubscribes at once"]
pub struct EventStream<M: Flavour, E: 'static> {
    buffer: M::Ptr<StreamBuffer<M, E>>,
    position: ReadPosition,
    subscription: Subscription<M>,
    /// Whether it has yielded `None`.
    done: bool,
}

impl<M: Flavour, E: 'static, C: 'static, P: Filter<E>> Subscribe<M, E, C, P> {
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

impl<M: Flavour, E: 'static> EventStream<M, E> {
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
    /// job it takes a worker away for as long; no other thread stands in. On a target without threads it
    /// takes what is there, or returns `None` and logs that it does not wait.
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
        let item = self.buffer.wait(&mut self.position, None);
        item.unwrap_or_else(|| {
            no_threads("EventStream::wait");
            None
        })
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

impl<M: Flavour, E: 'static> Stream for EventStream<M, E> {
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

impl<M: Flavour, E: 'static> FusedStream for EventStream<M, E> {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

// No field is pinned structurally.
impl<M: Flavour, E: 'static> Unpin for EventStream<M, E> {}

impl<M: Flavour, E: 'static> Drop for EventStream<M, E> {
    fn drop(&mut self) {
        // Before the subscription is cancelled, which would otherwise wake the task.
        self.buffer.abandon();
    }
}

impl<M: Flavour, E: 'static> fmt::Debug for EventStream<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

unwind_safe! {
    [M: Flavour, E] EventStream<M, E>;
}
