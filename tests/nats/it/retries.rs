//! Handlers that fail: tried again, given up, and kept where somebody can find them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use slotcast::{
    Bus, Topic,
    nats::{Backoff, Bridge, DeadLetter, Stored},
};
use slotcast_nats::{Raw, Seen, Tick, until};

use crate::common::{LONG, TICK, Told, emit, sending, stored, with_stream};

const DEAD: Topic<DeadLetter> = Topic::new("dead");

fn at_once(tries: u32) -> Backoff {
    Backoff::fixed(Duration::from_millis(1), tries)
}

/// A bus whose handler fails for the event 3, as often as that, and notes all calls.
fn failing(times: usize, panic: bool) -> (Bus, Seen, Arc<Mutex<Vec<DeadLetter>>>) {
    let bus = Bus::new();
    let (seen, failed) = (Seen::new(), AtomicUsize::new(0));
    let all = seen.clone();
    bus.on(&TICK, move |tick| {
        all.push(tick.id);
        if tick.id == 3 && failed.fetch_add(1, SeqCst) < times {
            if panic {
                panic!("cannot do it");
            }
            return Err("cannot do it");
        }
        Ok(())
    })
    .detach();
    let letters = Arc::new(Mutex::new(Vec::new()));
    let keep = letters.clone();
    bus.on(&DEAD, move |letter| {
        keep.lock().unwrap().push(letter.clone())
    })
    .detach();
    (bus, seen, letters)
}

/// With a reader that holds the line: 0 to 3, 3 again as often as it failed, then the rest.
fn by_a_reader(times: usize, panic: bool, tries: u32) {
    let (server, _raw) = with_stream();
    let (there, seen, letters) = failing(times, panic);
    let told = Told::by(&there);
    let route = stored()
        .reader("r")
        .retry(at_once(tries))
        .dead_letters(&DEAD);
    let reader = Bridge::to(server.url())
        .receive(route)
        .start(&there)
        .unwrap();
    let (here, _sender) = sending(&server, stored());
    emit(&here, 0..10);
    let calls = times.saturating_add(1).min(tries as usize);
    let expected: Vec<u64> = (0..3)
        .chain(std::iter::repeat_n(3, calls))
        .chain(4..10)
        .collect();
    seen.wait(expected.len());
    assert_eq!(seen.all(), expected);
    until("all are counted", || reader.stats().delivered == 10);
    let given_up = times >= tries as usize;
    let stats = reader.stats();
    assert_eq!(
        (stats.redelivered, stats.dead),
        (calls as u64 - 1, u64::from(given_up))
    );
    let letters = letters.lock().unwrap();
    assert_eq!(letters.len(), usize::from(given_up));
    if given_up {
        let letter = &letters[0];
        assert_eq!((&*letter.topic, letter.tries), ("tick", tries));
        assert!(letter.error.contains("cannot do it"), "{}", letter.error);
        assert_eq!(
            serde_json::from_slice::<Tick>(&letter.bytes).unwrap(),
            Tick::new(3)
        );
        assert_eq!(letter.headers.get("Slotcast-Seq"), Some("3"));
        told.wait("GivenUp");
    }
    // Each failure is reported, too.
    assert_eq!(
        told.count("cannot do it"),
        calls - usize::from(!given_up) + usize::from(given_up),
        "{:?}",
        told.all()
    );
}

#[test]
fn a_reader_tries_again_and_holds_the_line() {
    by_a_reader(2, false, 5);
}

#[test]
fn a_reader_gives_up_after_the_last_try() {
    by_a_reader(usize::MAX, false, 3);
}

#[test]
fn a_panic_is_a_failure_as_any_other_to_a_reader() {
    by_a_reader(2, true, 5);
    by_a_reader(usize::MAX, true, 2);
}

fn by_a_group(times: usize, panic: bool, tries: u32) {
    let (server, raw) = with_stream();
    let (there, seen, letters) = failing(times, panic);
    let route = stored()
        .shared("g")
        .retry(at_once(tries))
        .dead_letters(&DEAD);
    let member = Bridge::to(server.url())
        .receive(route)
        .start(&there)
        .unwrap();
    let (here, _sender) = sending(&server, stored());
    emit(&here, 0..10);
    let calls = times.saturating_add(1).min(tries as usize);
    until("all are counted", || {
        member.stats().delivered == 10 && seen.len() == 9 + calls
    });
    let given_up = times >= tries as usize;
    until("the dead are counted", || {
        // The letter comes behind its count.
        let letters = letters.lock().unwrap().len();
        (member.stats().dead, letters) == (u64::from(given_up), usize::from(given_up))
    });
    let mut all = seen.all();
    all.sort_unstable();
    assert_eq!(
        all,
        (0..3)
            .chain(std::iter::repeat_n(3, calls))
            .chain(4..10)
            .collect::<Vec<_>>()
    );
    // It is counted before it is emitted.
    until("the letter has come", || {
        letters.lock().unwrap().len() == usize::from(given_up)
    });
    let letters = letters.lock().unwrap();
    assert_eq!(
        letters
            .iter()
            .map(|letter| letter.tries)
            .collect::<Vec<_>>(),
        vec![tries; usize::from(given_up)]
    );
    // All are acknowledged.
    until("nothing is pending", || pending(&raw) == 0);
}

/// How many events of the only group are not acknowledged.
fn pending(raw: &Raw) -> u64 {
    let name = raw.consumers("S").remove(0);
    raw.block_on(async {
        let info = raw
            .jetstream()
            .get_stream("S")
            .await
            .unwrap()
            .consumer_info(name)
            .await
            .unwrap();
        info.num_ack_pending as u64 + info.num_pending
    })
}

#[test]
fn a_group_tries_again() {
    by_a_group(2, false, 5);
}

#[test]
fn a_group_gives_up_after_the_last_try() {
    by_a_group(usize::MAX, false, 3);
}

#[test]
fn a_panic_is_a_failure_as_any_other_to_a_group() {
    by_a_group(1, true, 5);
    by_a_group(usize::MAX, true, 2);
}

#[test]
fn a_core_event_whose_handler_fails_is_reported_and_gone() {
    let (server, _raw) = with_stream();
    let (there, seen, _) = failing(usize::MAX, true);
    let told = Told::by(&there);
    let receiver = Bridge::to(server.url())
        .receive(&TICK)
        .start(&there)
        .unwrap();
    let (here, _sender) = sending(&server, &TICK);
    emit(&here, 0..10);
    seen.wait_in_order(10);
    until("all are counted", || receiver.stats().delivered == 10);
    assert_eq!(told.count("cannot do it"), 1, "{:?}", told.all());
}

#[test]
fn dead_letters_can_be_sent_on() {
    let (server, raw) = with_stream();
    raw.stream("DEAD", &["dead"]);
    let (there, _seen, _letters) = failing(usize::MAX, false);
    let _reader = Bridge::to(server.url())
        .receive(
            stored()
                .reader("r")
                .retry(Backoff::never())
                .dead_letters(&DEAD),
        )
        .send(Stored::in_stream("DEAD").topic(&DEAD))
        .start(&there)
        .unwrap();
    let (here, _sender) = sending(&server, stored());
    emit(&here, 0..5);
    until("it is stored", || raw.count("DEAD") == 1);
    let letter: serde_json::Value = raw.read("DEAD")[0].json();
    assert_eq!(
        (&letter["topic"], &letter["tries"]),
        (&"tick".into(), &1.into())
    );
}

#[test]
fn a_reader_that_waits_for_its_next_try_can_be_stopped() {
    let (server, raw) = with_stream();
    let (there, seen, _) = failing(usize::MAX, false);
    let route = stored().reader("r").retry(Backoff::fixed(Duration::MAX, 2));
    let reader = Bridge::to(server.url())
        .receive(route)
        .start(&there)
        .unwrap();
    for id in 0..5 {
        raw.publish("tick", serde_json::to_vec(&Tick::new(id)).unwrap());
    }
    seen.wait(4);
    let began = std::time::Instant::now();
    let stopped = reader.stop(LONG);
    assert!(began.elapsed() < LONG / 2, "{:?}", began.elapsed());
    // It comes again.
    let _ = stopped;
    let (there, seen, _) = failing(0, false);
    let _again = Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&there)
        .unwrap();
    seen.wait(2);
    assert_eq!(seen.all(), [3, 4]);
}

#[test]
fn a_line_that_is_held_does_not_hold_other_routes() {
    let (server, _raw) = with_stream();
    let (there, seen, _) = failing(usize::MAX, false);
    let route = stored().reader("r").retry(Backoff::fixed(Duration::MAX, 2));
    let _reader = Bridge::to(server.url())
        .receive(route)
        .start(&there)
        .unwrap();
    let (second, all) = crate::common::listening();
    let _second = Bridge::to(server.url())
        .receive(stored().reader("s"))
        .start(&second)
        .unwrap();
    let (here, _sender) = sending(&server, stored());
    emit(&here, 0..100);
    all.wait_in_order(100);
    seen.wait_in_order(4);
}

#[test]
fn what_was_given_back_is_no_try() {
    let (server, raw) = with_stream();
    let (bus, seen, letters) = failing(0, false);
    let told = Told::by(&bus);
    let start = || {
        let route = stored().shared("g").retry(at_once(2)).dead_letters(&DEAD);
        Bridge::to(server.url()).receive(route).start(&bus).unwrap()
    };
    raw.publish("tick", r#"{"id":0,"text":""}"#);
    // More often than it may be tried, as the server counts.
    for _ in 0..3 {
        let pause = bus.pause();
        let member = start();
        until("it has come", || member.stats().received == 1);
        member.stop(LONG);
        drop(pause);
    }
    let member = start();
    seen.wait(1);
    until("nothing is pending", || pending(&raw) == 0);
    assert_eq!((seen.all(), member.stats().dead), (vec![0], 0));
    assert_eq!(told.count("GivenUp") + letters.lock().unwrap().len(), 0);
}

#[test]
fn a_member_gives_up_by_a_failed_try_of_its_own() {
    let (server, raw) = with_stream();
    let (bus, seen, letters) = failing(usize::MAX, false);
    let start = |bus: &Bus| {
        let route = stored().shared("g").retry(at_once(2)).dead_letters(&DEAD);
        Bridge::to(server.url()).receive(route).start(bus).unwrap()
    };
    raw.publish("tick", r#"{"id":3,"text":""}"#);
    for _ in 0..3 {
        let pause = bus.pause();
        let member = start(&bus);
        until("it has come", || member.stats().received == 1);
        member.stop(LONG);
        drop(pause);
    }
    assert!(letters.lock().unwrap().is_empty());
    let _member = start(&bus);
    until("it is given up", || letters.lock().unwrap().len() == 1);
    // It has come as often as it may be tried: the first failure is the last.
    assert_eq!(seen.all(), [3]);
    assert!(letters.lock().unwrap()[0].tries >= 4);
}
