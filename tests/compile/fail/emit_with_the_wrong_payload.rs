//! A topic knows what it carries.

use slotcast::{Bus, Topic};

const PLACED: Topic<u32> = Topic::new("order.placed");

fn main() {
    Bus::new().emit(&PLACED, &9_u64);
}
