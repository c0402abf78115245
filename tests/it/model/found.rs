//! What the model found, each in its smallest form.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use slotcast::{Bus, Panics, Signal, Topic};

const TICK: Topic<u32> = Topic::new("tick");

/// Panics, but prints nothing. The payload looks the same each time, its address included.
fn panic_as_always() -> ! {
    resume_unwind(Box::new(()))
}

fn counter() -> (Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let counter = Arc::new(AtomicUsize::new(0));
    (counter.clone(), counter)
}

#[test]
fn subscription_that_was_cleared_cancels_no_later_handler() {
    let signal = Signal::<u32>::new();
    let stale = signal.on(|_| ());
    assert_eq!(signal.clear(), 1);
    let later = signal.on(|_| ());
    assert!(!stale.cancel());
    drop(stale);
    assert!(later.is_active());
    assert_eq!(signal.emit(&1).ran(), 1);
}

#[test]
fn handler_that_always_panics_is_reported_each_time() {
    let (bus, (told, tells)) = (Bus::new(), counter());
    bus.set_error_hook(move |_| _ = tells.fetch_add(1, Relaxed));
    let _sub = bus.on(&TICK, |_| panic_as_always());
    for times in 1..=3 {
        let caught = catch_unwind(AssertUnwindSafe(|| bus.emit(&TICK, &1)));
        assert!(caught.is_err());
        assert_eq!(told.load(Relaxed), times);
    }
}

#[test]
fn handler_whose_filter_panics_did_not_run() {
    let bus = Bus::builder().panics(Panics::Contain).build();
    let _sub = bus
        .subscribe(&TICK)
        .filter(|_| panic_as_always())
        .on(|_| ());
    let done = bus.emit(&TICK, &1);
    assert_eq!((done.ran(), done.errors().len()), (0, 1));
}

#[test]
fn closed_signal_says_so_at_any_depth() {
    for max_depth in [0, 1] {
        let bus = Bus::builder().max_depth(max_depth).build();
        let closed = bus.signal(&Topic::<u32>::new("closed"));
        closed.close();
        if max_depth == 0 {
            assert!(closed.emit(&1).is_closed());
        } else {
            let (told, tells) = counter();
            let _sub = bus.on(&TICK, move |_| {
                let done = closed.emit(&1);
                tells.fetch_add(
                    usize::from(done.is_closed() && done.errors().is_empty()),
                    Relaxed,
                );
            });
            bus.emit(&TICK, &1);
            assert_eq!(told.load(Relaxed), 1);
        }
    }
}

#[test]
fn event_deferred_after_the_queue_was_cleared_waits_for_the_next_drain() {
    let bus = Bus::new();
    let own = bus.downgrade();
    let _sub = bus.on(&TICK, move |n| {
        if *n == 1 {
            let bus = own.upgrade().unwrap();
            assert_eq!(bus.queue().clear(), 1);
            bus.defer(&TICK, 3).unwrap();
        }
    });
    bus.defer(&TICK, 1).unwrap();
    bus.defer(&TICK, 2).unwrap();
    let drained = bus.drain();
    assert_eq!((drained.delivered(), drained.remaining()), (1, 1));
    assert_eq!(bus.drain().delivered(), 1);
}

/// Emits when it is dropped.
struct EmitsOnDrop(Bus);

impl Drop for EmitsOnDrop {
    fn drop(&mut self) {
        self.0.emit(&TICK, &1);
    }
}

#[test]
fn panic_in_an_emission_inside_the_drop_of_captures_is_reported_once() {
    let (bus, (told, tells)) = (Bus::new(), counter());
    bus.set_error_hook(move |_| _ = tells.fetch_add(1, Relaxed));
    let panics = bus.on(&TICK, |_| panic_as_always());
    let captured = EmitsOnDrop(bus.clone());
    let sub = bus.on(&Topic::<u32>::new("other"), move |_| _ = &captured);
    assert!(sub.cancel());
    assert_eq!(told.load(Relaxed), 1);
    // It does not come up later, where nothing fails.
    panics.cancel();
    let _sub = bus.on(&TICK, |_| ());
    assert!(bus.emit(&TICK, &1).errors().is_empty());
}

#[test]
fn panic_in_an_emission_inside_the_drop_of_an_event_is_reported_once() {
    let (bus, (told, tells)) = (Bus::new(), counter());
    bus.set_error_hook(move |_| _ = tells.fetch_add(1, Relaxed));
    let _panics = bus.on(&TICK, |_| panic_as_always());
    let later = Topic::<EmitsOnDrop>::new("later");
    let _sub = bus.on(&later, |_| ());
    assert!(bus.defer(&later, EmitsOnDrop(bus.clone())).is_ok());
    assert!(catch_unwind(AssertUnwindSafe(|| bus.drain())).is_err());
    assert_eq!(told.load(Relaxed), 1);
}
