//! The promises, a module for each group of them, run on both flavours.

#![allow(clippy::duplicate_mod, reason = "the scenarios run on both flavours")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![allow(
    clippy::arc_with_non_send_sync,
    reason = "the scenarios do not know their flavour"
)]

mod bounds;
mod compile_fail;
mod executors;
#[cfg(all(feature = "follow", feature = "jobs"))]
mod follow;
mod gate;
mod inside;
#[cfg(feature = "inspector")]
mod inspector;
#[cfg(feature = "jobs")]
mod jobs;
mod layers;
mod log;
mod memory;
mod model;
mod testing;
mod threads;
#[cfg(feature = "tracing")]
mod trace;
mod waiting;
mod wakes;

/// Every scenario, on the flavour for any number of threads.
#[path = "."]
mod shared {
    pub(crate) use slotcast::{
        Bus, EventStream, Next, Pause, Queue, Scope, Signal, Subscription, WeakBus, WeakSignal,
    };
    /// What weak targets are kept by.
    pub(crate) use std::sync::Arc as Ptr;

    #[path = "promises/mod.rs"]
    mod promises;
}

/// Every scenario, on the flavour for one thread.
#[path = "."]
mod local {
    pub(crate) use slotcast::local::{
        Bus, EventStream, Next, Pause, Queue, Scope, Signal, Subscription, WeakBus, WeakSignal,
    };
    /// What weak targets are kept by.
    pub(crate) use std::rc::Rc as Ptr;

    #[path = "promises/mod.rs"]
    mod promises;
}
