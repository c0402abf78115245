//! Handlers that end with something else, are called in turns, or take another handler's place.

use super::{Bus, EventStream, Ptr, Queue, Scope, Signal, Subscription, WeakSignal};

mod forwarding;
mod owners;
mod replacing;
mod scopes;
mod self_cancel;
mod turns;
mod weak;
