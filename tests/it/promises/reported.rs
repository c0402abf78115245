//! A failure is reported once: neither twice, nor taken for another one.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use slotcast::{Panics, Topic};

use super::{Bus, Ptr, Queue, Signal};
use crate::log::{Log, OnDrop, boom, panic_of};

const INNER: Topic<u32> = Topic::new("inner");
const OUTER: Topic<u32> = Topic::new("outer");

/// A bus whose error hook writes down topic and text of each failure.
fn logged() -> (Bus, Log) {
    let (bus, log) = (Bus::new(), Log::default());
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(error.topic())
    });
    (bus, log)
}

fn caught<R>(f: impl FnOnce() -> R) -> Box<dyn Any + Send> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => boom("nothing panicked"),
        Err(payload) => payload,
    }
}

type Raise = fn() -> u32;

/// One panic for each type of payload that `panic!` has.
const TEXTS: [Raise; 3] = [
    || boom("boom"),
    || resume_unwind(Box::new("boom".to_owned())),
    || resume_unwind(Box::new(format!("boom {}", 7))),
];

#[test]
fn a_new_panic_that_looks_like_the_one_that_was_resumed_is_reported() {
    for raise in TEXTS {
        let (bus, log) = logged();
        let _inner = bus.on(&INNER, move |_| _ = raise());
        let _outer = bus.on(&OUTER, {
            let bus = bus.downgrade();
            move |_| {
                let bus = bus.upgrade().unwrap();
                // The payload is freed, and the next one may get its address.
                drop(caught(|| bus.emit(&INNER, &1)));
                raise();
            }
        });
        assert!(panic_of(|| bus.emit(&OUTER, &1)).starts_with("boom"));
        assert_eq!(log.take(), ["inner", "outer"]);
    }
}

#[test]
fn a_panic_in_the_drop_of_captures_that_looks_like_the_resumed_one_is_reported() {
    let (bus, log) = logged();
    let _inner = bus.on(&INNER, |_| boom("boom"));
    let _outer = bus.on(&OUTER, {
        let bus = bus.downgrade();
        move |_| {
            let bus = bus.upgrade().unwrap();
            drop(caught(|| bus.emit(&INNER, &1)));
            let bomb = OnDrop(|| boom("boom"));
            drop(bus.on(&INNER, move |_| _ = &bomb));
        }
    });
    assert_eq!(panic_of(|| bus.emit(&OUTER, &1)), "boom");
    assert_eq!(log.take(), ["inner", "inner"]);
}

#[test]
fn a_caught_panic_that_is_resumed_later_is_not_reported_again() {
    let later: [fn(&Bus); 4] = [
        |bus| _ = bus.subscribe(&OUTER).filter(|_| false).on(|_| ()),
        |bus| {
            let other = Signal::<u32>::new();
            let _sub = other.subscribe().filter(|_| true).on(|_| ());
            other.emit(&1);
            drop(bus.on(&INNER, |_| ()));
        },
        |bus| {
            let _sub = bus.on(&INNER, |_| ());
            drop(bus.emit_lazy(&Topic::<String>::new("other"), || "dropped".to_owned()));
        },
        |_| {
            let signal = Signal::<u32>::new();
            let _sub = signal.on(|_| boom("another"));
            drop(caught(|| signal.emit(&1)));
        },
    ];
    for raise in TEXTS {
        for later in later {
            let (bus, log) = logged();
            let _inner = bus.on(&INNER, move |_| _ = raise());
            let _outer = bus.on(&OUTER, {
                let bus = bus.downgrade();
                move |_| {
                    let bus = bus.upgrade().unwrap();
                    let payload = caught(|| bus.emit(&INNER, &1));
                    drop(catch_unwind(AssertUnwindSafe(|| later(&bus))));
                    resume_unwind(payload);
                }
            });
            assert!(panic_of(|| bus.emit(&OUTER, &1)).starts_with("boom"));
            let told = log.take();
            assert_eq!(
                told.iter().filter(|it| *it == "outer").count(),
                0,
                "{told:?}"
            );
        }
    }
}

#[test]
fn a_panic_that_left_a_drain_is_not_reported_again() {
    let (bus, log) = logged();
    let _inner = bus.on(&INNER, |_| boom("boom"));
    bus.defer(&INNER, 1).unwrap();
    let payload = caught(|| bus.drain());
    let queue = Queue::new();
    let _outer = bus.on(&OUTER, {
        let payload = std::sync::Mutex::new(Some(payload));
        move |_| {
            let payload = payload.lock().unwrap().take();
            queue.drain();
            resume_unwind(payload.unwrap());
        }
    });
    assert_eq!(panic_of(|| bus.emit(&OUTER, &1)), "boom");
    assert_eq!(log.take(), ["inner"]);
}

#[test]
fn whoever_catches_a_resumed_panic_finds_the_payload_of_the_handler() {
    let (bus, log) = logged();
    let _literal = bus.on(&INNER, |_| boom("literal"));
    let _outer = bus.on(&OUTER, {
        let (bus, log) = (bus.downgrade(), log.clone());
        move |_| {
            let payload = caught(|| bus.upgrade().unwrap().emit(&INNER, &1));
            log.add(payload.downcast_ref::<&'static str>().unwrap());
        }
    });
    bus.emit(&OUTER, &1);
    assert_eq!(log.take(), ["inner", "literal"]);

    let signal = Signal::<u32>::new();
    let _text = signal.on(|n| resume_unwind(Box::new(format!("text {n}"))));
    let payload = caught(|| signal.emit(&3));
    assert_eq!(payload.downcast_ref::<String>().unwrap(), "text 3");
    let _empty = signal.subscribe().priority(1).on(|_| boom(""));
    assert_eq!(panic_of(|| signal.emit(&3)), "");
    let _number = signal
        .subscribe()
        .priority(2)
        .on(|_| resume_unwind(Box::new(7_u32)));
    assert_eq!(*caught(|| signal.emit(&3)).downcast::<u32>().unwrap(), 7);
}

#[test]
fn a_panic_without_a_text_is_reported_once_while_it_passes() {
    struct Marker;
    for raise in [(|| resume_unwind(Box::new(7_u32))) as Raise, || {
        resume_unwind(Box::new(Marker))
    }] {
        let (bus, log) = logged();
        let _inner = bus.on(&INNER, move |_| _ = raise());
        let _outer = bus.on(&OUTER, {
            let bus = bus.downgrade();
            move |_| _ = bus.upgrade().unwrap().emit(&INNER, &1)
        });
        drop(caught(|| bus.emit(&OUTER, &1)));
        assert_eq!(log.take(), ["inner"]);
    }
}

#[test]
fn a_panic_without_a_text_is_reported_once_though_captures_panic_while_it_passes() {
    let (bus, log) = logged();
    let _inner = bus.on(&INNER, |_| resume_unwind(Box::new(7_u32)));
    let _outer = bus.on(&OUTER, {
        let bus = bus.downgrade();
        move |_| {
            let bus = bus.upgrade().unwrap();
            let captured = OnDrop(|| resume_unwind(Box::new(8_u32)));
            let _dropped_by_unwinding = bus.on(&Topic::<u32>::new("third"), move |_| _ = &captured);
            bus.emit(&INNER, &1);
        }
    });
    drop(caught(|| bus.emit(&OUTER, &1)));
    assert_eq!(log.take(), ["inner", "third"]);
}

#[test]
fn panics_in_the_drop_of_a_filter_and_of_its_handler_are_both_reported() {
    let bus = Bus::builder().panics(Panics::Contain).build();
    let log = Log::default();
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(error)
    });
    let bomb = |text| OnDrop(move || boom(text));
    let subscribe = || {
        let (one, two, last) = (bomb("one"), bomb("two"), bomb("handler"));
        bus.subscribe(&OUTER)
            .filter(move |_| {
                let _one = &one;
                true
            })
            .filter(move |_| {
                let _two = &two;
                true
            })
            .on(move |_| _ = &last)
    };
    let told = || {
        let all = log.take();
        let of = |text| all.iter().filter(|it| it.ends_with(text)).count();
        (of("one"), of("two"), of("handler"), all.len())
    };
    let sub = subscribe();
    drop(sub);
    assert_eq!(told(), (1, 1, 1, 3));

    // Inside of an emission, and by a replacement.
    let sub = subscribe();
    let _canceller = bus
        .subscribe(&OUTER)
        .priority(1)
        .on(move |_| _ = sub.cancel());
    let done = bus.emit(&OUTER, &1);
    assert_eq!(done.errors().len(), 3);
    assert_eq!(told(), (1, 1, 1, 3));
    let sub = subscribe();
    let last = bomb("handler");
    sub.replace(move |_: &u32| _ = &last).unwrap();
    assert_eq!(told(), (0, 0, 1, 1));
    drop(sub);
    assert_eq!(told(), (1, 1, 1, 3));

    // While the thread is unwinding already.
    let sub = subscribe();
    let text = panic_of(|| {
        let _sub = sub;
        boom("unwinding")
    });
    assert_eq!((text.as_str(), told()), ("unwinding", (1, 1, 1, 3)));
    // A builder that is given up, refused by a closed signal.
    bus.close();
    drop(subscribe());
    assert_eq!(told(), (1, 1, 1, 3));
}

thread_local! {
    /// What the clone of a `Fragile` does before it panics.
    static ON_CLONE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

struct Fragile;

impl Clone for Fragile {
    fn clone(&self) -> Self {
        let act = ON_CLONE.take();
        act.into_iter().for_each(|act| act());
        boom("boom")
    }
}

#[test]
fn a_clone_that_panics_is_reported_by_its_emission_though_the_signal_is_closed_meanwhile() {
    const FRAGILE: Topic<Fragile> = Topic::new("fragile");
    let ways: [fn(&Bus); 4] = [
        |bus| _ = bus.emit(&FRAGILE, &Fragile),
        |bus| _ = bus.emit_lazy(&FRAGILE, || Fragile),
        |bus| _ = bus.signal(&FRAGILE).emit(&Fragile),
        |bus| {
            bus.defer(&FRAGILE, Fragile).unwrap();
            bus.drain();
        },
    ];
    for (number, emit) in ways.into_iter().enumerate() {
        let (bus, log) = logged();
        bus.retain_last(&FRAGILE);
        let signal = bus.signal(&FRAGILE);
        ON_CLONE.set(Some(Box::new(move || signal.close())));
        assert_eq!(panic_of(|| emit(&bus)), "boom", "{number}");
        assert_eq!(log.take(), ["fragile"], "{number}");
        // Nothing is left for whoever comes next on this thread.
        let queue = Queue::new();
        queue.post(|| ()).unwrap();
        assert_eq!(queue.drain().errors().len(), 0, "{number}");
    }
}

#[test]
fn captures_that_panic_are_reported_by_the_emission_that_lets_go_of_them_though_it_calls_nobody() {
    let ways: [fn(&Bus); 3] = [
        |bus| _ = bus.emit_lazy(&INNER, || 1),
        |bus| _ = bus.signal(&INNER).emit_lazy(|| 1),
        |bus| _ = bus.emit(&INNER, &1),
    ];
    for (number, emit) in ways.into_iter().enumerate() {
        let (bus, log) = logged();
        let (owner, bomb) = (Ptr::new(()), OnDrop(|| boom("boom")));
        let sub = bus.subscribe(&INNER).owner(&owner).on(move |_| _ = &bomb);
        drop(owner);
        assert_eq!(panic_of(|| emit(&bus)), "boom", "{number}");
        assert_eq!(log.take(), ["inner"], "{number}");
        assert!(!sub.is_active());
        // Nothing is left for whoever comes next on this thread.
        let other = Signal::<u32>::new();
        let _sub = other.on(|_| ());
        assert_eq!(other.emit(&1).errors().len(), 0, "{number}");
    }
}
