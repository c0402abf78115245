//! A shop that is followed: who listens, why something ran, what is slow, what fails, what accumulates.
//!
//! Run it with `cargo run --example inspect --features inspector`, and open the address that it prints. The shop has
//! four faults; the page shows each of them. When it ends, it says the same in text.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use slotcast::{Bus, Follow, Jobs, Queue, Subscription, Topic};

#[derive(Clone)]
struct Order {
    id: u64,
    customer: &'static str,
    cents: u64,
}

const PLACED: Topic<Order> = Topic::new("order.placed");
const PAID: Topic<Order> = Topic::new("order.paid");
const SENT: Topic<Order> = Topic::new("mail.sent");
const RUNNING_LOW: Topic<u64> = Topic::new("stock.running-low");
/// What the buyer listens to. The first fault: spelt in another way, so nobody is ever told.
const RUNING_LOW: Topic<u64> = Topic::new("stock.runing-low");

const CUSTOMERS: [&str; 5] = ["ann", "bob", "cleo", "dora", "nobody"];

/// Subscribes what happens to an order. It reaches the desk by a queue, and the mail room as a job.
fn open(bus: &Bus, desk: &Queue, mail_room: &Jobs) -> Vec<Subscription> {
    // A label says what a handler is for. Without one it is known by this line only.
    let log = bus
        .subscribe_pattern("order.*")
        .label("log")
        .priority(10)
        .on(|_| ());

    // Emits while it is called: an emission in an emission. The place of its emission is the line below.
    let stock = bus.subscribe(&PLACED).label("stock").on({
        let bus = bus.clone();
        move |order| {
            if order.id % 5 == 0 {
                bus.emit(&RUNNING_LOW, &order.id);
            }
        }
    });
    let buyer = bus.subscribe(&RUNING_LOW).label("buyer").on(|_| ());

    // The second fault: slow for some orders, and all that is called after it has to wait.
    let fraud = bus.subscribe(&PLACED).label("fraud check").on(|order| {
        if order.cents > 2_000 {
            thread::sleep(Duration::from_millis(30));
        }
    });

    // Runs on the thread of the desk, because of an order that another thread has placed.
    let billing = bus.subscribe(&PLACED).label("billing").on_queue(desk, {
        let bus = bus.clone();
        move |(), order| {
            // The third fault: subscribed for each order and never cancelled. `once` would do.
            let id = order.id;
            bus.subscribe(&PAID)
                .label("receipt")
                .filter(move |paid| paid.id == id)
                .on(|_| ())
                .detach();
            bus.emit(&PAID, order);
        }
    });

    // Runs on yet another thread, because of the same order.
    let mail = bus.subscribe(&PAID).label("mail").on({
        let (bus, mail_room) = (bus.clone(), mail_room.clone());
        move |order| {
            let (bus, order) = (bus.clone(), order.clone());
            drop(mail_room.submit(move |_| {
                thread::sleep(Duration::from_millis(5));
                bus.emit(&SENT, &order);
            }));
        }
    });

    // The fourth fault: fails for one customer. The error alone does not say which order that was.
    let addresses = bus
        .subscribe(&SENT)
        .label("addresses")
        .on(|order| match order.customer {
            "nobody" => Err("no such address"),
            _ => Ok(()),
        });
    vec![log, stock, buyer, fraud, billing, mail, addresses]
}

/// Places ten orders in a second: twenty at least.
fn take_orders(bus: &Bus, is_open: &AtomicBool) {
    for id in (1..).take_while(|id| *id <= 20 || is_open.load(Relaxed)) {
        let customer = CUSTOMERS[id as usize % CUSTOMERS.len()];
        let order = Order {
            id,
            customer,
            cents: 250 * (id % 10),
        };
        bus.emit(&PLACED, &order);
        thread::sleep(Duration::from_millis(100));
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // From 16 handlers of one line on, they are reported as accumulating: 64 is the default.
    let bus = Bus::builder().warn_handlers(16).build();
    bus.set_warning_hook(|warning| println!("told as it happens: {warning}"));
    // A failure knows the work it happened in, by number.
    let failed = Arc::new(Mutex::new(None));
    bus.set_error_hook({
        let failed = failed.clone();
        move |error| *failed.lock().expect("nobody panics") = error.cause()
    });

    // From here to the drop of the guard all is counted. Events are shown only where that is asked for, as text.
    let following = bus.follow(
        Follow::new()
            .slow(Duration::from_millis(20))
            .show(&PLACED, |o| format!("order {} of {}", o.id, o.customer)),
    );
    let page = following.serve()?;
    println!("Open {}", page.url());
    println!(
        "Look for a handler that is never called, a slow one, one that fails, and one of many."
    );
    println!("Click an event to see what led to it. Enter ends.");

    let desk = Queue::new();
    let mail_room = Jobs::builder().workers(1).name("mail").build();
    let shop = open(&bus, &desk, &mail_room);
    let is_open = Arc::new(AtomicBool::new(true));
    let named = |name: &str| thread::Builder::new().name(name.to_owned());
    let at_desk = named("desk").spawn({
        let desk = desk.clone();
        move || desk.run()
    })?;
    let customers = named("customers").spawn({
        let (bus, is_open) = (bus.clone(), is_open.clone());
        move || take_orders(&bus, &is_open)
    })?;
    // Enter, or the end of the standard input.
    _ = io::stdin().lines().next();
    is_open.store(false, Relaxed);
    customers.join().expect("placing orders does not panic");
    // What waits in the queue is still handled, and then the jobs that came of it.
    desk.close();
    at_desk.join().expect("no handler panics");
    mail_room.finish();

    let failed = failed
        .lock()
        .expect("nobody panics")
        .ok_or("no mail has failed")?;
    println!("\nWhy did the last mail fail? Its trail:");
    let trail = following.trail(failed).ok_or("it is not kept any more")?;
    println!("{trail}");

    // What the page shows, as text.
    println!("\nThe report:\n{}", following.report());
    drop(shop);
    Ok(())
}
