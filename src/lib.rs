#![deny(unsafe_code)]
// Pages about what a feature brings link to it, also where that feature is off.
#![cfg_attr(
    not(all(
        feature = "inspector",
        feature = "jobs",
        feature = "nats",
        feature = "tracing"
    )),
    allow(rustdoc::broken_intra_doc_links, rustdoc::private_intra_doc_links)
)]

//! An in-process event bus: publish and subscribe with typed topics, signals (the observer pattern),
//! deferred events and background jobs.
//!
//! | type | what it is |
//! |---|---|
//! | [`Bus`] | an event bus: publishes events by topic, `bus.emit(&PLACED, &order)` |
//! | [`Signal`] | the handlers of one event: an event emitter that needs no bus |
//! | [`Subscription`] | keeps a handler subscribed; dropping it unsubscribes |
//! | [`Queue`] | events that wait until a thread drains them, with its own `&mut App` |
//! | [`Jobs`] | background work that completes once and calls back |
//!
//! `cargo add slotcast`, and:
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
//! let done = bus.emit(&PLACED, &Order { id: 1, total: 9.5 }); // synchronous, by reference
//! assert_eq!(done.ran(), 2);
//! bus.defer(&PLACED, Order { id: 2, total: 3.0 })?;           // queued
//! assert_eq!(bus.drain().delivered(), 1);                     // delivered
//! # drop(sub);
//! # Ok::<(), slotcast::DeferError<Order>>(())
//! ```
//!
//! Emit on any thread, and handle events on the thread that drains a queue, with that thread's state:
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
#![doc = include_str!("pictures/dispatch.svg")]
//!
//! Run background work, with a completion callback on the thread that owns the state:
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
//! | word | meaning |
//! |---|---|
//! | event | the value that is delivered, of any type `E` |
//! | [`Topic<E>`](Topic) | a name together with its payload type |
//! | handler | the closure that is called |
//! | [`Subscription`] | the guard that keeps a handler subscribed |
//! | [`Signal<E>`](Signal) | the ordered handlers of one event; usable alone, without a bus |
//! | [`Bus`] | signals by name, patterns over the names, and one queue |
//! | [`Pattern`] | a set of names: `order.*`, `order.>` |
//! | [`Emission`] | one delivery of one event to the handlers of a signal, and its result |
//! | [`Queue`] | events that wait until the queue is drained |
//! | [`Job<T>`](Job) | background work that completes once; [`Jobs`] runs it |
//! | [`Question<Q, R>`](Question) | an event that is answered: [`ask`](flavour::Bus::ask) returns a job |
//! | [`Next`], [`EventStream`] | a future of the next event, and a stream of the events that follow |
//! | context | the `&mut C` that the emitter, or the drain, lends to the handlers |
//! | [`Wiring`] | who listens to what, at one moment: handlers with their labels and places, which are lines of code |
//! | [`Cause`] | the number of an emission, queued call or job of a bus that is followed: what `why did this run` is answered with |
//!
//! # How to choose
//!
//! - One event, known to both sides: a [`Signal`] as a field. No names, no look-up.
//! - Parts that should not know each other: a [`Bus`], with topics as constants in a module that
//!   both import. [`Bus::signal`](flavour::Bus::signal) returns the handle for a hot path.
//! - Work items, each for exactly one worker: a channel. A channel delivers an item to one receiver; a
//!   topic delivers an event to any number of handlers, or none.
//! - A result of background work: a [`Job`]. See [`callbacks`](cookbook::callbacks).
//! - Request and reply: [`ask`](flavour::Bus::ask). See
//!   [`request_and_reply`](cookbook::request_and_reply).
//! - Everything on one thread, as in the browser (wasm): the same types from [`local`]. Handlers need not
//!   be `Send`, and an emission costs a little less.
//! - State that belongs to one handler: [`on_mut`](flavour::Signal::on_mut). Handlers bound to the lifetime
//!   of an object: [`on_weak`](flavour::Signal::on_weak). A cancellation token for any number of handlers: an
//!   [owner](flavour::Subscribe::owner), or a [`Scope`].
//! - Debounce and throttle: [`defer_latest_after`](flavour::Bus::defer_latest_after) and
//!   [`defer_latest_within`](flavour::Bus::defer_latest_within). See [`timers`](cookbook::timers).
//! - Async handlers: [`on_async`](flavour::Subscribe::on_async), awaited by
//!   [`emit_async`](flavour::Signal::emit_async), or else run by an [`Executor`]. Waking a future never
//!   drops it and never blocks; a future that nothing can wake any more is dropped and reported.
//! - State that handlers change: a context. `Bus::<App>::with_context()` lends `&mut App` to every
//!   handler, without `Rc<RefCell<App>>`; see the example `app_state`.
//!
//! Do **not** use this crate where a plain function call is enough: a call is easier to follow, and returns a value. By
//! itself it neither communicates with other processes nor keeps events across restarts; a [bridge](nats) has a NATS
//! server do that, with the feature `nats`. Events are not serialized but by a bridge: the feature `serde` is for reports
//! about them.
//!
//! # Which thread runs what
//!
//! There is no thread but yours, the workers of [`Jobs`], that of a [`Page`], which runs none of your code, and those of
//! a [bridge](nats), whose page names them.
//!
#![doc = include_str!("pictures/threads.svg")]
//!
//! # Cookbook
//!
//! [`cookbook`] has a page for each task, from cancelling the subscriptions of a dialog to shutting a
//! service down. [`following_events`](cookbook::following_events) shows how to find out what happens in a
//! program, and why; [`objections`](cookbook::objections) discusses the usual ones to event buses.
//!
//! # Promises
//!
//! Each has its tests; `tests/README.md` names them. Under `panic = "abort"` the ninth covers `Err`
//! only.
//!
//! *Order*
//!
//! 1. Handlers run by priority, highest first; equal priorities in the order they subscribed, handlers
//!    of a topic and of patterns counted together. A handler that is cancelled and subscribed again
//!    comes last among its equals.
//! 2. Priority orders the handlers of one emission, and has no meaning across events. [`Flow::Stop`]
//!    ends its emission and no other, whether a handler of the topic or of a pattern returned it. For
//!    each handler the checks are, in this order: live, not paused, filter, still live, claim; then it
//!    is called. It is paused by itself, or with its [scope](flavour::Scope::pause), its
//!    [signal](flavour::Signal::pause) or its [bus](flavour::Bus::pause).
//!
//! *Changes during an emission*
//!
//! 3. A handler that is subscribed during an emission is not called by it, but by every emission
//!    that starts later, nested ones included.
//! 4. A handler that is cancelled during an emission is not entered again by the cancelling thread,
//!    nor by any emission, on any thread, that starts afterwards. An emission that is already running
//!    on another thread may at most begin the one call it had decided on. Every way of removing a
//!    handler does this: drop, `cancel`, `clear`, a [`Scope`], a weak target or an
//!    [owner](flavour::Subscribe::owner) that was dropped, [`Flow::Cancel`]. A handler that is [replaced](flavour::Subscription::replace) is not entered again in the same
//!    sense, and every event is delivered to either the old or the new one.
//! 5. After [`cancel_and_wait`](flavour::Subscription::cancel_and_wait) has returned `Ok`, the
//!    handler runs on no thread and its captures are dropped. It parks the thread and does not spin. It
//!    waits for whole emissions that began before the cancel, even if a limit or `clear` has already removed
//!    the handler. From inside an emission or a drain that could still call the handler, it cancels, does
//!    not wait, and returns an error. Its timeout form bounds any other deadlock.
//! 6. `once` and `limit` count a call (they *claim* it) before it is made: there are never more calls, with
//!    nested emissions, threads or panics. A pause does not use up a call, nor does a filter that returns
//!    `false` or panics. A call that fails does, and so does one that was claimed and is then skipped by a
//!    pause or a cancel. The handler can subscribe itself again from inside. With `on_queue` the call is
//!    claimed by the emission, and is made even if the limit has removed the handler by then, unless it is
//!    cancelled.
//! 7. When the last handle of a signal or a bus is dropped, running emissions finish; then
//!    subscriptions read inactive and captures are dropped. `close` stops a running emission after its
//!    current handler, wakes all waiters, and refuses further use. What was accepted before the close can
//!    still be drained: queued calls are made, and deferred and delayed events reach the handlers that were
//!    subscribed at the close and have not been cancelled since. Their captures stay until the last of these
//!    events is delivered or dropped, and no longer, even if a handle is kept.
//! 8. Nested emissions run depth first, at once. Beyond 128 levels on a thread, or the limit set by
//!    [`max_depth`](flavour::BusBuilder::max_depth), an emission is refused with an error. The
//!    closure of [`emit_lazy`](flavour::Signal::emit_lazy) runs on the level of its emission. A drain inside
//!    a drain or an emission is a level, too. A callback of `on_ready` that drains needs no level: what
//!    becomes ready meanwhile is reported when it has returned.
//!
//! *Failure*
//!
//! 9. A handler that fails, by an `Err` or a panic, in itself, its filter or the `Drop` of its
//!    captures, does not stop the other handlers, and leaves the bus fully usable.
//! 10. Each failure is reported once, by the innermost emission or drain: in its `errors()`, with
//!     topic, label and the line that subscribed the handler, and to the error hook. After the other
//!     handlers have run, the first panic resumes in the emitter, unless the bus contains panics or
//!     the thread is unwinding. Without a hook, failures that were not read are logged: one line on
//!     standard error, or with the feature `tracing` an event. A panic that resumes is recognised by
//!     every emission, drain and hook that it passes later, also where it was caught and resumed in
//!     between, on any thread; a new panic with the same message is a failure of its own. Payloads other than
//!     text (`panic_any`) are recognised unless they were caught.
//! 11. While a hook runs on a thread, failures and unhandled events raised there go to the log. An
//!     event is unhandled when it has no live handler, of its topic or of a pattern; handlers that
//!     are paused, filter, queue or wait count; those whose target was dropped, or which forward to a
//!     signal that was dropped or closed, do not. For a deferred event this is decided at delivery.
//!
//! *Memory and locks*
//!
//! 12. User code never runs while a lock is held or a registry is borrowed: no handler, filter, hook,
//!     wake callback, waker, `Drop`, `Clone` or `Debug`. Exclusive access is held while handlers run
//!     in two cases: by a drain, to its queue, and by the call of a handler subscribed by
//!     [`on_mut`](flavour::Subscribe::on_mut), to that handler's own state alone. If such a handler
//!     is entered again from its own call, the inner call is refused with an error.
//! 13. The captures of a cancelled handler are dropped once, outside of any lock, by the time the last
//!     emission ends that could still be inside the handler; at once if there is none. A panic in
//!     their `Drop`, or in that of an event, keeps no other from being dropped; those of a handler and of
//!     its filters are each reported.
//! 14. Nothing grows without bound by subscribing and cancelling, by weak targets and owners that were
//!     dropped, by
//!     bursts, or by names; nor does a [`Scope`] by subscriptions that have ended. A topic exists
//!     while a handle, a handler of its own, a deferred event, a [`Demand`] or retained events refer
//!     to it; its name and type are bound for the same time. Patterns are resolved when either side is
//!     added. The name of a topic that does not exist is matched on the fly, and nothing is kept of
//!     it; asking about a name does not create it. A bound keeps a queue from growing, and so does
//!     [`defer_latest`](flavour::Queue::defer_latest).
//! 15. Emitting allocates nothing after a thread's first emission, while the handlers stay the same
//!     and none fails. Deferring allocates nothing once the queue is warm.
//!
//! *Kept events*
//!
//! Each subscriber of a signal that [keeps events](flavour::Signal::retain) sees each kept or emitted event
//! once, in the order in which they were kept, whichever thread emits, inside its own hand-over too.
//!
//! *Queue*
//!
//! 16. First in, first out, over all topics of a queue, each event to the handlers that are subscribed
//!     when it is delivered. A drain takes what is in the queue when it begins. One drain at a time:
//!     other threads wait for it to end, except in [`try_drain`](flavour::Queue::try_drain). A drain
//!     inside a drain on the same thread delivers the waiting events; of the same queue, the rest of the
//!     outer batch first. It never blocks: if another thread is draining that queue, it returns
//!     [busy](Drained::is_busy).
//!     [`defer_latest`](flavour::Queue::defer_latest) removes the waiting event of its topic that
//!     was deferred by it, and puts the new one at the end; an event that a running drain has taken
//!     does not wait any more. Delayed events join the end when a drain starts after they are due, by
//!     deadline; what was delayed can be [taken back](Delayed::cancel) until its delivery begins.
//! 17. [`on_ready`](flavour::Queue::on_ready) and [`ready`](flavour::Queue::ready) fire when the queue
//!     changes from empty to not empty, at registration if something waits, after a drain that leaves
//!     something behind, and when an event is delayed with an earlier deadline than all before;
//!     outside of locks, never lost, at times spuriously. What a drain of another thread has taken is
//!     not ready. They do not fire when time passes:
//!     [`next_deadline`](flavour::Queue::next_deadline) is for that.
//! 18. Nothing is lost silently. A full or closed queue returns the event. A drain that stops early leaves
//!     the rest in front, in order. Events dropped on overflow are counted; `clear` returns how many it
//!     dropped; a queue that is dropped with events inside reports them, delayed ones included unless they
//!     [have an owner](Delayed::cancel_on_drop). Each event that a drain takes is counted once: as
//!     [delivered](Drained::delivered), [without a handler](Drained::unhandled), [cancelled before its
//!     delivery](Drained::given_up), [skipped](Drained::skipped) by a pause or a filter, or as a failure. An
//!     accepted event of a closed signal that has no handler left is reported to the hooks. `close` refuses
//!     new events and leaves those inside to be drained; `run` then returns, and does not wait for events
//!     that are not due.
//! 19. `on_queue` clones the event once for each queued handler, at the emission. The queued call
//!     belongs to its subscription. If the handler is cancelled before the delivery (in any way, by a `clear`
//!     of the signal, or by the end of its owner), the event is dropped with the cancel and
//!     [counted](Drained::given_up). If the handler is paused at the emission or at the delivery, the call is
//!     skipped; at the delivery, it counts towards the limit. `Stop` has no effect in a queued call, and its
//!     failure is in the [`Drained`]. If the signal or bus is closed or dropped, the call is still made. If the
//!     queue is full, closed or dropped, that is a failure of the handler in the emission, of the kind
//!     [`Undelivered`](FailureKind::Undelivered). A thread that waits for space in a queue stops waiting as
//!     soon as the wait is pointless: after a cancel of the handler, a `clear`, a `close` of the signal, the bus
//!     or the queue, or the drop of the queue's last handle.
//!
//! *Waiting*
//!
//! 20. [`next`](flavour::Signal::next) and [`stream`](flavour::Signal::stream) are subscribed when
//!     they are created, not when they are first polled: what is emitted in between is not missed.
//!     While they wait they are handlers like others. When the signal is closed, cleared or dropped,
//!     waiters are notified: with [`Closed`], or the end of the stream.
//! 21. Streams are bounded. They define what they do on overflow, and report how many events were lost,
//!     at the position where they were: [`Lagged`]. They end after the buffered events when the signal
//!     is closed, and unsubscribe when they are dropped.
//! 22. A [`Job`] completes exactly once: with a value, cancelled, panicked, or abandoned (its promise
//!     or its task was dropped). A cancel completes it at once, whether it is queued or running, and what the
//!     work returns later is dropped; [`Job::stop`] only requests a stop. Its callbacks run once each, in the order
//!     they were added; one added while they run joins the end; one added after runs at once on the
//!     adding thread; one that is cancelled or paused is not called, even if the outcome is already
//!     in a queue; one that fails does not affect the other callbacks or waiters. The outcome can be taken once,
//!     after they have run. An outcome is never refused or dropped because of the bound of a queue, and
//!     the thread that reports it never blocks. No callback sees older progress after newer. A panic that
//!     nobody has seen is reported. Chains of completions, progress reports and submissions need constant
//!     stack, however long; a chain in which each refused job only submits the next ends with an error.
//!
//! *Wiring*
//!
//! [`Bus::wiring`](flavour::Bus::wiring) and [`Signal::handlers`](flavour::Signal::handlers) list what has been
//! subscribed and not removed, in the order of calls, without handlers whose target or owner was dropped. A topic's
//! own handlers are seen at one moment, the bus is not: locks are taken one at a time. No user code is called. Text and
//! pictures name every handler with label and place, are valid whatever names, labels and paths hold, and are the same
//! for the same wiring. Handlers of one line that accumulate are told at 64, 256, 1024 and so on, while subscribing
//! stays O(1).
//!
//! # Limits
//!
//! - A context cannot borrow: `C: 'static`. Move the parts that the handlers need into it.
//! - A handler that captures its own bus or signal keeps it alive (a reference cycle): capture a
//!   `downgrade()`.
//! - Two `on_mut` handlers that emit to each other on two threads deadlock.
//! - Events are passed by reference, `&E`: a handler that keeps one has to clone it. Their types are
//!   `'static`: an event owns or shares its data.
//! - Failures name the line that called `on`. A wrapper function has to be `#[track_caller]` to pass on the
//!   line of its caller.
//! - A queue is limited only by memory, unless it is [`bounded`](flavour::Queue::bounded). A thread
//!   that fills a queue of [`Overflow::Block`] which only that thread drains deadlocks;
//!   [`defer_timeout`](flavour::Queue::defer_timeout) bounds the wait. So does a thread that fills its own
//!   stream of [`Overflow::Block`].
//! - Jobs that wait for each other in a circle, on several threads, deadlock.
//!
//! # Testing
//!
//! [`testing`] has probes that record what was delivered, wait for it, and assert its order.
//!
//! # Features
//!
//! - `std`, on: the standard library. There is no `no_std` build yet: with `default-features = false`,
//!   name it.
//! - `jobs`, on: [`jobs`], background work with completion callbacks. Adds no dependency.
//! - `web`: the clock and the console of JavaScript, for wasm32-unknown-unknown, where nothing compiles without
//!   it. See [`cookbook::browser`].
//! - `tracing`: reports to the subscriber of the crate [`tracing`](https://docs.rs/tracing), with the
//!   target `slotcast`:
//!   - at level `DEBUG`, a span `emission` around the handlers of each emission that has any, with
//!     `topic`, `ran` and, if a handler stopped it, `stopped`; and a span `call` around each queued
//!     or posted call, with `topic`, `label` and `place`. The span of a deferred event follows from
//!     the one that was current when it was deferred, which is kept open until the delivery;
//!   - at level `DEBUG`, an event for each failure of a handler, as it happens and inside of its
//!     span, with `topic`, `label`, `place` and `kind`;
//!   - at level `ERROR`, what would otherwise be a line on standard error. It still is one if the
//!     thread has no subscriber.
//!
//!   A subscriber is called outside of all locks and may use the bus. What it does while it is called
//!   is not traced, and its panics are caught. If no subscriber enables that level, an emission pays
//!   for the check; if one does, traced operations allocate.
//! - `follow`: a bus can be [followed](flavour::Bus::follow) while a guard exists: what led to what, over queues and
//!   threads, counts, and times. Adds no dependency, and costs an emission nothing while nobody follows. See
//!   [`cookbook::following_events`].
//! - `serde`: what is followed can be serialized, with the feature `follow`. Without its `derive`.
//! - `inspector`: a page for a browser about a bus that is followed, served on this machine by a thread of its own:
//!   topics and handlers with their rates, times and failures, queues, the newest events, what led to each of
//!   them, and a picture of who listens to what. It is read-only, and needs the token that is in its
//!   [URL](Page::url). It brings twenty crates, among them `hyper` and `tokio`.
//!
//! - `nats`: [`nats`], topics over many machines by a NATS server, with JetStream where events must not be lost. It
//!   brings a hundred crates, among them `async-nats` and `tokio`, and **needs Rust 1.89**. `nats-tls`: the same with
//!   encrypted connections.
//!
//! To avoid the lock-free reader, build with `RUSTFLAGS="--cfg slotcast_lock_reads"`: emissions then lock
//! their signal instead of using a hazard pointer, so that threads that emit on one signal wait for each
//! other. It is not a feature, because Cargo unifies features over a program.
//!
//! Needs Rust 1.85, with the feature `nats` 1.89. That changes in minor releases only, with an entry in the changelog.

#[cfg(not(feature = "std"))]
compile_error!("slotcast needs the standard library: enable its feature `std`");
#[cfg(all(target_family = "wasm", target_os = "unknown", not(feature = "web")))]
compile_error!(
    "wasm32-unknown-unknown has no clock of its own: enable slotcast's feature `web`, which takes that of \
     JavaScript, or build for wasm32-wasip1"
);

mod bus;
#[cfg(feature = "follow")]
mod cause;
#[cfg(any(doc, doctest))]
pub mod cookbook;
mod core;
mod error;
mod executor;
mod failure;
pub mod flavour;
#[cfg(feature = "follow")]
mod follow;
mod futures;
#[cfg(feature = "inspector")]
mod inspector;
#[doc(alias = "wasm")]
#[doc(alias = "single-threaded")]
#[doc(alias = "Rc")]
pub mod local;
mod outcome;
mod policy;
mod queue;
mod shared;
mod signal;
mod subscription_id;
pub mod testing;
mod topic;
mod wiring;

// Behind the others: on the page of a type, rustdoc lists methods in the order of modules.
#[cfg(feature = "jobs")]
pub mod jobs;
#[cfg(feature = "nats")]
pub mod nats;
mod signal_ext;

#[cfg(feature = "follow")]
pub use crate::bus::following::cause;
#[cfg(feature = "follow")]
pub use crate::cause::{Cause, ParseCauseError};
pub use crate::error::{
    Closed, DeferError, DeferErrorKind, Lagged, PatternError, ReplaceError, ReplaceErrorKind,
    StreamFull, TimedOut, TopicError, WaitError, WrongType,
};
pub use crate::executor::Executor;
pub use crate::failure::{FailureKind, HandlerError, HandlerErrors};
#[cfg(all(feature = "follow", feature = "nats"))]
pub use crate::follow::received::{Received, ReceivedReport, RemoteCause};
#[cfg(feature = "follow")]
pub use crate::follow::{
    Follow,
    report::{EmitterReport, HandlerReport, Report, TopicReport},
    step::{Call, Step, StepKind},
    times::Times,
    trail::Trail,
};
#[cfg(feature = "inspector")]
pub use crate::inspector::serve::{Page, PageBuilder, ServeError};
#[cfg(feature = "jobs")]
pub use crate::jobs::{Job, JobError, Jobs, Promise, Question, promise};
pub use crate::outcome::{BoxError, Flow, HandlerResult, Outcome};
pub use crate::policy::{Overflow, Panics};
pub use crate::queue::PostError;
pub use crate::queue::drained::Drained;
#[cfg(feature = "follow")]
pub use crate::shared::Following;
pub use crate::shared::{
    Bus, BusBuilder, Delayed, Demand, EmitAll, EmitAsync, EmitAsyncWith, EventStream, Next, Pause,
    Queue, Ready, Scope, Signal, SkipLag, Subscribe, Subscription, WeakBus, WeakSignal,
};
pub use crate::signal::emission::Emission;
pub use crate::signal::subscribe::Filter;
pub use crate::subscription_id::SubscriptionId;
pub use crate::topic::any_event::AnyEvent;
pub use crate::topic::pattern::{IntoPattern, Pattern};
pub use crate::topic::{Event, Topic};
pub use crate::wiring::handler::{HandlerInfo, HandlerKind};
pub use crate::wiring::warning::Warning;
pub use crate::wiring::{PatternWiring, QueueInfo, TopicWiring, Wiring};

// The models of `tests/loom`, which name the crate as others do.
#[cfg(all(test, slotcast_loom))]
extern crate self as slotcast;
#[cfg(all(test, slotcast_loom))]
#[path = "../tests/loom/mod.rs"]
#[allow(unsafe_code, reason = "captures whose drop loom watches")]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
mod models;

#[cfg(all(doctest, feature = "jobs"))]
#[doc = include_str!("../README.md")]
struct Readme;
