//! Making a signal, and subscribing to it.

use std::panic::Location;

use crate::core::flavour::{Flavour, SendBound, SyncBound};
use crate::core::handler::handler_fn::HandlerFn;
use crate::core::handler::plain::{Once, Plain};
use crate::core::queue::queue::Queue;
use crate::core::settings::bus::BusConfig;
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::signal::Signal as Core;
use crate::core::signal::subscribe::SubscribeOptions;
use crate::outcome::Outcome;
use crate::signal::subscribe::Subscribe;
use crate::signal::subscription::Subscription;
use crate::topic::any_event::{Kind, TopicInfo};
use crate::topic::name::Name;

#[doc = include_str!("../flavour/signal.md")]
pub struct Signal<M: Flavour, E, C: 'static = ()> {
    pub(crate) core: M::Ptr<Core<M, E, C>>,
    /// The queue of its bus.
    pub(crate) queue: Option<M::Ptr<Queue<M, C>>>,
}

impl<M: Flavour, E: 'static> Signal<M, E> {
    /// Creates a signal without a bus, and so without a queue.
    ///
    /// An idle one takes 256 bytes, before its first handler.
    #[must_use]
    #[allow(
        clippy::new_without_default,
        reason = "there is a `Default`, for every context"
    )]
    pub fn new() -> Self {
        Self::with_context()
    }
}

impl<M: Flavour, E: 'static, C: 'static> Signal<M, E, C> {
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
    /// cancelling, but for the list of the emission before: if none is reading that, the change is made
    /// in it, O(log n) and a move of the handlers behind. Otherwise, and after many changes, the next
    /// emission builds its list anew, O(n) once for any number of changes, where n is the largest number
    /// of handlers at a time since the signal was last empty. A handler takes at most 160 bytes beside
    /// its captures.
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
    #[doc(alias = "subscribe")]
    #[doc(alias = "listen")]
    #[doc(alias = "add_listener")]
    #[doc(alias = "addEventListener")]
    #[doc(alias = "connect")]
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
    #[doc(alias = "one-shot")]
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
    #[doc(alias = "weak")]
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

    /// Begins to subscribe a handler with a priority, a label, a limit or a filter.
    #[track_caller]
    pub fn subscribe(&self) -> Subscribe<M, E, C> {
        Subscribe::new(self.core.clone(), Location::caller())
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
        let entry = Core::subscribe(&self.core, options, (), callee, |entry| entry as _);
        Subscription::new(entry)
    }
}
