//! Waiting for events: futures of one event, streams, and async handlers.
//!
//! # What it owns
//!
//! The handlers behind a future ([`next`]) and behind a stream ([`stream`]), with what stands
//! between a handler and the task or thread that waits for it: the place for one event, the buffer
//! of a stream, the [`waiter`]. The futures that async handlers have started: those of an awaited emission
//! ([`async_handler`]), and those that an executor runs ([`task`]).
//!
//! # What it guarantees
//!
//! - To the roster and to the loop that calls them these are handlers like any others, with a rank,
//!   filters, pauses and a limit; the emissions of other signals pay nothing for them.
//! - User code (clones, closures, `Drop`, wakers) never runs under one of its locks.
//! - Each waiter is notified of an event, and of the removal of its handler. Between the check that
//!   finds nothing and the registration of the waiter no notification is lost, because both happen
//!   under one lock.
//! - Every event that a stream does not yield is counted, in the place where it is missing, or is a
//!   failure of the handler in its emission.
//! - As long as a started future has not ended, its handler's call has not ended: captures stay,
//!   and the waiting cancel waits.
//!
//! # What it does not know
//!
//! Queues, the registry and buses: an async handler finds its executor in the configuration that
//! all signals of a bus share. Executors other than through [`Executor`](crate::Executor). The
//! public futures and streams, which stand in `src/futures`.
//!
//! # Decisions
//!
//! Those about one file stand in its header: awaited emissions in [`async_handler`], executors and
//! wakes in [`task`], locks and losses of a stream in [`stream`], threads and tasks in [`waiter`].
//!
//! **A `next()` is a whole handler, and costs what one costs.** Its event is stored in the entry,
//! so that the future and its handler are one allocation. Subscribed, emitted to and polled it takes 25 locked
//! instructions: 4 for the references of the entry to its signal, 4 to subscribe it, 4 for the emission,
//! 2 to store the event, 8 to remove the handler, 1 to drop it, and 2 to take the event. A oneshot channel takes 5.
//! It was 36 while the list of its handlers was published (see [`signal`](crate::core::signal)), a builder had a
//! reference of its own, and each poll cloned the waker. What is left would be saved by a handler that stays in
//! the list for the next one that waits. But an emission that had begun before would call it, against promise 3:
//! to tell, each emission would have to record when it began, and all signals would pay for that.
//! And while it is idle it must not count: in `len`, for the unhandled hook, for `on_demand`, and
//! for the lifetime of a topic.
//!
//! **A `next()` clones first and decides then.** Of two clones made at the same time the later one
//! is dropped; a clone that panics, or emits, finds the future waiting as before. To claim first,
//! as `once` does, would lose an event whose clone panics. The handler removes itself before it
//! wakes, so that the task that is woken can wait anew.
//!
//! **Removal notifies the waiters; the drop of the captures does not.** The drop would be enough to
//! know that no event comes any more, as it is for probes. But it waits for running emissions, and
//! one of these may be blocked by the stream itself, or be in the handler that has closed the
//! signal and joins the waiting thread. So handlers are notified when they are removed
//! (`on_removed`), outside of locks. Only a stream whose handler was removed by a limit ends by the
//! drop, because the last call is still to come.

pub(crate) mod async_handler;
#[cfg(feature = "nats")]
pub(crate) mod confirmed;
pub(crate) mod next;
pub(crate) mod stream;
pub(crate) mod task;
pub(crate) mod waiter;
