//! The event of all workloads, and handlers that count how often they were called.
//!
//! A handler adds to a counter of its own, as in a program, and tells the sum when it is dropped. So its
//! body costs nothing for the check, and each contestant is seen to have called all of its handlers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// 16 bytes. `amount` is 1 and `other` is 0 in all events that are sent, so that a sum counts calls.
#[derive(
    Clone,
    Copy,
    Debug,
    bevy_ecs::event::Event,
    bevy_ecs::message::Message,
    evenio::event::GlobalEvent,
)]
pub struct Event {
    pub amount: u64,
    pub other: u64,
}

pub const EVENT: Event = Event {
    amount: 1,
    other: 0,
};

/// What all contestants accept.
pub trait Handler<E = Event>: Fn(&E) + Send + Sync + 'static {}
impl<E, F: Fn(&E) + Send + Sync + 'static> Handler<E> for F {}

pub type Boxed<E = Event> = Box<dyn Fn(&E) + Send + Sync>;

static CALLS: AtomicU64 = AtomicU64::new(0);

/// The calls of all handlers that were dropped since this was asked last.
pub fn calls() -> u64 {
    CALLS.swap(0, Relaxed)
}

#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Not atomic, as a counter of one thread is.
    #[inline(always)]
    pub fn add(&self, amount: u64) {
        self.0
            .store(self.0.load(Relaxed).wrapping_add(amount), Relaxed);
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let sum = *self.0.get_mut();
        if sum > 0 {
            CALLS.fetch_add(sum, Relaxed);
        }
    }
}

/// Handlers of one type.
pub fn counter() -> impl Handler {
    let sum = Counter::default();
    move |event: &Event| sum.add(event.amount)
}

/// Handlers of another type for each `K`.
pub fn typed_counter<const K: u64>() -> impl Handler {
    let sum = Counter::default();
    move |event: &Event| sum.add(event.amount.wrapping_add(event.other & K))
}

/// Which of eight types the nth handler has: in no order, but always the same. By the mixing function of
/// SplitMix64.
pub fn random_type(n: usize) -> usize {
    let mut mixed = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) % 8) as usize
}

/// A fixed permutation of `0..n`.
pub fn shuffled(at: usize, n: usize) -> usize {
    // A multiplier that has no factor in common with powers of ten.
    at.wrapping_mul(7_368_787) % n
}

/// A number of handlers, in words.
pub fn handlers_text(n: usize) -> String {
    match n {
        1 => "1 handler".into(),
        n => format!("{n} handlers"),
    }
}
