//! Scenarios that do not know their flavour.

use super::{Bus, Ptr, Queue, Scope, Signal, Subscription, WeakBus, WeakSignal};

mod attacks;
mod changes;
mod drops;
mod failure;
mod lifetimes;
mod misuse;
mod order;
mod queue;
