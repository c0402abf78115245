//! Headers of somebody who lies, or has never heard of us.

use slotcast::nats::Bridge;
use slotcast_nats::{Raw, Seen, Tick, until};

use crate::common::{LONG, TICK, Told, emit, listening, receiving, stored, with_stream};

fn publish(raw: &Raw, id: u64, headers: &[(&str, &str)]) {
    raw.publish_with("tick", headers, serde_json::to_vec(&Tick::new(id)).unwrap());
}

const ORIGIN: &str = "00112233445566778899aabbccddeeff";

/// Publishes such messages, and returns what has come of them: the last is `end`, which each kind of route has to get.
#[track_caller]
fn all_of(what: impl Fn(&Raw)) -> [Vec<u64>; 3] {
    let (server, raw) = with_stream();
    let buses = [listening(), listening(), listening()];
    let _core = Bridge::to(server.url())
        .receive(&TICK)
        .start(&buses[0].0)
        .unwrap();
    let _reader = Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&buses[1].0)
        .unwrap();
    let _group = Bridge::to(server.url())
        .receive(stored().shared("g"))
        .start(&buses[2].0)
        .unwrap();
    what(&raw);
    publish(&raw, 999, &[]);
    // And a bridge that tells the truth is heard.
    let here = slotcast::Bus::new();
    let _honest = Bridge::to(server.url())
        .send(stored())
        .start(&here)
        .unwrap();
    emit(&here, 1_000..1_010);
    buses.map(|(_, seen)| {
        until("all have come", || {
            (999..1_010).all(|id| seen.all().contains(&id))
        });
        let mut all: Vec<u64> = seen.all().into_iter().filter(|id| *id < 999).collect();
        all.sort_unstable();
        all
    })
}

#[test]
fn messages_without_our_headers_are_taken() {
    let got = all_of(|raw| (0..20).for_each(|id| publish(raw, id, &[("X", "y")])));
    for all in got {
        assert_eq!(all, (0..20).collect::<Vec<_>>());
    }
}

#[test]
fn numbers_that_are_none_are_taken_for_no_numbers() {
    let numbers = [
        "",
        "x",
        "-1",
        "99999999999999999999999",
        "0x1",
        "1.5",
        "1 2",
        "18446744073709551615",
    ];
    let got = all_of(|raw| {
        for (id, number) in (0..).zip(numbers) {
            publish(
                raw,
                id,
                &[("Slotcast-Origin", ORIGIN), ("Slotcast-Seq", number)],
            );
        }
    });
    // The last one is a number: it skips its origin's numbers, and there are none after it.
    for all in got {
        assert_eq!(all, (0..8).collect::<Vec<_>>());
    }
}

#[test]
fn origins_may_be_of_any_length_and_missing() {
    let long = "x".repeat(10_000);
    let got = all_of(|raw| {
        publish(raw, 0, &[("Slotcast-Origin", "")]);
        publish(raw, 1, &[("Slotcast-Origin", &long), ("Slotcast-Seq", "0")]);
        publish(
            raw,
            2,
            &[("Slotcast-Origin", "a b\u{fc}"), ("Slotcast-Seq", "0")],
        );
        publish(raw, 3, &[("Slotcast-Seq", "0")]);
        publish(raw, 4, &[("Slotcast-Seq", "0")]);
        publish(
            raw,
            5,
            &[("Slotcast-Cause", "no cause"), ("Slotcast-Schema", "")],
        );
        publish(
            raw,
            6,
            &[
                ("Slotcast-Cause", "ffffff-ffffffffff"),
                ("Content-Type", "image/png"),
            ],
        );
    });
    for all in got {
        assert_eq!(all, (0..7).collect::<Vec<_>>());
    }
}

#[test]
fn a_number_that_has_come_is_a_duplicate_of_its_origin_only() {
    let (server, raw) = with_stream();
    let (_bus, seen, reader) = receiving(&server, stored().reader("r"));
    let other = "ff112233445566778899aabbccddeeff";
    for (id, origin, number) in [
        (0, ORIGIN, "0"),
        (1, ORIGIN, "1"),
        (90, ORIGIN, "0"),
        (2, other, "0"),
        (91, ORIGIN, "1"),
        (3, ORIGIN, "2"),
    ] {
        publish(
            &raw,
            id,
            &[("Slotcast-Origin", origin), ("Slotcast-Seq", number)],
        );
    }
    publish(&raw, 4, &[]);
    seen.wait_in_order(5);
    assert_eq!(reader.stats().duplicates, 2);
}

#[test]
fn ids_of_other_publishers_are_compared() {
    let (server, raw) = with_stream();
    // The server itself drops the second, in its window; behind that, the bridge has to.
    raw.stream_with("SHORT", &["short"], |config| {
        config.duplicate_window = std::time::Duration::from_millis(100);
    });
    let (bus, seen) = listening();
    let topic = slotcast::Topic::<Tick>::new("short");
    let all = seen.clone();
    bus.on(&topic, move |tick| all.push(tick.id)).detach();
    let reader = Bridge::to(server.url())
        .receive(
            slotcast::nats::Stored::in_stream("SHORT")
                .topic(&topic)
                .reader("r"),
        )
        .start(&bus)
        .unwrap();
    let send = |id: u64| {
        let payload = serde_json::to_vec(&Tick::new(id)).unwrap();
        raw.publish_with("short", &[("Nats-Msg-Id", "order-17")], payload);
    };
    send(0);
    seen.wait(1);
    until("the server has forgotten it", || {
        send(1);
        raw.count("SHORT") > 1
    });
    raw.publish("short", serde_json::to_vec(&Tick::new(2)).unwrap());
    until("the last one has come", || seen.all().last() == Some(&2));
    assert_eq!(seen.all(), [0, 2]);
    assert!(reader.stats().duplicates >= 1);
}

#[test]
fn a_thousand_origins_are_forgotten_and_not_confused() {
    let (server, raw) = with_stream();
    let (bus, seen) = listening();
    let told = Told::by(&bus);
    let reader = Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&bus)
        .unwrap();
    raw.block_on(async {
        for id in 0..3_000_u64 {
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("Slotcast-Origin", format!("{id:032x}"));
            headers.insert("Slotcast-Seq", "7");
            let payload = serde_json::to_vec(&Tick::new(id)).unwrap();
            raw.client()
                .publish_with_headers("tick", headers, payload.into())
                .await
                .unwrap();
        }
        raw.client().flush().await.unwrap();
    });
    seen.wait_in_order(3_000);
    let here = slotcast::Bus::new();
    let sender = Bridge::to(server.url())
        .send(stored())
        .start(&here)
        .unwrap();
    emit(&here, 3_000..3_100);
    sender.flush(LONG).unwrap();
    seen.wait_in_order(3_100);
    assert_eq!(reader.stats().duplicates, 0, "{:?}", told.all());
}

#[test]
fn a_core_event_that_comes_late_is_not_lost() {
    let (server, raw) = with_stream();
    let (_bus, seen, receiver) = receiving(&server, &TICK);
    // What was before the first one was never counted.
    let all = [
        ("5", 0),
        ("4", 0),
        ("8", 2),
        ("6", 1),
        ("6", 1),
        ("7", 0),
        ("9", 0),
    ];
    for (id, (number, lost)) in (0..).zip(all) {
        let headers = [("Slotcast-Origin", ORIGIN), ("Slotcast-Seq", number)];
        publish(&raw, id, &headers);
        until("it has come", || receiver.stats().received == id + 1);
        until("it is counted", || receiver.stats().lost == lost);
    }
    seen.wait(6);
    assert_eq!(seen.all(), [0, 1, 2, 3, 5, 6]);
    assert_eq!(receiver.stats().duplicates, 1);
}

#[test]
fn a_core_origin_that_jumps_does_not_stop_the_count() {
    let (server, raw) = with_stream();
    let (_bus, seen, receiver) = receiving(&server, &TICK);
    let numbers = ["5", "18446744073709551615", "0", "7"];
    for (id, number) in (0..).zip(numbers) {
        publish(
            &raw,
            id,
            &[("Slotcast-Origin", ORIGIN), ("Slotcast-Seq", number)],
        );
    }
    publish(&raw, 9, &[]);
    until("the last one has come", || seen.all().last() == Some(&9));
    let _ = (receiver.stats(), Seen::new());
}
