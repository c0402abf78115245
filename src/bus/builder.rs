//! The builder of a bus, with its configuration.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use crate::bus::Bus;
use crate::core::bus::Bus as Core;
use crate::core::flavour::{Flavour, Shared};
use crate::core::primitives::thread::MAX_DEPTH;
use crate::core::primitives::unwind::unwind_safe;
use crate::core::settings::bus::{BusConfig, Provided};
use crate::executor::Executor;
use crate::policy::Panics;

/// So many handlers of one line are told, unless the builder says something else.
const WARN_HANDLERS: usize = 64;

#[doc = include_str!("../flavour/bus_builder.md")]
#[must_use = "nothing is made until `build`"]
pub struct BusBuilder<M: Flavour, C: 'static = ()> {
    panics: Panics,
    max_depth: usize,
    warn_handlers: usize,
    executor: Option<Arc<dyn Executor>>,
    types: PhantomData<fn(M, C)>,
}

impl<M: Flavour> Bus<M> {
    /// Creates a bus without a context.
    #[must_use]
    #[track_caller]
    #[allow(
        clippy::new_without_default,
        reason = "there is a `Default`, for every context"
    )]
    pub fn new() -> Self {
        Self::with_context()
    }
}

impl<M: Flavour, C: 'static> Bus<M, C> {
    /// Creates a bus whose emitters and drains lend a `&mut C` to the handlers, by
    /// [`emit_with`](Self::emit_with) and [`drain_with`](Self::drain_with).
    ///
    /// A thread that does not have the context can [`defer`](Self::defer) to such a bus. To emit on
    /// that thread, use a second bus without a context, with handlers
    /// [`on_queue`](crate::flavour::Subscribe::on_queue) of this one's queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// struct App { orders: u32 }
    /// const PLACED: Topic<f64> = Topic::new("order.placed");
    ///
    /// let bus = Bus::<App>::with_context();
    /// let _sub = bus.on_with(&PLACED, |app, _| app.orders += 1);
    /// let mut app = App { orders: 0 };
    /// bus.emit_with(&mut app, &PLACED, &9.5);
    /// assert_eq!(app.orders, 1);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn with_context() -> Self {
        Self::builder().build()
    }

    /// Begins a bus with another configuration. If nothing else names the context, write
    /// `Bus::<()>::builder()`.
    ///
    /// See [`BusBuilder`] for an example.
    pub fn builder() -> BusBuilder<M, C> {
        BusBuilder {
            panics: Panics::default(),
            max_depth: MAX_DEPTH,
            warn_handlers: WARN_HANDLERS,
            executor: None,
            types: PhantomData,
        }
    }
}

impl<M: Flavour, C: 'static> BusBuilder<M, C> {
    /// Sets whether the first panic of an emission resumes in the emitter, the default, or is
    /// contained.
    ///
    /// See [`BusBuilder`] for an example.
    pub fn panics(mut self, panics: Panics) -> Self {
        self.panics = panics;
        self
    }

    /// Limits how deep emissions may be nested on one thread, over all signals; 128 by default, and 1
    /// refuses any nesting. With 0 every emission that has a handler is refused.
    ///
    /// An emission beyond the limit is refused, with an error. By default the limit is met before the
    /// stack overflows if a level takes less than 12 KiB of the 2 MiB that threads have.
    ///
    /// See [`BusBuilder`] for an example.
    #[doc(alias = "recursion limit")]
    pub fn max_depth(mut self, levels: usize) -> Self {
        self.max_depth = levels;
        self
    }

    /// Sets how many live handlers of one topic or pattern one line of code may subscribe before that is told as a
    /// [`Warning`](crate::Warning), to the [hook](Bus::set_warning_hook) or the log: 64 by default, and 0 for never.
    ///
    /// Handlers that accumulate are mostly subscribed by code that runs again and again, and detached. The same line
    /// is told again with four times as many, and so on, at the number itself if no line has more handlers there, else
    /// when the topic has an eighth more at most; subscribing stays O(1). What has been told of a line and a topic
    /// is not told again, also not after the topic was dropped: that is kept for 1,024 of them, and any others are
    /// told only if they have more than all of those others before. Signals without a bus do not warn.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    /// use std::sync::{Arc, Mutex};
    ///
    /// let bus = Bus::<()>::builder().warn_handlers(2).build();
    /// let told = Arc::new(Mutex::new(Vec::new()));
    /// bus.set_warning_hook({
    ///     let told = told.clone();
    ///     move |warning| told.lock().unwrap().push(warning.to_string())
    /// });
    /// for _ in 0..2 {
    ///     bus.on(&Topic::<u64>::new("order.placed"), |_| ()).detach();
    /// }
    /// assert!(told.lock().unwrap()[0].starts_with("topic \"order.placed\" has 2 handlers"));
    /// ```
    pub fn warn_handlers(mut self, handlers: usize) -> Self {
        self.warn_handlers = handlers;
        self
    }

    /// Creates the bus.
    #[must_use]
    #[track_caller]
    pub fn build(self) -> Bus<M, C> {
        let provided = Provided::<M>::new(self.executor);
        let config = BusConfig::new(self.panics, self.max_depth, self.warn_handlers, &provided);
        // The whole suite of tests runs so once. The configuration ends what begins here.
        #[cfg(slotcast_follow)]
        if std::env::var_os("SLOTCAST_FOLLOW").is_some() {
            let follow = crate::follow::Follow::new().tail(16);
            let follower = crate::core::follow::follower::Follower::begin(follow);
            config.set_follower(follower.number());
        }
        Bus {
            core: M::ptr(Core::new(config, Location::caller())),
        }
    }
}

impl<C: 'static> BusBuilder<Shared, C> {
    /// Sets the executor for the futures of [async handlers](crate::flavour::Subscribe::on_async) where
    /// the emission is not awaited: a pool, a runtime, or a closure that takes a
    /// `Box<dyn FnOnce() + Send>`. The closure has to name the type of that argument, as here: the
    /// compiler does not infer it.
    ///
    /// Each task polls one future once, and so is as short as that poll; there is one for each time that
    /// the future is woken. [`Executor`] says what must not happen inside of it. A task that the executor
    /// drops abandons its future, which is a failure of the handler: of the emission that started it, if it
    /// is dropped at once, otherwise it is reported to the error hook. A wake never drops a future: one whose
    /// task is refused then is dropped on another thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    /// use std::sync::{Arc, mpsc};
    ///
    /// const SAVED: Topic<u64> = Topic::new("file.saved");
    /// let threads = |task: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(task));
    /// let bus = Bus::builder().executor(threads).build();
    /// let (sender, backups) = mpsc::channel();
    /// let _backup = bus.subscribe(&SAVED).on_async(move |bytes: Arc<u64>| {
    ///     let sender = sender.clone();
    ///     async move { sender.send(*bytes) }
    /// });
    /// assert_eq!(bus.emit(&SAVED, &512).ran(), 1);
    /// assert_eq!(backups.recv(), Ok(512));
    /// ```
    pub fn executor(mut self, executor: impl Executor) -> Self {
        self.executor = Some(Arc::new(executor));
        self
    }
}

impl<M: Flavour, C: 'static> fmt::Debug for BusBuilder<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusBuilder")
            .field("panics", &self.panics)
            .field("max_depth", &self.max_depth)
            .field("warn_handlers", &self.warn_handlers)
            .finish()
    }
}

unwind_safe! {
    [M: Flavour, C] BusBuilder<M, C>;
}
