//! The configuration that the signals and the queue of one bus share: panics, depth, executor, hooks, and how
//! its registry is asked.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::core::failure::log::{log, write_log};
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::{Lock, Word};
use crate::core::primitives::thread::MAX_DEPTH;
use crate::core::settings::hook::Hook;
use crate::core::settings::observer::ObserverRef;
use crate::core::settings::told::Told;
use crate::executor::Executor;
use crate::failure::{CallSite, HandlerError};
use crate::policy::Panics;
use crate::topic::name::Name;
use crate::wiring::warning::Warning;

/// The configuration of a bus, for all its signals and its queue. A signal or a queue without a bus has
/// the defaults, and no hook.
pub(crate) struct BusConfig<M: Primitives>(Option<M::Ptr<BusConfigInner<M>>>);

/// What the registry of a bus is asked.
pub(crate) enum RegistryQuery {
    /// Whether the topic at an address has the handlers of a pattern.
    Matches(PatternQuery),
    /// To have all topics look again for whom to call, and whether the bus is followed.
    #[cfg(feature = "follow")]
    LookAgain,
    /// Who listens to what.
    #[cfg(feature = "follow")]
    Wiring(std::cell::RefCell<Option<crate::wiring::Wiring>>),
}

/// The question whether the topic at an address has the handlers of a pattern.
pub(crate) struct PatternQuery {
    pub(crate) pattern: Name,
    pub(crate) topic: usize,
    pub(crate) answer: Cell<bool>,
}

struct BusConfigInner<M: Primitives> {
    /// Answers for the registry of the bus.
    registry: M::Lock<Option<ObserverRef<M, RegistryQuery>>>,
    /// The number of what follows the bus, or 0.
    #[cfg(feature = "follow")]
    follower: M::Word,
    /// Held while that is changed.
    #[cfg(feature = "follow")]
    following: M::Lock<()>,
    /// Not kept from here: a subscription can read its configuration as long as it exists, and what a user has
    /// provided may have that subscription.
    provided: M::Weak<Provided<M>>,
    /// How often the hook for unhandled events was set, twice, and one more if there is one. If so, signals without
    /// handlers have to look for it.
    unhandled_hook: M::Word,
    /// The number of pauses of the whole bus.
    pauses: M::Word,
    /// How many of them were ever begun.
    #[cfg(feature = "nats")]
    begun_pauses: M::Word,
    panics: Panics,
    max_depth: usize,
    warn_handlers: usize,
    told: M::Lock<Told>,
}

/// What users have provided for a bus. Kept by its registry, and so by its signals; by its queue; and by futures
/// that run.
pub(crate) struct Provided<M: Primitives> {
    error_hook: Hook<M, HandlerError>,
    warning_hook: Hook<M, Warning>,
    executor: Option<Arc<dyn Executor>>,
}

impl<M: Primitives> Provided<M> {
    /// No hooks, and perhaps an executor.
    pub(crate) fn new(executor: Option<Arc<dyn Executor>>) -> M::Ptr<Self> {
        M::ptr(Provided {
            error_hook: Hook::new(),
            warning_hook: Hook::new(),
            executor,
        })
    }
}

/// What captures keep of what is provided: longer than they are dropped, because that may fail, which the hook is told
/// of. To be let go by [`let_go`].
pub(crate) struct KeptByCaptures<M: Primitives>(pub(crate) Option<M::Ptr<Provided<M>>>);

thread_local! {
    /// Whether there are some. Apart, because the other one has a destructor, which each access looks for.
    static HAS_KEPT: Cell<bool> = const { Cell::new(false) };
    /// Never borrowed while user code runs.
    static KEPT: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

impl<M: Primitives> Drop for KeptByCaptures<M> {
    fn drop(&mut self) {
        if let Some(provided) = self.0.take() {
            // Where the thread is ending, it goes at once.
            let mut provided: Option<Box<dyn Any>> = Some(Box::new(provided));
            _ = KEPT.try_with(|kept| kept.borrow_mut().extend(provided.take()));
            _ = HAS_KEPT.try_with(|it| it.set(true));
        }
    }
}

/// Lets go of what captures have kept that were dropped on this thread, and whose failures were reported.
#[inline]
pub(crate) fn let_go() {
    if HAS_KEPT.try_with(Cell::get) == Ok(true) {
        let_kept_go();
    }
}

#[cold]
fn let_kept_go() {
    _ = HAS_KEPT.try_with(|it| it.set(false));
    let kept = KEPT.try_with(|kept| match kept.try_borrow_mut() {
        Ok(mut kept) if !kept.is_empty() => std::mem::take(&mut *kept),
        _ => Vec::new(),
    });
    drop(kept);
}

impl<M: Primitives> BusConfig<M> {
    /// A configuration that is read as long as it exists, with what is provided as long as that is kept.
    pub(crate) fn new(
        panics: Panics,
        max_depth: usize,
        warn_handlers: usize,
        provided: &M::Ptr<Provided<M>>,
    ) -> Self {
        BusConfig(Some(M::ptr(BusConfigInner {
            registry: M::Lock::new(None),
            #[cfg(feature = "follow")]
            follower: M::Word::new(0),
            #[cfg(feature = "follow")]
            following: M::Lock::new(()),
            provided: M::downgrade(provided),
            unhandled_hook: M::Word::new(0),
            pauses: M::Word::new(0),
            #[cfg(feature = "nats")]
            begun_pauses: M::Word::new(0),
            panics,
            max_depth,
            warn_handlers,
            told: M::Lock::new(Told::default()),
        })))
    }

    /// The defaults, for a signal or a queue without a bus.
    pub(crate) const fn without_bus() -> Self {
        BusConfig(None)
    }

    pub(crate) fn panics(&self) -> Panics {
        self.0.as_ref().map_or(Panics::Resume, |it| it.panics)
    }

    /// The limit on the depth of nested emissions.
    pub(crate) fn max_depth(&self) -> usize {
        self.0.as_ref().map_or(MAX_DEPTH, |it| it.max_depth)
    }

    /// What users have provided, to be kept. `None` without a bus, or if nothing has kept it.
    pub(crate) fn provided(&self) -> Option<M::Ptr<Provided<M>>> {
        M::upgrade(&self.0.as_ref()?.provided)
    }

    /// The executor for the futures of async handlers.
    pub(crate) fn executor(&self) -> Option<Arc<dyn Executor>> {
        self.provided()?.executor.clone()
    }

    /// Returns whether signals without handlers have to look for a hook for unhandled events.
    pub(crate) fn has_unhandled_hook(&self) -> bool {
        self.unhandled_hook() % 2 == 1
    }

    /// A number that changes with the hook for unhandled events.
    pub(crate) fn unhandled_hook(&self) -> usize {
        self.0.as_ref().map_or(0, |it| it.unhandled_hook.get())
    }

    /// Records that the hook for unhandled events was set, and whether there is one. To be called under the lock of
    /// the hook, before the signals are invalidated.
    pub(crate) fn set_has_unhandled_hook(&self, has_one: bool) {
        if let Some(inner) = &self.0 {
            let times = inner.unhandled_hook.get() / 2;
            inner
                .unhandled_hook
                .set((times + 1) * 2 + usize::from(has_one));
        }
    }

    /// Returns whether the whole bus is paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.pauses() > 0
    }

    /// The number of pauses of the whole bus.
    pub(crate) fn pauses(&self) -> usize {
        self.0.as_ref().map_or(0, |it| it.pauses.get())
    }

    /// From how many handlers of one line on a warning is told; 0 for never, and without a bus.
    pub(crate) fn warn_handlers(&self) -> usize {
        self.0.as_ref().map_or(0, |it| it.warn_handlers)
    }

    /// The number of pauses of the whole bus that were ever begun.
    #[cfg(feature = "nats")]
    pub(crate) fn begun_pauses(&self) -> usize {
        self.0.as_ref().map_or(0, |it| it.begun_pauses.get())
    }

    /// Begins a pause of the whole bus.
    pub(crate) fn pause(&self) {
        if let Some(it) = &self.0 {
            // Before it is one: whoever is skipped because of it sees this.
            #[cfg(feature = "nats")]
            it.begun_pauses.add(1);
            it.pauses.add(1);
        }
    }

    /// Ends a pause of the whole bus.
    pub(crate) fn resume(&self) {
        _ = self.0.as_ref().map(|it| it.pauses.sub(1));
    }

    /// Sets what answers for the registry of the bus.
    pub(crate) fn set_registry(&self, registry: ObserverRef<M, RegistryQuery>) {
        if let Some(inner) = &self.0 {
            inner.registry.with(|slot| *slot = Some(registry));
        }
    }

    /// Returns whether the topic at this address has the handlers of a pattern of this bus. The registry
    /// stays as long as its topics: if it has gone, so have they.
    pub(crate) fn matches(&self, pattern: &Name, topic: usize) -> bool {
        let query = RegistryQuery::Matches(PatternQuery {
            pattern: pattern.clone(),
            topic,
            answer: Cell::new(false),
        });
        self.ask(&query);
        matches!(query, RegistryQuery::Matches(query) if query.answer.get())
    }

    /// Asks the registry, if it exists.
    fn ask(&self, query: &RegistryQuery) {
        let registry = |inner: &M::Ptr<BusConfigInner<M>>| inner.registry.with(|it| it.clone());
        let registry = self.0.as_ref().and_then(registry);
        if let Some(registry) = registry.and_then(|it| it.upgrade()) {
            registry.observe(query);
        }
    }

    /// The number of what follows the bus, or 0.
    #[inline(always)]
    pub(crate) fn follower(&self) -> u32 {
        #[cfg(feature = "follow")]
        #[expect(clippy::cast_possible_truncation, reason = "it was such a number")]
        return self.0.as_ref().map_or(0, |it| it.follower.get() as u32);
        #[cfg(not(feature = "follow"))]
        0
    }

    /// Sets what follows the bus, and has all topics look for it. Returns what has followed it. The caller has no
    /// lock. O(topics).
    #[cfg(feature = "follow")]
    pub(crate) fn set_follower(&self, number: u32) -> u32 {
        self.change_follower(number, |_| true)
    }

    /// Ends that this one follows the bus, unless another one does by now. The same otherwise.
    #[cfg(feature = "follow")]
    pub(crate) fn clear_follower(&self, number: u32) {
        self.change_follower(0, |old| old == number);
    }

    #[cfg(feature = "follow")]
    fn change_follower(&self, number: u32, if_it_was: impl FnOnce(u32) -> bool) -> u32 {
        let Some(inner) = &self.0 else { return 0 };
        let old = inner.following.with(|()| {
            let old = self.follower();
            if if_it_was(old) {
                inner.follower.set(number as usize);
            }
            old
        });
        self.ask(&RegistryQuery::LookAgain);
        old
    }

    /// Who listens to what, if the registry exists.
    #[cfg(feature = "follow")]
    pub(crate) fn wiring(&self) -> Option<crate::wiring::Wiring> {
        let query = RegistryQuery::Wiring(std::cell::RefCell::default());
        self.ask(&query);
        match query {
            RegistryQuery::Wiring(wiring) => wiring.into_inner(),
            _ => None,
        }
    }

    /// Sets the error hook, or none, and releases the previous one. Returns whether there was one.
    pub(crate) fn set_hook(&self, hook: Option<ObserverRef<M, HandlerError>>) -> bool {
        self.provided().is_some_and(|it| it.error_hook.set(hook))
    }

    /// Passes a failure to the error hook. Inside of a hook, logs it instead. Returns whether there is a
    /// hook.
    pub(crate) fn call_hook(&self, error: &HandlerError) -> bool {
        let provided = self.provided();
        provided.is_some_and(|it| it.error_hook.call(error, "error hook", log))
    }

    /// Sets the hook for warnings, or none, and releases the previous one. Returns whether there was one.
    pub(crate) fn set_warning_hook(&self, hook: Option<ObserverRef<M, Warning>>) -> bool {
        self.provided().is_some_and(|it| it.warning_hook.set(hook))
    }

    /// Tells of the lines that have subscribed many handlers of a topic, each with their number and the level that
    /// it has reached, unless that has been told. The caller has no lock.
    #[cold]
    pub(crate) fn tell_many(&self, topic: &Name, many: Vec<(CallSite, usize, usize)>) {
        for (place, count, level) in many {
            let topic = topic.as_str().to_owned();
            let told = |inner: &M::Ptr<BusConfigInner<M>>| {
                inner.told.with(|it| it.is_news(&topic, place, level))
            };
            if self.0.as_ref().is_some_and(told) {
                self.warn(&Warning::ManyHandlers {
                    topic,
                    place,
                    count,
                });
            }
        }
    }

    /// Passes a warning to the hook for them. Without one, or inside of a hook, logs it instead.
    pub(crate) fn warn(&self, warning: &Warning) {
        let log = |warning: &Warning| write_log(&warning.to_string(), None);
        let provided = self.provided();
        if !provided.is_some_and(|it| it.warning_hook.call(warning, "warning hook", log)) {
            log(warning);
        }
    }

    /// The address of the configuration, which identifies the bus. 0 without a bus.
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
        if let Some(registry) = self.registry.with(Option::take) {
            registry.release();
        }
        #[cfg(slotcast_follow)]
        if let Some(follower) = crate::core::follow::follower::find(self.follower.get() as u32) {
            drop(follower.end());
        }
    }
}
