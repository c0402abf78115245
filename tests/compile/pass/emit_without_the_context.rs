//! A bus with a context is emitted on with one.

use slotcast::{Bus, Topic};

pub struct App;

const TICK: Topic<u32> = Topic::new("tick");

fn main() {
    Bus::<()>::with_context().emit(&TICK, &1);
}
