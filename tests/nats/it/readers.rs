//! Readers: every event, in order, from where they have stopped.

use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use slotcast::{
    Bus, Queue, Topic,
    nats::{Bridge, Stored},
};
use slotcast_nats::{Relay, Seen, Tick, until};

use crate::common::{LONG, TICK, Told, emit, listening, receiving, sending, stored, with_stream};

#[test]
fn a_reader_begins_with_the_first_and_goes_on_where_it_stopped() {
    let (server, raw) = with_stream();
    let (here, sender) = sending(&server, stored());
    emit(&here, 0..100);
    sender.flush(LONG).unwrap();
    let (there, seen) = listening();
    for round in 1..=3 {
        let reader = Bridge::to(server.url())
            .receive(stored().reader("r"))
            .start(&there)
            .unwrap();
        seen.wait_in_order(round * 100);
        let stopped = reader.stop(LONG);
        assert_eq!(
            (
                stopped.unhandled,
                reader.stats().delivered,
                reader.stats().duplicates
            ),
            (0, 100, 0)
        );
        // What was handled is noted by a stop.
        let noted = raw.last("slotcast_readers", "slotcast.reader.S.r").unwrap();
        assert_eq!(
            String::from_utf8(noted.payload).unwrap(),
            (round * 100).to_string()
        );
        emit(&here, round * 100..round * 100 + 100);
        sender.flush(LONG).unwrap();
    }
    assert_eq!(raw.count("slotcast_readers"), 1);
}

#[test]
fn what_was_handled_is_noted_without_a_stop() {
    let (server, raw) = with_stream();
    let (bus, seen) = listening();
    let route = stored().reader("r").note_every(Duration::from_millis(5));
    let _bridge = Bridge::to(server.url())
        .send(stored())
        .receive(route)
        .start(&bus)
        .unwrap();
    // Its own come back as echoes, and are read all the same.
    let (other, _) = listening();
    let _other = Bridge::to(server.url())
        .send(stored())
        .start(&other)
        .unwrap();
    emit(&other, 0..50);
    seen.wait_in_order(50);
    until("it is noted", || {
        raw.has_stream("slotcast_readers")
            && raw
                .last("slotcast_readers", "slotcast.reader.S.r")
                .is_some_and(|noted| noted.payload == b"50")
    });
}

#[test]
fn a_reader_of_what_is_new_leaves_out_what_was_before() {
    let (server, _raw) = with_stream();
    let (here, sender) = sending(&server, stored());
    emit(&here, 0..10);
    sender.flush(LONG).unwrap();
    let (there, seen, reader) = receiving(&server, stored().reader("r").only_new());
    emit(&here, 10..20);
    seen.wait(10);
    reader.stop(LONG);
    emit(&here, 20..30);
    sender.flush(LONG).unwrap();
    // It has a position now.
    let _again = Bridge::to(server.url())
        .receive(stored().reader("r").only_new())
        .start(&there)
        .unwrap();
    seen.wait(20);
    assert!(seen.all().into_iter().eq(10..30), "{:?}", seen.all());
}

#[test]
fn a_reader_of_what_is_new_keeps_its_place_although_nothing_came() {
    let (server, _raw) = with_stream();
    let (here, sender) = sending(&server, stored());
    emit(&here, 0..10);
    sender.flush(LONG).unwrap();
    let (there, seen, reader) = receiving(&server, stored().reader("r").only_new());
    reader.stop(LONG);
    emit(&here, 10..20);
    sender.flush(LONG).unwrap();
    let _again = Bridge::to(server.url())
        .receive(stored().reader("r").only_new())
        .start(&there)
        .unwrap();
    seen.wait(10);
    assert!(seen.all().into_iter().eq(10..20), "{:?}", seen.all());
}

#[test]
fn each_reader_has_every_event() {
    let (server, _raw) = with_stream();
    let buses: Vec<_> = (0..3).map(|_| listening()).collect();
    let _readers: Vec<_> = buses
        .iter()
        .enumerate()
        .map(|(n, (bus, _))| {
            Bridge::to(server.url())
                .receive(stored().reader(format!("r{n}")))
                .start(bus)
                .unwrap()
        })
        .collect();
    let (here, _sender) = sending(&server, stored());
    emit(&here, 0..2_000);
    buses.iter().for_each(|(_, seen)| seen.wait_in_order(2_000));
}

#[test]
fn the_topics_of_a_reader_have_one_order() {
    let (server, _raw) = with_stream();
    let (a, b) = (Topic::<Tick>::new("tick.a"), Topic::<Tick>::new("tick.b"));
    let there = Bus::new();
    let seen = Seen::new();
    for topic in [&a, &b] {
        let all = seen.clone();
        there.on(topic, move |tick| all.push(tick.id)).detach();
    }
    let start = || {
        Bridge::to(server.url())
            .receive(Stored::in_stream("S").topic(&a).reader("r"))
            .receive(Stored::in_stream("S").topic(&b).reader("r"))
            .start(&there)
            .unwrap()
    };
    let reader = start();
    let here = Bus::new();
    // One route, so that the order of both topics is that of the emissions.
    let sender = Bridge::to(server.url())
        .send(Stored::in_stream("S").matching::<Tick>("tick.*"))
        .start(&here)
        .unwrap();
    let emit = |ids: std::ops::Range<u64>| {
        ids.for_each(|id| drop(here.emit(if id % 3 == 0 { &a } else { &b }, &Tick::new(id))));
    };
    emit(0..500);
    seen.wait_in_order(500);
    reader.stop(LONG);
    emit(500..1_000);
    sender.flush(LONG).unwrap();
    let _again = start();
    seen.wait_in_order(1_000);
}

#[test]
fn a_consumer_that_is_deleted_is_made_again() {
    let (server, raw) = with_stream();
    let (there, seen) = listening();
    let told = Told::by(&there);
    let _reader = Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&there)
        .unwrap();
    let (here, _sender) = sending(&server, stored());
    for round in 0..3 {
        emit(&here, round * 100..round * 100 + 100);
        seen.wait_in_order(round * 100 + 100);
        assert!(raw.delete_consumers("S") > 0);
    }
    emit(&here, 300..400);
    seen.wait_in_order(400);
    told.wait("MadeAgain");
}

#[test]
fn a_cursor_that_is_deleted_is_made_again() {
    let (server, raw) = with_stream();
    let (there, seen) = listening();
    let told = Told::by(&there);
    let route = || stored().reader("r").note_every(Duration::from_millis(5));
    let reader = Bridge::to(server.url())
        .receive(route())
        .start(&there)
        .unwrap();
    let (here, sender) = sending(&server, stored());
    emit(&here, 0..100);
    seen.wait_in_order(100);
    until("it is noted", || {
        raw.last("slotcast_readers", "slotcast.reader.S.r")
            .is_some()
    });
    raw.delete_stream("slotcast_readers");
    emit(&here, 100..200);
    seen.wait_in_order(200);
    reader.stop(LONG);
    let noted = raw.last("slotcast_readers", "slotcast.reader.S.r").unwrap();
    assert_eq!(noted.payload, b"200");
    told.wait("MadeAgain");
    emit(&here, 200..300);
    sender.flush(LONG).unwrap();
    let _again = Bridge::to(server.url())
        .receive(route())
        .start(&there)
        .unwrap();
    seen.wait_in_order(300);
}

#[test]
fn a_stream_that_is_made_anew_is_read_from_its_first() {
    let (server, raw) = with_stream();
    let (_there, seen, _reader) = receiving(&server, stored().reader("r"));
    let (here, sender) = sending(&server, stored());
    emit(&here, 0..100);
    seen.wait_in_order(100);
    raw.delete_stream("S");
    raw.stream("S", &["tick", "tick.>"]);
    emit(&here, 100..150);
    sender.flush(LONG).unwrap();
    seen.wait_in_order(150);
}

#[test]
fn handling_ends_with_the_async_handlers() {
    let (server, _raw) = with_stream();
    let there = Bus::new();
    let (seen, at_once) = (Seen::new(), Arc::new(Mutex::new((0, 0))));
    let all = seen.clone();
    there
        .subscribe(&TICK)
        .on_async(move |tick: Arc<Tick>| {
            let (all, at_once) = (all.clone(), at_once.clone());
            async move {
                {
                    let mut count = at_once.lock().unwrap();
                    count.0 += 1;
                    count.1 = count.1.max(count.0);
                }
                later().await;
                let mut count = at_once.lock().unwrap();
                count.0 -= 1;
                assert_eq!(count.1, 1, "one at a time");
                all.push(tick.id);
            }
        })
        .detach();
    let reader = Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&there)
        .unwrap();
    let (here, _sender) = sending(&server, stored());
    emit(&here, 0..50);
    seen.wait_in_order(50);
    until("all are counted", || reader.stats().delivered == 50);
}

/// Ready a little later, woken by another thread.
async fn later() {
    let woken = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut started = false;
    std::future::poll_fn(move |cx| {
        if woken.load(std::sync::atomic::Ordering::SeqCst) {
            return std::task::Poll::Ready(());
        }
        if !started {
            started = true;
            let (waker, woken) = (cx.waker().clone(), woken.clone());
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(1));
                woken.store(true, std::sync::atomic::Ordering::SeqCst);
                waker.wake();
            });
        }
        std::task::Poll::Pending
    })
    .await;
}

#[test]
fn what_a_queue_has_not_emitted_yet_is_not_handled() {
    let (server, _raw) = with_stream();
    let (there, seen) = listening();
    let queue = Queue::new();
    let start = || {
        Bridge::to(server.url())
            .receive(stored().reader("r").on_queue(&queue))
            .start(&there)
            .unwrap()
    };
    let reader = start();
    let (here, sender) = sending(&server, stored());
    emit(&here, 0..20);
    sender.flush(LONG).unwrap();
    until("ten are drained", || {
        if seen.len() < 10 {
            queue.drain_one();
        }
        seen.len() == 10
    });
    // One waits in the queue, and is not handled when this stops.
    reader.stop(Duration::from_millis(1));
    queue.clear();
    let _again = start();
    until("the others come", || {
        queue.drain();
        seen.len() == 20
    });
    seen.check_in_order(20);
}

#[test]
fn a_slow_handler_holds_up_its_own_route_only() {
    let (server, raw) = with_stream();
    let (bus, seen) = listening();
    let slow = Topic::<Tick>::new("tick.slow");
    let (go, goes) = mpsc::channel::<()>();
    let goes = Mutex::new(goes);
    bus.on(&slow, move |_| {
        let _ = goes.lock().unwrap().recv();
    })
    .detach();
    let _reader = Bridge::to(server.url())
        .receive(stored().reader("fast"))
        .receive(Stored::in_stream("S").topic(&slow).reader("slow"))
        .start(&bus)
        .unwrap();
    raw.publish("tick.slow", r#"{"id":1,"text":""}"#);
    let (here, _sender) = sending(&server, stored());
    emit(&here, 0..500);
    seen.wait_in_order(500);
    go.send(()).unwrap();
}

#[test]
fn an_event_that_is_looked_at_when_the_connection_ends_comes_again() {
    let (server, raw) = with_stream();
    let relay = Relay::before(server.port());
    let (bus, seen) = listening();
    let reader = Bridge::to(relay.url())
        .receive(stored().reader("r"))
        .start(&bus)
        .unwrap();
    let publish = |number: u64, after: &[(&str, &str)]| {
        let text = number.to_string();
        let mut headers = vec![("Slotcast-Origin", "x"), ("Slotcast-Seq", &*text)];
        headers.extend(after);
        let payload = format!(r#"{{"id":{number},"text":""}}"#);
        raw.publish_with("tick", &headers, payload);
    };
    publish(0, &[]);
    publish(1, &[]);
    seen.wait(2);
    // It comes before one that the reader has not seen, so that it asks what is in the stream, and gets no answer.
    raw.publish("tick.other", "");
    relay.hold_up();
    publish(3, &[("Slotcast-After", "2")]);
    until("it has arrived", || reader.stats().received == 3);
    thread::sleep(Duration::from_millis(100));
    raw.block_on(async {
        let stream = raw.jetstream().get_stream("S").await.unwrap();
        // What was between may have been that one.
        stream.delete_message(3).await.unwrap();
    });
    relay.cut();
    publish(4, &[]);
    seen.wait(4);
    assert_eq!(seen.all(), [0, 1, 3, 4]);
}

#[test]
fn a_position_that_is_noted_after_the_longest_time_is_noted_by_a_stop() {
    let (server, raw) = with_stream();
    let (bus, seen) = listening();
    let route = stored().reader("r").note_every(Duration::MAX);
    let reader = Bridge::to(server.url()).receive(route).start(&bus).unwrap();
    raw.publish("tick", r#"{"id":0,"text":""}"#);
    seen.wait(1);
    reader.stop(LONG);
    let noted = raw.last("slotcast_readers", "slotcast.reader.S.r").unwrap();
    assert_eq!(noted.payload, b"1");
}
