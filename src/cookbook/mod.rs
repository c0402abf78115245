//! Recipes, one page for each task. The code of each page is compiled and run as a test.
//!
//! | you want to | page |
//! |---|---|
//! | cancel all subscriptions of a dialog when it closes | [`dialogs`], [`scopes`] |
//! | let handlers change the application state | [`state`] |
//! | give a handler its own state, replace it, forward events | [`own_state`] |
//! | collect votes, a veto or the first answer | [`asking`] |
//! | log or intercept all events | [`one_log`] |
//! | use untrusted names and events: files, sockets, plugins | [`outside`] |
//! | handle errors and panics of handlers | [`errors`] |
//! | emit from inside a handler | [`recursion`] |
//! | get a callback when background work is done | [`callbacks`] |
//! | report progress from worker threads to a main loop | [`progress`] |
//! | integrate a queue with winit, glib or tokio | [`event_loops`], [`tasks`] |
//! | write async handlers | [`async_handlers`] |
//! | delay events: timers, debouncing, repetition | [`timers`] |
//! | run a game loop with a fixed time step | [`game_loop`] |
//! | bound a queue: back-pressure and overflow | [`room`] |
//! | start and stop an expensive source on demand | [`demand`] |
//! | give late subscribers the current value | [`late_comers`] |
//! | await an event or a stream of events, in a task or a thread | [`waiting`] |
//! | wait for several events, or batch many into one | [`gathering`] |
//! | write code that is generic over both flavours | [`generic`] |
//! | migrate from closures, channels or other emitters | [`migration`] |
//! | test components | [`testing`], [`probes`] |
//! | shut a service down gracefully | [`shutdown`] |
//! | load and unload plugins | [`plugins`] |
//! | avoid leaks and reference cycles | [`memory`] |
//!
//! [`at_a_glance`] shows the whole API in short examples. [`following_events`] discusses the usual
//! objections to event buses, and which of them remain.
//!
//! This module exists in the documentation only. In the pages, `unwrap` stands for however a program
//! handles a poisoned lock.

#[doc = include_str!("asking.md")]
pub mod asking {}
#[doc = include_str!("async_handlers.md")]
pub mod async_handlers {}
#[doc = include_str!("at_a_glance.md")]
pub mod at_a_glance {}
#[cfg(feature = "jobs")]
#[doc = include_str!("callbacks.md")]
pub mod callbacks {}
#[doc = include_str!("demand.md")]
pub mod demand {}
#[doc = include_str!("dialogs.md")]
pub mod dialogs {}
#[doc = include_str!("errors.md")]
pub mod errors {}
#[doc = include_str!("event_loops.md")]
pub mod event_loops {}
#[doc = include_str!("following_events.md")]
pub mod following_events {}
#[doc = include_str!("game_loop.md")]
pub mod game_loop {}
#[doc = include_str!("gathering.md")]
pub mod gathering {}
#[doc = include_str!("generic.md")]
pub mod generic {}
#[doc = include_str!("late_comers.md")]
pub mod late_comers {}
#[doc = include_str!("memory.md")]
pub mod memory {}
#[doc = include_str!("migration.md")]
pub mod migration {}
#[doc = include_str!("one_log.md")]
pub mod one_log {}
#[doc = include_str!("outside.md")]
pub mod outside {}
#[doc = include_str!("own_state.md")]
pub mod own_state {}
#[doc = include_str!("plugins.md")]
pub mod plugins {}
#[doc = include_str!("probes.md")]
pub mod probes {}
#[doc = include_str!("progress.md")]
pub mod progress {}
#[doc = include_str!("recursion.md")]
pub mod recursion {}
#[doc = include_str!("room.md")]
pub mod room {}
#[doc = include_str!("scopes.md")]
pub mod scopes {}
#[doc = include_str!("shutdown.md")]
pub mod shutdown {}
#[doc = include_str!("state.md")]
pub mod state {}
#[doc = include_str!("tasks.md")]
pub mod tasks {}
#[doc = include_str!("testing.md")]
pub mod testing {}
#[doc = include_str!("timers.md")]
pub mod timers {}
#[doc = include_str!("waiting.md")]
pub mod waiting {}
