//! What a handler asks before it is called, whatever it calls: each kind of them is a [`Callee`].

use std::any::Any;
use std::ptr::NonNull;

use crate::core::handler::entry::{
    Anchor, Code, Control, DropInParts, Entity, Entry, Handle, Head, Keeper, Part, Round, state,
};
use crate::core::handler::erased::{is_any, with_event};
use crate::core::handler::owner::Owner;
use crate::core::handler::replace::{self, ReplaceRequest};
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::sync::Word;
use crate::core::primitives::thread;
use crate::error::ReplaceErrorKind;

/// What decides, event by event, whether a handler is called.
pub trait Filter<E>: 'static {
    /// Whether there is anything to ask.
    const ASKS: bool = true;
    fn passes(&self, event: &E) -> bool;
}

/// No filter.
#[derive(Debug)]
pub struct Always;

impl<E> Filter<E> for Always {
    const ASKS: bool = false;
    fn passes(&self, _: &E) -> bool {
        true
    }
}

/// Two filters in a row.
#[derive(Debug)]
pub struct Both<P, Q>(pub(crate) P, pub(crate) Q);

impl<E, P: Filter<E>, Q: Fn(&E) -> bool + 'static> Filter<E> for Both<P, Q> {
    fn passes(&self, event: &E) -> bool {
        self.0.passes(event) && self.1(event)
    }
}

/// The captures of a subscribed handler.
pub(crate) struct Captures<P, K> {
    pub(crate) filter: P,
    pub(crate) callee: K,
}

impl<P, K> DropInParts for Captures<P, K> {
    unsafe fn drop_part(this: *mut Self, part: Part) {
        // SAFETY: as the caller says; the fields are dropped apart, or together as the whole.
        unsafe {
            match part {
                Part::All => this.drop_in_place(),
                Part::AllButFilter => (&raw mut (*this).callee).drop_in_place(),
                Part::Filter => (&raw mut (*this).filter).drop_in_place(),
            }
        }
    }
}

/// What a handler needs of its signal, kept as long as the entry's memory.
pub(crate) struct Link<M: Primitives, S, X> {
    pub(crate) signal: M::Weak<S>,
    pub(crate) state: X,
}

/// The entry of a subscribed handler.
pub(crate) type Subscribed<M, S, P, K> = Entry<M, Link<M, S, EntryState<M, S, K>>, Captures<P, K>>;

type EntryState<M, S, K> =
    <K as Callee<M, <S as Owner<M>>::Event, <S as Owner<M>>::Context>>::EntryState;

/// How a closure is called.
pub(crate) trait Callee<M: Primitives, E: 'static, C: 'static>: Sized + 'static {
    /// What has to outlive the captures.
    type EntryState: Default + 'static;
    /// Its calls wait in a queue, and it cannot be replaced.
    const QUEUED: bool = false;
    /// It has a target that may die: see [`is_alive`](Self::is_alive).
    const WEAK: bool = false;
    fn call(&self, head: &Head<M>, event: &E, cx: &mut Round<'_, C>) -> Code;
    /// Calls it, for those that need more of their entry.
    ///
    /// # Safety
    ///
    /// The caller has a hold.
    #[inline(always)]
    unsafe fn call_with_entry<S: Owner<M, Event = E, Context = C>, P: Filter<E>>(
        entry: &Subscribed<M, S, P, Self>,
        event: &E,
        cx: &mut Round<'_, C>,
    ) -> Code {
        // SAFETY: the caller has a hold.
        let callee = unsafe { &entry.captures().callee };
        callee.call(entry.head(), event, cx)
    }
    /// Whether its target lives. Asked under locks, too: drops nothing.
    #[inline(always)]
    fn is_alive(&self) -> bool {
        true
    }
    /// PendingWake where it stands, before anybody else knows. Runs under the signal's lock.
    fn on_subscribed<S: Owner<M, Event = E, Context = C>, P: Filter<E>>(
        _: &Anchor<M, Subscribed<M, S, P, Self>>,
    ) {
    }
    /// A call is about to be claimed.
    #[inline(always)]
    fn reserve_call(_: &Self::EntryState) {}
    /// It was not. May let go of the captures, of which the caller has a hold.
    fn release_reservation(&self, _: &Self::EntryState) {}
    /// The limit has removed the handler; whether its captures go with it.
    fn on_limit_reached(_: &Self::EntryState) -> bool {
        true
    }
    /// It was cancelled, cleared or closed; an emission may still be in it. Runs outside of locks.
    fn on_removed(&self, _: &Self::EntryState, _: &Head<M>) {}
}

impl<M, S, P, K> Handle<M, S::Context> for Subscribed<M, S, P, K>
where
    M: Primitives,
    S: Owner<M>,
    P: Filter<S::Event>,
    K: Callee<M, S::Event, S::Context>,
{
    #[inline(always)]
    unsafe fn call(&self, event: NonNull<()>, cx: &mut Round<'_, S::Context>) -> Code {
        if self.head().state.get() != 0 || (is_any::<S::Event>() && !cx.topic_info.is_plain()) {
            // SAFETY: the caller says the same.
            return unsafe { ask_and_call(self, event, cx) };
        }
        K::reserve_call(&self.link.state);
        // SAFETY: the caller says the same, and a plain subject is not that of events emitted again.
        unsafe { enter(self, event, cx, false) }
    }

    fn on_limit_reached(&self) -> bool {
        K::on_limit_reached(&self.link.state)
    }

    unsafe fn is_alive(&self) -> bool {
        // SAFETY: the caller has a hold.
        unsafe { self.captures() }.callee.is_alive()
    }

    unsafe fn on_removed(&self) {
        // SAFETY: the caller has a hold.
        let callee = unsafe { &self.captures().callee };
        callee.on_removed(&self.link.state, self.head());
    }

    unsafe fn ask(&self, event: NonNull<()>, cx: &mut Round<'_, S::Context>) -> Option<Code> {
        // SAFETY: the caller says the same.
        unsafe { ask(self, None, event, cx) }
    }

    fn claim(&self) -> Option<Code> {
        claim(self)
    }

    #[inline(always)]
    unsafe fn enter(&self, event: NonNull<()>, cx: &mut Round<'_, S::Context>) -> Code {
        let again = is_any::<S::Event>() && cx.topic_info.is_any();
        // SAFETY: the caller says the same.
        unsafe { enter(self, event, cx, again) }
    }

    unsafe fn keeper(&self) -> Option<M::Ptr<Keeper<M, S::Context>>> {
        None
    }
}

/// Calls the closure.
///
/// # Safety
///
/// That of [`Handle::enter`], and that of [`with_event`] about `again`.
#[inline(always)]
unsafe fn enter<M, S, P, K>(
    entry: &Subscribed<M, S, P, K>,
    event: NonNull<()>,
    cx: &mut Round<'_, S::Context>,
    again: bool,
) -> Code
where
    M: Primitives,
    S: Owner<M>,
    P: Filter<S::Event>,
    K: Callee<M, S::Event, S::Context>,
{
    // SAFETY: the caller says the same, and has a hold.
    unsafe {
        with_event(event, cx, again, |event, cx| {
            K::call_with_entry(entry, event, cx)
        })
    }
}

/// Says, when it is dropped by a panic of a filter, that the handler was not entered.
struct FilterGuard;

impl Drop for FilterGuard {
    fn drop(&mut self) {
        thread::set_unentered(true);
    }
}

/// Asks all that stands between an event and its handler, in the order that is promised: live, not
/// paused, filter, still live, claim, call. Apart from the plain call, and with its arguments, so
/// that that one is a test and a jump away from the closure.
///
/// # Safety
///
/// That of [`Handle::call`].
#[inline(never)]
unsafe fn ask_and_call<M, S, P, K>(
    entry: &Subscribed<M, S, P, K>,
    event: NonNull<()>,
    cx: &mut Round<'_, S::Context>,
) -> Code
where
    M: Primitives,
    S: Owner<M>,
    P: Filter<S::Event>,
    K: Callee<M, S::Event, S::Context>,
{
    let (head, link) = (entry.head(), &entry.link);
    if head.state.get() & !state::GATED != 0 && head.has(state::REPLACED) {
        // SAFETY: the caller says the same.
        return unsafe { replace::pass_on(&link.signal, head, event, cx) };
    }
    // SAFETY: the caller has a hold.
    let callee = unsafe { &entry.captures().callee };
    // SAFETY: the caller says the same.
    if let Some(code) = unsafe { ask(entry, Some(callee), event, cx) } {
        return code;
    }
    K::reserve_call(&link.state);
    if let Some(code) = claim(entry) {
        callee.release_reservation(&link.state);
        return code;
    }
    // SAFETY: the caller says the same.
    unsafe { entry.enter(event, cx) }
}

/// Asks all but the claim. What it came to, if that is no call of this handler. The `callee` is the
/// handler's own, unless it is asked for a replacement.
///
/// # Safety
///
/// That of [`Handle::ask`].
#[inline(always)]
unsafe fn ask<M, S, P, K>(
    entry: &Subscribed<M, S, P, K>,
    callee: Option<&K>,
    event: NonNull<()>,
    cx: &mut Round<'_, S::Context>,
) -> Option<Code>
where
    M: Primitives,
    S: Owner<M>,
    P: Filter<S::Event>,
    K: Callee<M, S::Event, S::Context>,
{
    let head = entry.head();
    // Anything but that there is something to ask.
    if head.state.get() & !state::GATED != 0 {
        if let Some(code) = refuse(entry, callee) {
            return Some(code);
        }
    }
    if is_any::<S::Event>() && cx.topic_info.is_closed() {
        return Some(Code::Closed);
    }
    if P::ASKS {
        let filter_guard = FilterGuard;
        // SAFETY: a hold or a keeper keeps the filter.
        let filter = unsafe { &(*entry.captures_at()).filter };
        // SAFETY: the caller says the same.
        let passes = unsafe {
            let again = is_any::<S::Event>() && cx.topic_info.is_any();
            with_event(event, cx, again, |event, _| filter.passes(event))
        };
        std::mem::forget(filter_guard);
        if !passes {
            return Some(Code::Skipped);
        }
        // The filter is user code, and may have cancelled or replaced. Whether it is paused was asked
        // before.
        let changes = match callee {
            Some(_) => state::REMOVED | state::REPLACED,
            None => state::REMOVED,
        };
        let changed = head.state.get() & changes;
        if changed == state::REPLACED {
            let signal = &entry.link.signal;
            // SAFETY: the caller says the same.
            return Some(unsafe { replace::hand_over(signal, head, || claim(entry), event, cx) });
        }
        if changed != 0 || (K::WEAK && callee.is_some_and(|callee| !callee.is_alive())) {
            return Some(refuse(entry, callee).unwrap_or(Code::Skipped));
        }
    }
    None
}

/// Asks whether the handler is live and not paused. What it came to, if it is not.
#[cold]
fn refuse<M, S, P, K>(entry: &Subscribed<M, S, P, K>, callee: Option<&K>) -> Option<Code>
where
    M: Primitives,
    S: Owner<M>,
    P: Filter<S::Event>,
    K: Callee<M, S::Event, S::Context>,
{
    match entry.head().state.get() {
        state if state & state::CLOSED != 0 => Some(Code::Closed),
        state if state & state::REMOVED != 0 => Some(Code::Skipped),
        _ if K::WEAK && callee.is_some_and(|callee| !callee.is_alive()) => {
            remove(entry, state::CANCELLED | state::WEAK);
            Some(Code::Skipped)
        }
        state if state >= state::PAUSE => Some(Code::Skipped),
        _ => None,
    }
}

/// Claims a call. What it came to, if there was none left.
#[inline(always)]
fn claim<M, S, P, K>(entry: &Subscribed<M, S, P, K>) -> Option<Code>
where
    M: Primitives,
    S: Owner<M>,
    P: Filter<S::Event>,
    K: Callee<M, S::Event, S::Context>,
{
    match entry.head().claim() {
        None => return Some(Code::Skipped),
        // Spent: removed before its last call, so that it can subscribe anew from inside.
        Some(true) => _ = remove(entry, 0),
        Some(false) => {}
    }
    None
}

/// Removes a handler from its signal; whether it was there.
#[inline(always)]
pub(crate) fn remove<M, S, P, K>(entry: &Subscribed<M, S, P, K>, flags: usize) -> bool
where
    M: Primitives,
    S: Owner<M>,
    P: Filter<S::Event>,
    K: Callee<M, S::Event, S::Context>,
{
    let (signal, head) = (M::upgrade(&entry.link.signal), entry.head());
    signal.is_some_and(|signal| signal.remove(head.key, head.sequence, flags))
}

impl<M, S, P, K> Control<M> for Subscribed<M, S, P, K>
where
    M: Primitives,
    S: Owner<M>,
    P: Filter<S::Event>,
    K: Callee<M, S::Event, S::Context>,
{
    fn cancel(&self) -> bool {
        remove(self, state::CANCELLED)
    }
    unsafe fn is_alive(&self) -> bool {
        // SAFETY: the caller has a hold.
        unsafe { self.captures() }.callee.is_alive()
    }
    fn replace(&self, request: &mut dyn Any) -> Result<(), ReplaceErrorKind> {
        let Some(request) = request.downcast_mut::<ReplaceRequest<M, S::Event>>() else {
            return Err(ReplaceErrorKind::WrongType);
        };
        if K::QUEUED {
            return Err(ReplaceErrorKind::Queued);
        }
        match M::upgrade(&self.link.signal) {
            Some(signal) => replace::replace(&signal, request),
            None => Err(ReplaceErrorKind::Inactive),
        }
    }
    fn is_run_by(&self, signal: usize) -> bool {
        M::address(&self.link.signal).addr() == signal
            || (is_any::<S::Event>()
                && M::upgrade(&self.link.signal).is_none_or(|own| own.is_part_of(signal)))
    }
}
