//! Limits that whoever administers the server has set for what a consumer is asked: they are kept, and a refusal is waited
//! out and told, not repeated all the time.

use std::{thread, time::Duration};

use slotcast_nats::{Raw, Seen, Server, Tick, until};

use slotcast::{
    Bus, Topic,
    nats::{Backoff, Bridge, DeadLetter},
};

use crate::common::{TICK, Told, listening, stored, with_stream};

fn publish(raw: &Raw, ids: std::ops::Range<u64>) {
    for id in ids {
        raw.publish("tick", serde_json::to_vec(&Tick::new(id)).unwrap());
    }
}

/// How often something is asked for in a second that nothing comes in.
fn requests_while_idle(server: &Server) -> usize {
    let listening = Raw::connect(&server.url());
    let mut all = listening.subscribe("$JS.API.CONSUMER.MSG.NEXT.>");
    thread::sleep(Duration::from_secs(1));
    let mut count = 0;
    while all.take_within(Duration::ZERO).is_some() {
        count += 1;
    }
    count
}

#[test]
fn a_group_keeps_to_the_limits_of_its_consumer() {
    let (server, raw) = with_stream();
    raw.make_consumer("S", "g", |config| {
        config.filter_subject = "tick".to_owned();
        config.max_batch = 2;
        config.max_expires = Duration::from_millis(5);
        config.max_waiting = 1;
    });
    let (bus, seen) = listening();
    let told = Told::by(&bus);
    let _member = Bridge::to(server.url())
        .receive(stored().shared("g"))
        .start(&bus)
        .unwrap();
    publish(&raw, 0..50);
    seen.wait(50);
    seen.check_each_once(50);
    until("all are acknowledged", || {
        raw.consumer("S", "g").num_ack_pending == 0
    });
    assert!(told.all().is_empty(), "{:?}", told.all());
    let requests = requests_while_idle(&server);
    assert!(requests <= 40, "{requests}");
}

#[test]
fn limits_that_are_set_later_are_kept_to() {
    let (server, raw) = with_stream();
    let (bus, seen) = listening();
    let told = Told::by(&bus);
    let _member = Bridge::to(server.url())
        .receive(stored().shared("g").in_flight(10))
        .start(&bus)
        .unwrap();
    publish(&raw, 0..1);
    seen.wait(1);
    let ack_wait = raw.consumer("S", "g").config.ack_wait;
    raw.make_consumer("S", "g", |config| {
        config.filter_subject = "tick".to_owned();
        config.ack_wait = ack_wait;
        config.max_ack_pending = 16_384;
        config.max_waiting = 512;
        config.max_batch = 1;
    });
    publish(&raw, 1..50);
    seen.wait(50);
    seen.check_each_once(50);
    until("it is told", || told.count("refuses to be asked") == 1);
    assert_eq!(told.all().len(), 1, "{:?}", told.all());
}

#[test]
fn a_consumer_that_refuses_is_asked_now_and_then() {
    let (server, raw) = with_stream();
    raw.make_consumer("S", "g", |config| {
        config.filter_subject = "tick".to_owned();
        config.max_waiting = 1;
    });
    let member = || {
        let (bus, seen) = listening();
        let told = Told::by(&bus);
        let bridge = Bridge::to(server.url())
            .receive(stored().shared("g"))
            .start(&bus)
            .unwrap();
        (bus, seen, told, bridge)
    };
    // The request of the first one is the only one that is kept.
    let (_one, seen, _told, _first) = member();
    until("it is asked", || raw.consumer("S", "g").num_waiting == 1);
    let (_other, others, told, _second) = member();
    told.wait("refuses to be asked");
    let requests = requests_while_idle(&server);
    assert!(requests <= 30, "{requests}");
    assert_eq!(told.all().len(), 1, "{:?}", told.all());
    publish(&raw, 0..50);
    until("all are handled", || seen.len() + others.len() == 50);
    until("all are acknowledged", || {
        raw.consumer("S", "g").num_ack_pending == 0
    });
}

#[test]
fn an_event_that_is_not_given_again_is_given_up() {
    const DEAD: Topic<DeadLetter> = Topic::new("dead");
    let (server, raw) = with_stream();
    raw.make_consumer("S", "g", |config| {
        config.filter_subject = "tick".to_owned();
        config.max_deliver = 2;
    });
    let bus = Bus::new();
    bus.on(&TICK, |_| Err::<(), _>("cannot do it")).detach();
    let letters = Seen::new();
    let all = letters.clone();
    bus.on(&DEAD, move |letter| all.push(u64::from(letter.tries)))
        .detach();
    let route = stored()
        .shared("g")
        .retry(Backoff::fixed(Duration::ZERO, 5))
        .dead_letters(&DEAD);
    let _member = Bridge::to(server.url()).receive(route).start(&bus).unwrap();
    publish(&raw, 0..1);
    letters.wait(1);
    assert_eq!(letters.all(), [2]);
}
