//! Promise 13, and what of 14 is built: captures go once, at once, and outside of locks.

use std::sync::{Arc, Mutex};

use slotcast::Topic;

use super::{Bus, Queue, Signal, Subscription, WeakBus, WeakSignal};
use crate::log::{Dropped, Log, OnDrop, boom, panic_of};

#[test]
fn captures_go_at_once_when_nothing_runs() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let on = |name| {
        let captured = Dropped(log.clone(), name);
        signal.on(move |_| _ = &captured)
    };
    let (a, b, c, d) = (on("a"), on("b"), on("c"), on("d"));
    // Published or not makes no difference.
    a.cancel();
    assert_eq!(log.take(), ["drop a"]);
    signal.emit(&1);
    b.cancel();
    assert_eq!(log.take(), ["drop b"]);
    signal.emit(&1);
    assert_eq!(signal.clear(), 2);
    assert_eq!(log.take(), ["drop c", "drop d"]);
    drop((a, b, c, d));
    assert!(log.take().is_empty(), "and only once");
}

#[test]
fn captures_stay_while_their_emission_runs() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let shelf = Arc::new(Mutex::new(None::<Subscription>));
    let captured = Dropped(log.clone(), "captures");
    let sub = signal.on({
        let (log, shelf) = (log.clone(), shelf.clone());
        move |_| {
            let captured = &captured;
            drop(shelf.lock().unwrap().take());
            log.add(format!("still there: {}", captured.1));
        }
    });
    *shelf.lock().unwrap() = Some(sub);
    let _last = signal.on({
        let log = log.clone();
        move |_| log.add("last")
    });
    signal.emit(&1);
    assert_eq!(
        log.take(),
        ["still there: captures", "last", "drop captures"]
    );
}

#[test]
fn captures_do_not_wait_for_emissions_that_cannot_call_them() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let weak = signal.downgrade();
    let _outer = signal.once({
        let log = log.clone();
        move |_| {
            let signal = weak.upgrade().unwrap();
            let captured = Dropped(log.clone(), "inner");
            let inner = signal.on(move |_| _ = &captured);
            signal.emit(&2);
            inner.cancel();
            log.add("outer goes on");
        }
    });
    signal.emit(&1);
    assert_eq!(log.take(), ["drop inner", "outer goes on"]);
}

#[test]
fn nesting_deeper_than_the_slots_drops_as_well() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let shelf = Arc::new(Mutex::new(None::<Subscription>));
    let weak = signal.downgrade();
    let captured = Dropped(log.clone(), "captures");
    let sub = signal.on({
        let (shelf, log) = (shelf.clone(), log.clone());
        move |n| {
            let _captured = &captured;
            if *n < 20 {
                weak.upgrade().unwrap().emit(&(n + 1));
            } else {
                shelf.lock().unwrap().take();
                log.add("cancelled");
            }
            if *n == 0 {
                log.add("out");
            }
        }
    });
    *shelf.lock().unwrap() = Some(sub);
    signal.emit(&0);
    assert_eq!(log.take(), ["cancelled", "out", "drop captures"]);
}

#[test]
fn the_drop_of_captures_may_use_the_signal() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let weak: WeakSignal<u32> = signal.downgrade();
    let captured = OnDrop({
        let log = log.clone();
        move || {
            let signal = weak.upgrade().unwrap();
            let log_inner = log.clone();
            signal.on(move |_| log_inner.add("late")).detach();
            log.add(format!(
                "ran {}, {} left",
                signal.emit(&1).ran(),
                signal.len()
            ));
            signal.clear();
        }
    });
    let sub = signal.on(move |_| _ = &captured);
    signal.emit(&1);
    drop(sub);
    assert_eq!(log.take(), ["late", "ran 1, 1 left"]);
    assert!(signal.is_empty());
}

#[test]
fn the_drop_of_captures_may_use_the_bus_and_its_queue() {
    const TOPIC: Topic<u32> = Topic::new("a.b");
    let (bus, log) = (Bus::new(), Log::default());
    let weak: WeakBus = bus.downgrade();
    let captured = OnDrop({
        let log = log.clone();
        move || {
            let bus = weak.upgrade().unwrap();
            bus.defer(&TOPIC, 1).unwrap();
            bus.set_error_hook(|_| ());
            log.add(format!("{:?} {}", bus.topics(), bus.drain().unhandled()));
        }
    });
    let sub = bus.on(&TOPIC, move |_| _ = &captured);
    drop(sub);
    // The topic is kept by the deferred event until it is delivered.
    assert_eq!(log.take(), ["[\"a.b\"] 1"]);
}

#[test]
fn a_panic_in_a_drop_keeps_no_other_captures() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    for name in ["a", "b", "c"] {
        let log = log.clone();
        let captured = OnDrop(move || {
            log.add(name);
            boom("in drop");
        });
        signal.on(move |_| _ = &captured).detach();
    }
    signal.emit(&1);
    // Outside of an emission it is logged, or told to a hook: whoever drops is not to blame.
    assert_eq!(signal.clear(), 3);
    assert_eq!(log.take(), ["a", "b", "c"]);
    assert_eq!(signal.emit(&1).ran(), 0);
}

#[test]
fn a_panic_in_a_drop_is_a_failure_of_the_emission_it_ends_in() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let captured = OnDrop(|| boom("in drop"));
    let _once = signal.once(move |_| _ = &captured);
    let shelf = Arc::new(Mutex::new(None));
    let captured = OnDrop(|| boom("in the second drop"));
    let sub = signal.on({
        let shelf: Arc<Mutex<Option<Subscription>>> = shelf.clone();
        move |_| {
            let _captured = &captured;
            drop(shelf.lock().unwrap().take());
        }
    });
    *shelf.lock().unwrap() = Some(sub);
    let _last = signal.on({
        let log = log.clone();
        move |_| log.add("last")
    });
    assert_eq!(panic_of(|| signal.emit(&1)), "in drop");
    assert_eq!(log.take(), ["last"]);
    assert_eq!((signal.len(), signal.emit(&1).ran()), (1, 1));
}

#[test]
fn a_closed_or_refused_subscription_drops_its_captures() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    signal.close();
    let captured = Dropped(log.clone(), "refused");
    let sub = signal.on(move |_| _ = &captured);
    assert_eq!(log.take(), ["drop refused"]);
    drop(sub);
}

#[test]
fn a_topic_exists_while_something_holds_it() {
    let bus = Bus::new();
    let topic = Topic::<u32>::new("a.b");
    assert_eq!(bus.emit(&topic, &1).ran(), 0);
    assert!(bus.topics().is_empty(), "asking creates nothing");
    let signal = bus.signal(&topic);
    assert_eq!(bus.topics(), ["a.b"]);
    let sub = signal.on(|_| ());
    drop(signal);
    assert_eq!(bus.topics(), ["a.b"], "kept by its handler");
    bus.defer(&topic, 1).unwrap();
    drop(sub);
    assert_eq!(bus.topics(), ["a.b"], "kept by the event");
    bus.drain();
    assert!(bus.topics().is_empty());
    // The name is free for another type.
    assert!(bus.try_signal(&Topic::<String>::new("a.b")).is_ok());
}

#[test]
fn an_emission_by_name_goes_on_after_its_topic() {
    let (bus, log) = (Bus::new(), Log::default());
    let topic = Topic::<u32>::named("a.b").unwrap();
    let shelf = Arc::new(Mutex::new(Vec::<Subscription>::new()));
    let captured = Dropped(log.clone(), "captures");
    let first = bus.on(&topic, {
        let (bus, shelf, log) = (bus.downgrade(), shelf.clone(), log.clone());
        move |n: &u32| {
            let (_captured, bus) = (&captured, bus.upgrade().unwrap());
            log.add(n);
            shelf.lock().unwrap().clear();
            if *n == 2 {
                assert!(bus.topics().is_empty(), "nothing else keeps it");
                // The name is free for another type, and found by it.
                let other = Topic::<String>::named("a.b").unwrap();
                let _sub = bus.on(&other, |_| ());
                assert_eq!(bus.emit(&other, &String::new()).ran(), 1);
            }
        }
    });
    let second = bus.on(&topic, |_| ());
    for n in 0..2 {
        assert_eq!(bus.emit(&topic, &n).ran(), 2);
    }
    shelf.lock().unwrap().extend([first, second]);
    assert_eq!(bus.emit(&topic, &2).ran(), 1);
    assert_eq!(log.take(), ["0", "1", "2", "drop captures"]);
    assert_eq!(bus.emit(&topic, &3).ran(), 0);
}

#[test]
fn a_queue_drops_each_event_whatever_happens() {
    struct Loud(Log, u32);
    impl Drop for Loud {
        fn drop(&mut self) {
            self.0.add(self.1);
            if self.1 % 2 == 0 {
                boom("event");
            }
        }
    }
    let (signal, log, queue) = (Signal::<Loud>::new(), Log::default(), Queue::new());
    let fill = || {
        for n in 1..=4 {
            assert!(queue.defer(&signal, Loud(log.clone(), n)).is_ok());
        }
    };
    fill();
    assert_eq!(panic_of(|| queue.drain()), "event");
    assert_eq!(log.take(), ["1", "2", "3", "4"]);
    fill();
    assert_eq!(queue.clear(), 4);
    assert_eq!(log.take(), ["1", "2", "3", "4"]);
    fill();
    drop(queue);
    assert_eq!(log.take(), ["1", "2", "3", "4"]);
}
