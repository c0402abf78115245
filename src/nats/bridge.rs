//! A bridge that runs.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::core::primitives::sync::{lock, wait_until};
use crate::nats::builder::BridgeBuilder;
use crate::nats::error::{BridgeError, FlushError};
use crate::nats::hub::Hub;
use crate::nats::incoming::{Inbox, Running};
use crate::nats::outgoing::Outgoing;
use crate::nats::state::State;
use crate::nats::stats::Stats;
use crate::shared::{Signal, Subscription};

/// What is granted to what has to be told or said, however little time there is.
const GRACE: Duration = Duration::from_millis(100);

/// Carries topics between this bus and others, over a NATS server, as long as it exists.
///
/// See the [module](crate::nats) for what it promises. Dropping it is [`stop`](Self::stop) with no time: it waits for
/// no handler and for no event, and what was not sent is told to the error hook of the bus. It keeps its bus: where a
/// handler of that bus owns the bridge, neither is dropped.
///
/// # Examples
///
/// ```no_run
/// use slotcast::nats::{Bridge, State};
/// use slotcast::{Bus, Topic};
/// use std::time::Duration;
///
/// const PLACED: Topic<u64> = Topic::new("order.placed");
/// const SHIPPED: Topic<u64> = Topic::new("order.shipped");
///
/// let bus = Bus::new();
/// bus.on(&SHIPPED, |order| println!("order {order} is shipped")).detach();
/// let bridge = Bridge::to("nats://127.0.0.1:4222")
///     .send(&PLACED)
///     .receive(&SHIPPED)
///     .start(&bus)?;
/// assert_eq!(bridge.state(), State::Connected);
///
/// bus.emit(&PLACED, &7);
/// bridge.flush(Duration::from_secs(5))?;
/// assert_eq!(bridge.stats().sent, 1);
///
/// let left = bridge.stop(Duration::from_secs(5));
/// assert_eq!((left.unsent, left.unhandled), (0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the bridge stops it at once"]
pub struct Bridge {
    pub(super) hub: Arc<Hub>,
    pub(super) states: Signal<State>,
    pub(super) outgoing: Vec<Arc<Outgoing>>,
    pub(super) inboxes: Vec<(Arc<dyn HasInbox>, bool)>,
    pub(super) running: Arc<Running>,
    pub(super) end: watch::Sender<Option<tokio::time::Instant>>,
    /// Dropped by what talks to the server when that has ended.
    pub(super) ended: Mutex<Receiver<()>>,
    pub(super) report: Box<dyn Fn(BridgeError) + Send + Sync>,
    /// `None` once it is stopped.
    pub(super) parts: Mutex<Option<Parts>>,
    pub(super) stopped: Mutex<Option<Stopped>>,
    pub(super) is_stopped: Condvar,
}

/// What a stop takes.
pub(super) struct Parts {
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) io: Option<JoinHandle<()>>,
    /// The thread that tells, and what is disconnected when everything is told. Not joined before: it may be inside of a
    /// hook that never returns, or that waits for the thread that stops.
    pub(super) teller: Option<(JoinHandle<()>, Receiver<()>)>,
}

/// What receives.
pub(super) trait HasInbox: Send + Sync {
    fn inbox(&self) -> &Inbox;

    /// How many events were handled that the server does not know of.
    fn unnoted(&self) -> usize {
        0
    }
}

/// What a bridge has left undone when it was [stopped](Bridge::stop).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Events that were emitted and that the server does not have, as far as is known. They are lost with the bridge.
    pub unsent: usize,
    /// Events that handlers still had when the time was over; those that a route was about to try, but for a pause, a full
    /// queue or the wait before the next try; and those that had come by core NATS and were not begun. Stored ones come
    /// again: to the reader after its next start, to another member of the group.
    pub unhandled: usize,
    /// Events that readers have handled although the server does not know it, because it could not be reached in time.
    /// They come again, in order, to the reader after its next start.
    pub unnoted: usize,
}

impl Bridge {
    /// Begins a bridge to a server, or to one of several that stand for each other:
    /// `nats://10.0.0.5:4222,nats://10.0.0.6:4222`. Connects nothing yet.
    ///
    /// `tls://` is an encrypted connection, with the feature `nats-tls`. The port is 4222 unless it is said.
    pub fn to<C: 'static>(addresses: impl Into<String>) -> BridgeBuilder<C> {
        BridgeBuilder::new(addresses.into())
    }

    /// Waits until everything that was emitted before the call is stored; what goes by core NATS, until it is written
    /// to the connection. What the server refuses for good counts as sent: it is told to the error hook.
    ///
    /// In a handler of an event that this bridge has received, that route waits meanwhile. On the only thread of a
    /// [runtime](BridgeBuilder::runtime) that it runs on it does not wait.
    ///
    /// # Errors
    ///
    /// If the time is over, with the number of events that are left, or the bridge has been stopped. A timeout of zero
    /// does not wait.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let until = Instant::now().checked_add(timeout);
        let until = self.unless_driver(until);
        let is_stopped = || self.hub.state() == State::Stopped;
        let targets: Vec<u64> = self.outgoing.iter().map(|it| it.pushed()).collect();
        let left: usize = self.hub.while_blocked(|| {
            let waits = self.outgoing.iter().zip(&targets);
            waits
                .map(|(route, order)| route.wait_for(*order, until, &is_stopped))
                .sum()
        });
        match left {
            _ if is_stopped() => Err(FlushError::Stopped),
            0 => Ok(()),
            left => Err(FlushError::TimedOut { left }),
        }
    }

    /// Whether it has its server.
    #[must_use]
    pub fn state(&self) -> State {
        self.hub.state()
    }

    /// Emits each change of its state, on a thread of the bridge, and keeps the last for later subscribers. Where
    /// states change faster than the handlers of this signal return, those in between are left out.
    ///
    /// It is the thread that tells the error hook of the bus, too: neither that hook nor one of these handlers may wait
    /// for the other. To await an emission there, or to [`flush`](Self::flush), is allowed.
    #[must_use]
    pub fn states(&self) -> &Signal<State> {
        &self.states
    }

    /// What it has counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.hub.counts.read()
    }

    /// Stops it: takes nothing in any more, waits for the handlers that run, sends what waits, says what was handled,
    /// and closes the connection. Returns when that is done, or when the time is over, with what was left undone.
    ///
    /// What handlers emit until they have returned is sent, too. Emissions of its topics go on without it. Called
    /// again, it returns the same, once it is stopped; beside a call that still waits, what is left when its own time is
    /// over. In a handler of an event that this bridge has received it does not wait for that handler, which counts as
    /// unhandled.
    ///
    /// On the only thread of a [runtime](BridgeBuilder::runtime) that it runs on it waits for handlers, and not for
    /// events: those that wait are unsent.
    ///
    /// What was handled is said to the server even if the time is over, within half a second, if there is a connection.
    /// What is still to be told to hooks and handlers of [`states`](Self::states) is waited for for a tenth of a second
    /// then, and told later otherwise.
    pub fn stop(&self, timeout: Duration) -> Stopped {
        let until = Instant::now().checked_add(timeout);
        let Some(parts) = lock(&self.parts).take() else {
            return self.stopped_elsewhere(until);
        };
        let done = self.take_apart(parts, until);
        *lock(&self.stopped) = Some(done);
        self.is_stopped.notify_all();
        done
    }

    /// Waits for another thread that stops it.
    fn stopped_elsewhere(&self, until: Option<Instant>) -> Stopped {
        let mut stopped = lock(&self.stopped);
        loop {
            if let Some(stopped) = *stopped {
                return stopped;
            }
            if self.hub.is_own_thread() || self.hub.is_delivering() {
                // That one waits for this thread.
                return Stopped::default();
            }
            if self.hub.is_driver() {
                break;
            }
            match wait_until(&self.is_stopped, stopped, until) {
                Ok(woken) => stopped = woken,
                Err(_) => break,
            }
        }
        Stopped {
            unsent: self.outgoing.iter().map(|it| it.len()).sum(),
            unhandled: self.running.wait(0, Some(Instant::now())),
            unnoted: self.unnoted(),
        }
    }

    /// Until when to wait for what talks to the server. Not where this thread is the one that runs it.
    fn unless_driver(&self, until: Option<Instant>) -> Option<Instant> {
        if self.hub.is_driver() {
            Some(Instant::now())
        } else {
            until
        }
    }

    fn take_apart(&self, parts: Parts, until: Option<Instant>) -> Stopped {
        let mut unhandled = 0;
        for (route, is_core) in &self.inboxes {
            let left = route.inbox().end();
            unhandled += if *is_core { left } else { 0 };
        }
        // The thread that asks for it cannot wait for itself.
        let own = usize::from(self.hub.is_delivering());
        let wait = || self.running.wait(own, until);
        unhandled += self.hub.while_blocked(wait);
        for (route, _) in &self.inboxes {
            route.inbox().parking.give_up();
        }
        // Their captures are the outboxes.
        drop(parts.subscriptions);
        let until_sent = self.unless_driver(until);
        // With its runtime, say.
        let is_over = || self.hub.state() == State::Stopped;
        for route in &self.outgoing {
            route.close();
            let wait = || route.wait_for(route.pushed(), until_sent, &is_over);
            self.hub.while_blocked(wait);
        }
        _ = self
            .end
            .send(Some(until.map_or_else(far, tokio::time::Instant::from_std)));
        // Nothing is sent through it: it is let go.
        let grace = until.map_or(Duration::MAX, |it| {
            it.saturating_duration_since(Instant::now())
        });
        let grace = match self.hub.is_driver() {
            true => Duration::ZERO,
            false => grace
                .saturating_add(Duration::from_secs(1))
                .min(Duration::from_secs(3600)),
        };
        let wait = || lock(&self.ended).recv_timeout(grace);
        let has_ended = self.hub.while_blocked(wait) == Err(RecvTimeoutError::Disconnected);
        let abandoned: usize = self.outgoing.iter().map(|it| it.abandon()).sum();
        // What has talked to the server may have ended before, and abandoned what it had.
        let abandoned = abandoned + self.hub.abandoned();
        self.hub.set_state(|_| Some(State::Stopped));
        self.hub.teller.end();
        self.hub.waking.end();
        if !self.hub.is_own_thread() {
            // Otherwise it may be held up by the system, as by a file that cannot be read.
            if let (Some(thread), true) = (parts.io, has_ended) {
                // A panic there has been told by its message.
                _ = thread.join();
            }
            let least = Instant::now() + GRACE;
            let until = until.map(|it| it.max(least));
            self.hub.waking.wait(until);
            if let Some((thread, told)) = parts.teller {
                let left = until.map_or(Duration::MAX, |it| {
                    it.saturating_duration_since(Instant::now())
                });
                let told = told.recv_timeout(left);
                if told == Err(RecvTimeoutError::Disconnected) {
                    _ = thread.join();
                }
            }
        }
        Stopped {
            unsent: abandoned,
            unhandled,
            unnoted: self.unnoted(),
        }
    }

    fn unnoted(&self) -> usize {
        self.inboxes.iter().map(|(it, _)| it.unnoted()).sum()
    }
}

/// No end.
fn far() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(3600)
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let is_stopped = lock(&self.stopped).is_some();
        let Stopped { unsent, .. } = self.stop(Duration::ZERO);
        if unsent > 0 && !is_stopped {
            (self.report)(BridgeError::Unsent { unsent });
        }
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topics: Vec<&str> = self.outgoing.iter().map(|it| it.names.as_str()).collect();
        f.debug_struct("Bridge")
            .field("state", &self.state())
            .field("sends", &topics)
            .field("receives", &self.inboxes.len())
            .field("stats", &self.stats())
            .finish()
    }
}
