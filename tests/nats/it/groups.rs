//! Groups: each event to one of the members, acknowledged when it is handled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use slotcast::{
    Bus, Topic,
    nats::{Bridge, Stored},
};
use slotcast_nats::{Seen, Server, Tick, until};

use crate::common::{LONG, TICK, Told, emit, listening, sending, stored, with_stream};

/// A member of the group `g`, whose bus adds to `seen`.
fn member(server: &Server, seen: &Seen) -> (Bus, Bridge) {
    let bus = Bus::new();
    let all = seen.clone();
    bus.on(&TICK, move |tick| all.push(tick.id)).detach();
    let bridge = Bridge::to(server.url())
        .receive(stored().shared("g"))
        .start(&bus)
        .unwrap();
    (bus, bridge)
}

#[test]
fn each_event_is_handled_by_one_of_them() {
    let (server, raw) = with_stream();
    let seen = Seen::new();
    let members: Vec<_> = (0..3).map(|_| member(&server, &seen)).collect();
    let (here, _sender) = sending(&server, stored());
    emit(&here, 0..3_000);
    seen.wait(3_000);
    until("all are counted", || {
        members
            .iter()
            .map(|(_, b)| b.stats().delivered)
            .sum::<u64>()
            == 3_000
    });
    seen.check_each_once(3_000);
    assert!(
        members.iter().all(|(_, b)| b.stats().delivered > 0),
        "each has some"
    );
    let group = raw.consumers("S");
    assert_eq!(group.len(), 1, "{group:?}");
    assert!(group[0].contains('g'), "{group:?}");
}

#[test]
fn what_a_stopped_member_has_not_handled_goes_to_another() {
    let (server, _raw) = with_stream();
    let seen = Seen::new();
    let (_first, first) = member(&server, &seen);
    let (here, sender) = sending(&server, stored());
    emit(&here, 0..2_000);
    until("it has begun", || seen.len() > 10);
    let stopped = first.stop(LONG);
    assert_eq!(stopped.unhandled, 0);
    let (_second, _second_bridge) = member(&server, &seen);
    emit(&here, 2_000..2_100);
    sender.flush(LONG).unwrap();
    // At once: what was not handled was given back, and does not wait for the end of the ack wait of 30 s.
    let began = std::time::Instant::now();
    seen.wait(2_100);
    assert!(
        began.elapsed() < Duration::from_secs(25),
        "{:?}",
        began.elapsed()
    );
    seen.check_each_once(2_100);
}

#[test]
fn a_group_goes_on_where_it_was_when_no_member_is_there() {
    let (server, _raw) = with_stream();
    let seen = Seen::new();
    let (here, sender) = sending(&server, stored());
    for round in 0..3 {
        emit(&here, round * 100..round * 100 + 100);
        sender.flush(LONG).unwrap();
        let (_bus, bridge) = member(&server, &seen);
        seen.wait((round as usize + 1) * 100);
        bridge.stop(LONG);
    }
    seen.check_each_once(300);
}

#[test]
fn a_member_has_no_more_at_a_time_than_it_takes() {
    let (server, raw) = with_stream();
    let (here, sender) = sending(&server, stored());
    emit(&here, 0..100);
    sender.flush(LONG).unwrap();
    let (bus, seen) = listening();
    let (open, is_open) = std::sync::mpsc::channel::<()>();
    let is_open = std::sync::Mutex::new(is_open);
    bus.subscribe(&TICK)
        .priority(1)
        .on(move |_| {
            let _ = is_open.lock().unwrap().recv();
        })
        .detach();
    let _member = Bridge::to(server.url())
        .receive(stored().shared("g").in_flight(5))
        .start(&bus)
        .unwrap();
    let pending = || {
        raw.block_on(async {
            let stream = raw.jetstream().get_stream("S").await.unwrap();
            let name = raw.jetstream().get_stream("S").await.unwrap();
            let mut names = name.consumer_names();
            let first = futures_util::StreamExt::next(&mut names)
                .await
                .unwrap()
                .unwrap();
            stream.consumer_info(first).await.unwrap().num_ack_pending
        })
    };
    until("it has some", || pending() == 5);
    thread::sleep(Duration::from_millis(50));
    assert_eq!(pending(), 5);
    drop(open);
    seen.wait(100);
    seen.check_each_once(100);
}

#[test]
fn a_handler_that_takes_longer_than_the_ack_wait_keeps_its_event() {
    let (server, raw) = with_stream();
    let (calls, other_calls) = (Arc::new(AtomicUsize::new(0)), Seen::new());
    let ended = Arc::new(AtomicUsize::new(0));
    let bus = Bus::new();
    let (count, ends) = (calls.clone(), ended.clone());
    bus.on(&TICK, move |_| {
        count.fetch_add(1, SeqCst);
        // Three times as long as the ack wait.
        thread::sleep(Duration::from_secs(3));
        ends.fetch_add(1, SeqCst);
    })
    .detach();
    let route = || {
        stored()
            .shared("g")
            .ack_wait(Duration::from_secs(1))
            .in_flight(1)
    };
    let slow = Bridge::to(server.url())
        .receive(route())
        .start(&bus)
        .unwrap();
    raw.publish("tick", r#"{"id":0,"text":""}"#);
    until("it is being handled", || calls.load(SeqCst) == 1);
    let idle = Bus::new();
    let push = other_calls.clone();
    idle.on(&TICK, move |tick| push.push(tick.id)).detach();
    let other = Bridge::to(server.url())
        .receive(route())
        .start(&idle)
        .unwrap();
    until("it is handled", || ended.load(SeqCst) == 1);
    // Had it been given to the other one, this would come behind it.
    raw.publish("tick", r#"{"id":1,"text":""}"#);
    until("the next one is handled", || {
        calls.load(SeqCst) + other_calls.len() >= 2
    });
    until("both are counted", || {
        slow.stats().delivered + other.stats().delivered >= 2
    });
    assert_eq!(calls.load(SeqCst) + other_calls.len(), 2);
    assert_eq!(
        (slow.stats().redelivered, other.stats().redelivered),
        (0, 0)
    );
}

#[test]
fn what_waits_behind_a_slow_handler_is_kept_too() {
    let (server, _raw) = with_stream();
    let (bus, seen) = listening();
    bus.on(&TICK, move |tick| {
        if tick.id < 3 {
            thread::sleep(Duration::from_millis(1_200));
        }
    })
    .detach();
    let route = stored().shared("g").ack_wait(Duration::from_secs(1));
    let member = Bridge::to(server.url()).receive(route).start(&bus).unwrap();
    let (here, _sender) = sending(&server, stored());
    emit(&here, 0..50);
    until("all are handled", || member.stats().delivered == 50);
    seen.check_each_once(50);
    assert_eq!(
        (member.stats().redelivered, member.stats().duplicates),
        (0, 0)
    );
}

#[test]
fn a_group_whose_consumer_is_deleted_goes_on() {
    let (server, raw) = with_stream();
    let seen = Seen::new();
    let (bus, bridge) = member(&server, &seen);
    let told = Told::by(&bus);
    let (here, sender) = sending(&server, stored());
    emit(&here, 0..100);
    seen.wait(100);
    until("all are counted", || bridge.stats().delivered == 100);
    assert_eq!(raw.delete_consumers("S"), 1);
    emit(&here, 100..200);
    sender.flush(LONG).unwrap();
    seen.wait(200);
    told.wait("MadeAgain");
    // What the server has forgotten to be acknowledged comes again, and is dropped.
    seen.check_each_once(200);
}

#[test]
fn two_groups_of_a_stream_each_have_every_event() {
    let (server, _raw) = with_stream();
    let (a, seen_by_a) = listening();
    let (b, seen_by_b) = listening();
    let _a = Bridge::to(server.url())
        .receive(stored().shared("a"))
        .start(&a)
        .unwrap();
    let _b = Bridge::to(server.url())
        .receive(stored().shared("b"))
        .start(&b)
        .unwrap();
    let (here, _sender) = sending(&server, stored());
    emit(&here, 0..500);
    for seen in [seen_by_a, seen_by_b] {
        seen.wait(500);
        seen.check_each_once(500);
    }
}

#[test]
fn a_group_takes_a_family_of_topics() {
    let (server, _raw) = with_stream();
    let bus = Bus::new();
    let seen = Seen::new();
    let all = seen.clone();
    bus.on_pattern("tick.*", move |event| {
        all.push(event.payload::<Tick>().unwrap().id)
    })
    .detach();
    let route = Stored::in_stream("S")
        .matching::<Tick>("tick.*")
        .shared("g");
    let _member = Bridge::to(server.url()).receive(route).start(&bus).unwrap();
    let (here, _sender) = sending(&server, Stored::in_stream("S").matching::<Tick>("tick.*"));
    for id in 0..100 {
        here.emit(
            &Topic::<Tick>::named(format!("tick.{}", id % 5)).unwrap(),
            &Tick::new(id),
        );
    }
    seen.wait(100);
    seen.check_each_once(100);
}

#[test]
fn a_stream_that_is_made_anew_has_new_events_at_old_positions() {
    let (server, raw) = with_stream();
    let seen = Seen::new();
    let (bus, bridge) = member(&server, &seen);
    let told = Told::by(&bus);
    let publish = |id: u64| raw.publish("tick", format!(r#"{{"id":{id},"text":""}}"#));
    (0..5).for_each(publish);
    seen.wait(5);
    raw.delete_stream("S");
    raw.stream("S", &["tick", "tick.>"]);
    // Nobody gives these a number: they are known by where they are.
    (5..12).for_each(publish);
    seen.wait(12);
    seen.check_each_once(12);
    assert_eq!(bridge.stats().duplicates, 0, "{:?}", told.all());
}

#[test]
fn what_is_handled_when_a_stream_is_made_anew_does_not_answer_for_the_new_events() {
    let (server, raw) = with_stream();
    let (bus, seen) = (Bus::new(), Seen::new());
    let all = seen.clone();
    bus.on(&TICK, move |tick| {
        if tick.id < 2 {
            thread::sleep(Duration::from_secs(2));
        }
        all.push(tick.id);
    })
    .detach();
    let bridge = Bridge::to(server.url())
        .receive(stored().shared("g"))
        .start(&bus)
        .unwrap();
    let publish = |id: u64| {
        let number = id.to_string();
        let headers = [("Slotcast-Origin", "x"), ("Slotcast-Seq", &*number)];
        raw.publish_with("tick", &headers, format!(r#"{{"id":{id},"text":""}}"#));
    };
    (0..2).for_each(publish);
    until("they have come", || bridge.stats().received == 2);
    raw.delete_stream("S");
    raw.stream("S", &["tick", "tick.>"]);
    (2..7).for_each(publish);
    seen.wait(7);
    seen.check_each_once(7);
}
