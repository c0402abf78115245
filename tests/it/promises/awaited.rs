//! Async handlers, and emissions that are awaited.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;

use slotcast::{FailureKind, Flow, HandlerResult, Panics, Topic};

use super::{Bus, Ptr, Signal};
use crate::gate::{Gate, block_on, poll};
use crate::log::{Dropped, Log, OnDrop, boom, panic_of};

const NUMBER: Topic<u32> = Topic::new("number");

/// A handler that writes the event down, waits for the gate, and writes that down.
fn waits(signal: &Signal<u32>, name: &'static str, log: &Log, gate: &Gate) -> super::Subscription {
    let (log, gate) = (log.clone(), gate.clone());
    signal.subscribe().label(name).on_async(move |n: Ptr<u32>| {
        let (log, gate, n) = (log.clone(), gate.clone(), *n);
        async move {
            log.add(format!("{name} begins {n}"));
            gate.await;
            log.add(format!("{name} ends {n}"));
        }
    })
}

#[test]
fn an_awaited_emission_ends_when_all_has_ended_that_was_started() {
    let (signal, log, one, two) = (
        Signal::new(),
        Log::default(),
        Gate::default(),
        Gate::default(),
    );
    let _one = waits(&signal, "one", &log, &one);
    let _plain = signal.on({
        let log = log.clone();
        move |n| log.add(format!("plain {n}"))
    });
    let _two = waits(&signal, "two", &log, &two);
    let mut emission = signal.emit_async(7);
    assert!(log.take().is_empty(), "nothing happens until it is polled");
    assert!(poll(&mut emission).is_pending());
    assert_eq!(log.take(), ["plain 7", "one begins 7", "two begins 7"]);
    two.open();
    assert!(poll(&mut emission).is_pending());
    assert_eq!(log.take(), ["two ends 7"]);
    one.open();
    let Poll::Ready(done) = poll(&mut emission) else {
        panic!("it has ended")
    };
    assert_eq!((done.ran(), done.stopped()), (3, false));
    assert_eq!(log.take(), ["one ends 7"]);
}

#[test]
fn two_that_need_each_others_progress_end() {
    let (signal, one, two) = (Signal::<u32>::new(), Gate::default(), Gate::default());
    let meet = |mine: &Gate, others: &Gate| {
        let (mine, others) = (mine.clone(), others.clone());
        move |_| {
            let (mine, others) = (mine.clone(), others.clone());
            async move {
                mine.open();
                others.await;
            }
        }
    };
    let _one = signal.subscribe().on_async(meet(&one, &two));
    let _two = signal.subscribe().on_async(meet(&two, &one));
    assert_eq!(block_on(signal.emit_async(1)).ran(), 2);
}

#[test]
fn in_order_each_begins_when_the_one_before_has_ended() {
    let (signal, log, gate) = (Signal::new(), Log::default(), Gate::default());
    let _one = waits(&signal, "one", &log, &gate);
    let _plain = signal.on({
        let log = log.clone();
        move |n| log.add(format!("plain {n}"))
    });
    let _two = waits(&signal, "two", &log, &gate);
    let mut emission = signal.emit_async(7).in_order();
    assert!(poll(&mut emission).is_pending());
    assert_eq!(log.take(), ["one begins 7"]);
    gate.open();
    let Poll::Ready(done) = poll(&mut emission) else {
        panic!("the gate is open")
    };
    assert_eq!(done.ran(), 3);
    let expected = ["one ends 7", "plain 7", "two begins 7", "two ends 7"];
    assert_eq!(log.take(), expected);
}

#[test]
fn a_stop_in_order_keeps_those_after_it_from_being_called() {
    for (flow, ran) in [(Flow::Stop, 2), (Flow::Continue, 3)] {
        let (signal, log) = (Signal::<u32>::new(), Log::default());
        let _first = signal.on(|_| ());
        let _asks = signal.subscribe().on_async(move |_| async move { flow });
        let _last = signal.on({
            let log = log.clone();
            move |_| log.add("last")
        });
        let done = block_on(signal.emit_async(1).in_order());
        assert_eq!((done.ran(), done.stopped()), (ran, flow == Flow::Stop));
        assert_eq!(log.take().len(), ran - 2);
        // Together, all have begun by then.
        let done = block_on(signal.emit_async(1));
        assert_eq!((done.ran(), done.stopped()), (3, flow == Flow::Stop));
        assert_eq!(log.take().len(), 1);
    }
}

#[test]
fn every_failure_is_in_the_emission() {
    let log = Log::default();
    let bus = Bus::builder().panics(Panics::Contain).build();
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(format!("{:?} {:?}", error.label(), error.kind()))
    });
    let signal = bus.signal(&NUMBER);
    let fails = async |_: Ptr<u32>| Err::<(), _>("no");
    let _one = signal.subscribe().label("one").on_async(fails);
    let _two = signal.subscribe().label("two").on(|_| Err::<(), _>("no"));
    let panics = async |_: Ptr<u32>| boom("three");
    let _three = signal.subscribe().label("three").on_async(panics);
    let named = async |n: Ptr<u32>| -> HandlerResult {
        Err(format!("no {n}"))?;
        Ok(())
    };
    let _four = signal.subscribe().label("four").on_async(named);
    for in_order in [false, true] {
        let emission = bus.emit_async(&NUMBER, 7);
        let done = match in_order {
            true => block_on(emission.in_order()),
            false => block_on(emission),
        };
        assert_eq!(done.ran(), 4);
        let mut told: Vec<_> = done.errors().iter().map(|it| it.label().unwrap()).collect();
        if in_order {
            assert_eq!(told, ["one", "two", "three", "four"]);
        }
        told.sort_unstable();
        assert_eq!(told, ["four", "one", "three", "two"]);
        assert_eq!(log.take().len(), 4, "each is told once");
        let text = done.errors().iter().find(|it| it.label() == Some("four"));
        assert!(text.unwrap().to_string().ends_with("failed: no 7"));
        assert!(done.errors()[0].location().file().ends_with("awaited.rs"));
    }
}

#[test]
fn the_first_panic_goes_on_when_all_have_ended() {
    let (signal, log, gate) = (Signal::new(), Log::default(), Gate::default());
    let _one = signal
        .subscribe()
        .on_async(async |_: Ptr<u32>| boom("first"));
    let _two = waits(&signal, "two", &log, &gate);
    let mut emission = signal.emit_async(7);
    assert!(poll(&mut emission).is_pending());
    gate.open();
    assert_eq!(panic_of(|| poll(&mut emission)), "first");
    assert_eq!(log.take(), ["two begins 7", "two ends 7"]);
    let again = panic_of(|| poll(&mut emission));
    assert!(again.contains("polled again"), "{again}");
}

#[test]
fn the_event_is_shared_and_not_cloned() {
    struct Counted(Arc<AtomicUsize>);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, Relaxed);
            Counted(self.0.clone())
        }
    }
    let (signal, clones) = (Signal::<Counted>::new(), Arc::new(AtomicUsize::new(0)));
    let handler = async |event: Ptr<Counted>| drop(event);
    let _subs = [
        signal.subscribe().on_async(handler),
        signal.subscribe().on_async(handler),
    ];
    block_on(signal.emit_async(Counted(clones.clone())));
    assert_eq!(clones.load(Relaxed), 0);
    assert_eq!(Arc::strong_count(&clones), 1);
}

#[test]
fn dropped_half_way_it_leaves_everything_usable() {
    for in_order in [false, true] {
        let (signal, log, gate) = (Signal::new(), Log::default(), Gate::default());
        let guarded = |name| {
            let (log, gate) = (log.clone(), gate.clone());
            move |_: Ptr<u32>| {
                let (guard, gate) = (Dropped(log.clone(), name), gate.clone());
                async move {
                    gate.await;
                    drop(guard);
                }
            }
        };
        let _one = signal.subscribe().on_async(guarded("one"));
        let _two = signal.subscribe().on_async(guarded("two"));
        let emission = signal.emit_async(1);
        let mut emission = match in_order {
            true => emission.in_order(),
            false => emission,
        };
        assert!(poll(&mut emission).is_pending());
        drop(emission);
        let expected: &[&str] = match in_order {
            true => &["drop one"],
            false => &["drop one", "drop two"],
        };
        assert_eq!(log.take(), expected);
        gate.open();
        assert_eq!(block_on(signal.emit_async(2)).ran(), 2);
    }
}

#[test]
fn what_was_started_ends_though_its_handler_was_cancelled() {
    let (signal, log, gate) = (Signal::new(), Log::default(), Gate::default());
    let captured = Dropped(log.clone(), "captures");
    let sub = signal.subscribe().on_async({
        let (log, gate) = (log.clone(), gate.clone());
        move |_: Ptr<u32>| {
            _ = &captured;
            let (log, gate) = (log.clone(), gate.clone());
            async move {
                gate.await;
                log.add("ends");
            }
        }
    });
    let mut emission = signal.emit_async(1);
    assert!(poll(&mut emission).is_pending());
    assert!(sub.cancel());
    assert!(log.take().is_empty(), "its call has not ended");
    assert_eq!(signal.emit(&2).ran(), 0);
    gate.open();
    assert!(poll(&mut emission).is_ready());
    assert_eq!(log.take(), ["ends", "drop captures"]);
}

#[test]
fn in_order_a_handler_is_asked_when_its_turn_comes() {
    let (signal, log, gate) = (Signal::new(), Log::default(), Gate::default());
    let _one = waits(&signal, "one", &log, &gate);
    let cancelled = waits(&signal, "cancelled", &log, &gate);
    let paused = waits(&signal, "paused", &log, &gate);
    let mut emission = signal.emit_async(1).in_order();
    assert!(poll(&mut emission).is_pending());
    drop(cancelled);
    let _pause = paused.pause();
    let _late = waits(&signal, "late", &log, &gate);
    gate.open();
    let Poll::Ready(done) = poll(&mut emission) else {
        panic!("the gate is open")
    };
    assert_eq!(done.ran(), 1);
    assert_eq!(log.take(), ["one begins 1", "one ends 1"]);
}

#[test]
fn close_lets_what_was_started_end_and_starts_no_more() {
    for in_order in [false, true] {
        let (signal, log, gate) = (Signal::new(), Log::default(), Gate::default());
        let _one = waits(&signal, "one", &log, &gate);
        let _two = waits(&signal, "two", &log, &gate);
        let emission = signal.emit_async(1);
        let mut emission = match in_order {
            true => emission.in_order(),
            false => emission,
        };
        assert!(poll(&mut emission).is_pending());
        signal.close();
        gate.open();
        let Poll::Ready(done) = poll(&mut emission) else {
            panic!("the gate is open")
        };
        assert_eq!(
            (done.ran(), done.is_closed()),
            match in_order {
                true => (1, true),
                false => (2, false),
            }
        );
        let done = block_on(signal.emit_async(2));
        assert!(done.is_closed() && done.ran() == 0);
        let done = block_on(signal.emit_async(2).in_order());
        assert!(done.is_closed() && done.ran() == 0);
    }
}

#[test]
fn without_an_executor_it_is_a_failure_of_that_handler() {
    let (bus, log) = (Bus::new(), Log::default());
    let _before = bus.on(&NUMBER, |_| ());
    let _sub = bus.subscribe(&NUMBER).label("async").on_async({
        let log = log.clone();
        move |_| {
            log.add("started");
            async {}
        }
    });
    let _after = bus.on(&NUMBER, |_| ());
    let done = bus.emit(&NUMBER, &1);
    assert_eq!((done.ran(), done.errors().len()), (3, 1));
    let error = &done.errors()[0];
    assert_eq!(error.kind(), FailureKind::NoExecutor);
    assert!(error.to_string().contains("emit_async"), "{error}");
    bus.defer(&NUMBER, 2).unwrap();
    assert_eq!(bus.drain().errors()[0].kind(), FailureKind::NoExecutor);
    assert!(log.take().is_empty());
}

#[test]
fn nested_emissions_are_not_awaited() {
    let (outer, inner, log) = (Signal::<u32>::new(), Signal::<u32>::new(), Log::default());
    let _inner = inner.subscribe().on_async(async |_: Ptr<u32>| ());
    let nested = {
        let (inner, log) = (inner.downgrade(), log.clone());
        move |n: &u32| log.add(inner.upgrade().unwrap().emit(n).errors().len())
    };
    let _plain = outer.on(nested.clone());
    let _async = outer.subscribe().on_async(move |n: Ptr<u32>| {
        nested(&n);
        let nested = nested.clone();
        async move { nested(&n) }
    });
    // One that is awaited inside of another is.
    let awaits = {
        let (inner, log) = (inner.downgrade(), log.clone());
        move |n: &u32| {
            let inner = inner.upgrade().unwrap();
            log.add(block_on(inner.emit_async(*n)).errors().len());
        }
    };
    let _awaits = outer.on(awaits);
    for in_order in [false, true] {
        let emission = outer.emit_async(1);
        let done = match in_order {
            true => block_on(emission.in_order()),
            false => block_on(emission),
        };
        assert!(done.errors().is_empty());
        let mut told = log.take();
        told.sort_unstable();
        assert_eq!(told, ["0", "1", "1", "1"]);
    }
}

#[test]
fn filters_limits_and_priorities_are_as_for_any_handler() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let writes = |name: &'static str| {
        let log = log.clone();
        move |n: Ptr<u32>| {
            log.add(format!("{name} {n}"));
            async {}
        }
    };
    let sub = signal
        .subscribe()
        .filter(|n| n % 2 == 0)
        .limit(2)
        .on_async(writes("even"));
    let _first = signal.subscribe().priority(1).on_async(writes("first"));
    for n in 0..6 {
        block_on(signal.emit_async(n));
    }
    let expected = [
        "first 0", "even 0", "first 1", "first 2", "even 2", "first 3", "first 4", "first 5",
    ];
    assert_eq!(log.take(), expected);
    assert!(!sub.is_active());
}

#[test]
fn panics_of_what_is_dropped_are_failures_of_the_emission() {
    struct Loud;
    impl Drop for Loud {
        fn drop(&mut self) {
            boom("the event")
        }
    }
    let bus = Bus::builder().panics(Panics::Contain).build();
    let topic = Topic::<Arc<Loud>>::new("loud");
    let _sub = bus.subscribe(&topic).on_async(|_| {
        let loud = OnDrop(|| boom("the future"));
        async move { _ = &loud }
    });
    for in_order in [false, true] {
        let emission = bus.emit_async(&topic, Arc::new(Loud));
        let done = match in_order {
            true => block_on(emission.in_order()),
            false => block_on(emission),
        };
        let told: Vec<_> = done.errors().iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].ends_with("the future") && told[1].ends_with("the event"));
    }
    // Dropped before it was polled.
    let log = Log::default();
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(error)
    });
    drop(bus.emit_async(&topic, Arc::new(Loud)));
    assert_eq!(log.take().len(), 1);
}

#[test]
fn a_topic_exists_as_long_as_its_emission() {
    let bus = Bus::new();
    let emission = bus.emit_async(&NUMBER, 1);
    assert_eq!(bus.topics(), ["number"]);
    assert_eq!(block_on(emission).ran(), 0);
    assert!(bus.topics().is_empty());
    // A pattern has it as any other event.
    let _any = bus.on_pattern(">", |_| ());
    assert_eq!(block_on(bus.emit_async(&NUMBER, 1)).ran(), 1);
    assert_eq!(block_on(bus.emit_async(&NUMBER, 1).in_order()).ran(), 1);
}

#[test]
fn what_is_kept_is_kept_of_awaited_emissions_too() {
    for in_order in [false, true] {
        let (signal, log) = (Signal::<u32>::new(), Log::default());
        signal.retain_last();
        let _one = signal.subscribe().on_async(async |_: Ptr<u32>| ());
        let emission = signal.emit_async(7);
        let done = match in_order {
            true => block_on(emission.in_order()),
            false => block_on(emission),
        };
        assert_eq!(done.ran(), 1);
        let _late = signal.on({
            let log = log.clone();
            move |n| log.add(n)
        });
        assert_eq!(log.take(), ["7"]);
    }
}

#[test]
fn the_unhandled_hook_is_told_of_awaited_emissions() {
    for in_order in [false, true] {
        let (bus, log) = (Bus::new(), Log::default());
        bus.set_unhandled_hook({
            let log = log.clone();
            move |event| log.add(event.topic())
        });
        let emission = bus.emit_async(&NUMBER, 7);
        let done = match in_order {
            true => block_on(emission.in_order()),
            false => block_on(emission),
        };
        assert_eq!((done.ran(), log.take()), (0, vec!["number".to_owned()]));
    }
}

#[test]
fn an_awaited_emission_lends_its_context_to_each_handler() {
    for in_order in [false, true] {
        let bus = Bus::<Vec<u32>>::with_context();
        let log = Log::default();
        let _one = bus.on_with(&NUMBER, |seen, n| seen.push(*n));
        let _started = bus.subscribe(&NUMBER).on_async({
            let log = log.clone();
            move |n: Ptr<u32>| {
                let log = log.clone();
                async move { log.add(n) }
            }
        });
        let _two = bus.on_with(&NUMBER, |seen, n| seen.push(n + seen[0]));
        let mut seen = Vec::new();
        let emission = bus.emit_async_with(&mut seen, &NUMBER, 7);
        let done = match in_order {
            true => block_on(emission.in_order()),
            false => block_on(emission),
        };
        assert_eq!((done.ran(), seen), (3, vec![7, 14]));
        assert_eq!(log.take(), ["7"]);
        let mut seen = vec![1];
        drop(bus.signal(&NUMBER).emit_async_with(&mut seen, 7));
        assert_eq!(seen, [1], "nothing happens until it is polled");
    }
}

struct Unclonable;

#[test]
fn what_is_always_awaited_need_not_be_clone() {
    let (signal, log) = (Signal::<Unclonable>::new(), Log::default());
    let _sub = signal.subscribe().on_awaited({
        let log = log.clone();
        move |_: Ptr<Unclonable>| {
            log.add("begins");
            async {}
        }
    });
    for in_order in [false, true] {
        let emission = signal.emit_async(Unclonable);
        let done = match in_order {
            true => block_on(emission.in_order()),
            false => block_on(emission),
        };
        assert_eq!((done.ran(), done.errors().len()), (1, 0));
        assert_eq!(log.take(), ["begins"]);
    }
    let done = signal.emit(&Unclonable);
    let [error] = done.errors() else {
        panic!("{done:?}")
    };
    assert_eq!(error.kind(), FailureKind::NotAwaited);
    assert!(error.to_string().contains("emit_async"), "{error}");
    assert!(log.take().is_empty());
    let message = panic_of(|| {
        let pattern = Bus::new();
        let _sub = pattern.subscribe_pattern(">").on_awaited(|_| async {});
    });
    assert!(message.contains("cannot be shared"), "{message}");
}
