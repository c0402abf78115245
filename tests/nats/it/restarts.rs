//! The server goes and comes back, as often and in whatever way.

use std::{thread, time::Duration};

use slotcast::{
    Bus, Topic,
    nats::{Bridge, StartError, State, Stored, StreamLimits},
};
use slotcast_nats::{Random, Raw, Seen, Server, Tick, free_port, until};

use crate::common::{
    LONG, TICK, Told, emit, listening, receiving, sending, stored, stored_in_order, with_stream,
};

/// How often the server goes, how many events are emitted meanwhile, and for how many milliseconds it goes at most. With
/// `NATS_LONG=1`: twenty times, 100,000, and two seconds.
fn size() -> (u64, u64, u64) {
    match std::env::var_os("NATS_LONG") {
        Some(_) => (20, 100_000, 2_000),
        None => (6, 12_000, 400),
    }
}

/// Emits so many events while the server goes and comes back.
fn through_restarts(server: &mut Server, bus: &Bus) -> u64 {
    let (times, count, longest) = size();
    let seed = u64::from(std::process::id()) * 7 + count;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    thread::scope(|scope| {
        scope.spawn(move || {
            for part in 0..count / 100 {
                emit(bus, part * 100..part * 100 + 100);
                // About 4,000 a second, so that there is something under way at each moment.
                thread::sleep(Duration::from_millis(24));
            }
        });
        for time in 0..times {
            thread::sleep(Duration::from_millis(100 + random.below(200)));
            if time % 2 == 0 {
                server.kill()
            } else {
                server.terminate()
            };
            thread::sleep(Duration::from_millis(random.below(longest)));
            server.up();
        }
    });
    count
}

#[test]
fn a_reader_has_each_event_once_and_in_order() {
    let (mut server, raw) = with_stream();
    let (_there, seen, reader) = receiving(&server, stored().reader("r"));
    let (here, sender) = sending(&server, stored());
    let count = through_restarts(&mut server, &here);
    sender.flush(LONG).unwrap();
    seen.wait_in_order(count);
    // The stream itself is in order, too: a reader that begins anew finds nothing to drop.
    stored_in_order(&raw, count);
    let stats = sender.stats();
    assert_eq!(
        (stats.acked, stats.waiting, stats.refused, stats.dropped),
        (count, 0, 0, 0)
    );
    assert!(stats.reconnects >= 1, "{stats:?}");
    assert_eq!(reader.stats().delivered, count);
    assert_eq!(
        (sender.state(), reader.state()),
        (State::Connected, State::Connected)
    );
}

#[test]
fn a_group_has_each_event_once() {
    let (mut server, raw) = with_stream();
    let seen = Seen::new();
    let member = |server: &Server| {
        let (bus, own) = (Bus::new(), seen.clone());
        bus.on(&TICK, move |tick| own.push(tick.id)).detach();
        let route = stored().shared("g").ack_wait(Duration::from_secs(2));
        (
            Bridge::to(server.url()).receive(route).start(&bus).unwrap(),
            bus,
        )
    };
    let mut members: Vec<_> = (0..3).map(|_| member(&server)).collect();
    let (here, sender) = sending(&server, stored());
    let count = thread::scope(|scope| {
        // One leaves meanwhile, in good order, and another one comes.
        let leaver = members.remove(0);
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(700));
            let _ = leaver.0.stop(LONG);
            drop(leaver);
        });
        through_restarts(&mut server, &here)
    });
    members.push(member(&server));
    sender.flush(LONG).unwrap();
    let distinct = || {
        let mut all = seen.all();
        all.sort_unstable();
        all.dedup();
        all.len() as u64
    };
    let done = slotcast_nats::eventually(|| (distinct() == count).then_some(()));
    if done.is_none() {
        let name = raw.consumers("S").remove(0);
        raw.block_on(async {
            let stream = raw.jetstream().get_stream("S").await.unwrap();
            println!("{:?}", stream.consumer_info(name).await.unwrap());
        });
        members
            .iter()
            .for_each(|(bridge, _)| println!("{:?} {:?}", bridge.state(), bridge.stats()));
    }
    // What a member has handled and could not say any more comes again to another: no more than one for each
    // restart and each member, and none is missing.
    let mut all = seen.all();
    all.sort_unstable();
    let again = all.windows(2).filter(|pair| pair[0] == pair[1]).count();
    all.dedup();
    assert!(all.into_iter().eq(0..count), "{}", seen.tell(count));
    println!("{again} came again");
}

#[test]
fn core_events_are_in_order_and_what_is_lost_is_counted() {
    let mut server = Server::start();
    let (_there, seen, receiver) = receiving(&server, &TICK);
    let (here, sender) = sending(&server, &TICK);
    let count = through_restarts(&mut server, &here);
    sender.flush(LONG).unwrap();
    until("all are connected", || {
        receiver.state().is_connected() && sender.state().is_connected()
    });
    // Until one arrives, nobody knows what is missing.
    let mut next = count;
    until("the last one has come", || {
        emit(&here, next..next + 1);
        next += 1;
        seen.all().last().is_some_and(|id| *id >= count)
    });
    sender.flush(LONG).unwrap();
    until("all that were counted have come", || {
        seen.all().last() == Some(&(next - 1)) && receiver.stats().lost + seen.len() as u64 == next
    });
    assert!(seen.all().is_sorted_by(|a, b| a < b), "{}", seen.tell(next));
}

#[test]
fn a_bridge_can_be_started_before_its_server() {
    let port = free_port();
    let (bus, _seen) = listening();
    let bridge = Bridge::to(format!("nats://127.0.0.1:{port}"))
        .wait_for_server(false)
        .send(stored())
        .start(&bus)
        .unwrap();
    assert!(!bridge.state().is_connected());
    emit(&bus, 0..10);
    bridge.stop(Duration::ZERO);

    // One that is there later: a server that is stopped at first.
    let (mut server, raw) = with_stream();
    server.kill();
    let sender = Bridge::to(server.url())
        .wait_for_server(false)
        .send(stored())
        .start(&bus)
        .unwrap();
    let (there, seen) = listening();
    let _reader = Bridge::to(server.url())
        .wait_for_server(false)
        .receive(stored().reader("r"))
        .start(&there)
        .unwrap();
    emit(&bus, 0..100);
    server.up();
    sender.flush(LONG).unwrap();
    seen.wait_in_order(100);
    stored_in_order(&raw, 100);
}

#[test]
fn what_is_missing_when_a_start_does_not_wait_is_asked_for_again() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    // What belongs into `S` would go here.
    raw.stream("OTHER", &["tick.>", "tick"]);
    let core: Topic<Tick> = Topic::new("core");
    let (bus, seen) = listening();
    let told = Told::by(&bus);
    let here = Bus::new();
    let told_there = Told::by(&here);
    let to = || {
        Bridge::to(server.url())
            .wait_for_server(false)
            .create_streams(StreamLimits::bytes(1 << 20))
    };
    let to_two = to().receive(Stored::in_stream("T").topic(&core).reader("r"));
    let receiver = to_two.receive(stored().reader("r")).start(&bus).unwrap();
    let sender = to().send(stored()).send(&core).start(&here).unwrap();
    told.wait("make the stream");
    told_there.wait("make the stream");
    emit(&here, 0..10);
    // Routes that need nothing of it work meanwhile, and streams that can be made are.
    let mut all = raw.subscribe("core");
    here.emit(&core, &Tick::new(0));
    assert_eq!(all.take().subject, "core");
    until("the other stream is made", || raw.has_stream("T"));
    thread::sleep(Duration::from_millis(500));
    assert_eq!((raw.count("OTHER"), sender.stats().waiting), (0, 10));
    // By the same connection.
    raw.delete_stream("OTHER");
    sender.flush(LONG).unwrap();
    seen.wait_in_order(10);
    stored_in_order(&raw, 10);
    let reconnects = (sender.stats().reconnects, receiver.stats().reconnects);
    assert_eq!(reconnects, (0, 0));
    let all = [told.all(), told_there.all()];
    assert!(all.iter().all(|it| it.len() == 1), "{all:?}");
}

#[test]
fn states_are_told_in_order() {
    let (mut server, _raw) = with_stream();
    let bus = Bus::new();
    let told = Told::by(&bus);
    let bridge = Bridge::to(server.url()).send(stored()).start(&bus).unwrap();
    let states = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = states.clone();
    let _sub = bridge
        .states()
        .on(move |state| keep.lock().unwrap().push(state.clone()));
    let is = |wanted: fn(&State) -> bool| states.lock().unwrap().last().is_some_and(wanted);
    until("it is connected", || is(|state| *state == State::Connected));
    server.kill();
    until("it is disconnected", || {
        is(|state| matches!(state, State::Disconnected { .. }))
    });
    assert!(matches!(bridge.state(), State::Disconnected { .. }));
    let State::Disconnected { since, .. } = bridge.state() else {
        panic!("{:?}", bridge.state())
    };
    server.up();
    until("it is connected again", || {
        is(|state| *state == State::Connected)
    });
    assert!(since.elapsed() > Duration::ZERO);
    bridge.stop(LONG);
    until("it is stopped", || is(|state| *state == State::Stopped));
    assert_eq!(bridge.state(), State::Stopped);
    // A server that goes is no failure of an event.
    assert_eq!(told.count("Refused"), 0, "{:?}", told.all());
}

#[test]
fn addresses_are_tried_in_turn() {
    let (mut first, second) = (Server::start(), Server::start());
    let (bus, seen) = listening();
    let nobody = format!("nats://127.0.0.1:{}", free_port());
    let addresses = [&*nobody, &*first.url(), &*second.url()].join(",");
    let bridge = Bridge::to(addresses).receive(&TICK).start(&bus).unwrap();
    let (raw_first, raw_second) = (Raw::connect(&first.url()), Raw::connect(&second.url()));
    until("it is there", || {
        raw_first.publish("tick", r#"{"id":1,"text":""}"#);
        raw_second.publish("tick", r#"{"id":1,"text":""}"#);
        !seen.is_empty()
    });
    first.kill();
    until("it has the other one", || {
        raw_second.publish("tick", r#"{"id":2,"text":""}"#);
        seen.all().contains(&2)
    });
    assert!(bridge.state().is_connected());
}

#[test]
fn without_a_server_a_start_fails() {
    let address = format!("nats://127.0.0.1:{}", free_port());
    let bus = Bus::new();
    let started = Bridge::to(address)
        .connect_timeout(Duration::from_millis(200))
        .send(&TICK)
        .start(&bus);
    let error = started.err().unwrap();
    assert!(matches!(error, StartError::NoServer { .. }), "{error:?}");
    // Nothing was subscribed.
    assert_eq!(bus.emit(&TICK, &Tick::new(0)).ran(), 0);
}

#[test]
fn a_server_that_sends_its_clients_away_is_left() {
    let mut server = Server::builder()
        .config("lame_duck_grace_period: \"50ms\"")
        .start();
    let raw = Raw::connect(&server.url());
    raw.stream("S", &["tick"]);
    let (bus, bridge) = sending(&server, stored());
    emit(&bus, 0..10);
    bridge.flush(LONG).unwrap();
    server.lame_duck();
    until("it has gone", || !bridge.state().is_connected());
    server.kill();
    emit(&bus, 10..20);
    server.up();
    bridge.flush(LONG).unwrap();
    stored_in_order(&raw, 20);
}
