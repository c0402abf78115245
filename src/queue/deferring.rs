//! The methods of signals and subscriptions that add to a queue.

use std::time::{Duration, Instant};

use crate::core::handler::handler_fn::Filter;
use crate::core::mode::{Mode, SendBound, Shared, SyncBound};
use crate::core::queue::queued::QueueHandler;
use crate::error::DeferError;
use crate::outcome::Outcome;
use crate::queue::Queue;
use crate::signal::Signal;
use crate::signal::subscribe::Subscribe;
use crate::signal::subscription::Subscription;

impl<M: Mode, E: 'static, C: 'static> Signal<M, E, C> {
    /// Adds an event to the queue of the bus, for the handlers that are subscribed when it is
    /// delivered.
    ///
    /// Events of all topics of a bus are delivered in the order they were deferred, by the thread
    /// that drains the queue. Takes the queue's lock briefly, and allocates nothing once the queue
    /// has been as full before. If the queue was empty, the callback of
    /// [`on_ready`](crate::flavour::Queue::on_ready) is called here, on this thread.
    ///
    /// # Errors
    ///
    /// Returns the event if the signal or the queue was closed, if the queue is full, or if there
    /// is no queue because the signal was not created by a bus.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// let bus = Bus::new();
    /// let key = bus.signal(&Topic::<char>::new("key"));
    /// let _sub = key.on(|_| ());
    /// key.defer('a')?;
    /// assert_eq!(bus.drain().delivered(), 1);
    /// # Ok::<(), slotcast::DeferError<char>>(())
    /// ```
    pub fn defer(&self, event: E) -> Result<(), DeferError<E>>
    where
        M: SendBound<E>,
    {
        match &self.queue {
            Some(queue) => queue.defer(&self.core, event, None),
            None => Err(DeferError::NoQueue(event)),
        }
    }

    /// Adds an event at the end of the queue of the bus, and removes the one that this method added
    /// before, if it still waits; see [`Queue::defer_latest`](crate::flavour::Queue::defer_latest).
    ///
    /// # Errors
    ///
    /// As [`defer`](Self::defer).
    pub fn defer_latest(&self, event: E) -> Result<(), DeferError<E>>
    where
        M: SendBound<E>,
    {
        match &self.queue {
            Some(queue) => queue.defer_latest(&self.core, event),
            None => Err(DeferError::NoQueue(event)),
        }
    }
}

impl<E: Send + 'static, C: 'static> Signal<Shared, E, C> {
    /// Like [`defer`](Self::defer), but waits for capacity no longer than `timeout`; see
    /// [`Queue::defer_timeout`](crate::flavour::Queue::defer_timeout).
    ///
    /// # Errors
    ///
    /// As `defer`, and if there was no capacity in time.
    pub fn defer_timeout(&self, event: E, timeout: Duration) -> Result<(), DeferError<E>> {
        // A time beyond the range of the clock is never reached.
        let until = Instant::now().checked_add(timeout);
        match &self.queue {
            Some(queue) => queue.defer(&self.core, event, until),
            None => Err(DeferError::NoQueue(event)),
        }
    }
}

impl<M: Mode, E: 'static, C: 'static, P: Filter<E>> Subscribe<M, E, C, P> {
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
        let queue = M::downgrade(&queue.core);
        self.finish(QueueHandler { f: handler, queue })
    }
}
