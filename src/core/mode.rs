//! A flavour, as the whole of the core needs it: what each layer asks for, together.

pub use crate::core::primitives::flavour::{Local, Shared, Shares};
use crate::core::queue::lanes::{Queues, Stores};
use crate::core::registry::registry::Registers;
use crate::core::waiting::async_handler::{Async, Spawns};

/// The private half of [`Flavour`](crate::flavour::Flavour).
pub trait Mode: Registers + Queues + Async {}
impl Mode for Shared {}
impl Mode for Local {}

/// What may be handed over to wherever this flavour's events are handled: for [`Shared`] anything
/// `Send`, for [`Local`] anything. Sealed.
pub trait Carries<T>: sealed::Carries<T> {}
impl<T, M: sealed::Carries<T>> Carries<T> for M {}

mod sealed {
    use super::{Local, Mode, Shared, Spawns, Stores};

    pub trait Carries<T>: Mode + Stores<T> + Spawns<T> {}
    impl<T: Send> Carries<T> for Shared {}
    impl<T> Carries<T> for Local {}
}
