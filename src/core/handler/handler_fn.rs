//! The checks before a handler is called, for every kind of handler. Each kind is a [`HandlerFn`].

use std::any::Any;

use crate::core::handler::entry::{
    Alive, CallResult, Connection, Entry, Header, HeaderExt, Keeper, StrongRef, WeakRef, state,
};
use crate::core::handler::erased::{DynHandler, EmitContext, ErasedEvent, Handler, is_any};
use crate::core::handler::owner::Owner;
use crate::core::handler::replace::{self, ReplaceRequest, ReplacementCaptures};
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Word;
use crate::core::primitives::thread;
use crate::core::reclaim::counted::{Counted, Live, Part};
use crate::core::settings::signal_info::SignalInfo;
use crate::error::ReplaceErrorKind;
use crate::topic::any_event::Kind;

/// Decides for each event whether a handler is called: its filters and owners.
pub trait Condition<E>: 'static {
    /// Whether there is anything to check.
    const ASKS: bool = true;
    /// Whether it has an owner: see [`is_alive`](Self::is_alive).
    const OWNED: bool = false;
    /// The same filter, as a handler and its replacements share it.
    type Shared<M: Primitives>: Condition<E> + Clone;
    fn share<M: Primitives>(self) -> Self::Shared<M>;
    fn passes(&self, event: &E) -> bool;
    /// Returns whether its owner is alive. Drops nothing, so it may be called under locks.
    fn is_alive(&self) -> bool {
        true
    }
}

/// No condition.
impl<E> Condition<E> for () {
    const ASKS: bool = false;
    type Shared<M: Primitives> = ();
    fn share<M: Primitives>(self) {}
    fn passes(&self, _: &E) -> bool {
        true
    }
}

/// Two filters; the second is called if the first passes. Each is dropped apart from the other and from the
/// handler.
#[derive(Debug)]
pub(crate) struct Both<P, Q>(pub(crate) P, pub(crate) Part<Q>);

impl<E, P: Condition<E>, Q: Fn(&E) -> bool + 'static> Condition<E> for Both<P, Q> {
    type Shared<M: Primitives> = SharedFilter<M, Self>;
    fn share<M: Primitives>(self) -> SharedFilter<M, Self> {
        SharedFilter(StrongRef::<M, Counted<M, (), (), Self>>::new((), (), self))
    }
    fn passes(&self, event: &E) -> bool {
        self.0.passes(event) && self.1(event)
    }
    const OWNED: bool = P::OWNED;
    fn is_alive(&self) -> bool {
        self.0.is_alive()
    }
}

/// A filter, and the owner that the handler lives no longer than.
pub(crate) struct Owned<M: Primitives, T: ?Sized, P> {
    pub(crate) filter: P,
    pub(crate) owner: M::Weak<T>,
}

impl<M: Primitives, E, T: ?Sized + 'static, P: Condition<E>> Condition<E> for Owned<M, T, P> {
    const ASKS: bool = P::ASKS;
    const OWNED: bool = true;
    type Shared<N: Primitives> = SharedFilter<N, Self>;
    fn share<N: Primitives>(self) -> SharedFilter<N, Self> {
        SharedFilter(StrongRef::<N, Counted<N, (), (), Self>>::new((), (), self))
    }
    fn passes(&self, event: &E) -> bool {
        self.filter.passes(event)
    }
    fn is_alive(&self) -> bool {
        M::exists(&self.owner) && self.filter.is_alive()
    }
}

/// A filter that is shared by pointer.
pub(crate) struct SharedFilter<M: Primitives, P>(StrongRef<M, Counted<M, (), (), P>>);

impl<M: Primitives, P> Clone for SharedFilter<M, P> {
    fn clone(&self) -> Self {
        SharedFilter(self.0.clone())
    }
}

impl<M: Primitives, E, P: Condition<E>> Condition<E> for SharedFilter<M, P> {
    const ASKS: bool = P::ASKS;
    const OWNED: bool = P::OWNED;
    type Shared<N: Primitives> = Self;
    fn share<N: Primitives>(self) -> Self {
        self
    }
    fn passes(&self, event: &E) -> bool {
        self.0.live().captures().passes(event)
    }
    fn is_alive(&self) -> bool {
        self.0.live().captures().is_alive()
    }
}

/// The captures of a subscribed handler, in the order in which they are dropped: what follows the first is made
/// of [`Part`]s. What keeps those of a replaced handler is dropped last.
pub(crate) struct Captures<P, K> {
    pub(crate) filter: P,
    pub(crate) callee: Part<K>,
}

/// The reference of a handler to its signal. Exists as long as the entry's memory.
pub(crate) struct BackRef<M: Primitives, S, X> {
    pub(crate) signal: M::Weak<S>,
    pub(crate) state: X,
}

/// The entry of a subscribed handler.
pub(crate) type Subscribed<M, S, P, K> =
    Entry<M, BackRef<M, S, EntryState<M, S, K>>, Captures<P, K>>;

type EntryState<M, S, K> =
    <K as HandlerFn<M, <S as Owner<M>>::Event, <S as Owner<M>>::Context>>::EntryState;

/// How a closure is called.
pub(crate) trait HandlerFn<M: Primitives, E: 'static, C: 'static>: Sized + 'static {
    /// Data that outlives the captures.
    type EntryState: Default + 'static;
    /// The data of a new handler.
    fn new_state(&self) -> Self::EntryState {
        Self::EntryState::default()
    }
    /// Whether its calls wait in a queue. If so, it cannot be replaced.
    const QUEUED: bool = false;
    /// Whether it has a weak target: see [`is_alive`](Self::is_alive).
    const WEAK: bool = false;
    /// Whether it is of a future or a stream, which a close ends.
    const WAITS: bool = false;
    /// Calls it, unless it needs more of its entry.
    fn call(&self, _: &Header<M>, _: &E, _: &mut EmitContext<'_, C>) -> CallResult {
        unreachable!("it is called with its entry")
    }
    /// Calls it, with access to the whole entry.
    #[inline(always)]
    fn call_with_entry<S: Owner<M, Event = E, Context = C>, P: Condition<E>>(
        entry: &Live<Subscribed<M, S, P, Self>>,
        event: &E,
        cx: &mut EmitContext<'_, C>,
    ) -> CallResult {
        entry.captures().callee.call(entry.head(), event, cx)
    }
    /// Returns whether its target is alive. Drops nothing, so it may be called under locks.
    #[inline(always)]
    fn is_alive(&self) -> bool {
        true
    }
    /// Called before a call is claimed. Returns `false` if it was retired, and its captures do not stay.
    #[inline(always)]
    fn reserve_call(_: &Self::EntryState) -> bool {
        true
    }
    /// Called if it was not claimed. May release the captures, to which the caller has a strong reference.
    fn release_reservation<S: Owner<M, Event = E, Context = C>, P: Condition<E>>(
        _: &Live<Subscribed<M, S, P, Self>>,
    ) {
    }
    /// Called once when it was removed without being cancelled: by its limit or a close. Returns whether
    /// its captures are not needed any more, because no claimed call is yet to be made.
    fn retire(_: &Self::EntryState) -> bool {
        true
    }
    /// Drops the claimed calls that wait. Runs outside of locks.
    fn give_up(_: &Self::EntryState, _: &Header<M>) {}
    /// The number of events that its bound has dropped.
    fn dropped(_: &Self::EntryState) -> usize {
        0
    }
    /// Called when it was cancelled, cleared or closed; an emission may still be inside of it. Runs outside
    /// of locks.
    fn on_removed(&self, _: &Self::EntryState, _: &Header<M>) {}
    /// For a replacement: the keeper that all replacements of the original share.
    fn keeper(&self) -> Option<M::Ptr<Keeper<M>>> {
        None
    }
}

impl<M: Primitives, E: 'static, C: 'static, P: 'static> HandlerFn<M, E, C>
    for ReplacementCaptures<M, E, P>
{
    type EntryState = ();
    fn call(&self, head: &Header<M>, event: &E, cx: &mut EmitContext<'_, C>) -> CallResult {
        let topic_info = cx.topic_info();
        self.closure.call(head, topic_info, cx.context, event)
    }
    fn keeper(&self) -> Option<M::Ptr<Keeper<M>>> {
        Some(self.keeper.clone())
    }
}

impl<M, S, P, K> Handler<M> for Live<Subscribed<M, S, P, K>>
where
    M: Primitives,
    S: Owner<M>,
    P: Condition<S::Event> + Clone,
    K: HandlerFn<M, S::Event, S::Context>,
{
    type Event = S::Event;
    type Context = S::Context;

    #[inline(always)]
    fn head(&self) -> &Header<M> {
        Counted::head(self)
    }

    #[inline(always)]
    fn call(&self, event: &S::Event, cx: &mut EmitContext<'_, S::Context>) -> CallResult {
        if !K::reserve_call(&self.link().state) {
            return CallResult::Closed;
        }
        self.run(event, cx)
    }

    /// The order is promised: connected, not paused, filter, still connected, claim, call.
    #[inline(always)]
    fn check_and_call<'r>(
        &self,
        event: &S::Event,
        erased: ErasedEvent<'r>,
        cx: &mut EmitContext<'r, S::Context>,
    ) -> CallResult {
        let (head, link) = (self.head(), self.link());
        if head.state.get() & !state::GATED != 0 && head.has(state::REPLACED) {
            return replace::pass_on(&link.signal, head, erased, cx);
        }
        if let Some(result) = self.check(event, erased, cx) {
            return result;
        }
        if !K::reserve_call(&link.state) {
            let late = cx.topic_info().is_late();
            return self.refuse(late).unwrap_or(CallResult::Skipped);
        }
        if let Some(result) = self.claim() {
            K::release_reservation(self);
            return result;
        }
        self.run(event, cx)
    }

    fn enter(&self, event: &S::Event, cx: &mut EmitContext<'_, S::Context>) -> CallResult {
        self.run(event, cx)
    }

    fn is_alive(&self) -> bool {
        !self.is_orphaned()
    }

    fn waits(&self) -> bool {
        K::WAITS
    }

    fn retire(&self) -> bool {
        K::retire(&self.link().state)
    }

    fn on_removed(&self) {
        self.captures()
            .callee
            .on_removed(&self.link().state, self.head());
    }

    fn successor(
        &self,
        request: &mut dyn Any,
    ) -> Option<WeakRef<M, dyn DynHandler<M, S::Context>>> {
        let request = request.downcast_mut::<ReplaceRequest<M, S::Event>>()?;
        let (head, captures) = (self.head(), self.captures());
        let keeper = captures.callee.keeper();
        let callee = ReplacementCaptures {
            closure: request.closure.take()?,
            _filter: captures.filter.clone(),
            keeper: keeper.unwrap_or_else(|| M::ptr(Keeper(request.original.clone()))),
        };
        let header = Header {
            key: head.key,
            sequence: head.sequence,
            location: request.location,
            info: head.info.clone(),
            extra: Some(Box::new(HeaderExt {
                label: head.label().map(Box::from),
                left: None,
                priority: head.priority(),
                original: Some(request.original.clone()),
            })),
            state: M::Word::new(state::SUCCESSOR | if P::OWNED { state::WEAK } else { 0 }),
        };
        let link = BackRef {
            signal: self.link().signal.clone(),
            state: (),
        };
        let captures = Captures {
            filter: captures.filter.clone(),
            callee: Part::new(callee),
        };
        let (_, made) =
            WeakRef::<M, Subscribed<M, S, P, ReplacementCaptures<M, S::Event, P>>>::new_viewed(
                header,
                link,
                captures,
                |live| live as &dyn DynHandler<M, S::Context>,
            );
        Some(made)
    }
}

/// The flag of a handler that is not called any more. A late event reaches those that a close has removed.
fn ended(late: bool) -> usize {
    if late {
        state::CANCELLED
    } else {
        state::REMOVED
    }
}

/// Records, when a panic of a filter drops it, that the handler was not entered.
struct FilterGuard;

impl Drop for FilterGuard {
    fn drop(&mut self) {
        thread::set_unentered(true);
    }
}

impl<M, S, P, K> Live<Subscribed<M, S, P, K>>
where
    M: Primitives,
    S: Owner<M>,
    P: Condition<S::Event>,
    K: HandlerFn<M, S::Event, S::Context>,
{
    /// Calls the closure, and does what its result says about the handler. A closure that returns `()` pays
    /// nothing for that: its result is a constant.
    #[inline(always)]
    fn run(&self, event: &S::Event, cx: &mut EmitContext<'_, S::Context>) -> CallResult {
        match K::call_with_entry(self, event, cx) {
            CallResult::Cancelled => self.cancel_itself(),
            result => result,
        }
    }

    /// All checks but the claim. Returns the result of the call if it is not to be made.
    #[inline(always)]
    fn check<'r>(
        &self,
        event: &S::Event,
        erased: ErasedEvent<'r>,
        cx: &mut EmitContext<'r, S::Context>,
    ) -> Option<CallResult> {
        let head = self.head();
        // Any flag except that there is a filter or a limit.
        if head.state.get() & !state::GATED != 0 {
            if let Some(result) = self.refuse(cx.topic_info().is_late()) {
                return Some(result);
            }
        }
        if is_any::<S::Event>() && cx.topic_info().is_closed() {
            return Some(CallResult::Closed);
        }
        if P::ASKS {
            let filter_guard = FilterGuard;
            let passes = self.captures().filter.passes(event);
            std::mem::forget(filter_guard);
            if !passes {
                return Some(CallResult::Skipped);
            }
            // The filter is user code, and may have cancelled or replaced the handler.
            let changes = state::REMOVED | state::REPLACED | state::SUCCESSOR;
            if head.state.get() & changes != 0 || self.is_orphaned() {
                return self.check_again(erased, cx);
            }
        }
        None
    }

    /// Checks after the filter whether the handler is still connected and was not replaced. Whether it is
    /// paused was checked before.
    #[cold]
    fn check_again<'r>(
        &self,
        erased: ErasedEvent<'r>,
        cx: &mut EmitContext<'r, S::Context>,
    ) -> Option<CallResult> {
        let head = self.head();
        let late = cx.topic_info().is_late();
        let removed = head.original().has(ended(late));
        if !removed && head.has(state::REPLACED) {
            let signal = &self.link().signal;
            let claim = || self.claim();
            return Some(replace::hand_over(signal, head, claim, erased, cx));
        }
        if removed || self.is_orphaned() {
            return Some(self.refuse(late).unwrap_or(CallResult::Skipped));
        }
        None
    }

    /// Checks whether the handler is connected and not paused. Returns the result of the call if it is not
    /// to be made. `late`: the event was accepted before a close, which therefore does not count.
    #[cold]
    fn refuse(&self, late: bool) -> Option<CallResult> {
        let original = self.head().original();
        match original.state.get() {
            state if state & state::CLOSED != 0 && !late => Some(CallResult::Closed),
            state if state & ended(late) != 0 => Some(CallResult::Skipped),
            // A limit that is used up removes the handler, but a close has done that before.
            _ if late && original.is_used_up() => Some(CallResult::Skipped),
            _ if self.is_orphaned() => {
                self.remove_itself(state::CANCELLED);
                Some(CallResult::Orphaned)
            }
            _ if original.is_paused() => Some(CallResult::Skipped),
            _ => {
                if self.head().has(state::HELD) {
                    // For all handlers of the signal: the first that is called after the pause.
                    _ = M::upgrade(&self.link().signal).map(|signal| signal.unhold());
                }
                None
            }
        }
    }

    /// Returns whether its weak target or its owner is dead.
    #[inline(always)]
    pub(crate) fn is_orphaned(&self) -> bool {
        let Captures { callee, filter } = self.captures();
        (K::WEAK && !callee.is_alive()) || (P::OWNED && !filter.is_alive())
    }

    /// Claims a call. Returns the result of the call if none is left.
    #[inline(always)]
    fn claim(&self) -> Option<CallResult> {
        match self.head().claim() {
            None => return Some(CallResult::Skipped),
            // The last one: removed before that call, so that the handler can subscribe anew from inside.
            Some(true) if K::QUEUED => {
                if self.remove(state::PENDING) {
                    let unneeded = K::retire(&self.link().state);
                    debug_assert!(
                        !unneeded,
                        "the call that was the last of the limit is pending"
                    );
                }
            }
            Some(true) => _ = self.remove(0),
            Some(false) => {}
        }
        None
    }
}

impl<M: Primitives, S: Owner<M>, X, Y> Entry<M, BackRef<M, S, X>, Y> {
    /// Removes the handler, or the one that has replaced it, from its signal. Returns whether it was
    /// there.
    #[inline(always)]
    pub(crate) fn remove(&self, flags: usize) -> bool {
        let (signal, head) = (M::upgrade(&self.link().signal), self.head());
        signal.is_some_and(|signal| signal.remove(head.key, head.sequence, flags))
    }

    /// Like [`remove`](Self::remove), but leaves one that has replaced it.
    pub(crate) fn remove_itself(&self, flags: usize) -> bool {
        let signal = M::upgrade(&self.link().signal);
        signal.is_some_and(|signal| signal.remove_itself(self.head(), flags))
    }
}

impl<M: Primitives, S: Owner<M>, X, Y> Live<Entry<M, BackRef<M, S, X>, Y>> {
    /// Cancels the handler after a call that has asked for it, and returns the result of that call.
    #[cold]
    pub(crate) fn cancel_itself(&self) -> CallResult {
        if !self.remove_itself(state::CANCELLED) && !self.head().has(state::REPLACED) {
            self.weak_ref().cancel_removed();
        }
        CallResult::Ran
    }
}

impl<M, S, P, K> Connection<M> for Subscribed<M, S, P, K>
where
    M: Primitives,
    S: Owner<M>,
    P: Condition<S::Event>,
    K: HandlerFn<M, S::Event, S::Context>,
{
    fn cancel(&self) -> bool {
        self.remove(state::CANCELLED)
    }
    fn cancel_itself(&self, alive: Alive<'_>) -> CallResult {
        let entry = self.live(alive);
        entry.map_or(CallResult::Skipped, Live::cancel_itself)
    }
    fn is_alive(&self, alive: Option<Alive<'_>>) -> bool {
        let head = self.head();
        if let (Some(entry), false) = (
            alive.and_then(|it| self.live(it)),
            head.has(state::REPLACED),
        ) {
            return !entry.is_orphaned();
        }
        // Removed, or replaced by one that has the same owner.
        let signal = M::upgrade(&self.link().signal);
        let current = signal.and_then(|signal| signal.current(head.key, head.sequence));
        current.is_some_and(|current| current.is_alive())
    }
    fn replace(&self, request: &mut dyn Any) -> Result<(), ReplaceErrorKind> {
        let Some(request) = request.downcast_mut::<ReplaceRequest<M, S::Event>>() else {
            return Err(ReplaceErrorKind::WrongType);
        };
        if K::QUEUED {
            return Err(ReplaceErrorKind::Queued);
        }
        match M::upgrade(&self.link().signal) {
            Some(signal) => replace::replace(&signal, request),
            None => Err(ReplaceErrorKind::Inactive),
        }
    }
    fn give_up(&self) {
        K::give_up(&self.link().state, self.head());
    }
    fn dropped(&self) -> usize {
        K::dropped(&self.link().state)
    }
    fn is_run_by(&self, signal: usize) -> bool {
        // The signal may have gone, with its last handler or with its bus.
        let pattern = |info: &SignalInfo<M>| {
            info.topic_info.kind == Kind::Pattern && info.config.matches(info.name(), signal)
        };
        M::address(&self.link().signal).addr() == signal
            || (is_any::<S::Event>() && self.head().info.as_deref().is_some_and(pattern))
    }
}
