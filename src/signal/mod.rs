//! The public types of one signal: the signal, its builder for handlers, subscriptions, scopes, and
//! the result of an emission.
//!
//! *Owns*: documentation and bounds. Each method forwards to `crate::core`: subscribing and removing
//! to `core::signal`, emitting to `core::emission`, the kinds of handlers to `core::handler`. Only
//! [`Scope`](scope::Scope) has state of its own, a list of subscriptions.
//!
//! *Guarantees*: what each method documents, promises 1 to 15 of the crate for one signal. A first
//! panic that has to resume does so in [`Emission::finish`], on the emitter's stack and outside of the
//! emission.
//!
//! *Does not know*: names and patterns, except as text for errors; the public queue, bus, futures and
//! streams. `Subscribe::on_queue` is in `crate::queue`; `Signal::defer`, `next`, `stream` and `emit_async`, and
//! the settings of a signal, are in `crate::signal_ext`, as further `impl` blocks.
//!
//! *Decisions*: what a scope prunes is in [`scope`]. All others belong to the core.

pub(crate) mod connecting;
pub(crate) mod demand;
pub(crate) mod emission;
pub(crate) mod emitting;
pub(crate) mod forward;
pub(crate) mod pause;
pub(crate) mod scope;
pub(crate) mod subscribe;
pub(crate) mod subscription;

pub use crate::signal::connecting::Signal;

use std::fmt;

use crate::core::flavour::Flavour;
use crate::core::primitives::unwind::unwind_safe;
use crate::core::queue::queue::Queue;
use crate::core::signal::signal::Signal as Core;

#[doc = include_str!("../flavour/weak_signal.md")]
pub struct WeakSignal<M: Flavour, E, C: 'static = ()> {
    pub(crate) core: M::Weak<Core<M, E, C>>,
    pub(crate) queue: Option<M::Weak<Queue<M, C>>>,
}

impl<M: Flavour, E: 'static, C: 'static> WeakSignal<M, E, C> {
    /// Returns the signal, if it still exists. The returned handle keeps it alive.
    #[must_use]
    pub fn upgrade(&self) -> Option<Signal<M, E, C>> {
        let core = M::upgrade(&self.core)?;
        Some(Signal {
            core,
            queue: self.queue.as_ref().and_then(M::upgrade),
        })
    }
}

impl<M: Flavour, E: 'static, C: 'static> Default for Signal<M, E, C> {
    fn default() -> Self {
        Self::with_context()
    }
}

impl<M: Flavour, E, C> Clone for Signal<M, E, C> {
    fn clone(&self) -> Self {
        Signal {
            core: self.core.clone(),
            queue: self.queue.clone(),
        }
    }
}

impl<M: Flavour, E, C> Clone for WeakSignal<M, E, C> {
    fn clone(&self) -> Self {
        WeakSignal {
            core: self.core.clone(),
            queue: self.queue.clone(),
        }
    }
}

impl<M: Flavour, E, C> fmt::Debug for Signal<M, E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("topic", &self.core.info.name().as_str())
            .field("len", &self.core.len())
            .field("is_closed", &self.core.is_closed())
            .finish()
    }
}

impl<M: Flavour, E, C> fmt::Debug for WeakSignal<M, E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSignal")
            .field("exists", &M::exists(&self.core))
            .finish()
    }
}

unwind_safe! {
    [M: Flavour, E, C] Signal<M, E, C>;
    [M: Flavour, E, C] WeakSignal<M, E, C>;
}
