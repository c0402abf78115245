//! The first program: subscribe handlers to a topic, emit an event to them now, defer one for later.
//!
//! Run it with `cargo run --example first_steps`.

use slotcast::{Bus, Topic};

struct Order {
    id: u64,
    total: f64,
}

/// A name together with the type of what is sent under it. A bad name would not compile.
const PLACED: Topic<Order> = Topic::new("order.placed");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::new();

    // A subscription keeps its handler connected until it is dropped ..
    let log = bus.on(&PLACED, |o| println!("order {}: {:.2}", o.id, o.total));
    // .. and one that is detached stays as long as the bus. This handler runs for one order only.
    bus.once(&PLACED, |o| {
        println!("order {} is the first: free shipping", o.id)
    })
    .detach();

    // Emitting calls the handlers here and now, in the order they subscribed.
    let done = bus.emit(&PLACED, &Order { id: 1, total: 9.5 });
    assert_eq!(done.ran(), 2);

    // A deferred event waits in the queue of the bus until somebody drains it.
    bus.defer(&PLACED, Order { id: 2, total: 3.0 })?;
    println!("order 2 waits");
    assert_eq!(bus.drain().delivered(), 1);

    // With the subscription goes the handler.
    drop(log);
    let done = bus.emit(&PLACED, &Order { id: 3, total: 1.0 });
    assert_eq!(done.ran(), 0);
    println!("order 3 found {} handlers", done.ran());
    Ok(())
}
