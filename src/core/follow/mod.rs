//! What is known of a followed bus: which piece of work runs on a thread, and what was counted. Without the feature
//! `follow`, the same functions do nothing, and their types are zero-sized.
//!
//! # What it owns
//!
//! - `here`: the cause of what runs on a thread, and what a deferred event takes along of it.
//! - `work`: a piece of work while it runs. `long_work`: one that runs later than it is made, or in parts.
//! - `recorder`: what one thread has counted. `tail`: the newest pieces of work on it. `shows`: the texts that are made
//!   of events. `follower`: all recorders of one following.
//!
//! # What it guarantees
//!
//! - While nobody follows anything, a deferred event costs a test of one number of the process, and an emission
//!   nothing: only emissions that find no list, or one that is published aside, come here.
//! - Emissions of two threads to one followed topic take no lock of each other, and by a handle write to no memory that
//!   they share. With four handlers or fewer they allocate nothing.
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
//!
//! **A list of a followed signal is published aside**, in the same pointer, with a bit that sends all emissions away that
//! do not look for it (see [`hazard`](crate::core::reclaim::hazard)). Before, none was published, and each emission
//! collected its handlers under the signal's lock: 60 ns more, and two threads that emitted to one topic were together
//! as fast as one.
//!
//! **An emission takes 115 ns longer, and each handler 50 ns more** (two shared cores, Zen 4, Rust 1.95). A reading of the
//! clock is 25 ns of either. The lock of the recorder is taken twice, 5 ns each time. Once, at the end, would do for the
//! counts, but then nobody would see a piece of work that hangs, nor its trail. What a handler is, and the numbers of a
//! topic and of the line that emits to it, are remembered by address; texts are compared only where that fails. It was
//! 265 and 90 ns when each emission collected its handlers, looked texts up, allocated a report for its number, and
//! moved the records of its calls from place to place.

#[cfg(feature = "follow")]
pub(crate) mod follower;
#[cfg(feature = "follow")]
mod here;
#[cfg(feature = "follow")]
mod long_work;
#[cfg(feature = "follow")]
mod recorder;
#[cfg(feature = "follow")]
pub(crate) mod shows;
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
