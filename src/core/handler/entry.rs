//! The entry of a handler: its state, its captures, and the traits by which it is seen.
//!
//! An entry is one allocation with two counts. *Strong references* keep the captures (the closures): the
//! roster has one, every snapshot one, a running delivery one. The captures are dropped with the last one,
//! at once and once. *Weak references* keep the memory, so that subscriptions and queued calls can still
//! read the state.
//!
//! Emissions have strong references, and see a
//! [`DynHandler`](crate::core::handler::erased::DynHandler). Queues and subscriptions have weak ones, and
//! see a [`QueuedHandler`] and a [`Connection`].

use std::any::Any;
use std::cmp::Reverse;

use crate::core::failure::apart::catch_apart;
use crate::core::failure::panics::Payload;
use crate::core::primitives::flavour::Primitives;
use crate::core::primitives::parking;
use crate::core::primitives::room;
use crate::core::primitives::sync::Word;
use crate::core::primitives::thread::{self, ActiveScope};
pub(crate) use crate::core::reclaim::counted::{Alive, StrongRef, WeakRef};
use crate::core::reclaim::counted::{Allocation, Counted, Outlives, WeakView};
use crate::core::settings::bus::let_go;
use crate::core::settings::failure_source::FailureSource;
use crate::core::settings::signal_info::SignalInfo;
use crate::error::ReplaceErrorKind;
use crate::failure::CallSite;
use crate::subscription_id::SubscriptionId;
use crate::topic::any_event::TopicInfo;

/// The order of handlers: the higher priority first, then the lower sequence number.
pub(crate) type Rank = (Reverse<i32>, u64);

/// The result of calling a handler. Without data, so that the loop that calls handlers tests one register;
/// errors are collected elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallResult {
    /// Called; continue.
    Ran,
    /// Called and failed; continue.
    Failed,
    /// Not called: removed, paused, filtered out, or its limit is used up.
    Skipped,
    /// Called; continue, and cancel the handler. Whoever calls a handler's closure does that, so that no
    /// emission sees it.
    Cancelled,
    /// Not called: its target is dead.
    Orphaned,
    /// Called; end the emission.
    Stopped,
    /// Not called; end the emission: the signal was closed.
    Closed,
}

/// The flags of [`Header::state`]. If it is zero, the handler is called without further checks.
pub(crate) mod state {
    /// No longer in the roster.
    pub(crate) const REMOVED: usize = 1;
    /// Given up by its owner: queued calls are dropped with it. Neither its limit nor a close does that.
    pub(crate) const CANCELLED: usize = 2;
    /// Removed because its signal was closed.
    pub(crate) const CLOSED: usize = 4;
    /// There is a filter or a limit to check before each call.
    pub(crate) const GATED: usize = 8;
    /// Removed by its limit, with claimed calls in a queue, which may need the captures.
    pub(crate) const PENDING: usize = 16;
    /// The captures are dropped, or there is no subscription that could wait for that.
    pub(crate) const DROPPED: usize = 32;
    /// A thread waits until the captures are dropped.
    pub(crate) const AWAITED: usize = 64;
    /// It has a weak target or an owner, which are checked before each call.
    pub(crate) const WEAK: usize = 128;
    /// Another handler has replaced it in the roster.
    pub(crate) const REPLACED: usize = 256;
    /// It is a replacement: the other flags are the original's.
    pub(crate) const SUCCESSOR: usize = 512;
    /// It was replaced, and its own captures are dropped.
    pub(crate) const ENDED: usize = 1024;
    /// It was replaced, and the captures of all its replacements are dropped.
    pub(crate) const SUCCEEDED: usize = 2048;
    /// A call that only one thread at a time can make has asked for its handler to be cancelled.
    pub(crate) const FINISHED: usize = 4096;
    /// Its signal or its bus is paused, or was: it is to look there.
    pub(crate) const HELD: usize = 8192;
    /// One pause. All higher bits count pauses.
    pub(crate) const PAUSE: usize = 16384;
}

/// Fields that few handlers need, kept out of the header.
pub(crate) struct HeaderExt<M: Primitives> {
    pub(crate) label: Option<Box<str>>,
    /// The number of calls that can still be claimed.
    pub(crate) left: Option<M::Word>,
    pub(crate) priority: i32,
    /// For a replacement: the handler that was subscribed, which has the state and the limit.
    pub(crate) original: Option<WeakRef<M, dyn Connection<M>>>,
}

/// The part of an entry that all references can read.
pub struct Header<M: Primitives> {
    pub(crate) state: M::Word,
    /// The roster's key, as a number.
    pub(crate) key: u64,
    /// Process-wide and increasing: the order of subscribing.
    pub(crate) sequence: u64,
    pub(crate) location: CallSite,
    pub(crate) info: Option<M::Ptr<SignalInfo<M>>>,
    pub(crate) extra: Option<Box<HeaderExt<M>>>,
}

impl<M: Primitives> Header<M> {
    /// For an entry that is in no roster.
    pub(crate) fn alone(location: CallSite, info: Option<M::Ptr<SignalInfo<M>>>) -> Self {
        Header {
            state: M::Word::new(0),
            key: 0,
            sequence: 0,
            location,
            info,
            extra: None,
        }
    }

    /// The id of the subscription.
    pub(crate) fn id(&self) -> SubscriptionId {
        SubscriptionId {
            sequence: self.sequence,
            key: self.key,
            topic: self.info.as_ref().map_or(0, |info| info.key),
        }
    }

    pub(crate) fn has(&self, flag: usize) -> bool {
        self.state.get() & flag != 0
    }

    /// The header with the state that the subscription sees: for a replacement, that of the handler that was
    /// subscribed.
    pub(crate) fn original(&self) -> &Header<M> {
        let extra = self.extra.as_ref();
        match extra.and_then(|extra| extra.original.as_ref()) {
            Some(original) => original.head(),
            None => self,
        }
    }

    /// Returns whether it is paused, or its signal or its bus is.
    pub(crate) fn is_paused(&self) -> bool {
        let info = self.info.as_ref();
        self.state.get() >= state::PAUSE || info.is_some_and(|info| info.is_paused())
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

    /// The handler as the source of a failure, in an emission of this topic.
    pub(crate) fn failure_source<'b>(
        &'b self,
        topic_info: Option<&'b TopicInfo>,
    ) -> FailureSource<'b, M> {
        FailureSource::new(self.info.as_deref(), self.label(), self.location).about(topic_info)
    }

    /// Claims one call of the limit, which is the original's. `None` if none is left, `Some(true)` if it
    /// was the last one.
    pub(crate) fn claim(&self) -> Option<bool> {
        let Some(extra) = &self.extra else {
            return Some(false);
        };
        if let Some(original) = &extra.original {
            return original.head().claim();
        }
        let Some(left) = &extra.left else {
            return Some(false);
        };
        left.update(|n| n.checked_sub(1)).map(|before| before == 1)
    }

    /// Marks a handler as cancelled that is not in its roster any more.
    pub(crate) fn set_cancelled(&self) {
        self.original().state.or(state::REMOVED | state::CANCELLED);
        if M::WAITS {
            // A call of it may wait for room.
            room::let_go();
        }
    }

    pub(crate) fn is_limited(&self) -> bool {
        let extra = self.extra.as_ref();
        extra.is_some_and(|extra| extra.left.is_some())
    }

    /// Returns whether no call of the limit is left.
    pub(crate) fn is_used_up(&self) -> bool {
        let left = self.extra.as_ref().and_then(|extra| extra.left.as_ref());
        left.is_some_and(|left| left.get() == 0)
    }

    /// Reports the panics of the captures' drops.
    #[cold]
    fn report_dropped(&self, panics: Vec<Payload>) {
        for payload in panics {
            self.failure_source(None).panicked(payload);
        }
    }

    /// Marks the captures as dropped and wakes the threads that wait for that. Those of a replaced handler
    /// count as dropped when both its own and those of all its replacements are; `part` states which of the
    /// two were dropped now.
    fn dropped(&self, part: usize) {
        let both = state::ENDED | state::SUCCEEDED;
        let replaced = part == state::SUCCEEDED || self.has(state::REPLACED);
        // AcqRel, as all of `Word`; pairs with the same call for the other part: the second one sees what
        // the first has dropped.
        if replaced && (self.state.or(part) | part) & both != both {
            return;
        }
        if self.has(state::DROPPED) {
            return;
        }
        // Release; pairs with the Acquire of the load in the waiting cancel. AWAITED is set there before
        // it waits, so that either this call sees it or the wait sees DROPPED.
        if self.state.or(state::DROPPED) & state::AWAITED != 0 {
            parking::wake_all();
        }
    }
}

impl<M: Primitives> Outlives for Header<M> {
    fn release(&self, drop_captures: &mut dyn FnMut()) {
        let scope_guard = thread::enter_scope(ActiveScope {
            inside: std::ptr::from_ref(self.original()).addr(),
            sequence_limit: 0,
        });
        let panics = catch_apart(drop_captures);
        drop(scope_guard);
        self.dropped(state::ENDED);
        // After the waiting threads were woken: reporting it may run a hook.
        if !panics.is_empty() {
            self.report_dropped(panics);
        }
        let_go();
    }
}

/// Shared by all replacements of one handler, and dropped with the captures of the last of them.
pub(crate) struct Keeper<M: Primitives>(pub(crate) WeakRef<M, dyn Connection<M>>);

impl<M: Primitives> Drop for Keeper<M> {
    fn drop(&mut self) {
        self.0.head().dropped(state::SUCCEEDED);
    }
}

/// An entry. `K` are the captures; `L` is the back reference to the signal.
pub(crate) type Entry<M, L, K> = Counted<M, Header<M>, L, K>;

/// A handler, as a queue sees it.
pub(crate) trait QueuedHandler<M: Primitives, C>: WeakView<M, Header = Header<M>> {
    /// Makes the call with this number, unless the handler is cancelled or paused, and drops its event.
    /// `None` if that was taken already.
    fn deliver(&self, alive: Alive<'_>, number: u64, context: &mut C) -> Option<CallResult>;
    /// Drops the event of a call. Returns whether it was there.
    fn discard(&self, number: u64) -> bool;
    /// Returns whether the event of a call is there.
    fn is_waiting(&self, number: u64) -> bool;
    /// Called after claimed calls were made or dropped. Returns whether the captures were kept only for them.
    fn settle(&self) -> bool;
    /// Returns whether this is a closure that was posted, and not a subscribed handler.
    fn is_posted(&self) -> bool;
}

/// A handler, as its subscription sees it.
pub trait Connection<M: Primitives>: WeakView<M, Header = Header<M>> {
    /// Removes the handler from its signal. Returns whether it was connected.
    fn cancel(&self) -> bool;
    /// Cancels the handler after a call that has asked for it, but not one that has replaced it. Returns the
    /// result of that call.
    fn cancel_itself(&self, alive: Alive<'_>) -> CallResult;
    /// Drops the claimed calls that wait, of a handler that was cancelled. The caller has no lock.
    fn give_up(&self);
    /// The number of events that the bound of the handler has dropped.
    fn dropped(&self) -> usize;
    /// Returns whether emissions of the signal at this address call it.
    fn is_run_by(&self, signal: usize) -> bool;
    /// Like [`DynHandler::is_alive`](crate::core::handler::erased::DynHandler::is_alive). Without captures of
    /// its own it asks its replacement, whose captures may be dropped here.
    fn is_alive(&self, alive: Option<Alive<'_>>) -> bool;
    /// Replaces the handler by another one, given as a
    /// [`ReplaceRequest`](crate::core::handler::replace::ReplaceRequest).
    fn replace(&self, request: &mut dyn Any) -> Result<(), ReplaceErrorKind>;
}

impl<M: Primitives, T: ?Sized + Allocation<M, Header = Header<M>>> WeakRef<M, T> {
    /// Cancels a handler that is not in its roster any more: its limit may have removed it, with calls that
    /// still wait in a queue. May drop its captures, so no lock may be held.
    pub(crate) fn cancel_removed(&self) {
        self.head().set_cancelled();
        self.release();
    }
}

impl<M: Primitives, T: ?Sized + Connection<M>> WeakRef<M, T> {
    /// Returns whether the handler is connected, and its weak target and its owner, if it has them, are
    /// alive. May drop its captures, so no lock may be held.
    pub(crate) fn is_active(&self) -> bool {
        let state = self.head().state.get();
        if state & (state::REMOVED | state::WEAK) != state::WEAK {
            return state & state::REMOVED == 0;
        }
        match self.upgrade() {
            Some(handler) => handler.is_alive(Some(handler.alive())),
            None => self.is_alive(None),
        }
    }

    /// Cancels the handler if its target or its owner has been dropped: where nothing else would meet it.
    pub(crate) fn cancel_if_dead(&self) {
        let state = self.head().state.get();
        if state & (state::REMOVED | state::WEAK) == state::WEAK
            && !self.is_active()
            && !self.cancel()
        {
            self.cancel_removed();
        }
    }
}
