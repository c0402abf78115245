//! Topics over many machines: a [`Bridge`] between a bus and a NATS server.
//!
//! Placeholder for the page that follows.

mod backoff;
mod bridge;
mod builder;
mod codec;
mod dead_letter;
mod deliver;
mod error;
mod headers;
mod into_route;
mod limits;
mod outgoing;
mod route;
mod sending;
mod state;
mod stats;

pub use self::backoff::Backoff;
pub use self::bridge::{Bridge, Stopped};
pub use self::builder::BridgeBuilder;
pub use self::codec::{Codec, Decode, Encode, Json, Own};
pub use self::dead_letter::DeadLetter;
pub use self::error::{BridgeError, FlushError, StartError};
pub use self::headers::{Headers, headers};
pub use self::into_route::{IntoReceive, IntoSend};
pub use self::limits::StreamLimits;
pub use self::route::{Core, Group, Reader, Receives, Retries, Route, Sends, Stored};
pub use self::state::State;
pub use self::stats::Stats;
