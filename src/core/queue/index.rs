//! Which lane has which type.

use std::any::TypeId;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Hands a `TypeId` on as it is: it is a hash already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            self.0 = chunk
                .iter()
                .fold(self.0, |sum, byte| (sum << 8) ^ u64::from(*byte));
        }
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Which lane has which type. Only ever grows, by one for each type that is deferred.
#[derive(Default)]
pub(crate) struct Index {
    numbers: HashMap<TypeId, usize, BuildHasherDefault<Identity>>,
    /// The one asked for last: most events follow their like.
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
