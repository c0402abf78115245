//! A bridge that runs.

use std::fmt;
use std::time::Duration;

use crate::nats::builder::BridgeBuilder;
use crate::nats::error::{FlushError, StartError};
use crate::nats::state::State;
use crate::nats::stats::Stats;
use crate::shared::{Bus, Signal};

/// Carries topics between this bus and others, over a NATS server, as long as it exists.
///
/// See the [module](crate::nats) for what it promises. Dropping it is [`stop`](Self::stop) with no time: it blocks no
/// longer than the handler that runs, and what was not sent is told to the error hook of the bus. It keeps its bus.
#[must_use = "dropping the bridge stops it at once"]
pub struct Bridge {
    _todo: (),
}

/// What a bridge has left undone when it was [stopped](Bridge::stop).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Events that were emitted and that the server does not have. They are lost with the bridge.
    pub unsent: usize,
    /// Events that a handler still had when the time was over. Stored ones come again: to the reader after its next
    /// start, to another member of the group.
    pub unhandled: usize,
}

impl Bridge {
    /// Begins a bridge to a server, or to one of several that stand for each other:
    /// `nats://10.0.0.5:4222,nats://10.0.0.6:4222`. Connects nothing yet.
    ///
    /// `tls://` is an encrypted connection, with the feature `nats-tls`. The port is 4222 unless it is said.
    pub fn to<C: 'static>(addresses: impl Into<String>) -> BridgeBuilder<C> {
        BridgeBuilder::new(addresses.into())
    }

    pub(super) fn start<C: 'static>(
        _builder: BridgeBuilder<C>,
        _bus: &Bus<C>,
    ) -> Result<Self, StartError> {
        unimplemented!()
    }

    /// Waits until everything that was emitted before the call is stored; what goes by core NATS, until it is written
    /// and the server has answered to that. What the server refuses for good counts as sent: it is told to the error
    /// hook.
    ///
    /// Do not call it in a handler of an event that this bridge has received: that route waits meanwhile.
    ///
    /// # Errors
    ///
    /// If the time is over, with the number of events that are left, or the bridge has been stopped. A timeout of zero
    /// does not wait.
    pub fn flush(&self, _timeout: Duration) -> Result<(), FlushError> {
        unimplemented!()
    }

    /// Whether it has its server.
    #[must_use]
    pub fn state(&self) -> State {
        unimplemented!()
    }

    /// Emits each change of its state, on a thread of the bridge, and keeps the last for later subscribers. Where states
    /// change faster than the handlers of this signal return, those in between are left out.
    #[must_use]
    pub fn states(&self) -> &Signal<State> {
        unimplemented!()
    }

    /// What it has counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        unimplemented!()
    }

    /// Stops it: takes nothing in any more, in either direction, waits for the handlers that run, sends what waits, says
    /// what was handled, and closes the connection. Returns when that is done, or when the time is over, with what was
    /// left undone.
    ///
    /// Emissions of its topics go on without it. Called again, it returns the same at once. In a handler of an event that this bridge
    /// has received it does not wait for that handler, which counts as unhandled.
    pub fn stop(&self, _timeout: Duration) -> Stopped {
        unimplemented!()
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").finish_non_exhaustive()
    }
}
