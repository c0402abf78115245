//! Promise 14: how long a topic exists, and that names and patterns leave nothing behind.

use slotcast::flavour::Bus;
use slotcast::{Flow, Pattern, Topic};

use super::{Either, Plain, allocations_of, bytes_of, signed, times};

on_both! {
    a_million_names_emitted_create_nothing;
    many_names_in_turn_leave_nothing;
    a_million_names_under_a_pattern_create_nothing;
    an_idle_topic_takes_at_most_450_bytes;
    patterns_that_come_and_go_leave_nothing;
    topics_that_come_and_go_leave_nothing_with_a_pattern;
    topic_exists_while_a_handle_does;
    topic_exists_while_a_handler_does;
    topic_exists_while_a_deferred_event_does;
    topic_is_not_created_by_asking;
    topic_that_has_gone_binds_no_type;
    weak_targets_that_died_do_not_keep_their_topics;
}

fn a_million_names_emitted_create_nothing<M: Either>() {
    let bus = Bus::<M>::new();
    let _sub = M::on_nothing(&bus.signal(&Topic::new("held")));
    bus.emit(&Topic::new("held"), &1_u32);
    let (mut allocations, mut ran) = (0, 0);
    let emit = || {
        for n in 0..times(1_000_000) {
            let topic = Topic::<u32>::named(format!("room.{n}.joined")).unwrap();
            allocations += allocations_of(|| ran += bus.emit(&topic, &1).ran());
        }
    };
    assert_eq!(bytes_of(emit).0, 0);
    assert_eq!((allocations, ran), (0, 0));
    assert_eq!(bus.topics(), ["held"]);
}

fn a_million_names_under_a_pattern_create_nothing<M: Either>() {
    let bus = Bus::<M>::new();
    let _subs = ["room.>", "*.*.joined", ">"].map(|pattern| M::on_any(&bus, pattern));
    bus.emit(&Topic::new("room.first"), &1_u32);
    let (mut allocations, mut ran) = (0, 0);
    let emit = || {
        for n in 0..times(1_000_000) {
            let topic = Topic::<u32>::named(format!("room.{n}.joined")).unwrap();
            allocations += allocations_of(|| ran += bus.emit(&topic, &1).ran());
        }
    };
    assert_eq!(bytes_of(emit).0, 0);
    assert_eq!((allocations, ran), (0, 3 * times(1_000_000)));
    assert!(bus.topics().is_empty());
}

/// Of a bus without patterns.
fn an_idle_topic_takes_at_most_450_bytes<M: Either>() {
    let count = times(1000);
    let names = (0..count).map(|n| Topic::<u32>::named(format!("room.{n}.joined")).unwrap());
    let names: Vec<_> = names.collect();
    let bus = Bus::<M>::new();
    let mut signals = Vec::with_capacity(count);
    let (bytes, ()) = bytes_of(|| signals.extend(names.iter().map(|name| bus.signal(name))));
    assert!(bytes <= 450 * signed(count), "{bytes} bytes");
}

fn patterns_that_come_and_go_leave_nothing<M: Either>() {
    let bus = Bus::<M>::new();
    let held = bus.signal(&Topic::<u32>::new("room.held.joined"));
    let _stays = M::on_any(&bus, "room.*.joined");
    let use_one = |n: usize| {
        let pattern = Pattern::parse(format!("room.*.{n:07}")).unwrap();
        let subs = [
            M::on_any(&bus, &pattern),
            M::on_any(&bus, "room.*.joined"),
            M::on_any(&bus, ">"),
        ];
        if n % 100 == 0 {
            assert_eq!(held.emit(&1).ran(), 3);
        }
        drop(subs);
    };
    (0..200).for_each(use_one);
    assert_eq!(bytes_of(|| (0..times(40_000)).for_each(use_one)).0, 0);
    assert_eq!(held.emit(&1).ran(), 1);
}

fn topics_that_come_and_go_leave_nothing_with_a_pattern<M: Either>() {
    let bus = Bus::<M>::new();
    let _sub = M::on_any(&bus, "room.*.joined");
    let use_one = |n: usize| {
        let topic = Topic::<u32>::named(format!("room.{n:07}.joined")).unwrap();
        let signal = bus.signal(&topic);
        assert_eq!(signal.emit(&1).ran(), 1);
        if n % 2 == 0 {
            signal.close();
        }
    };
    (0..200).for_each(use_one);
    assert_eq!(bytes_of(|| (200..times(40_000)).for_each(use_one)).0, 0);
}

/// Nor if they are asked for their demand after their close, while an event that they have accepted waits.
#[test]
fn closed_topics_that_are_watched_leave_nothing_with_a_pattern() {
    let bus = slotcast::Bus::new();
    let _sub = bus.on_pattern("room.*.joined", |_| ());
    let use_one = |n: usize| {
        let topic = Topic::<u32>::named(format!("room.{n:07}.joined")).unwrap();
        let signal = bus.signal(&topic);
        signal.defer(1).unwrap();
        signal.close();
        drop(signal.on_demand(|_| ()));
        assert_eq!(bus.drain().delivered(), 1);
    };
    (0..200).for_each(use_one);
    assert_eq!(bytes_of(|| (200..times(20_000)).for_each(use_one)).0, 0);
}

fn many_names_in_turn_leave_nothing<M: Either>() {
    let bus = Bus::<M>::new();
    let _sub = M::on_nothing(&bus.signal(&Topic::new("held")));
    let use_one = |n: usize| {
        let topic = Topic::<u32>::named(format!("room.{n:07}.joined")).unwrap();
        let sub = M::on_nothing(&bus.signal(&topic));
        assert_eq!(bus.emit(&topic, &1).ran(), 1);
        assert!(sub.cancel());
        bus.defer(&topic, 1).unwrap();
        assert_eq!(bus.drain().unhandled(), 1);
    };
    (0..100).for_each(use_one);
    assert_eq!(bytes_of(|| (0..times(40_000)).for_each(use_one)).0, 0);
    assert_eq!(bus.topics(), ["held"]);
    // Many at a time: they are not forgotten one by one at the cost of all.
    let many = || {
        let names =
            (0..times(4_000)).map(|n| Topic::<u32>::named(format!("room.{n:07}.left")).unwrap());
        let signals: Vec<_> = names.map(|name| bus.signal(&name)).collect();
        assert_eq!(bus.topics().len(), signals.len() + 1);
    };
    many();
    assert_eq!(bytes_of(|| (0..3).for_each(|_| many())).0, 0);
    assert_eq!(bus.topics(), ["held"]);
}

fn topic_exists_while_a_handle_does<M: Either>() {
    let bus = Bus::<M>::new();
    let signal = bus.signal(&Topic::<u32>::new("tick"));
    let again = signal.clone();
    let weak = signal.downgrade();
    drop(signal);
    assert_eq!(bus.topics(), ["tick"]);
    drop(again);
    assert_eq!(bus.topics(), [""; 0]);
    assert!(weak.upgrade().is_none());
}

fn topic_exists_while_a_handler_does<M: Either>() {
    const TICK: Topic<u32> = Topic::new("tick");
    let bus = Bus::<M>::new();
    let [dropped, cancelled, paused] = [(); 3].map(|()| M::on_nothing(&bus.signal(&TICK)));
    let detached = M::on_nothing(&bus.signal(&TICK));
    let id = detached.id();
    detached.detach();
    let pause = paused.pause();
    let handler: Plain = |_| Flow::Continue;
    let limited = bus.subscribe(&TICK).limit(1).on(handler);
    drop(dropped);
    assert!(cancelled.cancel());
    assert_eq!(bus.emit(&TICK, &1).ran(), 2);
    assert!(!limited.is_active());
    drop(paused);
    assert_eq!(bus.topics(), ["tick"]);
    assert!(bus.cancel(id));
    assert_eq!(bus.topics(), [""; 0]);
    drop((pause, limited));
    // All at once, too.
    M::on_nothing(&bus.signal(&TICK)).detach();
    assert_eq!(bus.topics(), ["tick"]);
    assert_eq!(bus.signal(&TICK).clear(), 1);
    assert_eq!(bus.topics(), [""; 0]);
    M::on_nothing(&bus.signal(&TICK)).detach();
    bus.close();
    assert_eq!(bus.topics(), [""; 0]);
}

fn topic_exists_while_a_deferred_event_does<M: Either>() {
    const TICK: Topic<u32> = Topic::new("tick");
    let bus = Bus::<M>::new();
    for end in [
        |bus: &Bus<M>| _ = bus.drain(),
        |bus: &Bus<M>| _ = bus.queue().clear(),
    ] {
        bus.defer(&TICK, 1).unwrap();
        bus.defer(&TICK, 2).unwrap();
        assert_eq!(bus.topics(), ["tick"]);
        assert!(bus.try_signal(&Topic::<String>::new("tick")).is_err());
        end(&bus);
        assert_eq!(bus.topics(), [""; 0]);
    }
    bus.defer(&TICK, 1).unwrap();
    bus.defer(&TICK, 2).unwrap();
    assert_eq!(bus.queue().drain_one().remaining(), 1);
    assert_eq!(bus.topics(), ["tick"]);
    assert_eq!(bus.queue().drain_one().remaining(), 0);
    assert_eq!(bus.topics(), [""; 0]);
}

fn topic_is_not_created_by_asking<M: Either>() {
    const TICK: Topic<u32> = Topic::new("tick");
    let bus = Bus::<M>::new();
    let stale = M::on_nothing(&bus.signal(&TICK));
    let id = stale.id();
    drop(stale);
    assert_eq!(bus.emit(&TICK, &1).ran(), 0);
    assert_eq!(bus.emit_lazy(&TICK, || 1).ran(), 0);
    assert!(!bus.cancel(id));
    assert_eq!(bus.topics(), [""; 0]);
    assert!(bus.try_signal(&TICK).unwrap().is_empty());
    assert_eq!(bus.topics(), [""; 0]);
    assert!(format!("{bus:?}").contains("topics: []"));
}

fn topic_that_has_gone_binds_no_type<M: Either>() {
    let bus = Bus::<M>::new();
    let (number, text) = (Topic::<u32>::new("size"), Topic::<String>::new("size"));
    let sub = M::on_nothing(&bus.signal(&number));
    assert!(bus.try_signal(&text).is_err());
    drop(sub);
    let held = bus.try_signal(&text).unwrap();
    assert!(bus.try_signal(&number).is_err());
    assert!(held.is_empty());
    drop(held);
    assert_eq!(bus.emit(&number, &1).ran(), 0);
    assert!(bus.try_signal(&number).is_ok());
}

fn weak_targets_that_died_do_not_keep_their_topics<M: Either>() {
    let bus = Bus::<M>::new();
    let name = |n: usize| Topic::<u32>::named(format!("room.{n:07}.joined")).unwrap();
    let _held = bus.signal(&name(9_999_999));
    let dies = |n: usize| {
        let (target, sub) = M::on_target(&bus.signal(&name(n)));
        sub.detach();
        drop(target);
    };
    (0..200).for_each(dies);
    let (bytes, ()) = bytes_of(|| (0..times(40_000)).for_each(dies));
    assert!(bytes < 100_000, "{bytes} bytes more");
    assert!(bus.topics().len() < 500, "{}", bus.topics().len());
    // Those that live are left alone.
    let living: Vec<_> = (0..times(1000))
        .map(|n| M::on_target(&bus.signal(&name(n))))
        .collect();
    assert!(living.iter().all(|(_, sub)| sub.is_active()));
    assert_eq!(bus.emit(&name(7), &1).ran(), 1);
}
