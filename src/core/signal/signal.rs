//! One signal: its roster under a lock, and what is published of it.
//!
//! Writers change the roster and mark the published snapshot stale; the next emission builds a new
//! one. So a hundred thousand changes in a row cost no more than each of them alone.

use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::core::handler::entry::WeakRef;
use crate::core::handler::erased::{DynHandler, HandlerRef, rank};
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Lock;
use crate::core::primitives::thread::ActiveScope;
use crate::core::reclaim::hazard::{CountGuard, Publish, SnapshotState};
use crate::core::reclaim::publication::{Loaded, Publication, SnapshotGuard};
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::directory::{Directory, SignalFlavour};
use crate::core::signal::retain::Retain;
use crate::core::signal::roster::Roster;
use crate::core::signal::watchers::Watchers;
use crate::topic::any_event::AnyEvent;

/// The next sequence number of the process. Not part of any protocol: only its order counts.
pub(super) static SEQUENCE: AtomicU64 = AtomicU64::new(1);

/// Whoever subscribes from now on has this sequence number or a later one.
pub(crate) fn sequence_limit() -> u64 {
    SEQUENCE.load(Ordering::Relaxed)
}

/// What is published: the handlers, by rank.
pub(crate) type Handlers<M, C> = SmallVec<[HandlerRef<M, C>; 2]>;

/// The handlers by key, whatever their events are.
pub(super) type HandlerRoster<M, C> = Roster<WeakRef<M, dyn DynHandler<M, C>>>;

/// The handlers of one pattern. Nothing is emitted to it: what is emitted to a topic that the
/// pattern matches runs these handlers among its own.
pub(crate) type PatternSignal<M, C> = Signal<M, AnyEvent, C>;

pub(crate) type StrongPatternSignal<M, C> = <M as Primitives>::Ptr<PatternSignal<M, C>>;

/// The handlers of some patterns.
pub(crate) type PatternSignals<M, C> = SmallVec<[StrongPatternSignal<M, C>; 4]>;

pub(crate) type WeakPatternSignals<M, C> = Vec<<M as Primitives>::Weak<PatternSignal<M, C>>>;

/// What only the holder of the lock touches.
pub(super) struct SignalState<M: SignalFlavour, E, C: 'static> {
    pub(super) roster: HandlerRoster<M, C>,
    pub(super) ext: Option<Box<SignalExt<M, E, C>>>,
    /// A topic that has handlers, or retains events, keeps itself, and no other does.
    pub(super) self_ref: Option<M::Ptr<Signal<M, E, C>>>,
    /// The bus has not gone.
    pub(super) in_bus: bool,
}

/// What few signals have.
pub(super) struct SignalExt<M: SignalFlavour, E, C: 'static> {
    /// The patterns that this topic's name matches.
    pub(super) patterns: WeakPatternSignals<M, C>,
    pub(super) watchers: Watchers<M>,
    pub(super) retained: Option<WeakRef<M, dyn Retain<M, E, C>>>,
}

impl<M: SignalFlavour, E, C> Default for SignalExt<M, E, C> {
    fn default() -> Self {
        SignalExt {
            patterns: Vec::new(),
            watchers: Watchers::new(),
            retained: None,
        }
    }
}

pub(crate) struct Signal<M: SignalFlavour, E, C: 'static> {
    pub(super) published: Publication<M, Handlers<M, C>>,
    pub(crate) max_depth: usize,
    pub(crate) info: M::Ptr<SignalInfo<M>>,
    pub(super) state: M::Lock<SignalState<M, E, C>>,
    /// Where to sign off.
    pub(super) registry: Option<M::Weak<M::Directory<C>>>,
}

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// A signal without handlers.
    pub(crate) fn new(
        info: SignalInfo<M>,
        registry: Option<M::Weak<M::Directory<C>>>,
        patterns: WeakPatternSignals<M, C>,
    ) -> Self {
        let in_bus = registry.is_some();
        let tag = match patterns.is_empty() && !info.config.hears_unhandled() {
            true => SnapshotState::Empty,
            false => SnapshotState::Stale,
        };
        let state = SignalState {
            roster: Roster::new(),
            ext: match patterns.is_empty() {
                true => None,
                false => Some(Box::new(SignalExt {
                    patterns,
                    ..SignalExt::default()
                })),
            },
            self_ref: None,
            in_bus,
        };
        Signal {
            published: Publication::new(tag),
            max_depth: info.config.max_depth(),
            info: M::ptr(info),
            state: M::Lock::new(state),
            registry,
        }
    }

    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// How many handlers are connected. O(1); O(n) where one of them may have lost its target.
    pub(crate) fn len(&self) -> usize {
        self.state.with(|state| state.live_count())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.published.is_closed()
    }

    /// The bus has gone: from now on only handles keep the signal.
    pub(crate) fn detach_from_bus(&self) {
        let kept = self.state.with(|state| {
            state.in_bus = false;
            state.self_ref.take()
        });
        drop(kept);
    }

    /// The snapshot of an emission that begins now, without a lock. `None`: look under it.
    #[inline(always)]
    pub(crate) fn try_load(
        &self,
        level: usize,
    ) -> Option<SnapshotGuard<M, Handlers<M, C>, M::ReadGuard>> {
        self.published.try_load(level)
    }

    /// Whether this is what is published now, without a lock.
    #[inline(always)]
    pub(crate) fn publishes(&self, guard: &SnapshotGuard<M, Handlers<M, C>, M::ReadGuard>) -> bool {
        self.published.publishes(guard)
    }

    /// Whether there is nothing to run, without a lock.
    #[inline(always)]
    pub(crate) fn is_silent(&self) -> bool {
        self.published.is_empty()
    }

    /// Holds who is to hear an emission that begins now, and says up to which sequence number that is;
    /// `None` if the signal is closed. The groups go outside of any lock.
    pub(crate) fn collect_handlers(
        &self,
        unhandled: Option<&HandlerRef<M, C>>,
        give: &mut impl FnMut(HandlerRef<M, C>),
    ) -> Option<(u64, PatternSignals<M, C>)> {
        self.state.with(|state| {
            let sequence_limit = sequence_limit();
            let open = !state.roster.is_closed();
            open.then(|| (sequence_limit, state.collect_handlers(unhandled, give)))
        })
    }

    /// Looks under the lock, and publishes what is missing.
    pub(crate) fn load_slow(&self) -> Loaded<SnapshotGuard<M, Handlers<M, C>, CountGuard<M>>> {
        M::Published::prepare();
        let unhandled = self.unhandled();
        let (look, _patterns) = self.state.with(|state| {
            let scope = ActiveScope {
                inside: self.address(),
                sequence_limit: sequence_limit(),
            };
            let mut patterns = PatternSignals::<M, C>::new();
            let look = self.published.read_or_publish(scope, || {
                let mut handlers = Handlers::<M, C>::new();
                patterns = state.collect_handlers(unhandled.as_ref(), &mut |it| handlers.push(it));
                // O(n log n), O(n) if they come in order.
                handlers.sort_unstable_by_key(rank);
                (!handlers.is_empty()).then_some(handlers)
            });
            // One of them may have lost its last handle meanwhile, and must not go under the lock.
            (look, patterns)
        });
        look
    }

    pub(crate) fn unhandled(&self) -> Option<HandlerRef<M, C>> {
        let registry = self.registry.as_ref().and_then(M::upgrade)?;
        registry.unhandled()
    }
}

impl<M: SignalFlavour, E, C> SignalState<M, E, C> {
    /// Keeps itself no more, if nothing asks for it.
    pub(super) fn take_self_ref(&mut self) -> Option<M::Ptr<Signal<M, E, C>>> {
        match self.roster.is_empty() && !self.retains() {
            true => self.self_ref.take(),
            false => None,
        }
    }

    /// How many handlers there are, without those whose target has died.
    pub(super) fn live_count(&self) -> usize {
        match self.roster.has_weak {
            true => self.roster.iter().filter(|it| !it.is_dead()).count(),
            false => self.roster.len(),
        }
    }

    pub(super) fn ext(&mut self) -> &mut SignalExt<M, E, C> {
        self.ext.get_or_insert_default()
    }

    /// Gives back what is empty.
    pub(super) fn trim(&mut self) {
        let is_empty = |ext: &SignalExt<M, E, C>| {
            ext.patterns.is_empty() && ext.watchers.is_empty() && ext.retained.is_none()
        };
        if self.ext.as_deref().is_some_and(is_empty) {
            self.ext = None;
        }
    }

    pub(super) fn retains(&self) -> bool {
        self.ext.as_ref().is_some_and(|ext| ext.retained.is_some())
    }

    /// Gives a strong reference to each handler, of patterns too; to `unhandled` if there are none. What
    /// is returned is to be dropped outside of the lock.
    pub(super) fn collect_handlers(
        &self,
        unhandled: Option<&HandlerRef<M, C>>,
        give: &mut impl FnMut(HandlerRef<M, C>),
    ) -> PatternSignals<M, C> {
        let mut nobody = true;
        let mut note = |handler| {
            nobody = false;
            give(handler);
        };
        self.upgrade_all(&mut note);
        let patterns: PatternSignals<M, C> = self.patterns().filter_map(M::upgrade).collect();
        patterns
            .iter()
            .for_each(|pattern| pattern.upgrade_all(&mut note));
        if let (true, Some(unhandled)) = (nobody, unhandled) {
            give(unhandled.clone());
        }
        patterns
    }

    /// Gives a strong reference to each handler.
    pub(super) fn upgrade_all(&self, give: &mut impl FnMut(HandlerRef<M, C>)) {
        self.roster
            .iter()
            .filter_map(WeakRef::upgrade)
            .for_each(give);
    }

    pub(super) fn patterns(&self) -> impl Iterator<Item = &M::Weak<PatternSignal<M, C>>> {
        self.ext.iter().flat_map(|ext| ext.patterns.iter())
    }

    /// What is published until the next emission looks.
    pub(super) fn idle_state(&self, info: &SignalInfo<M>) -> SnapshotState {
        let nobody = self.roster.is_empty() && self.patterns().next().is_none();
        match nobody && !self.retains() && !info.config.hears_unhandled() {
            true => SnapshotState::Empty,
            false => SnapshotState::Stale,
        }
    }
}

impl<M: SignalFlavour, E, C> Drop for Signal<M, E, C> {
    fn drop(&mut self) {
        let retained = self.state.with(|state| {
            // Their subscriptions find no signal any more, and release them where they stand: none of
            // them may be asked for its target, and nobody wants to know how many live.
            state.roster.has_weak = false;
            state.ext.as_mut().and_then(|ext| ext.retained.take())
        });
        self.clear();
        retained.as_ref().into_iter().for_each(WeakRef::release);
        if let Some(registry) = self.registry.as_ref().and_then(M::upgrade) {
            registry.unregister(&self.info, self.address());
        }
    }
}
