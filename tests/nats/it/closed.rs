//! What stored routes do when what they emit into is closed: they stop asking, say so once, and keep nothing.

use std::{thread, time::Duration};

use slotcast::{
    Bus, Queue, Topic,
    nats::{Backoff, Bridge, Stored},
};
use slotcast_nats::{Raw, Seen, Tick, until};

use crate::common::{LONG, TICK, Told, listening, stored, with_stream};

const OTHER: Topic<Tick> = Topic::new("tick.other");

/// Long enough for what must not happen to happen.
const SHORT: Duration = Duration::from_millis(300);

fn publish(raw: &Raw, topic: &Topic<Tick>, ids: std::ops::Range<u64>) {
    for id in ids {
        raw.publish(topic.name(), serde_json::to_vec(&Tick::new(id)).unwrap());
    }
}

/// A bus that notes the ticks of both topics.
fn listening_to_both() -> (Bus, Seen, Seen) {
    let (bus, seen) = listening();
    let others = Seen::new();
    let all = others.clone();
    bus.on(&OTHER, move |tick| all.push(tick.id)).detach();
    (bus, seen, others)
}

#[test]
fn a_member_whose_bus_or_topic_is_closed_gives_back_once_and_asks_no_more() {
    for of_bus in [true, false] {
        let (server, raw) = with_stream();
        let (bus, seen) = listening();
        let told = Told::by(&bus);
        let route = || {
            stored()
                .shared("g")
                .retry(Backoff::fixed(Duration::ZERO, 2))
        };
        let first = Bridge::to(server.url())
            .receive(route())
            .start(&bus)
            .unwrap();
        publish(&raw, &TICK, 0..1);
        seen.wait(1);
        match of_bus {
            true => bus.close(),
            false => bus.signal(&TICK).close(),
        }
        publish(&raw, &TICK, 1..20);
        told.wait("Closed");
        until("it asks no more", || {
            raw.consumer("S", "g").num_waiting == 0
        });
        let delivered = raw.consumer("S", "g").delivered.consumer_sequence;
        thread::sleep(SHORT);
        assert_eq!(
            raw.consumer("S", "g").delivered.consumer_sequence,
            delivered
        );
        assert_eq!(
            (told.count("Closed"), told.all().len()),
            (1, 1),
            "{:?}",
            told.all()
        );
        // Its tries are not used up.
        let (there, rest) = listening();
        let second = Bridge::to(server.url())
            .receive(route())
            .start(&there)
            .unwrap();
        rest.wait(19);
        until("all are acknowledged", || {
            raw.consumer("S", "g").num_ack_pending == 0
        });
        assert_eq!(
            (rest.len(), first.stats().dead, second.stats().dead),
            (19, 0, 0)
        );
        assert_eq!(first.stop(LONG).unhandled, 0);
    }
}

#[test]
fn a_closed_topic_does_not_hold_up_the_others_of_its_reader() {
    let (server, raw) = with_stream();
    let routes = || {
        Bridge::to(server.url())
            .receive(stored().reader("r"))
            .receive(Stored::in_stream("S").topic(&OTHER).reader("r"))
    };
    let (bus, seen, others) = listening_to_both();
    let told = Told::by(&bus);
    let reader = routes().start(&bus).unwrap();
    bus.signal(&TICK).close();
    publish(&raw, &TICK, 0..3);
    publish(&raw, &OTHER, 0..3);
    publish(&raw, &TICK, 3..6);
    publish(&raw, &OTHER, 3..6);
    others.wait_in_order(6);
    told.wait("Closed");
    assert_eq!(
        (seen.len(), told.count("Closed")),
        (0, 1),
        "{:?}",
        told.all()
    );
    assert_eq!(
        (
            reader.stats().delivered,
            reader.stats().dead,
            reader.stop(LONG).unhandled
        ),
        (6, 6, 0)
    );
    // They were passed.
    let (there, seen, others) = listening_to_both();
    let _again = routes().start(&there).unwrap();
    publish(&raw, &TICK, 6..7);
    publish(&raw, &OTHER, 6..7);
    seen.wait(1);
    others.wait(1);
    assert_eq!((seen.all(), others.all()), (vec![6], vec![6]));
}

#[test]
fn a_reader_with_nothing_open_passes_nothing() {
    for of_bus in [true, false] {
        let (server, raw) = with_stream();
        let routes = || {
            Bridge::to(server.url())
                .receive(stored().reader("r"))
                .receive(Stored::in_stream("S").topic(&OTHER).reader("r"))
        };
        let (bus, seen, others) = listening_to_both();
        let told = Told::by(&bus);
        let reader = routes().start(&bus).unwrap();
        publish(&raw, &TICK, 0..2);
        publish(&raw, &OTHER, 0..2);
        seen.wait(2);
        others.wait(2);
        if of_bus {
            bus.close();
        } else {
            bus.signal(&OTHER).close();
            bus.signal(&TICK).close();
        }
        publish(&raw, &TICK, 2..4);
        publish(&raw, &OTHER, 2..4);
        told.wait("Closed");
        // What was handled is noted all the same.
        until("it is noted", || {
            let noted = raw.last("slotcast_readers", "slotcast.reader.S.r");
            noted.is_some_and(|it| it.payload == b"4")
        });
        until("it asks no more", || raw.consumers("S").is_empty());
        assert_eq!(
            (told.count("Closed"), told.all().len()),
            (1, 1),
            "{:?}",
            told.all()
        );
        assert_eq!(reader.stop(LONG).unhandled, 0);
        let (there, seen, others) = listening_to_both();
        let _again = routes().start(&there).unwrap();
        seen.wait(2);
        others.wait(2);
        assert_eq!((seen.all(), others.all()), (vec![2, 3], vec![2, 3]));
    }
}

#[test]
fn a_member_that_has_closed_one_topic_of_its_pattern_does_the_others() {
    let (server, raw) = with_stream();
    let route = || {
        Stored::in_stream("S")
            .matching::<Tick>("tick.*")
            .shared("g")
    };
    let (bus, _seen, others) = listening_to_both();
    let told = Told::by(&bus);
    let gone = bus.signal(&Topic::<Tick>::new("tick.gone"));
    gone.close();
    let _first = Bridge::to(server.url())
        .receive(route())
        .start(&bus)
        .unwrap();
    publish(&raw, &Topic::new("tick.gone"), 0..3);
    publish(&raw, &OTHER, 0..3);
    others.wait_in_order(3);
    told.wait("Closed");
    until("they are given back", || {
        raw.consumer("S", "g").num_redelivered > 0
    });
    assert_eq!(
        (told.count("Closed"), told.all().len()),
        (1, 1),
        "{:?}",
        told.all()
    );
    // Another member has it.
    let (there, rest) = (Bus::new(), Seen::new());
    let all = rest.clone();
    there
        .on(&Topic::new("tick.gone"), move |tick: &Tick| {
            all.push(tick.id)
        })
        .detach();
    drop(_first);
    let _second = Bridge::to(server.url())
        .receive(route())
        .start(&there)
        .unwrap();
    rest.wait(3);
    rest.check_each_once(3);
    drop(gone);
}

#[test]
fn a_closed_queue_ends_its_reader_and_passes_nothing() {
    let (server, raw) = with_stream();
    let (bus, seen) = listening();
    let told = Told::by(&bus);
    let queue = Queue::new();
    let reader = Bridge::to(server.url())
        .receive(
            stored()
                .reader("r")
                .retry(Backoff::never())
                .on_queue(&queue),
        )
        .start(&bus)
        .unwrap();
    queue.close();
    publish(&raw, &TICK, 0..3);
    told.wait("Closed");
    assert_eq!((seen.len(), reader.stop(LONG).unhandled), (0, 0));
    assert_eq!(
        (told.all().len(), reader.stats().dead),
        (1, 0),
        "{:?}",
        told.all()
    );
    let (there, rest) = listening();
    let _again = Bridge::to(server.url())
        .receive(stored().reader("r"))
        .start(&there)
        .unwrap();
    rest.wait_in_order(3);
}
