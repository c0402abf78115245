//! Is an event too early, or was the one before it removed from the stream?

use slotcast::nats::Bridge;
use slotcast_nats::{Raw, Server};

use crate::common::{listening, receiving, stored};

/// Stores what a bridge would send.
fn publish(raw: &Raw, number: u64, after: Option<u64>) {
    let (text, after) = (number.to_string(), after.map(|it| it.to_string()));
    let mut headers = vec![("Slotcast-Origin", "x"), ("Slotcast-Seq", &*text)];
    headers.extend(after.as_deref().map(|it| ("Slotcast-After", it)));
    raw.publish_with("tick", &headers, format!(r#"{{"id":{number},"text":""}}"#));
}

fn delete(raw: &Raw, sequence: u64) {
    raw.block_on(async {
        let stream = raw.jetstream().get_stream("S").await.unwrap();
        stream.delete_message(sequence).await.unwrap();
    });
}

/// What a reader makes of a stream, until so many have come.
fn read(store: impl Fn(&Raw), count: usize) -> Vec<u64> {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    raw.stream("S", &["tick", "other"]);
    store(&raw);
    slotcast_nats::until("all are stored", || raw.info("S").state.last_sequence >= 3);
    let (_bus, seen, reader) = receiving(&server, stored().reader("r"));
    seen.wait(count);
    reader.stop(crate::common::LONG);
    seen.all()
}

#[test]
fn an_event_that_is_too_early_waits_although_others_were_removed() {
    for removed in [[1, 3], [1, 1], [3, 3]] {
        let handled = read(
            |raw| {
                raw.publish("other", "1");
                publish(raw, 0, None);
                raw.publish("other", "3");
                // Refused was the one before it, and comes behind it.
                publish(raw, 2, Some(1));
                publish(raw, 1, None);
                publish(raw, 2, None);
                slotcast_nats::until("all are stored", || raw.info("S").state.last_sequence == 6);
                delete(raw, removed[0]);
                if removed[1] != removed[0] {
                    delete(raw, removed[1]);
                }
            },
            3,
        );
        assert_eq!(handled, [0, 1, 2], "{removed:?}");
    }
}

#[test]
fn an_event_is_handled_where_the_one_before_it_was_removed() {
    let handled = read(
        |raw| {
            (0..5).for_each(|number| publish(raw, number, number.checked_sub(1)));
            slotcast_nats::until("all are stored", || raw.info("S").state.last_sequence == 5);
            delete(raw, 2);
            delete(raw, 4);
        },
        3,
    );
    assert_eq!(handled, [0, 2, 4]);
}

#[test]
fn an_event_is_handled_where_those_before_it_were_removed_at_the_begin() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    raw.stream("S", &["tick"]);
    let (bus, seen) = listening();
    let start = || {
        let builder = Bridge::to(server.url()).receive(stored().reader("r"));
        builder.start(&bus).unwrap()
    };
    let mut reader = start();
    publish(&raw, 0, None);
    seen.wait(1);
    reader.stop(crate::common::LONG);
    (1..5).for_each(|number| publish(&raw, number, Some(number - 1)));
    slotcast_nats::until("all are stored", || raw.count("S") == 5);
    raw.purge_to("S", 4);
    reader = start();
    publish(&raw, 5, Some(4));
    seen.wait(3);
    reader.stop(crate::common::LONG);
    assert_eq!(seen.all(), [0, 4, 5]);
}

#[test]
fn an_event_that_is_too_early_waits_as_long_as_nothing_was_removed_before_it() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    raw.stream("S", &["tick", "other"]);
    let (_bus, seen, reader) = receiving(&server, stored().reader("r"));
    raw.publish("other", "1");
    raw.publish("other", "2");
    publish(&raw, 0, None);
    seen.wait(1);
    // What is removed elsewhere is not the one that is missing.
    delete(&raw, 2);
    publish(&raw, 2, Some(1));
    slotcast_nats::until("it is left out", || reader.stats().duplicates == 1);
    publish(&raw, 1, None);
    publish(&raw, 2, None);
    seen.wait(3);
    assert_eq!(seen.all(), [0, 1, 2]);
}

#[test]
fn an_event_is_handled_where_the_one_before_it_was_in_another_stream() {
    let server = Server::start();
    let raw = Raw::connect(&server.url());
    raw.stream("S", &["tick", "other"]);
    let (_bus, seen, _reader) = receiving(&server, stored().reader("r"));
    publish(&raw, 0, None);
    publish(&raw, 1, None);
    seen.wait(2);
    raw.delete_stream("S");
    // A server like 2.9.10 may remove its files for a while, and with them what is stored then.
    std::thread::sleep(std::time::Duration::from_millis(200));
    raw.stream("S", &["tick", "other"]);
    (0..3).for_each(|_| raw.publish("other", ""));
    publish(&raw, 3, Some(2));
    seen.wait(3);
    assert_eq!(seen.all(), [0, 1, 3]);
}
