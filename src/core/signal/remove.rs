//! Removing and replacing the handlers of a signal.

use crate::core::handler::entry::{WeakRef, state};
use crate::core::handler::erased::{DynHandler, HandlerRef};
use crate::core::handler::owner::Owner;
use crate::core::primitives::sync::{Lock, Word};
use crate::core::reclaim::hazard::SnapshotState;
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::signal::{HandlerRoster, Signal};

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// Removes the handler with this key and sequence number. Returns whether it was there, and alive.
    /// `flags` are set in its state; with [`WEAK`](state::WEAK) it is removed only if it still depends on
    /// its target.
    pub(crate) fn remove(&self, key: u64, sequence: u64, flags: usize) -> bool {
        let removed = self.state.with(|state| {
            // Both, because keys are reused after the roster was empty.
            let entry = state.roster.get(key)?;
            let head = entry.head();
            if head.sequence != sequence || (flags & !head.state.get() & state::WEAK != 0) {
                return None;
            }
            // While it is in the roster: after that, dropping its subscription releases it.
            let lived = !entry.is_dead();
            let entry = state.roster.remove(key)?;
            entry.head().original().state.or(state::REMOVED | flags);
            let kept = state.take_self_ref();
            let old = self.published.take(state.idle_state(&self.info));
            Some((entry, lived, old, kept))
        });
        let Some((entry, lived, old, kept)) = removed else {
            return false;
        };
        drop(old);
        self.invalidate_topics();
        self.tell_watchers();
        if flags & state::CANCELLED != 0 {
            entry.end();
        }
        if flags & state::PENDING == 0 {
            entry.release();
        }
        drop(kept);
        lived
    }

    /// Replaces a handler by the one that `make` creates from it. Returns whether it did.
    pub(crate) fn exchange(
        &self,
        key: u64,
        sequence: u64,
        make: impl FnOnce(&HandlerRef<M, C>) -> Option<WeakRef<M, dyn DynHandler<M, C>>>,
    ) -> bool {
        let exchanged = self.state.with(|state| {
            let entry = state.roster.get_mut(key)?;
            if entry.head().sequence != sequence {
                return None;
            }
            let current = entry.upgrade()?;
            let made = make(&current)?;
            let old = std::mem::replace(entry, made);
            let word = &old.head().state;
            word.or(state::REPLACED);
            if old.head().has(state::WEAK) {
                // It does not depend on its target any more. Set once, and cleared under the lock.
                word.sub(state::WEAK);
            }
            Some((old, current, self.published.take(SnapshotState::Stale)))
        });
        let Some((old, current, retired)) = exchanged else {
            return false;
        };
        drop(retired);
        drop(current);
        self.invalidate_topics();
        old.release();
        true
    }

    /// The handler that has this key and sequence number now: the latest replacement.
    pub(crate) fn current(&self, key: u64, sequence: u64) -> Option<HandlerRef<M, C>> {
        self.state.with(|state| {
            let entry = state.roster.get(key)?;
            match entry.head().sequence == sequence {
                true => entry.upgrade(),
                false => None,
            }
        })
    }

    /// Removes the handlers whose target is dead.
    pub(crate) fn prune(&self) {
        self.remove_where(|roster| match roster.has_weak {
            true => roster.prune(WeakRef::is_dead),
            false => Vec::new(),
        });
    }

    /// Cancels the handlers that `take` removes from the roster.
    pub(super) fn remove_where(
        &self,
        take: impl FnOnce(&mut HandlerRoster<M, C>) -> Vec<WeakRef<M, dyn DynHandler<M, C>>>,
    ) {
        let (dead, old, kept) = self.state.with(|state| {
            let dead = take(&mut state.roster);
            if dead.is_empty() {
                return (dead, None, None);
            }
            for entry in &dead {
                entry.head().state.or(state::REMOVED | state::CANCELLED);
            }
            let kept = state.take_self_ref();
            (
                dead,
                self.published.take(state.idle_state(&self.info)),
                kept,
            )
        });
        drop(old);
        if !dead.is_empty() {
            self.invalidate_topics();
            self.tell_watchers();
        }
        dead.iter().for_each(WeakRef::release);
        drop(kept);
    }

    /// Cancels all handlers. Returns their number.
    pub(crate) fn clear(&self) -> usize {
        self.remove_all(false)
    }

    /// Cancels all handlers, and refuses new ones from now on.
    pub(crate) fn close(&self) {
        self.remove_all(true);
    }

    fn remove_all(&self, close: bool) -> usize {
        let flags = match close {
            true => state::REMOVED | state::CANCELLED | state::CLOSED,
            false => state::REMOVED | state::CANCELLED,
        };
        let (entries, count, old, kept) = self.state.with(|state| {
            if state.roster.is_closed() {
                return (Vec::new(), 0, None, None);
            }
            let count = state.live_count();
            let entries = match close {
                true => state.roster.close(),
                false => state.roster.drain(),
            };
            for entry in &entries {
                entry.head().original().state.or(flags);
            }
            let tag = match close {
                true => SnapshotState::Closed,
                false => state.idle_state(&self.info),
            };
            let mut retained = None;
            if close {
                self.info.topic_info.close();
                state.ext().patterns = Vec::new();
                retained = state.ext().retained.take();
                state.trim();
            }
            let kept = (state.take_self_ref(), retained);
            (entries, count, self.published.take(tag), Some(kept))
        });
        drop(old);
        self.invalidate_topics();
        self.tell_watchers();
        for entry in entries {
            entry.end();
            entry.release();
        }
        if let Some((_kept, Some(retained))) = kept {
            retained.release();
        }
        count
    }
}

impl<M: SignalFlavour, E: 'static, C: 'static> Owner<M> for Signal<M, E, C> {
    type Event = E;
    type Context = C;
    fn remove(&self, key: u64, sequence: u64, flags: usize) -> bool {
        self.remove(key, sequence, flags)
    }
    fn current(&self, key: u64, sequence: u64) -> Option<HandlerRef<M, C>> {
        self.current(key, sequence)
    }
    fn exchange(
        &self,
        key: u64,
        sequence: u64,
        make: impl FnOnce(&HandlerRef<M, C>) -> Option<WeakRef<M, dyn DynHandler<M, C>>>,
    ) -> bool {
        self.exchange(key, sequence, make)
    }
    fn is_part_of(&self, signal: usize) -> bool {
        self.is_part_of(signal)
    }
}
