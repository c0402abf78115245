//! The private core, written once for both flavours.
//!
//! The folders, from the bottom up. Each imports only from those above it in this list, which
//! `tests/it/layers.rs` checks.
//!
//! 1. `primitives`: atomics, locks and pointers of a flavour, and the state of a thread.
//! 2. `failure`: panics and errors of user code, until they are reported.
//! 3. `reclaim`: when memory and captures are freed: two counts, hazard slots, published snapshots.
//! 4. `settings`: what the signals of a bus share, hooks, and what failures are blamed on.
//! 5. `handler`: one handler, whatever it calls.
//! 6. `signal`: the handlers of one signal, changes to them, and the snapshot that is published.
//! 7. `emission`: the loop that calls handlers.
//! 8. `registry`, `queue`, `waiting`: topics by name; deferred events; futures, streams and async
//!    handlers. These three do not know each other.
//! 9. `mode`: a flavour, as all layers together need it.
//! 10. `bus`: a registry and a queue.

#![allow(
    clippy::module_inception,
    reason = "the main file of a folder has the folder's name"
)]
#![allow(
    missing_debug_implementations,
    reason = "nothing in here can be named from outside"
)]

pub(crate) mod bus;
pub(crate) mod emission;
pub(crate) mod failure;
pub(crate) mod flavour;
pub(crate) mod follow;
pub(crate) mod handler;
pub(crate) mod primitives;
pub(crate) mod queue;
pub(crate) mod reclaim;
pub(crate) mod registry;
pub(crate) mod settings;
pub(crate) mod signal;
pub(crate) mod waiting;
