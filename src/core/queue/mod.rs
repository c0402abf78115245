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
//! [`timers`]), and an *outbox*, from which a [`drain`] delivers. The lock of the outbox is the
//! drain lock: it is held while handlers run, so that one drain runs at a time. The drains inside of
//! its handlers find it held by their own thread, and take from the outbox, too. Apart from it, user
//! code is only ever called under the lock of an `on_mut` handler. [`overflow`] decides what
//! happens when the capacity is reached, [`ready`] notifies those that wait for events, [`queued`]
//! has the handlers that a queue calls.
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
//! - Locks: the outbox before the inbox, and the inbox before a mailbox, under which nothing is locked.
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
//! Those about one file stand in its header: one read guard for a run of events, and the span of
//! a deferred event in [`lane`]; the payload type beside the lane, and the turn of a drain in [`lanes`]; joining by name in [`enqueue`];
//! single events in [`drain`]; the list for `defer_latest` in [`latest`]; the separate count of
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
//! one handler needs one claim. It costs a lock of its own at either end, and one claim for a run makes up
//! for that: 626 instructions for an emission to one queued handler and its delivery, in 64 at a time,
//! where it was 644 with the events in the lanes.
//! What a cancel leaves behind in the lanes is a *hole*, which nobody counts and a drain passes. Holes in a
//! row are joined once there are as many as there were runs at the last time, and 64 at least: that is O(1)
//! for each call, and leaves no more places than calls that wait, twice.
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
