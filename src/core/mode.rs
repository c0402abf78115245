//! A flavour, as the whole of the core needs it: what each layer asks for, together.

pub use crate::core::primitives::flavour::{Local, Shared, SyncBound};
use crate::core::queue::lanes::{LaneFor, QueueFlavour};
use crate::core::registry::registry::RegistryFlavour;
use crate::core::waiting::async_handler::{AsyncFlavour, FutureFor};

/// The private half of [`Flavour`](crate::flavour::Flavour).
pub trait Mode: RegistryFlavour + QueueFlavour + AsyncFlavour {}
impl Mode for Shared {}
impl Mode for Local {}

/// What may be handed over to wherever this flavour's events are handled: for [`Shared`] anything
/// `Send`, for [`Local`] anything. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be moved to another thread, as the shared flavour needs it",
    label = "is not `Send`, or contains something that is not",
    note = "use an `Arc` instead of an `Rc`; `slotcast::local` takes events and closures of any kind"
)]
pub trait SendBound<T>: sealed::SendBound<T> {}
// Else the message would be about the bounds of the sealed trait, which nobody can name.
#[diagnostic::do_not_recommend]
impl<T, M: sealed::SendBound<T>> SendBound<T> for M {}

mod sealed {
    use super::{FutureFor, LaneFor, Local, Mode, Shared};

    pub trait SendBound<T>: Mode + LaneFor<T> + FutureFor<T> {}
    impl<T: Send> SendBound<T> for Shared {}
    impl<T> SendBound<T> for Local {}
}
