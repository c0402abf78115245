//! A subscription that is not kept cancels at once.

#![warn(unused_must_use)]

use slotcast::{Bus, Topic};

const TICK: Topic<u32> = Topic::new("tick");

fn main() {
    Bus::new().signal(&TICK).on(|_| ());
}
