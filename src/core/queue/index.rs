//! The number of each payload type in one queue: that of its lane, and of its free list.

use std::any::TypeId;
use std::collections::BTreeMap;

/// Gives each payload type a number of its own. Only ever grows, by one for each type that is
/// deferred.
pub(crate) struct Index {
    numbers: BTreeMap<TypeId, usize>,
    /// The last answer: mostly, events of one type come in a row.
    last: (TypeId, usize),
}

impl Default for Index {
    fn default() -> Self {
        Index {
            numbers: BTreeMap::new(),
            // No payload has this type.
            last: (TypeId::of::<Index>(), 0),
        }
    }
}

impl Index {
    /// The number that was given last, which is the right one if its lane is of the payload type.
    #[inline]
    pub(crate) fn last(&self) -> usize {
        self.last.1
    }

    #[inline]
    pub(crate) fn number(&mut self, payload: TypeId) -> usize {
        let (last, number) = self.last;
        if last == payload {
            return number;
        }
        self.look_up(payload)
    }

    #[inline(never)]
    fn look_up(&mut self, payload: TypeId) -> usize {
        let next = self.numbers.len();
        let number = *self.numbers.entry(payload).or_insert(next);
        self.last = (payload, number);
        number
    }
}
