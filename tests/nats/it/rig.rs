//! Do the tools of these tests do what the tests believe?

use slotcast_nats::{Raw, Relay, Seen, Server, Tick, until};
use std::time::Duration;

#[test]
fn a_server_keeps_its_port_and_its_store() {
    let mut server = Server::start();
    let port = server.port();
    let raw = Raw::connect(&server.url());
    raw.stream("S", &["a.>"]);
    raw.publish("a.b", "one");
    until("it is stored", || raw.count("S") == 1);
    server.kill();
    server.up();
    server.terminate();
    server.up();
    assert_eq!(server.port(), port);
    raw.publish_with("a.c", &[("X", "y")], "two");
    until("both are stored", || raw.count("S") == 2);
    let all = raw.read("S");
    assert_eq!(
        (&*all[0].subject, &*all[0].payload, &*all[1].subject),
        ("a.b", &b"one"[..], "a.c")
    );
    assert_eq!(all[1].header("X"), Some("y"));
    assert_eq!(raw.last("S", "a.c").as_ref(), Some(&all[1]));
}

#[test]
fn a_relay_holds_back_and_delivers_late() {
    let server = Server::start();
    let relay = Relay::before(server.port());
    let (near, far) = (Raw::connect(&server.url()), Raw::connect(&relay.url()));
    let mut all = near.subscribe("a");
    far.publish("a", "1");
    assert_eq!(all.take().payload, b"1");
    assert_eq!((relay.accepted(), relay.open()), (1, 1));

    relay.hold();
    far.block_on(async {
        far.client()
            .publish("a", "2".into())
            .await
            .expect("a connection");
        far.client().flush().await.expect("a connection");
    });
    assert_eq!(all.take_within(Duration::from_millis(50)), None);
    // The client takes this for the end, and comes back by another connection.
    relay.half_close();
    until("a second connection", || {
        relay.accepted() == 2 && relay.open() == 2
    });
    far.publish("a", "3");
    assert_eq!(all.take().payload, b"3");
    relay.release();
    assert_eq!(all.take().payload, b"2");
    until("the first connection has ended", || relay.open() == 1);

    relay.cut();
    until("a third connection", || relay.accepted() == 3);
}

#[test]
fn what_is_wrong_with_numbers_is_seen() {
    let seen = Seen::new();
    [0, 1, 3, 2, 2, 5].into_iter().for_each(|id| seen.push(id));
    assert_eq!(
        seen.tell(6),
        "6 came of 6; 1 are missing, as [4]; 1 came more than once, as [2]; 2 came behind a later one"
    );
    let all = Seen::new();
    [0, 1, 2]
        .into_iter()
        .for_each(|id| all.push(Tick::new(id).id));
    all.wait_in_order(3);
    all.check_each_once(3);
}
