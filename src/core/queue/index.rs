//! The number of each payload type in one queue: that of its lane, and of its free list.

use std::any::TypeId;
use std::collections::BTreeMap;

/// Gives each payload type a number of its own. Only ever grows, by one for each type that is
/// deferred.
#[derive(Default)]
pub(crate) struct Index {
    numbers: BTreeMap<TypeId, usize>,
    /// The last answer: mostly, events of one type come in a row.
    last: Option<(TypeId, usize)>,
}

impl Index {
    #[inline]
    pub(crate) fn number(&mut self, payload: TypeId) -> usize {
        match self.last {
            Some((last, number)) if last == payload => number,
            _ => self.look_up(payload),
        }
    }

    #[inline(never)]
    fn look_up(&mut self, payload: TypeId) -> usize {
        let next = self.numbers.len();
        let number = *self.numbers.entry(payload).or_insert(next);
        self.last = Some((payload, number));
        number
    }
}
