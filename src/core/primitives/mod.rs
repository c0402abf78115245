//! The primitives of both flavours, and the state of a thread.
//!
//! # What it owns
//!
//! - `clock`: the type of an instant, from `std` or from the page in a browser.
//! - `sync`: atomics, locks, thread-locals and process-wide values, from `std` or from the model
//!   checker.
//! - `flavour`: the pointers, locks and counters of [`Shared`](flavour::Shared) and
//!   [`Local`](flavour::Local), and the bound on what may be called from several threads.
//! - `hash`: the hash maps of the crate, with their hasher.
//! - `thread`: per thread, the depth of nested emissions, what is running, the queue being drained and
//!   the hook being called.
//! - `parking`: the one place where threads wait for a handler's captures to be dropped.
//! - `room`: where threads wait for room in a queue, and how they are let go.
//! - `unwind`: why the public types are unwind safe.
//!
//! # What it guarantees
//!
//! - A poisoned lock is recovered: no user code runs under one, so no invariant is left broken.
//! - [`Lock::with`](sync::Lock::with) takes a closure, so that the end of each lock is visible.
//! - The state of a thread needs no destructor, so signals work inside the destructors of other
//!   thread-locals.
//!
//! # What it does not know
//!
//! Handlers, signals, events and failures. It calls no user code. A signal, an entry or a queue is an
//! address here.
//!
//! # Decisions
//!
//! They are in the header of the file that they are about: why leaving a level stores the depth, and
//! where waiting is refused, in `thread`; how waits for room are ended, in `room`.

pub(crate) mod clock;
pub(crate) mod flavour;
pub(crate) mod hash;
pub(crate) mod parking;
pub(crate) mod room;
pub(crate) mod sync;
pub(crate) mod thread;
pub(crate) mod unwind;
