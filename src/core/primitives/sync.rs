//! Atomics, locks and thread-locals, by way of one module, so that a model checker can stand in
//! for them. Nothing here knows what a handler is.

use std::cell::{Cell, RefCell};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard, RwLock,
    atomic::{AtomicPtr, AtomicUsize, Ordering, fence},
};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard, RwLock,
    atomic::{AtomicPtr, AtomicUsize, Ordering, fence},
};

#[cfg(all(loom, feature = "jobs"))]
pub(crate) use loom::thread;
#[cfg(all(not(loom), feature = "jobs"))]
pub(crate) use std::thread;

/// A process-wide value: once for the process, or once for each execution of a model.
#[cfg(not(loom))]
macro_rules! global {
    ($(#[$doc:meta])* $name:ident: $type:ty = $init:expr) => {
        $(#[$doc])*
        static $name: $type = $init;
    };
}
#[cfg(loom)]
macro_rules! global {
    ($(#[$doc:meta])* $name:ident: $type:ty = $init:expr) => {
        loom::lazy_static! { $(#[$doc])* static ref $name: $type = $init; }
    };
}

/// A thread's value that needs no destructor, and so can be used inside those of others.
#[cfg(not(loom))]
macro_rules! per_thread {
    ($(#[$doc:meta])* $name:ident: $type:ty = $init:expr) => {
        thread_local! { $(#[$doc])* static $name: $type = const { $init }; }
    };
}
#[cfg(loom)]
macro_rules! per_thread {
    ($(#[$doc:meta])* $name:ident: $type:ty = $init:expr) => {
        loom::thread_local! { $(#[$doc])* static $name: $type = $init; }
    };
}
pub(crate) use {global, per_thread};

/// A full fence for the model checker, which takes sequentially consistent accesses for weaker
/// ones. Outside of a model the accesses on both sides of it are what orders them.
#[inline(always)]
pub(crate) fn model_fence() {
    #[cfg(loom)]
    fence(Ordering::SeqCst);
}

/// Locks, and takes no notice of a panic that an earlier holder met: nothing here runs user code
/// under a lock, so no invariant can have been left half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A counter or a set of flags: an atomic in the shared flavour, a plain cell in the local one.
pub trait Word: 'static {
    fn new(value: usize) -> Self;
    fn get(&self) -> usize;
    fn set(&self, value: usize);
    /// Adds and returns what was there before.
    fn add(&self, n: usize) -> usize;
    /// Subtracts and returns what was there before.
    fn sub(&self, n: usize) -> usize;
    /// Sets bits and returns what was there before.
    fn or(&self, bits: usize) -> usize;
    /// Replaces the value and returns what was there before.
    fn swap(&self, value: usize) -> usize;
    /// Applies `f` until it sticks; the value before, or `None` if `f` gave none.
    fn update(&self, f: impl Fn(usize) -> Option<usize>) -> Option<usize>;
}

impl Word for AtomicUsize {
    fn new(value: usize) -> Self {
        AtomicUsize::new(value)
    }
    #[inline(always)]
    fn get(&self) -> usize {
        self.load(Ordering::Acquire)
    }
    #[inline(always)]
    fn set(&self, value: usize) {
        self.store(value, Ordering::Release);
    }
    #[inline(always)]
    fn add(&self, n: usize) -> usize {
        self.fetch_add(n, Ordering::AcqRel)
    }
    #[inline(always)]
    fn sub(&self, n: usize) -> usize {
        self.fetch_sub(n, Ordering::AcqRel)
    }
    #[inline(always)]
    fn or(&self, bits: usize) -> usize {
        self.fetch_or(bits, Ordering::AcqRel)
    }
    #[inline(always)]
    fn swap(&self, value: usize) -> usize {
        AtomicUsize::swap(self, value, Ordering::AcqRel)
    }
    #[inline(always)]
    fn update(&self, f: impl Fn(usize) -> Option<usize>) -> Option<usize> {
        self.fetch_update(Ordering::AcqRel, Ordering::Acquire, f)
            .ok()
    }
}

impl Word for Cell<usize> {
    fn new(value: usize) -> Self {
        Cell::new(value)
    }
    #[inline(always)]
    fn get(&self) -> usize {
        Cell::get(self)
    }
    #[inline(always)]
    fn set(&self, value: usize) {
        Cell::set(self, value);
    }
    #[inline(always)]
    fn add(&self, n: usize) -> usize {
        self.replace(Cell::get(self).wrapping_add(n))
    }
    #[inline(always)]
    fn sub(&self, n: usize) -> usize {
        self.replace(Cell::get(self).wrapping_sub(n))
    }
    #[inline(always)]
    fn or(&self, bits: usize) -> usize {
        self.replace(Cell::get(self) | bits)
    }
    #[inline(always)]
    fn swap(&self, value: usize) -> usize {
        self.replace(value)
    }
    #[inline(always)]
    fn update(&self, f: impl Fn(usize) -> Option<usize>) -> Option<usize> {
        let before = Cell::get(self);
        Cell::set(self, f(before)?);
        Some(before)
    }
}

/// Exclusive access for the length of a closure: a mutex, or a borrow flag.
pub trait Lock<T> {
    fn new(value: T) -> Self;
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R;
    /// Like `with`, but gives up where the lock is taken, by this thread or another.
    fn try_with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R>;
}

impl<T> Lock<T> for Mutex<T> {
    fn new(value: T) -> Self {
        Mutex::new(value)
    }
    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut lock(self))
    }
    fn try_with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        use std::sync::TryLockError::{Poisoned, WouldBlock};
        match self.try_lock() {
            Ok(mut guard) => Some(f(&mut guard)),
            Err(Poisoned(poisoned)) => Some(f(&mut poisoned.into_inner())),
            Err(WouldBlock) => None,
        }
    }
}

impl<T> Lock<T> for RefCell<T> {
    fn new(value: T) -> Self {
        RefCell::new(value)
    }
    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.borrow_mut())
    }
    fn try_with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        Some(f(&mut *self.try_borrow_mut().ok()?))
    }
}
