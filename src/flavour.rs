//! The types of both flavours, by flavour: for code that works with either.
//!
//! Programs name [`slotcast::Bus`](crate::Bus) or [`slotcast::local::Bus`](crate::local::Bus),
//! which are these types with the flavour filled in. The flavour decides what handlers and events
//! have to be, by two traits: [`Shares`] for what is called by reference, [`Carries`] for what is
//! handed over.
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

use crate::core::mode::Mode;

pub use crate::builder::BusBuilder;
pub use crate::bus::{Bus, WeakBus};
pub use crate::core::mode::{Carries, Local, Shared, Shares};
pub use crate::delayed::Delayed;
pub use crate::demand::Demand;
pub use crate::emit_all::EmitAll;
pub use crate::emit_async::EmitAsync;
pub use crate::next::Next;
pub use crate::queue::Queue;
pub use crate::ready::Ready;
pub use crate::scope::Scope;
pub use crate::signal::{Signal, WeakSignal};
pub use crate::stream::EventStream;
pub use crate::subscribe::Subscribe;
pub use crate::subscription::{Pause, Subscription};

/// [`Shared`] or [`Local`]. Sealed.
pub trait Flavour: Mode {}
impl Flavour for Shared {}
impl Flavour for Local {}
