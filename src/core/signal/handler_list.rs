//! The list of handlers that a signal publishes, and how it outlives changes.

use std::borrow::Borrow;
use std::ops::Deref;

use smallvec::SmallVec;

use crate::core::handler::entry::Rank;
use crate::core::handler::erased::{HandlerRef, rank};
use crate::core::reclaim::hazard::{CountGuard, ReadFlavour};
use crate::core::reclaim::publication::{Loaded, Publication, SnapshotGuard, Unpublished};
use crate::core::settings::signal_info::SignalInfo;

/// As many handlers are moved in the time that it takes to build a list of one anew.
const MOVES: usize = 4;
/// As many handlers are moved in the time that a change takes apart from that.
const CHANGE: usize = 16;
/// What changes may cost however few handlers there are.
const MOST: usize = 64;
/// Room for so many handlers is kept however few there are.
const ROOM: usize = 8;

/// The list of a signal while it is not published. Part of what the signal's lock guards.
pub(super) type UnpublishedList<M, C> = Unpublished<M, HandlerList<M, C>>;

/// The list of a signal, loaded under its lock.
pub(crate) type LoadedList<M, C> = Loaded<SnapshotGuard<M, HandlerList<M, C>, CountGuard<M>>>;

/// The current list of a signal, as emissions find it without a lock. It outlives its signal, without a list.
pub(crate) type PublishedList<M, C> = Publication<M, HandlerList<M, C>>;

/// The list of a signal, loaded without a lock.
pub(crate) type ListGuard<M, C> =
    SnapshotGuard<M, HandlerList<M, C>, <M as ReadFlavour>::ReadGuard>;

/// Handlers, sorted by rank.
pub(crate) struct HandlerList<M: ReadFlavour, C: 'static> {
    handlers: SmallVec<[HandlerRef<M, C>; 2]>,
    /// For emissions that do not keep the signal.
    pub(crate) info: M::Ptr<SignalInfo<M>>,
    /// What the changes since it was last published have cost, in handlers that were moved.
    cost: usize,
    /// There are no handlers, and the hook for unhandled events stands in.
    is_of_hook: bool,
    /// The signal has patterns.
    has_patterns: bool,
}

impl<M: ReadFlavour, C: 'static> HandlerList<M, C> {
    /// `hook` is the hook for unhandled events. O(n log n), or O(n) if the handlers are in order already.
    pub(crate) fn new(
        mut handlers: SmallVec<[HandlerRef<M, C>; 2]>,
        hook: Option<&HandlerRef<M, C>>,
        info: M::Ptr<SignalInfo<M>>,
        has_patterns: bool,
    ) -> Self {
        handlers.sort_unstable_by_key(rank);
        let is_hook = |hook: &HandlerRef<M, C>| hook.address() == handlers[0].address();
        let is_of_hook = !handlers.is_empty() && hook.is_some_and(is_hook);
        HandlerList {
            handlers,
            info,
            cost: 0,
            is_of_hook,
            has_patterns,
        }
    }

    /// Returns whether it has handlers of the signal itself alone.
    #[inline(always)]
    pub(crate) fn is_own(&self) -> bool {
        !self.has_patterns && !self.is_of_hook
    }

    /// Returns whether it has nobody but the hook for unhandled events.
    pub(crate) fn is_of_hook(&self) -> bool {
        self.is_of_hook
    }

    /// Inserts a handler. O(log n), and the handlers that come after it are moved.
    pub(crate) fn insert(&mut self, handler: HandlerRef<M, C>) {
        let rank = rank(&handler);
        let at = self.find(|it| it < rank);
        self.count_moves(at);
        self.handlers.insert(at, handler);
    }

    /// Removes and returns the handler of this rank. O(log n), and the handlers that come after it are moved.
    pub(crate) fn remove(&mut self, rank: Rank) -> Option<HandlerRef<M, C>> {
        let at = self.find(|it| it < rank);
        if self.handlers.get(at).map(self::rank) != Some(rank) {
            return None;
        }
        self.count_moves(at);
        Some(self.handlers.remove(at))
    }

    /// The place of the first handler that does not come `before`. Looks at the last one first, because most
    /// changes are at the end.
    fn find(&self, before: impl Fn(Rank) -> bool) -> usize {
        match &*self.handlers {
            [.., last] if before(rank(last)) => self.handlers.len(),
            [.., one, _] if before(rank(one)) => self.handlers.len() - 1,
            all => all.partition_point(|it| before(rank(it))),
        }
    }

    fn count_moves(&mut self, at: usize) {
        self.cost += CHANGE + self.handlers.len() - at;
    }

    /// Returns whether it is to be kept: where the changes so far took less time than to build it anew would
    /// take. So a row of changes costs O(1) each, and no emission costs more than twice what it would otherwise.
    pub(crate) fn is_worth_it(&self) -> bool {
        let (len, room) = (self.handlers.len(), self.handlers.capacity());
        self.cost <= MOST + len * MOVES && (room <= ROOM || len > room / 4)
    }

    /// Prepares it for another publication. Returns whether there are handlers.
    pub(crate) fn renew(&mut self) -> bool {
        self.cost = 0;
        !self.handlers.is_empty()
    }
}

impl<M: ReadFlavour, C: 'static> Deref for HandlerList<M, C> {
    type Target = [HandlerRef<M, C>];
    #[inline(always)]
    fn deref(&self) -> &[HandlerRef<M, C>] {
        &self.handlers
    }
}

impl<M: ReadFlavour, C: 'static> Borrow<[HandlerRef<M, C>]> for HandlerList<M, C> {
    #[inline(always)]
    fn borrow(&self) -> &[HandlerRef<M, C>] {
        &self.handlers
    }
}
