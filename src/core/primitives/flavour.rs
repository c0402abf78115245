//! The pointers, locks and counters of the two flavours, and whether one thread can wait for another.
//!
//! Each layer above declares what it needs of a flavour in a trait of its own.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::marker::PhantomData;
use std::ops::{ControlFlow, Deref};
use std::rc::{self, Rc};
use std::sync::{self, Arc};

use crate::core::primitives::clock::Instant;
use crate::core::primitives::sync::{AtomicUsize, Condvar, Lock, Mutex, Word, lock, wait_until};

/// The flavour for any number of threads: handlers are `Send`, and `Sync` if called by reference.
///
/// A name for the type parameter, without values. It is `Send` and `Sync`, and so are the types of this
/// flavour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    never: Infallible,
}

/// The flavour for one thread: handlers may be anything.
///
/// A name for the type parameter, without values. It is neither `Send` nor `Sync`, and so are the types of
/// this flavour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    never: Infallible,
    one_thread: PhantomData<*const ()>,
}

/// Pointers, locks and counters of a flavour.
pub trait Primitives: Sized + 'static {
    type Word: Word;
    type Lock<T>: Lock<T>;
    type Ptr<T: ?Sized>: Deref<Target = T> + Clone;
    type Weak<T: ?Sized>: Clone;
    /// Wakes the threads that wait for a queue.
    type Condvar: Default;
    /// Whether a thread can wait for another one.
    const WAITS: bool;

    fn condvar() -> Self::Condvar {
        Self::Condvar::default()
    }
    fn notify_all(condvar: &Self::Condvar);
    /// Calls `check` under the lock, and again after each notification and after the deadline that it
    /// returned, until it breaks with a value.
    fn wait<T, R>(
        lock: &Self::Lock<T>,
        condvar: &Self::Condvar,
        check: impl FnMut(&mut T) -> ControlFlow<R, Option<Instant>>,
    ) -> R;
    fn ptr<T>(value: T) -> Self::Ptr<T>;
    fn downgrade<T: ?Sized>(ptr: &Self::Ptr<T>) -> Self::Weak<T>;
    fn upgrade<T: ?Sized>(weak: &Self::Weak<T>) -> Option<Self::Ptr<T>>;
    /// A weak pointer that never upgrades.
    fn dangling<T>() -> Self::Weak<T>;
    /// Whether the value has not been dropped.
    fn exists<T: ?Sized>(weak: &Self::Weak<T>) -> bool;
    /// The address of the value, for comparing.
    fn address<T>(weak: &Self::Weak<T>) -> *const T;
}

impl Primitives for Shared {
    type Word = AtomicUsize;
    type Lock<T> = Mutex<T>;
    type Ptr<T: ?Sized> = Arc<T>;
    type Weak<T: ?Sized> = sync::Weak<T>;
    type Condvar = Condvar;
    const WAITS: bool = true;

    fn notify_all(condvar: &Condvar) {
        condvar.notify_all();
    }
    fn wait<T, R>(
        mutex: &Mutex<T>,
        condvar: &Condvar,
        mut check: impl FnMut(&mut T) -> ControlFlow<R, Option<Instant>>,
    ) -> R {
        let mut guard = lock(mutex);
        loop {
            let deadline = match check(&mut guard) {
                ControlFlow::Break(value) => return value,
                ControlFlow::Continue(deadline) => deadline,
            };
            let (Ok(woken) | Err(woken)) = wait_until(condvar, guard, deadline);
            guard = woken;
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
    fn dangling<T>() -> sync::Weak<T> {
        sync::Weak::new()
    }
    fn exists<T: ?Sized>(weak: &sync::Weak<T>) -> bool {
        weak.strong_count() > 0
    }
    fn address<T>(weak: &sync::Weak<T>) -> *const T {
        weak.as_ptr()
    }
}

impl Primitives for Local {
    type Word = Cell<usize>;
    type Lock<T> = RefCell<T>;
    type Ptr<T: ?Sized> = Rc<T>;
    type Weak<T: ?Sized> = rc::Weak<T>;
    type Condvar = ();
    const WAITS: bool = false;

    fn notify_all((): &()) {}
    fn wait<T, R>(
        cell: &RefCell<T>,
        (): &(),
        check: impl FnMut(&mut T) -> ControlFlow<R, Option<Instant>>,
    ) -> R {
        match cell.with(check) {
            ControlFlow::Break(value) => value,
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
    fn dangling<T>() -> rc::Weak<T> {
        rc::Weak::new()
    }
    fn exists<T: ?Sized>(weak: &rc::Weak<T>) -> bool {
        weak.strong_count() > 0
    }
    fn address<T>(weak: &rc::Weak<T>) -> *const T {
        weak.as_ptr()
    }
}

/// The bound on what is called by reference wherever this flavour's events are emitted:
/// `Send + Sync` for [`Shared`], none for [`Local`]. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be sent between threads safely, or not be shared between them",
    label = "captures something that is not `Send` and `Sync`",
    note = "capture an `Arc` instead of an `Rc`, and an atomic or a `Mutex` instead of a `Cell` or a `RefCell`",
    note = "`on_mut` and `once` take closures that are only `Send`; `slotcast::local` takes any closure"
)]
pub trait SyncBound<T: ?Sized>: sealed::SyncBound<T> {}
// Otherwise the error message would name the bounds of the sealed trait, which users cannot.
#[diagnostic::do_not_recommend]
impl<T: ?Sized, M: sealed::SyncBound<T>> SyncBound<T> for M {}

/// Not reachable from outside: users must not decide what may cross threads. The blanket
/// implementation above rules out implementations of theirs; see the decisions in `core::flavour`.
mod sealed {
    use super::{Local, Shared};

    pub trait SyncBound<T: ?Sized> {}
    impl<T: ?Sized + Send + Sync> SyncBound<T> for Shared {}
    impl<T: ?Sized> SyncBound<T> for Local {}
}
