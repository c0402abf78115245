//! The first program: subscribe handlers to a topic, emit an event, defer one and drain the queue.
//!
//! Run it with `cargo run --example first_steps`.

use slotcast::{Bus, Topic};

struct Order {
    id: u64,
    total: f64,
}

/// A name and its payload type. An invalid name would not compile.
const PLACED: Topic<Order> = Topic::new("order.placed");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::new();

    // Dropping a subscription cancels its handler.
    let log = bus.on(&PLACED, |o| println!("order {}: {:.2}", o.id, o.total));
    // Detached, a handler stays as long as the bus. This one runs for the first order only.
    bus.once(&PLACED, |o| {
        println!("order {} is the first: free shipping", o.id)
    })
    .detach();

    // Emitting calls the handlers synchronously, in subscription order.
    let done = bus.emit(&PLACED, &Order { id: 1, total: 9.5 });
    assert_eq!(done.ran(), 2);

    // A deferred event stays in the queue of the bus until the queue is drained.
    bus.defer(&PLACED, Order { id: 2, total: 3.0 })?;
    println!("order 2 waits");
    assert_eq!(bus.drain().delivered(), 1);

    // Cancels the handler.
    drop(log);
    let done = bus.emit(&PLACED, &Order { id: 3, total: 1.0 });
    assert_eq!(done.ran(), 0);
    println!("order 3 found {} handlers", done.ran());
    Ok(())
}
