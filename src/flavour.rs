//! The types of both flavours, generic over the flavour: for code that works with either.
//!
//! Programs name [`slotcast::Bus`](crate::Bus) or [`slotcast::local::Bus`](crate::local::Bus),
//! which are aliases of these types for one flavour, with an introduction and examples. The flavour decides the bounds of handlers and
//! events, by two traits: [`SyncBound`] for what threads share by reference, [`SendBound`] for
//! what is handed from one to another.
//!
//! # Examples
//!
//! ```
//! use slotcast::flavour::{Flavour, Shared, Local, Signal};
//!
//! fn count<M: Flavour, E: 'static>(signal: &Signal<M, E>) -> usize {
//!     signal.len()
//! }
//! assert_eq!(count::<Shared, u32>(&slotcast::Signal::new()), 0);
//! assert_eq!(count::<Local, u32>(&slotcast::local::Signal::new()), 0);
//! ```

pub use crate::bus::builder::BusBuilder;
#[cfg(feature = "follow")]
pub use crate::bus::following::Following;
pub use crate::bus::{Bus, WeakBus};
pub use crate::core::flavour::{Flavour, Local, SendBound, Shared, SyncBound};
pub use crate::futures::emit_all::EmitAll;
pub use crate::futures::emit_async::EmitAsync;
pub use crate::futures::next::Next;
pub use crate::futures::skip_lag::SkipLag;
pub use crate::futures::stream::EventStream;
pub use crate::queue::Queue;
pub use crate::queue::delayed::Delayed;
pub use crate::queue::loops::Ready;
pub use crate::signal::demand::Demand;
pub use crate::signal::pause::Pause;
pub use crate::signal::scope::Scope;
pub use crate::signal::subscribe::Subscribe;
pub use crate::signal::subscription::Subscription;
pub use crate::signal::{Signal, WeakSignal};
