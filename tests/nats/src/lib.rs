//! What the tests against real NATS servers have in common: the server, a relay before it that breaks as networks
//! do, access by the client library alone, and tools that check what has arrived.
//!
//! Nothing here waits for a time: it waits for a condition, with a limit that is far off.

mod check;
mod raw;
mod relay;
mod server;

pub use check::{Seen, descriptors, eventually, limit, threads, until, wait_for, within};
pub use raw::{Message, Raw, Subscribed};
pub use relay::Relay;
pub use server::{Server, ServerBuilder, find, free_port, need_server, scratch};

/// The topic of most tests.
pub const TICK: slotcast::Topic<Tick> = slotcast::Topic::new("tick");

/// The event of most tests: a number of its own and some text.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tick {
    pub id: u64,
    pub text: String,
}

impl Tick {
    pub fn new(id: u64) -> Tick {
        Tick {
            id,
            text: format!("tick {id}"),
        }
    }
}

/// Random numbers that need not be good: where to stop a server, for how long.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed, so that what has failed can be done again.
    pub fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    /// Less than `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        // Xorshift, by Marsaglia, 2003.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
