//! The inside: both flavours, once.

#![allow(
    missing_debug_implementations,
    reason = "nothing in here can be named from outside"
)]

pub(crate) mod buffer;
pub(crate) mod bus;
pub(crate) mod delayed;
pub(crate) mod demand;
pub(crate) mod drain;
pub(crate) mod emission;
pub(crate) mod entry;
pub(crate) mod faults;
pub(crate) mod flight;
pub(crate) mod group;
pub(crate) mod handlers;
pub(crate) mod held;
pub(crate) mod home;
pub(crate) mod hooks;
pub(crate) mod lanes;
pub(crate) mod latest;
pub(crate) mod mode;
pub(crate) mod parcel;
pub(crate) mod parking;
pub(crate) mod plain;
pub(crate) mod queue;
pub(crate) mod queued;
pub(crate) mod readers;
pub(crate) mod registry;
pub(crate) mod replace;
pub(crate) mod report;
pub(crate) mod retain;
pub(crate) mod room;
pub(crate) mod roster;
pub(crate) mod signal;
pub(crate) mod slot;
pub(crate) mod snapshot;
pub(crate) mod sync;
pub(crate) mod thread;
pub(crate) mod trace;
pub(crate) mod trie;
pub(crate) mod turns;
pub(crate) mod waiter;
pub(crate) mod wakes;
pub(crate) mod weak;
