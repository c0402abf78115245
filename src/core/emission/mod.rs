//! Emissions: where the handlers of signals are called.
//!
//! # What it owns
//!
//! - `call`: the loop that calls handlers. `summary`: its result, in two registers.
//! - `run`: emissions that read the published snapshot of a signal.
//! - `gathered`: emissions that collect their handlers themselves. `followed`: those of a bus that is followed.
//! - `retained`: the events that a signal retains, and handing them to new handlers.
//! - `forward`: handlers that emit on another signal.
//!
//! # What it guarantees
//!
//! - Handlers are called on the emitting thread, without a lock, in the order of the list.
//! - A panic or an error of a handler keeps no other from being called. The failures of an emission are
//!   collected after its handlers were released, so that panics of captures are among them.
//! - An emission allocates nothing if a snapshot is published and nothing fails.
//! - Each depth of nesting has one emission, with at most one hazard slot.
//!
//! # What it does not know
//!
//! Names and patterns, queues, futures and streams: all of these add handlers, or run emissions.
//!
//! # Decisions
//!
//! **The loop.** There is one `catch_unwind` around all handlers, entered again after a panic. The position is
//! in a register, is written to memory by a drop guard when unwinding, and advances after the call. Results that
//! are not plain leave the inner loop: a match inside of it cost 20 to 40 % at 1024 handlers. More than eight
//! handlers are called by a copy of the loop that is not inlined and has the registers to itself; for one handler
//! that call would cost 1 of 5.2 ns. It calls four handlers per iteration, which saves jumps, and gives each of
//! the four calls its own entry in the processor's prediction of indirect jumps: 64 handlers of eight types in no
//! order take 133 ns, and 250 with one call per iteration. Short lists use two per iteration; four made an
//! emission to one handler 3.5 ns slower. A handler whose code straddles two cache lines still costs a cycle; its
//! position is up to the program's linker.
//!
//! **Emissions that retain events take a strong reference to each handler instead of publishing a list.**
//! Retaining an event and finding its receivers has to be one step, as seen by a thread that subscribes, and a
//! list that is read without a lock cannot be part of it. So they cost a lock and a count for each handler, and
//! all other emissions nothing. Where an event removes a handler it is the same, for another reason: see
//! [`signal`](crate::core::signal). Two alternatives: a sequence limit stored in each snapshot would have kept them
//! fast; a list of the handlers that were handed events has entries of which it is unknown when they can be
//! removed.
//!
//! **Forwarding is a handler with a weak target.** The inner emission reports its failures itself, as one that a
//! handler makes. A `Stop` in it ends only it, because two signals have two orders. A closed target counts as
//! dead.

pub(crate) mod call;
#[cfg(feature = "follow")]
pub(crate) mod followed;
pub(crate) mod forward;
pub(crate) mod gathered;
pub(crate) mod retained;
pub(crate) mod run;
pub(crate) mod summary;
