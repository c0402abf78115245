//! What is stored: in order, each once, and known to be there.

use std::{sync::Arc, time::Duration};

use slotcast::{
    Bus, Topic,
    nats::{Bridge, FlushError, State, Stored, StreamLimits},
};
use slotcast_nats::{Raw, Server, Tick, until, wait_for};

use crate::common::{LONG, TICK, emit, ids, sending, stored, stored_in_order, with_stream};

#[test]
fn an_awaited_emission_ends_when_it_is_stored() {
    let (server, raw) = with_stream();
    let (bus, bridge) = sending(&server, stored());
    for id in 0..20 {
        let emission = wait_for(bus.emit_async(&TICK, Tick::new(id)));
        assert_eq!((emission.ran(), emission.errors().len()), (1, 0));
        assert_eq!(raw.count("S"), id + 1);
    }
    let stats = bridge.stats();
    assert_eq!(
        (stats.emitted, stats.sent, stats.acked, stats.waiting),
        (20, 20, 20, 0)
    );
}

#[test]
fn the_stream_has_them_in_order_whatever_the_window() {
    let (server, raw) = with_stream();
    for window in [1, 2, 64, 1_024] {
        let bus = Bus::new();
        let bridge = Bridge::to(server.url())
            .send(stored().window(window))
            .start(&bus)
            .unwrap();
        emit(&bus, 0..3_000);
        bridge.flush(LONG).unwrap();
        assert_eq!(bridge.stats().acked, 3_000);
        stored_in_order(&raw, 3_000);
        raw.purge("S");
    }
}

#[test]
fn each_thread_finds_its_events_in_its_order() {
    let (server, raw) = with_stream();
    let (bus, bridge) = sending(&server, stored());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let bus = &bus;
            scope.spawn(move || emit(bus, thread * 10_000..thread * 10_000 + 1_000));
        }
    });
    bridge.flush(LONG).unwrap();
    let all = ids(&raw.read("S"));
    assert_eq!(all.len(), 4_000);
    for thread in 0..4 {
        let own = all.iter().copied().filter(|id| id / 10_000 == thread);
        assert!(
            own.eq(thread * 10_000..thread * 10_000 + 1_000),
            "of thread {thread}"
        );
    }
    // The numbers of the bridge are those of the stream's order.
    let numbers: Vec<u64> = raw
        .read("S")
        .iter()
        .map(|message| message.header("Slotcast-Seq").unwrap().parse().unwrap())
        .collect();
    assert!(numbers.into_iter().eq(0..4_000));
}

#[test]
fn events_of_two_topics_have_ids_of_their_own() {
    let (server, raw) = with_stream();
    let other: Topic<Tick> = Topic::new("tick.other");
    let bus = Bus::new();
    let bridge = Bridge::to(server.url())
        .send(stored())
        .send(Stored::in_stream("S").topic(&other))
        .start(&bus)
        .unwrap();
    for id in 0..100 {
        bus.emit(&TICK, &Tick::new(id));
        bus.emit(&other, &Tick::new(id));
    }
    bridge.flush(LONG).unwrap();
    let all = raw.read("S");
    for subject in ["tick", "tick.other"] {
        let own: Vec<_> = all
            .iter()
            .filter(|message| message.subject == subject)
            .cloned()
            .collect();
        assert!(ids(&own).into_iter().eq(0..100), "of {subject}");
    }
}

#[test]
fn a_family_of_topics_is_stored_in_one_order() {
    let (server, raw) = with_stream();
    let (bus, bridge) = sending(&server, Stored::in_stream("S").matching::<Tick>("tick.*"));
    for id in 0..300 {
        bus.emit(
            &Topic::<Tick>::named(format!("tick.{}", id % 7)).unwrap(),
            &Tick::new(id),
        );
    }
    bridge.flush(LONG).unwrap();
    let all = raw.read("S");
    assert!(ids(&all).into_iter().eq(0..300));
    assert_eq!(all[10].subject, "tick.3");
}

#[test]
fn a_flush_says_what_is_left() {
    let (mut server, raw) = with_stream();
    let (bus, bridge) = sending(&server, stored());
    bridge.flush(Duration::ZERO).unwrap();
    emit(&bus, 0..10);
    bridge.flush(LONG).unwrap();
    server.kill();
    until("it is disconnected", || !bridge.state().is_connected());
    emit(&bus, 10..30);
    assert_eq!(
        bridge.flush(Duration::ZERO),
        Err(FlushError::TimedOut { left: 20 })
    );
    assert_eq!(
        bridge.flush(Duration::from_millis(20)),
        Err(FlushError::TimedOut { left: 20 })
    );
    assert_eq!(bridge.stats().waiting, 20);
    server.up();
    bridge.flush(LONG).unwrap();
    stored_in_order(&raw, 30);
}

#[test]
fn a_flush_waits_for_what_was_before_and_not_for_what_follows() {
    let (server, _raw) = with_stream();
    let bus = Arc::new(Bus::new());
    let bridge = Bridge::to(server.url()).send(stored()).start(&bus).unwrap();
    let going = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let emitting = std::thread::spawn({
        let (bus, going) = (bus.clone(), going.clone());
        move || {
            let mut id = 0;
            while going.load(std::sync::atomic::Ordering::SeqCst) {
                emit(&bus, id..id + 1);
                id += 1;
            }
        }
    });
    until("something is emitted", || bridge.stats().emitted > 100);
    // It would not end if it waited for what is emitted meanwhile.
    for _ in 0..5 {
        let before = bridge.stats().emitted;
        bridge.flush(LONG).unwrap();
        assert!(bridge.stats().acked >= before);
    }
    going.store(false, std::sync::atomic::Ordering::SeqCst);
    emitting.join().unwrap();
}

#[test]
fn streams_are_made_with_their_limits() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let bus = Bus::new();
    let limits = StreamLimits::bytes(1_000_000)
        .events(50)
        .age(LONG)
        .duplicates(Duration::from_secs(30))
        .refuse_new();
    let bridge = Bridge::to(server.url())
        .create_streams(limits)
        .prefix("shop")
        .send(Stored::in_stream("MADE").topic(&TICK))
        .send(Stored::in_stream("MADE").matching::<u64>("order.*"))
        .start(&bus)
        .unwrap();
    let mut config = raw.info("MADE").config;
    config.subjects.sort();
    assert_eq!(config.subjects, ["shop.order.*", "shop.tick"]);
    assert_eq!(
        (config.max_bytes, config.max_messages, config.max_age),
        (1_000_000, 50, LONG)
    );
    assert_eq!(config.duplicate_window, Duration::from_secs(30));
    assert_eq!(
        config.discard,
        async_nats::jetstream::stream::DiscardPolicy::New
    );
    assert_eq!(
        config.storage,
        async_nats::jetstream::stream::StorageType::File
    );
    emit(&bus, 0..10);
    bridge.flush(LONG).unwrap();
    bridge.stop(LONG);

    // It is taken as it is from then on.
    let again = Bridge::to(server.url())
        .create_streams(StreamLimits::bytes(5))
        .prefix("shop")
        .send(Stored::in_stream("MADE").topic(&TICK))
        .start(&bus)
        .unwrap();
    emit(&bus, 10..11);
    again.flush(LONG).unwrap();
    assert_eq!(
        (raw.count("MADE"), raw.info("MADE").config.max_bytes),
        (11, 1_000_000)
    );
}

#[test]
fn a_stream_that_is_full_is_waited_for() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    raw.stream_with("S", &["tick"], |config| {
        config.max_messages = 100;
        config.discard = async_nats::jetstream::stream::DiscardPolicy::New;
    });
    let (there, seen) = crate::common::listening();
    let route = stored().reader("r").note_every(Duration::from_millis(5));
    let _reader = Bridge::to(server.url())
        .receive(route)
        .start(&there)
        .unwrap();
    let bus = Bus::new();
    let told = crate::common::Told::by(&bus);
    let bridge = Bridge::to(server.url())
        .send(stored().window(16))
        .start(&bus)
        .unwrap();
    emit(&bus, 0..1_000);
    told.wait("Holding");
    until("the state says it", || {
        matches!(bridge.state(), State::Holding { .. })
    });
    assert!(bridge.state().is_connected());
    seen.wait_in_order(100);
    // What the reader has noted is removed, and what is refused meanwhile, while later ones are taken, has its place.
    let noted = || {
        raw.last("slotcast_readers", "slotcast.reader.S.r")
            .map(|noted| noted.payload)
    };
    until("all have come", || {
        if let Some(noted) = noted() {
            raw.purge_to("S", String::from_utf8(noted).unwrap().parse().unwrap());
        }
        seen.len() >= 1_000
    });
    seen.check_in_order(1_000);
    bridge.flush(LONG).unwrap();
    assert_eq!((bridge.stats().acked, bridge.stats().waiting), (1_000, 0));
    until("the state says that it is over", || {
        bridge.state() == State::Connected
    });
}
