//! Futures of one event.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::FusedFuture;

use crate::core::failure::log::no_threads;
use crate::core::flavour::{Flavour, SendBound, Shared, SyncBound};
use crate::core::handler::entry::{WeakRef, state};
use crate::core::primitives::clock::Instant;
use crate::core::primitives::unwind::unwind_safe;
use crate::core::settings::failure_source::drop_event;
use crate::core::signal::signal::Signal;
use crate::core::signal::subscribe::SubscribeOptions;
use crate::core::waiting::next::{NextEntry, NextHandler};
use crate::error::Closed;
use crate::failure::CallSite;
use crate::signal::subscribe::{Filter, Subscribe};

#[doc = include_str!("../flavour/next.md")]
#[must_use = "dropping it unsubscribes at once; await it, or wait for it"]
pub struct Next<M: Flavour, E: 'static> {
    /// `None` once it has completed: its memory need not wait for the drop of the future.
    entry: Option<WeakRef<M, dyn NextEntry<M, E>>>,
}

impl<M: Flavour, E: 'static, C: 'static, P: Filter<E>> Subscribe<M, E, C, P> {
    /// Subscribes for one event that passes; see [`Next`].
    ///
    /// A limit has no effect here, except for one of zero: then no event ever comes.
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
        self.first::<_, true>(cloned)
    }

    /// Subscribes for the first event for which `map` returns a value; the future completes with
    /// that value. For events that are not `Clone`, for patterns, and if a part of the event is
    /// enough.
    ///
    /// `map` runs on the emitting thread, in place of the clone; events for which it returns `None`
    /// are skipped.
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
        self.first::<_, false>(map)
    }

    fn first<T: 'static, const ALL: bool>(
        mut self,
        map: impl Fn(&E) -> Option<T> + 'static,
    ) -> Next<M, T> {
        // It completes after one event anyway, and a call that fails should not spend the limit.
        self.options.limit = self.options.limit.filter(|limit| *limit == 0);
        let handler = NextHandler::<_, ALL>(map);
        Next::new(self.enlist(handler, |entry| entry as &dyn NextEntry<M, T>))
    }
}

/// What `next` does with an event.
fn cloned<E: Clone>(event: &E) -> Option<E> {
    Some(event.clone())
}

impl<M: Flavour, E: 'static> Next<M, E> {
    fn new(entry: WeakRef<M, dyn NextEntry<M, E>>) -> Self {
        if entry.head().has(state::REMOVED) {
            // Refused, or called already with an event that is retained, which this leaves there.
            // Nothing waits yet.
            _ = entry.oneshot().end();
        }
        Next { entry: Some(entry) }
    }

    /// Without a builder, which has a reference to the signal of its own.
    pub(crate) fn of<C: 'static>(signal: &M::Ptr<Signal<M, E, C>>, location: CallSite) -> Self
    where
        E: Clone,
    {
        let handler = NextHandler::<_, true>(cloned::<E>);
        let options = SubscribeOptions::new(location);
        Next::new(Signal::subscribe(signal, options, (), handler, |entry| {
            entry as &dyn NextEntry<M, E>
        }))
    }
}

impl<M: Flavour, E: 'static> Future for Next<M, E> {
    type Output = Result<E, Closed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<E, Closed>> {
        let Some(entry) = &self.entry else {
            return Poll::Ready(Err(Closed));
        };
        entry.cancel_if_dead();
        let oneshot = entry.oneshot();
        // A handler that is removed has mostly got its event, and then the waker need not be cloned.
        let is_removed = entry.head().has(state::REMOVED);
        let found = is_removed.then(|| oneshot.take()).flatten();
        let poll = found.map_or_else(|| oneshot.poll(context.waker()), Poll::Ready);
        let event = ready!(poll);
        self.entry = None;
        Poll::Ready(event.ok_or(Closed))
    }
}

impl<M: Flavour, E: 'static> FusedFuture for Next<M, E> {
    fn is_terminated(&self) -> bool {
        self.entry.is_none()
    }
}

// No field is pinned structurally.
impl<M: Flavour, E: 'static> Unpin for Next<M, E> {}

impl<E: 'static> Next<Shared, E> {
    /// Parks the thread until there is an event. For threads without an executor.
    ///
    /// Inside of a handler it blocks the emission, and waits forever if no other thread emits. Inside of a
    /// job it takes a worker away for as long; no other thread stands in. On a target without threads it
    /// takes what is there, and does not wait.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the handler is removed first: by this call, on a target without threads.
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
        self.wait_until(None).unwrap_or_else(|_| {
            no_threads("Next::wait");
            Err(Closed)
        })
    }

    /// Like [`wait`](Self::wait), but for no longer than `timeout`. A timeout of zero does not
    /// wait.
    ///
    /// # Errors
    ///
    /// Returns the future itself if there was no event in time: it may be waited for again. The
    /// inner error is [`Closed`], as for `wait`.
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
        // A time beyond the range of the clock is never reached.
        self.wait_until(Instant::now().checked_add(timeout))
    }

    fn wait_until(mut self, until: Option<Instant>) -> Result<Result<E, Closed>, Self> {
        let Some(entry) = &self.entry else {
            return Ok(Err(Closed));
        };
        entry.cancel_if_dead();
        let Some(event) = entry.oneshot().wait(until) else {
            return Err(self);
        };
        self.entry = None;
        Ok(event.ok_or(Closed))
    }
}

impl<M: Flavour, E: 'static> Drop for Next<M, E> {
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

impl<M: Flavour, E: 'static> fmt::Debug for Next<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next")
            .field("is_terminated", &self.entry.is_none())
            .finish()
    }
}

unwind_safe! {
    [M: Flavour, E] Next<M, E>;
}
