//! A topic knows what it carries.

use slotcast::{Bus, Topic};

const PLACED: Topic<u32> = Topic::new("order.placed");

fn main() {
    let _sub = Bus::new().on(&PLACED, |_: &u64| ());
}
