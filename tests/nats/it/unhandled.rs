//! Events by core NATS that no handler has had, because what should have taken them did not: told, and not counted as
//! delivered.

use slotcast::{
    Bus, Overflow, Queue,
    nats::{Bridge, Route},
};
use slotcast_nats::{Raw, Server, until};

use crate::common::{TICK, Told, listening};

/// Publishes some ticks, and waits until each of them is told and counted.
#[track_caller]
fn all_are_told(raw: &Raw, bridge: &Bridge, told: &Told, reason: &str) {
    for _ in 0..5 {
        raw.publish("tick", r#"{"id":1,"text":""}"#);
    }
    until("all are told", || told.count("GivenUp") == 5);
    assert_eq!(told.count(reason), 5, "{:?}", told.all());
    let stats = bridge.stats();
    assert_eq!((stats.received, stats.delivered, stats.dead), (5, 0, 5));
}

#[test]
fn what_a_full_queue_does_not_take_is_told() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let (bus, _seen) = listening();
    let told = Told::by(&bus);
    let queue = Queue::new().bounded(1, Overflow::Reject);
    queue.post(|| ()).unwrap();
    let bridge = Bridge::to(server.url())
        .receive(Route::topic(&TICK).on_queue(&queue))
        .start(&bus)
        .unwrap();
    all_are_told(&raw, &bridge, &told, "full");
}

#[test]
fn what_a_queue_gives_up_is_told() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let (bus, _seen) = listening();
    let told = Told::by(&bus);
    let queue = Queue::new().bounded(1, Overflow::DropOldest);
    let bridge = Bridge::to(server.url())
        .receive(Route::topic(&TICK).on_queue(&queue))
        .start(&bus)
        .unwrap();
    raw.publish("tick", r#"{"id":1,"text":""}"#);
    until("it is posted", || queue.len() == 1);
    assert_eq!(told.count("GivenUp"), 0);
    queue.post(|| ()).unwrap();
    told.wait("its queue has given the event up");
    let stats = bridge.stats();
    assert_eq!((stats.delivered, stats.dead), (0, 1));
}

#[test]
fn what_a_closed_topic_does_not_take_is_told() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let (bus, _seen) = listening();
    let told = Told::by(&bus);
    let bridge = Bridge::to(server.url()).receive(&TICK).start(&bus).unwrap();
    bus.signal(&TICK).close();
    all_are_told(&raw, &bridge, &told, "the signal is closed");
}

#[test]
fn what_a_closed_bus_does_not_take_is_told() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let (bus, _seen) = listening();
    let told = Told::by(&bus);
    let bridge = Bridge::to(server.url()).receive(&TICK).start(&bus).unwrap();
    bus.close();
    all_are_told(&raw, &bridge, &told, "the bus is closed");
}

#[test]
fn what_a_handler_fails_is_told_once() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let bus = Bus::new();
    let told = Told::by(&bus);
    bus.on(&TICK, |_| Err::<(), _>("no")).detach();
    let bridge = Bridge::to(server.url()).receive(&TICK).start(&bus).unwrap();
    raw.publish("tick", r#"{"id":1,"text":""}"#);
    until("it is delivered", || bridge.stats().delivered == 1);
    told.wait("no");
    bridge.stop(crate::common::LONG);
    assert_eq!(told.all().len(), 1, "{:?}", told.all());
}
