//! Queues: events that wait, and the drains that deliver them.
//!
//! # What it owns
//!
//! The events of a queue from the moment they are deferred until they are delivered or dropped.
//! They stand in one of four containers: a lane for each payload type ([`lanes`]); a list of
//! single events, for those that a newer one may replace and for delayed ones that have become due
//! ([`latest`]); a heap of those that are not yet due ([`delayed`]). Single events are stored in
//! [`envelope`]s. The events of calls wait with their handler, in its [`mailbox`], and the queue has only
//! their numbers.
//!
//! A [`queue`] has an *inbox*, under a short lock, where events are added ([`inbox`], [`enqueue`],
//! [`timers`]), and an *outbox*, from which a [`drain`] delivers. A drain has the *turn* while its handlers run, so
//! that one drain runs at a time. The drains inside of its handlers find that their own thread has it, and take from
//! the outbox, too. Apart from it, user code is only ever called under the lock of an `on_mut` handler. [`overflow`]
//! decides what happens when the capacity is reached, [`ready`] notifies those that wait for events, [`queued`] has
//! the handlers that a queue calls.
//!
//! # What it guarantees
//!
//! - One order over all payload types, first in, first out. A drain delivers what was in the queue
//!   when it began; what is added meanwhile waits for the next one. To tell the two apart, events
//!   are numbered over the life of the queue: a batch of lanes knows the number of its first event,
//!   and an event of the list how many lane events come before it.
//! - Each event is delivered once, dropped once, or handed back. A queue that is dropped with
//!   events in it reports their number.
//! - User code (handlers, `Drop` and `Clone` of events, wakers, a `tracing` subscriber) never runs
//!   under the lock of the inbox.
//! - Adding an event to a queue that has been as full lately allocates nothing, except for a posted
//!   closure. The room of a burst is given back within 64 drains ([`trim`]).
//! - Locks: that of the inbox, under which nothing is locked. Nobody waits for a turn while they have it.
//!
//! # What it does not know
//!
//! How handlers are called: it hands each event to `core/emission`, or to the handler that has
//! claimed it. Buses, registries and names: a target is a signal or a claimed call. Futures and
//! streams of events (`core/waiting`). Which time it is, except where a drain or a wait asks the
//! clock.
//!
//! # Decisions
//!
//! Those about one file stand in its header: one read guard for a run of events, and the span of a deferred
//! event in [`lane`]; the payload type beside the lane, and the turn of a drain in [`lanes`]; joining by name
//! in [`enqueue`]; single events in [`drain`]; the list for `defer_latest` in [`latest`]; the separate count of
//! delayed events in [`timers`]; which queue `bounded` sets in [`overflow`]; what wakes and what
//! does not in [`ready`]; clearing beside a drain in [`clear`]; how a wait for room ends in
//! `core/primitives/room`.
//!
//! **Whoever waits for room has a weak reference to the queue**, and does not wait at all with events
//! that a signal has kept: those are as many as the signal keeps, and the thread that subscribes is
//! often the one that drains.
//!
//! **The event of a call waits with its handler**, in a mailbox beside its captures, and what is in the lanes
//! is a number, of the payload `()`. So a cancel has all events of a handler at hand, and drops them at once,
//! without looking through the queue; a bound of one handler is a bound of its mailbox; and a run of calls of
//! one handler needs one claim, one strong reference and one scope.
//! What a cancel leaves behind in the lanes is a *hole*, which nobody counts and a drain passes. Holes in a
//! row are joined once there are as many as there were runs at the last time, and 64 at least: that is O(1)
//! for each call, and leaves no more places than calls that wait, twice.
//!
//! **A mailbox has no lock of its own**: that of the inbox guards it, which an emission takes in any case
//! ([`Beside`](lanes::Beside)). For that a mailbox has a strong reference to the inbox and the outbox, and a weak one
//! to the queue, which closes the inbox and empties both when it goes. How many calls are claimed is counted under
//! the same lock. So an emission to one queued handler and its delivery take 6 locked instructions, in 64 at a time,
//! two of them for the emission's list of handlers, where it was 14 with a lock of its own, a strong reference for
//! each call and an atomic count of the claims.
//!
//! **Handlers of `on_queue` cannot be replaced.** Calls of such a handler may wait in the queue,
//! and belong to the closure that claimed them. Cancelling and subscribing again has the same
//! effect, and makes clear what happens to those calls.

pub(crate) mod active_drain;
pub(crate) mod claim;
pub(crate) mod clear;
pub(crate) mod delayed;
pub(crate) mod drain;
pub(crate) mod enqueue;
pub(crate) mod envelope;
pub(crate) mod inbox;
pub(crate) mod index;
pub(crate) mod lane;
pub(crate) mod lanes;
pub(crate) mod latest;
pub(crate) mod mailbox;
pub(crate) mod order;
pub(crate) mod overflow;
pub(crate) mod queue;
pub(crate) mod queued;
pub(crate) mod ready;
pub(crate) mod recent;
pub(crate) mod runs;
pub(crate) mod target;
pub(crate) mod timers;
pub(crate) mod trim;
pub(crate) mod wakers;
