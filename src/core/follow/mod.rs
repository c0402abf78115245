//! What is known of a followed bus: which piece of work runs on a thread, and what was counted. Without the feature
//! `follow`, the same functions do nothing, and their types are zero-sized.
//!
//! # What it owns
//!
//! - `here`: the cause of what runs on a thread, and what a deferred event takes along of it.
//! - `work`: a piece of work while it runs. `long_work`: one that runs later than it is made, or in parts. `recorder`: what one thread has counted, and the newest pieces of work on
//!   it. `follower`: all recorders of one following.
//!
//! # What it guarantees
//!
//! - While nobody follows anything, a deferred event costs a test of one number of the process, and an emission
//!   nothing: its bus publishes lists, and only emissions without a list come here.
//! - The lock of a recorder is taken by its thread, and by those who ask for a report. No user code runs under it.
//! - Nothing of an event is kept but the text that was asked for.
//!
//! # What it does not know
//!
//! Signals, handlers, queues and buses: they tell it their names and lines.
//!
//! # Decisions
//!
//! **The cause of a deferred event breaks a run.** Events of one target that were deferred in a row are one entry of a
//! lane. The link is a part of that, so events with different causes are entries of their own while somebody follows:
//! 12 ns more for each of these, and nothing for all others. A number for each event beside the lane would have cost
//! 2 to 3.6 ns for each event of every bus, because each pop would have to look there.
//!
//! **Counts are kept by thread**, so that two threads that emit to one topic share no memory, and put together for a
//! report. A thread that ends hands its recorder back, and the next one continues it: what is kept is bounded by the
//! number of threads that emit at the same time.
//!
//! **A handler is known by its topic, line and label**, and not by its subscription: futures and short-lived handlers
//! are new subscriptions by the thousand, and what is kept is to be bounded by the program, not by its time.
//!
//! **One clock reading a handler.** The end of one is the beginning of the next, so the time between them, some 20 ns,
//! counts as the next one's.

#[cfg(feature = "follow")]
pub(crate) mod follower;
#[cfg(feature = "follow")]
mod here;
#[cfg(feature = "follow")]
mod long_work;
#[cfg(feature = "follow")]
mod recorder;
#[cfg(feature = "follow")]
mod tail;
#[cfg(feature = "follow")]
pub(crate) mod work;
#[cfg(feature = "follow")]
pub(crate) use {here::*, long_work::*, work::*};

#[cfg(not(feature = "follow"))]
mod off;
#[cfg(not(feature = "follow"))]
pub(crate) use off::*;
