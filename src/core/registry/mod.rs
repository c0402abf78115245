//! The topics and the patterns of one bus, by name.
//!
//! # What it owns
//!
//! - `registry`: the topics and patterns of a bus, each name with its payload type.
//! - `trie`: the index from patterns to topics and from names to patterns.
//! - `listed`: a signal of any payload type, referenced weakly.
//! - `without_topic`: emissions to a name whose topic does not exist.
//!
//! # What it guarantees
//!
//! - The registry keeps no topic and no pattern alive. A topic is kept by its handles, its handlers and its
//!   waiting events, a pattern by its handlers; handlers keep theirs only as long as the bus exists.
//! - A name has one payload type while its topic exists.
//! - No user code runs under the registry's lock. References that are upgraded under it are moved out of
//!   the lock and dropped outside.
//! - The registry's lock and a topic's lock are never held together. Either may be taken while the lock of
//!   a signal's retained events is held, and before the lock of a pattern whose handlers a topic collects.
//!
//! # What it does not know
//!
//! Queues and waiting futures. Which handlers a signal has, and in which order they run.
//!
//! # Decisions
//!
//! **Topics are in the trie once there was a pattern.** There a topic takes as much memory and time again as it does
//! otherwise, and a bus without patterns never looks for them. So the first pattern of a bus costs O(topics).
//!
//! **Patterns are matched when a topic or a pattern is added**, in a trie, and not by emissions of a topic
//! that exists: a topic holds the patterns that match it, and takes their handlers into its own snapshot by
//! rank. A pattern notes which topics have done so, and when its handlers change, it invalidates those alone: a
//! hundred changes in a row of a pattern that ten thousand topics match tell each of them once. Only its first handler
//! looks for all topics, in the trie.
//!
//! **An emission to a name without a topic creates nothing.** The bus collects the handlers of the matching
//! patterns, with one look-up in the trie however many patterns there are, and calls them without a
//! snapshot. Nothing of the name is stored, so names that are used once cost no memory.
//!
//! **A topic is looked up by name for each call of the bus.** A handle
//! ([`Bus::signal`](crate::flavour::Bus::signal)) does without: its emissions do not use the registry.

pub(crate) mod listed;
pub(crate) mod registry;
pub(crate) mod trie;
pub(crate) mod without_topic;
