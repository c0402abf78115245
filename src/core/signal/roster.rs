//! Keeps the handlers of one signal, and their order. It knows no locks and never calls one, so
//! that it cannot be re-entered.

use slotmap::{Key as _, KeyData, SlotMap, new_key_type};

new_key_type! {
    /// A handler's place. Reused places get new keys; the order of keys means nothing.
    struct Key;
}

/// SignalExt places than this are given back once they are empty.
const MANY: usize = 64;

/// Handlers by key. `H` is a pointer to one. Keys may come back after the roster was empty.
pub(crate) struct Roster<H> {
    slots: SlotMap<Key, H>,
    /// No handler is let in any more. Invariant: then there are none.
    closed: bool,
    /// Handlers with a target that may die have been let in since it was last empty.
    pub(crate) has_weak: bool,
}

impl<H> Roster<H> {
    pub(crate) fn new() -> Self {
        Roster {
            slots: Self::few(),
            closed: false,
            has_weak: false,
        }
    }

    /// Room for three, which is what the allocator hands out anyway.
    fn few() -> SlotMap<Key, H> {
        SlotMap::with_capacity_and_key(3)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Lets in the handler that `make` makes for its key. O(1).
    pub(crate) fn insert(&mut self, make: impl FnOnce(u64) -> H) {
        debug_assert!(!self.closed);
        self.slots.insert_with_key(|key| make(key.data().as_ffi()));
    }

    pub(crate) fn get(&self, key: u64) -> Option<&H> {
        self.slots.get(Key::from(KeyData::from_ffi(key)))
    }

    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut H> {
        self.slots.get_mut(Key::from(KeyData::from_ffi(key)))
    }

    /// Lets go of those that are dead.
    pub(crate) fn prune(&mut self, is_dead: impl Fn(&H) -> bool) -> Vec<H> {
        let dead = self.slots.iter().filter(|(_, it)| is_dead(it));
        let dead: Vec<Key> = dead.map(|(key, _)| key).collect();
        let dead = dead.iter().filter_map(|key| self.slots.remove(*key));
        dead.collect()
    }

    /// Where the next handler needs more room, lets go of the dead first. Makes room for as many again
    /// as are left, so that n handlers that come cost O(n) in all.
    pub(crate) fn make_room(&mut self, is_dead: impl Fn(&H) -> bool) -> Vec<H> {
        if self.slots.len() < self.slots.capacity() {
            return Vec::new();
        }
        let dead = self.prune(is_dead);
        let left = self.slots.len();
        if left > self.slots.capacity() / 2 {
            self.slots.reserve(left);
        }
        dead
    }

    /// Lets go of a handler. O(1); `None` if it has gone already.
    pub(crate) fn remove(&mut self, key: u64) -> Option<H> {
        let gone = self.slots.remove(Key::from(KeyData::from_ffi(key)))?;
        if self.slots.is_empty() {
            self.has_weak = false;
        }
        if self.slots.is_empty() && self.slots.capacity() > MANY {
            // To look through the places of a crowd that has left would take as long as ever.
            self.slots = Self::few();
        }
        Some(gone)
    }

    /// Lets go of all.
    pub(crate) fn drain(&mut self) -> Vec<H> {
        let handlers = self.slots.drain().map(|(_, handler)| handler).collect();
        // The places of a crowd are not kept for the few that may come.
        self.slots = Self::few();
        self.has_weak = false;
        handlers
    }

    /// Lets go of all, and none in again.
    pub(crate) fn close(&mut self) -> Vec<H> {
        self.closed = true;
        self.drain()
    }

    /// All handlers, in no order: the caller sorts what it makes of them by rank.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &H> {
        self.slots.values()
    }
}
