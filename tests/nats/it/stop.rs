//! Stopping, dropping, and what is left then.

use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use slotcast::{
    Bus,
    nats::{Bridge, FlushError, State, Stopped},
};
use slotcast_nats::{Raw, Server, Tick, until, wait_for};

use crate::common::{
    LONG, TICK, Told, bridge_error, emit, listening, receiving, sending, stored, stored_in_order,
    with_stream,
};

#[test]
fn a_stop_sends_what_waits_and_takes_nothing_more() {
    let (server, raw) = with_stream();
    let (bus, bridge) = sending(&server, stored().window(8));
    emit(&bus, 0..1_000);
    assert_eq!(bridge.stop(LONG), Stopped::default());
    stored_in_order(&raw, 1_000);
    assert_eq!(
        (bridge.state(), bridge.stop(Duration::ZERO)),
        (State::Stopped, Stopped::default())
    );
    assert_eq!(bridge.flush(LONG), Err(FlushError::Stopped));
    // The emission goes on without it.
    assert_eq!(bus.emit(&TICK, &Tick::new(1)).ran(), 0);
    assert_eq!(raw.count("S"), 1_000);
}

#[test]
fn what_is_being_written_is_left_until_it_is() {
    let server = Server::start();
    let (bus, bridge) = sending(&server, &TICK);
    // More than fits between the bridge and a server that reads nothing.
    server.freeze();
    for id in 0..60 {
        let text = "x".repeat(900_000);
        assert!(bus.emit(&TICK, &Tick { id, text }).errors().is_empty());
    }
    thread::sleep(Duration::from_millis(200));
    let left = match bridge.flush(Duration::ZERO) {
        Err(FlushError::TimedOut { left }) => left,
        other => panic!("{other:?}"),
    };
    assert_eq!(left as u64, bridge.stats().waiting);
    assert_eq!(bridge.stop(Duration::ZERO).unsent, left);
    server.thaw();
}

#[test]
fn a_dropped_bridge_tells_of_what_was_not_written_and_of_nothing_else() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let mut all = raw.subscribe("tick");
    let mut unsent = 0;
    for turn in 0..100 {
        let bus = Bus::new();
        let told = Told::by(&bus);
        let bridge = Bridge::to(server.url()).send(&TICK).start(&bus).unwrap();
        emit(&bus, turn..turn + 1);
        let is_taken = turn % 2 == 0;
        if is_taken {
            until("it is taken", || bridge.stats().sent == 1);
        }
        drop(bridge);
        let is_unsent = told.count("Unsent { unsent: 1 }");
        assert!(!is_taken || is_unsent == 0, "{turn}");
        unsent += is_unsent;
    }
    let sent = (unsent..100).map(|_| all.take()).count();
    assert_eq!(
        (sent + unsent, all.take_within(Duration::from_millis(50))),
        (100, None)
    );
}

#[test]
fn a_stop_says_what_is_left() {
    let (mut server, _raw) = with_stream();
    let bus = Bus::new();
    let told = Told::by(&bus);
    let bridge = Bridge::to(server.url()).send(stored()).start(&bus).unwrap();
    server.kill();
    until("it is disconnected", || !bridge.state().is_connected());
    emit(&bus, 0..30);
    let stopped = bridge.stop(Duration::from_millis(20));
    assert_eq!((stopped.unsent, stopped.unhandled), (30, 0));
    assert_eq!(bridge.stop(LONG), stopped);
    drop(bridge);

    // A drop tells the hook.
    server.up();
    let bridge = Bridge::to(server.url()).send(stored()).start(&bus).unwrap();
    server.kill();
    until("it is disconnected", || !bridge.state().is_connected());
    emit(&bus, 0..7);
    drop(bridge);
    told.wait("Unsent { unsent: 7 }");
}

#[test]
fn awaited_emissions_end_with_the_bridge() {
    let (mut server, _raw) = with_stream();
    let (bus, bridge) = sending(&server, stored());
    server.kill();
    until("it is disconnected", || !bridge.state().is_connected());
    let (done, is_done) = mpsc::channel();
    let waiting = thread::spawn({
        let bus = bus.clone();
        move || {
            let emission = wait_for(bus.emit_async(&TICK, Tick::new(0)));
            done.send(
                emission
                    .errors()
                    .iter()
                    .map(bridge_error)
                    .collect::<Vec<_>>(),
            )
            .unwrap();
        }
    });
    until("it waits", || bridge.stats().waiting == 1);
    bridge.stop(Duration::ZERO);
    assert_eq!(is_done.recv_timeout(LONG).unwrap(), ["Stopped"]);
    waiting.join().unwrap();
}

#[test]
fn emissions_that_wait_for_room_end_with_the_bridge() {
    let (mut server, _raw) = with_stream();
    let (bus, bridge) = sending(&server, stored().outbox(1, slotcast::Overflow::Block));
    server.kill();
    until("it is disconnected", || !bridge.state().is_connected());
    emit(&bus, 0..1);
    let (done, is_done) = mpsc::channel();
    for _ in 0..3 {
        let (bus, done) = (bus.clone(), done.clone());
        thread::spawn(move || {
            done.send(bus.emit(&TICK, &Tick::new(1)).errors().len())
                .unwrap()
        });
    }
    assert!(is_done.recv_timeout(Duration::from_millis(50)).is_err());
    drop(bridge);
    for _ in 0..3 {
        is_done.recv_timeout(LONG).unwrap();
    }
}

#[test]
fn a_handler_that_never_returns_is_not_waited_for() {
    let (server, raw) = with_stream();
    let bus = Bus::new();
    let (began, begun) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    let goes = Mutex::new(goes);
    bus.on(&TICK, move |_| {
        began.send(()).unwrap();
        let _ = goes.lock().unwrap().recv();
    })
    .detach();
    let bridge = Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&bus)
        .unwrap();
    for id in 0..5 {
        raw.publish("tick", serde_json::to_vec(&Tick::new(id)).unwrap());
    }
    begun.recv_timeout(LONG).unwrap();
    assert_eq!(bridge.stop(Duration::from_millis(50)), {
        let mut stopped = Stopped::default();
        stopped.unhandled = 1;
        stopped
    });
    // All of them come to the next one.
    let (_there, seen, _again) = receiving(&server, stored().reader("r"));
    seen.wait_in_order(5);
    go.send(()).unwrap();
}

#[test]
fn after_a_drop_no_handler_is_called_any_more() {
    let (server, raw) = with_stream();
    let (bus, seen) = listening();
    let (began, begun) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    let goes = Mutex::new(goes);
    bus.subscribe(&TICK)
        .priority(1)
        .on(move |_| {
            began.send(()).unwrap();
            let _ = goes.lock().unwrap().recv();
        })
        .detach();
    let bridge = Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&bus)
        .unwrap();
    for id in 0..5 {
        raw.publish("tick", serde_json::to_vec(&Tick::new(id)).unwrap());
    }
    begun.recv_timeout(LONG).unwrap();
    // It does not wait for the one that runs, which ends as any other.
    drop(bridge);
    assert!(seen.is_empty());
    drop(go);
    seen.wait(1);
    assert!(begun.recv_timeout(Duration::from_millis(100)).is_err());
    let (_there, rest, _again) = receiving(&server, stored().reader("r"));
    rest.wait_in_order(5);
    assert_eq!(seen.all(), [0]);
}

#[test]
fn a_handler_can_stop_its_bridge() {
    let (server, raw) = with_stream();
    for kind in ["core", "reader", "group"] {
        let bus = Bus::new();
        let own: Arc<Mutex<Option<Arc<Bridge>>>> = Arc::default();
        let (said, says) = mpsc::channel();
        let bridge = own.clone();
        bus.on(&TICK, move |_| {
            let bridge = bridge.lock().unwrap().take();
            if let Some(bridge) = bridge {
                let _ = bridge.flush(Duration::from_millis(1));
                let stopped = bridge.stop(LONG);
                let again = bridge.stop(LONG);
                // And the last handle goes here.
                drop(bridge);
                said.send((stopped, again)).unwrap();
            }
        })
        .detach();
        let to = Bridge::to(server.url());
        let started = match kind {
            "core" => to.receive(&TICK),
            "reader" => to.receive(stored().reader("stops")),
            _ => to.receive(stored().shared("stops")),
        }
        .start(&bus)
        .unwrap();
        *own.lock().unwrap() = Some(Arc::new(started));
        raw.publish("tick", r#"{"id":1,"text":""}"#);
        let (stopped, again) = says.recv_timeout(LONG).unwrap();
        assert_eq!((stopped.unhandled, again), (1, stopped), "{kind}");
    }
}

#[test]
fn a_hook_and_a_state_handler_can_stop_the_bridge() {
    let (mut server, _raw) = with_stream();
    let bus = Bus::new();
    let bridge = Arc::new(Bridge::to(server.url()).send(stored()).start(&bus).unwrap());
    let (said, says) = mpsc::channel();
    let own = Arc::downgrade(&bridge);
    let _sub = bridge.states().on(move |state| {
        if let (State::Disconnected { .. }, Some(bridge)) = (state, own.upgrade()) {
            said.send(bridge.stop(LONG)).unwrap();
        }
    });
    server.kill();
    says.recv_timeout(LONG).unwrap();
    assert_eq!(bridge.state(), State::Stopped);
}

#[test]
fn a_handler_and_another_thread_can_stop_it_at_once() {
    let (server, raw) = with_stream();
    let bus = Bus::new();
    let own: Arc<Mutex<Option<Arc<Bridge>>>> = Arc::default();
    let (began, begun) = mpsc::channel();
    let (done, is_done) = mpsc::channel();
    let bridge = own.clone();
    let ended = done.clone();
    bus.on(&TICK, move |_| {
        let bridge = bridge.lock().unwrap().clone().unwrap();
        began.send(()).unwrap();
        // The other thread is in it by then: if not, this shows nothing.
        thread::sleep(Duration::from_millis(100));
        bridge.stop(Duration::MAX);
        ended.send(()).unwrap();
    })
    .detach();
    let started = Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&bus)
        .unwrap();
    let started = Arc::new(started);
    *own.lock().unwrap() = Some(started.clone());
    raw.publish("tick", r#"{"id":1,"text":""}"#);
    begun.recv_timeout(LONG).unwrap();
    thread::spawn(move || {
        started.stop(Duration::MAX);
        done.send(()).unwrap();
    });
    for _ in 0..2 {
        is_done.recv_timeout(LONG / 2).unwrap();
    }
}

#[test]
fn a_state_handler_can_stop_what_is_being_stopped() {
    let (server, _raw) = with_stream();
    let bus = Bus::new();
    let bridge = Arc::new(Bridge::to(server.url()).send(stored()).start(&bus).unwrap());
    let (said, says) = mpsc::channel();
    let own = Arc::downgrade(&bridge);
    let _sub = bridge.states().on(move |state| {
        if let (State::Stopped, Some(bridge)) = (state, own.upgrade()) {
            said.send(bridge.stop(LONG)).unwrap();
        }
    });
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let _ = bridge.stop(LONG);
        done.send(()).unwrap();
        drop(bridge);
    });
    is_done.recv_timeout(LONG / 2).unwrap();
    says.recv_timeout(LONG).unwrap();
}

#[test]
fn a_bus_that_closes_does_not_hang_the_bridge() {
    let (server, raw) = with_stream();
    let (bus, seen) = listening();
    let bridge = Bridge::to(server.url())
        .send(stored())
        .receive(stored().reader("r"))
        .start(&bus)
        .unwrap();
    raw.publish("tick", r#"{"id":0,"text":""}"#);
    seen.wait(1);
    bus.close();
    raw.publish("tick", r#"{"id":1,"text":""}"#);
    bridge.stop(LONG);
    // What a closed bus did not take was not handled.
    let (_there, rest, _again) = receiving(&server, stored().reader("r"));
    rest.wait(1);
    assert_eq!(rest.all(), [1]);
}

#[test]
fn a_bridge_can_be_used_by_many_threads_while_it_is_stopped() {
    let (server, _raw) = with_stream();
    for _ in 0..20 {
        let (bus, _seen) = listening();
        let bridge = Bridge::to(server.url())
            .send(stored().outbox(16, slotcast::Overflow::Block))
            .receive(stored().reader("many"))
            .start(&bus)
            .unwrap();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for id in 0..100 {
                        bus.emit(&TICK, &Tick::new(id));
                        let _ = (bridge.state(), bridge.stats());
                    }
                });
                scope.spawn(|| {
                    while bridge.flush(Duration::from_millis(1)) != Err(FlushError::Stopped) {}
                });
            }
            scope.spawn(|| bridge.stop(Duration::from_millis(5)));
            scope.spawn(|| bridge.stop(LONG));
        });
        assert_eq!(bridge.state(), State::Stopped);
    }
}

#[test]
fn a_stop_says_what_the_server_does_not_know() {
    let (mut server, raw) = with_stream();
    let (bus, seen) = listening();
    let start = || {
        let route = stored().reader("r").note_every(Duration::MAX);
        Bridge::to(server.url()).receive(route)
    };
    let (first, second) = (start(), start());
    let reader = first.start(&bus).unwrap();
    for id in 0..5 {
        raw.publish("tick", serde_json::to_vec(&Tick::new(id)).unwrap());
    }
    seen.wait(5);
    server.kill();
    until("the server is down", || !reader.state().is_connected());
    let stopped = reader.stop(LONG);
    assert_eq!((stopped.unhandled, stopped.unnoted), (0, 5));
    server.up();
    let reader = second.start(&bus).unwrap();
    seen.wait(10);
    assert_eq!(seen.all(), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    assert_eq!(reader.stop(LONG).unnoted, 0);
}
