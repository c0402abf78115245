//! Each queued handler gets an event of its own.

use slotcast::{Queue, Signal};

pub struct Order;

fn main() {
    let (placed, queue) = (Signal::<Order>::new(), Queue::new());
    let _sub = placed.subscribe().on_queue(&queue, |(), _| ());
}
