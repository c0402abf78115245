//! Promises 4, 6 and 13: a replacement takes a handler's place, and keeps its subscription, filter,
//! limit and pauses.

use std::sync::{Arc, Mutex};

use slotcast::{AnyEvent, ReplaceErrorKind, Topic};

use super::{Bus, Ptr, Queue, Signal, Subscription};
use crate::log::{Dropped, Log, OnDrop, boom};

/// A handler that writes its name down, and when it is dropped.
fn saying(log: &Log, name: &'static str) -> impl Fn(&u32) + Send + Sync + 'static {
    let captured = Dropped(log.clone(), name);
    move |n| captured.0.add(format!("{} {n}", captured.1))
}

#[test]
fn a_replaced_handler_keeps_its_place_and_its_subscription() {
    const TICK: Topic<u32> = Topic::new("tick");
    let (bus, log) = (Bus::new(), Log::default());
    let _first = bus.on(&TICK, saying(&log, "first"));
    let sub = bus
        .subscribe(&TICK)
        .label("second")
        .priority(0)
        .on(saying(&log, "old"));
    let _third = bus.on(&TICK, saying(&log, "third"));
    let (id, before) = (sub.id(), format!("{sub:?}"));
    bus.emit(&TICK, &1);
    assert_eq!(log.take(), ["first 1", "old 1", "third 1"]);
    sub.replace(saying(&log, "new")).unwrap();
    assert_eq!(log.take(), ["drop old"], "at once, when nothing runs");
    assert_eq!(bus.emit(&TICK, &2).ran(), 3);
    assert_eq!(log.take(), ["first 2", "new 2", "third 2"]);
    assert_eq!((sub.id(), format!("{sub:?}")), (id, before));
    assert_eq!(bus.signal(&TICK).len(), 3);
    // Again, and again.
    sub.replace(saying(&log, "newer")).unwrap();
    let line = line!() + 1;
    sub.replace(|_: &u32| Err::<(), _>("failed")).unwrap();
    assert_eq!(log.take(), ["drop new", "drop newer"]);
    let done = bus.emit(&TICK, &3);
    let error = &done.errors()[0];
    assert_eq!(
        (error.label(), error.location().line()),
        (Some("second"), line)
    );
    assert_eq!(log.take(), ["first 3", "third 3"]);
    // The id leads to it.
    sub.replace(saying(&log, "last")).unwrap();
    assert!(bus.cancel(id) && !sub.is_active());
    assert_eq!(log.take(), ["drop last"]);
    let error = sub.replace(saying(&log, "late")).unwrap_err();
    assert_eq!(error.kind(), ReplaceErrorKind::Inactive);
    error.into_handler()(&7);
    assert_eq!(log.take(), ["late 7", "drop late"]);
}

#[test]
fn a_replaced_handler_keeps_filter_limit_and_pauses() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let in_filter = Dropped(log.clone(), "filter");
    let sub = signal
        .subscribe()
        .limit(3)
        .filter(move |n| {
            let _in_filter = &in_filter;
            n % 2 == 0
        })
        .on(saying(&log, "old"));
    let pause = sub.pause();
    sub.replace(saying(&log, "new")).unwrap();
    assert_eq!(log.take(), ["drop old"], "and not the filter");
    assert!(sub.is_paused());
    assert_eq!(signal.emit(&2).ran(), 0);
    drop(pause);
    let second = sub.pause();
    assert_eq!(signal.emit(&2).ran(), 0);
    drop(second);
    assert_eq!((signal.emit(&3).ran(), signal.emit(&4).ran()), (0, 1));
    sub.replace(saying(&log, "newer")).unwrap();
    assert_eq!(log.take(), ["new 4", "drop new"]);
    assert_eq!((signal.emit(&6).ran(), sub.is_active()), (1, true));
    sub.replace(saying(&log, "newest")).unwrap();
    log.take();
    assert_eq!(
        (signal.emit(&8).ran(), sub.is_active()),
        (1, false),
        "the third of three"
    );
    assert_eq!(log.take(), ["newest 8", "drop newest", "drop filter"]);
    assert_eq!(signal.emit(&10).ran(), 0);
}

#[test]
fn a_handler_may_replace_itself_and_others_during_an_emission() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let shelf = Arc::new(Mutex::new(Vec::<Subscription>::new()));
    let own = signal.on({
        let (shelf, log, own) = (shelf.clone(), log.clone(), signal.downgrade());
        let captured = Dropped(log.clone(), "old");
        move |n| {
            let captured = &captured;
            let subs = shelf.lock().unwrap();
            subs[0].replace(saying(&log, "new")).unwrap();
            subs[1].replace(saying(&log, "neighbour")).unwrap();
            drop(subs);
            log.add(format!("{} {n}", captured.1));
            if *n == 1 {
                own.upgrade().unwrap().emit(&2);
            }
        }
    });
    let neighbour = signal.on(|_| unreachable!("replaced before its turn"));
    shelf.lock().unwrap().extend([own, neighbour]);
    assert_eq!(signal.emit(&1).ran(), 2);
    assert_eq!(
        log.take(),
        ["old 1", "new 2", "neighbour 2", "neighbour 1", "drop old"],
        "nested ones and the rest of this one call the new"
    );
    shelf.lock().unwrap().clear();
    assert_eq!(log.take(), ["drop new", "drop neighbour"]);
}

#[test]
fn a_handler_replaced_and_removed_during_an_emission_is_not_called() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let shelf = Arc::new(Mutex::new(None::<Subscription>));
    let _first = signal.on({
        let (shelf, log) = (shelf.clone(), log.clone());
        move |_| {
            if let Some(sub) = shelf.lock().unwrap().take() {
                sub.replace(saying(&log, "new")).unwrap();
            }
        }
    });
    *shelf.lock().unwrap() = Some(signal.on(saying(&log, "old")));
    assert_eq!(signal.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["drop new", "drop old"]);
    // Closed: the emission sees that, too.
    let weak = signal.downgrade();
    *shelf.lock().unwrap() = Some(signal.on(saying(&log, "old")));
    let _closes = signal.subscribe().priority(1).on({
        let (shelf, log) = (shelf.clone(), log.clone());
        move |_| {
            let shelf = shelf.lock().unwrap();
            shelf
                .as_ref()
                .unwrap()
                .replace(saying(&log, "new"))
                .unwrap();
            weak.upgrade().unwrap().close();
        }
    });
    assert!(signal.emit(&1).is_closed());
    assert!(!shelf.lock().unwrap().as_ref().unwrap().is_active());
    assert_eq!(log.take(), ["drop new", "drop old"]);
}

#[test]
fn a_handler_that_its_own_filter_replaces_is_not_called() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let shelf = Arc::new(Mutex::new(None::<Subscription>));
    let sub = signal
        .subscribe()
        .limit(3)
        .filter({
            let (shelf, log) = (shelf.clone(), log.clone());
            move |n| {
                log.add("filter");
                if *n < 3 {
                    let name = ["one", "two", "three"][*n as usize];
                    let sub = shelf.lock().unwrap();
                    sub.as_ref().unwrap().replace(saying(&log, name)).unwrap();
                }
                true
            }
        })
        .on(saying(&log, "none"));
    *shelf.lock().unwrap() = Some(sub);
    for (n, last) in [(0, "drop none"), (1, "drop one")] {
        assert_eq!(signal.emit(&n).ran(), 1);
        let called = format!("{} {n}", ["one", "two"][n as usize]);
        assert_eq!(log.take(), ["filter", &called, last]);
    }
    // The last of the limit is made as well.
    assert_eq!(signal.emit(&2).ran(), 1);
    let said = log.take();
    assert_eq!(said[..2], ["filter", "three 2"]);
    assert!(
        said[2..].contains(&"drop two".to_owned()) && said[2..].contains(&"drop three".to_owned())
    );
    assert_eq!((signal.emit(&3).ran(), signal.len()), (0, 0));
}

#[test]
fn every_kind_of_handler_may_be_replaced_but_a_queued_one() {
    let signal = Signal::<u32, Vec<u32>>::with_context();
    let (queue, target) = (Queue::<()>::with_context(), Ptr::new(()));
    let mut calls = 0;
    let mut subs: Vec<Subscription> = vec![
        signal.once(|_| ()),
        signal.once_with(|_, _| ()),
        signal.on_mut(move |n| {
            calls += n;
            assert_eq!(calls, 0, "replaced before its first call");
        }),
        signal.on_weak(&target, |(), _| ()),
        signal.forward_to(&Signal::with_context()),
    ];
    let forward = subs.pop().unwrap();
    assert!(!forward.is_active(), "its target has gone");
    for (n, sub) in (10..).zip(&subs) {
        sub.replace_with(move |seen: &mut Vec<u32>, _: &u32| seen.push(n))
            .unwrap();
    }
    drop(target);
    assert!(
        subs[3].is_active() && signal.len() == 4,
        "its target matters no more"
    );
    let mut seen = Vec::new();
    (0..2).for_each(|n| _ = signal.emit_with(&mut seen, &n));
    assert_eq!(
        seen,
        [10, 11, 12, 13, 12, 13],
        "those that were called once have one call"
    );
    let waits = signal.subscribe().on_queue(&queue, |(), _| ());
    let kinds = [
        forward.replace(|_: &u32| ()).unwrap_err().kind(),
        waits.replace(|_: &u32| ()).unwrap_err().kind(),
        subs[2].replace(|_: &i32| ()).unwrap_err().kind(),
        subs[2]
            .replace_with(|(): &mut (), _: &u32| ())
            .unwrap_err()
            .kind(),
    ];
    let wrong = ReplaceErrorKind::WrongType;
    let (inactive, queued) = (ReplaceErrorKind::Inactive, ReplaceErrorKind::Queued);
    assert_eq!(kinds, [inactive, queued, wrong, wrong]);
}

#[test]
fn a_handler_of_a_pattern_may_be_replaced() {
    let (bus, log) = (Bus::new(), Log::default());
    let held = bus.signal(&Topic::<u32>::new("order.placed"));
    let sub = bus.on_pattern("order.*", |_| ());
    let _last = held.on(saying(&log, "last"));
    held.emit(&1);
    sub.replace({
        let log = log.clone();
        move |event: &AnyEvent| log.add(event.topic())
    })
    .unwrap();
    assert_eq!(held.emit(&2).ran(), 2);
    assert_eq!(bus.emit(&Topic::new("order.paid"), &"cash").ran(), 1);
    assert_eq!(
        log.take(),
        ["last 1", "order.placed", "last 2", "order.paid"]
    );
    assert!(sub.cancel());
    assert_eq!(held.emit(&3).ran(), 1);
}

#[test]
fn the_drop_of_what_was_replaced_may_use_the_signal_and_may_fail() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let weak = signal.downgrade();
    let captured = OnDrop({
        let log = log.clone();
        move || {
            log.add(format!("ran {}", weak.upgrade().unwrap().emit(&1).ran()));
            boom("in the drop")
        }
    });
    let sub = signal.on(move |_| _ = &captured);
    sub.replace(saying(&log, "new")).unwrap();
    assert_eq!(log.take(), ["new 1", "ran 1"]);
    assert!(sub.cancel());
    assert_eq!(log.take(), ["drop new"]);
}
