//! The checks before a handler is called, for every kind of handler. Each kind is a [`HandlerFn`].

use std::any::Any;

use crate::core::handler::describe::{Description, Waiting};
use crate::core::handler::entry::{
    Alive, CallResult, Connection, Entry, Header, HeaderExt, Keeper, StrongRef, WeakRef, state,
};
use crate::core::handler::erased::{DynHandler, EmitContext, ErasedEvent, Handler, is_any};
use crate::core::handler::owner::Owner;
use crate::core::handler::registered::Registered;
use crate::core::handler::replace::{ReplaceRequest, ReplacementCaptures, replace};
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Word;
use crate::core::primitives::thread;
use crate::core::reclaim::counted::{Counted, Live, Part};
use crate::core::settings::signal_info::SignalInfo;
use crate::error::ReplaceErrorKind;
use crate::wiring::handler::HandlerKind;

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
    /// Called before it is subscribed to the signal with this information.
    fn prepare(&mut self, _: &SignalInfo<M>) {}
    /// Whether its calls wait in a queue. If so, it cannot be replaced.
    const QUEUED: bool = false;
    /// Whether it has a weak target: see [`is_alive`](Self::is_alive).
    const WEAK: bool = false;
    /// Whether it is of a future or a stream, which a close ends.
    const WAITS: bool = false;
    /// Whether its first call removes it.
    const ENDS: bool = false;
    /// What it is, and the address of what its events go to. Takes no lock and drops nothing, so it may be called
    /// under locks.
    fn kind(&self) -> (HandlerKind, usize) {
        (HandlerKind::Plain, 0)
    }
    /// How many events wait in its queue or its stream. The caller has no lock.
    fn waiting(&self) -> Option<Waiting> {
        None
    }
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
    /// Called before the call of a queued handler is claimed that has a limit: the claim may retire it. Returns `false`
    /// if it was retired, and its captures do not stay.
    fn reserve_call(_: &Self::EntryState) -> bool {
        true
    }
    /// Called when that call waits, or was not claimed. May release the captures, to which the caller has a strong
    /// reference.
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
        let head = self.head();
        if head.state.get() & !state::GATED != 0 && head.has(state::REPLACED) {
            return self.registered().pass_on(erased, cx);
        }
        if let Some(result) = self.check(event, erased, cx) {
            return result;
        }
        let _reservation = if K::QUEUED && head.is_limited() {
            if !K::reserve_call(&self.link().state) {
                let late = cx.topic_info().is_late();
                return self.refuse(late).unwrap_or(CallResult::Skipped);
            }
            Some(Reservation(|| K::release_reservation(self)))
        } else {
            None
        };
        if let Some(result) = self.claim() {
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

    fn ends(&self) -> bool {
        K::ENDS && !P::ASKS
    }

    fn describe(&self) -> Description {
        let (kind, target) = self.captures().callee.kind();
        let has_filter = P::ASKS;
        Description {
            kind,
            target,
            has_filter,
        }
    }

    fn waiting(&self) -> Option<Waiting> {
        self.captures().callee.waiting()
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
        let captures = self.captures();
        successor(
            self.registered(),
            &captures.filter,
            captures.callee.keeper(),
            request,
        )
    }
}

/// Creates the handler that replaces one with this filter, and with this keeper if it is a replacement itself.
fn successor<M: Primitives, S: Owner<M>, P: Condition<S::Event> + Clone>(
    of: Registered<'_, M, S>,
    filter: &P,
    keeper: Option<M::Ptr<Keeper<M>>>,
    request: &mut ReplaceRequest<M, S::Event>,
) -> Option<WeakRef<M, dyn DynHandler<M, S::Context>>> {
    let Registered { head, signal } = of;
    let callee = ReplacementCaptures {
        closure: request.closure.take()?,
        _filter: filter.clone(),
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
        signal: signal.clone(),
        state: (),
    };
    let captures = Captures {
        filter: filter.clone(),
        callee: Part::new(callee),
    };
    Some(WeakRef::<
        M,
        Subscribed<M, S, P, ReplacementCaptures<M, S::Event, P>>,
    >::new_live(header, link, captures, |live| {
        live as &dyn DynHandler<M, S::Context>
    }))
}

/// Gives a reserved call back when it is dropped.
struct Reservation<F: FnMut()>(F);

impl<F: FnMut()> Drop for Reservation<F> {
    fn drop(&mut self) {
        (self.0)();
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
                let (is_orphaned, claim) = (self.is_orphaned(), &mut || self.claim());
                return self
                    .registered()
                    .check_again(is_orphaned, claim, erased, cx);
            }
        }
        None
    }

    #[cold]
    fn refuse(&self, late: bool) -> Option<CallResult> {
        self.registered().refuse(self.is_orphaned(), late)
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
                if self.registered().remove(state::PENDING) {
                    let unneeded = K::retire(&self.link().state);
                    debug_assert!(
                        !unneeded,
                        "the call that was the last of the limit is pending"
                    );
                }
            }
            Some(true) => _ = self.registered().remove(0),
            Some(false) => {}
        }
        None
    }
}

impl<M: Primitives, S: Owner<M>, X, Y> Entry<M, BackRef<M, S, X>, Y> {
    #[inline(always)]
    pub(crate) fn registered(&self) -> Registered<'_, M, S> {
        let (head, signal) = (self.head(), &self.link().signal);
        Registered { head, signal }
    }
}

impl<M: Primitives, S: Owner<M>, X, Y> Live<Entry<M, BackRef<M, S, X>, Y>> {
    /// Cancels the handler after a call that has asked for it, and returns the result of that call.
    #[cold]
    pub(crate) fn cancel_itself(&self) -> CallResult {
        if self.registered().cancel_itself() {
            self.release();
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
        self.registered().remove(state::CANCELLED)
    }
    fn cancel_itself(&self, alive: Alive<'_>) -> CallResult {
        let entry = self.live(alive);
        entry.map_or(CallResult::Skipped, Live::cancel_itself)
    }
    fn is_alive(&self, alive: Option<Alive<'_>>) -> bool {
        match alive.and_then(|alive| self.live(alive)) {
            Some(entry) if !self.head().has(state::REPLACED) => !entry.is_orphaned(),
            // Removed, or replaced by one that has the same owner.
            _ => self.registered().is_replacement_alive(),
        }
    }
    fn replace(&self, request: &mut dyn Any) -> Result<(), ReplaceErrorKind> {
        replace(self.registered(), K::QUEUED, request)
    }
    fn give_up(&self) {
        K::give_up(&self.link().state, self.head());
    }
    fn dropped(&self) -> usize {
        K::dropped(&self.link().state)
    }
    fn is_run_by(&self, signal: usize) -> bool {
        self.registered().is_run_by(signal)
    }
}
