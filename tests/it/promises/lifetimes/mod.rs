//! Handlers that end with something else, are called in turns, or take another handler's place.

use super::{Bus, Ptr, Queue, Scope, Signal, Subscription, WeakSignal};

mod forwarding;
mod replacing;
mod scopes;
mod self_cancel;
mod turns;
mod weak;
