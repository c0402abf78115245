//! The public types of one signal: the signal, its builder for handlers, subscriptions, scopes, and
//! the result of an emission.
//!
//! *Owns*: documentation and bounds. Each method forwards to `crate::core`: subscribing and removing
//! to `core::signal`, emitting to `core::emission`, the kinds of handlers to `core::handler`. Only
//! [`Scope`](scope::Scope) has state of its own, a list of subscriptions.
//!
//! *Guarantees*: what each method documents, promises 1 to 15 of the crate for one signal. A first
//! panic that has to resume does so in [`Emission::finish`], on the emitter's stack and outside of the
//! emission.
//!
//! *Does not know*: names and patterns, except as text for errors; the public queue, bus, futures and
//! streams. `Signal::defer` and `Subscribe::on_queue` are in `crate::queue`, `next`, `stream` and
//! `emit_async` in `crate::futures`, as further `impl` blocks.
//!
//! *Decisions*: what a scope prunes is in [`scope`]. All others belong to the core.

pub(crate) mod demand;
pub(crate) mod emission;
pub(crate) mod forward;
pub(crate) mod pause;
pub(crate) mod retain;
pub(crate) mod scope;
pub(crate) mod subscribe;
pub(crate) mod subscription;

use std::fmt;
use std::panic::Location;

use crate::core::emission::run::{run, run_lazy};
use crate::core::handler::handler_fn::{Always, HandlerFn};
use crate::core::handler::plain::{Once, Plain};
use crate::core::mode::{Mode, SendBound, SyncBound};
use crate::core::primitives::unwind::unwind_safe;
use crate::core::queue::queue::Queue;
use crate::core::settings::bus::BusConfig;
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::signal::Signal as Core;
use crate::core::signal::subscribe::SubscribeOptions;
use crate::outcome::Outcome;
use crate::signal::emission::Emission;
use crate::signal::pause::Pause;
use crate::signal::subscribe::Subscribe;
use crate::signal::subscription::Subscription;
use crate::topic::any_event::{Kind, TopicInfo};
use crate::topic::name::Name;

/// The ordered handlers of one event; usable alone, or as the handle of a bus's topic.
///
/// A handle is cheap to clone, and all clones are the same signal. When the last one is dropped,
/// running emissions finish; then the handlers are dropped and their subscriptions read inactive. A
/// topic's signal is kept alive by its handlers, too, as long as its bus exists. A handler that
/// captures a handle of its own signal keeps it alive for ever: capture a
/// [`downgrade`](Self::downgrade).
///
/// # Order
///
/// Handlers run on the emitting thread, by priority, highest first, and in the order they
/// subscribed where priorities are equal. Handlers may use the signal in any way: a handler that is
/// subscribed during an emission is called from the next one on, a cancelled one is not called any
/// more, and an emission from inside a handler runs at once, up to 128 deep.
///
/// # Failure
///
/// A handler that returns an `Err` or panics keeps no other from running. Both are in
/// [`Emission::errors`]; after the others have run, the first panic resumes in the emitter.
///
/// # Examples
///
/// ```
/// use slotcast::Signal;
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use std::sync::Arc;
///
/// let total = Arc::new(AtomicU64::new(0));
/// let bytes = Signal::<u64>::new();
/// let _sub = bytes.on({ let total = total.clone(); move |n| _ = total.fetch_add(*n, Relaxed) });
/// bytes.emit(&512);
/// bytes.emit(&88);
/// assert_eq!(total.load(Relaxed), 600);
/// ```
pub struct Signal<M: Mode, E, C: 'static = ()> {
    pub(crate) core: M::Ptr<Core<M, E, C>>,
    /// The queue of its bus.
    pub(crate) queue: Option<M::Ptr<Queue<M, C>>>,
}

/// A handle that does not keep its signal alive, for its own handlers to capture. Made by
/// [`Signal::downgrade`].
///
/// Cheap to clone. For a topic of a bus it upgrades as long as the topic exists, kept alive by a
/// handle, a handler or a waiting event; the signal then has its queue, as long as that exists.
pub struct WeakSignal<M: Mode, E, C: 'static = ()> {
    core: M::Weak<Core<M, E, C>>,
    queue: Option<M::Weak<Queue<M, C>>>,
}

impl<M: Mode, E: 'static> Signal<M, E> {
    /// Creates a signal without a bus, and so without a queue.
    ///
    /// An idle one takes less than 320 bytes.
    #[must_use]
    #[allow(
        clippy::new_without_default,
        reason = "there is a `Default`, for every context"
    )]
    pub fn new() -> Self {
        Self::with_context()
    }

    /// Calls the handlers with one event, at once and on this thread, and returns what happened.
    ///
    /// Calls the handlers that are subscribed when it begins. O(n) in the number of handlers; allocates
    /// nothing after a thread's first emission, as long as the handlers stay the same and none fails.
    /// Threads that emit on one signal do not wait for each other: a lock is taken only by the first
    /// emission after a change, by those nested more than eight deep, and in a build with
    /// `--cfg slotcast_lock_reads`.
    ///
    /// # Panics
    ///
    /// If a handler panics: the others still run, and then the first panic resumes.
    ///
    /// # Examples
    ///
    /// ```
    /// let key = slotcast::Signal::<char>::new();
    /// let _sub = key.on(|k| assert_eq!(*k, 'q'));
    /// assert_eq!(key.emit(&'q').ran(), 1);
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn emit(&self, event: &E) -> Emission {
        self.emit_with(&mut (), event)
    }

    /// Like [`emit`](Self::emit), with an event that is created only if there is a receiver: a handler,
    /// paused and filtering ones included, the hook for unhandled events, or the history of
    /// [`retain_last`](Self::retain_last). A handler whose target was dropped is none. A panic in the
    /// event's `Drop` is a failure of its own, reported to the error hook or logged.
    ///
    /// The event is made on this thread, outside of locks, on the level of this emission: a lazy emission
    /// inside of `event` is one level deeper. Handlers that `event` subscribes are called. What fails
    /// in `event`, but its own panic, is in the [`Emission`].
    ///
    /// # Panics
    ///
    /// As `emit` does, and if `event` does: then no handler is called.
    ///
    /// # Examples
    ///
    /// ```
    /// let log = slotcast::Signal::<String>::new();
    /// let done = log.emit_lazy(|| unreachable!("nobody listens"));
    /// assert_eq!(done.ran(), 0);
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn emit_lazy(&self, event: impl FnOnce() -> E) -> Emission {
        self.emit_lazy_with(&mut (), event)
    }
}

impl<M: Mode, E: 'static, C: 'static> Signal<M, E, C> {
    /// Creates a signal without a bus, whose emitters lend a `&mut C` to the handlers, by
    /// [`emit_with`](Self::emit_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Signal;
    ///
    /// let closing = Signal::<&str, Vec<String>>::with_context();
    /// let _sub = closing.on_with(|objections, file| objections.push(format!("{file} is not saved")));
    ///
    /// let mut objections = Vec::new();
    /// closing.emit_with(&mut objections, &"notes.txt");
    /// assert_eq!(objections, ["notes.txt is not saved"]);
    /// ```
    #[must_use]
    pub fn with_context() -> Self {
        let name = Name::Fixed(std::any::type_name::<E>());
        let topic_info = TopicInfo::new::<E>(Kind::Topic, name);
        let info = SignalInfo::new(topic_info, 0, BusConfig::<M>::without_bus());
        Signal {
            core: M::ptr(Core::new(info, None, Vec::new())),
            queue: None,
        }
    }

    /// Subscribes a handler, until the subscription is dropped.
    ///
    /// It is called by reference, on every emitting thread, by several at a time. O(1), and so is
    /// cancelling; the next emission rebuilds its list, O(n) once for any number of changes, where n
    /// is the largest number of handlers at a time since the signal was last empty. A handler takes
    /// at most 160 bytes beside its captures.
    ///
    /// For a closure that changes its captures there is [`on_mut`](Self::on_mut), for an async one
    /// [`on_async`](Subscribe::on_async).
    ///
    /// It returns nothing, a [`Flow`](crate::Flow) (to stop the emission, or to end itself), or a
    /// `Result` of either. A closure that uses `?` has to
    /// name its result: `|event| -> HandlerResult { .. }`. All subscriptions have the same type,
    /// whatever their events are, so that they fit into one array or vector.
    ///
    /// If the signal is closed, the handler is dropped and the subscription is inactive.
    ///
    /// # Examples
    ///
    /// ```
    /// let key = slotcast::Signal::<char>::new();
    /// let sub = key.on(|k| println!("{k}"));
    /// assert_eq!(key.emit(&'a').ran(), 1);
    /// drop(sub);
    /// assert_eq!(key.emit(&'b').ran(), 0);
    /// ```
    #[track_caller]
    pub fn on<F, R>(&self, handler: F) -> Subscription<M>
    where
        F: Fn(&E) -> R + 'static,
        R: Outcome,
        M: SyncBound<F>,
    {
        let handler = move |_: &mut C, event: &E| handler(event);
        self.plain(Plain(handler), None, Location::caller())
    }

    /// Like [`on`](Self::on), with the context that the emitter lends.
    #[track_caller]
    pub fn on_with<F, R>(&self, handler: F) -> Subscription<M>
    where
        F: Fn(&mut C, &E) -> R + 'static,
        R: Outcome,
        M: SyncBound<F>,
    {
        self.plain(Plain(handler), None, Location::caller())
    }

    /// Subscribes a handler that is called at most once, and may move its captures out.
    ///
    /// It is removed before it is called. However many threads emit, one of them calls it.
    ///
    /// # Examples
    ///
    /// ```
    /// let ready = slotcast::Signal::<u16>::new();
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// ready.once(move |port| _ = sender.send(*port)).detach();
    /// ready.emit(&8080);
    /// ready.emit(&9090);
    /// assert_eq!(receiver.iter().collect::<Vec<_>>(), [8080]);
    /// ```
    #[track_caller]
    pub fn once<F, R>(&self, handler: F) -> Subscription<M>
    where
        F: FnOnce(&E) -> R + 'static,
        R: Outcome,
        M: SendBound<F>,
    {
        let handler = move |_: &mut C, event: &E| handler(event);
        self.plain(Once::new(handler), Some(1), Location::caller())
    }

    /// Like [`once`](Self::once), with the context that the emitter lends.
    #[track_caller]
    pub fn once_with<F, R>(&self, handler: F) -> Subscription<M>
    where
        F: FnOnce(&mut C, &E) -> R + 'static,
        R: Outcome,
        M: SendBound<F>,
    {
        self.plain(Once::new(handler), Some(1), Location::caller())
    }

    /// Subscribes a handler that changes its captures: one thread at a time calls it; see
    /// [`Subscribe::on_mut`] for what that means for handlers that emit.
    ///
    /// # Examples
    ///
    /// ```
    /// let bytes = slotcast::Signal::<u64>::new();
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// let mut total = 0;
    /// let _sub = bytes.on_mut(move |n| {
    ///     total += n;
    ///     _ = sender.send(total);
    /// });
    /// bytes.emit(&512);
    /// bytes.emit(&88);
    /// assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [512, 600]);
    /// ```
    #[track_caller]
    pub fn on_mut<F, R>(&self, handler: F) -> Subscription<M>
    where
        F: FnMut(&E) -> R + 'static,
        R: Outcome,
        M: SendBound<F>,
    {
        self.subscribe().on_mut(handler)
    }

    /// Like [`on_mut`](Self::on_mut), with the context that the emitter lends.
    #[track_caller]
    pub fn on_mut_with<F, R>(&self, handler: F) -> Subscription<M>
    where
        F: FnMut(&mut C, &E) -> R + 'static,
        R: Outcome,
        M: SendBound<F>,
    {
        self.subscribe().on_mut_with(handler)
    }

    /// Subscribes a handler with a weak reference to `target`, an `Arc` (in the local flavour an `Rc`);
    /// it is removed when the target has been dropped. See [`Subscribe::on_weak`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let tick = slotcast::Signal::<u32>::new();
    /// let clock = Arc::new("a clock with another owner");
    /// tick.on_weak(&clock, |clock, n| println!("{clock}: {n}")).detach();
    /// assert_eq!(tick.emit(&1).ran(), 1);
    /// drop(clock);
    /// assert_eq!(tick.emit(&2).ran(), 0);
    /// ```
    #[track_caller]
    pub fn on_weak<T, F, R>(&self, target: &M::Ptr<T>, handler: F) -> Subscription<M>
    where
        T: ?Sized + 'static,
        F: Fn(&T, &E) -> R + 'static,
        R: Outcome,
        M: SyncBound<T> + SyncBound<F>,
    {
        self.subscribe().on_weak(target, handler)
    }

    /// Like [`on_weak`](Self::on_weak), with the context that the emitter lends: `|target, context,
    /// event|`.
    #[track_caller]
    pub fn on_weak_with<T, F, R>(&self, target: &M::Ptr<T>, handler: F) -> Subscription<M>
    where
        T: ?Sized + 'static,
        F: Fn(&T, &mut C, &E) -> R + 'static,
        R: Outcome,
        M: SyncBound<T> + SyncBound<F>,
    {
        self.subscribe().on_weak_with(target, handler)
    }

    /// Without a builder, which has a reference to the signal of its own.
    fn plain(
        &self,
        callee: impl HandlerFn<M, E, C>,
        limit: Option<usize>,
        location: &'static Location<'static>,
    ) -> Subscription<M> {
        let options = SubscribeOptions {
            limit,
            ..SubscribeOptions::new(location)
        };
        let entry = Core::subscribe(&self.core, options, Always, callee, |entry| entry as _);
        Subscription::new(entry)
    }

    /// Begins to subscribe a handler with a priority, a label, a limit or a filter.
    #[track_caller]
    pub fn subscribe(&self) -> Subscribe<M, E, C> {
        Subscribe::new(self.core.clone(), Location::caller())
    }

    /// Calls the handlers with one event, at once and on this thread, and lends them the context.
    ///
    /// Like [`emit`](Self::emit), for any context. Handlers can write their answers into the context: a
    /// list of votes, the first answer, a running value.
    ///
    /// # Panics
    ///
    /// If a handler panics: the others still run, and then the first panic resumes.
    #[inline(always)]
    #[track_caller]
    pub fn emit_with(&self, context: &mut C, event: &E) -> Emission {
        let summary = run(&self.core, event, context);
        Emission::finish(summary, || self.core.info.config.panics())
    }

    /// Like [`emit_with`](Self::emit_with), with an event that is created only if there is a receiver, as by
    /// [`emit_lazy`](Signal::emit_lazy).
    ///
    /// # Panics
    ///
    /// As `emit` does, and if `event` does.
    ///
    /// # Examples
    ///
    /// ```
    /// let closing = slotcast::Signal::<String, usize>::with_context();
    /// let mut asked = 0;
    /// closing.emit_lazy_with(&mut asked, || unreachable!("nobody listens"));
    /// let _sub = closing.on_with(|asked, _| *asked += 1);
    /// closing.emit_lazy_with(&mut asked, || "notes.txt".to_owned());
    /// assert_eq!(asked, 1);
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn emit_lazy_with(&self, context: &mut C, event: impl FnOnce() -> E) -> Emission {
        let summary = run_lazy(&self.core, event, context);
        Emission::finish(summary, || self.core.info.config.panics())
    }

    /// The number of connected handlers, including paused ones, without those whose target or owner
    /// has been dropped. A snapshot. O(1), or with handlers that have a target or an owner O(n).
    #[must_use]
    pub fn len(&self) -> usize {
        self.core.len()
    }

    /// Whether no handler is connected. A snapshot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pauses all handlers of this signal until the guard is dropped, those that are subscribed meanwhile
    /// too. Pauses are counted, and add to those of the [bus](crate::flavour::Bus::pause) and of single
    /// [subscriptions](Subscription::pause), which this means the same as: paused handlers are skipped at
    /// once, also by an emission that runs, without spending a limit; calls of them that wait in a queue
    /// are skipped if they are drained meanwhile; what they miss is not kept for them, and a kept event is
    /// not handed to them. Futures and streams are handlers, too.
    ///
    /// Handlers of patterns are not the signal's, and go on: [`clear`](Self::clear) and
    /// [`len`](Self::len) leave them out as well. An event that finds only paused handlers is not
    /// unhandled.
    ///
    /// O(n) in the number of handlers, when it begins and once after it has ended; emissions pay nothing
    /// for it. The guard keeps nothing alive.
    ///
    /// # Examples
    ///
    /// ```
    /// let moved = slotcast::Signal::<(i32, i32)>::new();
    /// let _sub = moved.on(|_| ());
    /// let quiet = moved.pause();
    /// let _late = moved.on(|_| ());
    /// assert_eq!(moved.emit(&(1, 1)).ran(), 0);
    /// drop(quiet);
    /// assert_eq!(moved.emit(&(2, 2)).ran(), 2);
    /// ```
    pub fn pause(&self) -> Pause<M> {
        self.core.pause();
        Pause::of_signal(self.core.info.clone())
    }

    /// Whether all handlers are paused, by a pause of this signal or of its bus. A snapshot.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.core.info.is_paused()
    }

    /// Cancels all handlers, and returns their number. As with each cancel, captures are dropped in
    /// this call or with the last emission that is inside, and calls that wait in queues are
    /// cancelled.
    pub fn clear(&self) -> usize {
        self.core.clear()
    }

    /// Removes all handlers, and closes the signal: from now on `on` returns an inactive subscription,
    /// `emit` runs nothing and reports that, `defer` hands the event back. A running emission ends after
    /// its current handler; streams and futures of the signal end.
    ///
    /// What was accepted before stays to be drained: calls of [`on_queue`](Subscribe::on_queue) that wait
    /// are made, and events that were deferred reach the handlers that were subscribed at the close.
    /// These read inactive, and a cancel still takes them away, with their calls. Captures are dropped in
    /// this call, or after the last accepted event.
    ///
    /// # Examples
    ///
    /// ```
    /// let key = slotcast::Signal::<char>::new();
    /// let sub = key.on(|_| ());
    /// key.close();
    /// assert!(!sub.is_active() && key.emit(&'a').is_closed());
    /// ```
    pub fn close(&self) {
        self.core.close();
    }

    /// Whether the signal was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.is_closed()
    }

    /// The number of its events that queues have dropped because they were full, oldest and newest, and of the
    /// calls of its [`on_queue`](crate::flavour::Subscribe::on_queue) handlers. What a handler's own
    /// [`room`](crate::flavour::Subscribe::room) drops is counted by its subscription instead. A topic that
    /// ceases to exist, and comes into being again, begins with 0. A snapshot.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Overflow, Topic};
    ///
    /// let bus = Bus::new();
    /// bus.queue().bounded(1, Overflow::DropOldest);
    /// let moved = bus.signal(&Topic::<u32>::new("moved"));
    /// let _sub = moved.on(|_| ());
    /// moved.defer(1)?;
    /// moved.defer(2)?;
    /// assert_eq!((moved.dropped(), bus.queue().dropped()), (1, 1));
    /// # Ok::<(), slotcast::DeferError<u32>>(())
    /// ```
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.core.dropped()
    }

    /// Returns a handle that does not keep the signal alive, for its own handlers to capture. A topic
    /// without another handle ceases to exist with its last handler, and a weak handle does not restore
    /// it: ask the bus for the signal again.
    ///
    /// # Examples
    ///
    /// ```
    /// let tick = slotcast::Signal::<u32>::new();
    /// let own = tick.downgrade();
    /// let sub = tick.on(move |n| if *n > 0 { own.upgrade().unwrap().emit(&(n - 1)); });
    /// tick.emit(&3);
    /// drop(tick);
    /// assert!(!sub.is_active());
    /// ```
    #[must_use]
    pub fn downgrade(&self) -> WeakSignal<M, E, C> {
        let queue = self.queue.as_ref().map(M::downgrade);
        WeakSignal {
            core: M::downgrade(&self.core),
            queue,
        }
    }
}

impl<M: Mode, E: 'static, C: 'static> WeakSignal<M, E, C> {
    /// Returns the signal, if it still exists. The returned handle keeps it alive.
    #[must_use]
    pub fn upgrade(&self) -> Option<Signal<M, E, C>> {
        let core = M::upgrade(&self.core)?;
        Some(Signal {
            core,
            queue: self.queue.as_ref().and_then(M::upgrade),
        })
    }
}

impl<M: Mode, E: 'static, C: 'static> Default for Signal<M, E, C> {
    fn default() -> Self {
        Self::with_context()
    }
}

impl<M: Mode, E, C> Clone for Signal<M, E, C> {
    fn clone(&self) -> Self {
        Signal {
            core: self.core.clone(),
            queue: self.queue.clone(),
        }
    }
}

impl<M: Mode, E, C> Clone for WeakSignal<M, E, C> {
    fn clone(&self) -> Self {
        WeakSignal {
            core: self.core.clone(),
            queue: self.queue.clone(),
        }
    }
}

impl<M: Mode, E, C> fmt::Debug for Signal<M, E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("topic", &self.core.info.name().as_str())
            .field("len", &self.core.len())
            .field("is_closed", &self.core.is_closed())
            .finish()
    }
}

impl<M: Mode, E, C> fmt::Debug for WeakSignal<M, E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSignal")
            .field("exists", &M::exists(&self.core))
            .finish()
    }
}

unwind_safe! {
    [M: Mode, E, C] Signal<M, E, C>;
    [M: Mode, E, C] WeakSignal<M, E, C>;
}
