//! What is followed of a bus: the numbers of pieces of work, what is counted, and how it is written.
//!
//! *Owns*: [`Follow`], what is to be followed; `step`, one piece of work; `trail`, those that led to one another;
//! `times`, how long something took; and `report`, all of it at one moment. All are owned and detached: they keep
//! nothing of a bus alive, and the same types serve both flavours. And how a report is written, each in a file of its
//! own: as `text`, as a `picture`, for `prometheus`, as a trace of `chrome`, and as `json`, which is any format of serde.
//! What is wired and what was counted is put together for all of them in `rows`. What only shows over several reports
//! is found by `watch`.
//!
//! *Guarantees*: nothing in here takes a lock or calls user code, but for the texts of [`Follow::show`], which the core
//! asks for where handlers may be called.
//!
//! *Does not know*: the core, which counts (`core/follow`).
//!
//! *Decisions*
//!
//! **What one line has subscribed with one label is one row.** That is what is counted together, and a program in which
//! handlers accumulate is not followed by as many rows. Those that were never called are listed as well: that nobody is
//! called is what one looks for.
//!
//! **A handler of a pattern has the counts of all its topics together**, so a picture leads from the topics to the
//! pattern without numbers, and from there to the handler with its calls.
//!
//! **Prometheus gets quantiles, and not the buckets**: 144 lines for each handler would be too many. Labels that become
//! the same text are counted together: two series of one name are an error there.
//!
//! **The trace of Chrome has slices that are nested or beside each other on one track**, which is what its viewers draw.
//! Futures, and emissions that are awaited, take turns on one thread, and so need more tracks than threads.
//!
//! **What grows or stays is found by comparing reports**, and not where it happens: that would be one more thing to do
//! for each event of a queue, and one more field for each handler. So it takes somebody who looks, and what goes on and
//! off between two looks is not seen.
//!
//! **All fields of a report are always there in JSON**, `null` where there is nothing: a query needs no case for it. What
//! the page asks for four times in a second leaves out the usual values: they were two thirds of it.

mod chrome;
#[cfg(feature = "serde")]
pub(crate) mod json;
mod picture;
mod prometheus;
#[cfg(feature = "nats")]
pub(crate) mod received;
pub(crate) mod report;
mod rows;
#[cfg(test)]
mod sample;
pub(crate) mod step;
mod text;
pub(crate) mod times;
pub(crate) mod trail;
pub(crate) mod watch;

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::failure::CallSite;
use crate::topic::Topic;
use crate::topic::name::Name;

/// What is to be followed of a bus: for [`Bus::follow`](crate::flavour::Bus::follow).
///
/// # Examples
///
/// ```
/// use slotcast::{Bus, Follow, Topic};
/// use std::time::Duration;
///
/// const PLACED: Topic<u64> = Topic::new("order.placed");
/// let bus = Bus::new();
/// let following = bus.follow(
///     Follow::new()
///         .tail(100)
///         .slow(Duration::from_millis(50))
///         .show(&PLACED, |number| format!("order {number}")),
/// );
/// bus.emit(&PLACED, &7);
/// let report = following.report();
/// assert_eq!(report.tail(0).next().unwrap().text(), Some("order 7"));
/// ```
#[must_use]
pub struct Follow {
    pub(crate) tail: usize,
    pub(crate) slow: Option<Duration>,
    pub(crate) shows: Vec<Show>,
}

/// How the events of one topic are shown.
pub(crate) struct Show {
    pub(crate) topic: Name,
    pub(crate) place: CallSite,
    pub(crate) text: Box<ShowFn>,
}

/// Returns `None` for a payload of another type.
type ShowFn = dyn Fn(&dyn Any) -> Option<String> + Send + Sync;

impl Follow {
    /// Counts, times, causes, and a tail of 1,024 pieces of work; no payloads.
    pub fn new() -> Self {
        Follow {
            tail: 1024,
            slow: None,
            shows: Vec::new(),
        }
    }

    /// Keeps so many of the newest pieces of work: 1,024 if it is not called.
    pub fn tail(mut self, most: usize) -> Self {
        self.tail = most;
        self
    }

    /// Tells of each call of a handler that itself takes longer, by a [`Warning::Slow`](crate::Warning::Slow).
    pub fn slow(mut self, limit: Duration) -> Self {
        self.slow = Some(limit);
        self
    }

    /// Keeps a text about each event of a topic in the tail: what `text` makes of it, cut at 256 bytes.
    ///
    /// It is called before the handlers are, on the thread that emits or drains, outside of all locks. If it panics,
    /// that is told once, as a failure of the topic with this line, and it is not called any more. The last one for a
    /// topic counts.
    #[track_caller]
    pub fn show<E: 'static>(
        mut self,
        topic: &Topic<E>,
        text: impl Fn(&E) -> String + Send + Sync + 'static,
    ) -> Self {
        let topic = topic.name.clone();
        self.shows.retain(|it| it.topic.as_str() != topic.as_str());
        self.shows.push(Show {
            topic,
            place: Location::caller(),
            text: Box::new(move |event| event.downcast_ref().map(&text)),
        });
        self
    }
}

impl Default for Follow {
    fn default() -> Self {
        Follow::new()
    }
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shows: Vec<_> = self.shows.iter().map(|it| it.topic.as_str()).collect();
        f.debug_struct("Follow")
            .field("tail", &self.tail)
            .field("slow", &self.slow)
            .field("shows", &shows)
            .finish()
    }
}
