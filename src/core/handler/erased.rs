//! Events whose type was erased, and what handlers return.

#![allow(
    unsafe_code,
    reason = "gives the event of an emission its type back without comparing it for each handler"
)]

use std::any::{Any, TypeId};
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::core::handler::entry::{CallResult, Header, Rank, StrongRef, WeakRef, state};
use crate::core::handler::failures;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Word;
use crate::core::reclaim::counted::Allocation;
use crate::outcome::{Flow, Outcome};
use crate::topic::any_event::{AnyEvent, TopicInfo};

/// Turns what a handler returned into a result of the call.
#[inline(always)]
pub(crate) fn code<M: Primitives>(
    head: &Header<M>,
    topic_info: Option<&TopicInfo>,
    outcome: impl Outcome,
) -> CallResult {
    match outcome.settle() {
        Ok(Flow::Continue) => CallResult::Ran,
        Ok(Flow::Stop) => CallResult::Stopped,
        Err(error) => failures::failed(head, topic_info, error),
    }
}

/// Whether the handlers of this event are those of a pattern, which take any.
#[inline(always)]
pub(crate) fn is_any<E: 'static>() -> bool {
    // Both are known to the compiler.
    TypeId::of::<E>() == TypeId::of::<AnyEvent>()
}

/// The event of an emission, whose type only the handlers know. Together with the context of the same
/// `'r`, which no other emission has.
#[derive(Clone, Copy)]
pub struct ErasedEvent<'r> {
    event: NonNull<()>,
    emission: Emission<'r>,
}

/// Makes `'r` the name of one emission: it can be neither longer nor shorter.
type Emission<'r> = PhantomData<fn(&'r ()) -> &'r ()>;

/// What an emission gives to each of its handlers beside the event.
pub struct EmitContext<'r, C> {
    pub(crate) context: &'r mut C,
    topic_info: &'r TopicInfo,
    emission: Emission<'r>,
}

impl<C> EmitContext<'_, C> {
    /// Begins to call handlers with an event.
    ///
    /// # Safety
    ///
    /// `topic_info` names the type `E`, and `f` calls handlers of signals of `E` and of patterns only, and
    /// their replacements.
    #[inline(always)]
    pub(crate) unsafe fn with<E: 'static, R>(
        event: &E,
        topic_info: &TopicInfo,
        context: &mut C,
        f: impl for<'r> FnOnce(ErasedEvent<'r>, &mut EmitContext<'r, C>) -> R,
    ) -> R {
        debug_assert!(topic_info.is_of::<E>());
        let emission = PhantomData;
        let event = ErasedEvent {
            event: NonNull::from(event).cast(),
            emission,
        };
        let mut cx = EmitContext {
            context,
            topic_info,
            emission,
        };
        f(event, &mut cx)
    }
}

impl<'r, C> EmitContext<'r, C> {
    #[inline(always)]
    pub(crate) fn topic_info(&self) -> &'r TopicInfo {
        self.topic_info
    }
}

/// A handler, as an emission sees it: of whatever event, so that those of patterns stand in one list
/// with the others.
pub trait DynHandler<M: Primitives, C>: Allocation<M, Header = Header<M>> {
    /// Calls the handler with the event of an emission, unless it is removed, paused, filtered out or
    /// used up.
    fn call<'r>(&self, event: ErasedEvent<'r>, cx: &mut EmitContext<'r, C>) -> CallResult;
    /// Makes a call that was claimed.
    fn enter<'r>(&self, event: ErasedEvent<'r>, cx: &mut EmitContext<'r, C>) -> CallResult;
    /// Whether its target lives, if it is [`WEAK`](state::WEAK). Asked under locks, too: drops nothing.
    fn is_alive(&self) -> bool;
    /// Called once when it was cancelled, cleared or closed. The caller has no lock.
    fn on_removed(&self);
    /// Makes the handler that replaces this one, of a [`ReplaceRequest`](crate::core::handler::replace::ReplaceRequest).
    fn successor(&self, request: &mut dyn Any) -> Option<WeakRef<M, dyn DynHandler<M, C>>>;
}

/// A handler in a list.
pub(crate) type HandlerRef<M, C> = StrongRef<M, dyn DynHandler<M, C>>;

/// What handlers are ordered by.
pub(crate) fn rank<M: Primitives, C>(handler: &HandlerRef<M, C>) -> Rank {
    handler.head().rank()
}

impl<M: Primitives, C: 'static> WeakRef<M, dyn DynHandler<M, C>> {
    /// Notifies it that it was removed, unless its captures are dropped: since it was removed from the
    /// roster, its subscription may have been dropped. The caller has no lock.
    pub(crate) fn end(&self) {
        if let Some(handler) = self.upgrade() {
            handler.on_removed();
        }
    }

    /// Whether its target has died. For those in the roster of a signal that is not being dropped, under
    /// its lock: the roster keeps a strong reference, so the one that is taken here is not the last.
    pub(crate) fn is_dead(&self) -> bool {
        self.head().has(state::WEAK) && !self.upgrade().is_some_and(|handler| handler.is_alive())
    }
}

/// A handler that knows the type of its event. As a [`DynHandler`] it does not.
pub trait Handler<M: Primitives>: Allocation<M, Header = Header<M>> {
    type Event: 'static;
    type Context: 'static;
    fn head(&self) -> &Header<M>;
    /// Makes a call for which there is nothing to ask: the state is clear, and if it is a handler of a
    /// pattern the subject is plain.
    fn call(&self, event: &Self::Event, cx: &mut EmitContext<'_, Self::Context>) -> CallResult;
    /// As [`DynHandler::call`]. `erased` is the event as well, for a handler that has replaced this one.
    fn ask_and_call<'r>(
        &self,
        event: &Self::Event,
        erased: ErasedEvent<'r>,
        cx: &mut EmitContext<'r, Self::Context>,
    ) -> CallResult;
    /// As [`DynHandler::enter`].
    fn enter(&self, event: &Self::Event, cx: &mut EmitContext<'_, Self::Context>) -> CallResult;
    /// As [`DynHandler::is_alive`].
    fn is_alive(&self) -> bool;
    /// As [`DynHandler::on_removed`].
    fn on_removed(&self);
    /// As [`DynHandler::successor`].
    fn successor(
        &self,
        request: &mut dyn Any,
    ) -> Option<WeakRef<M, dyn DynHandler<M, Self::Context>>>;
}

impl<M: Primitives, T: Handler<M>> DynHandler<M, T::Context> for T {
    #[inline(always)]
    fn call<'r>(&self, event: ErasedEvent<'r>, cx: &mut EmitContext<'r, T::Context>) -> CallResult {
        if self.head().state.get() != 0 || (is_any::<T::Event>() && !cx.topic_info.is_plain()) {
            return ask_and_call(self, event, cx);
        }
        with_event(event, cx, false, |event, cx| Handler::call(self, event, cx))
    }

    fn enter<'r>(
        &self,
        event: ErasedEvent<'r>,
        cx: &mut EmitContext<'r, T::Context>,
    ) -> CallResult {
        let again = is_any::<T::Event>() && cx.topic_info.is_any();
        with_event(event, cx, again, |event, cx| {
            Handler::enter(self, event, cx)
        })
    }

    fn is_alive(&self) -> bool {
        Handler::is_alive(self)
    }

    fn on_removed(&self) {
        Handler::on_removed(self);
    }

    fn successor(
        &self,
        request: &mut dyn Any,
    ) -> Option<WeakRef<M, dyn DynHandler<M, T::Context>>> {
        Handler::successor(self, request)
    }
}

/// Apart from the plain call, and with its arguments, so that that one is a test and a jump away from the
/// closure.
#[inline(never)]
fn ask_and_call<'r, M: Primitives, T: Handler<M>>(
    handler: &T,
    event: ErasedEvent<'r>,
    cx: &mut EmitContext<'r, T::Context>,
) -> CallResult {
    let again = is_any::<T::Event>() && cx.topic_info.is_any();
    with_event(event, cx, again, |typed, cx| {
        handler.ask_and_call(typed, event, cx)
    })
}

/// Gives the event its type, or wraps it for a handler of a pattern. `again`: both are the same,
/// because it is an [`AnyEvent`] that is emitted again.
#[inline(always)]
fn with_event<'r, E: 'static, C, R>(
    event: ErasedEvent<'r>,
    cx: &mut EmitContext<'r, C>,
    again: bool,
    f: impl FnOnce(&E, &mut EmitContext<'r, C>) -> R,
) -> R {
    let (event, topic_info) = (event.event, cx.topic_info);
    if is_any::<E>() && !again {
        // SAFETY: event and context are those of one emission, of which `EmitContext::with` says that
        // the subject names the event's type. What is made here is dropped before either.
        let any = unsafe { AnyEvent::new(event, topic_info) };
        // SAFETY: `E` is `AnyEvent`.
        return f(unsafe { NonNull::from(&any).cast().as_ref() }, cx);
    }
    debug_assert!(topic_info.is_of::<E>());
    // SAFETY: `EmitContext::with` says that handlers of this type of event alone are called with it, and
    // those of patterns. For the latter it is an `AnyEvent` itself.
    f(unsafe { event.cast().as_ref() }, cx)
}
