//! The builder for handlers with options.

use std::fmt;
use std::panic::Location;

use crate::core::flavour::{Flavour, SendBound, SyncBound};
use crate::core::handler::entry::{Connection, Header, WeakRef};
use crate::core::handler::erased::is_any;
use crate::core::handler::exclusive::Exclusive;
use crate::core::handler::handler_fn::{Both, Condition, HandlerFn, Owned, Subscribed};
use crate::core::handler::plain::{Once, Plain};
use crate::core::handler::weak::Weak;
use crate::core::primitives::unwind::unwind_safe;
use crate::core::reclaim::counted::{Allocation, Part};
use crate::core::signal::signal::Signal;
use crate::core::signal::subscribe::SubscribeOptions;
use crate::core::waiting::async_handler::{AsyncHandler, AwaitedHandler};
use crate::outcome::Outcome;
use crate::policy::Overflow;
use crate::signal::subscription::Subscription;

#[doc = include_str!("../flavour/subscribe.md")]
#[must_use = "nothing is subscribed until a handler is given"]
pub struct Subscribe<M: Flavour, E, C: 'static, P = ()> {
    pub(crate) signal: M::Ptr<Signal<M, E, C>>,
    pub(crate) options: SubscribeOptions,
    filter: P,
}

/// The filters and owners that a [`Subscribe`] has so far. Sealed.
///
/// Each [`filter`](Subscribe::filter) and each [`owner`](Subscribe::owner) changes the type parameter `P` of
/// the builder, so that asking them costs no indirect call. Without any it is `()`. A function that returns
/// a builder, or takes one, writes `impl Filter<E>`.
///
/// # Examples
///
/// ```
/// use slotcast::{Filter, Signal, Subscribe};
///
/// /// Subscribes for large orders only; the caller adds the handler.
/// fn large(placed: &Signal<f64>) -> Subscribe<f64, (), impl Filter<f64> + use<>> {
///     placed.subscribe().label("large orders").filter(|total| *total >= 1000.0)
/// }
///
/// let placed = Signal::<f64>::new();
/// let _sub = large(&placed).on(|total| println!("{total}"));
/// assert_eq!(placed.emit(&9.5).ran(), 0);
/// assert_eq!(placed.emit(&5000.0).ran(), 1);
/// ```
pub trait Filter<E>: Condition<E> {}
impl<E, P: Condition<E>> Filter<E> for P {}

/// The entry of a handler that a builder subscribes.
type Enlisted<M, E, C, P, K> = Subscribed<M, Signal<M, E, C>, <P as Condition<E>>::Shared<M>, K>;

impl<M: Flavour, E, C> Subscribe<M, E, C> {
    pub(crate) fn new(
        signal: M::Ptr<Signal<M, E, C>>,
        location: &'static Location<'static>,
    ) -> Self {
        Subscribe {
            signal,
            options: SubscribeOptions::new(location),
            filter: (),
        }
    }
}

impl<M: Flavour, E: 'static, C: 'static, P: Filter<E>> Subscribe<M, E, C, P> {
    /// Sets the priority: handlers of a higher one run first; the default is 0. Among equal ones, those
    /// that subscribed earlier run earlier.
    pub fn priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// Sets a label that names the handler in errors, beside the line that subscribed it.
    pub fn label(mut self, label: impl Into<Box<str>>) -> Self {
        self.options.label = Some(label.into());
        self
    }

    /// Cancels the handler after this many calls, including failing ones. A pause or a filter's `false`
    /// does not count.
    ///
    /// The last call is claimed, and the handler removed, before it is made: there are never more
    /// calls, on however many threads, and the handler can subscribe itself anew from inside.
    /// With a limit of zero it is never called, and its subscription is inactive from the start.
    ///
    /// # Examples
    ///
    /// ```
    /// # let tick = slotcast::Signal::<u32>::new();
    /// let sub = tick.subscribe().limit(2).on(|_| ());
    /// assert_eq!((1..=5).map(|n| tick.emit(&n).ran()).sum::<usize>(), 2);
    /// assert!(!sub.is_active());
    /// ```
    pub fn limit(mut self, calls: usize) -> Self {
        self.options.limit = Some(calls);
        self
    }

    /// Bounds how many calls of a queued handler may wait, and says what happens to one more. Only for
    /// handlers of [`on_queue`](Self::on_queue) and its kin; others have no calls that wait.
    ///
    /// The bound is this subscription's own, beside that of the queue, so that one handler may lose events
    /// and another of the same queue never does, in one order:
    ///
    /// - [`Overflow::DropOldest`]: the oldest call that waits is taken back, the new one joins the end.
    /// - [`Overflow::DropNewest`]: the new event is dropped.
    /// - [`Overflow::Reject`]: the emission has a failure of this handler, of the kind
    ///   [`Undelivered`](crate::FailureKind::Undelivered).
    ///
    /// [`Subscription::dropped`](crate::flavour::Subscription::dropped) counts what was dropped. What is taken
    /// back is dropped at once, on the emitting thread and outside of locks.
    ///
    /// # Panics
    ///
    /// If `calls` is zero, or with [`Overflow::Block`]: a [bounded](crate::flavour::Queue::bounded) queue can
    /// wait for room.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Overflow, Queue, Signal};
    ///
    /// let (line, exit) = (Signal::<u32>::new(), Signal::<u32>::new());
    /// let screen = Queue::<Vec<String>>::with_context();
    /// let lines = line.subscribe().room(2, Overflow::DropOldest)
    ///     .on_queue(&screen, |seen: &mut Vec<String>, n| seen.push(format!("line {n}")));
    /// let _exits = exit.subscribe()
    ///     .on_queue(&screen, |seen: &mut Vec<String>, n| seen.push(format!("exit {n}")));
    /// for n in 1..=4 {
    ///     line.emit(&n);
    /// }
    /// exit.emit(&0);
    /// let mut seen = Vec::new();
    /// screen.drain_with(&mut seen);
    /// assert_eq!(seen, ["line 3", "line 4", "exit 0"]);
    /// assert_eq!(lines.dropped(), 2);
    /// ```
    #[track_caller]
    pub fn room(mut self, calls: usize, overflow: Overflow) -> Self {
        assert!(calls > 0, "a handler needs room for at least one call");
        assert!(
            overflow != Overflow::Block,
            "the room of a handler does not block: bound its queue by `Queue::bounded`"
        );
        self.options.room = Some((calls, overflow));
        self
    }

    /// Lets at most one call of a queued handler wait, that of the newest event: the short form of
    /// [`room(1, Overflow::DropOldest)`](Self::room). For a handler that shows a state, and need not see each
    /// step of it.
    pub fn latest(self) -> Self {
        self.room(1, Overflow::DropOldest)
    }

    /// Calls the handler only for events that pass. Several filters are asked in the order they
    /// were added, until one returns `false`.
    ///
    /// Runs on the emitting thread, once for each event while the handler is neither cancelled nor
    /// paused. A panic in it is a failure of the handler, which is then not called.
    #[doc(alias = "where")]
    #[doc(alias = "predicate")]
    pub fn filter<F>(self, passes: F) -> Subscribe<M, E, C, impl Filter<E> + use<M, E, C, P, F>>
    where
        F: Fn(&E) -> bool + 'static,
        M: SyncBound<F>,
    {
        Subscribe {
            signal: self.signal,
            options: self.options,
            filter: Both(self.filter, Part::new(passes)),
        }
    }

    /// Ends the handler with its owner, an `Arc` (in the local flavour an `Rc`) that is kept elsewhere:
    /// for any kind of handler, a future or a stream, of a topic or a pattern.
    ///
    /// From the moment when the last strong reference to the owner goes, before its `Drop` runs, the
    /// subscription reads inactive, [`len`](crate::flavour::Signal::len) does not count the handler, and
    /// no call of it begins, calls that wait in a queue included; those are given up. The handler is
    /// removed and its captures are dropped as described for [`on_weak`](Self::on_weak). A call that has
    /// begun by then runs to its end. Unlike `on_weak` it neither passes the owner to the handler nor
    /// keeps it alive for the call. With several owners it ends with the first of them.
    ///
    /// Nothing tells a future or a stream that its owner has gone, but it ends when it is next polled or
    /// waited for, or when the next emission reaches it. So do not park a thread in the wait for an event
    /// whose owner another thread drops.
    ///
    /// A call costs as much as asking a filter. The handler should not capture the owner itself, which
    /// would keep it alive for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Queue, Signal};
    /// use std::sync::Arc;
    ///
    /// let (saved, ui) = (Signal::<u64>::new(), Queue::new());
    /// let window = Arc::new("a window");
    /// saved.subscribe().owner(&window).on(|bytes| println!("{bytes} bytes")).detach();
    /// saved.subscribe().owner(&window).on_queue(&ui, |(), bytes| println!("{bytes}")).detach();
    /// assert_eq!(saved.emit(&512).ran(), 2);
    /// drop(window);
    /// assert_eq!(ui.drain().delivered(), 0);
    /// assert_eq!(saved.emit(&512).ran(), 0);
    /// assert!(saved.is_empty());
    /// ```
    #[doc(alias = "cancellation token")]
    #[doc(alias = "CancellationToken")]
    #[doc(alias = "takeUntil")]
    pub fn owner<T>(
        self,
        owner: &M::Ptr<T>,
    ) -> Subscribe<M, E, C, impl Filter<E> + use<M, E, C, P, T>>
    where
        T: ?Sized + 'static,
        M: SyncBound<T>,
    {
        Subscribe {
            signal: self.signal,
            options: self.options,
            filter: Owned::<M, T, P> {
                filter: self.filter,
                owner: M::downgrade(owner),
            },
        }
    }

    /// Leaves out the events that the signal keeps (see [`retain`](crate::flavour::Signal::retain)): the handler
    /// gets what is emitted from now on. So `signal.subscribe().skip_kept().next()` is a future of the next
    /// change.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    /// # use std::sync::Arc;
    /// let level = slotcast::Signal::<u32>::new();
    /// level.retain_last();
    /// level.emit(&42);
    /// let seen = Arc::new(AtomicU32::new(0));
    /// let own = seen.clone();
    /// let _sub = level.subscribe().skip_kept().on(move |n| own.store(*n, Relaxed));
    /// assert_eq!(seen.load(Relaxed), 0);
    /// level.emit(&43);
    /// assert_eq!(seen.load(Relaxed), 43);
    /// ```
    pub fn skip_kept(mut self) -> Self {
        self.options.skips_kept = true;
        self
    }

    /// The name of the topic, or the pattern; for a signal without a bus, its payload type.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.signal.info.name().as_str()
    }

    pub(crate) fn finish(self, callee: impl HandlerFn<M, E, C>) -> Subscription<M> {
        Subscription::new(self.enlist(callee, |entry| entry as &dyn Connection<M>))
    }

    pub(crate) fn enlist<K: HandlerFn<M, E, C>, V: ?Sized + Allocation<M, Header = Header<M>>>(
        self,
        callee: K,
        view: fn(&Enlisted<M, E, C, P, K>) -> &V,
    ) -> WeakRef<M, V> {
        let filter = self.filter.share::<M>();
        Signal::subscribe(&self.signal, self.options, filter, callee, view)
    }

    pub(crate) fn finish_once(mut self, callee: impl HandlerFn<M, E, C>) -> Subscription<M> {
        self.options.limit = Some(self.options.limit.map_or(1, |limit| limit.min(1)));
        self.finish(callee)
    }

    /// Subscribes a handler that is called by reference, by any number of threads at a time.
    ///
    /// If the signal is closed, the handler is dropped and the subscription is inactive.
    pub fn on<F, R>(self, handler: F) -> Subscription<M>
    where
        F: Fn(&E) -> R + 'static,
        R: Outcome,
        M: SyncBound<F>,
    {
        self.finish(Plain(move |_: &mut C, event: &E| handler(event)))
    }

    /// Like [`on`](Self::on), with the context that the emitter lends.
    pub fn on_with<F, R>(self, handler: F) -> Subscription<M>
    where
        F: Fn(&mut C, &E) -> R + 'static,
        R: Outcome,
        M: SyncBound<F>,
    {
        self.finish(Plain(handler))
    }

    /// Subscribes a handler that is called at most once: a limit of one, and a closure that may move
    /// its captures out.
    pub fn once<F, R>(self, handler: F) -> Subscription<M>
    where
        F: FnOnce(&E) -> R + 'static,
        R: Outcome,
        M: SendBound<F>,
    {
        self.finish_once(Once::new(move |_: &mut C, event: &E| handler(event)))
    }

    /// Like [`once`](Self::once), with the context that the emitter lends.
    pub fn once_with<F, R>(self, handler: F) -> Subscription<M>
    where
        F: FnOnce(&mut C, &E) -> R + 'static,
        R: Outcome,
        M: SendBound<F>,
    {
        self.finish_once(Once::new(handler))
    }

    /// Subscribes a handler that changes its captures: an `FnMut`, which need not be `Sync`.
    ///
    /// Calls are exclusive: a thread that emits while another is in the call waits until that ends, in
    /// no particular order. A thread that waited while the handler was cancelled does not call it, and
    /// after a call that returned [`Flow::Cancel`](crate::Flow::Cancel) no other begins. A
    /// panic ends the exclusive access, and the next call finds the state as the panic left it.
    ///
    /// The lock for exclusive access is the one lock of this crate that a handler runs under, and
    /// guards that handler alone. So two things can go wrong that cannot with [`on`](Self::on):
    ///
    /// - A handler that emits, however indirectly, an event that leads back to itself is not entered
    ///   again: that is a failure of the handler, in the inner emission, of the kind
    ///   [`Reentered`](crate::FailureKind::Reentered). Defer the event instead.
    /// - **Two such handlers on two threads, each of which emits an event that the other one handles,
    ///   wait for each other for ever**, as with two mutexes that are locked in different orders.
    ///   Defer one of the two events. The same holds for a handler that waits for another thread that
    ///   is about to call it, by a join or by `cancel_and_wait` of another handler.
    ///
    /// A call costs what locking an uncontended mutex costs, a little less in the local flavour. A
    /// filter is asked before the lock is taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{FailureKind, Signal};
    ///
    /// let key = Signal::<char>::new();
    /// let (mut typed, weak) = (String::new(), key.downgrade());
    /// let _sub = key.subscribe().on_mut(move |k| {
    ///     typed.push(*k);
    ///     if *k == '!' {
    ///         let again = weak.upgrade().unwrap().emit(k);
    ///         assert_eq!(again.errors()[0].kind(), FailureKind::Reentered);
    ///     }
    /// });
    /// assert_eq!(key.emit(&'!').ran(), 1);
    /// ```
    pub fn on_mut<F, R>(self, mut handler: F) -> Subscription<M>
    where
        F: FnMut(&E) -> R + 'static,
        R: Outcome,
        M: SendBound<F>,
    {
        self.finish(Exclusive::new(move |_: &mut C, event: &E| handler(event)))
    }

    /// Like [`on_mut`](Self::on_mut), with the context that the emitter lends.
    pub fn on_mut_with<F, R>(self, handler: F) -> Subscription<M>
    where
        F: FnMut(&mut C, &E) -> R + 'static,
        R: Outcome,
        M: SendBound<F>,
    {
        self.finish(Exclusive::new(handler))
    }

    /// Subscribes a handler with a weak reference to `target`, an `Arc` (in the local flavour an `Rc`):
    /// it is called with the target as long as that is alive.
    ///
    /// When the target has been dropped, the subscription reads inactive at once, and
    /// [`len`](crate::flavour::Signal::len) does not count it. The handler is removed, and its
    /// captures are dropped, by the next emission that reaches it, or earlier, when the signal or the
    /// bus grows for new handlers: dead ones do not accumulate, even if nothing is emitted. A target
    /// that loses its last other owner during the call is dropped when the call ends, on this thread
    /// and outside of locks; a panic in its `Drop` is then a failure of this handler.
    ///
    /// A call costs the atomic operations of an upgrade, and as much as asking a filter. The handler
    /// should not capture the target itself, which would keep it alive for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Signal;
    /// use std::sync::{Arc, Mutex};
    ///
    /// struct Dialog { shown: Mutex<Vec<u64>> }
    ///
    /// let placed = Signal::<u64>::new();
    /// let dialog = Arc::new(Dialog { shown: Mutex::default() });
    /// let sub = placed.subscribe().on_weak(&dialog, |it, id| it.shown.lock().unwrap().push(*id));
    /// placed.emit(&7);
    /// assert_eq!(*dialog.shown.lock().unwrap(), [7]);
    /// drop(dialog);
    /// assert!(!sub.is_active());
    /// assert_eq!(placed.emit(&8).ran(), 0);
    /// ```
    pub fn on_weak<T, F, R>(self, target: &M::Ptr<T>, handler: F) -> Subscription<M>
    where
        T: ?Sized + 'static,
        F: Fn(&T, &E) -> R + 'static,
        R: Outcome,
        M: SyncBound<T> + SyncBound<F>,
    {
        let handler = move |target: &T, _: &mut C, event: &E| handler(target, event);
        self.finish(Weak::new(target, handler))
    }

    /// Like [`on_weak`](Self::on_weak), with the context that the emitter lends: `|target, context,
    /// event|`.
    pub fn on_weak_with<T, F, R>(self, target: &M::Ptr<T>, handler: F) -> Subscription<M>
    where
        T: ?Sized + 'static,
        F: Fn(&T, &mut C, &E) -> R + 'static,
        R: Outcome,
        M: SyncBound<T> + SyncBound<F>,
    {
        self.finish(Weak::new(target, handler))
    }

    /// Subscribes an async handler: a closure that starts a future for each event, and shares the event
    /// with it.
    ///
    /// The kind of emission decides what runs the future. An awaited
    /// [`emit_async`](crate::flavour::Signal::emit_async) polls it, and completes when it has
    /// completed. A plain `emit`, and a drain, clone the event, hand the future to the
    /// [executor](crate::flavour::BusBuilder::executor) of the bus, and continue; without an
    /// executor, as on a signal without a bus and in the local flavour, nothing is started, and that
    /// is a failure of this handler. The output of the future is what a handler returns: a failure is
    /// in the [`Emission`](crate::Emission) that is awaited, and otherwise goes to the error hook or
    /// the log. [`Flow::Stop`](crate::Flow::Stop) ends an emission that is awaited [in
    /// order](crate::flavour::EmitAsync::in_order), and no other.
    ///
    /// A started future is a call that has begun: it is not cancelled with the handler, and keeps the
    /// handler's captures until it has completed or was dropped. One that completes with
    /// [`Flow::Cancel`](crate::Flow::Cancel) cancels the handler then, and not the futures that run
    /// beside it. `cancel_and_wait` waits for that,
    /// and is an error from inside of the future; do not block the thread that has to poll it. After
    /// `close` no further futures are started.
    ///
    /// One that an executor runs, and that nothing can wake any more, because it returned `Pending` and
    /// kept no waker, or because its last waker was dropped, is dropped with a failure of the kind
    /// [`Abandoned`](crate::FailureKind::Abandoned). So is one whose executor refuses it.
    ///
    /// Costs one or two allocations for each event.
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
    /// # async fn upload(path: &str) -> Result<(), String> { Err(format!("no network for {path}")) }
    ///
    /// let saved = Signal::<String>::new();
    /// let _sub = saved.subscribe().on_async(async |path: Arc<String>| upload(&path).await);
    /// let done = block_on(saved.emit_async("draft.txt".into()));
    /// assert!(done.errors()[0].to_string().ends_with("failed: no network for draft.txt"));
    /// ```
    pub fn on_async<F, T>(self, handler: F) -> Subscription<M>
    where
        E: Clone,
        F: Fn(M::Ptr<E>) -> T + 'static,
        T: Future<Output: Outcome> + 'static,
        M: SyncBound<F> + SendBound<T>,
    {
        self.finish(AsyncHandler(handler))
    }

    /// Like [`on_async`](Self::on_async), for events that are not `Clone`: its futures are run by
    /// [`emit_async`](crate::flavour::Signal::emit_async) alone, which shares the event. In any other
    /// emission nothing is started, which is a failure of this handler, of the kind
    /// [`NotAwaited`](crate::FailureKind::NotAwaited).
    ///
    /// # Panics
    ///
    /// For a pattern, whose events cannot be shared.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{FailureKind, Signal};
    /// use std::sync::Arc;
    /// # fn block_on<F: Future>(future: F) -> F::Output {
    /// #     let mut future = std::pin::pin!(future);
    /// #     let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// #     loop { if let std::task::Poll::Ready(it) = future.as_mut().poll(&mut cx) { return it } }
    /// # }
    ///
    /// struct Upload(Vec<u8>); // not `Clone`
    ///
    /// let uploaded = Signal::<Upload>::new();
    /// let _sub = uploaded.subscribe().on_awaited(async |upload: Arc<Upload>| drop(upload));
    /// assert_eq!(block_on(uploaded.emit_async(Upload(vec![1]))).errors().len(), 0);
    /// assert_eq!(uploaded.emit(&Upload(vec![1])).errors()[0].kind(), FailureKind::NotAwaited);
    /// ```
    #[track_caller]
    pub fn on_awaited<F, T>(self, handler: F) -> Subscription<M>
    where
        F: Fn(M::Ptr<E>) -> T + 'static,
        T: Future<Output: Outcome> + 'static,
        M: SyncBound<F> + SendBound<T>,
    {
        assert!(
            !is_any::<E>(),
            "the events of a pattern cannot be shared with a future: subscribe by `on`"
        );
        self.finish(AwaitedHandler(handler))
    }
}

impl<M: Flavour, E: 'static, C: 'static, P> fmt::Debug for Subscribe<M, E, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe")
            .field("topic", &self.signal.info.name().as_str())
            .field("priority", &self.options.priority)
            .field("label", &self.options.label)
            .field("limit", &self.options.limit)
            .finish_non_exhaustive()
    }
}

unwind_safe! {
    [M: Flavour, E, C, P] Subscribe<M, E, C, P> where P;
}
