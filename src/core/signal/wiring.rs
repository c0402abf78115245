//! The handlers of a signal, described for those who look at the wiring, and those that accumulate.
//!
//! One lock at a time: that of the signal, then that of each pattern, then those of queues, streams and retained
//! events. What is taken out of the first for the others is a weak reference, so that nothing is dropped under it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::core::handler::describe::Description;
use crate::core::handler::entry::{Header, WeakRef, state};
use crate::core::handler::erased::{DynHandler, HandlerRef};
use crate::core::primitives::sync::{Lock, Word};
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::signal::{Signal, SignalState, WeakPatternSignals};
use crate::failure::CallSite;
use crate::topic::any_event::Kind;
use crate::topic::name::Name;
use crate::wiring::QueueInfo;
use crate::wiring::handler::{HandlerInfo, HandlerKind};
use crate::wiring::warning::count_places;

/// What one signal has, without the handlers of patterns.
pub struct SignalReading {
    /// The address of the signal.
    pub(crate) signal: usize,
    /// In the order of their calls.
    pub(crate) handlers: Vec<HandlerInfo>,
    /// The queues of these handlers, by their addresses.
    pub(crate) queues: BTreeMap<usize, QueueInfo>,
    /// The addresses of the patterns whose handlers it calls, of those that are known.
    pub(crate) patterns: Vec<usize>,
    /// The handlers of the other patterns.
    pub(crate) of_others: Vec<HandlerInfo>,
    pub(crate) retained: usize,
    pub(crate) is_closed: bool,
}

type EntryRef<M, C> = WeakRef<M, dyn DynHandler<M, C>>;

/// The same, under the signal's lock.
struct Locked<M: SignalFlavour, C: 'static> {
    handlers: Vec<HandlerInfo>,
    /// Handlers with something that waits under another lock, by their index.
    waiting: Vec<(usize, EntryRef<M, C>)>,
    patterns: WeakPatternSignals<M, C>,
}

/// From as many handlers of one line on it is told again, in terms of the last time.
const AGAIN: usize = 4;

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// The handlers in the order of their calls, those of patterns included; the hook for unhandled events if
    /// there are none.
    pub(crate) fn handlers(&self) -> Vec<HandlerInfo> {
        let locked = self.state.with(|state| self.describe(state));
        let (mut all, _) = finish(locked.handlers, &locked.waiting);
        for pattern in locked.patterns.iter().filter_map(M::upgrade) {
            all.extend(pattern.read(&|_| true).handlers);
        }
        if all.is_empty() && !self.is_closed() {
            all.extend(self.unhandled().as_ref().map(describe_hook));
        }
        call_in(&mut all, self.info.name());
        all
    }

    /// Describes what the signal has of its own, and the handlers of those patterns, given by their addresses, that
    /// are not known: they have come since the patterns were read.
    pub(crate) fn read(&self, is_known: &dyn Fn(usize) -> bool) -> SignalReading {
        let locked = self.state.with(|state| self.describe(state));
        let (mut handlers, mut queues) = finish(locked.handlers, &locked.waiting);
        call_in(&mut handlers, self.info.name());
        let (mut patterns, mut of_others) = (Vec::new(), Vec::new());
        for pattern in &locked.patterns {
            let address = M::address(pattern).addr();
            if is_known(address) {
                patterns.push(address);
            } else if let Some(pattern) = M::upgrade(pattern) {
                let mut other = pattern.read(&|_| true);
                of_others.append(&mut other.handlers);
                queues.append(&mut other.queues);
            }
        }
        SignalReading {
            signal: self.address(),
            handlers,
            queues,
            patterns,
            of_others,
            retained: self.retained().map_or(0, |retained| retained.len()),
            is_closed: self.is_closed(),
        }
    }

    fn describe(&self, state: &SignalState<M, E, C>) -> Locked<M, C> {
        let mut locked = Locked {
            handlers: Vec::new(),
            waiting: Vec::new(),
            patterns: Vec::new(),
        };
        if state.roster.is_closed() {
            return locked;
        }
        locked.handlers.reserve(state.roster.len());
        for entry in state.roster.iter() {
            // Not the last reference: the roster has one.
            let Some(handler) = entry.upgrade().filter(|it| !it.is_orphaned()) else {
                continue;
            };
            let description = handler.describe();
            if let HandlerKind::Queue { .. } | HandlerKind::Stream { .. } = description.kind {
                locked.waiting.push((locked.handlers.len(), entry.clone()));
            }
            locked.handlers.push(info(handler.head(), description));
        }
        locked.patterns.extend(state.patterns().cloned());
        locked
    }
}

/// Adds what waits under other locks. The signal's is released.
fn finish<M: SignalFlavour, C: 'static>(
    mut handlers: Vec<HandlerInfo>,
    waiting: &[(usize, EntryRef<M, C>)],
) -> (Vec<HandlerInfo>, BTreeMap<usize, QueueInfo>) {
    let mut queues = BTreeMap::new();
    for (at, entry) in waiting {
        let queue = handlers[*at].target;
        if queues.contains_key(&queue) {
            continue;
        }
        // One that has been removed meanwhile stays listed: it was there.
        let Some(found) = entry.upgrade().and_then(|it| it.waiting()) else {
            continue;
        };
        match &mut handlers[*at].kind {
            HandlerKind::Stream { len, .. } => *len = found.len,
            HandlerKind::Queue { place } => _ = queues.insert(queue, found.of(queue, place)),
            _ => {}
        }
    }
    (handlers, queues)
}

/// Sorts handlers as an emission of this topic calls them.
pub(crate) fn call_in(handlers: &mut [HandlerInfo], topic: &Name) {
    handlers.sort_by_key(|it| (Reverse(it.priority), it.id));
    handlers.iter_mut().for_each(|it| it.topic = topic.clone());
}

/// The hook for unhandled events, as it is listed.
pub(crate) fn describe_hook<M: SignalFlavour, C: 'static>(hook: &HandlerRef<M, C>) -> HandlerInfo {
    let mut hook = info(hook.head(), hook.describe());
    hook.pattern = None;
    hook
}

fn info<M: SignalFlavour>(head: &Header<M>, description: Description) -> HandlerInfo {
    let original = head.original();
    let info = head.info.as_deref();
    let extra = original.extra.as_ref();
    let left = extra.and_then(|it| it.left.as_ref());
    HandlerInfo {
        id: head.id(),
        topic: info.map_or(Name::Fixed(""), |it| it.name().clone()),
        pattern: info
            .filter(|it| it.topic_info.kind == Kind::Pattern)
            .map(|it| it.name().clone()),
        label: head.label().map(Box::from),
        place: original.location,
        priority: head.priority(),
        kind: description.kind,
        target: description.target,
        paused: original.state.get() / state::PAUSE + info.map_or(0, |it| it.pause_count()),
        left: left.map(Word::get),
        has_filter: description.has_filter,
        replaced_at: head.has(state::SUCCESSOR).then_some(head.location),
    }
}

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// Looks for lines that have subscribed many handlers, and tells of them. The caller has no lock.
    #[cold]
    #[inline(never)]
    pub(super) fn tell_many(&self) {
        let many = self.state.with(|state| self.find_many(state));
        self.info.config.tell_many(self.info.name(), many);
    }

    /// The lines that have subscribed many handlers, with their number and the level that it has reached.
    fn find_many(&self, state: &mut SignalState<M, E, C>) -> Vec<(CallSite, usize, usize)> {
        let first = self.info.warn_handlers();
        // Another thread may have looked meanwhile.
        if !state.roster.is_many(|| first) {
            return Vec::new();
        }
        let live = state.roster.iter().filter(|it| !it.is_dead());
        let counts = count_places(live.map(|it| it.head().original().location));
        let most = counts.values().copied().max();
        let (mut many, mut missing, mut of_most) = (Vec::new(), usize::MAX, usize::MAX);
        for (place, count) in counts {
            let mut next = first;
            while next <= count {
                next = next.saturating_mul(AGAIN);
            }
            missing = missing.min(next - count);
            if Some(count) == most {
                of_most = of_most.min(next - count);
            }
            if count >= first {
                many.push((place, count, next / AGAIN));
            }
        }
        state.roster.looked(missing, of_most);
        many
    }
}
