//! Two bridges on one bus: what one has received goes out by the other, and does not go in circles.

use std::{thread, time::Duration};

use slotcast::{
    Bus,
    nats::{Bridge, BridgeBuilder, Route},
};
use slotcast_nats::{Message, Raw, Seen, Server, Tick, until};

use crate::common::{LONG, TICK, Told, emit, listening, stored, with_stream};

/// Long enough for a circle to go round some times more.
const SHORT: Duration = Duration::from_millis(300);

fn both_ways(url: String) -> BridgeBuilder {
    Bridge::to(url).send(&TICK).receive(&TICK)
}

/// How many have come by now, and no more will.
#[track_caller]
fn come(what: &str, count: usize, seen: &Seen) {
    until(what, || seen.len() >= count);
    thread::sleep(SHORT);
    assert_eq!(seen.len(), count, "{what}");
}

/// Emits on the first of two buses that are joined by two bridges each, and checks what was heard.
fn two_ways(builders: [[BridgeBuilder; 2]; 2]) -> Vec<Bridge> {
    let [(one, of_one), (other, of_other)] = [listening(), listening()];
    let mut bridges = Vec::new();
    for (bus, builders) in [&one, &other].into_iter().zip(builders) {
        bridges.extend(builders.map(|it| it.start(bus).unwrap()));
    }
    emit(&one, 0..50);
    // By each of the two ways.
    come("the other bus has heard them", 100, &of_other);
    // And once back by each.
    come("the bus has heard them", 150, &of_one);
    assert_eq!(of_other.len(), 100);
    let sent: Vec<u64> = bridges.iter().map(|it| it.stats().sent).collect();
    assert_eq!(sent, [50; 4]);
    bridges
}

#[test]
fn two_prefixes_on_one_server_are_no_circle() {
    let server = Server::start();
    let of_bus = || ["x", "y"].map(|it| both_ways(server.url()).prefix(it));
    two_ways([of_bus(), of_bus()]);
}

#[test]
fn two_servers_are_no_circle() {
    let servers = [Server::start(), Server::start()];
    let of_bus = || [0, 1].map(|it: usize| both_ways(servers[it].url()));
    two_ways([of_bus(), of_bus()]);
}

#[test]
fn two_streams_are_no_circle() {
    let (server, raw) = with_stream();
    let (other, other_raw) = with_stream();
    let urls = [server.url(), other.url()];
    let of_bus = |reader: &str| {
        [0, 1].map(|it: usize| {
            Bridge::to(urls[it].clone())
                .send(stored())
                .receive(stored().reader(reader))
        })
    };
    let bridges = two_ways([of_bus("one"), of_bus("other")]);
    for bridge in &bridges {
        bridge.flush(LONG).unwrap();
    }
    assert_eq!((raw.count("S"), other_raw.count("S")), (100, 100));
}

/// A bus that receives from one server and sends to another.
fn gateway(from: &Server, to: &Server) -> (Bus, [Bridge; 2]) {
    let bus = Bus::new();
    let bridges = [
        Bridge::to(to.url()).send(&TICK).start(&bus).unwrap(),
        Bridge::to(from.url()).receive(&TICK).start(&bus).unwrap(),
    ];
    (bus, bridges)
}

fn origin(message: &Message) -> &str {
    message.header("Slotcast-Origin").expect("an origin")
}

#[test]
fn a_gateway_passes_events_on_and_says_where_they_have_been() {
    let servers = [Server::start(), Server::start(), Server::start()];
    let raws = [0, 1, 2].map(|it: usize| Raw::connect(&servers[it].url()));
    let [mut first, mut second, mut third] = [0, 1, 2].map(|it: usize| raws[it].subscribe("tick"));
    let _gateways = [
        gateway(&servers[0], &servers[1]),
        gateway(&servers[1], &servers[2]),
    ];
    let (end, seen) = listening();
    let _end = Bridge::to(servers[2].url())
        .receive(&TICK)
        .start(&end)
        .unwrap();
    let here = Bus::new();
    let _sender = Bridge::to(servers[0].url())
        .send(&TICK)
        .start(&here)
        .unwrap();
    emit(&here, 0..100);
    seen.wait_in_order(100);
    let [first, second, third] = [first.take(), second.take(), third.take()];
    // What was not passed on has nothing more.
    assert_eq!(first.header("Slotcast-Via"), None);
    assert_eq!(second.header("Slotcast-Via"), Some(origin(&first)));
    let both = format!("{},{}", origin(&first), origin(&second));
    assert_eq!(third.header("Slotcast-Via"), Some(&*both));
}

#[test]
fn what_a_handler_emits_because_of_an_event_is_a_new_one() {
    const ANSWER: slotcast::Topic<Tick> = slotcast::Topic::new("answer");
    let (server, other) = (Server::start(), Server::start());
    let (raw, other_raw) = (Raw::connect(&server.url()), Raw::connect(&other.url()));
    let mut answers = other_raw.subscribe("answer");
    let bus = Bus::new();
    let own = bus.downgrade();
    bus.on(&TICK, move |tick| {
        own.upgrade().unwrap().emit(&ANSWER, tick);
    })
    .detach();
    let _sends = Bridge::to(other.url()).send(&ANSWER).start(&bus).unwrap();
    let _receives = Bridge::to(server.url()).receive(&TICK).start(&bus).unwrap();
    let headers = [
        ("Slotcast-Origin", "abc"),
        ("Slotcast-Seq", "0"),
        ("Slotcast-Via", "x,y"),
    ];
    raw.publish_with("tick", &headers, r#"{"id":1,"text":""}"#);
    assert_eq!(answers.take().header("Slotcast-Via"), None);
}

#[test]
fn an_event_that_has_passed_too_many_is_not_passed_on() {
    let (server, other) = (Server::start(), Server::start());
    let (raw, other_raw) = (Raw::connect(&server.url()), Raw::connect(&other.url()));
    let mut passed = other_raw.subscribe("tick");
    let (bus, [sends, _receives]) = gateway(&server, &other);
    let (told, seen) = (Told::by(&bus), Seen::new());
    let all = seen.clone();
    bus.on(&TICK, move |tick| all.push(tick.id)).detach();
    let publish = |id: u64, via: &str| {
        let number = id.to_string();
        let headers = [
            ("Slotcast-Origin", "abc"),
            ("Slotcast-Seq", &*number),
            ("Slotcast-Via", via),
        ];
        raw.publish_with(
            "tick",
            &headers,
            serde_json::to_vec(&Tick::new(id)).unwrap(),
        );
    };
    let hops = |count: usize| vec!["x"; count].join(",");
    publish(0, &hops(16));
    publish(1, &hops(16));
    publish(2, &hops(15));
    // Of somebody who lies: as if it was not there.
    publish(3, &hops(5_000));
    publish(4, &"x".repeat(5_000));
    publish(5, "x y,,");
    seen.wait_in_order(6);
    told.wait("TooFar");
    assert_eq!(told.all().len(), 1, "{:?}", told.all());
    for (id, via) in [
        (2, format!("{},abc", hops(15))),
        (3, "abc".into()),
        (4, "abc".into()),
        (5, "abc".into()),
    ] {
        let message = passed.take();
        assert_eq!(
            (message.json::<Tick>().id, message.header("Slotcast-Via")),
            (id, Some(&*via))
        );
    }
    assert_eq!((sends.stats().sent, sends.stats().refused), (4, 2));
}

#[test]
fn an_echo_by_way_of_another_bridge_leaves_no_gap() {
    let (server, raw) = with_stream();
    let mut sent = raw.subscribe("tick.own");
    let bus = Bus::new();
    let own = slotcast::Topic::<Tick>::new("tick.own");
    let (seen, by_core) = (Seen::new(), Seen::new());
    let all = seen.clone();
    bus.on(&TICK, move |tick| all.push(tick.id)).detach();
    let core = slotcast::Topic::<Tick>::new("core");
    let all = by_core.clone();
    bus.on(&core, move |tick| all.push(tick.id)).detach();
    let bridge = Bridge::to(server.url())
        .send(Route::topic(&own))
        .receive(stored().reader("r"))
        .receive(&core)
        .start(&bus)
        .unwrap();
    bus.emit(&own, &Tick::new(0));
    let own = sent.take();
    let own = origin(&own);
    // Each second one is ours, by way of a bridge that numbers all.
    for id in 0..10_u64 {
        let (number, after) = (id.to_string(), id.saturating_sub(1).to_string());
        let mut headers = vec![("Slotcast-Origin", "abc"), ("Slotcast-Seq", &*number)];
        if id > 0 {
            headers.push(("Slotcast-After", &*after));
        }
        if id % 2 == 0 {
            headers.push(("Slotcast-Via", own));
        }
        let payload = serde_json::to_vec(&Tick::new(id)).unwrap();
        raw.publish_with("core", &headers, payload.clone());
        raw.publish_with("tick", &headers, payload);
    }
    seen.wait(5);
    by_core.wait(5);
    assert_eq!(
        (seen.all(), by_core.all()),
        (vec![1, 3, 5, 7, 9], vec![1, 3, 5, 7, 9])
    );
    let stats = bridge.stats();
    assert_eq!((stats.echoes, stats.lost, stats.duplicates), (10, 0, 0));
}
