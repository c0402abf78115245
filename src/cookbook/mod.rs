//! Recipes, one page for each task. The code of each page is compiled and run as a test.
//!
//! | you want to | page |
//! |---|---|
//! | publish events and subscribe to them: the whole API in short examples | [`at_a_glance`] |
//! | cancel all subscriptions of a dialog when it closes | [`dialogs`], [`scopes`] |
//! | let handlers change the application state | [`state`] |
//! | give a handler its own state, replace it, forward events | [`own_state`] |
//! | ask a question and get the answer; collect votes or a veto | [`request_and_reply`] |
//! | log or intercept all events | [`logging`] |
//! | use untrusted names and events: files, sockets, plugins | [`untrusted_input`] |
//! | handle errors and panics of handlers | [`errors`] |
//! | see who listens, why something ran, what is slow or fails | [`following_events`] |
//! | emit from inside a handler | [`recursion`] |
//! | get a callback when background work is done | [`callbacks`] |
//! | report progress from worker threads to a main loop | [`progress`] |
//! | integrate a queue with winit, glib or tokio | [`event_loops`], [`tasks`] |
//! | run in a browser, or in Node | [`browser`] |
//! | write async handlers | [`async_handlers`] |
//! | delay events: timers, debounce, throttle, repetition | [`timers`] |
//! | see fewer events: debounce, throttle, sample | [`rate_limits`] |
//! | combine the events of several topics: combine latest, merge, zip | [`combining`] |
//! | handle events with the methods of a struct | [`struct_handlers`] |
//! | end many things with one object: a cancellation token | [`cancellation`] |
//! | use a bus under tauri, axum, egui or bevy | [`frameworks`] |
//! | run a game loop with a fixed time step | [`game_loop`] |
//! | bound a queue: back-pressure and overflow | [`bounded_queues`] |
//! | start and stop an expensive source on demand | [`demand`] |
//! | give late subscribers the current value | [`late_subscribers`] |
//! | await an event or a stream of events, in a task or a thread | [`waiting`] |
//! | wait for several events, or batch many into one | [`batching`] |
//! | write code that is generic over both flavours | [`generic`] |
//! | migrate from closures, channels or other event emitters | [`migration`] |
//! | test components | [`testing`], [`probes`] |
//! | send events to other machines, store and share them | [`many_machines`] |
//! | shut a service down gracefully | [`shutdown`] |
//! | load and unload plugins | [`plugins`] |
//! | avoid leaks and reference cycles | [`memory`] |
//!
//! [`objections`] discusses the usual objections to event buses, and which of them remain.
//!
//! This module exists in the documentation only. In the pages, `unwrap` stands for however a program
//! handles a poisoned lock.

#[doc = include_str!("async_handlers.md")]
pub mod async_handlers {}
#[doc = include_str!("at_a_glance.md")]
#[doc(alias = "publish")]
#[doc(alias = "subscribe")]
#[doc(alias = "cheat sheet")]
pub mod at_a_glance {}
#[doc = include_str!("batching.md")]
#[doc(alias = "barrier")]
#[doc(alias = "join")]
#[doc(alias = "batch")]
pub mod batching {}
#[doc = include_str!("bounded_queues.md")]
#[doc(alias = "back-pressure")]
#[doc(alias = "backpressure")]
#[doc(alias = "overflow")]
pub mod bounded_queues {}
#[cfg(feature = "jobs")]
#[doc = include_str!("browser.md")]
pub mod browser {}
#[cfg(feature = "jobs")]
#[doc = include_str!("callbacks.md")]
pub mod callbacks {}
#[doc = include_str!("cancellation.md")]
#[doc(alias = "cancellation token")]
#[doc(alias = "abort")]
pub mod cancellation {}
#[doc = include_str!("combining.md")]
#[doc(alias = "combine_latest")]
#[doc(alias = "merge")]
#[doc(alias = "zip")]
pub mod combining {}
#[doc = include_str!("demand.md")]
pub mod demand {}
#[doc = include_str!("dialogs.md")]
pub mod dialogs {}
#[doc = include_str!("errors.md")]
pub mod errors {}
#[doc = include_str!("event_loops.md")]
#[doc(alias = "winit")]
#[doc(alias = "glib")]
#[doc(alias = "tauri")]
#[doc(alias = "egui")]
pub mod event_loops {}
#[doc = include_str!("following_events.md")]
#[doc(alias = "debugging")]
#[doc(alias = "inspector")]
#[doc(alias = "metrics")]
#[doc(alias = "prometheus")]
pub mod following_events {}
#[doc = include_str!("frameworks.md")]
#[doc(alias = "tauri")]
#[doc(alias = "axum")]
#[doc(alias = "egui")]
#[doc(alias = "bevy")]
pub mod frameworks {}
#[doc = include_str!("game_loop.md")]
pub mod game_loop {}
#[doc = include_str!("generic.md")]
pub mod generic {}
#[doc = include_str!("late_subscribers.md")]
#[doc(alias = "replay")]
#[doc(alias = "behavior subject")]
#[doc(alias = "watch")]
pub mod late_subscribers {}
#[doc = include_str!("logging.md")]
#[doc(alias = "interceptor")]
#[doc(alias = "middleware")]
#[doc(alias = "audit")]
pub mod logging {}
#[cfg(feature = "nats")]
#[doc = include_str!("many_machines.md")]
#[doc(alias = "nats")]
#[doc(alias = "jetstream")]
#[doc(alias = "distributed")]
#[doc(alias = "network")]
#[doc(alias = "outbox")]
#[doc(alias = "cloudevents")]
pub mod many_machines {}
#[doc = include_str!("memory.md")]
#[doc = include_str!("../pictures/ownership.svg")]
#[doc(alias = "leak")]
#[doc(alias = "cycle")]
pub mod memory {}
#[doc = include_str!("migration.md")]
#[doc(alias = "EventEmitter")]
#[doc(alias = "event emitter")]
#[doc(alias = "observer")]
#[doc(alias = "publish")]
#[doc(alias = "subscribe")]
pub mod migration {}
#[doc = include_str!("objections.md")]
pub mod objections {}
#[doc = include_str!("own_state.md")]
#[doc(alias = "FnMut")]
#[doc(alias = "struct as handler")]
pub mod own_state {}
#[doc = include_str!("plugins.md")]
pub mod plugins {}
#[doc = include_str!("probes.md")]
pub mod probes {}
#[doc = include_str!("progress.md")]
pub mod progress {}
#[doc = include_str!("rate_limits.md")]
#[doc(alias = "debounce")]
#[doc(alias = "throttle")]
#[doc(alias = "sample")]
pub mod rate_limits {}
#[doc = include_str!("recursion.md")]
pub mod recursion {}
#[doc = include_str!("request_and_reply.md")]
#[doc(alias = "request and reply")]
#[doc(alias = "request-response")]
#[doc(alias = "rpc")]
#[doc(alias = "query")]
#[doc(alias = "veto")]
#[doc(alias = "vote")]
pub mod request_and_reply {}
#[doc = include_str!("scopes.md")]
#[doc(alias = "cancellation token")]
#[doc(alias = "CancellationToken")]
#[doc(alias = "AbortController")]
pub mod scopes {}
#[doc = include_str!("shutdown.md")]
#[doc = include_str!("../pictures/shutdown.svg")]
#[doc(alias = "graceful shutdown")]
#[doc(alias = "cancellation token")]
pub mod shutdown {}
#[doc = include_str!("state.md")]
pub mod state {}
#[doc = include_str!("struct_handlers.md")]
#[doc(alias = "observer trait")]
#[doc(alias = "listener")]
pub mod struct_handlers {}
#[doc = include_str!("tasks.md")]
#[doc(alias = "tokio")]
pub mod tasks {}
#[doc = include_str!("testing.md")]
#[doc(alias = "mock")]
pub mod testing {}
#[doc = include_str!("timers.md")]
#[doc(alias = "debounce")]
#[doc(alias = "throttle")]
#[doc(alias = "timeout")]
#[doc(alias = "interval")]
pub mod timers {}
#[doc = include_str!("untrusted_input.md")]
#[doc(alias = "serde")]
#[doc(alias = "json")]
pub mod untrusted_input {}
#[doc = include_str!("waiting.md")]
pub mod waiting {}
