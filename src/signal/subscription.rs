//! Subscriptions, the guards that keep handlers connected, and pauses.

use std::any::{Any, TypeId};
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::core::flavour::{Flavour, Shared, SyncBound};
use crate::core::handler::entry::{Connection, WeakRef, state};
use crate::core::handler::replace::{ReplaceRequest, Replacement, ReplacementFn};
use crate::core::primitives::clock::Instant;
use crate::core::primitives::parking;
use crate::core::primitives::sync::{THREADS, Word};
use crate::core::primitives::unwind::unwind_safe;
use crate::core::reclaim::hazard::is_inside;
use crate::error::{ReplaceError, ReplaceErrorKind, WaitError};
use crate::outcome::Outcome;
use crate::signal::pause::Pause;
use crate::subscription_id::SubscriptionId;

#[doc = include_str!("../flavour/subscription.md")]
#[must_use = "dropping the subscription cancels it at once, and `let _ = ..` drops it: keep it in a variable \
              such as `_sub` or in a `Scope`, or call `detach`"]
pub struct Subscription<M: Flavour> {
    pub(super) entry: WeakRef<M, dyn Connection<M>>,
    /// Dropping the subscription does not cancel.
    detached: bool,
}

impl<M: Flavour> Subscription<M> {
    pub(crate) fn new(entry: WeakRef<M, dyn Connection<M>>) -> Self {
        Subscription {
            entry,
            detached: false,
        }
    }

    /// Cancels the handler, and returns whether it was still connected. Calling it again is harmless.
    ///
    /// Calls of it that wait in a queue are given up: their events are dropped in this call, the next drain
    /// [counts](crate::Drained::given_up) them, and the queue has room for others.
    ///
    /// # Examples
    ///
    /// ```
    /// # let tick = slotcast::Signal::<u32>::new();
    /// let sub = tick.on(|_| ());
    /// assert!(sub.cancel());
    /// assert!(!sub.cancel());
    /// assert_eq!(tick.emit(&1).ran(), 0);
    /// ```
    #[doc(alias = "unsubscribe")]
    #[doc(alias = "disconnect")]
    #[doc(alias = "off")]
    #[doc(alias = "removeListener")]
    pub fn cancel(&self) -> bool {
        cancel(&self.entry)
    }

    /// Keeps the handler connected as long as its signal exists, or until `Bus::cancel` is called with
    /// its id.
    ///
    /// # Examples
    ///
    /// ```
    /// # let tick = slotcast::Signal::<u32>::new();
    /// tick.on(|n| println!("{n}")).detach();
    /// assert_eq!(tick.emit(&1).ran(), 1);
    /// ```
    pub fn detach(mut self) {
        self.detached = true;
    }

    /// Whether the handler is connected: not cancelled, cleared, used up or closed, and its target,
    /// if it was subscribed by `on_weak`, and its owner, if it was given one, alive. A paused handler is
    /// connected. A snapshot: another thread may change it at any moment.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.entry.is_active()
    }

    /// Replaces the handler by another: an emission calls the old or the new one, never both and never
    /// neither.
    ///
    /// The subscription keeps its position in the order, its id, label, priority, filters and pauses,
    /// and what is left of its limit. The new handler is called like one subscribed by `on`, whatever
    /// the old one was: in place of a `once` handler it has its one call left, and in place of one with
    /// a weak target it does not depend on that any more. It keeps its owner. Failures name the line of this call.
    ///
    /// Takes effect at once, as a cancel does: when this has returned, the old handler is not entered
    /// again by this thread, nor by an emission that starts afterwards. Its captures are dropped as
    /// if it were cancelled: in this call, or with the last emission that could be inside. A handler
    /// may replace itself.
    ///
    /// A subscription does not have its event's type, so the closure has to name it, and the types
    /// are compared here. O(1), and the next emission rebuilds its list; a call of a replacement
    /// costs about as much as one with a filter, however often it was replaced. Handlers that are not
    /// replaced pay nothing.
    ///
    /// # Errors
    ///
    /// The handler comes back if the subscription is not active, if its handler takes another event or
    /// context, or if it was subscribed by `on_queue`.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Bus, Topic};
    ///
    /// const SAVED: Topic<u64> = Topic::new("file.saved");
    /// let bus = Bus::new();
    /// let sub = bus.subscribe(&SAVED).label("log").on(|_| Err::<(), _>("no log yet"));
    /// assert_eq!(bus.emit(&SAVED, &1).errors().len(), 1);
    /// sub.replace(|bytes: &u64| println!("{bytes} bytes"))?;
    /// assert!(bus.emit(&SAVED, &2).errors().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn replace<E, F, R>(&self, handler: F) -> Result<(), ReplaceError<F>>
    where
        E: 'static,
        F: Fn(&E) -> R + 'static,
        R: Outcome,
        M: SyncBound<F>,
    {
        let closure = Box::new(Replacement {
            closure: handler,
            adapter: |handler: &F, _: &mut dyn Any, event: &E| handler(event),
        });
        self.replace_by::<E, F>(closure, None, Location::caller())
    }

    /// Like [`replace`](Self::replace), with the context that the emitter lends.
    ///
    /// # Errors
    ///
    /// Those of `replace`.
    #[track_caller]
    pub fn replace_with<E, C, F, R>(&self, handler: F) -> Result<(), ReplaceError<F>>
    where
        E: 'static,
        C: 'static,
        F: Fn(&mut C, &E) -> R + 'static,
        R: Outcome,
        M: SyncBound<F>,
    {
        let closure = Box::new(Replacement {
            closure: handler,
            adapter: |handler: &F, context: &mut dyn Any, event: &E| {
                let Some(context) = context.downcast_mut() else {
                    unreachable!("compared when it was put in place")
                };
                handler(context, event)
            },
        });
        self.replace_by::<E, F>(closure, Some(TypeId::of::<C>()), Location::caller())
    }

    fn replace_by<E: 'static, F: 'static>(
        &self,
        closure: Box<dyn ReplacementFn<M, E>>,
        context: Option<TypeId>,
        location: &'static Location<'static>,
    ) -> Result<(), ReplaceError<F>> {
        let mut request = ReplaceRequest {
            closure: Some(closure),
            context,
            location,
            original: self.entry.clone(),
        };
        let result = if self.entry.is_active() {
            self.entry.replace(&mut request)
        } else {
            Err(ReplaceErrorKind::Inactive)
        };
        result.map_err(|kind| {
            let handler = request.closure.map(|closure| closure.into_any().downcast());
            let Some(Ok(handler)) = handler else {
                unreachable!("what was not taken is there")
            };
            ReplaceError::new(kind, *handler)
        })
    }

    /// Pauses the handler until the guard is dropped. Pauses are counted.
    ///
    /// A paused handler is skipped, without spending its limit, and keeps its position. Events that are
    /// emitted meanwhile are not kept for it, and a call that was claimed before, and waits in a queue, is
    /// skipped if it is drained meanwhile: that claim is spent. All handlers of a
    /// [scope](crate::flavour::Scope::pause), a [signal](crate::flavour::Signal::pause) or a
    /// [bus](crate::flavour::Bus::pause) can be paused at once.
    ///
    /// # Examples
    ///
    /// ```
    /// # let tick = slotcast::Signal::<u32>::new();
    /// let sub = tick.on(|_| ());
    /// let (one, two) = (sub.pause(), sub.pause());
    /// drop(one);
    /// assert_eq!(tick.emit(&1).ran(), 0);
    /// drop(two);
    /// assert_eq!(tick.emit(&1).ran(), 1);
    /// ```
    pub fn pause(&self) -> Pause<M> {
        Pause::of_handler(&self.entry)
    }

    /// Whether the handler is paused, by itself or with its scope, its signal or its bus.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.entry.head().is_paused()
    }

    /// Whether the handler is disconnected and its captures are dropped. Cancels a handler whose target
    /// has been dropped.
    pub(crate) fn is_finished(&self) -> bool {
        self.cancel_if_dead();
        self.entry.head().has(state::DROPPED)
    }

    /// Cancels a handler whose target or owner has been dropped.
    pub(crate) fn cancel_if_dead(&self) {
        self.entry.cancel_if_dead();
    }

    /// The number of events that the [`room`](crate::flavour::Subscribe::room) of a queued handler has
    /// dropped; 0 for other handlers. A snapshot.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.entry.dropped()
    }

    /// The id of this subscription, unique in the process.
    #[must_use]
    pub fn id(&self) -> SubscriptionId {
        self.entry.head().id()
    }
}

fn cancel<M: Flavour>(entry: &WeakRef<M, dyn Connection<M>>) -> bool {
    let was_connected = entry.cancel();
    if !was_connected {
        entry.cancel_removed();
        entry.give_up();
    }
    // Without an effect if its signal has done that.
    entry.release();
    was_connected
}

impl Subscription<Shared> {
    /// Cancels, and waits until the handler runs on no thread and its captures are dropped.
    ///
    /// Parks the thread until the emissions that began before have ended: not just this handler's
    /// part of them. Also waits if something else (its limit, a `clear`) has removed the handler
    /// already. Two threads that wait for each other's emissions wait for ever; the
    /// [timeout form](Self::cancel_and_wait_timeout) bounds that.
    ///
    /// # Errors
    ///
    /// [`WaitError::Inside`] if this thread is itself inside an emission or a drain that could
    /// still call the handler; it is cancelled all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let tick = slotcast::Signal::<u32>::new();
    /// let plugin = Arc::new("code that is about to be unloaded");
    /// let sub = tick.on({ let plugin = plugin.clone(); move |_| _ = plugin.len() });
    /// sub.cancel_and_wait()?;
    /// assert_eq!(Arc::strong_count(&plugin), 1);
    /// # Ok::<(), slotcast::WaitError>(())
    /// ```
    pub fn cancel_and_wait(&self) -> Result<(), WaitError> {
        self.cancel_until(None)
    }

    /// Like [`cancel_and_wait`](Self::cancel_and_wait), for `timeout` at most. A timeout of zero
    /// does not wait.
    ///
    /// # Errors
    ///
    /// [`WaitError::Inside`] as there, and [`WaitError::TimedOut`] when the time is up. The handler is
    /// cancelled in both cases.
    pub fn cancel_and_wait_timeout(&self, timeout: Duration) -> Result<(), WaitError> {
        // A deadline beyond the clock's range means none.
        self.cancel_until(Instant::now().checked_add(timeout))
    }

    fn cancel_until(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        self.cancel_to_wait()?;
        self.wait_until(deadline)
    }

    /// Cancels. An error if the captures are not dropped yet and this thread must not wait for that.
    pub(crate) fn cancel_to_wait(&self) -> Result<(), WaitError> {
        let (entry, head) = (&self.entry, self.entry.head());
        let is_run_by = |signal| entry.is_run_by(signal);
        let inside = is_inside(is_run_by, entry.address(), head.sequence);
        cancel(entry);
        if inside && !head.has(state::DROPPED) {
            Err(WaitError::Inside)
        } else {
            Ok(())
        }
    }

    /// Waits until the captures of a cancelled handler are dropped.
    pub(crate) fn wait_until(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        let head = self.entry.head();
        let is_dropped = || head.has(state::DROPPED);
        if is_dropped() {
            return Ok(());
        }
        head.state.or(state::AWAITED);
        if parking::park_until(is_dropped, deadline) {
            Ok(())
        } else {
            Err(if THREADS {
                WaitError::TimedOut
            } else {
                WaitError::NoThreads
            })
        }
    }
}

impl<M: Flavour> Drop for Subscription<M> {
    fn drop(&mut self) {
        if !self.detached {
            cancel(&self.entry);
        }
    }
}

impl<M: Flavour> fmt::Debug for Subscription<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.entry.head();
        f.debug_struct("Subscription")
            .field("id", &self.id())
            .field("topic", &head.info.as_ref().map(|it| it.name().as_str()))
            .field("label", &head.label())
            .field("place", &format_args!("{}", head.location))
            .field("is_active", &self.is_active())
            .field("is_paused", &self.is_paused())
            .finish()
    }
}

unwind_safe! {
    [M: Flavour] Subscription<M>;
}
