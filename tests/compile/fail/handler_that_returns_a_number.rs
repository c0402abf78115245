//! What a handler may return is said where it returns something else.

use slotcast::{Bus, Topic};

const PLACED: Topic<u32> = Topic::new("order.placed");

pub fn keep(n: u32) -> u32 {
    n
}
pub fn lose(_: u32) {}

fn main() {
    let _sub = Bus::new().on(&PLACED, |n| keep(*n));
}
