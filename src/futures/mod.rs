//! Futures and streams of events, and awaited emissions: the public types.
//!
//! # What it owns
//!
//! [`next::Next`], [`stream::EventStream`] and [`skip_lag::SkipLag`], which take events from a signal;
//! [`emit_all::EmitAll`], which emits what a stream yields; [`emit_async::EmitAsync`], an emission
//! that is awaited. The methods of signals, buses and the builder that return them.
//!
//! # What it guarantees
//!
//! A future or a stream of events is subscribed when it is created, not when it is first polled.
//! All types work with every executor, and are `Unpin`. A completed future says so by
//! `FusedFuture`, an ended stream by `FusedStream`.
//!
//! # What it does not know
//!
//! How an event gets from a handler to a task or a thread: that is `core/waiting`. Executors,
//! timers and their runtimes. Queues.
//!
//! # Decisions
//!
//! **A stream has no `try_next`.** The trait `TryStreamExt` has a method of that name, and a method of the
//! type itself would hide it: `stream.try_next().await?` would not compile, with a message about `Option`
//! not being a future. So it is `try_take`, as for a job.
//!
//! Those about waiting, streams and async handlers stand in `core/waiting`.

pub(crate) mod emit_all;
pub(crate) mod emit_async;
pub(crate) mod next;
pub(crate) mod skip_lag;
pub(crate) mod stream;
