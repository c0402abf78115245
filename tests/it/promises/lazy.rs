//! Promise 8: making a lazy event is on the level of its emission.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use slotcast::{FailureKind, Topic};

use super::{Bus, Signal};
use crate::log::{Log, OnDrop, boom, panic_of};

const TICK: Topic<u32> = Topic::new("tick");

/// Emits an event whose making emits the next one, without end.
type Again = fn(&Bus, &dyn Fn());

const WAYS: [Again; 4] = [
    |bus, again| {
        _ = bus.signal(&TICK).emit_lazy(|| {
            again();
            1
        });
    },
    |bus, again| {
        _ = bus.emit_lazy(&TICK, || {
            again();
            1
        });
    },
    |bus, again| {
        _ = bus.emit_lazy(&Topic::<u32>::new("nobody.holds"), || {
            again();
            1
        });
    },
    |bus, again| {
        // Of a signal without a bus: the limit of 128 holds for all that is open.
        let _ = bus;
        let signal = Signal::<u32>::new();
        let _sub = signal.on(|_| ());
        signal.emit_lazy(|| {
            again();
            1
        });
    },
];

#[test]
fn making_a_lazy_event_is_a_level() {
    for way in WAYS {
        let (bus, log) = (Bus::new(), Log::default());
        bus.set_error_hook({
            let log = log.clone();
            move |error| {
                assert_eq!(error.kind(), FailureKind::TooDeep);
                log.add(error.topic());
            }
        });
        bus.on(&TICK, |_| ()).detach();
        bus.on_pattern("*.*", |_| ()).detach();
        let made = AtomicUsize::new(0);
        again(&bus, way, &made);
        assert_eq!(made.load(Relaxed), 129);
        assert!(log.take().len() <= 1, "reported once");
    }
}

fn again(bus: &Bus, way: Again, made: &AtomicUsize) {
    assert!(made.fetch_add(1, Relaxed) < 129, "it has no end");
    way(bus, &|| again(bus, way, made));
}

#[test]
fn any_limit_holds_for_making_lazy_events() {
    for limit in [0, 1, 2, 7, 8, 9] {
        let bus = Bus::builder().max_depth(limit).build();
        let signal = bus.signal(&TICK);
        let _sub = signal.on(|_| ());
        fn again(signal: &Signal<u32>, made: &AtomicUsize) -> usize {
            let errors = signal.emit_lazy(|| {
                made.fetch_add(1, Relaxed);
                again(signal, made);
                1
            });
            errors.errors().len()
        }
        let made = AtomicUsize::new(0);
        let refused = again(&signal, &made);
        assert_eq!(
            (made.load(Relaxed), refused),
            (limit, usize::from(limit == 0))
        );
    }
}

#[test]
fn what_fails_while_a_lazy_event_is_made_is_reported_once() {
    let (bus, log) = (Bus::new(), Log::default());
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(error.topic())
    });
    let _sub = bus.on(&TICK, |_| ());
    let drops = Arc::new(AtomicUsize::new(0));
    let fail = || {
        let captured = OnDrop({
            let drops = drops.clone();
            move || {
                drops.fetch_add(1, Relaxed);
                boom("in the drop")
            }
        });
        drop(bus.on(&Topic::<u32>::new("other"), move |_| _ = &captured));
    };
    assert_eq!(
        panic_of(|| bus.emit_lazy(&TICK, || {
            fail();
            1
        })),
        "in the drop"
    );
    assert_eq!(log.take(), ["other"]);
    let text = panic_of(|| {
        bus.emit_lazy(&TICK, || {
            fail();
            boom("no event")
        })
    });
    assert_eq!(
        (text.as_str(), log.take()),
        ("no event", vec!["other".to_owned()])
    );
    // Nothing is left open.
    assert_eq!(bus.emit(&TICK, &1).ran(), 1);
    assert_eq!(drops.load(Relaxed), 2);
}

#[test]
fn a_panic_that_makes_no_event_is_reported_by_the_handler_it_leaves() {
    let (bus, log) = (Bus::new(), Log::default());
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(error.topic())
    });
    let _inner = bus.on(&TICK, |_| ());
    let _outer = bus.on(&Topic::<u32>::new("outer"), {
        let bus = bus.downgrade();
        move |_| _ = bus.upgrade().unwrap().emit_lazy(&TICK, || boom("no event"))
    });
    assert_eq!(
        panic_of(|| bus.emit(&Topic::new("outer"), &1_u32)),
        "no event"
    );
    assert_eq!(log.take(), ["outer"]);
}
