//! The methods of `Signal` that need what stands above it: queues, futures and jobs; and its settings.
//!
//! *Owns*: documentation and bounds, as `signal` does.
//!
//! *Decisions*: on the page of a type rustdoc lists methods in the order of modules, and on that of an alias by the
//! names of files. So the files of `signal` and of this folder have names in the order of use.

#[cfg(feature = "jobs")]
mod asking;
mod deferring;
mod futures;
mod settings;
