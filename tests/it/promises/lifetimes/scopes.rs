//! Promises 4 and 14: a scope cancels all of its subscriptions, and forgets those that have ended.

use std::sync::{Arc, Mutex};

use slotcast::Topic;

use super::{Bus, Queue, Scope, Signal};
use crate::log::{Dropped, Log, OnDrop, boom};

#[test]
fn a_scope_cancels_what_it_has_in_order() {
    let (bus, log) = (Bus::new(), Log::default());
    let (a, b) = (Topic::<u32>::new("a"), Topic::<String>::new("b"));
    let mut scope = Scope::new();
    assert!(scope.is_empty());
    for name in ["one", "two", "three"] {
        let captured = Dropped(log.clone(), name);
        scope.add(bus.on(&a, move |_| _ = &captured));
    }
    let captured = Dropped(log.clone(), "four");
    scope.extend([bus.once(&b, move |_| drop(captured))]);
    assert_eq!((scope.len(), bus.emit(&a, &1).ran()), (4, 3));
    bus.emit(&b, &String::new());
    assert_eq!(log.take(), ["drop four"]);
    assert_eq!(scope.len(), 3, "the spent one is not counted");
    assert_eq!(scope.clear(), 3);
    assert_eq!(log.take(), ["drop one", "drop two", "drop three"]);
    assert!(scope.is_empty() && bus.topics().is_empty());
    scope.add(bus.on(&a, |_| ()));
    drop(scope);
    assert_eq!(bus.emit(&a, &1).ran(), 0);
}

#[test]
fn a_panic_in_a_drop_keeps_no_other_from_being_cancelled() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let mut scope = Scope::default();
    let captured = OnDrop(|| boom("captures"));
    scope.add(signal.on(move |_| _ = &captured));
    let captured = Dropped(log.clone(), "second");
    scope.add(signal.on(move |_| _ = &captured));
    drop(scope);
    assert_eq!(log.take(), ["drop second"]);
    assert!(signal.is_empty());
}

#[test]
fn a_scope_may_be_dropped_by_a_handler_of_its_own() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let shelf = Arc::new(Mutex::new(Scope::new()));
    for name in ["one", "two"] {
        let sub = signal.on({
            let (shelf, log) = (Arc::downgrade(&shelf), log.clone());
            move |_| {
                log.add(name);
                let shelf = shelf.upgrade().unwrap();
                let scope = std::mem::take(&mut *shelf.lock().unwrap());
                drop(scope);
            }
        });
        shelf.lock().unwrap().add(sub);
    }
    assert_eq!(signal.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["one"]);
}

#[test]
fn pruning_leaves_queued_calls_alone() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let mut scope = Scope::new();
    let sub = signal.subscribe().limit(1).on_queue(&queue, {
        let log = log.clone();
        move |(), n| log.add(n)
    });
    scope.add(sub);
    signal.emit(&7);
    // Spent, and its call waits: more subscriptions come, and make room.
    scope.extend((0..100).map(|_| signal.on(|_| ())));
    queue.drain();
    assert_eq!(log.take(), ["7"]);
}
