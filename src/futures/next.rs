//! Waiting for one event.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::FusedFuture;

use crate::bus::Bus;
use crate::core::handler::entry::Anchor;
use crate::core::handler::handler_fn::Filter;
use crate::core::mode::{Mode, SendBound, Shared, SyncBound};
use crate::core::settings::failure_source::drop_event;
use crate::core::waiting::next::{NextEntry, NextHandler, awaited};
use crate::error::Closed;
use crate::signal::Signal;
use crate::signal::subscribe::Subscribe;
use crate::topic::Topic;
use crate::topic::any_event::AnyEvent;
use crate::topic::pattern::IntoPattern;

/// Completes with the next event of a signal. Made by `next()` of a signal, a bus or the builder.
///
/// It is subscribed when it is made, and not when it is first polled: what is emitted in between is
/// not missed, so whoever asks first waits for the answer before putting the question. It gets one
/// event, a clone of the first that passes, and is a handler until then: it stands in the order,
/// counts in `len`, and an event that only it gets is not unhandled.
///
/// It completes with [`Closed`] if the handler is removed first: by a `close` or a `clear`, because
/// the last handle of the signal has gone, or the bus. So nobody waits for ever for what
/// cannot come any more.
///
/// It owns what it needs, and does not keep its signal; dropping it unsubscribes. It works with every
/// executor, may be moved after it was polled, and once it has completed it is `Closed` whenever it
/// is polled. For threads without an executor there is [`wait`](Self::wait).
///
/// # Order, threads, failures
///
/// The event is cloned on the thread that emits, in its handler's turn by priority; the task is
/// woken there, outside of locks, before the next handler runs. A clone that panics is a failure of
/// the handler, which goes on waiting. So is a waker that panics, when the event is there
/// already. Of two threads that emit at once one is first; the clone of the other is dropped.
///
/// # Cost
///
/// One allocation, and what it costs to subscribe and to cancel: the next emission rebuilds its list.
/// For many events in a row take a [`stream`](Signal::stream).
///
/// # Examples
///
/// ```
/// use slotcast::Signal;
///
/// # futures::executor::block_on(async {
/// let replied = Signal::<String>::new();
/// let next = replied.next();              // before the question is put
/// replied.emit(&"42".to_owned());         // by whoever answers
/// assert_eq!(next.await?, "42");
/// # Ok::<(), slotcast::Closed>(()) }).unwrap();
/// ```
#[must_use = "dropping it unsubscribes at once; await it, or wait for it"]
pub struct Next<M: Mode, E: 'static> {
    /// None once it has completed.
    entry: Option<Anchor<M, dyn NextEntry<M, E>>>,
}

impl<M: Mode, E: 'static, C: 'static> Signal<M, E, C> {
    /// Subscribes for one event, and completes with a clone of it; see [`Next`].
    ///
    /// A signal that [retains](Signal::retain) events hands over the last one at once.
    ///
    /// # Errors
    ///
    /// The future completes with [`Closed`] if the signal is closed or cleared, or goes, before.
    #[track_caller]
    pub fn next(&self) -> Next<M, E>
    where
        E: Clone,
        M: SendBound<E>,
    {
        self.subscribe().next()
    }

    /// Like [`next`](Self::next), for the first event that passes. The predicate runs on the emitting
    /// thread, as a [filter](Subscribe::filter) does.
    #[track_caller]
    pub fn next_where<F>(&self, passes: F) -> Next<M, E>
    where
        E: Clone,
        F: Fn(&E) -> bool + 'static,
        M: SendBound<E> + SyncBound<F>,
    {
        self.subscribe().filter(passes).next()
    }
}

impl<M: Mode, E: 'static, C: 'static, P: Filter<E>> Subscribe<M, E, C, P> {
    /// Subscribes for one event that passes; see [`Next`].
    ///
    /// A limit means nothing here, but for one of zero: then nothing ever comes.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// const KEY: Topic<char> = Topic::new("key");
    /// let bus = Bus::new();
    /// let digit = bus.subscribe(&KEY).priority(1).filter(char::is_ascii_digit).next();
    /// bus.emit(&KEY, &'a');
    /// bus.emit(&KEY, &'7');
    /// assert_eq!(digit.wait()?, '7');
    /// # Ok::<(), slotcast::Closed>(())
    /// ```
    pub fn next(self) -> Next<M, E>
    where
        E: Clone,
        M: SendBound<E>,
    {
        self.first(|event| Some(event.clone()))
    }

    /// Subscribes for the first event of which `map` makes something, and completes with that. For
    /// events that are not `Clone`, those of patterns, and where a part will do.
    ///
    /// `map` runs on the emitting thread, in place of the clone; those it makes nothing of are passed
    /// over.
    ///
    /// # Examples
    ///
    /// ```
    /// struct Reply { id: u64, text: String } // not `Clone`
    ///
    /// let replied = slotcast::Signal::<Reply>::new();
    /// let mine = replied.subscribe().next_map(|r| (r.id == 7).then(|| r.text.len()));
    /// replied.emit(&Reply { id: 6, text: "not mine".into() });
    /// replied.emit(&Reply { id: 7, text: "mine".into() });
    /// assert_eq!(mine.wait()?, 4);
    /// # Ok::<(), slotcast::Closed>(())
    /// ```
    pub fn next_map<T, F>(self, map: F) -> Next<M, T>
    where
        T: 'static,
        F: Fn(&E) -> Option<T> + 'static,
        M: SendBound<T> + SyncBound<F>,
    {
        self.first(map)
    }

    fn first<T: 'static>(mut self, map: impl Fn(&E) -> Option<T> + 'static) -> Next<M, T> {
        // It takes one call anyway, and one that fails spends nothing.
        self.options.limit = self.options.limit.filter(|limit| *limit == 0);
        let entry = self.enlist(NextHandler::<M, T, _>::new(map));
        Next {
            entry: Some(awaited(entry)),
        }
    }
}

impl<M: Mode, C: 'static> Bus<M, C> {
    /// Subscribes for one event of a topic; see [`Signal::next`].
    ///
    /// # Errors
    ///
    /// The future completes with [`Closed`] if the topic is closed or cleared, or the bus goes,
    /// before.
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn next<E>(&self, topic: &Topic<E>) -> Next<M, E>
    where
        E: Clone + 'static,
        M: SendBound<E>,
    {
        self.subscribe(topic).next()
    }

    /// Subscribes for the first event of a topic that passes; see [`Signal::next_where`].
    ///
    /// # Panics
    ///
    /// If the topic has another payload type.
    #[track_caller]
    pub fn next_where<E, F>(&self, topic: &Topic<E>, passes: F) -> Next<M, E>
    where
        E: Clone + 'static,
        F: Fn(&E) -> bool + 'static,
        M: SendBound<E> + SyncBound<F>,
    {
        self.subscribe(topic).filter(passes).next()
    }

    /// Subscribes to every topic whose name matches, for the first event of which `map` makes
    /// something; see [`on_pattern`](Bus::on_pattern) and [`Next`].
    ///
    /// # Panics
    ///
    /// If a text is given that is not a pattern.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// let bus = Bus::new();
    /// let first = bus.next_pattern("order.*", |event| Some(event.topic().to_owned()));
    /// bus.emit(&Topic::new("order.placed"), &7_u64);
    /// assert_eq!(first.wait()?, "order.placed");
    /// # Ok::<(), slotcast::Closed>(())
    /// ```
    #[track_caller]
    pub fn next_pattern<T, F>(&self, pattern: impl IntoPattern, map: F) -> Next<M, T>
    where
        T: 'static,
        F: Fn(&AnyEvent) -> Option<T> + 'static,
        M: SendBound<T> + SyncBound<F>,
    {
        self.subscribe_pattern(pattern).next_map(map)
    }
}

impl<M: Mode, E: 'static> Future for Next<M, E> {
    type Output = Result<E, Closed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<E, Closed>> {
        let Some(entry) = &self.entry else {
            return Poll::Ready(Err(Closed));
        };
        let Poll::Ready(event) = entry.oneshot().poll(context.waker()) else {
            return Poll::Pending;
        };
        self.entry = None;
        Poll::Ready(event.ok_or(Closed))
    }
}

impl<M: Mode, E: 'static> FusedFuture for Next<M, E> {
    fn is_terminated(&self) -> bool {
        self.entry.is_none()
    }
}

// Nothing in it is ever pinned.
impl<M: Mode, E: 'static> Unpin for Next<M, E> {}

impl<E: 'static> Next<Shared, E> {
    /// Parks the thread until the event comes. For threads without an executor.
    ///
    /// Inside of a handler it holds up the emission, and waits for ever if nobody else emits.
    ///
    /// # Errors
    ///
    /// [`Closed`] if nothing comes any more.
    ///
    /// # Examples
    ///
    /// ```
    /// let ready = slotcast::Signal::<u16>::new();
    /// let port = ready.next();
    /// std::thread::spawn(move || ready.emit(&8080));
    /// assert_eq!(port.wait()?, 8080);
    /// # Ok::<(), slotcast::Closed>(())
    /// ```
    pub fn wait(self) -> Result<E, Closed> {
        match self.wait_until(None) {
            Ok(event) => event,
            Err(_) => unreachable!("there is no time to be up"),
        }
    }

    /// Like [`wait`](Self::wait), for `timeout` at most. A timeout of zero does not wait.
    ///
    /// # Errors
    ///
    /// Comes back itself if the time was up first, and may be waited for again; inside,
    /// [`Closed`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let ready = slotcast::Signal::<u16>::new();
    /// let port = ready.next().wait_timeout(Duration::from_millis(1)).unwrap_err();
    /// ready.emit(&8080);
    /// assert_eq!(port.wait_timeout(Duration::ZERO).unwrap(), Ok(8080));
    /// ```
    pub fn wait_timeout(self, timeout: Duration) -> Result<Result<E, Closed>, Self> {
        // Later than the clock can tell is never.
        self.wait_until(Instant::now().checked_add(timeout))
    }

    fn wait_until(mut self, until: Option<Instant>) -> Result<Result<E, Closed>, Self> {
        let Some(entry) = &self.entry else {
            return Ok(Err(Closed));
        };
        let Some(event) = entry.oneshot().wait(until) else {
            return Err(self);
        };
        self.entry = None;
        Ok(event.ok_or(Closed))
    }
}

impl<M: Mode, E: 'static> Drop for Next<M, E> {
    fn drop(&mut self) {
        let Some(entry) = &self.entry else { return };
        let (waits, event, waker) = entry.oneshot().abandon();
        if waits {
            entry.cancel();
        }
        let head = entry.head();
        if let Some(info) = &head.info {
            drop_event(waker, info, head.location);
            drop_event(event, info, head.location);
        }
    }
}

impl<M: Mode, E: 'static> fmt::Debug for Next<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next")
            .field("is_terminated", &self.entry.is_none())
            .finish()
    }
}

// A panic of a handler leaves nothing half done: it is caught before it gets here, whatever the
// handlers capture and the events are.
impl<M: Mode, E> UnwindSafe for Next<M, E> {}
impl<M: Mode, E> RefUnwindSafe for Next<M, E> {}
