//! Users who may not do everything, and who may not come in any more.

use std::time::Duration;

use slotcast::{
    Bus, Topic,
    nats::{Bridge, Stored},
};
use slotcast_nats::{Raw, Server, Tick, until};

use crate::common::{LONG, TICK, Told, emit, listening, stored, stored_in_order};

const FORBIDDEN: Topic<Tick> = Topic::new("forbidden");

/// Users: `admin` may do everything, `user` not with the subject `forbidden`.
fn with_users() -> (Server, Raw) {
    let users = r#"
accounts { A {
  jetstream: enabled
  users: [
    { user: admin, password: a }
    { user: user, password: u, permissions { publish { deny: "forbidden" }, subscribe { deny: "forbidden" } } }
  ]
} }"#;
    let server = Server::builder().config(users).start();
    let raw = Raw::connect_as(&server.url(), "admin", "a");
    raw.stream("S", &["tick"]);
    raw.stream("F", &["forbidden"]);
    (server, raw)
}

#[test]
fn a_core_subject_that_is_not_allowed_is_told_once_and_counted() {
    let (server, raw) = with_users();
    let mut all = raw.subscribe("tick");
    let bus = Bus::new();
    let told = Told::by(&bus);
    let bridge = Bridge::to(server.url())
        .user_and_password("user", "u")
        .send(&TICK)
        .send(&FORBIDDEN)
        .start(&bus)
        .unwrap();
    bus.emit(&FORBIDDEN, &Tick::new(0));
    told.wait("NoPermission");
    for id in 1..20 {
        bus.emit(&FORBIDDEN, &Tick::new(id));
    }
    bridge.flush(LONG).unwrap();
    until("they are counted", || bridge.stats().refused >= 19);
    // By the server, and from then on by each emission.
    assert_eq!(told.count("Permissions Violation"), 1, "{:?}", told.all());
    // The other one goes on.
    emit(&bus, 0..10);
    assert_eq!(all.take().subject, "tick");
    assert!(bridge.state().is_connected());
}

#[test]
fn a_core_subject_that_may_not_be_received_is_told() {
    let (server, raw) = with_users();
    let (bus, seen) = listening();
    let told = Told::by(&bus);
    let _bridge = Bridge::to(server.url())
        .user_and_password("user", "u")
        .receive(&FORBIDDEN)
        .receive(&TICK)
        .start(&bus)
        .unwrap();
    told.wait("NoPermission");
    raw.publish("forbidden", r#"{"id":1,"text":""}"#);
    raw.publish("tick", r#"{"id":2,"text":""}"#);
    seen.wait(1);
    assert_eq!(seen.all(), [2]);
    assert_eq!(told.count("NoPermission"), 1, "{:?}", told.all());
}

#[test]
fn a_stored_subject_that_is_not_allowed_is_refused_and_the_others_go_on() {
    let (server, raw) = with_users();
    let bus = Bus::new();
    let told = Told::by(&bus);
    let bridge = Bridge::to(server.url())
        .user_and_password("user", "u")
        .send(stored())
        .send(Stored::in_stream("F").topic(&FORBIDDEN))
        .start(&bus)
        .unwrap();
    bus.emit(&FORBIDDEN, &Tick::new(0));
    emit(&bus, 0..10);
    told.wait("NoPermission");
    bus.emit(&FORBIDDEN, &Tick::new(1));
    emit(&bus, 10..20);
    bridge.flush(LONG).unwrap();
    stored_in_order(&raw, 20);
    assert_eq!(
        (
            raw.count("F"),
            bridge.stats().waiting,
            bridge.stats().refused
        ),
        (0, 0, 2)
    );
}

/// A user who may not send two of a family of topics, and a stream of all of them.
fn with_a_family() -> (Server, Raw) {
    let users = r#"
accounts { A {
  jetstream: enabled
  users: [
    { user: admin, password: a }
    { user: user, password: u, permissions { publish { deny: ["o.x", "o.z"] } } }
  ]
} }"#;
    let server = Server::builder().config(users).start();
    let raw = Raw::connect_as(&server.url(), "admin", "a");
    raw.stream("O", &["o.*"]);
    (server, raw)
}

/// Sends that family, so many at a time.
fn sends_the_family(server: &Server, bus: &Bus, window: usize) -> Bridge {
    let route = Stored::in_stream("O").matching::<Tick>("o.*");
    Bridge::to(server.url())
        .user_and_password("user", "u")
        .send(route.window(window))
        .start(bus)
        .unwrap()
}

#[test]
fn what_waits_behind_an_event_that_is_not_allowed_is_sent() {
    let (server, raw) = with_a_family();
    let bus = Bus::new();
    let bridge = sends_the_family(&server, &bus, 1);
    let [x, y] = ["o.x", "o.y"].map(|it| Topic::<Tick>::named(it).unwrap());
    for (id, topic) in (0..).zip([&y, &x, &y]) {
        bus.emit(topic, &Tick::new(id));
    }
    // At once, although the server answers to nothing that would come next.
    bridge.flush(Duration::from_secs(3)).unwrap();
    assert_eq!((bridge.stats().acked, bridge.stats().refused), (2, 1));
    assert_eq!(crate::common::ids(&raw.read("O")), [0, 2]);
}

#[test]
fn what_is_not_allowed_of_a_pattern_does_not_stop_the_rest() {
    let (server, _raw) = with_a_family();
    let bus = Bus::new();
    let told = Told::by(&bus);
    let bridge = sends_the_family(&server, &bus, 1_024);
    let [x, y, z] = ["o.x", "o.y", "o.z"].map(|it| Topic::<Tick>::named(it).unwrap());
    bus.emit(&y, &Tick::new(0));
    bridge.flush(LONG).unwrap();
    for (id, topic) in (1..).zip([&x, &y, &z, &y]) {
        bus.emit(topic, &Tick::new(id));
    }
    // At once, and not when the server is found not to answer.
    bridge.flush(Duration::from_secs(3)).unwrap();
    until("both are told", || told.count("Refused {") == 2);
    assert_eq!(told.count("reason: \"\""), 0, "{:?}", told.all());
    assert_eq!((bridge.stats().acked, bridge.stats().refused), (3, 2));
    assert!(bridge.state().is_connected());
}

#[test]
fn an_awaited_emission_that_is_not_allowed_ends_with_an_error() {
    let (server, _raw) = with_users();
    let bus = Bus::new();
    let _bridge = Bridge::to(server.url())
        .user_and_password("user", "u")
        .send(Stored::in_stream("F").topic(&FORBIDDEN))
        .start(&bus)
        .unwrap();
    let emission = slotcast_nats::wait_for(bus.emit_async(&FORBIDDEN, Tick::new(0)));
    assert_eq!(emission.errors().len(), 1);
}

#[test]
fn credentials_that_are_not_taken_any_more_are_told_once_and_tried_again() {
    let mut server = Server::builder()
        .config("authorization { user: me, password: first }")
        .start();
    let raw = Raw::connect_as(&server.url(), "me", "first");
    raw.stream("S", &["tick"]);
    let bus = Bus::new();
    let told = Told::by(&bus);
    let bridge = Bridge::to(server.url())
        .user_and_password("me", "first")
        .send(stored())
        .start(&bus)
        .unwrap();
    emit(&bus, 0..10);
    bridge.flush(LONG).unwrap();
    server.kill();
    server.reload("first", "second");
    server.up();
    told.wait("Credentials");
    assert!(!bridge.state().is_connected());
    emit(&bus, 10..20);
    // It has been tried again, and is not told again.
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(told.count("Credentials"), 1, "{:?}", told.all());
    server.reload("second", "first");
    bridge.flush(LONG).unwrap();
    drop(raw);
    stored_in_order(&Raw::connect_as(&server.url(), "me", "first"), 20);
}

#[test]
fn an_account_that_has_no_room_is_waited_for() {
    let accounts = r#"
accounts { A {
  jetstream: { max_mem: 1M, max_file: 64K, max_streams: 2, max_consumers: 10 }
  users: [ { user: admin, password: a } ]
} }"#;
    let server = Server::builder().config(accounts).start();
    let raw = Raw::connect_as(&server.url(), "admin", "a");
    raw.stream("S", &["tick"]);
    let bus = Bus::new();
    let told = Told::by(&bus);
    let bridge = Bridge::to(server.url())
        .user_and_password("admin", "a")
        .send(stored().window(16))
        .start(&bus)
        .unwrap();
    emit(&bus, 0..2_000);
    told.wait("Holding");
    until("all were stored", || {
        raw.purge_to("S", raw.info("S").state.first_sequence + 100);
        bridge.stats().waiting == 0
    });
    assert_eq!(
        (bridge.stats().refused, bridge.stats().acked),
        (0, 2_000),
        "{:?}",
        told.all()
    );
}
