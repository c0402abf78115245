//! In-process events.

mod bus;
mod core;
mod emission;
mod error;
pub mod flavour;
pub mod local;
mod outcome;
mod queue;
mod shared;
mod signal;
mod subscribe;
mod subscription;
mod topic;

pub use crate::core::home::Panics;
pub use crate::emission::Emission;
pub use crate::error::{
    DeferError, DeferErrorKind, FailureKind, HandlerError, HandlerErrors, TopicError, WaitError,
    WrongType,
};
pub use crate::outcome::{BoxError, Flow, HandlerResult, Outcome};
pub use crate::queue::{Drained, PostError};
pub use crate::shared::{Bus, BusBuilder, Pause, Queue, Signal, Subscription, WeakBus, WeakSignal};
pub use crate::subscription::SubscriptionId;
pub use crate::topic::{Event, Topic};
