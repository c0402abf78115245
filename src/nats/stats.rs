//! What a bridge has counted.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! stats {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a bridge has counted since it was started. A snapshot: the counts are read one after another.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The counts themselves.
        #[derive(Default)]
        pub(super) struct Counts {
            $(pub(super) $name: Count,)*
        }

        impl Counts {
            pub(super) fn read(&self) -> Stats {
                Stats { $($name: self.$name.get(),)* }
            }
        }
    };
}

stats! {
    /// Events that sending routes have taken into their outboxes.
    emitted,
    /// Messages written to the server, those that were written again not counted.
    sent,
    /// Messages written again: after a reconnection, or because the stream had refused one.
    resent,
    /// Events of stored routes that the server has stored.
    acked,
    /// Emissions and events that were refused for good: what is not encodable, because its codec or its closure for
    /// headers fails or panics; too large, or under a reserved subject; what a full outbox rejects; what comes when the
    /// bridge is stopped; what has passed too many bridges to be sent on; and what the server does not take, or does not
    /// let us send. Of the last those are not here that were written by core NATS before the server said so: it does not
    /// say which they were.
    refused,
    /// Events that [`Overflow::DropOldest`](crate::Overflow::DropOldest) or `DropNewest` has dropped.
    dropped,
    /// Events that wait in outboxes, or for the server's answer, now.
    waiting,
    /// Messages that have arrived, whatever became of them.
    received,
    /// Events that were emitted here, each counted once: tries are in `redelivered`.
    delivered,
    /// Messages that were dropped on arrival because the event had arrived before, or will again in its place.
    duplicates,
    /// Messages that were dropped on arrival because this bridge has sent them, or has passed on what they carry.
    echoes,
    /// Events of core routes that did not arrive, by the gaps in their numbers: exact as of the next event that arrives
    /// from the same bridge under the same topic. One that arrives behind later ones counts as lost until it does; and
    /// for good if there is a newer gap by then, because it is not emitted any more.
    ///
    /// What was sent before the first event that arrives is not counted. Too small where more than 1,024 bridges send
    /// one topic, or more than 16,384 topics of a pattern arrive, because those that have been quiet for longest are
    /// forgotten and begin anew. Too large where a bridge sends more than 65,536 topics by one pattern, because it goes
    /// on with higher numbers then.
    lost,
    /// Times that an event was tried again.
    redelivered,
    /// Events that were given up: after their last try, or because their topic is closed.
    dead,
    /// Messages whose payload or schema is not that of the route.
    undecodable,
    /// Connections after the first one.
    reconnects,
}

/// A count that threads add to.
#[derive(Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        // Relaxed: it publishes nothing. Saturating: `more` can be what somebody else has sent.
        let add = |count: u64| Some(count.saturating_add(more));
        _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    pub(super) fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sub(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_does_not_begin_anew() {
        let count = Count::default();
        count.add(5);
        count.add(u64::MAX - 2);
        assert_eq!(count.get(), u64::MAX);
    }
}
