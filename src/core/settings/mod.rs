//! The configuration of a bus, and the identity of a signal, as all layers above need them.
//!
//! # What it owns
//!
//! - `bus`: the configuration that the signals and the queue of one bus share, with the error hook, and how its
//!   registry is asked.
//! - `signal_info`: the name of a signal and its configuration, which its handlers share.
//! - `observer`: closures that only observe: hooks and wakes. `hook`: the place of one, from which it is called.
//! - `told`: what has been told of handlers that accumulate, bounded, for as long as the bus exists.
//! - `failure_source`: what a failure is blamed on, and which hook receives it.
//!
//! # What it guarantees
//!
//! - A hook is never called under a lock, and its panics are logged. It is not called for failures inside
//!   of a hook: those are logged.
//! - A hook that was replaced is dropped outside of the lock. If it is running, its captures are dropped
//!   when it returns.
//! - [`SignalInfo`](signal_info::SignalInfo) may outlive its signal.
//!
//! # What it does not know
//!
//! Handlers, signals, registries and queues. It keeps none of them alive.
//!
//! # Decisions
//!
//! A signal or a queue without a bus has no configuration of its own to allocate: `None` stands for the
//! defaults and for the absence of a hook.
//!
//! **Handlers ask the registry through the configuration** whether a topic has the handlers of their pattern: the
//! signal of the pattern may have gone by then, with its last handler or with a builder. The registry stays as long
//! as a signal of its bus, so where it has gone there is no topic that this thread could be inside of.

pub(crate) mod bus;
pub(crate) mod failure_source;
mod hook;
pub(crate) mod observer;
pub(crate) mod signal_info;
mod told;
