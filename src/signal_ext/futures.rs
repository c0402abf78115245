//! Awaiting: emissions that are awaited, futures and streams.

use std::panic::Location;

use futures_core::Stream;

use crate::core::flavour::{Flavour, SendBound, SyncBound};
use crate::futures::emit_all::EmitAll;
use crate::futures::emit_async::EmitAsync;
use crate::futures::next::Next;
use crate::futures::stream::EventStream;
use crate::policy::Overflow;
use crate::signal::Signal;

impl<M: Flavour, E: 'static> Signal<M, E> {
    /// Returns a future that emits each item of a stream, until the stream ends or the signal is
    /// closed; it completes with the number of items emitted.
    ///
    /// It emits where it is polled, one item after the other, as [`emit`](Self::emit) does;
    /// failures of handlers are reported to the error hook, or logged. After 64 items in a row it
    /// yields to other tasks. That the signal was closed is noticed at the next item, which is then
    /// dropped and not counted; in any case the stream is dropped when the future completes.
    ///
    /// It keeps the signal alive. The stream is boxed, once, so that it need not be `Unpin`.
    ///
    /// # Panics
    ///
    /// Polling it panics if a handler does, as `emit` does. The item counts as emitted, and the
    /// future may be polled again.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::{executor::block_on, stream};
    ///
    /// let line = slotcast::Signal::<&str>::new();
    /// let _sub = line.on(|text| println!("{text}"));
    /// assert_eq!(block_on(line.emit_all(stream::iter(["one", "two"]))), 2);
    /// ```
    #[track_caller]
    pub fn emit_all<S: Stream<Item = E>>(&self, stream: S) -> EmitAll<M, S, E> {
        EmitAll::new(self.clone(), stream, Location::caller())
    }

    /// Emits when it is awaited, and completes when all futures have completed that [async
    /// handlers](crate::flavour::Subscribe::on_async) have started.
    ///
    /// The handlers are called as by [`emit`](Self::emit), when the future is first polled. Async
    /// ones share the event, and the futures they start are polled together from then on, as part
    /// of this one, so that two may wait for each other. [`in_order`](EmitAsync::in_order) runs
    /// them one after another. Nested emissions, of handlers and of the futures they start, are not
    /// awaited.
    ///
    /// The [`Emission`](crate::Emission) has the failures of all, and is `stopped` if one of them returned that;
    /// when all have completed, the first panic resumes. Each time it is woken it polls all futures
    /// that have not completed: O(n).
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Signal;
    /// use std::sync::Arc;
    /// # fn block_on<F: Future>(future: F) -> F::Output {
    /// #     let mut future = std::pin::pin!(future);
    /// #     let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// #     loop { if let std::task::Poll::Ready(it) = future.as_mut().poll(&mut cx) { return it } }
    /// # }
    ///
    /// let saved = Signal::<u64>::new();
    /// let _plain = saved.on(|bytes| println!("{bytes} bytes"));
    /// let _backup = saved.subscribe().on_async(async |bytes: Arc<u64>| println!("copied {bytes}"));
    /// let done = block_on(saved.emit_async(512));
    /// assert_eq!(done.ran(), 2);
    /// ```
    #[track_caller]
    pub fn emit_async(&self, event: E) -> EmitAsync<'static, M, E> {
        // Takes no memory.
        self.emit_async_with(Box::leak(Box::new(())), event)
    }
}

impl<M: Flavour, E: 'static, C: 'static> Signal<M, E, C> {
    /// Like [`emit_async`](Signal::emit_async), with a context that is lent to the handlers until the
    /// emission has completed.
    ///
    /// The handlers themselves have it, not the futures that async ones start: those run side by side.
    /// [In order](EmitAsync::in_order), a handler that was subscribed by [`on_with`](Self::on_with) sees what
    /// was left in the context by then.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Signal;
    /// use std::sync::Arc;
    /// # fn block_on<F: Future>(future: F) -> F::Output {
    /// #     let mut future = std::pin::pin!(future);
    /// #     let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// #     loop { if let std::task::Poll::Ready(it) = future.as_mut().poll(&mut cx) { return it } }
    /// # }
    ///
    /// let saving = Signal::<String, Vec<String>>::with_context();
    /// let _backup = saving.subscribe().on_async(async |name: Arc<String>| println!("copied {name}"));
    /// let _list = saving.on_with(|names, name| names.push(name.clone()));
    /// let mut names = Vec::new();
    /// let done = block_on(saving.emit_async_with(&mut names, "draft.txt".into()).in_order());
    /// assert_eq!((done.ran(), names), (2, vec!["draft.txt".to_owned()]));
    /// ```
    #[track_caller]
    pub fn emit_async_with<'c>(&self, context: &'c mut C, event: E) -> EmitAsync<'c, M, E, C> {
        EmitAsync::new(self.core.clone(), context, event, Location::caller())
    }

    /// Subscribes for one event; the future completes with a clone of it. See [`Next`].
    ///
    /// A signal that [retains](Signal::retain) events passes the last one at once.
    ///
    /// # Errors
    ///
    /// The future completes with [`Closed`](crate::Closed) if the signal is closed, cleared or dropped before.
    #[doc(alias = "Future")]
    #[doc(alias = "await")]
    #[track_caller]
    pub fn next(&self) -> Next<M, E>
    where
        E: Clone,
        M: SendBound<E>,
    {
        Next::of(&self.core, Location::caller())
    }

    /// Like [`next`](Self::next), for the first event that passes. The predicate runs on the
    /// emitting thread, as a [filter](crate::flavour::Subscribe::filter) does.
    #[track_caller]
    pub fn next_where<F>(&self, passes: F) -> Next<M, E>
    where
        E: Clone,
        F: Fn(&E) -> bool + 'static,
        M: SendBound<E> + SyncBound<F>,
    {
        self.subscribe().filter(passes).next()
    }

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
    #[doc(alias = "Stream")]
    #[doc(alias = "async")]
    #[track_caller]
    pub fn stream(&self, capacity: usize, overflow: Overflow) -> EventStream<M, E>
    where
        E: Clone,
        M: SendBound<E>,
    {
        self.subscribe().stream(capacity, overflow)
    }
}
