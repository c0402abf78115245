//! Patterns: the handlers of one, and the topics that take them in.

use crate::core::handler::entry::Handler;
use crate::core::primitives::sync::{Fault, Lock, planted};
use crate::core::reclaim::hazard::Tag;
use crate::core::signal::directory::{Directory, Signals as Mode};
use crate::core::signal::signal::{Group, Signal};
use crate::topic::any_event::Kind;

impl<M: Mode, E, C: 'static> Signal<M, E, C> {
    /// Adds a hold of each handler.
    pub(crate) fn hold_all(&self, give: &mut impl FnMut(Handler<M, C>)) {
        self.writer.with(|writer| writer.hold_all(give));
    }

    /// Takes the handlers of a pattern in, if it has not, and what they are in this moment.
    pub(crate) fn attach(&self, group: M::Weak<Group<M, C>>) {
        let old = self.writer.with(|writer| {
            if writer.roster.is_closed() {
                return None;
            }
            let known = |it: &M::Weak<Group<M, C>>| M::address(it) == M::address(&group);
            if !writer.groups().any(known) {
                writer.more().groups.push(group);
            }
            self.published.take(Tag::Stale)
        });
        drop(old);
        self.tell_watchers();
    }

    /// Forgets a pattern, by its address.
    pub(crate) fn detach(&self, group: usize) {
        let old = self.writer.with(|writer| {
            let stays = |it: &M::Weak<Group<M, C>>| M::address(it).addr() != group;
            writer.more().groups.retain(stays);
            writer.trim();
            match writer.roster.is_closed() {
                true => None,
                false => self.published.take(writer.tag(&self.home)),
            }
        });
        drop(old);
        self.tell_watchers();
    }

    /// The handlers of a pattern have changed.
    pub(crate) fn renew(&self) {
        let old = self.writer.with(|writer| match writer.roster.is_closed() {
            true => None,
            false => self.published.take(writer.tag(&self.home)),
        });
        drop(old);
        self.tell_watchers();
    }

    /// Renews all topics that this pattern matches, if it is one. Costs O(topics that match).
    pub(super) fn renew_topics(&self) {
        if let (Some(registry), false) = (self.pattern_registry(), planted(Fault::Unrenewed)) {
            registry.renew(&self.home);
        }
    }

    pub(super) fn pattern_registry(&self) -> Option<M::Ptr<M::Directory<C>>> {
        match self.home.subject.kind {
            Kind::Pattern => M::upgrade(self.registry.as_ref()?),
            Kind::Topic => None,
        }
    }

    /// Whether the topic at this address has handlers of this pattern.
    pub(crate) fn is_part_of(&self, signal: usize) -> bool {
        self.pattern_registry()
            .is_some_and(|registry| registry.matches(&self.home, signal))
    }
}
