//! The hash maps of the crate.

use foldhash::fast::RandomState;

/// A map whose hashes are seeded at random, once for a process and once more for each map.
///
/// SipHash, which the standard library has, made four fifths of the instructions of an emission by name. What this
/// hasher gives up is safety from those who can watch the times of many look-ups closely.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;
/// A set, likewise.
pub(crate) type HashSet<T> = std::collections::HashSet<T, RandomState>;
