//! Handlers of patterns: promises 1 to 7, 9, 10, 13 and 14, as far as they speak of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use slotcast::{AnyEvent, Flow, Pattern, Topic};

use super::{Bus, Ptr, Signal, Subscription};
use crate::log::{Dropped, Log, boom, panic_of};

const PLACED: Topic<u32> = Topic::new("order.placed");
const SHIPPED: Topic<String> = Topic::new("order.shipped");
const FAR: Topic<u32> = Topic::new("order.line.added");

/// Writes down the topic, after a mark.
fn noted(log: &Log, mark: &'static str) -> impl Fn(&AnyEvent) + Send + Sync + use<> {
    let log = log.clone();
    move |event| log.add(format!("{mark} {}", event.topic()))
}

#[test]
fn a_pattern_hears_every_topic_that_it_matches() {
    let (bus, log) = (Bus::new(), Log::default());
    let _one = bus.on_pattern("order.*", noted(&log, "one"));
    let _rest = bus.on_pattern("order.>", noted(&log, "rest"));
    let _all = bus.on_pattern(">", noted(&log, "all"));
    let _exact = bus.on_pattern("order.placed", noted(&log, "exact"));
    let _other = bus.on_pattern("invoice.*", noted(&log, "other"));
    assert_eq!(bus.emit(&PLACED, &1).ran(), 4);
    assert_eq!(
        log.take(),
        ["one", "rest", "all", "exact"].map(|mark| format!("{mark} order.placed"))
    );
    assert_eq!(bus.emit(&FAR, &1).ran(), 2);
    assert_eq!(
        log.take(),
        ["rest order.line.added", "all order.line.added"]
    );
    // The same where somebody holds the names.
    let (_placed, _far) = (bus.signal(&PLACED), bus.signal(&FAR));
    assert_eq!(
        (bus.emit(&PLACED, &1).ran(), bus.emit(&FAR, &1).ran()),
        (4, 2)
    );
}

#[test]
fn the_payload_comes_out_by_its_type() {
    let (bus, log) = (Bus::new(), Log::default());
    let _sub = bus.on_pattern("order.*", {
        let log = log.clone();
        move |event| match (event.payload::<u32>(), event.payload::<String>()) {
            (Some(n), None) => log.add(n),
            (None, Some(text)) => log.add(text),
            _ => unreachable!("each event has one of the types"),
        }
    });
    bus.emit(&PLACED, &7);
    bus.emit(&SHIPPED, &"gone".to_owned());
    bus.signal(&SHIPPED).emit(&"again".to_owned());
    assert_eq!(log.take(), ["7", "gone", "again"]);
}

#[test]
fn exact_handlers_and_those_of_patterns_stand_in_one_order() {
    let (bus, log) = (Bus::new(), Log::default());
    let exact = |mark| {
        let log = log.clone();
        move |_: &u32| log.add(mark)
    };
    let _a = bus.on(&PLACED, exact("first"));
    let _b = bus.on_pattern("order.*", noted(&log, "second"));
    let _c = bus.on(&PLACED, exact("third"));
    let _d = bus
        .subscribe_pattern(">")
        .priority(1)
        .on(noted(&log, "urgent"));
    let _e = bus.subscribe(&PLACED).priority(-1).on(exact("late"));
    let _f = bus.on_pattern("order.*", noted(&log, "fourth"));
    bus.emit(&PLACED, &1);
    let order = [
        "urgent order.placed",
        "first",
        "second order.placed",
        "third",
        "fourth order.placed",
        "late",
    ];
    assert_eq!(log.take(), order);
}

#[test]
fn a_stop_ends_the_emission_whoever_returned_it() {
    let bus = Bus::new();
    let _last = bus
        .subscribe(&PLACED)
        .priority(-1)
        .on(|_| unreachable!("was stopped"));
    let stop = bus.on_pattern("order.*", |_| Flow::Stop);
    let done = bus.emit(&PLACED, &1);
    assert!(done.stopped());
    assert_eq!(done.ran(), 1);
    drop(stop);
    let _exact = bus.on(&FAR, |_| Flow::Stop);
    let _never = bus.on_pattern("order.>", |_| unreachable!("was stopped"));
    assert!(bus.emit(&FAR, &1).stopped());
}

#[test]
fn a_pattern_that_comes_later_hears_topics_that_exist_and_the_other_way_round() {
    let bus = Bus::new();
    let placed = bus.signal(&PLACED);
    assert_eq!(placed.emit(&1).ran(), 0);
    let sub = bus.on_pattern("order.*", |_| ());
    assert_eq!(placed.emit(&1).ran(), 1);
    let shipped = bus.signal(&SHIPPED);
    assert_eq!(shipped.emit(&String::new()).ran(), 1);
    assert!(sub.cancel());
    assert_eq!(
        (placed.emit(&1).ran(), shipped.emit(&String::new()).ran()),
        (0, 0)
    );
    let _again = bus.on_pattern("order.*", |_| ());
    assert_eq!(placed.emit(&1).ran(), 1);
}

#[test]
fn a_pattern_subscribed_during_an_emission_waits_for_the_next() {
    let (bus, log) = (Bus::new(), Log::default());
    let _sub = bus.on(&PLACED, {
        let (bus, log) = (bus.downgrade(), log.clone());
        move |n| {
            let bus = bus.upgrade().unwrap();
            if *n == 0 {
                bus.on_pattern("order.*", noted(&log, "late")).detach();
                bus.emit(&PLACED, &1);
                log.add("nested");
            }
        }
    });
    bus.emit(&PLACED, &0);
    assert_eq!(log.take(), ["late order.placed", "nested"]);
}

#[test]
fn a_cancelled_pattern_is_not_entered_again_by_outer_emissions() {
    for held in [false, true] {
        let (bus, log) = (Bus::new(), Log::default());
        let _signal: Option<Signal<u32>> = held.then(|| bus.signal(&PLACED));
        let victim: Arc<std::sync::Mutex<Option<Subscription>>> = Arc::default();
        let _first = bus.subscribe_pattern(">").priority(1).on({
            let victim = victim.clone();
            move |_| {
                // Taken out first: it is dropped outside of the lock.
                let taken = victim.lock().unwrap().take();
                drop(taken);
            }
        });
        let captured = Dropped(log.clone(), "captures");
        *victim.lock().unwrap() = Some(bus.on_pattern("order.*", move |_| {
            let _captured = &captured;
            unreachable!("was cancelled")
        }));
        assert_eq!(bus.emit(&PLACED, &1).ran(), 1);
        assert_eq!(log.take(), ["drop captures"]);
    }
}

#[test]
fn captures_go_with_the_cancel_although_many_topics_have_the_handler() {
    let (bus, log) = (Bus::new(), Log::default());
    let signals: Vec<_> = (0..10)
        .map(|n| bus.signal(&Topic::<u32>::named(format!("room.{n}")).unwrap()))
        .collect();
    // The pattern stays, and with it what the topics know of it.
    let _stays = bus.on_pattern("room.*", |_| ());
    let captured = Dropped(log.clone(), "captures");
    let sub = bus.on_pattern("room.*", move |_| _ = &captured);
    for signal in &signals {
        assert_eq!(signal.emit(&1).ran(), 2);
    }
    assert_eq!(log.take(), [""; 0]);
    drop(sub);
    assert_eq!(log.take(), ["drop captures"]);
    for signal in &signals {
        assert_eq!(signal.emit(&1).ran(), 1);
    }
}

#[test]
fn a_limit_counts_over_all_topics() {
    let bus = Bus::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = |calls: &Arc<AtomicUsize>| {
        let calls = calls.clone();
        move |_: &AnyEvent| _ = calls.fetch_add(1, Relaxed)
    };
    let sub = bus.subscribe_pattern("order.>").limit(3).on(count(&calls));
    let _held = bus.signal(&PLACED);
    for _ in 0..3 {
        bus.emit(&PLACED, &1);
        bus.emit(&FAR, &1);
    }
    assert_eq!(calls.load(Relaxed), 3);
    assert!(!sub.is_active());
    let once = bus.subscribe_pattern("order.>").once(count(&calls));
    bus.emit(&FAR, &1);
    bus.emit(&FAR, &1);
    assert_eq!(calls.load(Relaxed), 4);
    assert!(!once.is_active());
}

#[test]
fn filters_and_pauses_hold_for_patterns() {
    let bus = Bus::new();
    let sub = bus
        .subscribe_pattern(">")
        .filter(|event| event.payload::<u32>().is_some_and(|n| n % 2 == 0))
        .on(|_| ());
    let _held = bus.signal(&PLACED);
    assert_eq!(
        (bus.emit(&PLACED, &1).ran(), bus.emit(&PLACED, &2).ran()),
        (0, 1)
    );
    assert_eq!((bus.emit(&FAR, &1).ran(), bus.emit(&FAR, &2).ran()), (0, 1));
    assert_eq!(bus.emit(&SHIPPED, &String::new()).ran(), 0);
    let pause = sub.pause();
    assert_eq!(
        (bus.emit(&PLACED, &2).ran(), bus.emit(&FAR, &2).ran()),
        (0, 0)
    );
    drop(pause);
    assert_eq!(bus.emit(&PLACED, &2).ran(), 1);
}

#[test]
fn a_failure_names_the_topic_of_the_emission_and_the_line_of_the_pattern() {
    let bus = Bus::new();
    let line = line!() + 2;
    let _fails = bus
        .subscribe_pattern("order.*")
        .label("audit")
        .on(|_| Err::<(), _>("full"));
    let _panics = bus.on_pattern("order.>", |event: &AnyEvent| {
        if event.payload::<u32>() == Some(&13) {
            boom("thirteen")
        }
    });
    let _exact = bus.on(&PLACED, |_| ());
    let done = bus.emit(&PLACED, &1);
    assert_eq!((done.ran(), done.errors().len()), (3, 1));
    let error = &done.errors()[0];
    assert_eq!(
        (error.topic(), error.label()),
        ("order.placed", Some("audit"))
    );
    assert_eq!(error.location().line(), line);
    for topic in [&PLACED, &Topic::new("order.unheld")] {
        assert_eq!(panic_of(|| bus.emit(topic, &13)), "thirteen");
    }
}

#[test]
fn a_context_is_lent_to_patterns_and_deferred_events_reach_them() {
    let bus = Bus::<Vec<String>>::with_context();
    let _sub = bus.on_pattern_with("order.*", |seen: &mut Vec<String>, event: &AnyEvent| {
        seen.push(event.topic().to_owned());
    });
    let mut seen = Vec::new();
    assert_eq!(bus.emit_with(&mut seen, &PLACED, &1).ran(), 1);
    bus.defer(&SHIPPED, String::new()).unwrap();
    // The event holds its topic until it is delivered.
    assert_eq!(bus.topics(), ["order.shipped"]);
    assert_eq!(bus.drain_with(&mut seen).delivered(), 1);
    assert!(bus.topics().is_empty());
    assert_eq!(seen, ["order.placed", "order.shipped"]);
}

#[test]
fn a_pattern_makes_no_topic_and_is_none() {
    let bus = Bus::new();
    let sub = bus.on_pattern("order.*", |_| ());
    let placed = bus.signal(&PLACED);
    assert_eq!(
        (bus.topics(), placed.len()),
        (vec!["order.placed".to_owned()], 0)
    );
    placed.emit(&1);
    drop(placed);
    assert!(bus.topics().is_empty());
    // A literal pattern and a topic of the same name are two things.
    let _literal = bus.on_pattern("order.placed", |_| ());
    assert!(bus.topics().is_empty());
    let _text = bus.on(&Topic::<String>::new("order.placed"), |_| ());
    assert_eq!(
        bus.emit(&Topic::<String>::new("order.placed"), &String::new())
            .ran(),
        3
    );
    assert!(sub.is_active());
    assert!(bus.cancel(sub.id()));
    assert!(!sub.is_active());
}

#[test]
fn clear_and_close_of_a_topic_leave_its_patterns_to_the_others() {
    let bus = Bus::new();
    let pattern = bus.on_pattern("order.*", |_| ());
    let placed = bus.signal(&PLACED);
    let _exact = placed.on(|_| ());
    assert_eq!(placed.clear(), 1);
    assert_eq!(placed.emit(&1).ran(), 1);
    placed.close();
    let done = placed.emit(&1);
    assert!(done.is_closed());
    assert_eq!(done.ran(), 0);
    assert!(pattern.is_active());
    assert_eq!(bus.emit(&SHIPPED, &String::new()).ran(), 1);
    bus.close();
    assert!(!pattern.is_active());
    assert!(bus.emit(&SHIPPED, &String::new()).is_closed());
    assert!(!bus.on_pattern("order.*", |_| ()).is_active());
}

#[test]
fn a_close_ends_the_emission_before_the_next_handler_of_a_pattern() {
    let bus = Bus::new();
    let placed = bus.signal(&PLACED);
    let _first = placed.on({
        let placed = placed.downgrade();
        move |_| placed.upgrade().unwrap().close()
    });
    let _filtered = bus
        .subscribe_pattern("order.*")
        .filter(|_| true)
        .on(|_| unreachable!("closed"));
    let _next = bus.on_pattern("order.*", |_| unreachable!("closed"));
    let done = placed.emit(&1);
    assert_eq!(done.ran(), 1);
    assert!(done.is_closed());
}

#[test]
fn patterns_go_with_their_bus() {
    let (bus, log) = (Bus::new(), Log::default());
    let captured = Dropped(log.clone(), "captures");
    let sub = bus.on_pattern("order.*", move |_| _ = &captured);
    let placed = bus.signal(&PLACED);
    assert_eq!(placed.emit(&1).ran(), 1);
    drop(bus);
    assert!(!sub.is_active());
    assert_eq!(log.take(), ["drop captures"]);
    assert_eq!(placed.emit(&1).ran(), 0);
}

#[test]
fn an_event_can_be_made_only_if_a_pattern_asks_for_it() {
    let bus = Bus::new();
    assert_eq!(
        bus.emit_lazy(&PLACED, || unreachable!("nobody asks")).ran(),
        0
    );
    let sub = bus.on_pattern("order.*", |_| ());
    assert_eq!(bus.emit_lazy(&PLACED, || 1).ran(), 1);
    drop(sub);
    assert_eq!(
        bus.emit_lazy(&PLACED, || unreachable!("nobody asks")).ran(),
        0
    );
}

#[test]
fn recursion_by_names_that_nobody_holds_meets_the_limit() {
    let bus = Bus::new();
    let _sub = bus.on_pattern("order.*", {
        let bus = bus.downgrade();
        move |_| {
            bus.upgrade()
                .unwrap()
                .emit(&PLACED, &1)
                .into_result()
                .map(|_| ())
        }
    });
    let done = bus.emit(&PLACED, &1);
    assert_eq!(done.ran(), 1);
    assert_eq!(done.errors().len(), 1);
}

/// Handed on as it is, and not wrapped once more.
#[test]
fn an_event_of_any_type_can_be_emitted_again() {
    let bus = Bus::new();
    let other = Signal::<AnyEvent>::new();
    let _inner = other.on(|event: &AnyEvent| {
        assert_eq!(
            (event.topic(), event.payload::<u32>()),
            ("order.placed", Some(&7))
        );
    });
    let _outer = bus.on_pattern("order.*", move |event| {
        assert_eq!(other.emit(event).ran(), 1)
    });
    assert_eq!(bus.emit(&PLACED, &7).ran(), 1);
}

#[test]
fn patterns_of_every_wrong_shape_are_refused_with_the_place() {
    let long = format!("a.{}", "b".repeat(1023));
    let many = ["a"; 65].join(".");
    let wrong = [
        ("", "has an empty token at byte 0"),
        (".a", "has an empty token at byte 0"),
        ("a..b", "has an empty token at byte 2"),
        ("a.", "has an empty token at byte 2"),
        (
            "a.>.b",
            "has a `>` that is not the whole last token at byte 2",
        ),
        (
            "a.b>",
            "has a `>` that is not the whole last token at byte 3",
        ),
        (">>", "has a `>` that is not the whole last token at byte 0"),
        ("a.b*", "has a `*` that is not a whole token at byte 3"),
        ("a.*b", "has a `*` that is not a whole token at byte 2"),
        ("**", "has a `*` that is not a whole token at byte 0"),
        ("a b", "has white space or a control character at byte 1"),
        (long.as_str(), "is longer than 1024 bytes"),
        (many.as_str(), "has more than 64 tokens at byte 127"),
    ];
    for (text, problem) in wrong {
        let error = Pattern::parse(text).unwrap_err().to_string();
        assert!(error.ends_with(problem), "{error}");
        assert!(error.len() < 200, "{error}");
    }
    let largest = format!("a.{}", "b".repeat(1022));
    for text in [
        "*",
        ">",
        "*.>",
        "a.*.b.>",
        largest.as_str(),
        &["*"; 64].join("."),
    ] {
        assert_eq!(Pattern::parse(text).unwrap().as_str(), text);
    }
    let said = panic_of(|| Bus::new().on_pattern("a.>.b", |_| ()));
    let expected = "pattern \"a.>.b\" has a `>` that is not the whole last token at byte 2";
    assert_eq!(said, expected);
}

#[test]
fn a_cancelled_patterns_captures_go_at_once_though_its_bus_has_gone() {
    let (bus, captured) = (Bus::new(), Ptr::new(()));
    let (builder, signal) = (bus.subscribe_pattern("order.*"), bus.signal(&PLACED));
    let captures = captured.clone();
    let by_pattern = bus.on_pattern("order.*", move |_| _ = &captures);
    drop(bus);
    assert_eq!(signal.emit(&1).ran(), 1);
    by_pattern.cancel();
    assert_eq!(Ptr::strong_count(&captured), 1);
    drop(builder);
}

#[test]
fn a_cancelled_patterns_captures_go_at_once_though_events_wait_for_its_bus() {
    let (bus, captured) = (Bus::new(), Ptr::new(()));
    let (queue, captures) = (bus.queue(), captured.clone());
    let by_pattern = bus.on_pattern("order.*", move |_| _ = &captures);
    for n in 0..2 {
        bus.defer(&PLACED, n).unwrap();
    }
    drop(bus);
    assert_eq!(queue.drain_one().delivered(), 1);
    by_pattern.cancel();
    assert_eq!(Ptr::strong_count(&captured), 1);
    assert_eq!(queue.drain().delivered(), 0);
}
