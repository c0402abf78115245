//! Events that are kept for those who subscribe later.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use slotcast::{FailureKind, Flow, Topic};

use super::{Bus, Queue, Signal};
use crate::log::{Dropped, Log, boom, panic_of};

const LEVEL: Topic<u32> = Topic::new("level");

fn noted(log: &Log) -> impl Fn(&u32) + Send + Sync + use<> {
    let log = log.clone();
    move |n| log.add(n)
}

#[test]
fn the_last_event_is_handed_to_each_new_handler_once() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    signal.retain_last();
    let _early = signal.on(noted(&log));
    assert_eq!(log.take(), [""; 0]);
    assert_eq!((signal.emit(&1).ran(), signal.emit(&2).ran()), (1, 1));
    assert_eq!(log.take(), ["1", "2"]);
    let _late = signal.on(noted(&log));
    assert_eq!(log.take(), ["2"]);
    assert_eq!(signal.emit(&3).ran(), 2);
    assert_eq!(log.take(), ["3", "3"]);
}

#[test]
fn the_last_few_are_handed_over_oldest_first() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    signal.retain(3);
    for n in 1..=5 {
        assert_eq!(signal.emit(&n).ran(), 0);
    }
    drop(signal.on(noted(&log)));
    assert_eq!(log.take(), ["3", "4", "5"]);
    signal.retain_last();
    drop(signal.on(noted(&log)));
    assert_eq!(log.take(), ["5"]);
    signal.retain(2);
    signal.emit(&6);
    drop(signal.on(noted(&log)));
    assert_eq!(log.take(), ["5", "6"]);
    signal.retain(0);
    signal.emit(&7);
    drop(signal.on(noted(&log)));
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn limits_filters_and_kinds_of_handlers_are_asked_as_ever() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    signal.retain(4);
    (1..=4).for_each(|n| _ = signal.emit(&n));
    let once = signal.once(noted(&log));
    assert!(!once.is_active());
    assert_eq!(log.take(), ["1"]);
    let even = signal
        .subscribe()
        .filter(|n| n % 2 == 0)
        .limit(1)
        .on(noted(&log));
    assert!(!even.is_active());
    assert_eq!(log.take(), ["2"]);
    let none = signal.subscribe().limit(0).on(noted(&log));
    assert!(!none.is_active());
    let queue = Queue::new();
    let _queued = signal.subscribe().on_queue(&queue, {
        let log = log.clone();
        move |(), n| log.add(n)
    });
    assert_eq!(log.take(), [""; 0]);
    assert_eq!(queue.drain().delivered(), 4);
    assert_eq!(log.take(), ["1", "2", "3", "4"]);
}

#[test]
fn a_handler_subscribed_by_a_handler_gets_the_event_of_that_emission_once() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    signal.retain_last();
    let _sub = signal.on({
        let (signal, log) = (signal.downgrade(), log.clone());
        move |n| {
            if *n == 1 {
                signal.upgrade().unwrap().on(noted(&log)).detach();
            }
        }
    });
    assert_eq!(signal.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["1"]);
    signal.emit(&2);
    assert_eq!(log.take(), ["2"]);
}

#[test]
fn what_fails_when_it_is_handed_over_is_told_and_does_not_unwind() {
    let bus = Bus::new();
    let errors = Arc::new(AtomicUsize::new(0));
    bus.set_error_hook({
        let errors = errors.clone();
        move |error| {
            assert_eq!(error.topic(), "level");
            let kinds = [FailureKind::Failed, FailureKind::Panicked];
            assert_eq!(error.kind(), kinds[errors.fetch_add(1, Relaxed)]);
        }
    });
    bus.retain_last(&LEVEL);
    bus.emit(&LEVEL, &1);
    let sub = bus.on(&LEVEL, |_| Err::<Flow, _>("full"));
    assert_eq!(errors.load(Relaxed), 1);
    let panics = bus.on(&LEVEL, |_| {
        if true {
            boom("handed over")
        }
    });
    assert_eq!(errors.load(Relaxed), 2);
    assert!(sub.is_active() && panics.is_active());
}

#[test]
fn a_topic_that_retains_exists_and_is_heard_by_patterns() {
    let (bus, log) = (Bus::new(), Log::default());
    let calls = Arc::new(AtomicUsize::new(0));
    let _pattern = bus.on_pattern("*", {
        let calls = calls.clone();
        move |_| _ = calls.fetch_add(1, Relaxed)
    });
    bus.retain_last(&LEVEL);
    assert_eq!(bus.topics(), ["level"]);
    bus.defer(&LEVEL, 7).unwrap();
    bus.drain();
    assert_eq!(calls.load(Relaxed), 1);
    drop(bus.on(&LEVEL, noted(&log)));
    assert_eq!(log.take(), ["7"]);
    assert_eq!(bus.topics(), ["level"]);
    bus.retain(&LEVEL, 0);
    assert!(bus.topics().is_empty());
    bus.retain_last(&LEVEL);
    bus.close();
    assert!(bus.topics().is_empty());
}

/// Clones of itself write down when they go.
struct Counted(Log);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.add("clone");
        Counted(self.0.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.add("drop");
    }
}

#[test]
fn what_is_kept_goes_when_it_is_replaced_closed_or_left_alone() {
    let log = Log::default();
    let event = Counted(log.clone());
    let signal = Signal::<Counted>::new();
    signal.retain_last();
    signal.emit(&event);
    signal.emit(&event);
    assert_eq!(log.take(), ["clone", "clone", "drop"]);
    assert_eq!(signal.clear(), 0);
    assert_eq!(log.take(), [""; 0]);
    signal.close();
    assert_eq!(log.take(), ["drop"]);
    assert!(signal.emit(&event).is_closed());
    signal.retain_last();
    assert_eq!(log.take(), [""; 0]);
    let another = Signal::<Counted>::new();
    another.retain(2);
    another.emit(&event);
    drop(another);
    assert_eq!(log.take(), ["clone", "drop"]);
}

struct Fragile(u32);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        match self.0 {
            13 => boom("clone"),
            n => Fragile(n),
        }
    }
}

#[test]
fn a_clone_that_panics_is_a_failure_and_the_event_is_delivered() {
    let (signal, log) = (Signal::<Fragile>::new(), Log::default());
    signal.retain_last();
    signal.emit(&Fragile(1));
    let noted = |log: &Log| {
        let captured = Dropped(log.clone(), "captures");
        let log = log.clone();
        move |event: &Fragile| {
            let _captured = &captured;
            log.add(event.0);
        }
    };
    let sub = signal.on(noted(&log));
    assert_eq!(panic_of(|| signal.emit(&Fragile(13))), "clone");
    assert_eq!(log.take(), ["1", "13"]);
    drop(sub);
    assert_eq!(log.take(), ["drop captures"]);
    drop(signal.on(noted(&log)));
    assert_eq!(log.take(), ["1", "drop captures"]);
}
