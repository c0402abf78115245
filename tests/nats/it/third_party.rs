//! What others send and see: plain messages, plain headers.

use slotcast::{
    Bus,
    nats::{Bridge, Route},
};
use slotcast_nats::{Raw, Server, Tick, until};

use crate::common::{LONG, TICK, emit, listening, receiving, sending, stored, with_stream};

#[test]
fn a_plain_message_is_an_event() {
    let (server, raw) = with_stream();
    let (_core, seen_by_core, receiver) = receiving(&server, &TICK);
    let (_reading, seen_by_reader, _reader) = receiving(&server, stored().reader("r"));
    for id in 0..10 {
        raw.publish(
            "tick",
            format!(r#"{{ "id": {id}, "text": "by hand", "more": [1] }}"#),
        );
    }
    seen_by_core.wait_in_order(10);
    seen_by_reader.wait_in_order(10);
    assert_eq!(receiver.stats().lost, 0);
}

#[test]
fn ours_are_plain_messages() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let mut all = raw.subscribe("shop.>");
    let bus = Bus::new();
    let bridge = Bridge::to(server.url())
        .prefix("shop")
        .send(Route::topic(&TICK).schema("tick.v2"))
        .start(&bus)
        .unwrap();
    emit(&bus, 0..2);
    bridge.flush(LONG).unwrap();
    for number in 0..2 {
        let message = all.take();
        assert_eq!(message.subject, "shop.tick");
        assert_eq!(
            message.json::<serde_json::Value>(),
            serde_json::json!({ "id": number, "text": format!("tick {number}") })
        );
        let origin = message.header("Slotcast-Origin").unwrap();
        assert!(
            origin.len() == 32 && origin.bytes().all(|b| b.is_ascii_hexdigit()),
            "{origin}"
        );
        assert_eq!(message.header("Slotcast-Seq"), Some(&*number.to_string()));
        assert_eq!(message.header("Slotcast-Schema"), Some("tick.v2"));
        assert_eq!(message.header("Content-Type"), Some("application/json"));
        assert_eq!(message.header("Nats-Msg-Id"), None);
        assert_eq!(message.header("Slotcast-Cause"), None);
    }
}

#[test]
fn stored_ones_have_an_id() {
    let (server, raw) = with_stream();
    let (bus, bridge) = sending(&server, stored());
    emit(&bus, 0..3);
    bridge.flush(LONG).unwrap();
    let all = raw.read("S");
    for (number, message) in all.iter().enumerate() {
        let (origin, id) = (
            message.header("Slotcast-Origin").unwrap(),
            message.header("Nats-Msg-Id").unwrap(),
        );
        assert!(
            id.starts_with(&format!("{origin}-")) && id.ends_with(&format!("-{number}")),
            "{id}"
        );
        assert_eq!(message.header("Content-Type"), Some("application/json"));
    }
    // Others may send the same again: it is stored once.
    let headers: Vec<_> = all[0]
        .headers
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    raw.publish_with("tick", &headers, all[0].payload.clone());
    raw.publish("tick", serde_json::to_vec(&Tick::new(3)).unwrap());
    until("the next one is stored", || raw.count("S") >= 4);
    assert_eq!(raw.count("S"), 4);
}

#[test]
fn a_position_is_a_plain_number_that_can_be_set_from_outside() {
    let (server, raw) = with_stream();
    let (_bus, seen, reader) = receiving(&server, stored().reader("r"));
    for id in 0..10 {
        raw.publish("tick", serde_json::to_vec(&Tick::new(id)).unwrap());
    }
    seen.wait_in_order(10);
    reader.stop(LONG);
    // Back to what follows the message 7.
    raw.publish("slotcast.reader.S.r", "7");
    until("it is stored", || {
        raw.last("slotcast_readers", "slotcast.reader.S.r")
            .is_some_and(|m| m.payload == b"7")
    });
    let (_bus, seen, reader) = receiving(&server, stored().reader("r"));
    seen.wait(3);
    assert_eq!(seen.all(), [7, 8, 9]);
    reader.stop(LONG);
    // What is no number is as none.
    raw.publish("slotcast.reader.S.r", "seven");
    until("it is stored", || {
        raw.last("slotcast_readers", "slotcast.reader.S.r")
            .is_some_and(|m| m.payload == b"seven")
    });
    let (bus, seen) = listening();
    match Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&bus)
    {
        Ok(_reader) => seen.wait_in_order(10),
        Err(error) => assert!(
            matches!(error, slotcast::nats::StartError::JetStream { .. }),
            "{error:?}"
        ),
    }
}
