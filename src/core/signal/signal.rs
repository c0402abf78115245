//! One signal: its roster under a lock, and what is published of it.
//!
//! Writers change the roster and mark the published snapshot stale; the next emission builds a new
//! one. So a hundred thousand changes in a row cost no more than each of them alone.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::core::emission::retained::Retain;
use crate::core::handler::entry::{Anchor, Draft, Entry, Extra, Handle, state};
use crate::core::handler::handler_fn::{Callee, Captures, Filter, Link, Subscribed};
use crate::core::mode::Mode;
use crate::core::primitives::sync::{Fault, Lock, Word, planted};
use crate::core::primitives::thread::Frame;
use crate::core::reclaim::hazard::{Counted, Publish, Tag};
use crate::core::reclaim::publication::{Handler, Handlers, Look, Publication, Reading};
use crate::core::registry::registry::{Groups, Registry};
use crate::core::settings::signal_info::{Home, Place};
use crate::core::signal::demand::Watchers;
use crate::core::signal::patterns::{Group, WeakGroups};
use crate::core::signal::roster::Roster;

/// The next sequence number of the process. Not part of any protocol: only its order counts.
static SEQUENCE: AtomicU64 = AtomicU64::new(1);

/// Whoever subscribes from now on has this sequence number or a later one.
pub(crate) fn horizon() -> u64 {
    SEQUENCE.load(Ordering::Relaxed)
}

/// The handlers by key, whatever their events are.
type Handles<M, C> = Roster<Anchor<M, dyn Handle<M, C>>>;

/// What only the holder of the lock touches.
pub(crate) struct Writer<M: Mode, E, C: 'static> {
    pub(crate) roster: Handles<M, C>,
    pub(crate) more: Option<Box<More<M, C>>>,
    /// A topic that has handlers, or retains events, keeps itself, and no other does.
    pub(crate) keeps_itself: Option<M::Ptr<Signal<M, E, C>>>,
    /// The bus has not gone.
    pub(crate) listed: bool,
}

/// What few signals have.
pub(crate) struct More<M: Mode, C: 'static> {
    /// The patterns that this topic's name matches.
    pub(crate) groups: WeakGroups<M, C>,
    pub(crate) watchers: Watchers<M>,
    pub(crate) retained: Option<Anchor<M, dyn Retain<M, C>>>,
}

impl<M: Mode, C> Default for More<M, C> {
    fn default() -> Self {
        More {
            groups: Vec::new(),
            watchers: Watchers::new(),
            retained: None,
        }
    }
}

pub(crate) struct Signal<M: Mode, E, C: 'static> {
    pub(crate) published: Publication<M, C>,
    pub(crate) max_depth: usize,
    pub(crate) home: M::Ptr<Home<M>>,
    pub(crate) writer: M::Lock<Writer<M, E, C>>,
    /// Where to sign off.
    pub(crate) registry: Option<M::Weak<Registry<M, C>>>,
}

/// What a subscriber asks for, apart from the closures.
pub(crate) struct Wish {
    pub(crate) place: Place,
    pub(crate) priority: i32,
    pub(crate) label: Option<Box<str>>,
    pub(crate) limit: Option<usize>,
}

impl Wish {
    /// No more than a place.
    pub(crate) fn new(place: Place) -> Self {
        Wish {
            place,
            priority: 0,
            label: None,
            limit: None,
        }
    }
}

impl<M: Mode, E, C: 'static> Signal<M, E, C> {
    /// A signal without handlers.
    pub(crate) fn new(
        home: Home<M>,
        registry: Option<M::Weak<Registry<M, C>>>,
        groups: WeakGroups<M, C>,
    ) -> Self {
        let listed = registry.is_some();
        let tag = match groups.is_empty() && !home.settings.hears_unhandled() {
            true => Tag::Empty,
            false => Tag::Stale,
        };
        let writer = Writer {
            roster: Roster::new(),
            more: match groups.is_empty() {
                true => None,
                false => Some(Box::new(More {
                    groups,
                    ..More::default()
                })),
            },
            keeps_itself: None,
            listed,
        };
        Signal {
            published: Publication::new(tag),
            max_depth: home.settings.max_depth(),
            home: M::ptr(home),
            writer: M::Lock::new(writer),
            registry,
        }
    }

    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// How many handlers are connected. O(1); O(n) where one of them may have lost its target.
    pub(crate) fn len(&self) -> usize {
        self.writer.with(|writer| writer.living())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.published.is_closed()
    }

    /// Adds a handler. One that cannot be (the signal is closed, its limit is zero) comes back
    /// removed already, and without its captures.
    pub(crate) fn subscribe<P, K>(
        this: &M::Ptr<Self>,
        wish: Wish,
        filter: P,
        callee: K,
    ) -> Anchor<M, Subscribed<M, E, C, P, K>>
    where
        E: 'static,
        P: Filter<E>,
        K: Callee<M, E, C>,
    {
        let gated = match P::ASKS || wish.limit.is_some() {
            true => state::GATED,
            false => 0,
        } | if K::WEAK { state::WEAK } else { 0 };
        let left = wish.limit.map(M::Word::new);
        let extra = (wish.label.is_some() || left.is_some() || wish.priority != 0).then(|| {
            Box::new(Extra {
                label: wish.label,
                left,
                priority: wish.priority,
                original: None,
            })
        });
        let make = |key, state| {
            let draft = Draft {
                key,
                sequence: SEQUENCE.fetch_add(1, Ordering::Relaxed),
                place: wish.place,
                home: Some(this.home.clone()),
                extra,
                state: state | gated,
            };
            let link = Link {
                signal: M::downgrade(this),
                kept: K::Kept::default(),
            };
            Anchor::<M, Entry<M, _, _>>::new(draft, link, Captures { filter, callee })
        };
        if K::WEAK {
            this.expect_weak();
        }
        let mut make = Some(make);
        // `None` where events are kept that the handler is to be given in the same moment.
        let mut insert = |kept: bool| {
            this.writer.with(|writer| {
                if writer.retains() && !kept {
                    return None;
                }
                let make = make.take()?;
                if writer.roster.is_closed() {
                    return Some((make(0, state::REMOVED | state::CLOSED), None));
                }
                if wish.limit == Some(0) {
                    return Some((make(0, state::REMOVED), None));
                }
                if K::WEAK {
                    writer.roster.has_weak = true;
                }
                let mut entry = None;
                writer.roster.insert(|key| {
                    let made = make(key, 0);
                    K::born(&made);
                    let handle = made.cast::<dyn Handle<M, C>>(|entry| entry);
                    entry = Some(made);
                    handle
                });
                if writer.listed && writer.keeps_itself.is_none() {
                    writer.keeps_itself = Some(this.clone());
                }
                let Some(entry) = entry else {
                    unreachable!("a slotmap calls the closure once")
                };
                let old = if planted(Fault::Unpublished) {
                    None
                } else {
                    this.published.take(Tag::Stale)
                };
                Some((entry, old))
            })
        };
        let mut inserted = insert(false);
        if let (None, Some(retained)) = (&inserted, this.retained()) {
            // SAFETY: `retained` is a hold, and the handler one of this signal.
            unsafe {
                retained.entry().hand_over(&this.home, &mut || {
                    inserted = insert(true);
                    let (entry, _) = inserted.as_ref()?;
                    // Removed or not: here is a lock, and this may be the last hold by now.
                    entry.cast::<dyn Handle<M, C>>(|entry| entry).hold()
                });
            }
        }
        let Some((entry, old)) = inserted.or_else(|| insert(true)) else {
            unreachable!("a handler is inserted once")
        };
        // Outside of the lock, like every release: it may run user code.
        drop(old);
        if let (Some(registry), false) = (this.pattern_registry(), planted(Fault::Unattached)) {
            registry.attach(&this.home);
        }
        this.tell_watchers();
        // Those that were never let in. Whoever has removed another releases it, or leaves that to a
        // call that waits in a queue.
        if entry.head().has(state::CLOSED) || wish.limit == Some(0) {
            entry.release();
        }
        entry
    }

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

    /// Prepares for a handler with a target that may die: only those can add up without an emission,
    /// and only they pay for it.
    fn expect_weak(&self) {
        self.bury(|roster| roster.make_room(Anchor::is_dead));
        if let Some(registry) = self.registry.as_ref().and_then(M::upgrade) {
            registry.has_weak.set(1);
        }
    }

    /// Removes those whose target has died.
    pub(crate) fn prune(&self) {
        self.bury(|roster| match roster.has_weak {
            true => roster.prune(Anchor::is_dead),
            false => Vec::new(),
        });
    }

    /// Removes those that `take` takes out of the roster.
    fn bury(&self, take: impl FnOnce(&mut Handles<M, C>) -> Vec<Anchor<M, dyn Handle<M, C>>>) {
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

    /// The bus has gone: from now on only handles keep the signal.
    pub(crate) fn unlist(&self) {
        let kept = self.writer.with(|writer| {
            writer.listed = false;
            writer.keeps_itself.take()
        });
        drop(kept);
    }

    /// The snapshot of an emission that begins now, without a lock. `None`: look under it.
    #[inline(always)]
    pub(crate) fn enter(&self, level: usize) -> Option<Reading<M, C, M::Pin>> {
        self.published.enter(level)
    }

    /// Whether this is what is published now, without a lock.
    #[inline(always)]
    pub(crate) fn publishes(&self, reading: &Reading<M, C, M::Pin>) -> bool {
        self.published.publishes(reading)
    }

    /// Whether there is nothing to run, without a lock.
    #[inline(always)]
    pub(crate) fn is_silent(&self) -> bool {
        self.published.is_empty()
    }

    /// Holds who is to hear an emission that begins now, and says up to which sequence number that is;
    /// `None` if the signal is closed. The groups go outside of any lock.
    pub(crate) fn gather(
        &self,
        unhandled: Option<&M::Ptr<Group<M, C>>>,
        give: &mut impl FnMut(Handler<M, C>),
    ) -> Option<(u64, Groups<M, C>)> {
        self.writer.with(|writer| {
            let horizon = horizon();
            let open = !writer.roster.is_closed();
            open.then(|| (horizon, writer.gather(unhandled, give)))
        })
    }

    /// Looks under the lock, and publishes what is missing.
    pub(crate) fn look(&self) -> Look<Reading<M, C, Counted<M>>> {
        M::Published::prepare();
        let unhandled = self.unhandled();
        let (look, _groups) = self.writer.with(|writer| {
            let frame = Frame {
                inside: self.address(),
                horizon: horizon(),
            };
            let mut groups = Groups::<M, C>::new();
            let look = self.published.read_or_publish(frame, || {
                let mut handlers = Handlers::<M, C>::new();
                groups = writer.gather(unhandled.as_ref(), &mut |it| handlers.push(it));
                handlers
            });
            // One of them may have lost its last handle meanwhile, and must not go under the lock.
            (look, groups)
        });
        look
    }

    pub(crate) fn unhandled(&self) -> Option<M::Ptr<Group<M, C>>> {
        let registry = self.registry.as_ref().and_then(M::upgrade)?;
        registry.unhandled()
    }
}

impl<M: Mode, E, C> Writer<M, E, C> {
    /// Keeps itself no more, if nothing asks for it.
    pub(crate) fn let_go(&mut self) -> Option<M::Ptr<Signal<M, E, C>>> {
        match self.roster.is_empty() && !self.retains() {
            true => self.keeps_itself.take(),
            false => None,
        }
    }

    /// How many handlers there are, without those whose target has died.
    fn living(&self) -> usize {
        match self.roster.has_weak {
            true => self.roster.iter().filter(|it| !it.is_dead()).count(),
            false => self.roster.len(),
        }
    }

    pub(crate) fn more(&mut self) -> &mut More<M, C> {
        self.more.get_or_insert_default()
    }

    /// Gives back what is empty.
    pub(crate) fn trim(&mut self) {
        let is_empty = |more: &More<M, C>| {
            more.groups.is_empty() && more.watchers.is_empty() && more.retained.is_none()
        };
        if self.more.as_deref().is_some_and(is_empty) {
            self.more = None;
        }
    }

    pub(crate) fn retains(&self) -> bool {
        self.more
            .as_ref()
            .is_some_and(|more| more.retained.is_some())
    }

    /// Gives a hold of each handler, of patterns too; of `unhandled` if there are none. What comes
    /// back goes outside of the lock.
    pub(crate) fn gather(
        &self,
        unhandled: Option<&M::Ptr<Group<M, C>>>,
        give: &mut impl FnMut(Handler<M, C>),
    ) -> Groups<M, C> {
        let mut nobody = true;
        let mut note = |handler| {
            nobody = false;
            give(handler);
        };
        self.hold_all(&mut note);
        let groups: Groups<M, C> = self.groups().filter_map(M::upgrade).collect();
        groups.iter().for_each(|group| group.hold_all(&mut note));
        if let (true, Some(unhandled)) = (nobody, unhandled) {
            unhandled.hold_all(give);
        }
        groups
    }

    /// Gives a hold of each handler.
    pub(crate) fn hold_all(&self, give: &mut impl FnMut(Handler<M, C>)) {
        self.roster.iter().filter_map(Anchor::hold).for_each(give);
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = &M::Weak<Group<M, C>>> {
        self.more.iter().flat_map(|more| more.groups.iter())
    }

    /// What is published until the next emission looks.
    pub(crate) fn tag(&self, home: &Home<M>) -> Tag {
        let nobody = self.roster.is_empty() && self.groups().next().is_none();
        match nobody && !self.retains() && !home.settings.hears_unhandled() {
            true => Tag::Empty,
            false => Tag::Stale,
        }
    }
}

impl<M: Mode, E, C> Drop for Signal<M, E, C> {
    fn drop(&mut self) {
        let retained = self.writer.with(|writer| {
            // Their subscriptions find no signal any more, and release them where they stand: none of
            // them may be asked for its target, and nobody wants to know how many live.
            writer.roster.has_weak = false;
            writer.more.as_mut().and_then(|more| more.retained.take())
        });
        self.clear();
        retained.as_ref().into_iter().for_each(Anchor::release);
        if let Some(registry) = self.registry.as_ref().and_then(M::upgrade) {
            registry.sign_off(&self.home, self.address());
        }
    }
}
