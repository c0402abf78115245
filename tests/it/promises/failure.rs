//! Promises 9, 10 and 11: failures.

use std::error::Error;
use std::sync::{Arc, Mutex};

use slotcast::{FailureKind, HandlerError, HandlerResult, Panics, Topic};

use super::{Bus, Queue, Signal};
use crate::log::{Log, OnDrop, boom, panic_of};

const TOPIC: Topic<u32> = Topic::new("file.saved");

fn describe(error: &HandlerError) -> String {
    format!("{} {:?} {:?}", error.topic(), error.label(), error.kind())
}

/// A bus whose hook writes down what it is told.
fn told(log: &Log) -> Bus {
    let bus = Bus::new();
    let log = log.clone();
    bus.set_error_hook(move |error| log.add(describe(error)));
    bus
}

#[test]
fn a_failure_keeps_no_other_handler_from_running() {
    let (bus, log) = (Bus::new(), Log::default());
    let (builder, line) = (bus.subscribe(&TOPIC), line!());
    let _a = builder.label("first").on(|_| Err::<(), _>("disk full"));
    let _b = bus.on(&TOPIC, |n| {
        if *n > 1 {
            boom("panic")
        } else {
            Ok::<(), std::fmt::Error>(())
        }
    });
    let _c = bus.on(&TOPIC, {
        let log = log.clone();
        move |_| log.add("c")
    });
    let done = bus.emit(&TOPIC, &1);
    assert_eq!((done.ran(), done.errors().len()), (3, 1));
    let error = &done.errors()[0];
    assert_eq!(describe(error), "file.saved Some(\"first\") Failed");
    assert_eq!(
        (error.location().line(), error.location().file()),
        (line, file!())
    );
    // In the message, and so not its source as well.
    assert!(error.to_string().ends_with("failed: disk full") && error.source().is_none());
    assert_eq!(error.error().unwrap().to_string(), "disk full");
    assert_eq!(panic_of(|| bus.emit(&TOPIC, &2)), "panic");
    assert_eq!(log.take(), ["c", "c"]);
}

#[test]
fn errors_of_any_type_come_back_as_they_are() {
    let signal = Signal::<String>::new();
    let _sub = signal.on(|text| -> HandlerResult {
        text.parse::<i32>()?;
        Ok(())
    });
    let done = signal.emit(&"x".to_owned());
    let error = done.errors()[0].error().unwrap();
    assert!(error.is::<std::num::ParseIntError>());
    let whole = done.into_result().unwrap_err();
    assert!(whole.to_string().contains("invalid digit") && whole.source().is_none());
    assert_eq!(whole.into_vec().len(), 1);
    assert_eq!(signal.emit(&"1".to_owned()).into_result().unwrap().ran(), 1);
}

#[test]
fn the_first_panic_resumes_after_the_rest_has_run() {
    let log = Log::default();
    let bus = told(&log);
    for (label, message) in [("one", "first"), ("two", "second")] {
        bus.subscribe(&TOPIC)
            .label(label)
            .on(move |_| boom(message))
            .detach();
    }
    bus.on(&TOPIC, |_| Err::<(), _>("error")).detach();
    assert_eq!(panic_of(|| bus.emit(&TOPIC, &1)), "first");
    assert_eq!(
        log.take(),
        [
            "file.saved Some(\"one\") Panicked",
            "file.saved Some(\"two\") Panicked",
            "file.saved None Failed"
        ]
    );
}

#[test]
fn contained_panics_end_in_the_emission() {
    let bus = Bus::builder().panics(Panics::Contain).build();
    let _a = bus.on(&TOPIC, |_| boom("contained"));
    let _b = bus
        .subscribe(&TOPIC)
        .filter(|_| boom("in the filter"))
        .on(|_| ());
    let _c = bus.on(&TOPIC, |_| -> () { std::panic::panic_any(7_u8) });
    let done = bus.emit(&TOPIC, &1);
    let texts: Vec<_> = done.errors().iter().map(ToString::to_string).collect();
    assert!(texts[0].ends_with("panicked: contained"), "{texts:?}");
    assert!(texts[1].ends_with("panicked: in the filter"), "{texts:?}");
    assert_eq!(
        (texts.len(), done.ran()),
        (3, 2),
        "a filter that panics enters no handler"
    );
}

#[test]
fn an_outer_emission_does_not_report_a_resumed_panic_again() {
    let log = Log::default();
    let bus = told(&log);
    const INNER: Topic<u32> = Topic::new("inner");
    let weak = bus.downgrade();
    let _outer = bus.on(&TOPIC, move |n| _ = weak.upgrade().unwrap().emit(&INNER, n));
    let _other = bus.on(&TOPIC, {
        let log = log.clone();
        move |_| log.add("the rest runs")
    });
    let _inner = bus.on(&INNER, |n| {
        if *n == 1 {
            boom("deep")
        }
    });
    assert_eq!(panic_of(|| bus.emit(&TOPIC, &1)), "deep");
    assert_eq!(log.take(), ["inner None Panicked", "the rest runs"]);
    assert_eq!(bus.emit(&TOPIC, &2).errors().len(), 0);
}

/// What unwinding drops on its way may panic as well: that is another failure, and not the end of
/// the first.
#[test]
fn a_resumed_panic_is_told_once_though_captures_panic_while_it_passes() {
    let log = Log::default();
    let bus = told(&log);
    const INNER: Topic<u32> = Topic::new("inner");
    const THIRD: Topic<u32> = Topic::new("third");
    let weak = bus.downgrade();
    let _outer = bus.on(&TOPIC, move |n| {
        let bus = weak.upgrade().unwrap();
        let captured = OnDrop(|| boom("in the drop"));
        let _dropped_by_unwinding = bus.on(&THIRD, move |_| _ = &captured);
        bus.emit(&INNER, n);
    });
    let _inner = bus.on(&INNER, |_| boom("deep"));
    assert_eq!(panic_of(|| bus.emit(&TOPIC, &1)), "in the drop");
    assert_eq!(log.take(), ["inner None Panicked", "third None Panicked"]);
}

#[test]
fn a_panic_after_one_that_was_caught_is_a_new_one() {
    let log = Log::default();
    let bus = told(&log);
    const INNER: Topic<u32> = Topic::new("inner");
    let weak = bus.downgrade();
    let _outer = bus.subscribe(&TOPIC).label("outer").on(move |n| {
        assert_eq!(
            panic_of(|| weak.upgrade().unwrap().emit(&INNER, n)),
            "inner"
        );
        boom("outer");
    });
    let _inner = bus.on(&INNER, |_| boom("inner"));
    assert_eq!(panic_of(|| bus.emit(&TOPIC, &1)), "outer");
    assert_eq!(
        log.take(),
        ["inner None Panicked", "file.saved Some(\"outer\") Panicked"]
    );
}

#[test]
fn nothing_resumes_while_the_thread_is_unwinding() {
    let signal = Signal::<u32>::new();
    let _sub = signal.on(|_| boom("in the handler"));
    let seen = Arc::new(Mutex::new(0));
    let message = panic_of({
        let seen = seen.clone();
        move || {
            let _emits = OnDrop(move || *seen.lock().unwrap() += signal.emit(&1).errors().len());
            boom("already unwinding")
        }
    });
    assert_eq!(
        (message.as_str(), *seen.lock().unwrap()),
        ("already unwinding", 1)
    );
}

#[test]
fn an_error_is_told_once_by_the_innermost_emission() {
    let log = Log::default();
    let bus = told(&log);
    const INNER: Topic<u32> = Topic::new("inner");
    let weak = bus.downgrade();
    let _outer = bus.on(&TOPIC, move |n| {
        let done = weak.upgrade().unwrap().emit(&INNER, n);
        assert_eq!(done.errors().len(), 1);
    });
    let _fails = bus.on(&TOPIC, |_| Err::<(), _>("outer"));
    let _inner = bus.on(&INNER, |_| Err::<(), _>("inner"));
    let done = bus.emit(&TOPIC, &1);
    assert_eq!(
        (done.errors().len(), done.errors()[0].topic()),
        (1, "file.saved")
    );
    assert_eq!(log.take(), ["inner None Failed", "file.saved None Failed"]);
}

#[test]
fn a_hook_may_use_the_bus_and_replace_itself() {
    let log = Log::default();
    let bus = Bus::new();
    let weak = bus.downgrade();
    bus.set_error_hook({
        let log = log.clone();
        let captured = OnDrop({
            let log = log.clone();
            move || log.add("first hook dropped")
        });
        move |_| {
            let _captured = &captured;
            log.add("first hook");
            let bus = weak.upgrade().unwrap();
            // Failures in here go to the log and not to a hook.
            assert_eq!(bus.emit(&TOPIC, &2).errors().len(), 1);
            let log = log.clone();
            bus.set_error_hook(move |_| log.add("second hook"));
        }
    });
    let _sub = bus.on(&TOPIC, |_| Err::<(), _>("no"));
    bus.emit(&TOPIC, &1);
    bus.emit(&TOPIC, &1);
    assert_eq!(
        log.take(),
        ["first hook", "first hook dropped", "second hook"]
    );
}

#[test]
fn a_hook_that_panics_harms_nothing() {
    let bus = Bus::new();
    bus.set_error_hook(|_| boom("in the hook"));
    let _sub = bus.on(&TOPIC, |_| Err::<(), _>("no"));
    for _ in 0..2 {
        let done = bus.emit(&TOPIC, &1);
        assert_eq!((done.ran(), done.errors().len()), (1, 1));
    }
}

#[test]
fn captures_that_panic_in_drop_outside_an_emission_are_told_once() {
    let log = Log::default();
    let bus = told(&log);
    let captured = OnDrop(|| boom("in drop"));
    let sub = bus
        .subscribe(&TOPIC)
        .label("loud")
        .on(move |_| _ = &captured);
    drop(sub);
    assert_eq!(log.take(), ["file.saved Some(\"loud\") Panicked"]);
}

#[test]
fn a_closure_that_only_panics_is_a_handler() {
    let signal = Signal::<u32>::new();
    let _sub = signal.on(|_| panic!("expected in this test"));
    let _never = signal.subscribe().limit(0).on(|_| unreachable!());
    assert_eq!(panic_of(|| signal.emit(&1)), "expected in this test");
}

#[test]
fn failures_of_a_drain_are_in_what_it_returns() {
    let log = Log::default();
    let bus = told(&log);
    let _sub = bus.on(&TOPIC, |n| if *n == 2 { Err("two") } else { Ok(()) });
    for n in 1..=3 {
        bus.defer(&TOPIC, n).unwrap();
    }
    let drained = bus.drain();
    assert_eq!((drained.delivered(), drained.remaining()), (3, 0));
    assert_eq!(drained.errors().len(), 1);
    assert!(drained.into_result().is_err());
    assert_eq!(log.take(), ["file.saved None Failed"]);
}

#[test]
fn in_a_drain_the_first_panic_resumes_after_the_batch() {
    let (bus, log) = (Bus::new(), Log::default());
    let _sub = bus.on(&TOPIC, {
        let log = log.clone();
        move |n| {
            log.add(n);
            if *n == 1 {
                boom("one");
            }
        }
    });
    for n in 1..=3 {
        bus.defer(&TOPIC, n).unwrap();
    }
    assert_eq!(panic_of(|| bus.drain()), "one");
    assert_eq!(log.take(), ["1", "2", "3"]);
    assert!(bus.queue().is_empty());
}

#[test]
fn a_failing_posted_closure_is_reported() {
    let queue = Queue::new();
    queue.post(|| Err::<(), _>("posted")).unwrap();
    queue.post(|| boom("panicked")).unwrap();
    queue.post(|| ()).unwrap();
    assert_eq!(panic_of(|| queue.drain()), "panicked");
    queue.post(|| Err::<(), _>("posted")).unwrap();
    let line = line!() - 1;
    let drained = queue.drain();
    let error = &drained.errors()[0];
    assert_eq!(
        (error.location().line(), error.kind()),
        (line, FailureKind::Failed)
    );
}
