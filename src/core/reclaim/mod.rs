//! When memory and captures are freed: two counts per entry, hazard slots, published snapshots.
//!
//! # What it owns
//!
//! - `counted`: an allocation with a strong count for what was captured and a weak count for the memory; parts of
//!   captures that are dropped apart from the others.
//! - `hazard`: one published pointer with many readers, hazard slots, and gates. `slots`: the slots of each thread.
//! - `publication`: the same with the type of what is published, and without `unsafe` for its callers. Also a value that
//!   is changed under a lock, and read without it.
//!
//! # What it guarantees
//!
//! - Captures are dropped once, by the thread that drops the last strong reference, and outside of locks if
//!   references are dropped outside of locks. The memory is freed with the last weak reference.
//! - A snapshot is freed by whichever releases its last count: the publication, a counted reader, or a
//!   reader whose debt was paid. Nothing is freed later than that.
//! - A reader of a published snapshot takes no lock and waits for no other thread. The local flavour counts
//!   its readers instead.
//! - Whoever changes a guarded value waits for its readers, who run no user code and wait for nobody.
//!
//! # What it does not know
//!
//! Handlers, signals and events. What is published is a type parameter; a snapshot is known to the slots
//! by its header alone.
//!
//! # Decisions
//!
//! **The read side: hazard slots with debts, of our own.** Eight candidates were put behind the publication
//! and measured in one sitting, in turn, minima of eight rounds, before the loop was last tuned (two shared
//! cores, Zen 4, Rust 1.95; ns for one emission by a call that is not inlined; the last two columns: million
//! emissions per second with four handlers, and the ratio of the two):
//!
//! | read side | 0 handlers | 1 | 4 | 64 | one thread | two threads |
//! |---|---|---|---|---|---|---|
//! | hazard slots with debts (chosen) | 3.4 | 7.7 | 11.0 | 91 | 131 | 259 (1.98) |
//! | counts in shards | 3.1 | 8.6 | 11.7 | 91 | 123 | 237 (1.93) |
//! | `RwLock<Option<Arc>>` | 3.0 | 9.1 | 12.0 | 91 | 101 | 96 (0.96) |
//! | `crossbeam-epoch` | 3.2 | 9.3 | 12.7 | 109 | 110 | 191 (1.73) |
//! | `hazarc` | 3.1 | 9.8 | 12.7 | 93 | 107 | 208 (1.95) |
//! | `arc-swap` | 3.2 | 10.7 | 13.7 | 93 | 103 | 198 (1.93) |
//! | `seize` | 3.3 | 12.4 | 15.2 | 93 | 98 | 192 (1.96) |
//! | the signal's lock (`slotcast_lock_reads`) | 1.9 | 14.9 | 17.6 | 97 | 60 | 53 (0.89) |
//!
//! - Epochs and `seize` free late, which breaks promise 13 and leaves promise 5 nothing to wait for.
//! - Shards cost each signal their memory, idle ones too.
//! - The lock and the `RwLock` do not scale, and the first reader that is preempted delays all others.
//! - `arc-swap` does what we do, but searches for a free slot, and the model checker cannot see into it.
//!   Under stress 1.9.3, like `hazarc` 0.2.0, was seen to load the value of another cell that had been
//!   allocated at the same address; vorner/arc-swap#210 may be a case of that.
//!
//! Ours has its `unsafe` in three files, and is modelled by loom together with all of the crate that uses it. Loom
//! found one ordering too weak in it (the planted fault `Unacquired` is that mistake). What the models cannot
//! see: a snapshot that is allocated at the address of another signal's. Therefore the count and the function
//! that frees are in a header without types, and `threads.rs` provokes the case under the address sanitizer.
//! Emissions nested more than eight deep, and emissions while a thread ends, take the signal's lock. With
//! `--cfg slotcast_lock_reads` all emissions do.
//!
//! **Captures and memory are counted apart.** A `Weak` to the entry would do for subscriptions, but not for
//! the waiting cancel: while another thread drops the captures a `Weak` is dead already, and there is nothing
//! to wait on. With two counts the state outlives the captures and records when they have been dropped.
//!
//! **No slot is in use while user code runs outside of an emission.** Each depth has one slot, so an emission
//! that such code makes could not get it. A drain drops its read guard before events, reports and payloads are
//! dropped.

pub(crate) mod counted;
pub(crate) mod hazard;
pub(crate) mod publication;
mod slots;
