//! One signal: its roster under a lock, and the published snapshot of it.

use std::ops::Deref;

use smallvec::SmallVec;

use crate::core::handler::entry::WeakRef;
use crate::core::handler::erased::{DynHandler, HandlerRef};
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::hash::HashSet;
use crate::core::primitives::sync::{Lock, Sequence, Word};
use crate::core::primitives::thread::{ActiveScope, DepthGuard, ScopedDepthGuard};
use crate::core::reclaim::publication::Publication;
use crate::core::settings::signal_info::SignalInfo;
use crate::core::signal::accepted::AcceptedCount;
use crate::core::signal::directory::{Directory, SignalFlavour};
use crate::core::signal::handler_list::{PublishedList, UnpublishedList};
use crate::core::signal::retain::Retain;
use crate::core::signal::roster::Roster;
use crate::core::signal::watchers::Watchers;
use crate::topic::any_event::AnyEvent;

/// The sequence numbers of the process.
pub(super) static SEQUENCE: Sequence = Sequence::new();

/// The lowest sequence number that a handler subscribed from now on can have. To be read after the handlers of
/// an emission were collected: those of patterns are added under the lock of the pattern, which was taken for it.
pub(crate) fn sequence_limit() -> u64 {
    // It need not order anything: a handler that was collected under a lock has got its number under the
    // same lock.
    SEQUENCE.peek()
}

/// A sequence number for what is no handler of a signal, and has a subscription.
pub(crate) fn next_sequence() -> u64 {
    SEQUENCE.take()
}

/// The handlers by key, with any type of event.
pub(super) type HandlerRoster<M, C> = Roster<WeakRef<M, dyn DynHandler<M, C>>>;

/// The handlers of one pattern. Nothing is emitted to it: emissions of the topics that the pattern
/// matches call these handlers among their own.
pub(crate) type PatternSignal<M, C> = Signal<M, AnyEvent, C>;

pub(crate) type StrongPatternSignal<M, C> = <M as Primitives>::Ptr<PatternSignal<M, C>>;

/// The handlers of some patterns.
pub(crate) type PatternSignals<M, C> = SmallVec<[StrongPatternSignal<M, C>; 4]>;

pub(crate) type WeakPatternSignals<M, C> = Vec<<M as Primitives>::Weak<PatternSignal<M, C>>>;

/// The patterns of a topic, kept for the events that it has accepted.
pub(super) type KeptPatterns<M, C> = Vec<Accepted<M, AnyEvent, C>>;

/// The part of a signal that is guarded by its lock.
pub(super) struct SignalState<M: SignalFlavour, E, C: 'static> {
    pub(super) roster: HandlerRoster<M, C>,
    pub(super) ext: Option<Box<SignalExt<M, E, C>>>,
    /// Set if this is a topic that has handlers or retains events, and keeps itself alive.
    pub(super) self_ref: Option<M::Ptr<Signal<M, E, C>>>,
    /// The list that was published last, changed as the roster was since, if nothing is published.
    pub(super) next_list: Option<UnpublishedList<M, C>>,
}

/// Fields that few signals need.
pub(super) struct SignalExt<M: SignalFlavour, E, C: 'static> {
    /// The patterns that this topic's name matches.
    pub(super) patterns: WeakPatternSignals<M, C>,
    pub(super) watchers: Watchers<M>,
    pub(super) retained: Option<WeakRef<M, dyn Retain<M, E, C>>>,
    /// The same patterns, while accepted events keep them.
    pub(super) kept: KeptPatterns<M, C>,
    /// Of a pattern: the topics to be told of a change, by key. Their lists may have its handlers, or they are
    /// watched.
    pub(super) readers: HashSet<u64>,
}

impl<M: SignalFlavour, E, C> Default for SignalExt<M, E, C> {
    fn default() -> Self {
        SignalExt {
            patterns: Vec::new(),
            watchers: Watchers::new(),
            retained: None,
            kept: Vec::new(),
            readers: HashSet::default(),
        }
    }
}

pub(crate) struct Signal<M: SignalFlavour, E, C: 'static> {
    pub(crate) published: M::Ptr<PublishedList<M, C>>,
    pub(crate) max_depth: usize,
    pub(crate) info: M::Ptr<SignalInfo<M>>,
    pub(super) state: M::Lock<SignalState<M, E, C>>,
    pub(super) accepted: AcceptedCount<M>,
    /// The registry of its bus. It stays as long as its signals, because only through it does a pattern reach
    /// the topics that have published its handlers. It has weak references to signals.
    pub(super) registry: Option<M::Ptr<M::Directory<C>>>,
}

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// A signal without handlers.
    pub(crate) fn new(
        info: SignalInfo<M>,
        registry: Option<M::Ptr<M::Directory<C>>>,
        patterns: WeakPatternSignals<M, C>,
    ) -> Self {
        let mut state = SignalState {
            roster: Roster::new(registry.is_some()),
            ext: None,
            self_ref: None,
            next_list: None,
        };
        if !patterns.is_empty() {
            info.topic_info.set_matched();
            state.ext().patterns = patterns;
        }
        Signal {
            published: M::ptr(Publication::new(state.idle_state(&info))),
            max_depth: info.config.max_depth(),
            info: M::ptr(info),
            state: M::Lock::new(state),
            accepted: AcceptedCount::new(),
            registry,
        }
    }

    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The number of connected handlers. O(1); O(n) if there are handlers with weak targets.
    pub(crate) fn len(&self) -> usize {
        self.state.with(|state| state.live_count())
    }

    /// The number of its events that full queues have dropped.
    pub(crate) fn dropped(&self) -> usize {
        self.info.dropped.get()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.published.is_closed()
    }

    /// Returns whether it is closed; if another thread is closing it, waits until that is done.
    pub(crate) fn is_closed_by_now(&self) -> bool {
        self.state.with(|state| state.roster.is_closed())
    }

    /// Records that the bus was dropped: from now on only handles and accepted events keep the signal.
    pub(crate) fn detach_from_bus(&self) {
        let kept = self.state.with(|state| {
            state.roster.in_bus = false;
            let lingers = self.accepted.linger();
            let patterns = lingers.then(|| state.keep_patterns());
            (state.self_ref.take(), patterns)
        });
        drop(kept);
    }

    /// Returns whether an event would reach anybody: a handler whose target is not dead, the hook for unhandled
    /// events, or what retains events. If not, removes the handlers whose targets are dead.
    pub(crate) fn has_receiver(&self, level: usize) -> bool {
        if self.info.topic_info.retains() || self.info.config.has_unhandled_hook() {
            return true;
        }
        let is_live = |it: &HandlerRef<M, C>| !it.is_orphaned();
        let loaded = self.try_load(level);
        #[cfg(feature = "follow")]
        let loaded = loaded.or_else(|| self.published.try_load_any(level));
        if loaded.is_some_and(|all| all.iter().any(is_live)) {
            return true;
        }
        let (own, patterns) = self.state.with(|state| {
            let patterns: PatternSignals<M, C> = state.patterns().filter_map(M::upgrade).collect();
            (state.live_count(), patterns)
        });
        if own > 0 || patterns.iter().any(|pattern| pattern.len() > 0) {
            return true;
        }
        self.prune();
        patterns.iter().for_each(|pattern| pattern.prune());
        false
    }

    /// Returns whether an emission would have nothing to look for, were its bus not followed.
    #[cfg(feature = "follow")]
    pub(crate) fn is_vacant(&self) -> bool {
        let is_empty = |state: &mut SignalState<M, E, C>| {
            state.roster.is_empty() && state.patterns().next().is_none() && !state.retains()
        };
        !self.info.config.has_unhandled_hook() && self.state.with(is_empty)
    }

    /// Records that this level calls the handlers of this signal with a sequence number below the limit.
    pub(crate) fn enter(&self, level: DepthGuard, sequence_limit: u64) -> ScopedDepthGuard {
        let inside = self.address();
        level.with_scope(ActiveScope {
            inside,
            sequence_limit,
        })
    }

    /// Collects the handlers of an emission that begins now, and returns its sequence limit; `None` if the
    /// signal is closed. The returned patterns are to be dropped outside of any lock.
    pub(crate) fn collect_handlers(
        &self,
        unhandled: Option<&HandlerRef<M, C>>,
        give: &mut impl FnMut(HandlerRef<M, C>),
    ) -> Option<(u64, PatternSignals<M, C>)> {
        self.state.with(|state| {
            let open = !state.roster.is_closed();
            let patterns = open.then(|| state.collect_handlers(unhandled, None, give))?;
            Some((sequence_limit(), patterns))
        })
    }

    /// The hook for unhandled events of its bus.
    pub(crate) fn unhandled(&self) -> Option<HandlerRef<M, C>> {
        self.registry.as_ref()?.unhandled()
    }
}

impl<M: SignalFlavour, E, C> SignalState<M, E, C> {
    /// Takes the signal's reference to itself out, if it is not needed any more.
    pub(super) fn take_self_ref(&mut self) -> Option<M::Ptr<Signal<M, E, C>>> {
        if self.roster.is_closed() || (self.roster.is_empty() && !self.retains()) {
            self.self_ref.take()
        } else {
            None
        }
    }

    /// Returns whether there is a live handler, connected or kept for accepted events.
    pub(super) fn has_live(&self) -> bool {
        self.roster.iter().any(|it| !it.is_dead())
    }

    /// The number of connected handlers, without those whose target is dead.
    pub(super) fn live_count(&self) -> usize {
        if self.roster.is_closed() {
            0
        } else if self.roster.has_weak {
            self.roster.iter().filter(|it| !it.is_dead()).count()
        } else {
            self.roster.len()
        }
    }

    pub(super) fn ext(&mut self) -> &mut SignalExt<M, E, C> {
        self.ext.get_or_insert_default()
    }

    /// Frees the rare fields if all are empty.
    pub(super) fn trim(&mut self) {
        let is_empty = |ext: &SignalExt<M, E, C>| {
            ext.patterns.is_empty()
                && ext.watchers.is_empty()
                && ext.retained.is_none()
                && ext.kept.is_empty()
                && ext.readers.is_empty()
        };
        if self.ext.as_deref().is_some_and(is_empty) {
            self.ext = None;
        }
    }

    pub(super) fn retains(&self) -> bool {
        self.ext.as_ref().is_some_and(|ext| ext.retained.is_some())
    }

    /// Passes a strong reference to each handler, including those of patterns, to `give`; to `unhandled` if
    /// there are none. `reader` is the key of the topic, if it is to be told of changes of these patterns. What is
    /// returned is to be dropped outside of the lock.
    pub(super) fn collect_handlers(
        &self,
        unhandled: Option<&HandlerRef<M, C>>,
        reader: Option<u64>,
        give: &mut impl FnMut(HandlerRef<M, C>),
    ) -> PatternSignals<M, C> {
        let mut is_empty = true;
        let mut note = |handler| {
            is_empty = false;
            give(handler);
        };
        self.upgrade_all(&mut note);
        let patterns: PatternSignals<M, C> = self.patterns().filter_map(M::upgrade).collect();
        for pattern in &patterns {
            pattern.state.with(|pattern| {
                pattern.upgrade_all(&mut note);
                if let Some(reader) = reader {
                    pattern.ext().readers.insert(reader);
                }
            });
        }
        if let (true, Some(unhandled)) = (is_empty, unhandled) {
            give(unhandled.clone());
        }
        patterns
    }

    /// Passes a strong reference to each handler to `give`.
    pub(super) fn upgrade_all(&self, give: &mut impl FnMut(HandlerRef<M, C>)) {
        self.roster
            .iter()
            .filter_map(WeakRef::upgrade)
            .for_each(give);
    }

    pub(super) fn patterns(&self) -> impl Iterator<Item = &M::Weak<PatternSignal<M, C>>> {
        self.ext.iter().flat_map(|ext| ext.patterns.iter())
    }
}

/// The reference of an accepted event to its signal. A closed signal keeps its handlers while there are any.
pub(crate) struct Accepted<M: SignalFlavour, E: 'static, C: 'static>(M::Ptr<Signal<M, E, C>>);

impl<M: SignalFlavour, E: 'static, C: 'static> Accepted<M, E, C> {
    /// `None` if the signal is closed.
    // Out of line: deferring another event of a run does not come here.
    #[inline(never)]
    pub(crate) fn new(signal: &M::Ptr<Signal<M, E, C>>) -> Option<Self> {
        signal.accepted.accept()?;
        Some(Accepted(signal.clone()))
    }
}

impl<M: SignalFlavour, E: 'static, C: 'static> Clone for Accepted<M, E, C> {
    fn clone(&self) -> Self {
        self.0.accepted.add();
        Accepted(self.0.clone())
    }
}

impl<M: SignalFlavour, E: 'static, C: 'static> Drop for Accepted<M, E, C> {
    #[inline]
    fn drop(&mut self) {
        if self.0.accepted.settle() {
            self.0.end_lingering();
        }
    }
}

impl<M: SignalFlavour, E: 'static, C: 'static> Deref for Accepted<M, E, C> {
    type Target = Signal<M, E, C>;
    #[inline(always)]
    fn deref(&self) -> &Signal<M, E, C> {
        &self.0
    }
}

impl<M: SignalFlavour, E, C> Drop for Signal<M, E, C> {
    fn drop(&mut self) {
        let retained = self.state.with(|state| {
            // Their subscriptions find no signal any more, and release the handlers themselves. So their
            // targets must not be checked. The number of live ones is not needed.
            state.roster.has_weak = false;
            state.ext.as_mut().and_then(|ext| ext.retained.take())
        });
        self.leave_patterns();
        self.vanish();
        retained.as_ref().into_iter().for_each(WeakRef::release);
        if let Some(registry) = &self.registry {
            registry.unregister(&self.info, self.address());
        }
    }
}
