//! What the two flavours differ in: pointers, locks, counters and the read side.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::ops::{ControlFlow, Deref, DerefMut};
use std::pin;
use std::rc::{self, Rc};
use std::sync::{self, Arc};
use std::time::Instant;

use crate::core::primitives::sync::{AtomicPtr, AtomicUsize, Condvar, Lock, Mutex, Word, lock};
use crate::core::queue::envelope::{Parcel, Single};
use crate::core::queue::lanes::{Lane, TypedLane};
use crate::core::reclaim::hazard::{Announced, Counted, Header, Pin, Publish};
use crate::core::registry::registry::{Listed, WeakSignal};
use crate::core::waiting::async_handler as flight;
use crate::core::waiting::async_handler::{Flight, Settled, settle};
use crate::executor::Executor;
use crate::outcome::Outcome;

/// The flavour for any number of threads: handlers are `Send`, and `Sync` if called by reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {}

/// The flavour for one thread: handlers may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Local {}

/// The private half of [`Flavour`](crate::flavour::Flavour).
pub trait Mode: Sized + 'static {
    type Word: Word;
    type Lock<T>: Lock<T>;
    type Ptr<T: ?Sized>: Deref<Target = T> + Clone;
    type Weak<T: ?Sized>: Clone;
    type Published: Publish<Self>;
    /// How a reader without the lock keeps a snapshot.
    type Pin: Pin<Self>;
    type Lane<C: 'static>: DerefMut<Target: Lane<Self, C>>;
    type Parcel<C: 'static>: DerefMut<Target: Parcel<Self, C>>;
    /// What an async handler has started.
    type Future: Future<Output = Settled> + Unpin + 'static;
    /// A topic in a registry.
    type Listed<C: 'static>: Clone;
    /// Wakes the threads that wait for a queue.
    type Bell;
    /// Whether a thread can wait for what another one does.
    const WAITS: bool;

    fn bell() -> Self::Bell;
    fn ring(bell: &Self::Bell);
    /// Asks under the lock, and again whenever the bell rings or the time is up that `ask` names,
    /// until there is an answer.
    fn wait<T, R>(
        at: &Self::Lock<T>,
        bell: &Self::Bell,
        ask: impl FnMut(&mut T) -> ControlFlow<R, Option<Instant>>,
    ) -> R;
    fn ptr<T>(value: T) -> Self::Ptr<T>;
    fn downgrade<T: ?Sized>(ptr: &Self::Ptr<T>) -> Self::Weak<T>;
    fn upgrade<T: ?Sized>(weak: &Self::Weak<T>) -> Option<Self::Ptr<T>>;
    /// A pointer to nothing.
    fn nowhere<T>() -> Self::Weak<T>;
    /// Whether there is anything left to point to.
    fn exists<T: ?Sized>(weak: &Self::Weak<T>) -> bool;
    fn list<E: 'static, C: 'static>(signal: WeakSignal<Self, E, C>) -> Self::Listed<C>;
    /// What is listed.
    fn listed<C: 'static>(listed: &Self::Listed<C>) -> &dyn Listed<Self, C>;
    /// Where `weak` points, for comparing.
    fn address<T>(weak: &Self::Weak<T>) -> *const T;
    /// Gives what was started to an executor.
    fn launch(flight: Flight<Self>, executor: Arc<dyn Executor>);
}

impl Mode for Shared {
    type Word = AtomicUsize;
    type Lock<T> = Mutex<T>;
    type Ptr<T: ?Sized> = Arc<T>;
    type Weak<T: ?Sized> = sync::Weak<T>;
    type Published = AtomicPtr<Header<Shared>>;
    type Pin = Announced;
    type Lane<C: 'static> = Box<dyn Lane<Shared, C> + Send>;
    type Parcel<C: 'static> = Box<dyn Parcel<Shared, C> + Send>;
    type Future = pin::Pin<Box<dyn Future<Output = Settled> + Send>>;
    type Listed<C: 'static> = Arc<dyn Listed<Shared, C> + Send + Sync>;
    type Bell = Condvar;
    const WAITS: bool = true;

    fn bell() -> Condvar {
        Condvar::new()
    }
    fn ring(bell: &Condvar) {
        bell.notify_all();
    }
    fn wait<T, R>(
        at: &Mutex<T>,
        bell: &Condvar,
        mut ask: impl FnMut(&mut T) -> ControlFlow<R, Option<Instant>>,
    ) -> R {
        let mut guard = lock(at);
        loop {
            let until = match ask(&mut guard) {
                ControlFlow::Break(answer) => return answer,
                ControlFlow::Continue(until) => until,
            };
            guard = match until {
                None => bell
                    .wait(guard)
                    .unwrap_or_else(|poisoned| poisoned.into_inner()),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    match bell.wait_timeout(guard, left) {
                        Ok((guard, _)) => guard,
                        Err(poisoned) => poisoned.into_inner().0,
                    }
                }
            };
        }
    }
    fn ptr<T>(value: T) -> Arc<T> {
        Arc::new(value)
    }
    fn downgrade<T: ?Sized>(ptr: &Arc<T>) -> sync::Weak<T> {
        Arc::downgrade(ptr)
    }
    fn upgrade<T: ?Sized>(weak: &sync::Weak<T>) -> Option<Arc<T>> {
        weak.upgrade()
    }
    fn nowhere<T>() -> sync::Weak<T> {
        sync::Weak::new()
    }
    fn exists<T: ?Sized>(weak: &sync::Weak<T>) -> bool {
        weak.strong_count() > 0
    }
    fn list<E: 'static, C: 'static>(signal: WeakSignal<Self, E, C>) -> Self::Listed<C> {
        Arc::new(signal)
    }
    fn listed<C: 'static>(listed: &Self::Listed<C>) -> &dyn Listed<Shared, C> {
        &**listed
    }
    fn address<T>(weak: &sync::Weak<T>) -> *const T {
        weak.as_ptr()
    }
    fn launch(flight: Flight<Shared>, executor: Arc<dyn Executor>) {
        flight::launch(flight, executor);
    }
}

impl Mode for Local {
    type Word = Cell<usize>;
    type Lock<T> = RefCell<T>;
    type Ptr<T: ?Sized> = Rc<T>;
    type Weak<T: ?Sized> = rc::Weak<T>;
    type Published = Cell<*mut Header<Local>>;
    type Pin = Counted<Local>;
    type Lane<C: 'static> = Box<dyn Lane<Local, C>>;
    type Parcel<C: 'static> = Box<dyn Parcel<Local, C>>;
    type Future = pin::Pin<Box<dyn Future<Output = Settled>>>;
    type Listed<C: 'static> = Rc<dyn Listed<Local, C>>;
    type Bell = ();
    const WAITS: bool = false;

    fn bell() {}
    fn ring((): &()) {}
    fn wait<T, R>(
        at: &RefCell<T>,
        (): &(),
        ask: impl FnMut(&mut T) -> ControlFlow<R, Option<Instant>>,
    ) -> R {
        match at.with(ask) {
            ControlFlow::Break(answer) => answer,
            ControlFlow::Continue(_) => unreachable!("nobody else could end the wait"),
        }
    }
    fn ptr<T>(value: T) -> Rc<T> {
        Rc::new(value)
    }
    fn downgrade<T: ?Sized>(ptr: &Rc<T>) -> rc::Weak<T> {
        Rc::downgrade(ptr)
    }
    fn upgrade<T: ?Sized>(weak: &rc::Weak<T>) -> Option<Rc<T>> {
        weak.upgrade()
    }
    fn nowhere<T>() -> rc::Weak<T> {
        rc::Weak::new()
    }
    fn exists<T: ?Sized>(weak: &rc::Weak<T>) -> bool {
        weak.strong_count() > 0
    }
    fn list<E: 'static, C: 'static>(signal: WeakSignal<Self, E, C>) -> Self::Listed<C> {
        Rc::new(signal)
    }
    fn listed<C: 'static>(listed: &Self::Listed<C>) -> &dyn Listed<Local, C> {
        &**listed
    }
    fn address<T>(weak: &rc::Weak<T>) -> *const T {
        weak.as_ptr()
    }
    fn launch(_: Flight<Local>, _: Arc<dyn Executor>) {
        unreachable!("a local bus cannot be given an executor")
    }
}

/// What may be called by reference from wherever this flavour's events are emitted: for
/// [`Shared`] anything `Send + Sync`, for [`Local`] anything. Sealed.
pub trait Shares<T: ?Sized>: sealed::Shares<T> {}
impl<T: ?Sized, M: sealed::Shares<T>> Shares<T> for M {}

/// What may be handed over to wherever this flavour's events are handled: for [`Shared`] anything
/// `Send`, for [`Local`] anything. Sealed.
pub trait Carries<T>: sealed::Carries<T> {}
impl<T, M: sealed::Carries<T>> Carries<T> for M {}

/// Not reachable from outside: what is `Send` must not be a matter of opinion. That the traits
/// above have blanket implementations keeps others from adding theirs.
mod sealed {
    use super::{Lane, Local, Mode, Outcome, Parcel, Shared, Single, TypedLane, settle};

    pub trait Shares<T: ?Sized> {}
    impl<T: ?Sized + Send + Sync> Shares<T> for Shared {}
    impl<T: ?Sized> Shares<T> for Local {}

    pub trait Carries<T>: Mode {
        /// The queue's lane for payloads of this type.
        fn lane<C: 'static>() -> Self::Lane<C>
        where
            T: 'static;
        fn parcel<C: 'static>(single: Single<Self, T, C>) -> Self::Parcel<C>
        where
            T: 'static;
        fn future(future: T) -> Self::Future
        where
            T: Future<Output: Outcome> + 'static;
    }
    impl<T: Send> Carries<T> for Shared {
        fn lane<C: 'static>() -> Box<dyn Lane<Shared, C> + Send>
        where
            T: 'static,
        {
            Box::new(TypedLane::<Shared, T, C>::new())
        }
        fn parcel<C: 'static>(single: Single<Shared, T, C>) -> Box<dyn Parcel<Shared, C> + Send>
        where
            T: 'static,
        {
            Box::new(single)
        }
        fn future(future: T) -> Self::Future
        where
            T: Future<Output: Outcome> + 'static,
        {
            Box::pin(async move { settle(future.await) })
        }
    }
    impl<T> Carries<T> for Local {
        fn lane<C: 'static>() -> Box<dyn Lane<Local, C>>
        where
            T: 'static,
        {
            Box::new(TypedLane::<Local, T, C>::new())
        }
        fn parcel<C: 'static>(single: Single<Local, T, C>) -> Box<dyn Parcel<Local, C>>
        where
            T: 'static,
        {
            Box::new(single)
        }
        fn future(future: T) -> Self::Future
        where
            T: Future<Output: Outcome> + 'static,
        {
            Box::pin(async move { settle(future.await) })
        }
    }
}
