//! The name of an event type is checked where its topic is used.

use slotcast::{Event, Topic};

struct Resized;
impl Event for Resized {
    const NAME: &'static str = "window resized";
}

fn main() {
    let _topic = Topic::of::<Resized>();
}
