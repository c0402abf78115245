//! One handler for many topics: a log, an audit that reads payloads, and a guard with a veto.
//!
//! Run it with `cargo run --example patterns`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use slotcast::{AnyEvent, Bus, Flow, Pattern, Topic};

struct Payment {
    account: u32,
    cents: u64,
}

const PAID: Topic<Payment> = Topic::new("shop.order.paid");
const SHIPPED: Topic<u64> = Topic::new("shop.order.shipped");
const DELETE: Topic<String> = Topic::new("admin.file.delete");

const ORDERS: Pattern = Pattern::new("shop.order.*");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::new();

    // A log of everything, after all others.
    let log = Arc::new(Mutex::new(Vec::new()));
    let _log = bus
        .subscribe_pattern(">")
        .priority(i32::MIN)
        .label("log")
        .on({
            let log = log.clone();
            move |event| {
                let line = format!("{} ({})", event.topic(), event.type_name());
                println!("log:    {line}");
                log.lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner())
                    .push(line);
            }
        });

    // An audit of all orders, which knows one of the payload types.
    let paid = Arc::new(AtomicU64::new(0));
    let _audit = bus.on_pattern(&ORDERS, {
        let paid = paid.clone();
        move |event: &AnyEvent| {
            if let Some(payment) = event.payload::<Payment>() {
                println!(
                    "audit:  account {} paid {} cents",
                    payment.account, payment.cents
                );
                paid.fetch_add(payment.cents, Relaxed);
            }
        }
    });

    // A guard that runs before all handlers of deletions: `Stop` is a veto.
    let _delete = bus.on(&DELETE, |path| println!("delete: {path}"));
    let _guard = bus
        .subscribe_pattern("admin.*.delete")
        .priority(i32::MAX)
        .label("guard")
        .on(|event| match event.payload::<String>() {
            Some(path) if path.starts_with("/etc") => Flow::Stop,
            _ => Flow::Continue,
        });

    bus.emit(
        &PAID,
        &Payment {
            account: 7,
            cents: 1250,
        },
    );
    bus.defer(&SHIPPED, 7)?;
    assert_eq!(bus.drain().delivered(), 1);
    assert!(!bus.emit(&DELETE, &"/tmp/draft".to_owned()).stopped());
    assert!(bus.emit(&DELETE, &"/etc/passwd".to_owned()).stopped());

    // Names made at run time need no registration.
    let joined = Topic::named(format!("chat.room.{}.joined", 17))?;
    assert_eq!(bus.emit(&joined, &"ann").ran(), 1);

    assert_eq!(paid.load(Relaxed), 1250);
    let log = log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // The veto ended the emission before the log was called.
    assert_eq!(log.len(), 4);
    println!(
        "{} events in the log, {} cents in the books",
        log.len(),
        paid.load(Relaxed)
    );
    Ok(())
}
