//! Promises 3, 4, 6 and 7: changes while an emission runs.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use slotcast::Topic;

use super::{Bus, Signal, Subscription};
use crate::log::{Log, OnDrop, boom, panic_of};

/// A place for subscriptions that handlers reach.
type Shelf = Arc<Mutex<Vec<Subscription>>>;

#[test]
fn handler_added_during_emit_waits_for_the_next_one() {
    let (signal, log, shelf) = (Signal::<u32>::new(), Log::default(), Shelf::default());
    let weak = signal.downgrade();
    let _a = signal.on({
        let (log, shelf) = (log.clone(), shelf.clone());
        move |n| {
            log.add(format!("a{n}"));
            let signal = weak.upgrade().unwrap();
            let log = log.clone();
            shelf.lock().unwrap().push(
                signal
                    .subscribe()
                    .priority(9)
                    .on(move |n| log.add(format!("new{n}"))),
            );
            if *n == 1 {
                // An emission that starts later calls it, a nested one too.
                signal.emit(&2);
            }
        }
    });
    signal.emit(&1);
    assert_eq!(log.take(), ["a1", "new2", "a2"]);
}

#[test]
fn handlers_that_change_between_emissions_keep_their_order() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let on = |priority, name: &'static str| {
        let log = log.clone();
        signal
            .subscribe()
            .priority(priority)
            .on(move |_| log.add(name))
    };
    let emit = || {
        signal.emit(&0);
        log.take()
    };
    let _middle = on(0, "middle");
    let last = on(-1, "last");
    assert_eq!(emit(), ["middle", "last"]);
    let first = on(1, "first");
    let _second = on(0, "second");
    assert_eq!(emit(), ["first", "middle", "second", "last"]);
    assert!(first.cancel() && last.cancel());
    assert_eq!(emit(), ["middle", "second"]);
    let _end = on(-1, "end");
    assert_eq!(emit(), ["middle", "second", "end"]);
}

#[test]
fn handler_cancelled_during_emit_is_not_entered_again() {
    let (signal, log, shelf) = (Signal::<u32>::new(), Log::default(), Shelf::default());
    let weak = signal.downgrade();
    let _first = signal.on({
        let (log, shelf) = (log.clone(), shelf.clone());
        move |n| {
            log.add(format!("first{n}"));
            if *n == 0 {
                weak.upgrade().unwrap().emit(&1);
            } else {
                // Inside the nested emission: neither this nor the outer one may call it.
                shelf.lock().unwrap().clear();
            }
        }
    });
    let victim = signal.on({
        let log = log.clone();
        move |n| log.add(format!("victim{n}"))
    });
    shelf.lock().unwrap().push(victim);
    assert_eq!(signal.emit(&0).ran(), 1);
    assert_eq!(log.take(), ["first0", "first1"]);
}

#[test]
fn handlers_cancel_themselves_their_neighbours_and_everything() {
    let (signal, log, shelf) = (Signal::<u32>::new(), Log::default(), Shelf::default());
    for name in ["before", "self", "after"] {
        let (log, own) = (log.clone(), shelf.clone());
        shelf.lock().unwrap().push(signal.on(move |_| {
            log.add(name);
            if name == "self" {
                for sub in own.lock().unwrap().iter() {
                    sub.cancel();
                }
            }
        }));
    }
    assert_eq!(signal.emit(&1).ran(), 2);
    assert_eq!(signal.emit(&1).ran(), 0);
    assert_eq!(log.take(), ["before", "self"]);

    let weak = signal.downgrade();
    let _clear = signal.on(move |_| assert_eq!(weak.upgrade().unwrap().clear(), 3));
    let others: Vec<_> = (0..2)
        .map(|_| signal.on(|_| unreachable!("cleared")))
        .collect();
    assert_eq!(signal.emit(&1).ran(), 1);
    assert!(signal.is_empty() && others.iter().all(|sub| !sub.is_active()));
}

#[test]
fn once_and_limits_hold_under_nesting() {
    let signal = Signal::<u32>::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let nest = || {
        let (weak, calls) = (signal.downgrade(), calls.clone());
        move |_: &u32| {
            calls.fetch_add(1, Relaxed);
            weak.upgrade().unwrap().emit(&1);
        }
    };
    let once = signal.once(nest());
    signal.emit(&1);
    assert_eq!(calls.swap(0, Relaxed), 1);
    assert!(!once.is_active());
    let limited = signal.subscribe().limit(5).on(nest());
    signal.emit(&1);
    assert_eq!(calls.swap(0, Relaxed), 5);
    assert!(!limited.is_active());
    assert_eq!(signal.emit(&1).ran(), 0);
}

#[test]
fn a_failing_call_spends_its_claim() {
    let signal = Signal::<u32>::new();
    let sub = signal.subscribe().limit(2).on(|_| Err::<(), _>("no"));
    assert_eq!(
        (1..=4)
            .map(|n| signal.emit(&n).errors().len())
            .sum::<usize>(),
        2
    );
    let once = signal.once(|_| boom("no"));
    assert_eq!(panic_of(|| signal.emit(&1)), "no");
    assert_eq!(signal.emit(&1).ran(), 0);
    assert!(!sub.is_active() && !once.is_active());
}

#[test]
fn a_filter_that_panics_spends_no_claim() {
    let signal = Signal::<u32>::new();
    let sub = signal
        .subscribe()
        .limit(1)
        .filter(|n| if *n == 0 { boom("filter") } else { true })
        .on(|_| ());
    assert_eq!(panic_of(|| signal.emit(&0)), "filter");
    assert!(sub.is_active());
    assert_eq!(signal.emit(&1).ran(), 1);
    assert!(!sub.is_active());
}

#[test]
fn once_may_subscribe_itself_anew_from_inside() {
    fn again(signal: &Signal<u32>, calls: &Arc<AtomicUsize>) {
        let (weak, calls) = (signal.downgrade(), calls.clone());
        signal
            .once(move |_| {
                calls.fetch_add(1, Relaxed);
                let signal = weak.upgrade().unwrap();
                assert_eq!(signal.len(), 0, "reads inactive from inside");
                again(&signal, &calls);
            })
            .detach();
    }
    let (signal, calls) = (Signal::new(), Arc::new(AtomicUsize::new(0)));
    again(&signal, &calls);
    for round in 1..=3 {
        assert_eq!(signal.emit(&0).ran(), 1);
        assert_eq!((calls.load(Relaxed), signal.len()), (round, 1));
    }
}

#[test]
fn a_limit_of_zero_is_inactive_from_the_start() {
    let signal = Signal::<u32>::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    let captured = OnDrop({
        let dropped = dropped.clone();
        move || _ = dropped.fetch_add(1, Relaxed)
    });
    let sub = signal.subscribe().limit(0).on(move |_| {
        let _captured = &captured;
        unreachable!("never called")
    });
    assert!(!sub.is_active() && signal.is_empty());
    assert_eq!(dropped.load(Relaxed), 1);
    assert_eq!(signal.emit(&1).ran(), 0);
    let once = signal
        .subscribe()
        .limit(0)
        .once(|_| unreachable!("never called"));
    assert!(!once.is_active());
}

#[test]
fn pauses_are_counted_and_owned() {
    let signal = Signal::<u32>::new();
    let sub = signal.on(|_| ());
    let (one, two) = (sub.pause(), sub.pause());
    assert!(sub.is_paused() && sub.is_active());
    assert_eq!(signal.len(), 1);
    drop(one);
    assert_eq!(signal.emit(&1).ran(), 0);
    drop(two);
    assert_eq!(signal.emit(&1).ran(), 1);
    let outlives = sub.pause();
    drop(sub);
    drop(outlives);
    assert_eq!(signal.emit(&1).ran(), 0);
}

#[test]
fn a_pause_from_inside_holds_for_this_emission() {
    let (signal, pauses) = (Signal::<u32>::new(), Arc::new(Mutex::new(Vec::new())));
    let shelf = Shelf::default();
    let _first = signal.on({
        let (shelf, pauses) = (shelf.clone(), pauses.clone());
        move |_| {
            pauses
                .lock()
                .unwrap()
                .push(shelf.lock().unwrap()[0].pause())
        }
    });
    shelf
        .lock()
        .unwrap()
        .push(signal.on(|_| unreachable!("paused by the first")));
    assert_eq!(signal.emit(&1).ran(), 1);
}

#[test]
fn close_stops_a_running_emission_after_the_current_handler() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let weak = signal.downgrade();
    let _a = signal.on({
        let log = log.clone();
        move |_| {
            weak.upgrade().unwrap().close();
            log.add("a");
        }
    });
    let b = signal.on(|_| unreachable!("closed"));
    let done = signal.emit(&1);
    assert_eq!(
        (done.ran(), done.is_closed(), done.stopped()),
        (1, true, false)
    );
    assert!(!b.is_active());
    assert_eq!(log.take(), ["a"]);
}

#[test]
fn a_closed_signal_refuses() {
    let bus = Bus::new();
    let topic = Topic::<u32>::new("a");
    let signal = bus.signal(&topic);
    signal.close();
    assert!(!signal.on(|_| ()).is_active());
    assert!(!signal.once(|_| ()).is_active());
    assert!(signal.emit(&1).is_closed() && signal.is_closed());
    assert_eq!(signal.defer(7).unwrap_err().into_event(), 7);
    signal.close();
    assert_eq!(signal.clear(), 0);
    assert!(!bus.is_closed());
}

#[test]
fn closing_the_bus_closes_every_signal_and_the_queue() {
    let bus = Bus::new();
    let (a, b) = (Topic::<u32>::new("a"), Topic::<String>::new("b"));
    let (sub, held) = (bus.on(&a, |_| ()), bus.signal(&b));
    bus.defer(&a, 1).unwrap();
    bus.close();
    assert!(bus.is_closed() && !sub.is_active() && held.is_closed());
    assert!(bus.emit(&a, &1).is_closed());
    assert!(!bus.on(&Topic::<u8>::new("new"), |_| ()).is_active());
    assert_eq!(bus.defer(&b, "x".to_owned()).unwrap_err().into_event(), "x");
    assert_eq!(bus.queue().len(), 1, "what is inside stays to be drained");
    assert_eq!(bus.drain().delivered(), 1);
}

#[test]
fn the_last_handle_of_a_signal_ends_its_subscriptions() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let captured = OnDrop({
        let log = log.clone();
        move || log.add("dropped")
    });
    let sub = signal.on(move |_| _ = &captured);
    let clone = signal.clone();
    drop(signal);
    assert!(sub.is_active());
    drop(clone);
    assert!(!sub.is_active());
    assert_eq!(log.take(), ["dropped"]);
    assert!(!sub.cancel());
}

#[test]
fn the_last_handle_may_go_while_it_emits() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let held = Arc::new(Mutex::new(Some(signal)));
    let signal = held.lock().unwrap().clone().unwrap();
    let _a = signal.on({
        let (held, log) = (held.clone(), log.clone());
        move |_| {
            drop(held.lock().unwrap().take());
            log.add("a");
        }
    });
    let b = signal.on({
        let log = log.clone();
        move |_| log.add("b")
    });
    let weak = signal.downgrade();
    // The emission's own handle is the last one.
    drop(held.lock().unwrap().take());
    assert_eq!(signal.emit(&1).ran(), 2);
    drop(signal);
    assert_eq!(log.take(), ["a", "b"]);
    assert!(weak.upgrade().is_none() && !b.is_active());
}

#[test]
fn the_last_handle_of_a_bus_ends_its_subscriptions() {
    let bus = Bus::new();
    let (a, b) = (Topic::<u32>::new("a"), Topic::<u32>::new("b"));
    let (one, two) = (bus.on(&a, |_| ()), bus.on(&b, |_| ()));
    let held = bus.signal(&b);
    let queue = bus.queue();
    bus.defer(&b, 1).unwrap();
    drop(bus);
    assert!(!one.is_active());
    assert!(two.is_active(), "its signal has a handle");
    assert_eq!(queue.drain().delivered(), 1);
    assert_eq!(held.defer(5).unwrap_err().into_event(), 5);
    assert_eq!(held.emit(&1).ran(), 1);
    drop(held);
    assert!(!two.is_active());
}

#[test]
fn the_last_handle_of_a_bus_may_go_while_it_emits() {
    let topic = Topic::<u32>::new("a");
    let held = Arc::new(Mutex::new(Some(Bus::new())));
    let bus = held.lock().unwrap().clone().unwrap();
    let subs: Vec<_> = (0..3)
        .map(|_| {
            let held = held.clone();
            bus.on(&topic, move |_| drop(held.lock().unwrap().take()))
        })
        .collect();
    let signal = bus.signal(&topic);
    drop(bus);
    // The first handler drops the last handle of the bus; the emission goes on.
    assert_eq!(signal.emit(&1).ran(), 3);
    drop(signal);
    assert!(subs.iter().all(|sub| !sub.is_active()));
}

#[test]
fn a_detached_handler_stays_as_long_as_the_bus() {
    let topic = Topic::<u32>::new("a");
    let bus = Bus::new();
    let sub = bus.on(&topic, |_| ());
    let id = sub.id();
    sub.detach();
    assert_eq!(bus.emit(&topic, &1).ran(), 1);
    assert_eq!(bus.topics(), ["a"]);
    assert!(bus.cancel(id));
    assert!(!bus.cancel(id), "a stale id finds nothing");
    assert!(bus.topics().is_empty());
    assert!(!Bus::new().cancel(id), "an id of another bus finds nothing");
}

#[test]
fn ids_are_unique_and_ordered() {
    let (one, two) = (Signal::<u32>::new(), Signal::<u32>::new());
    let subs: Vec<_> = [&one, &two, &one]
        .iter()
        .map(|signal| signal.on(|_| ()))
        .collect();
    assert!(subs.windows(2).all(|pair| pair[0].id() < pair[1].id()));
}

#[test]
fn a_weak_bus_ends_with_its_bus() {
    let bus = Bus::new();
    let weak = bus.downgrade();
    assert!(weak.upgrade().is_some());
    drop(bus);
    assert!(weak.upgrade().is_none());
}
