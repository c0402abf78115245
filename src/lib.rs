//! In-process events: named typed topics, handlers that may change while they run, delivery at
//! once or through a queue.
//!
//! ```
//! use slotcast::{Bus, Topic};
//!
//! struct Order { id: u64, total: f64 }
//! const PLACED: Topic<Order> = Topic::new("order.placed");    // checked at compile time
//!
//! let bus = Bus::new();                                       // a cheap handle: Clone, Send, Sync
//! let sub = bus.on(&PLACED, |o| println!("order {}", o.id));  // cancels when it is dropped
//! bus.once(&PLACED, |o| println!("first: {}", o.total)).detach();
//!
//! let done = bus.emit(&PLACED, &Order { id: 1, total: 9.5 }); // now, on this thread, by reference
//! assert_eq!(done.ran(), 2);
//! bus.defer(&PLACED, Order { id: 2, total: 3.0 })?;           // later
//! assert_eq!(bus.drain().delivered(), 1);                     // now is later
//! # drop(sub);
//! # Ok::<(), slotcast::DeferError<Order>>(())
//! ```
//!
//! Emitted on any thread, handled where a queue is drained, with that thread's state:
//!
//! ```
//! use slotcast::{Bus, Queue, Topic};
//!
//! #[derive(Default)]
//! struct App { shown: Vec<u64> }
//! const PLACED: Topic<u64> = Topic::new("order.placed");
//!
//! let bus = Bus::new();
//! let ui = Queue::<App>::with_context();
//! let _sub = bus.subscribe(&PLACED).on_queue(&ui, |app: &mut App, id| app.shown.push(*id));
//!
//! std::thread::scope(|scope| { scope.spawn(|| bus.emit(&PLACED, &7)); });
//! let mut app = App::default();
//! ui.drain_with(&mut app);
//! assert_eq!(app.shown, [7]);
//! ```
//!
//! Background work that calls back when it is done, on the thread that owns the state:
//!
#![cfg_attr(feature = "jobs", doc = "```")]
#![cfg_attr(not(feature = "jobs"), doc = "```ignore")]
//! use slotcast::{Jobs, Queue};
//!
//! #[derive(Default)]
//! struct App { total: Option<u64> }
//!
//! let ui = Queue::<App>::with_context();
//! let jobs = Jobs::new(2);
//! jobs.submit(|_| (1..=100).sum()).on_done_in(&ui, |app, total| app.total = total.ok());
//!
//! let mut app = App::default();
//! while app.total.is_none() && ui.wait_timeout(std::time::Duration::from_secs(60)) {
//!     ui.drain_with(&mut app);
//! }
//! assert_eq!(app.total, Some(5050));
//! ```
//!
//! # Words
//!
//! | word | means |
//! |---|---|
//! | event | the value that is delivered, of any type `E` |
//! | [`Topic<E>`](Topic) | a name together with its payload type |
//! | handler | the closure that is called |
//! | [`Subscription`] | the guard that keeps a handler connected |
//! | [`Signal<E>`](Signal) | the ordered handlers of one event; usable alone, without a bus |
//! | [`Bus`] | signals by name, patterns over the names, and one queue |
//! | [`Pattern`] | names, all at once: `order.*`, `order.>` |
//! | [`Emission`] | one delivery of one event to the handlers of a signal, and how it went |
//! | [`Queue`] | events waiting to be delivered by whoever drains it |
//! | [`Job<T>`](Job) | background work that completes once; [`Jobs`] runs it |
//! | [`Next`], [`EventStream`] | a future of the next event, and a stream of all that come |
//! | context | the `&mut C` that the emitter, or the drain, lends to the handlers |
//!
//! # How to choose
//!
//! - One event, known to both sides: a [`Signal`] as a field. No names, no look-up.
//! - Parts that should not know each other: a [`Bus`], with topics as constants in a module that
//!   both know. [`Bus::signal`](flavour::Bus::signal) gives the handle for a hot path.
//! - Work for another thread that *takes* each item: a channel. A channel has one receiver for
//!   each item; a topic has any number of handlers, none included.
//! - One question with one answer, from work in the background: a [`Job`]. See
//!   [`callbacks`](cookbook::callbacks).
//! - Everything on one thread: the same types from [`local`]. Handlers need not be `Send`, and an
//!   emission costs a little less.
//! - State that belongs to one handler: [`on_mut`](flavour::Signal::on_mut). Handlers that end with an
//!   object: [`on_weak`](flavour::Signal::on_weak). Many that end together: a [`Scope`].
//! - Handlers that wait for something: [`on_async`](flavour::Subscribe::on_async), and
//!   [`emit_async`](flavour::Signal::emit_async) to wait for them.
//! - State that handlers change: a context. `Bus::<App>::with_context()` lends `&mut App` to every
//!   handler, without `Rc<RefCell<App>>`; see the example `app_state`.
//!
//! Do **not** use this crate to talk to other processes, to keep events across restarts, or where a
//! plain function call would do: a call can be followed, and returns a value.
//!
//! # Cookbook
//!
//! [`cookbook`] has a page for each task, from ending a dialog's subscriptions to shutting a service
//! down, and [`following_events`](cookbook::following_events) answers what is said against event buses.
//!
//! # Promises
//!
//! Each has its tests; `ARCHITECTURE.md` names them. Under `panic = "abort"` the ninth covers `Err`
//! only.
//!
//! *Order*
//!
//! 1. Handlers run by priority, highest first; equal ones in the order they subscribed, those of a
//!    topic and those of patterns counted together. Cancelling and subscribing again goes to the end.
//! 2. Priority orders the handlers of one emission, and says nothing across events. [`Flow::Stop`]
//!    ends its emission and no other, whoever returned it. Each handler is asked in this order: live,
//!    not paused, filter, still live, claim, call.
//!
//! *Changes during an emission*
//!
//! 3. A handler that is subscribed during an emission is not called by it, but by every emission
//!    that starts later, nested ones included.
//! 4. A handler that is cancelled during an emission is not entered again by the cancelling thread,
//!    nor by any emission, on any thread, that starts afterwards. One that runs on another thread
//!    may at most begin the one call it had decided on. Every way of removing does this: drop,
//!    `cancel`, `clear`, a [`Scope`], a weak target that has died. A handler that is
//!    [replaced](flavour::Subscription::replace) is not entered again in the same sense, and every
//!    event gets to the old one or the new one.
//! 5. After [`cancel_and_wait`](flavour::Subscription::cancel_and_wait) has returned `Ok`, the
//!    handler runs on no thread and its captures are dropped. It parks and does not spin; from
//!    inside an emission that could still call the handler it cancels and returns an error.
//! 6. `once` and `limit` claim before they call: there are never more calls, under nesting, threads
//!    and panics. A pause, and a filter that says no or panics, spends nothing; a call that fails
//!    does. The handler can subscribe itself anew from inside. With `on_queue` the claim is made at
//!    the emission, and the call is made even if the limit has removed the handler by then, unless
//!    it is cancelled.
//! 7. When the last handle of a signal or a bus goes, running emissions finish; then subscriptions
//!    read inactive and captures are dropped. `close` stops a running emission after the handler it
//!    is in, wakes everybody who waits, and refuses from then on.
//! 8. Nested emissions run depth first, at once. Beyond 128 levels on a thread, or what
//!    [`max_depth`](flavour::BusBuilder::max_depth) says, an emission is refused with an error.
//!
//! *Failure*
//!
//! 9. A handler that fails, by an `Err` or a panic, in itself, its filter or the `Drop` of its
//!    captures, keeps no other handler from running and the bus from nothing.
//! 10. Each failure is reported once, by the innermost emission or drain: in its `errors()`, with
//!     topic, label and the line that subscribed the handler, and to the error hook. After the rest
//!     has run the first panic resumes in the emitter, unless the bus contains panics or the thread
//!     is unwinding. Without a hook, what nobody looked at is logged: one line on standard error, or
//!     with the feature `tracing` an event.
//! 11. While a hook runs on a thread, failures and unhandled events raised there go to the log. An
//!     event is unhandled when no live handler is there for it, of its topic or of a pattern; those
//!     that pause, filter, queue or wait count. A deferred event is judged when it is delivered.
//!
//! *Memory and locks*
//!
//! 12. User code never runs while a lock is held or a registry borrowed: no handler, filter, hook,
//!     wake, `Drop` or `Clone`. Two turns are held while handlers run: that of a drain, and that of a
//!     handler subscribed by [`on_mut`](flavour::Subscribe::on_mut), which guards its own state alone.
//!     ScopedDepthGuard again from its own call such a handler is refused, with an error.
//! 13. What a cancelled handler captured is dropped once, outside of any lock, by the time the last
//!     emission ends that could still be inside it; at once when there is none. A panic in that
//!     `Drop`, or in that of an event, keeps no other from being dropped.
//! 14. Nothing grows without bound by subscribing and cancelling, by weak targets that died, by
//!     bursts, or by names; nor does a [`Scope`] by subscriptions that have ended. A topic exists
//!     while a handle, a handler of its own, a deferred event, a [`Demand`] or what it retains holds
//!     it; its name and type are bound as long. Patterns are resolved when either side is added; a
//!     name that nobody holds is matched on the fly, and nothing is kept of it. FilterGuard about a name
//!     does not create it. A bound keeps a queue from growing, and so does
//!     [`defer_latest`](flavour::Queue::defer_latest).
//! 15. Emitting allocates nothing after a thread's first emission, while the handlers stay the same
//!     and none fails. Deferring allocates nothing once the queue is warm.
//!
//! *Queue*
//!
//! 16. First in, first out, over all topics of a queue, each event to those who are subscribed when
//!     it is delivered. A drain takes what is there when it begins. One drain at a time, and
//!     [`try_drain`](flavour::Queue::try_drain) does not wait for its turn; a drain inside of any
//!     drain on the same thread delivers nothing, and says so.
//!     [`defer_latest`](flavour::Queue::defer_latest) takes back the waiting event of its topic that
//!     was deferred so, and puts the new one at the end; what a running drain has taken does not wait
//!     any more. Delayed events join the end when a drain starts after they are due, by deadline.
//! 17. [`on_ready`](flavour::Queue::on_ready) and [`ready`](flavour::Queue::ready) fire when the queue
//!     goes from empty to not empty, at registration if something waits, after a drain that leaves
//!     something behind, and when an event is delayed with an earlier deadline than all before;
//!     outside of locks, never lost, at times once too often. They do not fire for the passing of
//!     time: [`next_deadline`](flavour::Queue::next_deadline) is for that.
//! 18. Nothing is lost silently. A full or closed queue hands the event back; a drain that is cut
//!     short leaves the rest in front, in order; what overflow dropped is counted; `clear` says how
//!     many; a queue that is dropped with events inside, delayed ones included, reports that. `close`
//!     refuses new events and leaves what is inside to be drained; `run` then returns, and does not
//!     wait for what is not due.
//! 19. `on_queue` clones the event once for each queued handler, at the emission. The item belongs
//!     to its subscription: cancelled before delivery, also with its signal or bus, it is dropped, paused at either end it is
//!     skipped, its `Stop` ends nothing, and its failure is in the [`Drained`].
//!
//! *Waiting*
//!
//! 20. [`next`](flavour::Signal::next) and [`stream`](flavour::Signal::stream) are subscribed when
//!     they are made, not when they are first polled: what is emitted in between is not missed. They
//!     are handlers like others while they wait. Whoever waits is told when the signal is closed or
//!     cleared, or goes: with [`Closed`], or the end of the stream.
//! 21. Streams are bounded, and say what they do on overflow and how much was lost, in the place where
//!     it was: [`Lagged`]. They end after what is buffered when the signal is closed, and unsubscribe
//!     when they are dropped.
//! 22. A [`Job`] completes exactly once: with a value, cancelled, panicked, or abandoned (its promise
//!     or its task was dropped). Its callbacks run once each, in the order they were added; one added
//!     while they run joins the end; one added after runs at once on the adder's thread; one that
//!     fails stops no other and no waiter. Whoever takes the outcome gets it when they have run.
//!
//! # Limits
//!
//! - A context has no lifetime: `C: 'static`. Lend it the parts that it should have.
//! - A handler that captures its own bus or signal keeps it for ever; capture a `downgrade()`.
//! - Two `on_mut` handlers that emit into each other on two threads wait for each other for ever.
//! - Events are passed by reference, `&E`: a handler that wants to keep one clones it. Their types are
//!   `'static`: an event owns what it tells of, or shares it.
//! - A function of your own that subscribes for others is the place that failures name, unless it is
//!   `#[track_caller]` as well.
//! - A queue is as long as memory allows, unless it is [`bounded`](flavour::Queue::bounded). A thread
//!   that fills a queue of [`Overflow::Block`] before it drains that queue itself waits for ever:
//!   [`defer_timeout`](flavour::Queue::defer_timeout) ends the wait. A thread that fills its own stream
//!   of [`Overflow::Block`] waits for ever.
//! - Jobs that wait for each other in a circle, on several threads, wait for ever.
//!
//! # Testing
//!
//! [`testing`] has probes that record what was delivered, wait for it, and assert its order.
//!
//! # Features
//!
//! - `std`, on: the standard library. There is no build without it yet.
//! - `jobs`, on: [`jobs`], background work with completion callbacks. Adds no dependency.
//! - `lock-reads`: emissions take a lock of their signal instead of a hazard slot. For those who
//!   want no lock-free reader in their program; threads that emit on one signal then wait for
//!   each other.
//! - `tracing`: tells the subscriber of the crate [`tracing`](https://docs.rs/tracing), with the
//!   target `slotcast`:
//!   - at level `DEBUG`, a span `emission` around the handlers of each emission that has any, with
//!     `topic`, `ran` and, if a handler stopped it, `stopped`; and a span `call` around each queued
//!     or posted call, with `topic`, `label` and `location`. The span of a deferred event follows from
//!     the one that was current when it was deferred, which is kept open until the delivery;
//!   - at level `DEBUG`, an event for each failure of a handler, as it happens and inside of its
//!     span, with `topic`, `label`, `location` and `kind`;
//!   - at level `ERROR`, what would be a line on standard error. It still is one where the thread has
//!     no subscriber.
//!
//!   A subscriber is called outside of all locks and may use the bus. While it runs, nothing is told
//!   of what it does, and its panics end there. If nobody wants that level, an emission costs a look
//!   at it more; if somebody does, what is traced allocates.
//!
//! Needs Rust 1.85. That rises in minor releases only, and the changelog says so.

mod bus;
#[cfg(any(doc, doctest))]
pub mod cookbook;
mod core;
mod error;
mod executor;
mod failure;
pub mod flavour;
mod futures;
#[cfg(feature = "jobs")]
pub mod jobs;
pub mod local;
mod outcome;
mod policy;
mod queue;
mod shared;
mod signal;
pub mod testing;
mod topic;

pub use crate::error::{
    Closed, DeferError, DeferErrorKind, Lagged, PatternError, ReplaceError, ReplaceErrorKind,
    StreamFull, TimedOut, TopicError, WaitError, WrongType,
};
pub use crate::executor::Executor;
pub use crate::failure::{FailureKind, HandlerError, HandlerErrors};
#[cfg(feature = "jobs")]
pub use crate::jobs::{Job, JobError, Jobs, Promise, promise};
pub use crate::outcome::{BoxError, Flow, HandlerResult, Outcome};
pub use crate::policy::{Overflow, Panics};
pub use crate::queue::PostError;
pub use crate::queue::drained::Drained;
pub use crate::shared::{
    Bus, BusBuilder, Delayed, Demand, EmitAll, EmitAsync, EventStream, Next, Pause, Queue, Ready,
    Scope, Signal, Subscription, WeakBus, WeakSignal,
};
pub use crate::signal::emission::Emission;
pub use crate::signal::subscription::SubscriptionId;
pub use crate::topic::any_event::AnyEvent;
pub use crate::topic::pattern::{IntoPattern, Pattern};
pub use crate::topic::{Event, Topic};

#[cfg(all(doctest, feature = "jobs"))]
#[doc = include_str!("../README.md")]
struct Readme;
