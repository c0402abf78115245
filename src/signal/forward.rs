//! Emissions of one signal that go on to another.

use crate::core::emission::forward::Forward;
use crate::core::handler::handler_fn::Filter;
use crate::core::mode::Mode;
use crate::signal::Signal;
use crate::signal::subscribe::Subscribe;
use crate::signal::subscription::Subscription;

impl<M: Mode, E: 'static, C: 'static> Signal<M, E, C> {
    /// Emits each event on `target` as well, with the same context, until the subscription is dropped
    /// or either signal goes or is closed. Keeps neither.
    ///
    /// The forwarding stands among the handlers as one of them; [`subscribe`](Self::subscribe) gives
    /// it a priority or a filter. What it emits is an emission of its own: it reports the failures of
    /// the target's handlers itself, a panic goes on from it to the outer emitter, and a
    /// [`Stop`](crate::Flow::Stop) in it ends it alone. SignalFlavour that forward in a circle meet the
    /// limit of nesting, which is an error and not the end of the stack.
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

impl<M: Mode, E: 'static, C: 'static, P: Filter<E>> Subscribe<M, E, C, P> {
    /// Emits each event on another signal as well, until the subscription is dropped or either signal
    /// goes or is closed; see [`Signal::forward_to`](crate::flavour::Signal::forward_to).
    pub fn forward_to(self, target: &Signal<M, E, C>) -> Subscription<M> {
        self.finish(Forward::new(&target.core))
    }
}
