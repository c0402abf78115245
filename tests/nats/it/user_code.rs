//! User code that panics, or that waits for whoever stops the bridge.

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use slotcast::{
    Bus, Overflow, Queue, Topic,
    nats::{Bridge, Codec, Route, State},
};
use slotcast_nats::{Raw, Server, until, wait_for};

use crate::common::{LONG, TICK, Told, bridge_error, stored, with_stream};

/// Far less than anything here waits for.
const SHORT: Duration = Duration::from_millis(50);

const TEXT: Topic<Payload> = Topic::new("text");

#[test]
fn a_stop_does_not_wait_for_a_state_handler_that_waits_for_it() {
    let server = Server::start();
    let bus = Bus::new();
    let bridge = Bridge::to(server.url()).send(&TICK).start(&bus).unwrap();
    let taken = Arc::new(Mutex::new(()));
    let theirs = taken.clone();
    let (told, tells) = mpsc::channel();
    bridge
        .states()
        .on(move |state| {
            drop(theirs.lock().unwrap());
            let _ = told.send(state.clone());
        })
        .detach();
    let (done, is_done) = mpsc::channel();
    let stopping = taken.clone();
    thread::spawn(move || {
        let guard = stopping.lock().unwrap();
        bridge.stop(SHORT);
        drop(bridge);
        done.send(()).unwrap();
        drop(guard);
    });
    is_done.recv_timeout(LONG / 2).unwrap();
    // It is told afterwards.
    while tells.recv_timeout(LONG).unwrap() != State::Stopped {}
}

#[test]
fn a_stop_beside_another_one_has_its_own_time() {
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
    let bridge = Bridge::to(server.url()).receive(&TICK).start(&bus).unwrap();
    let bridge = Arc::new(bridge);
    raw.publish("tick", r#"{"id":1,"text":""}"#);
    begun.recv_timeout(LONG).unwrap();
    let other = bridge.clone();
    let stopping = thread::spawn(move || other.stop(Duration::MAX));
    thread::sleep(SHORT);
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || done.send(bridge.stop(SHORT)).unwrap());
    let stopped = is_done.recv_timeout(LONG / 2).unwrap();
    assert_eq!((stopped.unsent, stopped.unhandled), (0, 1));
    drop(go);
    assert_eq!(stopping.join().unwrap().unhandled, 0);
}

#[test]
fn awaited_emissions_end_with_the_runtime() {
    let (mut server, _raw) = with_stream();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let bus = Bus::new();
    let bridge = Bridge::to(server.url())
        .send(stored())
        .runtime(runtime.handle().clone())
        .start(&bus)
        .unwrap();
    server.kill();
    until("it is disconnected", || !bridge.state().is_connected());
    let (done, is_done) = mpsc::channel();
    let waiting = bus.clone();
    thread::spawn(move || {
        let emission = wait_for(waiting.emit_async(&TICK, slotcast_nats::Tick::new(1)));
        done.send(bridge_error(&emission.errors()[0])).unwrap();
    });
    until("it waits", || bridge.stats().waiting == 1);
    runtime.shutdown_background();
    assert_eq!(is_done.recv_timeout(LONG / 2).unwrap(), "Stopped");
    until("it has stopped", || bridge.state() == State::Stopped);
    // And it is not forgotten.
    assert_eq!(bridge.stop(LONG).unsent, 1);
}

/// Panics when it is shown, and when it is dropped.
#[derive(Debug)]
struct Unshowable;

impl fmt::Display for Unshowable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("shown")
    }
}

impl Drop for Unshowable {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

impl Error for Unshowable {}

/// Panics when it is dropped, if it is `bad`.
struct Payload(String);

impl Drop for Payload {
    fn drop(&mut self) {
        assert_ne!(self.0, "bad", "dropped");
    }
}

struct Text;

impl Codec<Payload> for Text {
    const CONTENT_TYPE: &'static str = "text/plain";

    fn encode(
        &self,
        event: &Payload,
        into: &mut Vec<u8>,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        into.extend(event.0.bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Payload, Box<dyn Error + Send + Sync>> {
        match bytes {
            b"none" => Err(Box::new(Unshowable)),
            other => Ok(Payload(String::from_utf8_lossy(other).into_owned())),
        }
    }
}

#[test]
fn an_error_of_a_codec_that_panics_ends_no_route() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let bus = Bus::new();
    let told = Told::by(&bus);
    let (seen, sees) = mpsc::channel();
    bus.on(&TEXT, move |event| seen.send(event.0.clone()).unwrap())
        .detach();
    let bridge = Bridge::to(server.url())
        .receive(Route::topic(&TEXT).codec(Text))
        .start(&bus)
        .unwrap();
    for payload in ["none", "one"] {
        raw.publish("text", payload);
    }
    assert_eq!(sees.recv_timeout(LONG / 2).unwrap(), "one");
    assert!(told.wait("Undecodable").contains("panicked: shown"));
    assert_eq!(
        (bridge.stats().undecodable, bridge.stats().delivered),
        (1, 1)
    );
}

#[test]
fn an_event_that_panics_when_a_queue_does_not_take_it_ends_no_route() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    let bus = Bus::new();
    let told = Told::by(&bus);
    let queue = Queue::new().bounded(1, Overflow::Reject);
    queue.post(|| ()).unwrap();
    let bridge = Bridge::to(server.url())
        .receive(Route::topic(&TEXT).codec(Text).on_queue(&queue))
        .start(&bus)
        .unwrap();
    raw.publish("text", "bad");
    until("it is told", || told.count("GivenUp") == 1);
    let (seen, sees) = mpsc::channel();
    bus.on(&TEXT, move |event| seen.send(event.0.clone()).unwrap())
        .detach();
    queue.drain();
    raw.publish("text", "good");
    until("the next one is handled", || {
        queue.drain();
        sees.try_recv().is_ok()
    });
    assert_eq!(bridge.stats().dead, 1);
}

#[test]
fn a_handler_in_a_queue_can_stop_its_bridge() {
    let (server, raw) = with_stream();
    for kind in ["core", "reader", "group"] {
        let bus = Bus::new();
        let queue = Queue::new();
        let own: Arc<Mutex<Option<Arc<Bridge>>>> = Arc::default();
        let (said, says) = mpsc::channel();
        let bridge = own.clone();
        bus.on(&TICK, move |_| {
            let Some(bridge) = bridge.lock().unwrap().take() else {
                return;
            };
            let begun = Instant::now();
            let stopped = bridge.stop(LONG);
            said.send((stopped.unhandled, begun.elapsed())).unwrap();
        })
        .detach();
        let to = Bridge::to(server.url());
        let started = match kind {
            "core" => to.receive(Route::topic(&TICK).on_queue(&queue)),
            "reader" => to.receive(stored().reader("stops").on_queue(&queue)),
            _ => to.receive(stored().shared("stops").on_queue(&queue)),
        }
        .start(&bus)
        .unwrap();
        *own.lock().unwrap() = Some(Arc::new(started));
        raw.publish("tick", r#"{"id":1,"text":""}"#);
        let mut found = None;
        until("it is stopped", || {
            queue.drain();
            found = found.or(says.try_recv().ok());
            found.is_some()
        });
        let (unhandled, took) = found.unwrap();
        assert_eq!(unhandled, 1, "{kind}");
        assert!(took < LONG / 2, "{kind}: {took:?}");
    }
}
