//! What the signals and the queue of one bus share: how they treat panics and depth, and the hooks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::core::failure::log::{log, write_log};
use crate::core::failure::panics::{drop_payload, message};
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Lock;
use crate::core::primitives::thread::{self, MAX_DEPTH};
use crate::core::settings::observer::ObserverRef;
use crate::executor::Executor;
use crate::failure::HandlerError;
use crate::policy::Panics;

/// What a bus decides for all its signals and its queue. A signal or a queue of its own has what
/// is usual, and no hook.
pub(crate) struct BusConfig<M: Primitives>(Option<M::Ptr<BusConfigInner<M>>>);

struct BusConfigInner<M: Primitives> {
    error_hook: M::Lock<Option<ObserverRef<M, HandlerError>>>,
    /// There is, or was, a hook for unhandled events, so that signals without handlers have to look.
    hears_unhandled: AtomicBool,
    panics: Panics,
    max_depth: usize,
    executor: Option<Arc<dyn Executor>>,
}

impl<M: Primitives> BusConfig<M> {
    pub(crate) fn new(
        panics: Panics,
        max_depth: usize,
        executor: Option<Arc<dyn Executor>>,
    ) -> Self {
        BusConfig(Some(M::ptr(BusConfigInner {
            error_hook: M::Lock::new(None),
            hears_unhandled: AtomicBool::new(false),
            panics,
            max_depth,
            executor,
        })))
    }

    /// Those of a signal or queue that belongs to no bus.
    pub(crate) fn usual() -> Self {
        BusConfig(None)
    }

    pub(crate) fn panics(&self) -> Panics {
        self.0.as_ref().map_or(Panics::Resume, |it| it.panics)
    }

    pub(crate) fn max_depth(&self) -> usize {
        self.0.as_ref().map_or(MAX_DEPTH, |it| it.max_depth)
    }

    /// Who runs what async handlers start.
    pub(crate) fn executor(&self) -> Option<Arc<dyn Executor>> {
        self.0.as_ref()?.executor.clone()
    }

    pub(crate) fn hears_unhandled(&self) -> bool {
        let inner = self.0.as_ref();
        inner.is_some_and(|it| it.hears_unhandled.load(Relaxed))
    }

    /// To be called before the signals are told, which happens under their locks.
    pub(crate) fn hear_unhandled(&self) {
        if let Some(inner) = &self.0 {
            inner.hears_unhandled.store(true, Relaxed);
        }
    }

    pub(crate) fn hook(&self) -> Option<ObserverRef<M, HandlerError>> {
        self.0.as_ref()?.error_hook.with(|hook| hook.clone())
    }

    /// Puts a hook in place of the one that was there.
    pub(crate) fn set_hook(&self, hook: ObserverRef<M, HandlerError>) {
        let Some(inner) = &self.0 else { return };
        let old = inner.error_hook.with(|slot| slot.replace(hook));
        // Outside of the lock: dropping it runs user code.
        old.as_ref()
            .into_iter()
            .for_each(ObserverRef::<M, _>::release);
    }

    /// Tells the hook; whether there was one, or the log stood in for it.
    pub(crate) fn tell(&self, error: &HandlerError) -> bool {
        let Some(hook) = self.hook() else {
            return false;
        };
        let Some(hold) = hook.hold() else {
            return false;
        };
        let Some(in_hook) = thread::begin_hook() else {
            log(error);
            return true;
        };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| hold.observe(error))) {
            write_log(&format!("error hook panicked: {}", message(&payload)), None);
            drop_payload(payload);
        }
        // Before the flag is reset: a hook that replaced itself has its captures dropped here.
        drop(hold);
        drop(in_hook);
        true
    }

    /// Where they stand, to tell those of one bus from another's.
    pub(super) fn address(&self) -> usize {
        self.0.as_ref().map_or(0, |it| (&raw const **it).addr())
    }
}

impl<M: Primitives> Clone for BusConfig<M> {
    fn clone(&self) -> Self {
        BusConfig(self.0.clone())
    }
}

impl<M: Primitives> Drop for BusConfigInner<M> {
    fn drop(&mut self) {
        if let Some(hook) = self.error_hook.with(Option::take) {
            hook.release();
        }
    }
}
