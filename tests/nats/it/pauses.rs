//! What arrives while handlers are paused: stored events wait, without a try; those by core NATS are missed, as what is
//! emitted here.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use slotcast::{
    Bus, Overflow, Queue, Topic,
    nats::{Backoff, Bridge, BridgeBuilder, DeadLetter, Stored},
};
use slotcast_nats::{Raw, Seen, Tick, until};

use crate::common::{LONG, TICK, Told, listening, stored, with_stream};

/// Long enough for what must not happen to happen.
const SHORT: Duration = Duration::from_millis(100);

fn publish(raw: &Raw, ids: std::ops::Range<u64>) {
    for id in ids {
        raw.publish("tick", serde_json::to_vec(&Tick::new(id)).unwrap());
    }
}

/// Each of the ways to receive what is stored: once, so that what is not handled at once is given up.
fn routes(url: String) -> Vec<(&'static str, BridgeBuilder)> {
    let to = || Bridge::to(url.clone());
    let all = || Stored::in_stream("S").matching::<Tick>("tick");
    vec![
        (
            "a reader",
            to().receive(stored().reader("r").retry(Backoff::never())),
        ),
        (
            "a group",
            to().receive(stored().shared("g").retry(Backoff::never())),
        ),
        (
            "a reader by pattern",
            to().receive(all().reader("rp").retry(Backoff::never())),
        ),
        (
            "a group by pattern",
            to().receive(all().shared("gp").retry(Backoff::never())),
        ),
    ]
}

#[test]
fn stored_events_wait_while_their_topic_or_bus_is_paused() {
    for of_bus in [false, true] {
        let (server, raw) = with_stream();
        publish(&raw, 0..5);
        for (kind, builder) in routes(server.url()) {
            let (bus, seen) = listening();
            let told = Told::by(&bus);
            let pause = if of_bus {
                bus.pause()
            } else {
                bus.signal(&TICK).pause()
            };
            let bridge = builder.start(&bus).unwrap();
            until("they have come", || bridge.stats().received == 5);
            thread::sleep(SHORT);
            let stats = bridge.stats();
            assert_eq!(
                (seen.len(), stats.delivered, stats.dead),
                (0, 0, 0),
                "{kind}"
            );
            drop(pause);
            seen.wait_in_order(5);
            until("all are counted", || bridge.stats().delivered == 5);
            assert_eq!(
                (bridge.stats().redelivered, told.all().len()),
                (0, 0),
                "{kind}"
            );
        }
    }
}

#[test]
fn a_paused_member_keeps_its_events() {
    let (server, raw) = with_stream();
    let route = || stored().shared("g").ack_wait(Duration::from_secs(1));
    let (bus, seen) = listening();
    let pause = bus.pause();
    let bridge = Bridge::to(server.url())
        .receive(route())
        .start(&bus)
        .unwrap();
    publish(&raw, 0..5);
    until("they have come", || bridge.stats().received == 5);
    let (idle, others) = listening();
    let _other = Bridge::to(server.url())
        .receive(route())
        .start(&idle)
        .unwrap();
    // More than two ack waits.
    thread::sleep(Duration::from_millis(2_500));
    drop(pause);
    seen.wait_in_order(5);
    assert_eq!((others.len(), bridge.stats().duplicates), (0, 0));
    until("all are acknowledged", || {
        raw.consumer("S", "g").num_ack_pending == 0
    });
    assert_eq!(raw.consumer("S", "g").num_redelivered, 0);
}

#[test]
fn a_stop_does_not_wait_for_the_end_of_a_pause() {
    let (server, raw) = with_stream();
    publish(&raw, 0..5);
    for (kind, builder) in routes(server.url()) {
        let (bus, seen) = listening();
        let pause = bus.pause();
        let bridge = builder.start(&bus).unwrap();
        until("they have come", || bridge.stats().received == 5);
        // The first is in hand.
        thread::sleep(SHORT);
        // Without an end: it would wait for ever.
        let stopped = bridge.stop(Duration::MAX);
        assert_eq!((stopped.unhandled, seen.len()), (1, 0), "{kind}");
        drop(pause);
    }
    for (kind, builder) in routes(server.url()) {
        let (bus, seen) = listening();
        let bridge = builder.start(&bus).unwrap();
        seen.wait(5);
        seen.check_each_once(5);
        assert_eq!(bridge.stats().dead, 0, "{kind}");
    }
}

#[test]
fn what_is_drained_while_it_is_paused_comes_again() {
    let (server, raw) = with_stream();
    let (bus, seen) = listening();
    let queue = Queue::new();
    let bridge = Bridge::to(server.url())
        .receive(
            stored()
                .reader("r")
                .retry(Backoff::never())
                .on_queue(&queue),
        )
        .start(&bus)
        .unwrap();
    publish(&raw, 0..3);
    until("it is posted", || queue.len() == 1);
    let pause = bus.pause();
    queue.drain();
    thread::sleep(SHORT);
    // Not posted while it is paused.
    assert_eq!(
        (queue.len(), seen.len(), bridge.stats().delivered),
        (0, 0, 0)
    );
    drop(pause);
    until("they are handled", || {
        queue.drain();
        seen.len() == 3
    });
    seen.check_in_order(3);
    assert_eq!(bridge.stats().dead, 0);
}

#[test]
fn a_queue_without_room_holds_stored_events() {
    let (server, raw) = with_stream();
    publish(&raw, 0..3);
    for is_group in [false, true] {
        let (bus, seen) = listening();
        let told = Told::by(&bus);
        let queue = Queue::new().bounded(1, Overflow::Reject);
        queue.post(|| ()).unwrap();
        let to = Bridge::to(server.url());
        let bridge = if is_group {
            to.receive(
                stored()
                    .shared("g")
                    .retry(Backoff::never())
                    .on_queue(&queue),
            )
        } else {
            to.receive(
                stored()
                    .reader("r")
                    .retry(Backoff::never())
                    .on_queue(&queue),
            )
        };
        let bridge = bridge.start(&bus).unwrap();
        until("they have come", || bridge.stats().received == 3);
        thread::sleep(SHORT);
        assert_eq!(
            (told.all().len(), bridge.stats().dead),
            (0, 0),
            "{is_group}"
        );
        until("they are handled", || {
            queue.drain();
            seen.len() == 3
        });
        seen.check_in_order(3);
        assert_eq!(told.all().len(), 0, "{:?}", told.all());
    }
}

#[test]
fn a_pause_that_begins_and_ends_at_any_moment_loses_nothing() {
    let (server, raw) = with_stream();
    let (bus, seen) = listening();
    let is_done = Arc::new(AtomicBool::new(false));
    let (pausing, until_done) = (bus.clone(), is_done.clone());
    let pauses = thread::spawn(move || {
        let signal = pausing.signal(&TICK);
        while !until_done.load(SeqCst) {
            drop(pausing.pause());
            drop(signal.pause());
            // Most of the time there is none: what waits for the end of one is not what is looked at here.
            (0..20).for_each(|_| thread::yield_now());
        }
    });
    let _bridge = Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&bus)
        .unwrap();
    publish(&raw, 0..1_000);
    let all = std::panic::catch_unwind(|| seen.wait_in_order(1_000));
    is_done.store(true, SeqCst);
    pauses.join().unwrap();
    assert!(all.is_ok(), "{}", seen.tell(1_000));
}

#[test]
fn a_handler_that_pauses_its_topic_has_had_the_event() {
    let (server, raw) = with_stream();
    let (bus, seen) = (Bus::new(), Seen::new());
    let pauses = Arc::new(Mutex::new(Vec::new()));
    let (all, keep, own) = (seen.clone(), pauses.clone(), bus.downgrade());
    bus.on(&TICK, move |tick| {
        all.push(tick.id);
        let own = own.upgrade().unwrap();
        keep.lock().unwrap().push(own.signal(&TICK).pause());
    })
    .detach();
    let _bridge = Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&bus)
        .unwrap();
    publish(&raw, 0..3);
    for count in 1..=3 {
        seen.wait(count);
        thread::sleep(SHORT / 5);
        assert_eq!(seen.len(), count);
        pauses.lock().unwrap().clear();
    }
    seen.check_in_order(3);
}

#[test]
fn a_dead_letter_waits_while_its_topic_is_paused() {
    const DEAD: Topic<DeadLetter> = Topic::new("dead");
    let (server, raw) = with_stream();
    publish(&raw, 0..1);
    raw.publish("tick", "no tick");
    for is_group in [false, true] {
        let bus = Bus::new();
        bus.on(&TICK, |_| Err::<(), _>("cannot do it")).detach();
        let letters = Seen::new();
        let all = letters.clone();
        bus.on(&DEAD, move |letter| all.push(u64::from(letter.tries)))
            .detach();
        let to = Bridge::to(server.url());
        let pause = bus.signal(&DEAD).pause();
        let never = Backoff::never();
        let bridge = if is_group {
            to.receive(stored().shared("g").retry(never).dead_letters(&DEAD))
        } else {
            to.receive(stored().reader("r").retry(never).dead_letters(&DEAD))
        };
        let bridge = bridge.start(&bus).unwrap();
        until("the first was tried", || bridge.stats().delivered == 1);
        thread::sleep(SHORT);
        assert_eq!((bridge.stats().dead, letters.len()), (0, 0), "{is_group}");
        drop(pause);
        letters.wait(2);
        assert_eq!(letters.all(), [1, 0], "{is_group}");
        // And a stop does not wait for it.
        bridge.stop(LONG);
    }
}

#[test]
fn handlers_that_are_paused_miss_what_comes_by_core_nats() {
    let (server, raw) = with_stream();
    let (bus, seen) = listening();
    let bridge = Bridge::to(server.url()).receive(&TICK).start(&bus).unwrap();
    let pause = bus.pause();
    publish(&raw, 0..3);
    until("they are emitted", || bridge.stats().delivered == 3);
    drop(pause);
    publish(&raw, 3..4);
    seen.wait(1);
    assert_eq!((seen.all(), bridge.stats().dead), (vec![3], 0));
}
