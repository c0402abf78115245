//! What nobody does on purpose: handlers, hooks and codecs that do as they like, servers that stand still, runtimes that
//! end too early, and somebody who uses another's name.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use slotcast::{
    BoxError, Bus, Overflow, Topic,
    nats::{Bridge, Codec, FlushError, Route, StartError, State, Stored},
};
use slotcast_nats::{Raw, Seen, Server, Tick, until, wait_for};

use crate::common::{
    LONG, TICK, Told, emit, listening, receiving, sending, stored, stored_in_order, with_stream,
};

#[test]
fn a_server_that_stands_still_is_waited_for() {
    let (server, raw) = with_stream();
    let (_there, seen, _reader) = receiving(&server, stored().reader("r"));
    let (here, sender) = sending(&server, stored());
    for round in 0..3 {
        server.freeze();
        emit(&here, round * 500..round * 500 + 500);
        thread::sleep(Duration::from_millis(300 + 800 * round));
        server.thaw();
        sender.flush(LONG).unwrap();
        seen.wait_in_order(round * 500 + 500);
    }
    stored_in_order(&raw, 1_500);
}

#[test]
fn a_server_that_stands_still_for_longer_than_it_is_waited_for() {
    let (server, _raw) = with_stream();
    let (_there, seen, reader) = receiving(&server, stored().reader("r"));
    let (here, sender) = sending(&server, stored());
    emit(&here, 0..100);
    seen.wait_in_order(100);
    server.freeze();
    emit(&here, 100..600);
    until("both have given it up", || {
        !sender.state().is_connected() && !reader.state().is_connected()
    });
    server.thaw();
    // What it has been sent by the first connection, it stores now, and by the second one, too.
    emit(&here, 600..700);
    sender.flush(LONG).unwrap();
    seen.wait_in_order(700);
}

#[test]
fn many_topics_of_a_family_keep_their_order_through_restarts() {
    let (mut server, raw) = with_stream();
    let there = Bus::new();
    let seen = Seen::new();
    let all = seen.clone();
    there
        .on_pattern("tick.*", move |event| {
            all.push(event.payload::<Tick>().unwrap().id)
        })
        .detach();
    let route = || Stored::in_stream("S").matching::<Tick>("tick.*");
    let _reader = Bridge::to(server.url())
        .receive(route().reader("r"))
        .start(&there)
        .unwrap();
    let (here, sender) = sending(&server, route());
    thread::scope(|scope| {
        scope.spawn(|| {
            for id in 0..6_000 {
                let topic = Topic::<Tick>::named(format!("tick.{}", id % 701)).unwrap();
                let _ = here.emit(&topic, &Tick::new(id));
                if id % 50 == 0 {
                    thread::sleep(Duration::from_millis(10));
                }
            }
        });
        for time in 0..4 {
            thread::sleep(Duration::from_millis(200));
            if time % 2 == 0 {
                server.kill()
            } else {
                server.terminate()
            };
            server.up();
        }
    });
    sender.flush(LONG).unwrap();
    seen.wait_in_order(6_000);
    let mut numbers = BTreeMap::new();
    for message in raw.read("S") {
        let number: u64 = message.header("Slotcast-Seq").unwrap().parse().unwrap();
        let next = numbers.entry(message.subject).or_insert(0);
        assert_eq!(number, *next);
        *next += 1;
    }
}

#[test]
fn refusals_among_many_cost_no_other_its_place() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    raw.stream_with("S", &["tick"], |config| config.max_message_size = 1_000);
    let (_there, seen, _reader) = receiving(&server, stored().reader("r"));
    let here = Bus::new();
    let told = Told::by(&here);
    let sender = Bridge::to(server.url())
        .send(stored())
        .start(&here)
        .unwrap();
    let is_bad = |id: u64| id % 50 == 17;
    for id in 0..2_000 {
        let text = if is_bad(id) {
            "x".repeat(2_000)
        } else {
            String::new()
        };
        let _ = here.emit(&TICK, &Tick { id, text });
    }
    sender.flush(LONG).unwrap();
    seen.wait(1_960);
    thread::sleep(Duration::from_millis(50));
    assert!(
        seen.all()
            .into_iter()
            .eq((0..2_000).filter(|id| !is_bad(*id))),
        "{}",
        seen.tell(2_000)
    );
    assert_eq!(
        (
            sender.stats().refused,
            sender.stats().acked,
            told.count("Refused")
        ),
        (40, 1_960, 40)
    );
    // Once more what was under way behind one, and not once more for each of them.
    assert!(raw.count("S") <= 2 * 1_960, "{}", raw.count("S"));
}

#[test]
fn a_runtime_that_ends_first_stops_the_bridge() {
    let (server, _raw) = with_stream();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (bus, _seen) = listening();
    let bridge = Bridge::to(server.url())
        .send(stored().outbox(4, Overflow::Block))
        .receive(stored().reader("r"))
        .runtime(runtime.handle().clone())
        .start(&bus)
        .unwrap();
    emit(&bus, 0..100);
    drop(runtime);
    until("it is stopped", || bridge.state() == State::Stopped);
    assert_eq!(bridge.flush(LONG), Err(FlushError::Stopped));
    // Nobody waits for room, or for an answer.
    for id in 0..20 {
        let _ = bus.emit(&TICK, &Tick::new(id));
    }
    let _ = wait_for(bus.emit_async(&TICK, Tick::new(0)));
    bridge.stop(LONG);
}

#[test]
fn a_start_that_holds_up_its_own_runtime_ends_with_an_error() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let bus = Bus::new();
    let error = runtime.block_on(async {
        let handle = tokio::runtime::Handle::current();
        let builder = Bridge::to(server.url()).connect_timeout(Duration::from_millis(200));
        builder.send(&TICK).runtime(handle).start(&bus).err()
    });
    assert!(
        matches!(error, Some(StartError::NoServer { .. })),
        "{error:?}"
    );
    assert_eq!(bus.emit(&TICK, &Tick::new(0)).ran(), 0);
    // What was begun ends as soon as the runtime runs.
    let alone = || runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
    until("no task is left", || {
        alone();
        runtime.metrics().num_alive_tasks() == 0
    });
}

#[test]
fn somebody_who_uses_anothers_name_takes_nothing_from_it() {
    let (server, raw) = with_stream();
    let (_there, seen, _reader) = receiving(&server, stored().reader("r"));
    let (here, sender) = sending(&server, stored());
    emit(&here, 0..10);
    seen.wait_in_order(10);
    let origin = raw.read("S")[0]
        .header("Slotcast-Origin")
        .unwrap()
        .to_owned();
    // Not more than that: who lies twice in another's name has its events taken for duplicates.
    {
        let number = "1000000000";
        let headers = [("Slotcast-Origin", &*origin), ("Slotcast-Seq", number)];
        raw.publish_with(
            "tick",
            &headers,
            serde_json::to_vec(&Tick::new(999)).unwrap(),
        );
        raw.publish_with(
            "tick",
            &[
                ("Slotcast-Origin", &*origin),
                ("Slotcast-Seq", "5"),
                ("Slotcast-After", number),
            ],
            "{}",
        );
    }
    emit(&here, 10..500);
    sender.flush(LONG).unwrap();
    let honest = || {
        seen.all()
            .into_iter()
            .filter(|id| *id < 999)
            .collect::<Vec<_>>()
    };
    until("all have come", || honest().len() >= 500);
    assert_eq!(honest(), (0..500).collect::<Vec<_>>());
}

#[test]
fn a_full_stream_does_not_hold_up_a_stop() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    raw.stream_with("S", &["tick"], |config| {
        config.max_messages = 10;
        config.discard = async_nats::jetstream::stream::DiscardPolicy::New;
    });
    let bus = Bus::new();
    let told = Told::by(&bus);
    let bridge = Bridge::to(server.url()).send(stored()).start(&bus).unwrap();
    emit(&bus, 0..30);
    told.wait("Holding");
    until("ten are stored", || bridge.stats().acked == 10);
    assert_eq!(bridge.stop(Duration::from_millis(50)).unsent, 20);
}

/// Does as it likes with the bridge while it encodes.
struct Busy(Arc<Mutex<Option<Arc<Bridge>>>>, Bus);

impl Codec<Tick> for Busy {
    const CONTENT_TYPE: &'static str = "application/json";

    fn encode(&self, event: &Tick, into: &mut Vec<u8>) -> Result<(), BoxError> {
        if let Some(bridge) = &*self.0.lock().unwrap() {
            let _ = (bridge.flush(Duration::ZERO), bridge.stats(), bridge.state());
        }
        if event.id % 10 == 1 {
            let _ = self
                .1
                .emit(&Topic::<Tick>::new("tick.nested"), &Tick::new(event.id));
        }
        Ok(serde_json::to_writer(into, event)?)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Tick, BoxError> {
        self.encode(&serde_json::from_slice(bytes)?, &mut Vec::new())?;
        Ok(serde_json::from_slice(bytes)?)
    }
}

#[test]
fn a_codec_may_use_the_bridge() {
    let (server, raw) = with_stream();
    let (bus, _) = listening();
    let own: Arc<Mutex<Option<Arc<Bridge>>>> = Arc::default();
    let busy = || Busy(own.clone(), bus.clone());
    let inner = own.clone();
    let (_there, seen, reader) = receiving(&server, stored().codec(busy()).reader("r"));
    let bridge = Bridge::to(server.url())
        .send(stored().codec(busy()).headers(move |headers| {
            let _ = inner
                .lock()
                .unwrap()
                .as_ref()
                .map(|bridge| bridge.flush(Duration::ZERO));
            headers.insert("X", "y");
        }))
        .send(Stored::in_stream("S").topic(&Topic::<Tick>::new("tick.nested")))
        .start(&bus)
        .unwrap();
    let bridge = Arc::new(bridge);
    *own.lock().unwrap() = Some(bridge.clone());
    emit(&bus, 0..100);
    bridge.flush(LONG).unwrap();
    seen.wait_in_order(100);
    until("the nested ones are stored", || raw.count("S") >= 110);
    own.lock().unwrap().take();
    drop((reader, bridge));
    bus.close();
}

#[test]
fn hooks_and_state_handlers_that_panic_cost_nothing_else() {
    let (mut server, raw) = with_stream();
    let bus = Bus::new();
    bus.set_error_hook(|_| panic!("a hook"));
    let bridge = Bridge::to(server.url())
        .send(stored())
        .receive(stored().reader("r"))
        .start(&bus)
        .unwrap();
    let _bad = bridge.states().on(|_| panic!("a handler of states"));
    let states = Arc::new(AtomicUsize::new(0));
    let count = states.clone();
    let _good = bridge.states().on(move |_| {
        count.fetch_add(1, SeqCst);
    });
    raw.publish("tick", "no JSON");
    until("it is stored", || raw.count("S") == 1);
    for _ in 0..2 {
        let before = states.load(SeqCst);
        server.kill();
        until("that is told", || {
            states.load(SeqCst) > before && !bridge.state().is_connected()
        });
        server.up();
        until("it is back", || bridge.state().is_connected());
    }
    emit(&bus, 0..10);
    bridge.flush(LONG).unwrap();
    assert_eq!(raw.count("S"), 11);
    bridge.stop(LONG);
}

#[test]
fn a_hook_that_emits_and_stops_does_not_hang() {
    let (server, raw) = with_stream();
    let bus = Bus::new();
    let own: Arc<Mutex<Option<Arc<Bridge>>>> = Arc::default();
    let (said, says) = mpsc::channel();
    let (bridge, out) = (own.clone(), bus.downgrade());
    bus.set_error_hook(move |_| {
        let bridge = bridge.lock().unwrap().take();
        if let (Some(bridge), Some(bus)) = (bridge, out.upgrade()) {
            let _ = bus.emit(&TICK, &Tick::new(0));
            let flushed = bridge.flush(Duration::from_secs(10));
            said.send((flushed, bridge.stop(LONG))).unwrap();
        }
    });
    let started = Bridge::to(server.url())
        .send(stored())
        .receive(Route::topic(&Topic::<Tick>::new("bad")))
        .start(&bus)
        .unwrap();
    *own.lock().unwrap() = Some(Arc::new(started));
    raw.publish("bad", "no JSON");
    let (flushed, stopped) = says.recv_timeout(LONG).unwrap();
    assert_eq!((flushed, stopped.unsent), (Ok(()), 0));
    assert_eq!(raw.count("S"), 1);
}

#[test]
fn two_bridges_with_one_reader_each_have_every_event() {
    let (server, _raw) = with_stream();
    let buses = [listening(), listening()];
    let _readers: Vec<_> = buses
        .iter()
        .map(|(bus, _)| {
            Bridge::to(server.url())
                .receive(stored().reader("same"))
                .start(bus)
                .unwrap()
        })
        .collect();
    let (here, _sender) = sending(&server, stored());
    emit(&here, 0..1_000);
    buses.iter().for_each(|(_, seen)| seen.wait_in_order(1_000));
}
