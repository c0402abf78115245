//! Topics by core NATS: at most once, in order, what was lost is counted.

use std::sync::{Arc, Mutex};

use slotcast::{
    Bus, Queue, Topic,
    nats::{Bridge, Headers, Route, headers},
};
use slotcast_nats::{Raw, Relay, Seen, Server, Tick, until, wait_for};

use crate::common::{LONG, TICK, Told, emit, listening, sending};

#[test]
fn events_arrive_in_order_as_they_were() {
    let server = Server::builder().without_jetstream().start();
    let (there, seen) = listening();
    let told = Told::by(&there);
    let last = Arc::new(Mutex::new(None));
    let keep = last.clone();
    there
        .on(&TICK, move |tick| {
            *keep.lock().unwrap() = Some(tick.clone())
        })
        .detach();
    let receiver = Bridge::to(server.url())
        .receive(&TICK)
        .start(&there)
        .unwrap();
    let (here, sender) = sending(&server, &TICK);

    emit(&here, 0..2_000);
    sender.flush(LONG).unwrap();
    seen.wait_in_order(2_000);
    assert_eq!(*last.lock().unwrap(), Some(Tick::new(1_999)));

    let (sent, received) = (sender.stats(), receiver.stats());
    assert_eq!(
        (sent.emitted, sent.sent, sent.waiting, sent.refused),
        (2_000, 2_000, 0, 0)
    );
    assert_eq!(
        (received.received, received.delivered, received.lost),
        (2_000, 2_000, 0)
    );
    assert_eq!(told.all(), [""; 0]);
}

#[test]
fn an_awaited_emission_ends_when_it_is_written() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let mut all = raw.subscribe("tick");
    let bus = Bus::new();
    let _bridge = Bridge::to(server.url()).send(&TICK).start(&bus).unwrap();
    let emission = wait_for(bus.emit_async(&TICK, Tick::new(7)));
    assert_eq!((emission.ran(), emission.errors().len()), (1, 0));
    assert_eq!(all.take().json::<Tick>(), Tick::new(7));
}

#[test]
fn subjects_are_topics_behind_the_prefix() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let mut all = raw.subscribe("shop.>");
    let (there, seen) = listening();
    let _receiver = Bridge::to(server.url())
        .prefix("shop")
        .receive(&TICK)
        .start(&there)
        .unwrap();
    let (elsewhere, nothing) = listening();
    let _other = Bridge::to(server.url())
        .prefix("stock")
        .receive(&TICK)
        .start(&elsewhere)
        .unwrap();
    let bus = Bus::new();
    let bridge = Bridge::to(server.url())
        .prefix("shop")
        .send(&TICK)
        .start(&bus)
        .unwrap();
    emit(&bus, 0..10);
    seen.wait_in_order(10);
    assert_eq!(all.take().subject, "shop.tick");
    bridge.flush(LONG).unwrap();
    raw.publish("stock.tick", r#"{"id":99,"text":""}"#);
    nothing.wait(1);
    assert_eq!(nothing.all(), [99]);
}

#[test]
fn a_pattern_carries_the_names_that_it_matches() {
    let server = Server::start();
    let there = Bus::new();
    let (names, all) = (Arc::new(Mutex::new(Vec::new())), Seen::new());
    let (keep, push) = (names.clone(), all.clone());
    there
        .on_pattern("order.>", move |event| {
            keep.lock().unwrap().push(event.topic().to_owned());
            push.push(*event.payload::<u64>().unwrap());
        })
        .detach();
    let _receiver = Bridge::to(server.url())
        .receive(Route::matching::<u64>("order.>"))
        .start(&there)
        .unwrap();
    let (here, _sender) = sending(&server, Route::matching::<u64>("order.*"));

    // What does not match, and what has another type, stays here.
    here.emit(&Topic::<u64>::named("order.a.b").unwrap(), &77);
    here.emit(&Topic::<u64>::named("tick").unwrap(), &77);
    here.emit(
        &Topic::<String>::named("order.text").unwrap(),
        &"77".to_owned(),
    );
    for number in 0..100 {
        let name = ["order.placed", "order.paid", "order.x-1_y"][number as usize % 3];
        here.emit(&Topic::<u64>::named(name).unwrap(), &number);
    }
    all.wait_in_order(100);
    assert_eq!(
        names.lock().unwrap()[..4],
        ["order.placed", "order.paid", "order.x-1_y", "order.placed"]
    );
}

#[test]
fn what_was_missed_is_counted_by_the_next_event() {
    let server = Server::start();
    let relay = Relay::before(server.port());
    let (there, seen) = listening();
    let receiver = Bridge::to(relay.url())
        .receive(&TICK)
        .start(&there)
        .unwrap();
    let (here, sender) = sending(&server, &TICK);
    emit(&here, 0..10);
    seen.wait(10);

    relay.refuse(true);
    relay.cut();
    until("it is disconnected", || !receiver.state().is_connected());
    emit(&here, 10..35);
    sender.flush(LONG).unwrap();
    assert_eq!(receiver.stats().lost, 0);
    relay.refuse(false);
    until("it is connected again", || receiver.state().is_connected());
    // It is subscribed again by the time that something arrives.
    let mut next = 35;
    until("something arrives", || {
        emit(&here, next..next + 1);
        next += 1;
        seen.len() > 10
    });
    let first = seen.all()[10];
    assert_eq!(receiver.stats().lost, first - 10);
    assert!(receiver.stats().reconnects >= 1);
}

#[test]
fn nothing_goes_in_circles() {
    let server = Server::start();
    let both = |prefix: Option<&str>| {
        let (bus, seen) = listening();
        let mut builder = Bridge::to(server.url()).send(&TICK).receive(&TICK);
        if let Some(prefix) = prefix {
            builder = builder.prefix(prefix);
        }
        let bridge = builder.start(&bus).unwrap();
        (bus, seen, bridge)
    };
    let (a, heard_by_a, bridge_a) = both(None);
    let (_b, heard_by_b, bridge_b) = both(None);
    let (_c, heard_by_c, bridge_c) = both(Some("other"));
    emit(&a, 0..1_000);
    heard_by_b.wait_in_order(1_000);
    // Its own come back, and are dropped.
    until("all have come back", || bridge_a.stats().echoes == 1_000);
    heard_by_a.check_in_order(1_000);
    assert_eq!((bridge_b.stats().sent, bridge_b.stats().echoes), (0, 0));
    assert_eq!((bridge_c.stats().received, heard_by_c.len()), (0, 0));
}

#[test]
fn an_answer_on_the_same_topic_is_sent_and_ends_there() {
    let server = Server::start();
    let (a, heard_by_a) = listening();
    let _bridge_a = Bridge::to(server.url())
        .send(&TICK)
        .receive(&TICK)
        .start(&a)
        .unwrap();
    let (b, heard_by_b) = listening();
    let answering = b.downgrade();
    b.on(&TICK, move |tick| {
        if tick.id < 1_000 {
            answering
                .upgrade()
                .unwrap()
                .emit(&TICK, &Tick::new(1_000 + tick.id));
        }
    })
    .detach();
    let bridge_b = Bridge::to(server.url())
        .send(&TICK)
        .receive(&TICK)
        .start(&b)
        .unwrap();
    emit(&a, 0..100);
    heard_by_a.wait(200);
    heard_by_b.wait(200);
    until("all answers have come back", || {
        bridge_b.stats().echoes == 100
    });
    assert_eq!(
        (heard_by_a.len(), heard_by_b.len(), bridge_b.stats().sent),
        (200, 200, 100)
    );
    let answers: Vec<u64> = heard_by_a
        .all()
        .into_iter()
        .filter(|id| *id >= 1_000)
        .collect();
    assert_eq!(answers, (1_000..1_100).collect::<Vec<_>>());
}

#[test]
fn two_bridges_of_one_bus_carry_on_what_the_other_has_received() {
    let (first, second) = (Server::start(), Server::start());
    let here = Bus::new();
    let _sender = Bridge::to(first.url()).send(&TICK).start(&here).unwrap();
    let (middle, passing) = listening();
    let _in = Bridge::to(first.url())
        .receive(&TICK)
        .start(&middle)
        .unwrap();
    let _out = Bridge::to(second.url()).send(&TICK).start(&middle).unwrap();
    let (there, seen) = listening();
    let _receiver = Bridge::to(second.url())
        .receive(&TICK)
        .start(&there)
        .unwrap();
    emit(&here, 0..100);
    seen.wait_in_order(100);
    passing.wait_in_order(100);
}

#[test]
fn headers_cross() {
    let server = Server::start();
    let (there, seen) = listening();
    let got = Arc::new(Mutex::new(Headers::new()));
    let keep = got.clone();
    there
        .on(&TICK, move |_| *keep.lock().unwrap() = headers().unwrap())
        .detach();
    let _receiver = Bridge::to(server.url())
        .receive(&TICK)
        .start(&there)
        .unwrap();
    let bus = Bus::new();
    let route = Route::topic(&TICK).schema("tick.v2").headers(|headers| {
        assert!(headers.insert("traceparent", "00-1-2-01"));
        assert!(headers.insert("Umlaut", "grün"));
        // Not ours to set.
        headers.insert("Slotcast-Seq", "12");
        headers.insert("Nats-Msg-Id", "x");
    });
    let _sender = Bridge::to(server.url()).send(route).start(&bus).unwrap();
    emit(&bus, 0..1);
    seen.wait(1);
    let got = got.lock().unwrap().clone();
    assert_eq!(
        (got.get("traceparent"), got.get("umlaut")),
        (Some("00-1-2-01"), Some("grün"))
    );
    assert_eq!(
        (got.get("Slotcast-Seq"), got.get("Nats-Msg-Id")),
        (Some("0"), None)
    );
    assert_eq!(
        (got.get("Slotcast-Schema"), got.get("Content-Type")),
        (Some("tick.v2"), Some("application/json"))
    );
    assert_eq!(headers(), None);
}

#[test]
fn a_bus_with_a_context_is_reached_by_a_queue() {
    let server = Server::start();
    let there = Bus::<Vec<u64>>::with_context();
    there.on_with(&TICK, |all, tick| all.push(tick.id)).detach();
    let queue = Queue::<Vec<u64>>::with_context();
    let receiver = Bridge::to(server.url())
        .receive(Route::topic(&TICK).on_queue(&queue))
        .start(&there)
        .unwrap();
    let (here, _sender) = sending(&server, &TICK);
    emit(&here, 0..50);
    let mut all = Vec::new();
    until("all are drained", || {
        queue.drain_with(&mut all);
        all.len() == 50
    });
    assert_eq!(all, (0..50).collect::<Vec<_>>());
    until("all are counted", || receiver.stats().delivered == 50);
}

#[test]
fn it_runs_on_the_users_runtime_and_leaves_no_task_there() {
    let mut server = Server::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (there, seen) = listening();
    let receiver = Bridge::to(server.url())
        .receive(&TICK)
        .runtime(runtime.handle().clone())
        .start(&there)
        .unwrap();
    let here = Bus::new();
    let sender = Bridge::to(server.url())
        .send(&TICK)
        .runtime(runtime.handle().clone())
        .start(&here)
        .unwrap();
    emit(&here, 0..10);
    seen.wait_in_order(10);
    let tasks = runtime.metrics().num_alive_tasks();
    for _ in 0..5 {
        server.kill();
        until("both have noticed", || {
            !sender.state().is_connected() && !receiver.state().is_connected()
        });
        server.up();
        until("both are back", || {
            sender.state().is_connected() && receiver.state().is_connected()
        });
    }
    // No client of a former connection goes on.
    until("no more tasks than before", || {
        runtime.metrics().num_alive_tasks() <= tasks
    });
    let next = seen.len() as u64;
    until("it works", || {
        emit(&here, next..next + 1);
        seen.len() > 10
    });
    sender.stop(LONG);
    receiver.stop(LONG);
    until("no task is left", || {
        runtime.metrics().num_alive_tasks() == 0
    });
}
