//! Atomics, locks, thread-locals and process-wide values: the only way to them, so that the model
//! checker can replace them.

use std::cell::{Cell, RefCell};

use crate::core::primitives::clock::Instant;

#[cfg(slotcast_loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard, RwLock,
    atomic::{AtomicPtr, AtomicUsize, Ordering, fence},
};
#[cfg(not(slotcast_loom))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard, RwLock,
    atomic::{AtomicPtr, AtomicUsize, Ordering, fence},
};

#[cfg(slotcast_loom)]
pub(crate) use loom::thread;
#[cfg(not(slotcast_loom))]
pub(crate) use std::thread;

/// Whether there can be another thread. Where there is none, whatever a thread would wait for does not come,
/// and the locks of `std` panic instead of waiting.
pub(crate) const THREADS: bool =
    !cfg!(all(target_family = "wasm", not(target_feature = "atomics")));

#[cfg(slotcast_loom)]
pub(crate) use loom::cell::UnsafeCell;

/// A cell whose accesses the model checker sees.
#[cfg(not(slotcast_loom))]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(slotcast_loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    /// For reading.
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// For writing.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// A process-wide value: one per process, or one per execution of a model.
#[cfg(not(slotcast_loom))]
macro_rules! global {
    ($(#[$doc:meta])* $name:ident: $type:ty = $init:expr) => {
        $(#[$doc])*
        static $name: $type = $init;
    };
}
#[cfg(slotcast_loom)]
macro_rules! global {
    ($(#[$doc:meta])* $name:ident: $type:ty = $init:expr) => {
        loom::lazy_static! { $(#[$doc])* static ref $name: $type = $init; }
    };
}

/// A thread-local without a destructor, usable inside the destructors of others.
#[cfg(not(slotcast_loom))]
macro_rules! per_thread {
    ($(#[$doc:meta])* $name:ident: $type:ty = $init:expr) => {
        thread_local! { $(#[$doc])* static $name: $type = const { $init }; }
    };
}
#[cfg(slotcast_loom)]
macro_rules! per_thread {
    ($(#[$doc:meta])* $name:ident: $type:ty = $init:expr) => {
        loom::thread_local! { $(#[$doc])* static $name: $type = $init; }
    };
}
pub(crate) use {global, per_thread};

/// A full fence for the model checker, which treats sequentially consistent accesses as weaker
/// ones. Outside of a model the accesses on both sides of it provide the ordering.
#[inline(always)]
pub(crate) fn model_fence() {
    #[cfg(slotcast_loom)]
    // SeqCst; pairs with the other calls of this function.
    fence(Ordering::SeqCst);
}

/// Counts up, over the whole process. Publishes no other data, so the model checker need not know it.
pub(crate) struct Sequence(
    #[cfg(target_has_atomic = "64")] std::sync::atomic::AtomicU64,
    // 32 bits could be counted through.
    #[cfg(not(target_has_atomic = "64"))] std::sync::Mutex<u64>,
);

impl Sequence {
    /// Starts at 1.
    pub(crate) const fn new() -> Self {
        #[cfg(target_has_atomic = "64")]
        return Sequence(std::sync::atomic::AtomicU64::new(1));
        #[cfg(not(target_has_atomic = "64"))]
        return Sequence(std::sync::Mutex::new(1));
    }

    /// The number that [`take`](Self::take) returns next.
    #[inline]
    pub(crate) fn peek(&self) -> u64 {
        #[cfg(target_has_atomic = "64")]
        // Relaxed: see above.
        return self.0.load(std::sync::atomic::Ordering::Relaxed);
        #[cfg(not(target_has_atomic = "64"))]
        return *self.0.lock().unwrap_or_else(|it| it.into_inner());
    }

    /// A number that is returned once.
    #[inline]
    pub(crate) fn take(&self) -> u64 {
        #[cfg(target_has_atomic = "64")]
        // Relaxed: see above.
        return self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        #[cfg(not(target_has_atomic = "64"))]
        {
            let mut next = self.0.lock().unwrap_or_else(|it| it.into_inner());
            *next += 1;
            *next - 1
        }
    }
}

/// Locks a mutex and ignores poisoning: no user code runs under a lock, so a panic cannot have left an
/// invariant broken.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Waits for a notification; wake-ups may be spurious.
pub(crate) fn wait<'m, T>(condvar: &Condvar, guard: MutexGuard<'m, T>) -> MutexGuard<'m, T> {
    condvar
        .wait(guard)
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Waits for a notification, with or without a deadline; wake-ups may be spurious.
///
/// # Errors
///
/// The guard, if the deadline has already passed. Does not wait then.
pub(crate) fn wait_until<'m, T>(
    condvar: &Condvar,
    guard: MutexGuard<'m, T>,
    deadline: Option<Instant>,
) -> Result<MutexGuard<'m, T>, MutexGuard<'m, T>> {
    let Some(deadline) = deadline else {
        return Ok(wait(condvar, guard));
    };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(guard);
    }
    let woken = condvar.wait_timeout(guard, left);
    Ok(woken.unwrap_or_else(|poisoned| poisoned.into_inner()).0)
}

/// A counter or a set of flags: an atomic in the shared flavour, a plain cell in the local one.
pub trait Word: From<usize> + 'static {
    fn new(value: usize) -> Self {
        Self::from(value)
    }
    fn get(&self) -> usize;
    fn set(&self, value: usize);
    /// Adds and returns the previous value.
    fn add(&self, n: usize) -> usize;
    /// Subtracts and returns the previous value.
    fn sub(&self, n: usize) -> usize;
    /// Sets bits and returns the previous value.
    fn or(&self, bits: usize) -> usize;
    /// Replaces the value and returns the previous one.
    fn swap(&self, value: usize) -> usize;
    /// Replaces the value with what `f` returns for it. Returns the previous value, or `None` if `f`
    /// returned `None`. The atomic calls `f` again where another thread came first.
    fn update(&self, f: impl Fn(usize) -> Option<usize>) -> Option<usize>;
}

/// Each load acquires and each store releases, so every access that reads the value of another one
/// pairs with it.
impl Word for AtomicUsize {
    #[inline(always)]
    fn get(&self) -> usize {
        // Acquire; pairs with the Release in all methods that write.
        self.load(Ordering::Acquire)
    }
    #[inline(always)]
    fn set(&self, value: usize) {
        // Release; pairs with the Acquire in all methods that read.
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

/// Exclusive access while a closure runs: a mutex, or a borrow flag.
pub trait Lock<T>: From<T> {
    fn new(value: T) -> Self {
        Self::from(value)
    }
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R;
    /// Like `with`, but returns `None` if the lock is taken, by this thread or another.
    fn try_with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R>;
}

impl<T> Lock<T> for Mutex<T> {
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
    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.borrow_mut())
    }
    fn try_with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        Some(f(&mut *self.try_borrow_mut().ok()?))
    }
}
