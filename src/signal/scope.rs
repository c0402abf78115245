//! Scopes: subscriptions that are cancelled together.
//!
//! **A scope prunes what is finished, not what is inactive.** A subscription is finished when its
//! captures are dropped. An inactive one may not be: a handler that its limit has removed may have
//! calls in a queue, which cancelling would take away, and `cancel_and_wait` has to wait for captures
//! that are still in use.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use crate::core::flavour::{Flavour, Shared};
use crate::core::primitives::clock::Instant;
use crate::core::primitives::unwind::unwind_safe;
use crate::error::WaitError;
use crate::signal::pause::{Pause, ScopePauses};
use crate::signal::subscription::Subscription;

#[doc = include_str!("../flavour/scope.md")]
#[must_use = "dropping the scope cancels what it has collected"]
pub struct Scope<M: Flavour> {
    /// In the order they were added.
    subscriptions: Vec<Subscription<M>>,
    /// Once it was paused.
    pauses: OnceLock<M::Ptr<ScopePauses<M>>>,
}

impl<M: Flavour> Scope<M> {
    /// Creates a scope without subscriptions. Allocates nothing.
    pub const fn new() -> Self {
        Scope {
            subscriptions: Vec::new(),
            pauses: OnceLock::new(),
        }
    }

    /// Adds a subscription. Amortized O(1).
    ///
    /// May drop the captures of handlers whose target has been dropped, when the scope grows.
    pub fn add(&mut self, subscription: Subscription<M>) {
        let subscriptions = &mut self.subscriptions;
        if subscriptions.len() == subscriptions.capacity() {
            subscriptions.retain(|subscription| !subscription.is_finished());
            // Capacity for as many again, so that adding n costs O(n) in all.
            if subscriptions.len() > subscriptions.capacity() / 2 {
                subscriptions.reserve(subscriptions.len());
            } else {
                subscriptions.shrink_to(2 * subscriptions.len());
            }
        }
        if let Some(pauses) = self.pauses.get() {
            pauses.add(&subscription.entry);
        }
        subscriptions.push(subscription);
    }

    /// Pauses all its handlers until the guard is dropped, those that are added meanwhile too; as
    /// [`Subscription::pause`] does, with which it adds up. O(n).
    ///
    /// # Examples
    ///
    /// ```
    /// # use slotcast::{Scope, Signal};
    /// let tick = Signal::<u32>::new();
    /// let mut dialog: Scope = [tick.on(|_| ()), tick.on(|_| ())].into_iter().collect();
    /// let hidden = dialog.pause();
    /// dialog.add(tick.on(|_| ()));
    /// assert_eq!(tick.emit(&1).ran(), 0);
    /// drop(hidden);
    /// assert_eq!(tick.emit(&2).ran(), 3);
    /// ```
    pub fn pause(&self) -> Pause<M> {
        let pauses = self.pauses.get_or_init(|| M::ptr(ScopePauses::new()));
        pauses.begin(self.subscriptions.iter().map(|it| &it.entry));
        Pause::of_scope(pauses.clone())
    }

    /// Whether all its handlers are paused by [`pause`](Self::pause). A snapshot.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.pauses.get().is_some_and(|pauses| pauses.is_paused())
    }

    /// The number of its handlers that are connected. A snapshot; O(n).
    #[must_use]
    pub fn len(&self) -> usize {
        self.subscriptions
            .iter()
            .filter(|subscription| subscription.is_active())
            .count()
    }

    /// Whether none of its handlers is connected. A snapshot; O(n).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.subscriptions.iter().any(Subscription::is_active)
    }

    /// Cancels all, in the order they were added, and returns how many were still connected. Releases
    /// the memory.
    ///
    /// # Examples
    ///
    /// ```
    /// # use slotcast::{Scope, Signal};
    /// let tick = Signal::<u32>::new();
    /// let mut scope: Scope = [tick.on(|_| ()), tick.once(|_| ())].into_iter().collect();
    /// tick.emit(&1);
    /// assert_eq!(scope.len(), 1, "one was called once");
    /// assert_eq!(scope.clear(), 1);
    /// assert!(tick.is_empty());
    /// ```
    pub fn clear(&mut self) -> usize {
        let subscriptions = std::mem::take(&mut self.subscriptions);
        subscriptions.iter().filter(|it| it.cancel()).count()
    }
}

impl Scope<Shared> {
    /// Cancels all, and waits until none of the handlers runs on any thread and the captures of all
    /// are dropped: from then on, a plugin can be unloaded.
    ///
    /// All are cancelled before the first is waited for. Waits as
    /// [`Subscription::cancel_and_wait`] does. Afterwards the scope is empty.
    ///
    /// # Errors
    ///
    /// [`WaitError::Inside`] if this thread is itself inside an emission or a drain that could still
    /// call one of the handlers. All are cancelled all the same; those that could not be waited for
    /// stay in the scope, so that it can be asked again from outside.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::{Scope, Signal};
    /// use std::sync::Arc;
    ///
    /// let tick = Signal::<u32>::new();
    /// let library = Arc::new("code that is about to be unloaded");
    /// let mut plugin = Scope::new();
    /// for _ in 0..2 {
    ///     let library = library.clone();
    ///     plugin.add(tick.on(move |_| _ = library.len()));
    /// }
    /// plugin.cancel_and_wait()?;
    /// assert_eq!(Arc::strong_count(&library), 1);
    /// # Ok::<(), slotcast::WaitError>(())
    /// ```
    pub fn cancel_and_wait(&mut self) -> Result<(), WaitError> {
        self.cancel_until(None)
    }

    /// Like [`cancel_and_wait`](Self::cancel_and_wait), for `timeout` at most, for all of them
    /// together. A timeout of zero does not wait.
    ///
    /// # Errors
    ///
    /// [`WaitError::Inside`] as there, and [`WaitError::TimedOut`] when the time is up. All are
    /// cancelled in both cases, and those that are still in use stay in the scope. [`len`](Self::len)
    /// does not count them: go by this result, and call again until it is `Ok`.
    pub fn cancel_and_wait_timeout(&mut self, timeout: Duration) -> Result<(), WaitError> {
        // A deadline beyond the clock's range means none.
        self.cancel_until(Instant::now().checked_add(timeout))
    }

    fn cancel_until(&mut self, deadline: Option<Instant>) -> Result<(), WaitError> {
        let all = &self.subscriptions;
        let mut result = Ok(());
        for subscription in all {
            // All of them, whatever the result of one is.
            result = subscription.cancel_to_wait().and(result);
        }
        let result = result.and_then(|()| all.iter().try_for_each(|it| it.wait_until(deadline)));
        match result {
            Ok(()) => self.subscriptions = Vec::new(),
            Err(_) => self.subscriptions.retain(|it| !it.is_finished()),
        }
        result
    }
}

impl<M: Flavour> Drop for Scope<M> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<M: Flavour> Default for Scope<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Flavour> Extend<Subscription<M>> for Scope<M> {
    fn extend<I: IntoIterator<Item = Subscription<M>>>(&mut self, subscriptions: I) {
        subscriptions.into_iter().for_each(|it| self.add(it));
    }
}

impl<M: Flavour> FromIterator<Subscription<M>> for Scope<M> {
    fn from_iter<I: IntoIterator<Item = Subscription<M>>>(subscriptions: I) -> Self {
        let mut scope = Scope::new();
        scope.extend(subscriptions);
        scope
    }
}

impl<M: Flavour> fmt::Debug for Scope<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("len", &self.len()).finish()
    }
}

unwind_safe! {
    [M: Flavour] Scope<M>;
}
