//! The promises, a module for each group of them, run on both flavours.

mod log;
mod threads;

/// Every scenario, on the flavour for any number of threads.
#[path = "."]
mod shared {
    pub(crate) use slotcast::{Bus, Queue, Signal, Subscription, WeakBus, WeakSignal};

    #[path = "promises/mod.rs"]
    mod promises;
}

/// Every scenario, on the flavour for one thread.
#[path = "."]
mod local {
    pub(crate) use slotcast::local::{Bus, Queue, Signal, Subscription, WeakBus, WeakSignal};

    #[path = "promises/mod.rs"]
    mod promises;
}
