//! One event's handlers.

pub(crate) mod demand;
pub(crate) mod emission;
pub(crate) mod forward;
pub(crate) mod retain;
pub(crate) mod scope;
pub(crate) mod subscribe;
pub(crate) mod subscription;

use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};

use crate::core::emission::run::{run, run_lazy};
use crate::core::handler::handler_fn::{Always, Callee};
use crate::core::handler::plain::{Once, OncePlain, OnceWithContext, Plain, WithContext};
use crate::core::mode::{Mode, SendBound, SyncBound};
use crate::core::queue::queue::Queue;
use crate::core::settings::bus::BusConfig;
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::signal::Signal as Core;
use crate::core::signal::subscribe::SubscribeOptions;
use crate::outcome::Outcome;
use crate::signal::emission::Emission;
use crate::signal::subscribe::Subscribe;
use crate::signal::subscription::Subscription;
use crate::topic::any_event::{Kind, TopicInfo};
use crate::topic::name::Name;

/// The ordered handlers of one event; usable alone, or as the handle of a bus's topic.
///
/// A handle is cheap to clone, and all clones are the same signal. When the last one goes, running
/// emissions finish; then the handlers are dropped and their subscriptions read inactive. A topic's
/// signal is kept by its handlers, too, as long as its bus is there. A handler that captures a
/// handle of its own signal keeps it for ever: capture a [`downgrade`](Self::downgrade).
///
/// # Order
///
/// Handlers run on the emitting thread, by priority, highest first, and in the order they
/// subscribed where priorities are equal. Handlers may do anything with the signal: one that is
/// subscribed during an emission waits for the next, one that is cancelled is not called any more,
/// and an emission from inside a handler runs at once, up to 128 deep.
///
/// # Failure
///
/// A handler that returns an `Err` or panics keeps no other from running. Both are in
/// [`Emission::errors`]; after the rest has run, the first panic goes on to the emitter.
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

/// A handle that does not keep its signal, for its own handlers to capture. Made by
/// [`Signal::downgrade`].
///
/// Cheap to clone. Of a bus's topic it gives the signal as long as the topic exists, kept by a handle,
/// a handler or an event that waits; with a queue, as long as that is there.
pub struct WeakSignal<M: Mode, E, C: 'static = ()> {
    core: M::Weak<Core<M, E, C>>,
    queue: Option<M::Weak<Queue<M, C>>>,
}

impl<M: Mode, E: 'static> Signal<M, E> {
    /// A signal without a bus, and so without a queue.
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

    /// Calls the handlers with one event, here and now, and tells how that went.
    ///
    /// Takes what is subscribed when it begins. O(n) in the number of handlers; allocates nothing
    /// after a thread's first emission, as long as the handlers stay the same and none fails.
    /// Threads that emit on one signal do not wait for each other: a lock is taken only by the first
    /// emission after a change, by those nested more than eight deep, and with the feature
    /// `lock-reads`.
    ///
    /// # Panics
    ///
    /// If a handler panics: the others still run, and then the first panic goes on.
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

    /// Like [`emit`](Self::emit), with an event that is made only if somebody gets it: a handler, paused
    /// and filtering ones included, the hook for unhandled events, or what
    /// [`retain_last`](Self::retain_last) keeps. A panic in the event's `Drop` is a failure of its own,
    /// told to the error hook or logged.
    ///
    /// # Panics
    ///
    /// As `emit` does, and if `event` does.
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
        let summary = run_lazy(&self.core, event, &mut ());
        Emission::finish(summary, || self.core.info.config.panics())
    }
}

impl<M: Mode, E: 'static, C: 'static> Signal<M, E, C> {
    /// A signal without a bus, whose emitters lend a `&mut C` to the handlers, by
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
        let info = SignalInfo {
            topic_info: TopicInfo::new::<E>(Kind::Topic, name),
            key: 0,
            config: BusConfig::<M>::usual(),
        };
        Signal {
            core: M::ptr(Core::new(info, None, Vec::new())),
            queue: None,
        }
    }

    /// Subscribes a handler, until the subscription is dropped.
    ///
    /// It is called by reference, on whatever thread emits, by several at a time. O(1), and so is
    /// cancelling; the next emission rebuilds its list, O(n) once for any number of changes, where n
    /// counts the places of those who were there at once since the signal was last empty. A
    /// handler takes at most 160 bytes beside its captures.
    ///
    /// A closure that changes what it captured goes to [`on_mut`](Self::on_mut), an async one to
    /// [`on_async`](Subscribe::on_async).
    ///
    /// It returns nothing, a [`Flow`](crate::Flow), or a `Result`. A closure that uses `?` has to
    /// name its result: `|event| -> HandlerResult { .. }`. All subscriptions have one type, whatever
    /// their events are, so that they fit into one array or vector.
    ///
    /// If the signal is closed, the handler is dropped and the subscription inactive.
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
        self.plain(WithContext(handler), None, Location::caller())
    }

    /// Subscribes a handler that is called once at most, and may give away what it captured.
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
        self.plain(
            OncePlain::<M, F>(Once::new(handler)),
            Some(1),
            Location::caller(),
        )
    }

    /// Like [`once`](Self::once), with the context that the emitter lends.
    #[track_caller]
    pub fn once_with<F, R>(&self, handler: F) -> Subscription<M>
    where
        F: FnOnce(&mut C, &E) -> R + 'static,
        R: Outcome,
        M: SendBound<F>,
    {
        self.plain(
            OnceWithContext::<M, F>(Once::new(handler)),
            Some(1),
            Location::caller(),
        )
    }

    /// Subscribes a handler that changes what it captured: threads take turns to call it; see
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

    /// Subscribes a handler that belongs to `target`, an `Arc` (in the local flavour an `Rc`) that
    /// it does not keep, and is removed when that has died; see [`Subscribe::on_weak`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let tick = slotcast::Signal::<u32>::new();
    /// let clock = Arc::new("a clock that somebody else owns");
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

    fn plain(
        &self,
        callee: impl Callee<M, E, C>,
        limit: Option<usize>,
        location: &'static Location<'static>,
    ) -> Subscription<M> {
        let options = SubscribeOptions {
            limit,
            ..SubscribeOptions::new(location)
        };
        let entry = Core::subscribe(&self.core, options, Always, callee);
        Subscription::new(entry.erase(|entry| entry))
    }

    /// Begins to subscribe a handler with a priority, a label, a limit or a filter.
    #[track_caller]
    pub fn subscribe(&self) -> Subscribe<M, E, C> {
        Subscribe::new(self.core.clone(), Location::caller())
    }

    /// Calls the handlers with one event, here and now, and lends them the context.
    ///
    /// As [`emit`](Self::emit), for any context. The context is what the handlers answer into: a
    /// list of votes, the first answer, a running value.
    ///
    /// # Panics
    ///
    /// If a handler panics: the others still run, and then the first panic goes on.
    #[inline(always)]
    #[track_caller]
    pub fn emit_with(&self, context: &mut C, event: &E) -> Emission {
        let summary = run(&self.core, event, context);
        Emission::finish(summary, || self.core.info.config.panics())
    }

    /// How many handlers are connected, paused ones included; not those whose target has died. A
    /// snapshot. O(1), or with handlers that were subscribed by `on_weak` O(n).
    #[must_use]
    pub fn len(&self) -> usize {
        self.core.len()
    }

    /// Whether no handler is connected. A snapshot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Cancels all handlers; how many there were. As with each cancel, captures are dropped in this
    /// call or with the last emission that is inside, and calls that wait in queues die.
    pub fn clear(&self) -> usize {
        self.core.clear()
    }

    /// Cancels all handlers, as [`clear`](Self::clear) does, and refuses from now on: `on` yields an
    /// inactive subscription, `emit` runs nothing and says so, `defer` hands the event back. A running
    /// emission ends after the handler it is in.
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

    /// A handle that does not keep the signal, for its own handlers to capture. A topic that nobody
    /// else holds goes when its last handler does, and a weak handle does not bring it back: ask the
    /// bus for the signal again.
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
    /// The signal, if it is still there. The answer keeps it.
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

// A panic of a handler leaves nothing half done: it is caught before it gets here, whatever the
// handlers capture and the events are.
impl<M: Mode, E, C> UnwindSafe for Signal<M, E, C> {}
impl<M: Mode, E, C> RefUnwindSafe for Signal<M, E, C> {}
impl<M: Mode, E, C> UnwindSafe for WeakSignal<M, E, C> {}
impl<M: Mode, E, C> RefUnwindSafe for WeakSignal<M, E, C> {}
