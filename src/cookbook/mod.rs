//! Recipes: a page a task, each with a program that is compiled and run as a test of this crate.
//!
//! | you want to | page |
//! |---|---|
//! | end all that a dialog has subscribed when it closes | [`dialogs`], [`scopes`] |
//! | let handlers change the state of the program | [`state`] |
//! | give a handler a state of its own, replace it, forward | [`own_state`] |
//! | ask: veto, votes, the first answer | [`asking`] |
//! | log everything, or stand in front of everything | [`one_log`] |
//! | take names and events from outside | [`outside`] |
//! | know where failures go | [`errors`] |
//! | emit from inside a handler | [`recursion`] |
//! | be told when background work is done | [`callbacks`] |
//! | show the progress of threads in a loop | [`progress`] |
//! | tie a queue to winit, glib or tokio | [`event_loops`], [`tasks`] |
//! | let handlers wait without a thread | [`async_handlers`] |
//! | do something later, or again and again | [`timers`] |
//! | run a game in fixed steps | [`game_loop`] |
//! | bound a queue, and choose what gives | [`room`] |
//! | start and stop a costly source | [`demand`] |
//! | give late comers the current value | [`late_comers`] |
//! | await an event, or a stream of them, in a task or a thread | [`waiting`] |
//! | wait for several events, or act once for many | [`gathering`] |
//! | write code for both flavours | [`generic`] |
//! | come from closures, channels, other emitters | [`migration`] |
//! | test a component that emits | [`testing`], [`probes`] |
//! | shut a service down | [`shutdown`] |
//! | load and unload plugins | [`plugins`] |
//! | know what keeps what alive | [`memory`] |
//!
//! To look up what something is called: [`at_a_glance`]. Before all that: [`following_events`], on what
//! is said against event buses, and what of it stays true.
//!
//! This module exists in the documentation only. In the pages, `unwrap` stands for whatever a program
//! does about a poisoned lock.

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
