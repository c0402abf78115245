//! Promises 1, 2 and 8: order, and depth.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use slotcast::{FailureKind, Flow, Topic};

use super::{Bus, Signal};
use crate::log::Log;

#[test]
fn handlers_run_by_priority_and_then_as_they_subscribed() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let mut subs = Vec::new();
    for (name, priority) in [
        ("a", 0),
        ("b", 5),
        ("c", 0),
        ("d", -1),
        ("e", 5),
        ("f", i32::MAX),
    ] {
        let log = log.clone();
        subs.push(
            signal
                .subscribe()
                .priority(priority)
                .on(move |_| log.add(name)),
        );
    }
    assert_eq!(signal.emit(&1).ran(), 6);
    assert_eq!(log.take(), ["f", "b", "e", "a", "c", "d"]);
}

#[test]
fn reused_places_do_not_show() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let on = |name| {
        let log = log.clone();
        signal.on(move |_| log.add(name))
    };
    let (_a, b, _c, d, _e) = (on("a"), on("b"), on("c"), on("d"), on("e"));
    drop((b, d));
    let (_f, _g, _h) = (on("f"), on("g"), on("h"));
    signal.emit(&1);
    assert_eq!(log.take(), ["a", "c", "e", "f", "g", "h"]);
}

#[test]
fn subscribing_again_goes_to_the_end() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let on = |name| {
        let log = log.clone();
        signal.on(move |_| log.add(name))
    };
    let (a, _b) = (on("a"), on("b"));
    drop(a);
    let _a = on("a");
    signal.emit(&1);
    assert_eq!(log.take(), ["b", "a"]);
}

#[test]
fn stop_ends_its_emission_and_no_other() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let other = Signal::<u32>::new();
    let _other = other.on(|_| Flow::Stop);
    let _a = signal.on({
        let log = log.clone();
        move |_| {
            assert!(other.emit(&1).stopped());
            log.add("a");
        }
    });
    let _b = signal.on(|n| if *n == 1 { Flow::Stop } else { Flow::Continue });
    let _c = signal.on({
        let log = log.clone();
        move |_| log.add("c")
    });
    let done = signal.emit(&1);
    assert_eq!((done.ran(), done.stopped()), (2, true));
    let done = signal.emit(&2);
    assert_eq!((done.ran(), done.stopped()), (3, false));
    assert_eq!(log.take(), ["a", "a", "c"]);
}

#[test]
fn a_result_may_carry_a_flow() {
    let signal = Signal::<u32>::new();
    let _a = signal.on(|_| -> Result<Flow, std::fmt::Error> { Ok(Flow::Stop) });
    let _b = signal.on(|_| ());
    assert!(signal.emit(&1).stopped());
}

#[test]
fn a_handler_is_asked_in_the_promised_order() {
    // Live, not paused, filter, still live, claim, call.
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let sub = signal
        .subscribe()
        .limit(1)
        .filter({
            let log = log.clone();
            move |n| {
                log.add("filter");
                *n > 0
            }
        })
        .on({
            let log = log.clone();
            move |_| log.add("call")
        });
    let pause = sub.pause();
    assert_eq!(signal.emit(&1).ran(), 0);
    assert!(
        log.take().is_empty(),
        "a paused handler's filter is not asked"
    );
    drop(pause);
    assert_eq!(signal.emit(&0).ran(), 0);
    assert_eq!(log.take(), ["filter"], "a filter's no spends no claim");
    assert_eq!(signal.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["filter", "call"]);
    assert_eq!(signal.emit(&1).ran(), 0);
    assert!(
        log.take().is_empty(),
        "a spent handler's filter is not asked"
    );
}

#[test]
fn a_handler_that_its_own_filter_cancels_is_not_called() {
    let signal = Signal::<u32>::new();
    let slot = Arc::new(std::sync::Mutex::new(None::<slotcast::SubscriptionId>));
    let bus = Bus::new();
    let topic = Topic::<u32>::new("a");
    let weak = bus.downgrade();
    let sub = bus
        .subscribe(&topic)
        .limit(1)
        .filter({
            let slot = slot.clone();
            move |_| {
                weak.upgrade()
                    .unwrap()
                    .cancel(slot.lock().unwrap().unwrap())
            }
        })
        .on(|_| unreachable!("cancelled by its filter"));
    *slot.lock().unwrap() = Some(sub.id());
    assert_eq!(bus.emit(&topic, &1).ran(), 0);
    assert!(signal.is_empty() && !sub.is_active());
}

#[test]
fn several_filters_are_asked_until_one_says_no() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let filter = |name: &'static str, least: u32| {
        let log = log.clone();
        move |n: &u32| {
            log.add(name);
            *n >= least
        }
    };
    let _sub = signal
        .subscribe()
        .filter(filter("a", 1))
        .filter(filter("b", 2))
        .on(|_| ());
    assert_eq!(
        (0..4).map(|n| signal.emit(&n).ran()).collect::<Vec<_>>(),
        [0, 0, 1, 1]
    );
    assert_eq!(log.take(), ["a", "a", "b", "a", "b", "a", "b"]);
}

#[test]
fn nested_emissions_run_depth_first_at_once() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let weak = signal.downgrade();
    let _a = signal.on({
        let log = log.clone();
        move |n| {
            log.add(format!("a{n}"));
            if *n < 2 {
                weak.upgrade().unwrap().emit(&(n + 1));
            }
        }
    });
    let _b = signal.on({
        let log = log.clone();
        move |n| log.add(format!("b{n}"))
    });
    signal.emit(&0);
    assert_eq!(log.take(), ["a0", "a1", "a2", "b2", "b1", "b0"]);
}

#[test]
fn recursion_without_end_meets_the_limit_once() {
    let bus = Bus::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let told = Arc::new(AtomicUsize::new(0));
    bus.set_error_hook({
        let told = told.clone();
        move |error| {
            assert_eq!(error.kind(), FailureKind::TooDeep);
            assert!(error.to_string().contains("128"));
            assert_eq!(error.topic(), ["a.ping", "a.pong"][told.load(Relaxed)]);
            told.fetch_add(1, Relaxed);
        }
    });
    const PING: Topic<u32> = Topic::new("a.ping");
    const PONG: Topic<u32> = Topic::new("a.pong");
    let weak = bus.downgrade();
    let _ping = bus.on(&PING, {
        let (weak, calls) = (weak.clone(), calls.clone());
        move |n| {
            calls.fetch_add(1, Relaxed);
            // A level of less than 12 KiB, in a debug build too.
            let room = std::hint::black_box([1_u8; 4096]);
            weak.upgrade()
                .unwrap()
                .emit(&PONG, &(n + u32::from(room[9])));
        }
    });
    let _pong = bus.on(&PONG, {
        let calls = calls.clone();
        move |n| {
            calls.fetch_add(1, Relaxed);
            weak.upgrade().unwrap().emit(&PING, n);
        }
    });
    assert_eq!(bus.emit(&PING, &0).ran(), 1);
    assert_eq!((calls.load(Relaxed), told.load(Relaxed)), (128, 1));
    assert_eq!(bus.emit(&PONG, &0).ran(), 1, "the bus works afterwards");
}

#[test]
fn the_refused_emission_says_so() {
    let signal = Signal::<u32>::new();
    let weak = signal.downgrade();
    let errors = Arc::new(AtomicUsize::new(0));
    let _sub = signal.on({
        let errors = errors.clone();
        move |n| {
            let done = weak.upgrade().unwrap().emit(&(n + 1));
            if done.ran() == 0 {
                assert_eq!((*n, done.errors()[0].kind()), (127, FailureKind::TooDeep));
            }
            errors.fetch_add(done.errors().len(), Relaxed);
        }
    });
    assert!(signal.emit(&0).errors().is_empty());
    assert_eq!(errors.load(Relaxed), 1);
}

#[test]
fn any_depth_limit_holds() {
    const TICK: Topic<usize> = Topic::new("tick");
    for limit in [0, 1, 2, 7, 8, 9, 100] {
        let bus = Bus::builder().max_depth(limit).build();
        let deepest = Arc::new(AtomicUsize::new(0));
        let weak = bus.downgrade();
        let _sub = bus.on(&TICK, {
            let deepest = deepest.clone();
            move |n| {
                deepest.fetch_max(*n, Relaxed);
                _ = weak.upgrade().unwrap().emit(&TICK, &(n + 1)).errors();
            }
        });
        let done = bus.emit(&TICK, &1);
        assert_eq!(done.errors().len(), usize::from(limit == 0));
        assert_eq!(deepest.load(Relaxed), limit);
        // A deferred event does not count the drain as a level.
        bus.defer(&TICK, 1).unwrap();
        deepest.store(0, Relaxed);
        _ = bus.drain().errors();
        assert_eq!(deepest.load(Relaxed), limit);
    }
}

#[test]
fn a_lazy_event_is_made_once_and_only_for_handlers() {
    let signal = Signal::<String>::new();
    let made = AtomicUsize::new(0);
    let make = || {
        made.fetch_add(1, Relaxed);
        String::new()
    };
    assert_eq!(signal.emit_lazy(make).ran(), 0);
    assert_eq!(made.load(Relaxed), 0);
    let _subs: Vec<_> = (0..3).map(|_| signal.on(|_| ())).collect();
    assert_eq!(signal.emit_lazy(make).ran(), 3);
    assert_eq!(signal.emit_lazy(make).ran(), 3);
    assert_eq!(made.load(Relaxed), 2);
}

#[test]
fn a_lazy_event_is_made_for_handlers_with_a_context_too() {
    const NAME: Topic<String> = Topic::new("name");
    let bus = Bus::<usize>::with_context();
    let (signal, mut asked) = (bus.signal(&NAME), 0);
    let unmade = || -> String { unreachable!("nobody listens") };
    signal.emit_lazy_with(&mut asked, unmade);
    bus.emit_lazy_with(&mut asked, &NAME, unmade);
    bus.emit_lazy_with(&mut asked, &Topic::<String>::new("other"), unmade);
    let _sub = signal.on_with(|asked, name| *asked += name.len());
    let _any = bus.on_pattern_with("other", |asked, _| *asked += 10);
    signal.emit_lazy_with(&mut asked, || "a".to_owned());
    bus.emit_lazy_with(&mut asked, &NAME, || "b".to_owned());
    bus.emit_lazy_with(&mut asked, &Topic::<String>::new("other"), String::new);
    assert_eq!(asked, 12);
}
