//! Removing and replacing the handlers of a signal.

use crate::core::handler::entry::{Header, WeakRef, state};
use crate::core::handler::erased::{DynHandler, HandlerRef};
use crate::core::handler::owner::Owner;
use crate::core::primitives::room;
use crate::core::primitives::sync::{Lock, Word};
use crate::core::signal::directory::SignalFlavour;
use crate::core::signal::signal::{HandlerRoster, PatternSignals, Signal};

impl<M: SignalFlavour, E, C: 'static> Signal<M, E, C> {
    /// Removes the handler with this key and sequence number. Returns whether it was there, and alive.
    /// `flags` are set in its state.
    pub(crate) fn remove(&self, key: u64, sequence: u64, flags: usize) -> bool {
        self.remove_if(key, sequence, flags, |_| true)
    }

    /// Like [`remove`](Self::remove), if the handler that is there now is the right one.
    fn remove_if(
        &self,
        key: u64,
        sequence: u64,
        flags: usize,
        is_right: impl FnOnce(&Header<M>) -> bool,
    ) -> bool {
        let removed = self.state.with(|state| {
            // Both, because keys are reused after the roster was empty.
            let entry = state.roster.get(key)?;
            let head = entry.head();
            if head.sequence != sequence || !is_right(head) {
                return None;
            }
            // While it is in the roster: after that, dropping its subscription releases it. One that is kept
            // for accepted events is not connected, but its limit may remove it.
            let by_limit = flags & state::PENDING != 0;
            let lived = by_limit || (!state.roster.is_closed() && !entry.is_dead());
            let entry = state.roster.remove(key)?;
            entry.head().original().state.or(state::REMOVED | flags);
            let kept = state.take_self_ref();
            let old = self.edit(state, |list, _| list.remove(entry.head().rank()));
            Some((entry, lived, old, kept))
        });
        let Some((entry, lived, old, kept)) = removed else {
            return false;
        };
        drop(old);
        self.invalidate_topics();
        self.notify_watchers();
        if flags & state::CANCELLED != 0 {
            entry.end_and_release();
        } else if flags & state::PENDING == 0 {
            entry.release();
        }
        drop(kept);
        lived
    }

    /// Removes the handlers whose target is dead.
    pub(crate) fn prune(&self) {
        self.remove_where(|roster| {
            if roster.has_weak {
                roster.prune(WeakRef::is_dead)
            } else {
                Vec::new()
            }
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
                let head = entry.head().original();
                head.state.or(state::REMOVED | state::CANCELLED);
            }
            let old = self.unpublish(state);
            (dead, Some(old), state.take_self_ref())
        });
        drop(old);
        if !dead.is_empty() {
            self.invalidate_topics();
            self.notify_watchers();
        }
        dead.iter().for_each(WeakRef::end_and_release);
        drop(kept);
    }

    /// Cancels all handlers. Returns their number.
    pub(crate) fn clear(&self) -> usize {
        self.remove_all(Removal::Clear)
    }

    /// Removes all handlers, and refuses new ones and events from now on. Claimed calls and accepted events
    /// are left to be delivered.
    pub(crate) fn close(&self) {
        self.remove_all(Removal::Close);
    }

    /// Removes all handlers, because the last handle is gone. Claimed calls are left to be made.
    pub(super) fn vanish(&self) {
        self.remove_all(Removal::Gone);
    }

    fn remove_all(&self, removal: Removal) -> usize {
        let removed = self.state.with(|state| {
            if state.roster.is_closed() {
                return None;
            }
            let count = state.live_count();
            for entry in state.roster.iter() {
                entry.head().original().state.or(removal.flags());
            }
            let (mut lingers, mut retained, mut patterns) =
                (false, None, PatternSignals::<M, C>::new());
            if removal == Removal::Close {
                state.roster.close();
                self.info.topic_info.close();
                lingers = self.accepted.close();
                if lingers {
                    patterns = state.keep_patterns();
                } else {
                    patterns = state.patterns().filter_map(M::upgrade).collect();
                    state.ext().patterns = Vec::new();
                }
                retained = state.ext().retained.take();
                state.trim();
            }
            let entries = if lingers {
                state.roster.iter().cloned().collect()
            } else {
                state.roster.drain()
            };
            let kept = state.take_self_ref();
            let old = self.unpublish(state);
            Some((count, entries, lingers, retained, old, patterns, kept))
        });
        let Some((count, entries, lingers, retained, old, patterns, kept)) = removed else {
            return 0;
        };
        drop(old);
        patterns.iter().for_each(|it| it.forget(self.info.key));
        drop(patterns);
        if removal == Removal::Close && M::WAITS {
            room::let_go();
        }
        self.invalidate_topics();
        self.notify_watchers();
        for entry in entries {
            entry.end();
            if lingers {
                // Futures and streams have ended.
                if entry.upgrade().is_some_and(|handler| handler.waits()) {
                    let head = entry.head();
                    self.remove(head.key, head.sequence, 0);
                }
            } else if removal == Removal::Clear {
                entry.release();
            } else {
                entry.retire();
            }
        }
        if let Some(retained) = retained {
            retained.release();
        }
        drop(kept);
        count
    }
}

/// Why all handlers of a signal are removed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Removal {
    /// Their owner gives them up.
    Clear,
    /// The signal is closed.
    Close,
    /// The last handle of the signal is gone.
    Gone,
}

impl Removal {
    /// The flags of the removed handlers.
    fn flags(self) -> usize {
        match self {
            Removal::Clear => state::REMOVED | state::CANCELLED,
            Removal::Close => state::REMOVED | state::CLOSED,
            Removal::Gone => state::REMOVED,
        }
    }
}

impl<M: SignalFlavour, E: 'static, C: 'static> Owner<M> for Signal<M, E, C> {
    type Event = E;
    type Context = C;
    fn remove(&self, key: u64, sequence: u64, flags: usize) -> bool {
        self.remove(key, sequence, flags)
    }

    fn remove_itself(&self, head: &Header<M>, flags: usize) -> bool {
        self.remove_if(head.key, head.sequence, flags, |current| {
            std::ptr::eq(current, head)
        })
    }

    fn exchange(
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
            let is_owned = made.head().has(state::WEAK);
            let old = std::mem::replace(entry, made);
            let word = &old.head().state;
            word.or(state::REPLACED);
            if old.head().has(state::WEAK) && !is_owned {
                // It does not depend on its target any more. Set once, and cleared under the lock.
                word.sub(state::WEAK);
            }
            Some((old, current, self.unpublish(state)))
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

    fn current(&self, key: u64, sequence: u64) -> Option<HandlerRef<M, C>> {
        self.state.with(|state| {
            let entry = state.roster.get(key)?;
            if entry.head().sequence != sequence {
                return None;
            }
            entry.upgrade()
        })
    }

    fn unhold(&self) {
        self.unhold();
    }
}
