//! What nobody should send, and what becomes of the others.

use std::sync::{Arc, Mutex};

use slotcast::{
    BoxError, Bus, Topic,
    nats::{Bridge, Codec, DeadLetter, IntoReceive, Retries, Route, Stored},
};
use slotcast_nats::{Raw, Seen, Server, Tick, until, wait_for};

use crate::common::{
    LONG, TICK, Told, bridge_error, emit, ids, listening, receiving, stored, with_stream,
};

const DEAD: Topic<DeadLetter> = Topic::new("dead");

fn good(id: u64) -> Vec<u8> {
    serde_json::to_vec(&Tick::new(id)).unwrap()
}

#[test]
fn what_does_not_decode_is_told_and_the_next_one_comes() {
    let (server, raw) = with_stream();
    let (bus, seen) = listening();
    let told = Told::by(&bus);
    let bridge = Bridge::to(server.url()).receive(&TICK).start(&bus).unwrap();
    raw.publish("tick", "{\"id\":\u{7}no JSON".to_owned() + &"x".repeat(200));
    raw.publish("tick", "");
    raw.publish("tick", good(1));
    seen.wait(1);
    let line = told.wait("Undecodable");
    assert!(line.contains("\"tick\""), "{line}");
    // Its beginning, escaped, and no more of it.
    assert!(
        line.contains("no JSON") && !line.contains('\u{7}') && !line.contains(&"x".repeat(64)),
        "{line}"
    );
    assert_eq!(
        (bridge.stats().undecodable, bridge.stats().delivered),
        (2, 1)
    );
}

/// A stored one is a dead letter that was not tried, and is acknowledged.
fn a_dead_letter<K: Retries>(route: Route<Tick, K>)
where
    Route<Tick, K>: IntoReceive<()>,
{
    let (server, raw) = with_stream();
    let (bus, seen) = listening();
    let told = Told::by(&bus);
    let letters = Arc::new(Mutex::new(Vec::new()));
    let keep = letters.clone();
    bus.on(&DEAD, move |letter| {
        keep.lock().unwrap().push(letter.clone())
    })
    .detach();
    let bridge = Bridge::to(server.url())
        .receive(route.dead_letters(&DEAD))
        .start(&bus)
        .unwrap();
    raw.publish("tick", good(0));
    raw.publish_with("tick", &[("X", "y")], "no JSON");
    raw.publish("tick", good(1));
    seen.wait(2);
    until("there is a letter", || letters.lock().unwrap().len() == 1);
    let letter = letters.lock().unwrap()[0].clone();
    assert_eq!(
        (&*letter.topic, &*letter.bytes, letter.tries),
        ("tick", &b"no JSON"[..], 0)
    );
    assert_eq!(letter.headers.get("X"), Some("y"));
    told.wait("Undecodable");
    until("it is counted", || bridge.stats().undecodable == 1);
    bridge.stop(LONG);
    // It does not come again.
    drop(bridge);
    assert_eq!(letters.lock().unwrap().len(), 1);
}

#[test]
fn another_schema_is_not_decoded() {
    let (server, raw) = with_stream();
    let (bus, seen) = listening();
    let told = Told::by(&bus);
    let route = Route::topic(&TICK).schema("tick.v2");
    let bridge = Bridge::to(server.url()).receive(route).start(&bus).unwrap();
    raw.publish_with("tick", &[("Slotcast-Schema", "tick.v1")], good(0));
    raw.publish_with("tick", &[("Slotcast-Schema", "tick.v2")], good(1));
    // Without one it is taken.
    raw.publish("tick", good(2));
    seen.wait(2);
    assert_eq!(seen.all(), [1, 2]);
    let line = told.wait("Undecodable");
    assert!(line.contains("tick.v1"), "{line}");
    assert_eq!(bridge.stats().undecodable, 1);
}

#[test]
fn an_event_that_is_too_large_is_the_emissions_error() {
    let server = Server::builder().config("max_payload: 4096").start();
    let raw = Raw::connect(&server.url());
    raw.stream("S", &["tick"]);
    let core = Topic::<Tick>::new("core");
    let bus = Bus::new();
    let bridge = Bridge::to(server.url())
        .send(stored())
        .send(&core)
        .start(&bus)
        .unwrap();
    for topic in [&TICK, &core] {
        let large = Tick {
            id: 0,
            text: "x".repeat(5_000),
        };
        let said = bridge_error(&bus.emit(topic, &large).errors()[0]);
        assert!(
            said.starts_with("TooLarge { size: 5") && said.contains("limit: 4096"),
            "{said}"
        );
        let said = bridge_error(&wait_for(bus.emit_async(topic, large)).errors()[0]);
        assert!(said.starts_with("TooLarge"), "{said}");
        // Just below the limit without its headers, above it with them.
        for text in 3_700..4_200 {
            let emission = bus.emit(
                topic,
                &Tick {
                    id: 1,
                    text: "x".repeat(text),
                },
            );
            if let Some(error) = emission.errors().first() {
                assert!(bridge_error(error).starts_with("TooLarge"));
            }
        }
    }
    bridge.flush(LONG).unwrap();
    // No one was sent that the server does not take: it would have cut the connection.
    assert_eq!((bridge.stats().reconnects, bridge.stats().waiting), (0, 0));
    assert_eq!(raw.count("S"), bridge.stats().acked);
    let before = raw.count("S");
    emit(&bus, 2..3);
    bridge.flush(LONG).unwrap();
    assert_eq!(raw.count("S"), before + 1);
}

#[test]
fn a_server_that_takes_less_after_a_restart_loses_the_others_no_event() {
    let mut server = Server::builder().config("max_payload: 8192").start();
    let raw = Raw::connect(&server.url());
    raw.stream("S", &["tick"]);
    raw.stream("CORE", &["core"]);
    let core = Topic::<Tick>::new("core");
    let bus = Bus::new();
    let told = Told::by(&bus);
    let bridge = Bridge::to(server.url())
        .send(stored())
        .send(&core)
        .start(&bus)
        .unwrap();
    server.kill();
    until("it is disconnected", || !bridge.state().is_connected());
    for id in 0..10 {
        // The second one has too many bytes only with its headers.
        let text = "x".repeat(match id {
            5 => 6_000,
            7 => 4_000,
            _ => 10,
        });
        for topic in [&TICK, &core] {
            let text = text.clone();
            assert_eq!(bus.emit(topic, &Tick { id, text }).errors().len(), 0);
        }
    }
    server.reload("8192", "4096");
    server.up();
    bridge.flush(LONG).unwrap();
    for stream in ["S", "CORE"] {
        until("all are there", || raw.count(stream) == 8);
        assert_eq!(ids(&raw.read(stream)), [0, 1, 2, 3, 4, 6, 8, 9]);
    }
    let stats = bridge.stats();
    assert_eq!((stats.refused, stats.waiting, stats.reconnects), (4, 0, 1));
    assert_eq!(told.count("Refused"), 4, "{:?}", told.all());
}

#[test]
fn a_message_that_the_stream_does_not_take_is_refused_and_the_next_one_comes() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    raw.stream_with("S", &["tick"], |config| config.max_message_size = 1_000);
    let bus = Bus::new();
    let told = Told::by(&bus);
    let bridge = Bridge::to(server.url()).send(stored()).start(&bus).unwrap();
    emit(&bus, 0..3);
    bus.emit(
        &TICK,
        &Tick {
            id: 3,
            text: "x".repeat(2_000),
        },
    );
    emit(&bus, 4..6);
    bridge.flush(LONG).unwrap();
    told.wait("Refused");
    // What was under way behind it is in the stream twice, and each once for a reader.
    let (_there, seen, _reader) = receiving(&server, stored().reader("r"));
    until("the last one has come", || seen.all().contains(&5));
    assert_eq!(seen.all(), [0, 1, 2, 4, 5]);
    assert_eq!(
        (
            bridge.stats().refused,
            bridge.stats().acked,
            bridge.stats().waiting
        ),
        (1, 5, 0)
    );
    let emission = wait_for(bus.emit_async(
        &TICK,
        Tick {
            id: 6,
            text: "x".repeat(2_000),
        },
    ));
    assert_eq!(emission.errors().len(), 1, "{:?}", told.all());
    emit(&bus, 7..8);
    bridge.flush(LONG).unwrap();
    seen.wait(6);
    assert_eq!(seen.all(), [0, 1, 2, 4, 5, 7]);
}

/// The text of an event that is encoded too large.
const LARGE: &str = "large";

/// A codec that fails, or panics, both ways.
struct Moody;

impl Codec<Tick> for Moody {
    const CONTENT_TYPE: &'static str = "text/plain";

    fn encode(&self, event: &Tick, into: &mut Vec<u8>) -> Result<(), BoxError> {
        match event.id {
            1 => Err("not today".into()),
            2 => panic!("not at all"),
            5 if event.text == LARGE => {
                into.resize(5_000, b' ');
                Ok(())
            }
            id => {
                into.extend_from_slice(id.to_string().as_bytes());
                Ok(())
            }
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Tick, BoxError> {
        match std::str::from_utf8(bytes)?.parse()? {
            4 => panic!("not at all"),
            id => Ok(Tick::new(id)),
        }
    }
}

#[test]
fn a_codec_that_fails_costs_its_event_only() {
    let (server, raw) = with_stream();
    let here = slotcast::Bus::builder()
        .panics(slotcast::Panics::Contain)
        .build();
    let sender = Bridge::to(server.url())
        .send(stored().codec(Moody))
        .start(&here)
        .unwrap();
    let errors: Vec<usize> = (0..6)
        .map(|id| here.emit(&TICK, &Tick::new(id)).errors().len())
        .collect();
    assert_eq!(errors, [0, 1, 1, 0, 0, 0]);
    sender.flush(LONG).unwrap();
    let stats = sender.stats();
    assert_eq!((stats.emitted, stats.refused, stats.acked), (4, 2, 4));
    let all = raw.read("S");
    let texts: Vec<_> = all
        .iter()
        .map(|message| String::from_utf8(message.payload.clone()).unwrap())
        .collect();
    assert_eq!(texts, ["0", "3", "4", "5"]);
    assert_eq!(all[0].header("Content-Type"), Some("text/plain"));
    // Without gaps in the numbers.
    let numbers: Vec<_> = all
        .iter()
        .map(|message| message.header("Slotcast-Seq").unwrap())
        .collect();
    assert_eq!(numbers, ["0", "1", "2", "3"]);

    let (there, seen) = listening();
    let told = Told::by(&there);
    let reader = Bridge::to(server.url())
        .receive(stored().codec(Moody).reader("r"))
        .start(&there)
        .unwrap();
    seen.wait(3);
    assert_eq!(seen.all(), [0, 3, 5]);
    told.wait("Undecodable");
    assert_eq!(reader.stats().undecodable, 1);
}

#[test]
fn each_emission_that_is_refused_is_counted_once() {
    let server = Server::builder().config("max_payload: 4096").start();
    let raw = Raw::connect(&server.url());
    let mut all = raw.subscribe("*");
    let here = slotcast::Bus::builder()
        .panics(slotcast::Panics::Contain)
        .build();
    let calls = std::sync::atomic::AtomicU64::new(0);
    let route = Route::matching::<Tick>("*").codec(Moody).headers(move |_| {
        // The fourth time.
        assert_ne!(calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 3);
    });
    let bridge = Bridge::to(server.url()).send(route).start(&here).unwrap();
    let [good, reserved] = ["tick", "$tick"].map(|it| Topic::<Tick>::named(it).unwrap());
    let mut refused = 0;
    for (topic, id) in [
        (&good, 0),
        (&reserved, 0),
        // Its codec fails, and then it panics.
        (&good, 1),
        (&good, 2),
        // The closure for headers panics.
        (&good, 3),
        // It is too large.
        (&good, 5),
        (&good, 6),
    ] {
        let text = LARGE.to_owned();
        let errors = here.emit(topic, &Tick { id, text }).errors().len() as u64;
        assert!(errors <= 1, "{id}");
        refused += errors;
        assert_eq!(bridge.stats().refused, refused, "{id}");
    }
    bridge.flush(LONG).unwrap();
    let stats = bridge.stats();
    assert_eq!((refused, stats.emitted, stats.sent), (5, 2, 2));
    assert_eq!([all.take().payload, all.take().payload], [b"0", b"6"]);
}

#[test]
fn what_a_reader_cannot_decode_is_a_dead_letter() {
    a_dead_letter(stored().reader("r"));
}

#[test]
fn what_a_group_cannot_decode_is_a_dead_letter() {
    a_dead_letter(stored().shared("g"));
}

#[test]
fn a_name_that_the_bus_has_with_another_type_is_told() {
    let (server, raw) = with_stream();
    let bus = Bus::new();
    let told = Told::by(&bus);
    let seen = Seen::new();
    let all = seen.clone();
    bus.on(&Topic::<Tick>::new("tick.good"), move |tick| {
        all.push(tick.id)
    })
    .detach();
    let _other = bus.on(&Topic::<String>::new("tick.text"), |_| panic!("not called"));
    let _bridge = Bridge::to(server.url())
        .receive(
            Stored::in_stream("S")
                .matching::<Tick>("tick.*")
                .reader("r"),
        )
        .start(&bus)
        .unwrap();
    raw.publish("tick.text", good(0));
    raw.publish("tick.good", good(1));
    seen.wait(1);
    until("the other one is told of", || !told.all().is_empty());
}
