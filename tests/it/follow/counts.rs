//! What is counted and measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use slotcast::{Bus, Flow, Follow, Queue, Topic, Warning};

const PLACED: Topic<u32> = Topic::new("order.placed");
const BILLED: Topic<u32> = Topic::new("order.billed");

/// Calls, failures and skipped calls of the handler with this label.
fn of(report: &slotcast::Report, label: &str) -> (u64, u64, u64) {
    let mut all = report.handlers().iter();
    let found = all.find(|it| it.label() == Some(label)).unwrap();
    (found.calls(), found.failures(), found.skipped())
}

#[test]
fn counts_are_exact_while_handlers_come_and_go_on_eight_threads() {
    const EACH: u64 = if cfg!(debug_assertions) {
        5_000
    } else {
        100_000
    };
    let bus = Bus::new();
    let following = bus.follow(Follow::new().tail(10));
    let done = AtomicBool::new(false);
    bus.subscribe(&PLACED)
        .label("stays")
        .on(|n| if n % 5 == 0 { Err("no") } else { Ok(()) })
        .detach();
    bus.set_error_hook(|_| ());
    std::thread::scope(|scope| {
        let emit = || (0..EACH).for_each(|n| _ = bus.emit(&PLACED, &(n as u32)));
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(emit)).collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let sub = bus.subscribe(&PLACED).label("goes").on(|_| ());
                let report = following.report();
                // Nobody may have called it yet.
                let calls = report.handlers().iter().map(|it| it.calls()).sum::<u64>();
                assert!(calls <= 16 * EACH && report.tail(0).count() <= 10);
                drop(sub);
            }
        });
        threads.into_iter().for_each(|it| it.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    let report = following.report();
    assert_eq!(of(&report, "stays"), (8 * EACH, 8 * EACH / 5, 0));
    let topic = &report.topics()[0];
    assert_eq!((topic.emissions(), topic.unheard()), (8 * EACH, 0));
    assert_eq!(report.skipped() + report.tail(0).count() as u64, 8 * EACH);
    let emitted: u64 = report.emitters().iter().map(|it| it.emissions()).sum();
    assert_eq!(emitted, 8 * EACH);
}

#[test]
fn every_flavour_of_call_is_counted_once() {
    let (bus, queue) = (Bus::new(), Queue::new());
    let following = bus.follow(Follow::new());
    bus.subscribe(&PLACED).label("plain").on(|_| ()).detach();
    bus.subscribe(&PLACED).label("mut").on_mut(|_| ()).detach();
    bus.subscribe(&PLACED)
        .label("few")
        .limit(1)
        .on(|_| ())
        .detach();
    bus.subscribe(&PLACED)
        .label("some")
        .filter(|n| *n > 1)
        .on(|_| ())
        .detach();
    let paused = bus.subscribe(&PLACED).label("paused").on(|_| ());
    let _pause = paused.pause();
    bus.subscribe(&PLACED)
        .label("queued")
        .on_queue(&queue, |(), _| Err::<(), _>("no"))
        .detach();
    bus.subscribe_pattern("order.*")
        .label("pattern")
        .on(|_| ())
        .detach();
    let dead = Arc::new(());
    let weak = Arc::downgrade(&dead);
    bus.subscribe(&PLACED)
        .label("weak")
        .on_weak(&dead, |_, _| ())
        .detach();
    drop((dead, weak));
    (0..3).for_each(|n| _ = bus.emit(&PLACED, &n));
    bus.emit(&BILLED, &1);
    queue.drain();
    let report = following.report();
    let found = ["plain", "mut", "few", "some", "queued", "pattern"].map(|it| of(&report, it));
    let wanted = [
        (3, 0, 0),
        (3, 0, 0),
        (1, 0, 0),
        (1, 0, 2),
        (3, 3, 0),
        (4, 0, 0),
    ];
    assert_eq!(found, wanted);
    assert_eq!(of(&report, "paused"), (0, 0, 3));
    let queued = report
        .handlers()
        .iter()
        .find(|it| it.label() == Some("queued"))
        .unwrap();
    assert_eq!((queued.waited().count(), queued.own().count()), (3, 3));
    assert_eq!(
        report
            .topics()
            .iter()
            .map(|it| it.emissions())
            .collect::<Vec<_>>(),
        [1, 3]
    );
}

#[test]
fn an_emission_that_nobody_hears_is_counted_however_it_is_emitted() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    assert_eq!(bus.emit(&PLACED, &1).ran(), 0);
    let signal = bus.signal(&PLACED);
    assert_eq!(signal.emit(&1).ran(), 0);
    // Nobody is there, so it is not made.
    assert_eq!(bus.emit_lazy(&PLACED, || unreachable!()).ran(), 0);
    assert_eq!(signal.emit_lazy(|| unreachable!()).ran(), 0);
    drop(signal);
    assert_eq!(bus.emit_lazy(&PLACED, || unreachable!()).ran(), 0);
    bus.defer(&PLACED, 1).unwrap();
    assert_eq!(bus.drain().unhandled(), 1);
    let report = following.report();
    assert_eq!(
        (report.topics()[0].emissions(), report.topics()[0].unheard()),
        (6, 6)
    );
}

#[test]
fn a_handler_that_was_stopped_before_is_not_counted() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    bus.subscribe(&PLACED)
        .label("stops")
        .on(|_| Flow::Stop)
        .detach();
    bus.subscribe(&PLACED).label("after").on(|_| ()).detach();
    assert!(bus.emit(&PLACED, &1).stopped());
    let report = following.report();
    assert_eq!(of(&report, "stops"), (1, 0, 0));
    assert!(
        report
            .handlers()
            .iter()
            .all(|it| it.label() != Some("after"))
    );
    let step = report.tail(0).next().unwrap();
    assert!(step.stopped() && step.ran() == 1 && step.calls().len() == 1);
}

#[test]
fn one_line_that_emits_to_many_topics_is_counted_by_topic() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new().tail(16));
    let topics: Vec<_> = (0..300)
        .map(|n| Topic::<u32>::named(format!("room.{n}")).unwrap())
        .collect();
    for topic in &topics {
        let subscribe = bus.subscribe(topic).label(topic.name());
        subscribe.on(|_| ()).detach();
    }
    // One of three is emitted to once, one twice, and one three times.
    for round in 0..3 {
        let now = topics.iter().enumerate().filter(|(n, _)| n % 3 <= round);
        now.for_each(|(_, topic)| _ = bus.emit(topic, &0));
    }
    let report = following.report();
    for (n, topic) in topics.iter().enumerate() {
        let times = 3 - n as u64 % 3;
        let count = report.topics().iter().find(|it| it.name() == topic.name());
        assert_eq!(count.unwrap().emissions(), times, "{}", topic.name());
        assert_eq!(of(&report, topic.name()), (times, 0, 0));
        let mut emitters = report.emitters().iter();
        let emitter = emitters.find(|it| it.topic() == topic.name()).unwrap();
        assert_eq!(emitter.emissions(), times);
    }
    // Each is in the place of another one by now.
    assert_eq!(report.tail(0).count(), 16);
    for step in report.tail(0) {
        let calls: Vec<_> = step.calls().iter().map(|it| it.label()).collect();
        assert_eq!(calls, [step.topic()]);
    }
}

#[test]
fn own_time_is_without_nested_emissions() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    let own = bus.clone();
    bus.subscribe(&PLACED)
        .label("outer")
        .on(move |n| _ = own.emit(&BILLED, n))
        .detach();
    bus.on(&BILLED, |_| {
        std::thread::sleep(std::time::Duration::from_millis(20))
    })
    .detach();
    bus.emit(&PLACED, &1);
    let report = following.report();
    let outer = report
        .handlers()
        .iter()
        .find(|it| it.label() == Some("outer"))
        .unwrap();
    assert!(outer.total() >= std::time::Duration::from_millis(20));
    assert!(outer.own().total() * 2 < outer.total(), "{outer:?}");
    bus.close();
}

#[test]
fn slow_calls_are_told_with_their_line() {
    let (bus, queue) = (Bus::new(), Queue::new());
    let log = crate::log::Log::default();
    bus.set_warning_hook({
        let log = log.clone();
        move |warning| {
            if let Warning::Slow { label, place, .. } = warning {
                log.add(format!("{} {}", label.as_deref().unwrap(), place.line()));
            }
        }
    });
    let _following = bus.follow(Follow::new().slow(std::time::Duration::ZERO));
    bus.subscribe(&PLACED).label("slow").on(|_| ()).detach();
    let line = line!() - 1;
    bus.subscribe(&PLACED)
        .label("queued")
        .on_queue(&queue, |(), _| ())
        .detach();
    bus.emit(&PLACED, &1);
    assert_eq!(log.take()[0], format!("slow {line}"));
    queue.drain();
    assert_eq!(log.take(), [format!("queued {}", line + 2)]);
}

#[test]
fn kept_events_are_counted_where_they_are_handed_over() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    let signal = bus.signal(&PLACED);
    signal.retain(2);
    signal.subscribe().label("first").on(|_| ()).detach();
    (0..3).for_each(|n| _ = signal.emit(&n));
    signal.subscribe().label("later").on(|_| ()).detach();
    signal.emit(&3);
    let report = following.report();
    assert_eq!(of(&report, "first"), (4, 0, 0));
    assert_eq!(of(&report, "later"), (3, 0, 0));
    assert_eq!(report.topics()[0].emissions(), 4);
}

#[test]
fn the_hook_for_unhandled_events_is_a_call_and_its_event_unheard() {
    let bus = Bus::new();
    bus.set_unhandled_hook(|_| ());
    let following = bus.follow(Follow::new());
    assert_eq!(bus.emit(&PLACED, &1).ran(), 0);
    assert_eq!(bus.signal(&PLACED).emit(&1).ran(), 0);
    let report = following.report();
    let hook = &report.handlers()[0];
    assert_eq!((hook.calls(), hook.skipped()), (2, 0));
    assert_eq!(
        (report.topics()[0].emissions(), report.topics()[0].unheard()),
        (2, 2)
    );
}

#[test]
fn a_replaced_handler_is_counted_as_the_one_that_was_subscribed() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    let sub = bus.subscribe(&PLACED).label("own").on(|_| ());
    bus.emit(&PLACED, &1);
    sub.replace(|_: &u32| Err::<(), _>("no")).unwrap();
    bus.emit(&PLACED, &1);
    let report = following.report();
    assert_eq!(report.handlers().len(), 1, "{report:?}");
    assert_eq!(of(&report, "own"), (2, 1, 0));
    assert!(report.handlers()[0].kind().is_some());
}

#[test]
fn a_misspelled_topic_that_is_only_emitted_to_is_a_warning() {
    let bus = Bus::new();
    let following = bus.follow(Follow::new());
    bus.on(&PLACED, |_| ()).detach();
    bus.emit(&Topic::<u32>::new("order.plced"), &1);
    let line = line!() - 1;
    let warnings = following.report().warnings().to_vec();
    let Warning::SimilarName {
        topic,
        place,
        similar,
        ..
    } = &warnings[0]
    else {
        unreachable!("{warnings:?}");
    };
    assert_eq!(
        (&**topic, place.line(), &**similar),
        ("order.plced", line, "order.placed")
    );
    // Somebody hears it, by a pattern.
    bus.on_pattern("order.plced", |_| ()).detach();
    bus.emit(&Topic::<u32>::new("order.plced"), &1);
    assert!(following.report().warnings().is_empty());
}
