//! The topics and the patterns of one bus, by name.
//!
//! # What it owns
//!
//! - `registry`: the topics and patterns of a bus, each name with its payload type. `table`: where it keeps them.
//! - `trie`: the index from patterns to topics and from names to patterns.
//! - `listed`: a signal of any payload type, referenced weakly.
//! - `by_name`: emissions to a topic by its name.
//! - `without_topic`: emissions to a name whose topic does not exist.
//! - `wiring`: who listens to what.
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
//!
//! **Emissions look names up without a lock.** With a lock and a reference to the topic, two threads together made a
//! tenth of the emissions of one. So an emission announces in a slot of its own thread that it reads the table of
//! names (see [`Guarded`](crate::core::reclaim::publication::Guarded)), and takes from there what a topic has
//! published. A change of the table waits until the readers have left it, which they do before they call anybody, and
//! keeps the others out until one of them has come by the lock. The alternative, to publish a new table with each
//! change, makes each new topic O(topics).
//!
//! **An emission by name keeps a topic that has patterns, and no other.** Whether a thread is inside of a pattern's
//! handler is asked of the registry, by the topic, which has to be there for as long as the emission. Its own handlers
//! know their topic. So a topic without patterns goes as soon as its last handler is cancelled, though an emission by
//! its name runs, and one with patterns costs a lock and a reference.
//!
//! **A topic that is being dropped is in the table until it has left.** It cannot be told of a new pattern or of
//! a new hook for unhandled events. Whoever fails to tell it takes it off the table.

pub(crate) mod by_name;
pub(crate) mod listed;
pub(crate) mod registry;
mod table;
pub(crate) mod trie;
pub(crate) mod wiring;
pub(crate) mod without_topic;
