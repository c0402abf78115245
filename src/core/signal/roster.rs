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
    look: NextLook,
}

/// With how many handlers they are looked at for those that accumulate: twice that, and one more if it is a near one.
#[derive(Clone, Copy)]
struct NextLook(u32);

impl NextLook {
    /// Before the first handler.
    const NEVER: Self = NextLook::at(usize::MAX, false);

    const fn at(len: usize, is_near: bool) -> Self {
        let len = if len < NEVER {
            len as u32
        } else {
            NEVER as u32
        };
        NextLook(len * 2 + is_near as u32)
    }

    fn len(self) -> usize {
        self.0 as usize / 2
    }

    fn is_near(self) -> bool {
        self.0 % 2 == 1
    }
}

/// No roster has so many handlers.
const NEVER: usize = u32::MAX as usize / 2;

impl<H> Roster<H> {
    pub(crate) fn new(in_bus: bool) -> Self {
        Roster {
            slots: None,
            closed: false,
            has_weak: false,
            in_bus,
            is_attached: false,
            look: NextLook::NEVER,
        }
    }

    /// Returns whether the handlers are to be looked at for those that accumulate, after one was inserted. `many`:
    /// from so many on they are looked at for the first time, and again after most of them have gone; 0 for never.
    #[inline]
    pub(crate) fn is_many(&mut self, many: impl FnOnce() -> usize) -> bool {
        let len = self.len();
        if len < self.look.len() / 8 {
            let many = match many() {
                0 => NEVER,
                many => many,
            };
            self.look = NextLook::at(many.max(len), false);
        }
        len >= self.look.len()
    }

    /// Records that the handlers were looked at, and that with `missing` more there may be something to tell, of the
    /// line with the most handlers with `of_most` more. That one is told at the number itself, others when there are
    /// an eighth more: of two steps, one is so long, so that to insert n handlers costs O(n) in all.
    pub(crate) fn looked(&mut self, missing: usize, of_most: usize) {
        let (len, far) = (self.len(), self.len() / 8);
        let is_near = of_most < far && !self.look.is_near();
        let step = if is_near { of_most } else { missing.max(far) };
        self.look = NextLook::at(len.saturating_add(step.max(1)), is_near);
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
