//! What waits in a pool, first in, first out; anything can be taken out, in constant time. Runs and
//! drops nothing.

use std::sync::Arc;

use slotmap::{SlotMap, new_key_type};

use super::task::Run;

new_key_type! { pub(super) struct Key; }

/// What a pool runs.
pub(super) enum Item {
    Job(Arc<dyn Run>),
    /// Work that nobody asks about.
    Bare(Box<dyn FnOnce() + Send>),
}

struct Link {
    item: Item,
    before: Option<Key>,
    after: Option<Key>,
}

#[derive(Default)]
pub(super) struct Backlog {
    links: SlotMap<Key, Link>,
    first: Option<Key>,
    last: Option<Key>,
}

impl Backlog {
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    pub(super) fn push(&mut self, item: Item) -> Key {
        let before = self.last;
        let key = self.links.insert(Link {
            item,
            before,
            after: None,
        });
        match before.and_then(|before| self.links.get_mut(before)) {
            Some(before) => before.after = Some(key),
            None => self.first = Some(key),
        }
        self.last = Some(key);
        key
    }

    pub(super) fn pop(&mut self) -> Option<Item> {
        self.remove(self.first?)
    }

    /// Takes something out, if it is still there.
    pub(super) fn remove(&mut self, key: Key) -> Option<Item> {
        let Link {
            item,
            before,
            after,
        } = self.links.remove(key)?;
        match before.and_then(|before| self.links.get_mut(before)) {
            Some(link) => link.after = after,
            None => self.first = after,
        }
        match after.and_then(|after| self.links.get_mut(after)) {
            Some(link) => link.before = before,
            None => self.last = before,
        }
        Some(item)
    }
}
