//! Promise 12: `on_mut` handlers change their captures, and may not be entered from their own call.

use std::sync::{Arc, Mutex};

use slotcast::{FailureKind, HandlerError, Topic};

use super::{Bus, Signal, Subscription};
use crate::log::{Dropped, Log, boom, panic_of};

#[test]
fn on_mut_changes_what_it_captured() {
    let signal = Signal::<u32, Vec<u32>>::with_context();
    let (mut total, mut calls) = (0, 0);
    let _sum = signal.on_mut_with(move |sums, n| {
        total += n;
        sums.push(total);
    });
    let _third = signal.on_mut(move |_| {
        calls += 1;
        if calls == 3 {
            Err("the third call")
        } else {
            Ok(())
        }
    });
    let mut sums = Vec::new();
    let errors = [1, 2, 3].map(|n| signal.emit_with(&mut sums, &n).errors().len());
    assert_eq!((sums, errors), (vec![1, 3, 6], [0, 0, 1]));
}

#[test]
fn on_mut_entered_from_its_own_call_is_a_failure_and_no_deadlock() {
    const A: Topic<u32> = Topic::new("a");
    const B: Topic<u32> = Topic::new("b");
    let (bus, log) = (Bus::new(), Log::default());
    bus.set_error_hook({
        let log = log.clone();
        move |error: &HandlerError| log.add(format!("{:?} {}", error.kind(), error.topic()))
    });
    let (weak, mut calls) = (bus.downgrade(), 0);
    let sub = bus.subscribe(&A).label("counter").on_mut({
        let log = log.clone();
        move |n| {
            calls += 1;
            log.add(format!("call {calls} begins"));
            if *n > 0 {
                weak.upgrade().unwrap().emit(&B, n);
            }
            log.add(format!("call {calls} ends"));
        }
    });
    let weak = bus.downgrade();
    let _echo = bus.on(&B, {
        let log = log.clone();
        move |n| {
            let done = weak.upgrade().unwrap().emit(&A, n);
            let error = &done.errors()[0];
            assert_eq!((done.ran(), error.kind()), (0, FailureKind::Reentered));
            assert_eq!(error.label(), Some("counter"));
            assert!(
                error
                    .to_string()
                    .contains("entered again from its own call"),
                "{error}"
            );
            log.add("refused");
        }
    });
    let done = bus.emit(&A, &1);
    assert_eq!(
        (done.ran(), done.errors().len()),
        (1, 0),
        "told once, by the inner one"
    );
    let all = ["call 1 begins", "Reentered a", "refused", "call 1 ends"];
    assert_eq!(log.take(), all);
    assert_eq!(bus.emit(&A, &0).ran(), 1);
    assert_eq!(log.take(), ["call 2 begins", "call 2 ends"]);
    drop(sub);
}

#[test]
fn a_panic_ends_the_turn_and_poisons_nothing() {
    let signal = Signal::<u32>::new();
    let mut calls = 0;
    let log = Log::default();
    let _sub = signal.on_mut({
        let log = log.clone();
        move |n| {
            calls += 1;
            if *n == 0 {
                boom("zero");
            }
            log.add(calls);
        }
    });
    assert_eq!(panic_of(|| signal.emit(&0)), "zero");
    assert_eq!(signal.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["2"]);
}

#[test]
fn on_mut_may_cancel_itself_and_spends_its_limit() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let shelf = Arc::new(Mutex::new(None::<Subscription>));
    let captured = Dropped(log.clone(), "captures");
    let sub = signal.subscribe().limit(3).on_mut({
        let shelf = shelf.clone();
        let mut calls = 0;
        move |n| {
            let _captured = &captured;
            calls += n;
            assert_eq!(calls, 1);
            drop(shelf.lock().unwrap().take());
        }
    });
    *shelf.lock().unwrap() = Some(sub);
    assert_eq!(signal.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["drop captures"]);
    let sub = signal.subscribe().limit(1).on_mut(|_| ());
    assert_eq!((signal.emit(&1).ran(), signal.emit(&1).ran()), (1, 0));
    assert!(!sub.is_active());
}
