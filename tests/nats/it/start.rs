//! What a start refuses, and what it says then.

use std::time::Duration;

use slotcast::{
    Bus, Topic,
    nats::{Bridge, Route, StartError, Stored, StreamLimits},
};
use slotcast_nats::{Raw, Server, Tick};

use crate::common::{LONG, TICK, Told, emit, listening, receiving, sending, stored, with_stream};

/// Why it did not start. The bus has to be as it was.
#[track_caller]
fn refused(builder: slotcast::nats::BridgeBuilder, bus: &Bus) -> StartError {
    let error = builder.start(bus).expect_err("not started");
    assert_eq!(bus.emit(&Topic::<u8>::new("of.nobody"), &0).ran(), 0);
    error
}

#[test]
fn a_topic_of_the_servers_own_is_refused() {
    let bus = Bus::new();
    for name in ["$JS.API.STREAM.DELETE.S", "$SYS.x", "_INBOX.a.b", "_INBOX"] {
        let topic = Topic::<Tick>::named(name).unwrap();
        for builder in [
            Bridge::to("127.0.0.1").send(&topic),
            Bridge::to("127.0.0.1").receive(&topic),
        ] {
            let error = refused(builder, &bus);
            assert!(
                matches!(&error, StartError::Reserved { subject } if subject == name),
                "{error:?}"
            );
        }
    }
    let error = refused(Bridge::to("127.0.0.1").prefix("$SYS").send(&TICK), &bus);
    assert!(
        matches!(
            error,
            StartError::Reserved { .. } | StartError::Prefix { .. }
        ),
        "{error:?}"
    );
}

#[test]
fn a_name_by_pattern_of_the_servers_own_is_an_error_of_its_emission() {
    let server = Server::start();
    let (bus, bridge) = sending(&server, Route::matching::<u64>(">"));
    let raw = Raw::connect(&server.url());
    raw.stream("S", &["tick"]);
    let emission = bus.emit(&Topic::<u64>::named("$JS.API.STREAM.DELETE.S").unwrap(), &1);
    assert!(crate::common::bridge_error(&emission.errors()[0]).starts_with("Reserved"));
    bus.emit(&Topic::<u64>::named("other").unwrap(), &1);
    bridge.flush(LONG).unwrap();
    assert!(raw.has_stream("S"));
}

#[test]
fn another_payload_type_is_refused() {
    let server = Server::start();
    let bus = Bus::new();
    let _other = bus.on(&Topic::<String>::new("tick"), |_| ());
    for builder in [
        Bridge::to(server.url()).send(&TICK),
        Bridge::to(server.url()).receive(&TICK),
    ] {
        let StartError::WrongType(wrong) = refused(builder, &bus) else {
            panic!("not that error")
        };
        assert_eq!(wrong.topic(), "tick");
    }
}

#[test]
fn what_is_stored_needs_its_stream() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let bus = Bus::new();
    let to = || Bridge::to(server.url());
    for builder in [
        to().send(stored()),
        to().receive(stored().reader("r")),
        to().receive(stored().shared("g")),
    ] {
        let error = refused(builder, &bus);
        assert!(
            matches!(&error, StartError::NoStream { stream, subject } if stream == "S" && subject == "tick"),
            "{error:?}"
        );
    }
    raw.stream("S", &["tock", "other.*"]);
    for builder in [
        to().send(stored()),
        to().receive(stored().reader("r")),
        to().receive(stored().shared("g")),
        to().create_streams(StreamLimits::bytes(1_000))
            .send(stored()),
    ] {
        let error = refused(builder, &bus);
        let StartError::NotInStream {
            stream,
            subject,
            subjects,
        } = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!((&**stream, &**subject), ("S", "tick"));
        assert_eq!(subjects.len(), 2);
    }
    // A wildcard of the stream has what matches it.
    let _bridge = to()
        .send(Stored::in_stream("S").topic(&Topic::<u64>::new("other.x")))
        .start(&bus)
        .unwrap();
    assert!(raw.consumers("S").is_empty());
}

#[test]
fn a_server_without_jetstream_is_told_apart() {
    let server = Server::builder().without_jetstream().start();
    let bus = Bus::new();
    let error = refused(
        Bridge::to(server.url())
            .connect_timeout(Duration::from_secs(1))
            .send(stored()),
        &bus,
    );
    assert!(matches!(error, StartError::JetStream { .. }), "{error:?}");
    let _core = Bridge::to(server.url()).send(&TICK).start(&bus).unwrap();
}

#[test]
fn addresses_that_are_none_are_refused_without_their_passwords() {
    let bus = Bus::new();
    for address in [
        "",
        "http://a:1",
        "nats://a:99999",
        "nats://user:secret@",
        "a b",
        ",",
    ] {
        let error = refused(Bridge::to(address).send(&TICK), &bus);
        assert!(
            matches!(error, StartError::Address { .. }),
            "{address:?}: {error:?}"
        );
        assert!(!format!("{error:?} {error}").contains("secret"));
    }
}

#[test]
fn names_that_are_none_are_refused() {
    let bus = Bus::new();
    let to = || Bridge::to("127.0.0.1");
    for name in ["", "a.b", "a*", "a>", "a b", "a/b", "a\\b", "\t"] {
        for builder in [
            to().send(Stored::in_stream(name).topic(&TICK)),
            to().receive(stored().reader(name)),
            to().receive(stored().shared(name)),
        ] {
            let error = refused(builder, &bus);
            assert!(
                matches!(error, StartError::Name { .. }),
                "{name:?}: {error:?}"
            );
        }
    }
    for prefix in ["", ".", "a..b", "a.", "*", "a b", ">"] {
        let error = refused(to().prefix(prefix).send(&TICK), &bus);
        assert!(
            matches!(error, StartError::Prefix { .. }),
            "{prefix:?}: {error:?}"
        );
    }
}

#[test]
fn routes_that_would_carry_an_event_twice_are_refused() {
    let bus = Bus::new();
    let to = || Bridge::to("127.0.0.1");
    for builder in [
        to().send(&TICK).send(&TICK),
        to().send(&TICK).send(stored()),
        to().send(&TICK).send(Route::matching::<Tick>("*")),
        // Its own work would be given back to it, and nobody would do it; whatever way it is sent.
        to().send(stored()).receive(stored().shared("g")),
        to().send(&TICK).receive(stored().shared("g")),
        to().send(Route::matching::<Tick>("*"))
            .receive(stored().shared("g")),
        to().send(Stored::in_stream("T").topic(&TICK))
            .receive(Stored::in_stream("S").matching::<Tick>(">").shared("g")),
    ] {
        let error = refused(builder, &bus);
        assert!(matches!(error, StartError::Conflict { .. }), "{error:?}");
    }
}

#[test]
fn routes_of_one_reader_that_want_different_beginnings_are_refused() {
    let other: Topic<Tick> = Topic::new("tick.other");
    let bus = Bus::new();
    let both = || {
        [
            stored().reader("r"),
            Stored::in_stream("S").topic(&other).reader("r"),
        ]
    };
    for turn in [0, 1] {
        let [one, two] = both();
        let (one, two) = match turn {
            0 => (one.only_new(), two),
            _ => (one, two.only_new()),
        };
        let builder = Bridge::to("127.0.0.1")
            .prefix("p")
            .receive(one)
            .receive(two);
        match refused(builder, &bus) {
            StartError::Conflict {
                first,
                second,
                reason,
            } => {
                assert_eq!((&*first, &*second), ("tick", "tick.other"));
                assert!(reason.contains("only_new"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_closed_bus_is_refused() {
    let server = Server::start();
    let bus = Bus::new();
    bus.close();
    let error = Bridge::to(server.url())
        .send(&TICK)
        .start(&bus)
        .err()
        .unwrap();
    assert!(matches!(error, StartError::Closed), "{error:?}");
}

#[test]
fn credentials_are_in_no_text() {
    let server = Server::builder()
        .config("authorization { user: me, password: secret }")
        .start();
    let bus = Bus::new();
    let told = Told::by(&bus);
    let builder = Bridge::to(server.url())
        .user_and_password("me", "secret")
        .send(&TICK);
    assert!(!format!("{builder:?}").contains("secret"));
    let bridge = builder.start(&bus).unwrap();
    assert!(!format!("{bridge:?} {:?}", bridge.state()).contains("secret"));

    let wrong = Bridge::to(server.url())
        .user_and_password("me", "guessed")
        .receive(&TICK)
        .start(&bus);
    let error = wrong.err().unwrap();
    assert!(matches!(error, StartError::Refused { .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("guessed"));
    // An address is shown here and there, so there are none in it.
    let url = server.url().replace("nats://", "nats://me:secret@");
    let error = Bridge::to(url).receive(&TICK).start(&bus).err().unwrap();
    assert!(matches!(error, StartError::Address { .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("secret"));

    let (there, seen) = listening();
    let receiver = Bridge::to(server.url())
        .user_and_password("me", "secret")
        .receive(&TICK)
        .start(&there)
        .unwrap();
    emit(&bus, 0..10);
    seen.wait_in_order(10);
    assert!(!format!("{receiver:?} {:?}", receiver.state()).contains("secret"));
    drop(receiver);
    assert!(told.all().iter().all(|line| !line.contains("secret")));
}

#[test]
fn a_token_opens_and_a_wrong_one_does_not() {
    let server = Server::builder()
        .config("authorization { token: open-sesame }")
        .start();
    let bus = Bus::new();
    let _bridge = Bridge::to(server.url())
        .token("open-sesame")
        .send(&TICK)
        .start(&bus)
        .unwrap();
    let other = Bus::new();
    let error = Bridge::to(server.url())
        .token("close")
        .send(&TICK)
        .start(&other)
        .err()
        .unwrap();
    assert!(matches!(error, StartError::Refused { .. }), "{error:?}");
    let error = Bridge::to(server.url())
        .send(&TICK)
        .start(&other)
        .err()
        .unwrap();
    assert!(matches!(error, StartError::Refused { .. }), "{error:?}");
    let error = Bridge::to(server.url())
        .credentials_file("/nowhere/x.creds")
        .send(&TICK)
        .start(&other)
        .err()
        .unwrap();
    assert!(matches!(error, StartError::Credentials { .. }), "{error:?}");
    let error = Bridge::to(server.url())
        .nkey("SUNO")
        .send(&TICK)
        .start(&other)
        .err()
        .unwrap();
    assert!(matches!(error, StartError::Credentials { .. }), "{error:?}");
}

#[test]
fn a_start_that_fails_leaves_nothing_behind() {
    let (server, raw) = with_stream();
    let (bus, seen) = listening();
    let before = bus.emit(&TICK, &Tick::new(0)).ran();
    // The second route fails, when the first one is subscribed.
    let error = Bridge::to(server.url())
        .send(stored())
        .receive(
            Stored::in_stream("NONE")
                .topic(&Topic::<u64>::new("x"))
                .reader("r"),
        )
        .start(&bus)
        .err()
        .unwrap();
    assert!(matches!(error, StartError::NoStream { .. }), "{error:?}");
    assert_eq!((bus.emit(&TICK, &Tick::new(1)).ran(), before), (1, 1));
    assert_eq!((seen.len(), raw.count("S")), (2, 0));
}

#[test]
fn credentials_are_shown_nowhere_even_if_they_have_a_comma() {
    let bus = Bus::new();
    for address in [
        "nats://user:secret,ret@127.0.0.1:4222",
        "nats://user:12,secret@127.0.0.1:4222",
        "nats:user:secret@h",
        "nats://127.0.0.1:4222,nats://us er:secret/x@h",
        "tls://user:secret,ret@h",
    ] {
        let error = refused(Bridge::to(address).send(&TICK), &bus);
        assert!(
            matches!(error, StartError::Address { .. }),
            "{address:?}: {error:?}"
        );
        let shown = format!("{error:?} {error}");
        assert!(
            !shown.contains("secret") && !shown.contains("user"),
            "{shown}"
        );
    }
}

#[test]
#[cfg(unix)]
fn a_credentials_file_that_nobody_writes_holds_up_nothing() {
    let server = Server::start();
    let path = slotcast_nats::scratch().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let bus = Bus::new();
    let (done, is_done) = std::sync::mpsc::channel();
    let (url, pipe) = (server.url(), path.clone());
    std::thread::spawn(move || {
        let to = || {
            let to = Bridge::to(url.as_str()).send(&TICK).credentials_file(&pipe);
            to.connect_timeout(Duration::from_millis(200))
        };
        let error = to().start(&bus).expect_err("not started");
        assert!(matches!(error, StartError::Credentials { .. }), "{error:?}");
        drop(to().wait_for_server(false).start(&bus).unwrap());
        done.send(()).unwrap();
    });
    is_done.recv_timeout(LONG / 2).unwrap();
    // The threads that read it end.
    let both = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path);
    drop(both.unwrap());
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

#[test]
fn where_readers_have_stopped_is_no_event() {
    let (server, raw) = with_stream();
    let (_there, seen, reader) = receiving(&server, stored().reader("r"));
    let bus = Bus::new();
    let told = Told::by(&bus);
    let all = Bridge::to(server.url())
        .receive(Route::matching::<Tick>(">"))
        .start(&bus)
        .unwrap();
    raw.publish("tick", r#"{"id":0,"text":""}"#);
    seen.wait(1);
    reader.stop(LONG);
    // By the same connection as what the reader has said, and behind it.
    raw.publish("tick", r#"{"id":1,"text":""}"#);
    slotcast_nats::until("the last one has come", || all.stats().delivered >= 2);
    let cursor = bus.topics().iter().any(|it| it.starts_with("slotcast."));
    assert!(!cursor && told.all().is_empty(), "{:?}", told.all());
    let error = Bridge::to(server.url())
        .receive(&Topic::<Tick>::new("slotcast.reader.S.r"))
        .start(&bus);
    assert!(matches!(error, Err(StartError::Reserved { .. })));
}
