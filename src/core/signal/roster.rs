//! The handlers of one signal, by key. Contains no locks and never calls a handler, so it cannot be
//! re-entered.

use slotmap::{Key as _, KeyData, SlotMap, new_key_type};

new_key_type! {
    /// Identifies a handler. A reused slot has a new key; the order of keys has no meaning.
    struct Key;
}

/// If there are more slots than this, their memory is freed when the roster is empty.
const MANY: usize = 64;

/// Handlers by key. `H` is a pointer to one. Keys may be reused after the roster was empty.
pub(crate) struct Roster<H> {
    /// None until the first handler, because an empty one allocates.
    slots: Option<SlotMap<Key, H>>,
    /// New handlers are refused. If there are any, they are kept for events that were accepted before.
    closed: bool,
    /// Handlers with a weak target have been inserted since it was last empty.
    pub(crate) has_weak: bool,
    /// The signal belongs to a bus that exists. Here, because beside the other flags it takes no room.
    pub(crate) in_bus: bool,
    /// It is a pattern, and the topics that it matches know it.
    pub(crate) is_attached: bool,
    /// With so many handlers, they are looked at for those that accumulate.
    look_at: u32,
}

/// The least power of two that is not less.
fn power_of_two(n: usize) -> u32 {
    let n = u32::try_from(n).ok();
    n.and_then(u32::checked_next_power_of_two)
        .unwrap_or(u32::MAX)
}

impl<H> Roster<H> {
    /// `many`: from so many handlers on they are looked at; 0 for never.
    pub(crate) fn new(in_bus: bool, many: usize) -> Self {
        Roster {
            slots: None,
            closed: false,
            has_weak: false,
            in_bus,
            is_attached: false,
            look_at: match many {
                0 => u32::MAX,
                many => power_of_two(many),
            },
        }
    }

    /// Returns whether the handlers are to be looked at for those that accumulate: with a power of two of them that
    /// has not been there before.
    #[inline]
    pub(crate) fn is_many(&mut self) -> bool {
        let len = self.len();
        if len < self.look_at as usize {
            return false;
        }
        self.look_at = power_of_two(len + 1);
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.as_ref().map_or(0, SlotMap::len)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether to iterate takes no longer than over a few handlers.
    pub(crate) fn has_few_slots(&self) -> bool {
        self.slots.as_ref().is_none_or(|it| it.capacity() <= MANY)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Inserts the handler that `make` creates for its key. O(1).
    pub(crate) fn insert(&mut self, make: impl FnOnce(u64) -> H) {
        debug_assert!(!self.closed);
        self.slots
            .get_or_insert_with(SlotMap::with_key)
            .insert_with_key(|key| make(key.data().as_ffi()));
    }

    pub(crate) fn get(&self, key: u64) -> Option<&H> {
        self.slots.as_ref()?.get(Key::from(KeyData::from_ffi(key)))
    }

    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut H> {
        self.slots
            .as_mut()?
            .get_mut(Key::from(KeyData::from_ffi(key)))
    }

    /// Removes and returns the dead handlers.
    pub(crate) fn prune(&mut self, is_dead: impl Fn(&H) -> bool) -> Vec<H> {
        let Some(slots) = &mut self.slots else {
            return Vec::new();
        };
        let dead = slots.iter().filter(|(_, it)| is_dead(it));
        let dead: Vec<Key> = dead.map(|(key, _)| key).collect();
        let dead = dead.iter().filter_map(|key| slots.remove(*key));
        dead.collect()
    }

    /// Removes and returns the dead handlers if the next one would exceed the capacity. Then reserves
    /// capacity for as many again as are left, so that adding n handlers costs O(n) in all.
    pub(crate) fn make_room(&mut self, is_dead: impl Fn(&H) -> bool) -> Vec<H> {
        let is_full = |slots: &mut SlotMap<Key, H>| slots.len() == slots.capacity();
        if !self.slots.as_mut().is_some_and(is_full) {
            return Vec::new();
        }
        let dead = self.prune(is_dead);
        if let Some(slots) = &mut self.slots {
            let left = slots.len();
            if left > slots.capacity() / 2 {
                slots.reserve(left);
            }
        }
        dead
    }

    /// Removes and returns a handler. O(1); `None` if it was removed already.
    pub(crate) fn remove(&mut self, key: u64) -> Option<H> {
        let slots = self.slots.as_mut()?;
        let removed = slots.remove(Key::from(KeyData::from_ffi(key)))?;
        if slots.is_empty() {
            self.has_weak = false;
            if slots.capacity() > MANY {
                // Iterating over many free slots would take as long as over as many handlers.
                self.slots = None;
            }
        }
        Some(removed)
    }

    /// Removes and returns all handlers.
    pub(crate) fn drain(&mut self) -> Vec<H> {
        self.has_weak = false;
        // Slots for many are not kept for the few that may be added later.
        let slots = self.slots.take();
        slots.into_iter().flatten().map(|(_, it)| it).collect()
    }

    /// Refuses new handlers from now on.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// All handlers, in no order. The caller sorts them by rank.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &H> {
        self.slots.iter().flat_map(SlotMap::values)
    }
}
