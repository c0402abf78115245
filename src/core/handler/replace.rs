//! Handlers that replace another one, whose subscription stays valid.
//!
//! The *original*, the entry that was subscribed, is removed from the roster and keeps what its
//! subscription sees: the state, the pauses and the limit. A *replacement* is an entry of the same kind
//! with the same key, sequence number, rank and filter, which reads state and limit through the original.
//! So the captures of the replaced handler are dropped with the last list that contains it, as those of
//! any handler are.

use std::any::{Any, TypeId};

use crate::core::handler::entry::{CallResult, Connection, Header, Keeper, WeakRef};
use crate::core::handler::erased::{HandlerRef, code};
use crate::core::handler::owner::Owner;
use crate::core::handler::registered::Registered;
use crate::core::primitives::flavour::Primitives;
use crate::error::ReplaceErrorKind;
use crate::failure::CallSite;
use crate::outcome::Outcome;
use crate::topic::any_event::TopicInfo;

/// The closure of a replacement. Only the type of its event is known.
pub(crate) trait ReplacementFn<M: Primitives, E>: 'static {
    fn call(
        &self,
        head: &Header<M>,
        topic_info: &TopicInfo,
        context: &mut dyn Any,
        event: &E,
    ) -> CallResult;
    /// Returns the closure itself, to hand it back.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// A closure, and how it is called: without the context, or with that of its type.
pub(crate) struct Replacement<F, A> {
    pub(crate) closure: F,
    pub(crate) adapter: A,
}

impl<M: Primitives, E, F, A, R> ReplacementFn<M, E> for Replacement<F, A>
where
    F: 'static,
    A: Fn(&F, &mut dyn Any, &E) -> R + 'static,
    R: Outcome,
{
    fn call(
        &self,
        head: &Header<M>,
        topic_info: &TopicInfo,
        context: &mut dyn Any,
        event: &E,
    ) -> CallResult {
        let outcome = (self.adapter)(&self.closure, context, event);
        code(head, Some(topic_info), outcome)
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        Box::new(self.closure)
    }
}

/// What a subscription passes to its entry, which alone knows the types.
pub(crate) struct ReplaceRequest<M: Primitives, E> {
    /// Taken out when the replacement is created.
    pub(crate) closure: Option<Box<dyn ReplacementFn<M, E>>>,
    /// The type of context that the closure takes, if any.
    pub(crate) context: Option<TypeId>,
    pub(crate) location: CallSite,
    pub(crate) original: WeakRef<M, dyn Connection<M>>,
}

/// The closure of a replacement, and what is dropped after it.
pub(crate) struct ReplacementCaptures<M: Primitives, E, P> {
    pub(crate) closure: Box<dyn ReplacementFn<M, E>>,
    /// The filter again, so that it is dropped after the closure.
    pub(crate) _filter: P,
    /// Dropped last: the captures of the original count as dropped when those of all replacements are.
    pub(crate) keeper: M::Ptr<Keeper<M>>,
}

/// Replaces a handler, or its latest replacement, by the closure of a [`ReplaceRequest`].
pub(crate) fn replace<M: Primitives, S: Owner<M>>(
    of: Registered<'_, M, S>,
    is_queued: bool,
    request: &mut dyn Any,
) -> Result<(), ReplaceErrorKind> {
    let Some(request) = request.downcast_mut::<ReplaceRequest<M, S::Event>>() else {
        return Err(ReplaceErrorKind::WrongType);
    };
    if is_queued {
        return Err(ReplaceErrorKind::Queued);
    }
    let Some(signal) = M::upgrade(of.signal) else {
        return Err(ReplaceErrorKind::Inactive);
    };
    if request
        .context
        .is_some_and(|wanted| wanted != TypeId::of::<S::Context>())
    {
        return Err(ReplaceErrorKind::WrongType);
    }
    let original = request.original.clone();
    let head = original.head();
    // Nothing in here is user code: it runs under the signal's lock.
    let make = |current: &HandlerRef<M, S::Context>| current.successor(request);
    let replaced = signal.exchange(head.key, head.sequence, make);
    replaced.then_some(()).ok_or(ReplaceErrorKind::Inactive)
}
