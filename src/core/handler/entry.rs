//! One handler: its state, its captures, and who keeps them.
//!
//! An entry is one allocation with two lives, as in an `Arc` and its `Weak`. *Holds* keep the
//! captures (the closures): the roster has one, every snapshot one, a delivery under way one. When
//! the last hold goes the captures are dropped, at once and once. *Anchors* keep the memory, so
//! that subscriptions and queued calls can still ask for the state.
//!
//! This file and the read side are the only ones with `unsafe`: an anchor is a plain pointer to
//! the value, because a call through `Arc<dyn Trait>` computes the value's offset every time.

use std::any::Any;
use std::cell::UnsafeCell;
use std::cmp::Reverse;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crate::core::failure::panics::catch;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::parking;
use crate::core::primitives::sync::Word;
use crate::core::primitives::thread::{self, ActiveScope};
use crate::core::reclaim::counted::Counted;
pub(crate) use crate::core::reclaim::counted::{Anchor, Counts, Hold};
use crate::core::settings::failure_source::FailureSource;
use crate::core::settings::signal_info::SignalInfo;
use crate::error::ReplaceErrorKind;
use crate::failure::CallSite;
use crate::topic::any_event::TopicInfo;

/// Where a handler stands: the higher priority first, then the lower sequence number.
pub(crate) type Rank = (Reverse<i32>, u64);

/// A handler in a list. Its hold keeps its captures.
pub(crate) type Handler<M, C> = Hold<M, dyn Handle<M, C>>;

/// What handlers are ordered by.
pub(crate) fn rank<M: Primitives, C>(handler: &Handler<M, C>) -> Rank {
    handler.entry().head().rank()
}

/// What a handler's call came to. Plain, so that the loop that calls handlers tests one register;
/// errors go elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Called; go on.
    Ran,
    /// Called and failed; go on.
    Failed,
    /// Not called: removed, paused, filtered out, or its limit spent.
    Skipped,
    /// Called; end the emission.
    Stopped,
    /// Not called, and nobody else is: the signal was closed.
    Closed,
}

/// The flags of [`Head::state`]. All clear: call at once.
pub(crate) mod state {
    /// No longer in the roster.
    pub(crate) const REMOVED: usize = 1;
    /// Removed by its owner and not by its limit: queued calls die with it.
    pub(crate) const CANCELLED: usize = 2;
    /// Removed because its signal was closed.
    pub(crate) const CLOSED: usize = 4;
    /// There is a filter or a limit to ask before each call.
    pub(crate) const GATED: usize = 8;
    /// The roster's hold has been given up.
    pub(crate) const RELEASED: usize = 16;
    /// The captures are gone.
    pub(crate) const DROPPED: usize = 32;
    /// Somebody is parked until the captures are gone.
    pub(crate) const AWAITED: usize = 64;
    /// It has a target that may die, and is to be asked before each call.
    pub(crate) const WEAK: usize = 128;
    /// Another handler has its place in the roster.
    pub(crate) const REPLACED: usize = 256;
    /// It is replaced, and its own calls have ended: all that is left is the filter.
    pub(crate) const ENDED: usize = 512;
    /// It is replaced, and those that replaced it have gone.
    pub(crate) const SUCCEEDED: usize = 1024;
    /// One pause. All higher bits count pauses.
    pub(crate) const PAUSE: usize = 4096;
}

/// What rarely is there, kept out of the common entry.
pub(crate) struct Extra<M: Primitives> {
    pub(crate) label: Option<Box<str>>,
    /// Calls left to claim.
    pub(crate) left: Option<M::Word>,
    pub(crate) priority: i32,
    /// Of a replacement: the handler that was subscribed, which keeps the state and the limit.
    pub(crate) original: Option<Anchor<M, dyn Control<M>>>,
}

/// What an entry is apart from its captures.
pub struct Head<M: Primitives> {
    counts: Counts<M>,
    pub(crate) state: M::Word,
    /// The roster's key, as a number.
    pub(crate) key: u64,
    /// Process-wide, rising: the order of subscribing.
    pub(crate) sequence: u64,
    pub(crate) location: CallSite,
    pub(crate) info: Option<M::Ptr<SignalInfo<M>>>,
    pub(crate) extra: Option<Box<Extra<M>>>,
}

impl<M: Primitives> Head<M> {
    pub(crate) fn has(&self, flag: usize) -> bool {
        self.state.get() & flag != 0
    }

    /// Where the state stands that the subscription sees: that of the handler that was subscribed,
    /// whatever has replaced it.
    pub(crate) fn original(&self) -> &Head<M> {
        let extra = self.extra.as_ref();
        match extra.and_then(|extra| extra.original.as_ref()) {
            Some(original) => original.head(),
            None => self,
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.state.get() >= state::PAUSE
    }

    pub(crate) fn label(&self) -> Option<&str> {
        self.extra.as_ref()?.label.as_deref()
    }

    pub(crate) fn priority(&self) -> i32 {
        self.extra.as_ref().map_or(0, |extra| extra.priority)
    }

    pub(crate) fn rank(&self) -> Rank {
        (Reverse(self.priority()), self.sequence)
    }

    /// The handler as the one to blame for a failure, in an emission about `topic_info`.
    pub(crate) fn failure_source<'b>(
        &'b self,
        topic_info: Option<&'b TopicInfo>,
    ) -> FailureSource<'b, M> {
        FailureSource::new(self.info.as_deref(), self.label(), self.location).about(topic_info)
    }

    /// Spends one call of the limit. `None`: there was none left. `Some(true)`: it was the last.
    pub(crate) fn claim(&self) -> Option<bool> {
        let Some(left) = self.extra.as_ref().and_then(|extra| extra.left.as_ref()) else {
            return Some(false);
        };
        left.update(|n| n.checked_sub(1)).map(|before| before == 1)
    }
}

/// What every entry can be asked, whatever its captures and its event are.
pub trait Entity<M: Primitives>: Counted<M> {
    fn head(&self) -> &Head<M>;
    /// Where the entry stands, to tell entries apart.
    fn address(&self) -> usize {
        std::ptr::from_ref(self.head()).addr()
    }
    /// Drops captures.
    ///
    /// # Safety
    ///
    /// Each part once, when there are no holds left, and the filter not before the last replacement
    /// has gone.
    unsafe fn drop_captures(&self, part: Part);
}

/// What of the captures. They are dropped in one go, but for a handler that was replaced: that one
/// keeps its filter, for those that replaced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    All,
    AllButFilter,
    Filter,
}

/// What the captures of an entry may be.
pub(crate) trait DropInParts: Sized {
    /// Drops a part of them.
    ///
    /// # Safety
    ///
    /// `this` may be written to, and no part is dropped twice.
    unsafe fn drop_part(this: *mut Self, part: Part) {
        if part != Part::Filter {
            // SAFETY: the caller says so.
            unsafe { this.drop_in_place() };
        }
    }
}

/// What an emission gives each of its handlers beside the event.
pub struct Round<'r, C> {
    pub(crate) context: &'r mut C,
    pub(crate) topic_info: &'r TopicInfo,
}

/// A handler, as an emission sees it: of whatever event, so that those of patterns stand in one
/// list with the others.
pub trait Handle<M: Primitives, C>: Entity<M> {
    /// Calls the handler, if it is live and willing.
    ///
    /// # Safety
    ///
    /// The caller has a hold. `event` points to an event of the type that the subject of `cx`
    /// says, which is that of the handler, unless that is one of a pattern.
    unsafe fn call(&self, event: NonNull<()>, cx: &mut Round<'_, C>) -> Code;
    /// PendingWake once when its limit has removed it; whether its captures go with it.
    fn on_limit_reached(&self) -> bool;
    /// Whether its target lives, if it is [`WEAK`](state::WEAK).
    ///
    /// # Safety
    ///
    /// The caller has a hold.
    unsafe fn is_alive(&self) -> bool;
    /// PendingWake once when it was cancelled, cleared or closed.
    ///
    /// # Safety
    ///
    /// The caller has a hold, and no lock.
    unsafe fn on_removed(&self) {}
    /// Asks, for a replacement, all that stands between an event and the handler, but the claim. What
    /// it came to, if that is no call.
    ///
    /// # Safety
    ///
    /// That of [`call`](Self::call), but that a keeper will do, which is a hold of the filter alone.
    unsafe fn ask(&self, event: NonNull<()>, cx: &mut Round<'_, C>) -> Option<Code>;
    /// Claims a call for a replacement. What it came to, if there was none left.
    fn claim(&self) -> Option<Code>;
    /// Makes a call that was claimed.
    ///
    /// # Safety
    ///
    /// That of [`call`](Self::call).
    unsafe fn enter(&self, event: NonNull<()>, cx: &mut Round<'_, C>) -> Code;
    /// Of a replacement, what it shares with others of the same original.
    ///
    /// # Safety
    ///
    /// The caller has a hold.
    unsafe fn keeper(&self) -> Option<M::Ptr<Keeper<M, C>>>;
}

/// A handler, as a queue sees it.
pub(crate) trait QueuedHandler<M: Primitives, E, C>: Entity<M> {
    /// Calls the handler for an event that was claimed earlier, unless it is cancelled or paused.
    ///
    /// # Safety
    ///
    /// The caller has a hold.
    unsafe fn deliver(&self, event: &E, context: &mut C) -> Code;
    /// Takes note that a claimed call was made or dropped, without a hold; whether the captures
    /// were kept for it alone.
    fn settle(&self) -> bool;
}

/// A handler, as its subscription sees it.
pub(crate) trait Control<M: Primitives>: Entity<M> {
    /// Removes the handler from its signal; whether it was there.
    fn cancel(&self) -> bool;
    /// Whether emissions of the signal at this address run it.
    fn is_run_by(&self, signal: usize) -> bool;
    /// As [`Handle::is_alive`].
    ///
    /// # Safety
    ///
    /// The caller has a hold.
    unsafe fn is_alive(&self) -> bool;
    /// Puts another handler in its place, as a [`ReplaceRequest`](crate::core::handler::replace::ReplaceRequest) says.
    fn replace(&self, request: &mut dyn Any) -> Result<(), ReplaceErrorKind>;
}

/// An entry in full. `K` has the captures; `L` is what leads back to the signal.
pub(crate) struct Entry<M: Primitives, L, K> {
    head: Head<M>,
    pub(crate) link: L,
    captures: UnsafeCell<ManuallyDrop<K>>,
}

impl<M: Primitives, L, K> Entry<M, L, K> {
    /// # Safety
    ///
    /// The caller has a hold.
    #[inline(always)]
    pub(crate) unsafe fn captures(&self) -> &K {
        debug_assert!(self.head.counts.is_held(), "captures are read with a hold");
        // SAFETY: a hold keeps them, and nothing borrows them mutably until the last is gone.
        unsafe { &*self.captures.get() }
    }

    /// Where the captures stand, dropped or not.
    #[inline(always)]
    pub(crate) fn captures_at(&self) -> *mut K {
        self.captures.get().cast()
    }
}

impl<M: Primitives, L, K: DropInParts> Counted<M> for Entry<M, L, K> {
    #[inline(always)]
    fn counts(&self) -> &Counts<M> {
        &self.head.counts
    }
    fn mark_released(&self) -> bool {
        self.head.state.or(state::RELEASED) & state::RELEASED == 0
    }
    unsafe fn finish(&self) {
        finish(self);
    }
}

impl<M: Primitives, L, K: DropInParts> Entity<M> for Entry<M, L, K> {
    #[inline(always)]
    fn head(&self) -> &Head<M> {
        &self.head
    }
    unsafe fn drop_captures(&self, part: Part) {
        // SAFETY: the caller says that nobody has a hold, so nobody borrows this part of them.
        unsafe { K::drop_part(self.captures_at(), part) };
    }
}

/// What a new entry starts from.
pub(crate) struct Draft<M: Primitives> {
    pub(crate) key: u64,
    pub(crate) sequence: u64,
    pub(crate) location: CallSite,
    pub(crate) info: Option<M::Ptr<SignalInfo<M>>>,
    pub(crate) extra: Option<Box<Extra<M>>>,
    pub(crate) state: usize,
}

impl<M: Primitives> Draft<M> {
    /// Of an entry that is in no roster.
    pub(crate) fn alone(location: CallSite, info: Option<M::Ptr<SignalInfo<M>>>) -> Self {
        Draft {
            key: 0,
            sequence: 0,
            location,
            info,
            extra: None,
            state: 0,
        }
    }
}

/// What all replacements of one original share: dropped with the last of them.
pub struct Keeper<M: Primitives, C: 'static> {
    pub(crate) original: Anchor<M, dyn Handle<M, C>>,
}

impl<M: Primitives, C> Drop for Keeper<M, C> {
    fn drop(&mut self) {
        leave(&*self.original, state::SUCCEEDED);
    }
}

impl<M: Primitives, L, K: DropInParts> Anchor<M, Entry<M, L, K>> {
    /// A new entry with one anchor, and one hold that the caller has to give up in time, by
    /// [`release`](Anchor::release).
    pub(crate) fn new(draft: Draft<M>, link: L, captures: K) -> Self {
        let head = Head {
            counts: Counts::new(),
            state: M::Word::new(draft.state),
            key: draft.key,
            sequence: draft.sequence,
            location: draft.location,
            info: draft.info,
            extra: draft.extra,
        };
        let captures = UnsafeCell::new(ManuallyDrop::new(captures));
        Anchor::made(Entry {
            head,
            link,
            captures,
        })
    }

    /// Looks at the captures, unless they are gone.
    pub(crate) fn with_captures(&self, f: impl FnOnce(&K)) {
        if let Some(hold) = self.hold() {
            // SAFETY: `hold` is one.
            f(unsafe { hold.entry().captures() });
        }
    }
}

impl<M: Primitives, C: 'static> Anchor<M, dyn Handle<M, C>> {
    /// Tells it that it was removed, if its captures are there: since it came out of the roster, its
    /// subscription may have been dropped. The caller has no lock.
    pub(crate) fn end(&self) {
        if let Some(hold) = self.hold() {
            // SAFETY: `hold` is one, and the caller has no lock.
            unsafe { hold.entry().on_removed() };
        }
    }
}

impl<M: Primitives> Anchor<M, dyn Control<M>> {
    /// Whether the handler is connected, and its target, if it has one, lives. May be what drops its
    /// captures, so no lock may be held.
    pub(crate) fn is_active(&self) -> bool {
        let state = self.head().state.get();
        if state & (state::REMOVED | state::WEAK) != state::WEAK {
            return state & state::REMOVED == 0;
        }
        match self.hold() {
            // SAFETY: `hold` is one.
            Some(hold) => unsafe { hold.entry().is_alive() },
            // Removed, or replaced, since.
            None => !self.head().has(state::REMOVED),
        }
    }
}

impl<M: Primitives, C: 'static> Anchor<M, dyn Handle<M, C>> {
    /// Whether its target has died. For those in the roster of a signal that is not being dropped,
    /// under its lock: that roster keeps the hold that this needs.
    pub(crate) fn is_dead(&self) -> bool {
        // SAFETY: an anchor in such a roster has not been released.
        self.head().has(state::WEAK) && !unsafe { self.is_alive() }
    }
}

/// Drops the captures after the last hold.
fn finish<M: Primitives, T: Entity<M>>(entry: &T) {
    let head = entry.head();
    if head.has(state::REPLACED) {
        drop_part(entry, head, Part::AllButFilter);
        leave(entry, state::ENDED);
    } else {
        drop_part(entry, head, Part::All);
    }
}

/// Marks that one of the two has gone that need a replaced handler's filter: its own calls, or its
/// replacements. The second drops it.
#[inline(never)]
pub(crate) fn leave<M: Primitives, T: ?Sized + Entity<M>>(entry: &T, flag: usize) {
    let (head, both) = (entry.head(), state::ENDED | state::SUCCEEDED);
    if (head.state.or(flag) | flag) & both == both {
        drop_part(entry, head, Part::Filter);
    }
}

#[inline(always)]
fn drop_part<M: Primitives, T: ?Sized + Entity<M>>(entry: &T, head: &Head<M>, part: Part) {
    let scope_guard = thread::enter_scope(ActiveScope {
        inside: std::ptr::from_ref(head.original()).addr(),
        sequence_limit: 0,
    });
    // SAFETY: the count of holds has come to zero, which it leaves never again; for the filter
    // alone, that of the replacements, too.
    let dropped = catch(|| unsafe { entry.drop_captures(part) });
    drop(scope_guard);
    if part != Part::AllButFilter && head.state.or(state::DROPPED) & state::AWAITED != 0 {
        parking::wake_all();
    }
    // After the wake-up: to tell somebody may run a hook.
    if let Err(payload) = dropped {
        head.failure_source(None).panicked(payload);
    }
}
