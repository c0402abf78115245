//! The name of a constant topic is checked when it is compiled.

use slotcast::Topic;

pub const PLACED: Topic<u32> = Topic::new("order..placed");

fn main() {}
