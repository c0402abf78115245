//! Scenarios that do not know their flavour.

use super::{
    Bus, EventStream, Next, Pause, Ptr, Queue, Scope, Signal, Subscription, WeakBus, WeakSignal,
};

mod accepted;
mod attacks;
mod awaited;
mod calls;
mod changes;
mod clearing;
mod dead_targets;
mod drops;
mod failure;
mod hooks;
mod kept;
mod kept_with_context;
mod lazy;
mod lifetimes;
mod misuse;
mod nested_drains;
mod nothing_lost;
mod order;
mod patterns;
mod pauses;
mod queue;
mod queue_model;
mod queue_room;
mod queue_time;
mod reported;
mod state;
mod timers;
mod waiting;
mod wiring;
