//! The flavours: what all layers of the core require of one, together.
//!
//! # What it owns
//!
//! [`Flavour`], which joins the traits that the layers declare for a flavour, and the bound [`SendBound`] on
//! what is handed over to the handlers' thread.
//!
//! # What it guarantees
//!
//! [`Shared`] and [`Local`] are the only flavours, and what may cross threads cannot be decided by users.
//!
//! # What it does not know
//!
//! What the layers do with a flavour: each declares its requirements in a trait of its own.
//!
//! # Decisions
//!
//! **One set of types for both flavours.** `flavour::Signal<M, E, C>` is written once, and
//! `slotcast::Signal` and `slotcast::local::Signal` are aliases. The requirement on a handler is one bound,
//! `M: SyncBound<F>` or `M: SendBound<F>`: `F: Send + Sync` or `F: Send` for [`Shared`], nothing for
//! [`Local`]. Two sets of thin types would have said everything twice, and would have diverged. The cost:
//! compiler messages name `Signal<Shared, E>`.
//!
//! **The bounds are sealed by blanket implementations.** `SyncBound` and `SendBound` decide what may cross
//! threads, so users must not be able to implement them. A private trait without a type parameter would
//! not have been enough, because `&'static dyn TheirTrait` counts as a type of theirs.
//!
//! **Methods that lend no context are those of `C = ()`.** On a bus with a context the compiler says that there is
//! no `emit`, and does not name `emit_with`. A bound with a message of its own does, but then the context of
//! `Bus::builder().build()` would have to be written out everywhere: nothing else says that it is `()`.

pub use crate::core::primitives::flavour::{Local, Shared, SyncBound};
use crate::core::queue::lanes::{LaneFor, QueueFlavour};
use crate::core::registry::registry::RegistryFlavour;
use crate::core::waiting::async_handler::{AsyncFlavour, FutureFor};

/// [`Shared`], for any number of threads, or [`Local`], for one. Sealed: there are no others.
///
/// In signatures of the generic types, `M` is the flavour, and `M::Ptr<T>` its reference-counted pointer: an
/// `Arc<T>` of `Shared`, an `Rc<T>` of `Local`. `M::Weak<T>` is the weak pointer to it. What can be sent to
/// other threads, or shared with them, are the types of a flavour that is `Send` and `Sync` itself: of `Shared`.
pub trait Flavour: sealed::Flavour {}
impl Flavour for Shared {}
impl Flavour for Local {}

/// The bound on what is moved to wherever this flavour's events are handled: `Send` for [`Shared`],
/// none for [`Local`]. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be sent between threads safely",
    label = "is not `Send`, or contains something that is not",
    note = "use an `Arc` instead of an `Rc`; `slotcast::local` takes events and closures of any kind"
)]
pub trait SendBound<T>: sealed::SendBound<T> {}
// Otherwise the error message would name the bounds of the sealed trait, which users cannot.
#[diagnostic::do_not_recommend]
impl<T, M: sealed::SendBound<T>> SendBound<T> for M {}

mod sealed {
    use super::{AsyncFlavour, FutureFor, LaneFor, Local, QueueFlavour, RegistryFlavour, Shared};

    pub trait Flavour: RegistryFlavour + QueueFlavour + LaneFor<()> + AsyncFlavour {}
    impl Flavour for Shared {}
    impl Flavour for Local {}

    pub trait SendBound<T>: super::Flavour + LaneFor<T> + FutureFor<T> {}
    impl<T: Send> SendBound<T> for Shared {}
    impl<T> SendBound<T> for Local {}
}
