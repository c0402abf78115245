//! Events without their type, and handlers that take them.

#![allow(
    unsafe_code,
    reason = "gives the event of an emission its type back without comparing it for each handler"
)]

use std::any::{Any, TypeId};
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::core::handler::describe::{Description, Waiting};
use crate::core::handler::entry::{CallResult, Header, Rank, StrongRef, WeakRef, state};
use crate::core::handler::failures;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Word;
use crate::core::reclaim::counted::Allocation;
use crate::outcome::{Flow, Outcome};
use crate::topic::any_event::{AnyEvent, TopicInfo};

/// The result of a call whose handler returned `outcome`.
#[inline(always)]
pub(crate) fn code<M: Primitives>(
    head: &Header<M>,
    topic_info: Option<&TopicInfo>,
    outcome: impl Outcome,
) -> CallResult {
    match outcome.settle() {
        Ok(Flow::Continue) => CallResult::Ran,
        Ok(Flow::Stop) => CallResult::Stopped,
        Ok(Flow::Cancel) => CallResult::Cancelled,
        Err(error) => failures::failed(head, topic_info, error),
    }
}

/// Returns whether handlers of this event are those of a pattern, which take an event of any type.
#[inline(always)]
pub(crate) fn is_any<E: 'static>() -> bool {
    // Both are constants.
    TypeId::of::<E>() == TypeId::of::<AnyEvent>()
}

/// The event of an emission, whose type only the handlers know. Passed with the context of the same `'r`,
/// which is the lifetime of no other emission.
#[derive(Clone, Copy)]
pub struct ErasedEvent<'r> {
    event: NonNull<()>,
    emission: Emission<'r>,
}

/// Makes `'r` invariant, so that it identifies one emission.
type Emission<'r> = PhantomData<fn(&'r ()) -> &'r ()>;

/// What an emission passes to each of its handlers, in addition to the event.
pub struct EmitContext<'r, C> {
    pub(crate) context: &'r mut C,
    topic_info: &'r TopicInfo,
    emission: Emission<'r>,
}

impl<C> EmitContext<'_, C> {
    /// Erases the type of an event, to call handlers with it.
    ///
    /// # Safety
    ///
    /// `topic_info` states the type `E`, and `f` calls only handlers of signals of `E` and of patterns, and
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

/// A handler, as an emission sees it: of any event, so that handlers of patterns are in one list with the
/// others.
pub trait DynHandler<M: Primitives, C>: Allocation<M, Header = Header<M>> {
    /// Calls the handler with the event of an emission, unless it is removed, paused, filtered out or its
    /// limit is used up.
    fn call<'r>(&self, event: ErasedEvent<'r>, cx: &mut EmitContext<'r, C>) -> CallResult;
    /// Makes a call that was claimed already.
    fn enter<'r>(&self, event: ErasedEvent<'r>, cx: &mut EmitContext<'r, C>) -> CallResult;
    /// Returns whether its target and its owner are alive, if it is [`WEAK`](state::WEAK). Drops nothing, so
    /// it may be called under locks.
    fn is_alive(&self) -> bool;
    /// Returns whether it is of a future or a stream, which a close ends.
    fn waits(&self) -> bool;
    /// Returns whether the first event removes it, unless it is paused: it has no filter.
    fn ends(&self) -> bool;
    /// What it is. Takes no lock and drops nothing, so it may be called under locks.
    fn describe(&self) -> Description;
    /// Like [`HandlerFn::waiting`](crate::core::handler::handler_fn::HandlerFn::waiting).
    fn waiting(&self) -> Option<Waiting>;
    /// Like [`HandlerFn::retire`](crate::core::handler::handler_fn::HandlerFn::retire).
    fn retire(&self) -> bool;
    /// Called once when it was cancelled, cleared or closed. The caller has no lock.
    fn on_removed(&self);
    /// Creates the handler that replaces this one, from a
    /// [`ReplaceRequest`](crate::core::handler::replace::ReplaceRequest).
    fn successor(&self, request: &mut dyn Any) -> Option<WeakRef<M, dyn DynHandler<M, C>>>;
}

/// A handler in a list.
pub(crate) type HandlerRef<M, C> = StrongRef<M, dyn DynHandler<M, C>>;

/// The sort key of a handler.
pub(crate) fn rank<M: Primitives, C>(handler: &HandlerRef<M, C>) -> Rank {
    handler.head().rank()
}

impl<M: Primitives, C: 'static> HandlerRef<M, C> {
    /// Returns whether its target is dead. May be called under locks.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.head().has(state::WEAK) && !self.is_alive()
    }

    /// Returns whether the next event removes it.
    pub(crate) fn ends_now(&self) -> bool {
        // A limit of one is all that there is to be checked.
        self.head().state.get() & !state::GATED == 0 && self.ends()
    }
}

impl<M: Primitives, C: 'static> WeakRef<M, dyn DynHandler<M, C>> {
    /// Notifies the handler that it was removed, unless its captures are dropped already: its subscription
    /// may have been dropped since it was removed from the roster. The caller has no lock.
    pub(crate) fn end(&self) {
        if let Some(handler) = self.upgrade() {
            handler.on_removed();
        }
    }

    /// Like [`end`](Self::end), for a handler that was cancelled: drops the strong reference of the roster, too.
    pub(crate) fn end_and_release(&self) {
        if let Some(handler) = self.upgrade() {
            handler.on_removed();
            handler.release();
        }
    }

    /// Drops the strong reference of the roster, from which the handler was removed without being
    /// cancelled; or leaves it to the claimed calls that wait in a queue. The caller has no lock.
    pub(crate) fn retire(&self) {
        if self.upgrade().is_none_or(|handler| handler.retire()) {
            self.release();
        }
    }

    /// Returns whether its target is dead. Only for handlers in the roster of a signal that is not being
    /// dropped, under its lock: the roster has a strong reference, so the one taken here is not the last.
    pub(crate) fn is_dead(&self) -> bool {
        self.head().has(state::WEAK) && self.upgrade().is_none_or(|handler| handler.is_orphaned())
    }
}

/// A handler that knows the type of its event. As a [`DynHandler`] it does not.
pub trait Handler<M: Primitives>: Allocation<M, Header = Header<M>> {
    type Event: 'static;
    type Context: 'static;
    fn head(&self) -> &Header<M>;
    /// Makes a call for which there is nothing to check: the state is zero, and for a handler of a pattern
    /// the topic is open and its payload is no [`AnyEvent`].
    fn call(&self, event: &Self::Event, cx: &mut EmitContext<'_, Self::Context>) -> CallResult;
    /// Like [`DynHandler::call`]. `erased` is the same event, for a handler that has replaced this one.
    fn check_and_call<'r>(
        &self,
        event: &Self::Event,
        erased: ErasedEvent<'r>,
        cx: &mut EmitContext<'r, Self::Context>,
    ) -> CallResult;
    /// Like [`DynHandler::enter`].
    fn enter(&self, event: &Self::Event, cx: &mut EmitContext<'_, Self::Context>) -> CallResult;
    /// Like [`DynHandler::is_alive`].
    fn is_alive(&self) -> bool;
    /// Like [`DynHandler::waits`].
    fn waits(&self) -> bool;
    /// Like [`DynHandler::ends`].
    fn ends(&self) -> bool;
    /// Like [`DynHandler::describe`].
    fn describe(&self) -> Description;
    /// Like [`DynHandler::waiting`].
    fn waiting(&self) -> Option<Waiting>;
    /// Like [`DynHandler::retire`].
    fn retire(&self) -> bool;
    /// Like [`DynHandler::on_removed`].
    fn on_removed(&self);
    /// Like [`DynHandler::successor`].
    fn successor(
        &self,
        request: &mut dyn Any,
    ) -> Option<WeakRef<M, dyn DynHandler<M, Self::Context>>>;
}

impl<M: Primitives, T: Handler<M>> DynHandler<M, T::Context> for T {
    #[inline(always)]
    fn call<'r>(&self, event: ErasedEvent<'r>, cx: &mut EmitContext<'r, T::Context>) -> CallResult {
        if self.head().state.get() != 0 || (is_any::<T::Event>() && !cx.topic_info.is_plain()) {
            unlikely();
            return check_and_call(self, event, cx);
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

    fn waits(&self) -> bool {
        Handler::waits(self)
    }

    fn ends(&self) -> bool {
        Handler::ends(self)
    }

    fn describe(&self) -> Description {
        Handler::describe(self)
    }

    fn waiting(&self) -> Option<Waiting> {
        Handler::waiting(self)
    }

    fn retire(&self) -> bool {
        Handler::retire(self)
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

/// Where this is called, the compiler lets the other branch go straight on.
#[cold]
#[inline]
fn unlikely() {}

/// The call with checks. Separate from [`DynHandler::call`] and with the same arguments, so that a plain
/// call is only a test and a jump.
#[inline(never)]
fn check_and_call<'r, M: Primitives, T: Handler<M>>(
    handler: &T,
    event: ErasedEvent<'r>,
    cx: &mut EmitContext<'r, T::Context>,
) -> CallResult {
    let again = is_any::<T::Event>() && cx.topic_info.is_any();
    with_event(event, cx, again, |typed, cx| {
        handler.check_and_call(typed, event, cx)
    })
}

/// Restores the event's type, or wraps it for a handler of a pattern. `again`: it is an [`AnyEvent`]
/// already, which was emitted again.
#[inline(always)]
fn with_event<'r, E: 'static, C, R>(
    event: ErasedEvent<'r>,
    cx: &mut EmitContext<'r, C>,
    again: bool,
    f: impl FnOnce(&E, &mut EmitContext<'r, C>) -> R,
) -> R {
    let topic_info = cx.topic_info;
    let any;
    let event = if is_any::<E>() && !again {
        // SAFETY: event and context are those of one emission, so the caller of `EmitContext::with`
        // guarantees that `topic_info` states the event's type. `any` is dropped before either.
        any = unsafe { AnyEvent::new(event.event, topic_info) };
        NonNull::from(&any).cast()
    } else {
        debug_assert!(topic_info.is_of::<E>());
        event.event.cast()
    };
    // SAFETY: the caller of `EmitContext::with` guarantees that only handlers of this type of event and
    // those of patterns are called with it. For the latter it is an `AnyEvent`: `any`, or itself.
    f(unsafe { event.as_ref() }, cx)
}
