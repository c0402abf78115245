//! Forwarding: a handler that emits to another signal as long as that one exists.

use slotcast::{Flow, HandlerError, Topic};

use super::{Bus, Signal};
use crate::log::{Log, boom, panic_of};

#[test]
fn forwarding_ends_when_either_end_goes() {
    let log = Log::default();
    let made = |name: &'static str| {
        let signal = Signal::<u32>::new();
        let log = log.clone();
        signal.on(move |n| log.add(format!("{name} {n}"))).detach();
        signal
    };
    for end in [
        "source",
        "target",
        "source closed",
        "target closed",
        "cancel",
    ] {
        let (source, target) = (made("source"), made("target"));
        let sub = source.forward_to(&target);
        assert_eq!(source.emit(&1).ran(), 2);
        assert_eq!(log.take(), ["source 1", "target 1"]);
        assert_eq!((source.len(), target.len()), (2, 1));
        match end {
            "source" => drop(source),
            "target" => {
                drop(target);
                assert_eq!((source.emit(&2).ran(), source.len()), (1, 1));
            }
            "source closed" => source.close(),
            "target closed" => {
                target.close();
                assert_eq!(source.len(), 1);
                assert_eq!(source.emit(&2).ran(), 1);
            }
            _ => assert!(sub.cancel()),
        }
        assert!(!sub.is_active(), "{end}");
        log.take();
    }
}

#[test]
fn what_is_forwarded_is_an_emission_of_its_own() {
    let (log, source) = (Log::default(), Signal::<u32, u32>::with_context());
    let bus = Bus::<u32>::with_context();
    let target = bus.signal(&Topic::<u32>::new("target"));
    bus.set_error_hook({
        let log = log.clone();
        move |error: &HandlerError| log.add(error.topic())
    });
    let _sub = source.subscribe().filter(|n| *n > 0).forward_to(&target);
    let _after = source.on_with(|calls, _| *calls += 100);
    let _fails = target.on_with(|calls, _| {
        *calls += 1;
        Err::<(), _>("disk full")
    });
    let _stops = target.on_with(|calls, _| {
        *calls += 10;
        Flow::Stop
    });
    let mut calls = 0;
    let done = source.emit_with(&mut calls, &1);
    assert_eq!(
        (done.ran(), done.stopped(), done.errors().len()),
        (2, false, 0)
    );
    assert_eq!((calls, log.take()), (111, vec!["target".to_owned()]));
    source.emit_with(&mut calls, &0);
    assert_eq!(calls, 211, "filtered");
    let _panics = target.subscribe().priority(1).on(|_| boom("inside"));
    assert_eq!(panic_of(|| source.emit_with(&mut calls, &1)), "inside");
    assert_eq!(
        log.take(),
        ["target", "target"],
        "each told once, by the inner emission"
    );
}

#[test]
fn forwarding_in_a_circle_meets_the_limit_of_nesting() {
    let (bus, log) = (Bus::builder().max_depth(8).build(), Log::default());
    bus.set_error_hook({
        let log = log.clone();
        move |error: &HandlerError| log.add(format!("{:?}", error.kind()))
    });
    let (a, b) = (Topic::<u32>::new("a"), Topic::<u32>::new("b"));
    let (a, b) = (bus.signal(&a), bus.signal(&b));
    let _there = a.forward_to(&b);
    let _back = b.forward_to(&a);
    assert_eq!(a.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["TooDeep"]);
    let _itself = a.forward_to(&a);
    drop(_there);
    assert_eq!(a.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["TooDeep"]);
}
