//! What is bounded, what is shown, and what following leaves alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use slotcast::{Bus, Follow, Topic};

use crate::log::{Log, OnDrop, boom};

const PLACED: Topic<u32> = Topic::new("order.placed");

#[test]
fn the_tail_has_the_newest_in_order_and_says_what_it_dropped() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new().tail(3).show(&PLACED, u32::to_string));
    (0..10).for_each(|n| _ = bus.emit(&PLACED, &n));
    let report = following.report();
    let texts: Vec<_> = report.tail(0).map(|it| it.text().unwrap()).collect();
    assert_eq!(texts, ["7", "8", "9"]);
    assert_eq!(report.skipped(), 7);
    // What is new after it is found by its `next`.
    bus.emit(&PLACED, &10);
    let news = following.report();
    let texts: Vec<_> = news
        .tail(report.next())
        .map(|it| it.text().unwrap())
        .collect();
    assert_eq!(texts, ["10"]);
    let none = Bus::new();
    let following = none.follow(Follow::new().tail(0));
    none.emit(&PLACED, &1);
    let report = following.report();
    assert_eq!((report.tail(0).count(), report.skipped()), (0, 1));
}

#[test]
fn what_shows_an_event_may_panic_once_and_is_cut() {
    let (bus, log) = (Bus::new(), Log::default());
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(error)
    });
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = asked.clone();
    let show = move |n: &u32| {
        counts.fetch_add(1, Relaxed);
        match n {
            0 => "ä".repeat(300),
            _ => boom("cannot show it"),
        }
    };
    let following = bus.follow(Follow::new().show(&PLACED, show));
    bus.on(&PLACED, |_| ()).detach();
    for n in 0..3 {
        let done = bus.emit(&PLACED, &n);
        assert_eq!((done.ran(), done.errors().len()), (1, 0));
    }
    assert_eq!(asked.load(Relaxed), 2);
    let told = log.take();
    assert!(
        told.len() == 1 && told[0].ends_with("panicked: cannot show it"),
        "{told:?}"
    );
    let report = following.report();
    let texts: Vec<_> = report.tail(0).map(|it| it.text()).collect();
    assert_eq!(texts[1..], [None, None]);
    let text = texts[0].unwrap();
    assert!(
        text.len() <= 256 && text.ends_with('…') && text.starts_with('ä'),
        "{text}"
    );
}

#[test]
fn another_following_takes_the_place_of_the_one_before() {
    let bus = Bus::new();
    let first = bus.follow(Follow::new());
    bus.emit(&PLACED, &1);
    let second = bus.follow(Follow::new());
    bus.emit(&PLACED, &1);
    assert!(first.report().topics().is_empty());
    drop(first);
    bus.emit(&PLACED, &1);
    assert_eq!(second.report().topics()[0].emissions(), 2);
    drop(second);
    assert_eq!(bus.emit(&PLACED, &1).cause(), None);
    let third = bus.follow(Follow::new());
    drop(bus);
    assert!(third.report().topics().is_empty());
}

#[test]
fn following_ends_during_emissions_on_eight_threads() {
    let bus = Bus::new();
    bus.on(&PLACED, |_| ()).detach();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..2000).for_each(|n| assert_eq!(bus.emit(&PLACED, &n).ran(), 1)));
        }
        for _ in 0..50 {
            let following = bus.follow(Follow::new());
            std::thread::yield_now();
            drop(following);
        }
    });
    assert_eq!(bus.emit(&PLACED, &1).cause(), None);
}

#[test]
fn threads_that_end_leave_their_counts_and_their_place() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    for _ in 0..100 {
        let bus = bus.clone();
        let thread = std::thread::Builder::new().name("worker".into());
        let run = move || bus.emit(&PLACED, &1).cause().unwrap();
        _ = thread.spawn(run).unwrap().join().unwrap();
    }
    let report = following.report();
    assert_eq!(report.topics()[0].emissions(), 100);
    let step = report.tail(0).next().unwrap();
    assert_eq!(step.thread(), "worker");
    let mut numbers: Vec<_> = report.tail(0).map(|it| it.cause().to_string()).collect();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 100);
    let recorders = numbers.iter().map(|it| it.split('-').next());
    assert!(
        recorders
            .clone()
            .all(|it| it == recorders.clone().next().unwrap()),
        "{numbers:?}"
    );
}

#[test]
fn what_shows_events_may_fail_when_it_is_dropped() {
    let (bus, log) = (Bus::new(), Log::default());
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(error)
    });
    let follow = |name: &'static str| {
        // A failure that gets through to this test ends both: one is enough.
        let fails = OnDrop(move || {
            if !thread::panicking() {
                boom(name);
            }
        });
        bus.follow(Follow::new().show(&PLACED, move |_| {
            _ = &fails;
            name.to_owned()
        }))
    };
    let first = follow("first");
    bus.emit(&PLACED, &1);
    let second = follow("second");
    drop(first);
    assert!(bus.emit(&PLACED, &1).cause().is_some());
    drop(second);
    let told = log.take();
    assert!(
        told[0].ends_with("panicked: first") && told[1].ends_with("panicked: second"),
        "{told:?}"
    );
    assert_eq!((told.len(), bus.emit(&PLACED, &1).cause()), (2, None));
}
