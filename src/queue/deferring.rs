//! Adding to a queue: by its own methods, and by queued handlers.

use crate::core::primitives::clock::Instant;
use std::panic::Location;
use std::time::Duration;

use crate::core::flavour::{Flavour, SendBound, Shared, SyncBound};
use crate::core::handler::plain::{Once, Plain};
use crate::core::queue::claim::posted;
use crate::core::queue::queued::{Changing, QueueFn, QueueHandler};
use crate::error::DeferError;
use crate::outcome::Outcome;
use crate::queue::{PostError, Queue};
use crate::signal::Signal;
use crate::signal::subscribe::{Filter, Subscribe};
use crate::signal::subscription::Subscription;

impl<M: Flavour, C: 'static> Queue<M, C> {
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
    #[cfg_attr(feature = "follow", track_caller)]
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
    /// allocates nothing once the queue has been as full lately.
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
    #[cfg_attr(feature = "follow", track_caller)]
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
    /// the failure is in the drain's [`Drained`](crate::Drained), and is reported to the error hook of the queue's
    /// bus.
    ///
    /// There is no handle to take it back by, which few need and all would pay for: where you may want to,
    /// use [`post_after`](Self::post_after) with a delay of zero.
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
}

impl<C: 'static> Queue<Shared, C> {
    /// Like [`defer`](Self::defer), but waits for capacity no longer than `timeout` if the queue is
    /// set to [`Overflow::Block`](crate::Overflow::Block). A timeout of zero does not wait.
    ///
    /// # Errors
    ///
    /// Returns the event as `defer` does, and if there was no capacity in time:
    /// [`DeferError::TimedOut`].
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{DeferError, Overflow, Queue, Signal};
    /// use std::time::Duration;
    ///
    /// let key = Signal::<char>::new();
    /// let queue = Queue::new().bounded(1, Overflow::Block);
    /// let soon = Duration::from_millis(1);
    /// queue.defer_timeout(&key, 'a', soon)?;
    /// assert!(matches!(queue.defer_timeout(&key, 'b', soon), Err(DeferError::TimedOut('b'))));
    /// # Ok::<(), DeferError<char>>(())
    /// ```
    #[cfg_attr(feature = "follow", track_caller)]
    pub fn defer_timeout<E: Send + 'static>(
        &self,
        signal: &Signal<Shared, E, C>,
        event: E,
        timeout: Duration,
    ) -> Result<(), DeferError<E>> {
        // A time beyond the range of the clock is never reached.
        let until = Instant::now().checked_add(timeout);
        self.core.defer(&signal.core, event, until)
    }
}

impl<M: Flavour, E: 'static, C: 'static, P: Filter<E>> Subscribe<M, E, C, P> {
    /// Subscribes a handler that runs where `queue` is drained, with the context of that drain.
    ///
    /// An emission checks the filter, claims a call from the limit, clones the event into the
    /// queue, and continues; the drain of the queue calls the handler. So events have to be
    /// `Clone`; for large ones an `Arc` is cheaper. Events that one thread emits arrive in the
    /// order they were emitted, over all topics and handlers of one queue.
    ///
    /// A call that waits belongs to the subscription: it is dropped if the subscription is cancelled, in
    /// whatever way, and counted by the drain as [given up](crate::Drained::given_up). It is made if
    /// the signal or the bus was closed or has gone. It is skipped if the subscription is paused at
    /// that time. What the handler returns concerns the drain: an error is in its
    /// [`Drained`](crate::Drained), and [`Flow::Stop`](crate::Flow::Stop) has no effect.
    ///
    /// The subscription does not keep the queue alive. If the queue is closed or dropped, every
    /// emission has a failure of this handler, of the kind
    /// [`Undelivered`](crate::FailureKind::Undelivered): keep the queue as long as the subscription. The same
    /// if it is [bounded](Queue::bounded), full, and rejects events; if it blocks, the emission
    /// waits, until there is room, or until the handler is cancelled, which skips it. Events that the
    /// signal has kept for the handler do not wait for room.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Queue, Topic};
    ///
    /// const PROGRESS: Topic<u32> = Topic::new("job.progress");
    /// struct App { percent: u32 }
    ///
    /// let bus = Bus::new();
    /// let ui = Queue::<App>::with_context();
    /// let _sub = bus.subscribe(&PROGRESS).on_queue(&ui, |app, percent| app.percent = *percent);
    ///
    /// let worker = std::thread::spawn({ let bus = bus.clone(); move || bus.emit(&PROGRESS, &40) });
    /// assert_eq!(worker.join().unwrap().ran(), 1);
    /// let mut app = App { percent: 0 };
    /// ui.drain_with(&mut app);
    /// assert_eq!(app.percent, 40);
    /// ```
    pub fn on_queue<D, F, R>(self, queue: &Queue<M, D>, handler: F) -> Subscription<M>
    where
        D: 'static,
        E: Clone,
        F: Fn(&mut D, &E) -> R + 'static,
        R: Outcome,
        M: SendBound<E> + SyncBound<F>,
    {
        let map = |event: &E| Some(event.clone());
        let handler = self.queue_handler(queue, map, Plain(handler));
        self.finish(handler)
    }

    /// Like [`on_queue`](Self::on_queue), for a handler that changes its captures: an `FnMut`, which need not
    /// be `Sync`, because a queue has one drain at a time.
    ///
    /// A handler that drains its own queue, however indirectly, is not entered again: that is a failure of the
    /// handler, of the kind [`Reentered`](crate::FailureKind::Reentered).
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Signal};
    ///
    /// let (key, ui) = (Signal::<char>::new(), Queue::<String>::with_context());
    /// let mut count = 0;
    /// let _sub = key.subscribe().on_queue_mut(&ui, move |title, key| {
    ///     count += 1;
    ///     *title = format!("{key}, {count} keys");
    /// });
    /// key.emit(&'a');
    /// key.emit(&'b');
    /// let mut title = String::new();
    /// ui.drain_with(&mut title);
    /// assert_eq!(title, "b, 2 keys");
    /// ```
    pub fn on_queue_mut<D, F, R>(self, queue: &Queue<M, D>, handler: F) -> Subscription<M>
    where
        D: 'static,
        E: Clone,
        F: FnMut(&mut D, &E) -> R + 'static,
        R: Outcome,
        M: SendBound<E> + SendBound<F>,
    {
        let map = |event: &E| Some(event.clone());
        let handler = self.queue_handler(queue, map, Changing::new(handler));
        self.finish(handler)
    }

    /// Like [`on_queue`](Self::on_queue), for a handler that is called at most once: a limit of one, and a
    /// closure that may move its captures out. The call is claimed at the emission: a second event is not
    /// taken even if the first one still waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Signal};
    ///
    /// let (loaded, ui) = (Signal::<u32>::new(), Queue::<Vec<String>>::with_context());
    /// let name = "level".to_owned();
    /// let _sub = loaded.subscribe().once_queue(&ui, move |log: &mut Vec<String>, _| log.push(name));
    /// loaded.emit(&1);
    /// loaded.emit(&2);
    /// let mut log = Vec::new();
    /// assert_eq!(ui.drain_with(&mut log).delivered(), 1);
    /// assert_eq!(log, ["level"]);
    /// ```
    pub fn once_queue<D, F, R>(self, queue: &Queue<M, D>, handler: F) -> Subscription<M>
    where
        D: 'static,
        E: Clone,
        F: FnOnce(&mut D, &E) -> R + 'static,
        R: Outcome,
        M: SendBound<E> + SendBound<F>,
    {
        let map = |event: &E| Some(event.clone());
        let handler = self.queue_handler(queue, map, Once::new(handler));
        self.finish_once(handler)
    }

    /// Like [`on_queue`](Self::on_queue), with what `map` makes of an event in its place; an event of which it
    /// makes nothing is skipped. For events that cannot be cloned, or of which the handler needs a part, and
    /// for patterns, whose events are of any type.
    ///
    /// `map` runs on the emitting thread, after the filter and the claim: an event that it skips spends a call
    /// of the [limit](Self::limit). A panic in it is a failure of the handler.
    ///
    /// # Examples
    ///
    /// All lines of all processes, to the thread of the screen:
    ///
    /// ```
    /// use slotcast::{AnyEvent, Bus, Queue, Topic};
    ///
    /// let (bus, screen) = (Bus::new(), Queue::<Vec<String>>::with_context());
    /// let _sub = bus.subscribe_pattern("proc.*.line").on_queue_map(
    ///     &screen,
    ///     |any: &AnyEvent| any.payload::<String>().map(|line| format!("{}: {line}", any.topic())),
    ///     |shown: &mut Vec<String>, line| shown.push(line.clone()),
    /// );
    /// bus.emit(&Topic::new("proc.7.line"), &"ready".to_owned());
    /// bus.emit(&Topic::new("proc.7.line_count"), &1);
    /// let mut shown = Vec::new();
    /// screen.drain_with(&mut shown);
    /// assert_eq!(shown, ["proc.7.line: ready"]);
    /// ```
    pub fn on_queue_map<D, T, G, F, R>(
        self,
        queue: &Queue<M, D>,
        map: G,
        handler: F,
    ) -> Subscription<M>
    where
        D: 'static,
        T: 'static,
        G: Fn(&E) -> Option<T> + 'static,
        F: Fn(&mut D, &T) -> R + 'static,
        R: Outcome,
        M: SendBound<T> + SyncBound<G> + SyncBound<F>,
    {
        let handler = self.queue_handler(queue, map, Plain(handler));
        self.finish(handler)
    }

    fn queue_handler<D, T, G, F>(
        &self,
        queue: &Queue<M, D>,
        map: G,
        f: F,
    ) -> QueueHandler<M, D, G, F>
    where
        D: 'static,
        G: Fn(&E) -> Option<T> + 'static,
        F: QueueFn<M, D, T>,
    {
        QueueHandler::new(map, f, &queue.core, self.options.room)
    }
}
