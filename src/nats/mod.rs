//! Topics over many machines: a [`Bridge`] between a bus and a NATS server.
//!
//! Placeholder for the page that follows.

mod api;
mod backoff;
mod bridge;
mod builder;
mod codec;
mod connection;
mod dead_letter;
mod deliver;
mod error;
mod group;
mod headers;
mod hub;
mod incoming;
mod into_route;
mod limits;
mod listener;
mod memory;
mod outgoing;
mod pull;
mod reader;
mod retry;
mod route;
mod sender;
mod sending;
mod starting;
mod state;
mod stats;
mod subject;
mod supervisor;
mod teller;
mod window;
mod wire;
mod worker;

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
