//! One signal: where its handlers are kept, and how they get in and out.
//!
//! # What it owns
//!
//! - `roster`: the handlers of a signal by key. `signal`: the roster under a lock, and what is published of it.
//! - `handler_list`: what is published: the handlers, sorted. `publish`: how it is published, and changed.
//! - `expected`: the handlers of an emission for which none is published.
//! - `accepted`: how many events wait for it in queues. `linger`: what it keeps for them after a close.
//! - `subscribe`, `remove`: how handlers are added, removed and replaced.
//! - `patterns`: the handlers of patterns, and the topics that take them in.
//! - `pauses`: pauses of all handlers.
//! - `demand`, `watchers`: the observers of whether there are handlers.
//! - `history`, `retain`: retained events, as a signal sees them.
//! - `directory`: the registry, as a signal sees it. `wiring`: its handlers, described.
//!
//! # What it guarantees
//!
//! - No user code runs under the signal's lock. What is taken out of the roster or the publication is dropped
//!   after the lock.
//! - A handler is in the snapshots of all emissions that begin after it was added, and of none that begin after
//!   it was removed.
//! - The sequence limit of a snapshot is greater than the sequence number of each of the signal's own handlers in
//!   it, and not greater than that of one added later.
//! - A topic in a bus keeps itself alive while it has handlers or retains events, and no longer.
//!
//! # What it does not know
//!
//! How handlers are called, what retains events, the registry (it sees a [`Directory`](directory::Directory)),
//! and queues.
//!
//! # Decisions
//!
//! **Snapshots are published by emissions, not by changes.** A change takes the published snapshot out; the
//! next emission takes the lock and publishes the same list again, changed meanwhile, or builds a new one. So a
//! hundred thousand changes in a row cost no more than each of them alone. See [`publish`].
//!
//! **No list is published for an event that removes a handler from it**, a future or a `once`: it would be taken out
//! again at once. Such a handler leaves a hint, and where it is one of a few, the emission takes references of its
//! own ([`expected`]). That saves six locked instructions of 31, and an allocation. An emission that does not come to
//! that handler, because another one stops it, publishes the list for those that follow. A handler with a filter
//! leaves no hint: how many events it lets pass by is not known.
//!
//! **Snapshots have strong references to their handlers**: one count for each entry and snapshot, only when a
//! snapshot is built. Cheaper schemes (freeing with the newest snapshot, epochs) drop captures later than
//! promised if an outer emission is running.
//!
//! **A closed signal keeps its handlers for the events that it has accepted.** Its roster lingers, marked
//! closed, until the last of these events is delivered or dropped, and nobody but their delivery looks at it; so
//! whatever cancels a handler works as before. The events hold [`Accepted`](signal::Accepted) references,
//! which count: one for a run of events in a lane, so that deferring one more event of a run costs nothing. A
//! list of handlers that is made at the close would have to be found by a cancel, and a user who keeps a handle
//! of the closed signal would keep the captures.
//!
//! **A pause of a signal or a bus is counted in one place**, the information that its handlers share, and each
//! handler has a flag that tells it to look there. So plain calls pay nothing, a call that waits in a queue
//! looks at the same count although its handler may be in no roster any more, and the guard of a pause needs
//! neither the signal nor its type. The flags are set when a pause begins, and taken away by the first call
//! after it. The alternative, to count the pause in each handler, misses those that have left the roster, and
//! needs the signal again at the end.
//!
//! **Handlers that accumulate are looked for when there may be enough of a line**, or with an eighth more, so that
//! subscribing stays O(1), and an emission pays nothing. The number is beside the flags of the roster, where it takes
//! no room. It falls when most handlers have gone, so that a crowd hides nothing. What has been told is kept by the
//! configuration of the bus, because a topic that comes and goes would be told each time.
//!
//! **A pattern is a signal.** Subscribing, limits, pauses, closing, ids and the waiting cancel are those of
//! signals. The only difference is that its handlers are part of the snapshots of other signals.

pub(crate) mod accepted;
pub(crate) mod demand;
pub(crate) mod directory;
pub(crate) mod expected;
pub(crate) mod handler_list;
pub(crate) mod history;
pub(crate) mod linger;
pub(crate) mod patterns;
pub(crate) mod pauses;
pub(crate) mod publish;
pub(crate) mod remove;
pub(crate) mod retain;
pub(crate) mod roster;
pub(crate) mod signal;
pub(crate) mod subscribe;
pub(crate) mod watchers;
pub(crate) mod wiring;
