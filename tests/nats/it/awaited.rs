//! Emissions that are awaited where the bridge tells something: in hooks, and in handlers of its states.

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver},
    },
    task::{Context, Wake, Waker},
    thread,
};

use slotcast::{
    Bus, Topic,
    nats::{Bridge, FlushError, State},
};
use slotcast_nats::{Raw, Server, Tick, until, wait_for};

use crate::common::{LONG, TICK, sending, stored, with_stream};

const BAD: Topic<Tick> = Topic::new("bad");

/// Awaits an emission in the error hook of this bus whenever the hook is called, and says how many errors it had.
fn awaits_in_hook(bus: &Bus) -> Receiver<usize> {
    let (done, is_done) = mpsc::channel();
    let weak = bus.downgrade();
    bus.set_error_hook(move |_| {
        let Some(bus) = weak.upgrade() else { return };
        let emission = wait_for(bus.emit_async(&TICK, Tick::new(0)));
        let _ = done.send(emission.errors().len());
    });
    is_done
}

#[test]
fn an_emission_can_be_awaited_in_the_error_hook() {
    let (server, raw) = with_stream();
    for is_stored in [true, false] {
        let bus = Bus::new();
        let is_done = awaits_in_hook(&bus);
        let to = Bridge::to(server.url()).receive(&BAD);
        let to = if is_stored {
            to.send(stored())
        } else {
            to.send(&TICK)
        };
        let _bridge = to.start(&bus).unwrap();
        raw.publish("bad", "no tick");
        assert_eq!(is_done.recv_timeout(LONG / 2), Ok(0));
    }
    assert_eq!(raw.count("S"), 2);
}

#[test]
fn an_emission_can_be_awaited_in_the_hook_for_what_is_unhandled() {
    let (server, raw) = with_stream();
    let (done, is_done) = mpsc::channel();
    let bus = Bus::new();
    let weak = bus.downgrade();
    bus.set_unhandled_hook(move |event| {
        let (Some(bus), true) = (weak.upgrade(), event.topic() == "bad") else {
            return;
        };
        let emission = wait_for(bus.emit_async(&TICK, Tick::new(0)));
        let _ = done.send(emission.errors().len());
    });
    let _bridge = Bridge::to(server.url())
        .receive(&BAD)
        .send(stored())
        .start(&bus)
        .unwrap();
    raw.publish("bad", r#"{"id":1,"text":""}"#);
    assert_eq!(is_done.recv_timeout(LONG / 2), Ok(0));
    assert_eq!(raw.count("S"), 1);
}

#[test]
fn an_emission_can_be_awaited_in_a_handler_of_states() {
    let (mut server, raw) = with_stream();
    let (bus, bridge) = sending(&server, stored());
    let (done, is_done) = mpsc::channel();
    let own = bus.clone();
    bridge
        .states()
        .on(move |state| {
            if !matches!(state, State::Disconnected { .. }) {
                return;
            }
            // It waits until the server is back.
            let emission = wait_for(own.emit_async(&TICK, Tick::new(0)));
            let _ = done.send(emission.errors().len());
        })
        .detach();
    server.kill();
    until("it has gone into the outbox", || {
        bridge.stats().waiting == 1
    });
    server.up();
    assert_eq!(is_done.recv_timeout(LONG / 2), Ok(0));
    assert_eq!(raw.count("S"), 1);
}

#[test]
fn an_emission_that_a_hook_awaits_ends_with_the_bridge() {
    let (mut server, raw) = with_stream();
    let bus = Bus::new();
    let is_done = awaits_in_hook(&bus);
    // Before what sends it.
    let (began, begun) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    let goes = Mutex::new(goes);
    bus.on(&TICK, move |_| {
        let _ = began.send(());
        let _ = goes.lock().unwrap().recv();
    })
    .detach();
    let bridge = Bridge::to(server.url())
        .receive(&BAD)
        .send(stored())
        .start(&bus)
        .unwrap();
    raw.publish("bad", "no tick");
    begun.recv_timeout(LONG / 2).unwrap();
    server.kill();
    until("it is disconnected", || !bridge.state().is_connected());
    drop(go);
    until("it has gone into the outbox", || {
        bridge.stats().waiting == 1
    });
    drop(bridge);
    assert_eq!(is_done.recv_timeout(LONG / 2), Ok(1));
    // It was told of what was not sent, too, when there was no bridge any more.
    assert_eq!(is_done.recv_timeout(LONG / 2), Ok(0));
}

/// Waits for the bridge when it is woken.
struct Flushes(Bus, Bridge, mpsc::Sender<Result<(), FlushError>>);

impl Wake for Flushes {
    fn wake(self: Arc<Self>) {
        self.0.emit(&TICK, &Tick::new(1));
        let _ = self.2.send(self.1.flush(LONG / 2));
    }
}

#[test]
fn a_waker_that_waits_for_the_bridge_does_not_hold_it_up() {
    let (server, raw) = with_stream();
    let (bus, bridge) = sending(&server, stored());
    let (done, is_done) = mpsc::channel();
    let waker = Waker::from(Arc::new(Flushes(bus.clone(), bridge, done)));
    // So that it does not answer before the emission is polled.
    server.freeze();
    let mut emission = Box::pin(bus.emit_async(&TICK, Tick::new(0)));
    let polled = emission.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    server.thaw();
    assert_eq!(is_done.recv_timeout(LONG), Ok(Ok(())));
    assert!(wait_for(emission).errors().is_empty());
    assert_eq!(raw.count("S"), 2);
}

#[test]
fn threads_that_wake_end_with_their_bridges() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let mut all = raw.subscribe("tick");
    let waking = || {
        let all = slotcast_nats::threads();
        // The system cuts names.
        all.iter().filter(|it| *it == "slotcast nats w").count()
    };
    let before = waking();
    for _ in 0..50 {
        let bus = Bus::new();
        let bridge = Bridge::to(server.url()).send(&TICK).start(&bus).unwrap();
        let emission = wait_for(bus.emit_async(&TICK, Tick::new(0)));
        assert!(emission.errors().is_empty());
        assert_eq!(all.take().subject, "tick");
        let dropping = thread::spawn(move || drop(bridge));
        dropping.join().unwrap();
    }
    // Those of other tests, beside this one.
    until("they have ended", || waking() < before + 25);
}
