//! The local flavour stays on its thread.

#![allow(unused_imports)]

use slotcast::{self as shared, Topic, local};

const TICK: Topic<u32> = Topic::new("tick");

pub fn on_another_thread(_: impl FnOnce() + Send) {}

fn main() {
    let bus = shared::Bus::new();
    on_another_thread(move || _ = bus.emit(&TICK, &1));
}
