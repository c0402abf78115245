//! Bad input: names, types, and what has no queue.

use slotcast::{DeferErrorKind, Event, Topic};

use super::{Bus, Signal};
use crate::log::panic_of;

#[test]
fn bad_names_are_refused_with_the_place() {
    let long = "a".repeat(1025);
    let deep = vec!["a"; 65].join(".");
    for (name, problem) in [
        ("", "has an empty token at byte 0"),
        (".", "has an empty token at byte 0"),
        ("a.", "has an empty token at byte 2"),
        (".a", "has an empty token at byte 0"),
        ("a..b", "has an empty token at byte 2"),
        ("a b", "has white space or a control character at byte 1"),
        (
            "a\u{2003}b",
            "has white space or a control character at byte 1",
        ),
        (
            "a\u{7f}",
            "has white space or a control character at byte 1",
        ),
        ("a\n", "has white space or a control character at byte 1"),
        ("a.*", "has a wildcard"),
        (">", "has a wildcard"),
        (long.as_str(), "is longer than 1024 bytes"),
        (deep.as_str(), "has more than 64 tokens"),
    ] {
        let error = Topic::<u32>::named(name).unwrap_err();
        assert!(error.to_string().contains(problem), "{name:?}: {error}");
        assert!(name.starts_with(error.name()));
    }
}

#[test]
fn names_at_their_limits_are_taken() {
    let bus = Bus::new();
    for name in [
        "a".repeat(1024),
        vec!["a"; 64].join("."),
        "größe.été.名".to_owned(),
    ] {
        let topic = Topic::<u32>::named(name.clone()).unwrap();
        let _sub = bus.on(&topic, |_| ());
        assert_eq!(bus.emit(&topic, &1).ran(), 1);
        assert_eq!(bus.topics(), [name]);
    }
}

#[test]
fn another_payload_type_panics_and_names_both_and_the_first_line() {
    let bus = Bus::new();
    let (number, text) = (Topic::<u32>::new("size"), Topic::<String>::new("size"));
    let _sub = bus.on(&number, |_| ());
    let first = format!("{}:{}:", file!(), line!() - 1);
    for message in [
        panic_of(|| bus.on(&text, |_| ())),
        panic_of(|| bus.signal(&text)),
        panic_of(|| bus.emit(&text, &String::new())),
        panic_of(|| bus.defer(&text, String::new())),
        panic_of(|| bus.subscribe(&text)),
        bus.try_signal(&text).unwrap_err().to_string(),
    ] {
        for part in ["\"size\"", "`u32`", "String`", &first] {
            assert!(message.contains(part), "{message}");
        }
    }
    assert_eq!(bus.emit(&number, &1).ran(), 1, "the bus works afterwards");
}

#[test]
fn a_name_made_at_run_time_is_the_same_topic() {
    let bus = Bus::new();
    let _sub = bus.on(&Topic::<u32>::new("a.b"), |_| ());
    let made = Topic::<u32>::named(format!("{}.{}", 'a', 'b')).unwrap();
    assert_eq!(bus.emit(&made, &1).ran(), 1);
    assert_eq!(made, Topic::new("a.b"));
}

#[test]
fn an_event_type_may_name_its_topic() {
    struct Resized(u32);
    impl Event for Resized {
        const NAME: &'static str = "window.resized";
    }
    let bus = Bus::new();
    let _sub = bus.on(&Topic::of(), |event: &Resized| assert_eq!(event.0, 80));
    assert_eq!(
        bus.emit(&Topic::new("window.resized"), &Resized(80)).ran(),
        1
    );
}

#[test]
fn a_signal_alone_has_no_queue() {
    let signal = Signal::<String>::new();
    let error = signal.defer("kept".to_owned()).unwrap_err();
    assert_eq!(error.kind(), DeferErrorKind::NoQueue);
    assert_eq!(error.into_event(), "kept");
}
