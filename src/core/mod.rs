//! The inside: both flavours, once.

#![allow(
    missing_debug_implementations,
    reason = "nothing in here can be named from outside"
)]

pub(crate) mod bus;
pub(crate) mod emission;
pub(crate) mod failure;
pub(crate) mod handler;
pub(crate) mod mode;
pub(crate) mod primitives;
pub(crate) mod queue;
pub(crate) mod reclaim;
pub(crate) mod registry;
pub(crate) mod settings;
pub(crate) mod signal;
pub(crate) mod waiting;
