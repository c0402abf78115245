//! What waits while the server is down, and what becomes of what has no room.

use std::{sync::mpsc, thread, time::Duration};

use slotcast::{Bus, Overflow, nats::Bridge};
use slotcast_nats::{Raw, Server, Tick, until, wait_for};

use crate::common::{LONG, TICK, Told, bridge_error, emit, ids, sending, stored, with_stream};

fn disconnected(overflow: Overflow) -> (Server, Raw, Bus, Bridge) {
    let (mut server, raw) = with_stream();
    let (bus, bridge) = sending(&server, stored().outbox(10, overflow));
    server.kill();
    until("it is disconnected", || !bridge.state().is_connected());
    (server, raw, bus, bridge)
}

#[test]
fn a_full_outbox_that_blocks_waits_for_the_server() {
    let (mut server, raw, bus, bridge) = disconnected(Overflow::Block);
    emit(&bus, 0..10);
    let (done, is_done) = mpsc::channel();
    let waiting = thread::spawn({
        let bus = bus.clone();
        move || {
            emit(&bus, 10..30);
            done.send(()).unwrap();
        }
    });
    assert!(is_done.recv_timeout(Duration::from_millis(50)).is_err());
    server.up();
    is_done.recv_timeout(LONG).unwrap();
    waiting.join().unwrap();
    bridge.flush(LONG).unwrap();
    crate::common::stored_in_order(&raw, 30);
}

#[test]
fn a_full_outbox_that_rejects_is_the_emissions_error() {
    let (mut server, raw, bus, bridge) = disconnected(Overflow::Reject);
    emit(&bus, 0..10);
    for id in 10..15 {
        let emission = bus.emit(&TICK, &Tick::new(id));
        assert_eq!(bridge_error(&emission.errors()[0]), "Full { capacity: 10 }");
    }
    let emission = wait_for(bus.emit_async(&TICK, Tick::new(15)));
    assert_eq!(bridge_error(&emission.errors()[0]), "Full { capacity: 10 }");
    assert_eq!((bridge.stats().waiting, bridge.stats().refused), (10, 6));
    server.up();
    bridge.flush(LONG).unwrap();
    assert!(ids(&raw.read("S")).into_iter().eq(0..10));
    // The numbers have no gap.
    emit(&bus, 10..11);
    bridge.flush(LONG).unwrap();
    let all = raw.read("S");
    assert_eq!(
        (all.len(), all[10].header("Slotcast-Seq")),
        (11, Some("10"))
    );
}

#[test]
fn a_full_outbox_that_drops_the_oldest_keeps_the_newest() {
    let (mut server, raw, bus, bridge) = disconnected(Overflow::DropOldest);
    emit(&bus, 0..100);
    assert_eq!((bridge.stats().waiting, bridge.stats().dropped), (10, 90));
    server.up();
    bridge.flush(LONG).unwrap();
    assert!(ids(&raw.read("S")).into_iter().eq(90..100));
}

#[test]
fn a_full_outbox_that_drops_the_newest_keeps_the_oldest() {
    let (mut server, raw, bus, bridge) = disconnected(Overflow::DropNewest);
    emit(&bus, 0..100);
    assert_eq!((bridge.stats().waiting, bridge.stats().dropped), (10, 90));
    server.up();
    bridge.flush(LONG).unwrap();
    assert!(ids(&raw.read("S")).into_iter().eq(0..10));
}

#[test]
fn an_awaited_emission_that_is_dropped_from_the_outbox_ends() {
    let (_server, _raw, bus, bridge) = disconnected(Overflow::DropOldest);
    let told = Told::by(&bus);
    let (done, is_done) = mpsc::channel();
    let waiting = thread::spawn({
        let bus = bus.clone();
        move || {
            done.send(wait_for(bus.emit_async(&TICK, Tick::new(0))).errors().len())
                .unwrap()
        }
    });
    until("it is in the outbox", || bridge.stats().waiting == 1);
    emit(&bus, 1..11);
    // It was not stored, and says so.
    assert_eq!(is_done.recv_timeout(LONG).unwrap(), 1, "{:?}", told.all());
    waiting.join().unwrap();
}

#[test]
fn an_awaited_emission_waits_until_the_server_is_back() {
    let (mut server, raw, bus, _bridge) = disconnected(Overflow::Block);
    let (done, is_done) = mpsc::channel();
    let waiting = thread::spawn({
        let bus = bus.clone();
        move || {
            done.send(wait_for(bus.emit_async(&TICK, Tick::new(0))).errors().len())
                .unwrap()
        }
    });
    assert!(is_done.recv_timeout(Duration::from_millis(50)).is_err());
    server.up();
    assert_eq!(is_done.recv_timeout(LONG).unwrap(), 0);
    assert_eq!(raw.count("S"), 1);
    waiting.join().unwrap();
}

#[test]
fn an_emission_that_is_not_awaited_any_more_is_sent_all_the_same() {
    let (mut server, raw, bus, bridge) = disconnected(Overflow::Block);
    let mut future = Box::pin(bus.emit_async(&TICK, Tick::new(0)));
    wait_for(std::future::poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    }));
    drop(future);
    server.up();
    bridge.flush(LONG).unwrap();
    assert_eq!(raw.count("S"), 1);
}

#[test]
fn a_handler_of_the_bridge_that_fills_the_outbox_is_refused_instead_of_waiting_for_itself() {
    let (mut server, raw) = with_stream();
    raw.stream("IN", &["in"]);
    let topic: slotcast::Topic<Tick> = slotcast::Topic::new("in");
    let bus = Bus::new();
    let told = Told::by(&bus);
    let (began, begun) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    let goes = std::sync::Mutex::new(goes);
    let (sender, filled) = mpsc::channel();
    let out = bus.downgrade();
    bus.on(&topic, move |_| {
        began.send(()).unwrap();
        goes.lock().unwrap().recv().unwrap();
        let bus = out.upgrade().unwrap();
        let full = (0..20)
            .map(|id| bus.emit(&TICK, &Tick::new(id)))
            .filter(|e| !e.errors().is_empty())
            .count();
        sender.send(full).unwrap();
    })
    .detach();
    let bridge = Bridge::to(server.url())
        .send(stored().outbox(10, Overflow::Block))
        .receive(
            slotcast::nats::Stored::in_stream("IN")
                .topic(&topic)
                .reader("r"),
        )
        .start(&bus)
        .unwrap();
    raw.publish("in", r#"{"id":1,"text":""}"#);
    begun.recv_timeout(LONG).unwrap();
    server.kill();
    until("it is disconnected", || !bridge.state().is_connected());
    go.send(()).unwrap();
    assert_eq!(filled.recv_timeout(LONG).unwrap(), 10, "{:?}", told.all());
}

#[test]
fn an_awaited_core_emission_that_is_lost_with_the_connection_is_an_error() {
    let mut server = Server::start();
    let (bus, bridge) = sending(&server, &TICK);
    let sent = wait_for(bus.emit_async(&TICK, Tick::new(0)));
    assert!(sent.errors().is_empty(), "{:?}", sent.errors());
    // More than fits between the bridge and a server that reads nothing.
    server.freeze();
    let emissions: Vec<_> = (1..60)
        .map(|id| {
            let bus = bus.clone();
            let text = "x".repeat(900_000);
            thread::spawn(move || wait_for(bus.emit_async(&TICK, Tick { id, text })))
        })
        .collect();
    until("all are emitted", || bridge.stats().emitted == 60);
    thread::sleep(Duration::from_millis(200));
    server.kill();
    server.up();
    let ended = emissions.into_iter().map(|it| it.join().unwrap());
    let errors: Vec<_> = ended
        .filter_map(|it| it.errors().first().map(bridge_error))
        .collect();
    assert!(
        !errors.is_empty() && errors.iter().all(|it| it == "Lost"),
        "{errors:?}"
    );
}
