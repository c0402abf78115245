//! One signal: its roster under a lock, and what is published of it.
//!
//! Writers change the roster and mark the published snapshot stale; the next emission builds a new
//! one. So a hundred thousand changes in a row cost no more than each of them alone.

use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::core::handler::entry::{Anchor, Handle, Handler, rank};
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Lock;
use crate::core::primitives::thread::Frame;
use crate::core::reclaim::hazard::{Counted, Publish, Tag};
use crate::core::reclaim::publication::{Look, Publication, Reading};
use crate::core::settings::signal_info::Home;
use crate::core::signal::directory::{Directory, Signals as Mode};
use crate::core::signal::retain::Retain;
use crate::core::signal::roster::Roster;
use crate::core::signal::watchers::Watchers;
use crate::topic::any_event::AnyEvent;

/// The next sequence number of the process. Not part of any protocol: only its order counts.
pub(super) static SEQUENCE: AtomicU64 = AtomicU64::new(1);

/// Whoever subscribes from now on has this sequence number or a later one.
pub(crate) fn horizon() -> u64 {
    SEQUENCE.load(Ordering::Relaxed)
}

/// What is published: the handlers, by rank.
pub(crate) type Handlers<M, C> = SmallVec<[Handler<M, C>; 2]>;

/// The handlers by key, whatever their events are.
pub(super) type Handles<M, C> = Roster<Anchor<M, dyn Handle<M, C>>>;

/// The handlers of one pattern. Nothing is emitted to it: what is emitted to a topic that the
/// pattern matches runs these handlers among its own.
pub(crate) type Group<M, C> = Signal<M, AnyEvent, C>;

pub(crate) type StrongGroup<M, C> = <M as Primitives>::Ptr<Group<M, C>>;

/// The handlers of some patterns.
pub(crate) type Groups<M, C> = SmallVec<[StrongGroup<M, C>; 4]>;

pub(crate) type WeakGroups<M, C> = Vec<<M as Primitives>::Weak<Group<M, C>>>;

/// What only the holder of the lock touches.
pub(super) struct Writer<M: Mode, E, C: 'static> {
    pub(super) roster: Handles<M, C>,
    pub(super) more: Option<Box<More<M, C>>>,
    /// A topic that has handlers, or retains events, keeps itself, and no other does.
    pub(super) keeps_itself: Option<M::Ptr<Signal<M, E, C>>>,
    /// The bus has not gone.
    pub(super) listed: bool,
}

/// What few signals have.
pub(super) struct More<M: Mode, C: 'static> {
    /// The patterns that this topic's name matches.
    pub(super) groups: WeakGroups<M, C>,
    pub(super) watchers: Watchers<M>,
    pub(super) retained: Option<Anchor<M, dyn Retain<M, C>>>,
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
    pub(super) published: Publication<M, Handlers<M, C>>,
    pub(crate) max_depth: usize,
    pub(crate) home: M::Ptr<Home<M>>,
    pub(super) writer: M::Lock<Writer<M, E, C>>,
    /// Where to sign off.
    pub(super) registry: Option<M::Weak<M::Directory<C>>>,
}

impl<M: Mode, E, C: 'static> Signal<M, E, C> {
    /// A signal without handlers.
    pub(crate) fn new(
        home: Home<M>,
        registry: Option<M::Weak<M::Directory<C>>>,
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
    pub(crate) fn enter(&self, level: usize) -> Option<Reading<M, Handlers<M, C>, M::Pin>> {
        self.published.enter(level)
    }

    /// Whether this is what is published now, without a lock.
    #[inline(always)]
    pub(crate) fn publishes(&self, reading: &Reading<M, Handlers<M, C>, M::Pin>) -> bool {
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
        unhandled: Option<&Handler<M, C>>,
        give: &mut impl FnMut(Handler<M, C>),
    ) -> Option<(u64, Groups<M, C>)> {
        self.writer.with(|writer| {
            let horizon = horizon();
            let open = !writer.roster.is_closed();
            open.then(|| (horizon, writer.gather(unhandled, give)))
        })
    }

    /// Looks under the lock, and publishes what is missing.
    pub(crate) fn look(&self) -> Look<Reading<M, Handlers<M, C>, Counted<M>>> {
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
                // O(n log n), O(n) if they come in order.
                handlers.sort_unstable_by_key(rank);
                (!handlers.is_empty()).then_some(handlers)
            });
            // One of them may have lost its last handle meanwhile, and must not go under the lock.
            (look, groups)
        });
        look
    }

    pub(crate) fn unhandled(&self) -> Option<Handler<M, C>> {
        let registry = self.registry.as_ref().and_then(M::upgrade)?;
        registry.unhandled()
    }
}

impl<M: Mode, E, C> Writer<M, E, C> {
    /// Keeps itself no more, if nothing asks for it.
    pub(super) fn let_go(&mut self) -> Option<M::Ptr<Signal<M, E, C>>> {
        match self.roster.is_empty() && !self.retains() {
            true => self.keeps_itself.take(),
            false => None,
        }
    }

    /// How many handlers there are, without those whose target has died.
    pub(super) fn living(&self) -> usize {
        match self.roster.has_weak {
            true => self.roster.iter().filter(|it| !it.is_dead()).count(),
            false => self.roster.len(),
        }
    }

    pub(super) fn more(&mut self) -> &mut More<M, C> {
        self.more.get_or_insert_default()
    }

    /// Gives back what is empty.
    pub(super) fn trim(&mut self) {
        let is_empty = |more: &More<M, C>| {
            more.groups.is_empty() && more.watchers.is_empty() && more.retained.is_none()
        };
        if self.more.as_deref().is_some_and(is_empty) {
            self.more = None;
        }
    }

    pub(super) fn retains(&self) -> bool {
        self.more
            .as_ref()
            .is_some_and(|more| more.retained.is_some())
    }

    /// Gives a hold of each handler, of patterns too; of `unhandled` if there are none. What comes
    /// back goes outside of the lock.
    pub(super) fn gather(
        &self,
        unhandled: Option<&Handler<M, C>>,
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
            give(unhandled.clone());
        }
        groups
    }

    /// Gives a hold of each handler.
    pub(super) fn hold_all(&self, give: &mut impl FnMut(Handler<M, C>)) {
        self.roster.iter().filter_map(Anchor::hold).for_each(give);
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &M::Weak<Group<M, C>>> {
        self.more.iter().flat_map(|more| more.groups.iter())
    }

    /// What is published until the next emission looks.
    pub(super) fn tag(&self, home: &Home<M>) -> Tag {
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
