//! Forwarding: emissions of one signal, repeated on another.

use crate::core::emission::forward::Forward;
use crate::core::flavour::Flavour;
use crate::signal::Signal;
use crate::signal::subscribe::{Filter, Subscribe};
use crate::signal::subscription::Subscription;

impl<M: Flavour, E: 'static, C: 'static> Signal<M, E, C> {
    /// Emits each event on `target` as well, with the same context, until the subscription is dropped
    /// or either signal is dropped or closed. Keeps neither alive.
    ///
    /// The forwarding is a handler like the others; [`subscribe`](Self::subscribe) gives it a priority
    /// or a filter. The emission on `target` is one of its own: it reports the failures of the target's
    /// handlers itself, a panic resumes from it in the outer emitter, and a
    /// [`Stop`](crate::Flow::Stop) in it ends it alone. Signals that forward in a circle meet the limit
    /// of nesting: an error, and no stack overflow.
    ///
    /// # Examples
    ///
    /// ```
    /// use slotcast::Signal;
    ///
    /// let (door, house) = (Signal::<&str>::new(), Signal::<&str>::new());
    /// let _log = house.on(|what| println!("{what}"));
    /// let sub = door.forward_to(&house);
    /// assert_eq!(door.emit(&"opened").ran(), 1);
    /// house.close();
    /// assert!(!sub.is_active());
    /// assert_eq!(door.emit(&"closed").ran(), 0);
    /// ```
    #[track_caller]
    pub fn forward_to(&self, target: &Signal<M, E, C>) -> Subscription<M> {
        self.subscribe().forward_to(target)
    }
}

impl<M: Flavour, E: 'static, C: 'static, P: Filter<E>> Subscribe<M, E, C, P> {
    /// Emits each event on another signal as well, until the subscription is dropped or either signal
    /// is dropped or closed; see [`Signal::forward_to`](crate::flavour::Signal::forward_to).
    pub fn forward_to(self, target: &Signal<M, E, C>) -> Subscription<M> {
        self.finish(Forward::new(&target.core))
    }
}
