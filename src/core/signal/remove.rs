//! How a handler gets out of a signal, and how another gets into its place.

use crate::core::handler::entry::{Anchor, Handle, Handler, state};
use crate::core::handler::owner::Owner;
use crate::core::primitives::sync::{Fault, Lock, Word, planted};
use crate::core::reclaim::hazard::Tag;
use crate::core::signal::directory::Signals as Mode;
use crate::core::signal::signal::{Handles, Signal};

impl<M: Mode, E, C: 'static> Signal<M, E, C> {
    /// Removes the handler with this key and sequence number; whether it was there, and alive. `flags`
    /// go into its state; [`WEAK`](state::WEAK) among them removes it only if it still depends on its
    /// target.
    pub(crate) fn remove(&self, key: u64, sequence: u64, flags: usize) -> bool {
        let removed = self.writer.with(|writer| {
            // Both, because a roster that was emptied gives its keys out again.
            let entry = writer.roster.get(key)?;
            let head = entry.head();
            if head.sequence != sequence || (flags & !head.state.get() & state::WEAK != 0) {
                return None;
            }
            // Asked while it is in the roster: whoever drops its subscription later releases it.
            let lived = !entry.is_dead();
            let entry = writer.roster.remove(key)?;
            entry.head().original().state.or(state::REMOVED | flags);
            let kept = writer.let_go();
            let old = self.published.take(writer.tag(&self.home));
            Some((entry, lived, old, kept))
        });
        let Some((entry, lived, old, kept)) = removed else {
            return false;
        };
        drop(old);
        self.renew_topics();
        self.tell_watchers();
        if flags & state::CANCELLED != 0 {
            entry.end();
        }
        if flags & state::CANCELLED != 0 || entry.spent() {
            entry.release();
        }
        drop(kept);
        lived
    }

    /// Puts what `make` makes of a handler into its place; whether there was something.
    pub(crate) fn exchange(
        &self,
        key: u64,
        sequence: u64,
        make: impl FnOnce(&Anchor<M, dyn Handle<M, C>>) -> Option<Anchor<M, dyn Handle<M, C>>>,
    ) -> bool {
        let exchanged = self.writer.with(|writer| {
            let place = writer.roster.get_mut(key)?;
            if place.head().sequence != sequence {
                return None;
            }
            let made = make(place)?;
            let old = std::mem::replace(place, made);
            let word = &old.head().state;
            if !planted(Fault::Unreplaced) {
                word.or(state::REPLACED);
            }
            if old.head().has(state::WEAK) {
                // Its target matters no more. Set once, and cleared under the lock.
                word.sub(state::WEAK);
            }
            Some((old, self.published.take(Tag::Stale)))
        });
        let Some((old, retired)) = exchanged else {
            return false;
        };
        drop(retired);
        self.renew_topics();
        old.release();
        true
    }

    /// What has the place of this handler now.
    pub(crate) fn current(&self, key: u64, sequence: u64) -> Option<Handler<M, C>> {
        self.writer.with(|writer| {
            let entry = writer.roster.get(key)?;
            match entry.head().sequence == sequence {
                true => entry.hold(),
                false => None,
            }
        })
    }

    /// Removes those whose target has died.
    pub(crate) fn prune(&self) {
        self.bury(|roster| match roster.has_weak {
            true => roster.prune(Anchor::is_dead),
            false => Vec::new(),
        });
    }

    /// Removes those that `take` takes out of the roster.
    pub(super) fn bury(
        &self,
        take: impl FnOnce(&mut Handles<M, C>) -> Vec<Anchor<M, dyn Handle<M, C>>>,
    ) {
        let (dead, old, kept) = self.writer.with(|writer| {
            let dead = take(&mut writer.roster);
            if dead.is_empty() {
                return (dead, None, None);
            }
            for entry in &dead {
                entry.head().state.or(state::REMOVED | state::CANCELLED);
            }
            let kept = writer.let_go();
            (dead, self.published.take(writer.tag(&self.home)), kept)
        });
        drop(old);
        if !dead.is_empty() {
            self.renew_topics();
            self.tell_watchers();
        }
        dead.iter().for_each(Anchor::release);
        drop(kept);
    }

    /// Removes all handlers; how many.
    pub(crate) fn clear(&self) -> usize {
        self.sweep(false)
    }

    /// Removes all handlers, and lets none in any more.
    pub(crate) fn close(&self) {
        self.sweep(true);
    }

    fn sweep(&self, close: bool) -> usize {
        let flags = match close {
            true => state::REMOVED | state::CANCELLED | state::CLOSED,
            false => state::REMOVED | state::CANCELLED,
        };
        let (entries, count, old, kept) = self.writer.with(|writer| {
            if writer.roster.is_closed() {
                return (Vec::new(), 0, None, None);
            }
            let count = writer.living();
            let entries = match close {
                true => writer.roster.close(),
                false => writer.roster.drain(),
            };
            for entry in &entries {
                entry.head().original().state.or(flags);
            }
            let tag = match close {
                true => Tag::Closed,
                false => writer.tag(&self.home),
            };
            let mut retained = None;
            if close {
                self.home.subject.close();
                writer.more().groups = Vec::new();
                retained = writer.more().retained.take();
                writer.trim();
            }
            let kept = (writer.let_go(), retained);
            (entries, count, self.published.take(tag), Some(kept))
        });
        drop(old);
        self.renew_topics();
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

impl<M: Mode, E: 'static, C: 'static> Owner<M> for Signal<M, E, C> {
    type Event = E;
    type Context = C;
    fn remove(&self, key: u64, sequence: u64, flags: usize) -> bool {
        self.remove(key, sequence, flags)
    }
    fn current(&self, key: u64, sequence: u64) -> Option<Handler<M, C>> {
        self.current(key, sequence)
    }
    fn exchange(
        &self,
        key: u64,
        sequence: u64,
        make: impl FnOnce(&Anchor<M, dyn Handle<M, C>>) -> Option<Anchor<M, dyn Handle<M, C>>>,
    ) -> bool {
        self.exchange(key, sequence, make)
    }
    fn is_part_of(&self, signal: usize) -> bool {
        self.is_part_of(signal)
    }
}
