//! Promise 11 and the callbacks about events and handlers: unhandled events, demand.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use slotcast::{AnyEvent, FailureKind, Topic};

use super::{Bus, Queue, Signal, Subscription};
use crate::log::{Dropped, Log, OnDrop, boom, panic_of};

const PLACED: Topic<u32> = Topic::new("order.placed");
const OTHER: Topic<u32> = Topic::new("other");

/// A bus whose hook writes down which topics nobody handled.
fn watched(log: &Log) -> Bus {
    let bus = Bus::new();
    bus.set_unhandled_hook({
        let log = log.clone();
        move |event: &AnyEvent| {
            assert!(event.payload::<u32>().is_some());
            log.add(event.topic());
        }
    });
    bus
}

#[test]
fn an_event_that_nobody_handles_is_told_however_it_is_emitted() {
    let log = Log::default();
    let bus = watched(&log);
    assert_eq!(bus.emit(&PLACED, &1).ran(), 0);
    let signal = bus.signal(&PLACED);
    assert_eq!(signal.emit(&1).ran(), 0);
    assert_eq!(bus.emit_lazy(&PLACED, || 1).ran(), 0);
    bus.defer(&OTHER, 1).unwrap();
    assert_eq!(log.take(), ["order.placed"; 3]);
    assert_eq!(bus.drain().unhandled(), 1);
    assert_eq!(log.take(), ["other"]);
    let sub = signal.on(|_| ());
    assert_eq!(signal.emit(&1).ran(), 1);
    drop(sub);
    assert_eq!(signal.emit(&1).ran(), 0);
    assert_eq!(log.take(), ["order.placed"]);
}

#[test]
fn a_topic_that_was_there_before_the_hook_is_watched_too() {
    let (bus, log) = (Bus::new(), Log::default());
    let signal = bus.signal(&PLACED);
    signal.emit(&1);
    bus.set_unhandled_hook({
        let log = log.clone();
        move |event| log.add(event.topic())
    });
    signal.emit(&1);
    assert_eq!(log.take(), ["order.placed"]);
}

#[test]
fn a_handler_is_one_though_it_pauses_filters_queues_or_has_a_pattern() {
    let log = Log::default();
    let bus = watched(&log);
    let emit = || _ = bus.emit(&PLACED, &1);
    let sub = bus.on(&PLACED, |_| ());
    let pause = sub.pause();
    emit();
    drop((pause, sub));
    let filtered = bus.subscribe(&PLACED).filter(|_| false).on(|_| ());
    emit();
    drop(filtered);
    let queue = Queue::new();
    let queued = bus.subscribe(&PLACED).on_queue(&queue, |(), _| ());
    emit();
    drop(queued);
    let pattern = bus.on_pattern("order.*", |_| ());
    emit();
    drop(pattern);
    assert_eq!(log.take(), [""; 0]);
    emit();
    assert_eq!(log.take(), ["order.placed"]);
}

#[test]
fn nothing_is_unhandled_where_a_signal_or_the_bus_is_closed() {
    let log = Log::default();
    let bus = watched(&log);
    let signal = bus.signal(&PLACED);
    signal.close();
    assert!(signal.emit(&1).is_closed());
    bus.close();
    assert!(bus.emit(&OTHER, &1).is_closed());
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn a_hook_may_emit_subscribe_replace_itself_and_panic() {
    let (bus, log) = (Bus::new(), Log::default());
    let kept: Arc<Mutex<Vec<Subscription>>> = Arc::default();
    let captured = Dropped(log.clone(), "hook");
    bus.set_unhandled_hook({
        let (bus, log, kept) = (bus.downgrade(), log.clone(), kept.clone());
        move |event| {
            let _captured = &captured;
            let bus = bus.upgrade().unwrap();
            log.add(event.topic());
            // To the log, and not to a hook.
            bus.emit(&OTHER, &1);
            let sub = bus.on(&PLACED, |_| ());
            kept.lock().unwrap().push(sub);
            bus.set_unhandled_hook({
                let log = log.clone();
                move |_| {
                    log.add("second");
                    boom("in the hook")
                }
            });
        }
    });
    assert_eq!(bus.emit(&PLACED, &1).ran(), 0);
    assert_eq!(log.take(), ["order.placed", "drop hook"]);
    assert_eq!(bus.emit(&PLACED, &1).ran(), 1);
    let done = bus.emit(&OTHER, &1);
    assert_eq!((done.ran(), done.errors().len()), (0, 0));
    assert_eq!(log.take(), ["second"]);
}

#[test]
fn a_hook_for_unhandled_events_goes_with_its_bus() {
    let (bus, log) = (Bus::new(), Log::default());
    let captured = Dropped(log.clone(), "hook");
    bus.set_unhandled_hook(move |_| _ = &captured);
    let signal = bus.signal(&PLACED);
    signal.emit(&1);
    drop(bus);
    signal.emit(&1);
    drop(signal);
    assert_eq!(log.take(), ["drop hook"]);
}

#[test]
fn hooks_that_have_subscriptions_of_their_bus_go_with_it() {
    let log = Log::default();
    let (bus, queue) = (Bus::new(), Queue::new());
    let [error, warning] = ["error hook", "warning hook"].map(|name| Dropped(log.clone(), name));
    let sub = bus.subscribe(&PLACED).on_queue(&queue, |(), _| ());
    bus.set_error_hook(move |_| _ = (&error, &sub));
    let sub = bus.on(&PLACED, |_| ());
    bus.set_warning_hook(move |_| _ = (&warning, &sub));
    let signal = bus.signal(&PLACED);
    drop((bus, queue));
    assert_eq!(log.take(), [""; 0]);
    drop(signal);
    assert_eq!(log.take(), ["drop error hook", "drop warning hook"]);
}

#[test]
fn the_error_hook_hears_of_queued_calls_that_the_bus_is_outlived_by() {
    let log = Log::default();
    let (bus, queue) = (Bus::new(), Queue::new());
    let captured = Dropped(log.clone(), "hook");
    bus.set_error_hook({
        let log = log.clone();
        move |error| {
            _ = &captured;
            log.add(error);
        }
    });
    let fail = |(): &mut (), _: &u32| Err::<(), _>("no");
    bus.subscribe(&PLACED).on_queue(&queue, fail).detach();
    bus.emit(&PLACED, &1);
    drop(bus);
    assert_eq!(queue.drain().delivered(), 1);
    let told = log.take();
    assert!(told[0].contains("no"), "{told:?}");
    assert_eq!(told[1..], ["drop hook"]);
}

#[test]
fn the_error_hook_hears_of_captures_that_fail_when_a_queue_drops_the_last_call() {
    let log = Log::default();
    let (bus, queue) = (Bus::new(), Queue::new());
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(format!("{:?}", error.kind()))
    });
    let fails = OnDrop(|| boom("captures"));
    let held = move |(): &mut (), _: &u32| _ = &fails;
    bus.subscribe(&PLACED).on_queue(&queue, held).detach();
    bus.emit(&PLACED, &1);
    drop(bus);
    assert_eq!(log.take(), [""; 0]);
    drop(queue);
    assert!(log.take().contains(&"Panicked".to_owned()));
}

#[test]
fn the_error_hook_hears_of_the_queue_of_a_bus_that_has_gone() {
    let (bus, log) = (Bus::new(), Log::default());
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(format!("{:?}", error.kind()))
    });
    let queue = bus.queue();
    bus.defer(&PLACED, 1).unwrap();
    drop(bus);
    assert_eq!(log.take(), [""; 0]);
    drop(queue);
    assert_eq!(log.take(), ["Undelivered"]);
}

fn told(log: &Log) -> impl Fn(bool) + Send + Sync + use<> {
    let log = log.clone();
    move |active| log.add(active)
}

#[test]
fn demand_begins_with_the_first_handler_and_ends_with_the_last() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let demand = signal.on_demand(told(&log));
    let (one, two) = (signal.on(|_| ()), signal.once(|_| ()));
    assert_eq!(log.take(), ["true"]);
    drop(one);
    assert_eq!(log.take(), [""; 0]);
    signal.emit(&1);
    assert_eq!(log.take(), ["false"]);
    assert!(!two.is_active());
    signal.on(|_| ()).detach();
    signal.on(|_| ()).detach();
    assert_eq!(signal.clear(), 2);
    assert_eq!(log.take(), ["true", "false"]);
    drop(demand);
    signal.on(|_| ()).detach();
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn demand_is_told_at_once_and_by_close() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let _sub = signal.on(|_| ());
    let _demand = signal.on_demand(told(&log));
    let _second = signal.on_demand(told(&log));
    assert_eq!(log.take(), ["true", "true"]);
    signal.close();
    assert_eq!(log.take(), ["false", "false"]);
}

#[test]
fn hooks_can_be_taken_out_again() {
    let (bus, log) = (Bus::new(), Log::default());
    assert!(!bus.clear_error_hook() && !bus.clear_unhandled_hook());
    let captured = ["error", "unhandled", "ready"].map(|name| Dropped(log.clone(), name));
    let [error, unhandled, ready] = captured;
    bus.set_error_hook(move |_| error.0.add("failed"));
    bus.set_unhandled_hook(move |event| unhandled.0.add(event.topic()));
    bus.queue().on_ready(move || ready.0.add("ready"));
    let _fails = bus.on(&Topic::<u32>::new("fails"), |_| Err::<(), _>("on purpose"));
    let provoke = || {
        assert_eq!(bus.emit(&Topic::new("fails"), &1_u32).errors().len(), 1);
        bus.emit(&PLACED, &1);
        bus.queue().post(|| ()).unwrap();
        bus.drain();
    };
    provoke();
    assert_eq!(log.take(), ["failed", "order.placed", "ready"]);
    assert!(bus.clear_error_hook());
    assert_eq!(log.take(), ["drop error"]);
    assert!(bus.clear_unhandled_hook());
    assert_eq!(log.take(), ["drop unhandled"]);
    assert!(bus.queue().clear_on_ready() && !bus.queue().clear_on_ready());
    assert_eq!(log.take(), ["drop ready"]);
    provoke();
    assert_eq!(log.take(), [""; 0]);
    assert!(!bus.clear_error_hook() && !bus.clear_unhandled_hook());
    // They may be set again, and take themselves out.
    let own = bus.downgrade();
    let captured = Dropped(log.clone(), "again");
    bus.set_unhandled_hook(move |_| {
        captured.0.add("once");
        assert!(own.upgrade().unwrap().clear_unhandled_hook());
    });
    provoke();
    provoke();
    assert_eq!(log.take(), ["once", "drop again"]);
}

#[test]
fn patterns_are_demand() {
    let (bus, log) = (Bus::new(), Log::default());
    let before = bus.on_pattern("order.*", |_| ());
    let demand = bus.on_demand(&PLACED, told(&log));
    assert_eq!(log.take(), ["true"]);
    let exact = bus.on(&PLACED, |_| ());
    drop(before);
    assert_eq!(log.take(), [""; 0]);
    drop(exact);
    assert_eq!(log.take(), ["false"]);
    let later = bus.subscribe_pattern(">").once(|_| ());
    assert_eq!(log.take(), ["true"]);
    bus.emit(&PLACED, &1);
    assert_eq!(log.take(), ["false"]);
    assert!(!later.is_active());
    // It keeps the topic, and nothing else does.
    assert_eq!(bus.topics(), ["order.placed"]);
    drop(demand);
    assert!(bus.topics().is_empty());
}

#[test]
fn a_handler_that_comes_after_an_unhandled_event_has_the_next_for_itself() {
    let log = Log::default();
    let bus = watched(&log);
    let signal = bus.signal(&PLACED);
    signal.emit(&1);
    assert_eq!(log.take().len(), 1);
    let sub = signal.on(|_| ());
    assert_eq!(signal.emit(&2).ran(), 1);
    assert_eq!(log.take(), [""; 0]);
    drop(sub);
    signal.emit(&3);
    assert_eq!(log.take().len(), 1);
}

#[test]
fn demand_comes_and_goes_with_the_handlers_of_a_pattern() {
    for pattern_is_first in [false, true] {
        let (bus, log) = (Bus::new(), Log::default());
        let _topic = bus.signal(&PLACED);
        let watch = || bus.on_demand(&PLACED, told(&log));
        let early = (!pattern_is_first).then(watch);
        // Keeps the pattern.
        let _builder = bus.subscribe_pattern("order.*");
        if pattern_is_first {
            drop(bus.on_pattern("order.*", |_| ()));
        }
        let _demand = early.unwrap_or_else(watch);
        for _ in 0..3 {
            let handler = bus.on_pattern("order.*", |_| ());
            assert_eq!(log.take(), ["true"]);
            drop(handler);
            assert_eq!(log.take(), ["false"]);
        }
    }
}

#[test]
fn a_demand_callback_may_subscribe_cancel_and_panic() {
    let bus = Bus::new();
    let signal = bus.signal(&PLACED);
    let own: Arc<Mutex<Option<Subscription>>> = Arc::default();
    let calls = Arc::new(AtomicUsize::new(0));
    let errors = Arc::new(AtomicUsize::new(0));
    bus.set_error_hook({
        let errors = errors.clone();
        move |error| {
            assert_eq!(
                (error.topic(), error.kind()),
                ("order.placed", FailureKind::Panicked)
            );
            errors.fetch_add(1, Relaxed);
        }
    });
    let _demand = signal.on_demand({
        let (signal, own, calls) = (signal.downgrade(), own.clone(), calls.clone());
        move |active| {
            calls.fetch_add(1, Relaxed);
            let signal = signal.upgrade().unwrap();
            if active {
                // Demand of its own: it never ends by itself any more.
                let sub = signal.on(|_| ());
                *own.lock().unwrap() = Some(sub);
            } else {
                boom("no more")
            }
        }
    });
    drop(signal.on(|_| ()));
    assert_eq!((calls.load(Relaxed), signal.len()), (1, 1));
    let sub = own.lock().unwrap().take();
    assert_eq!(panic_of(|| drop(sub)), "(none)");
    assert_eq!((calls.load(Relaxed), errors.load(Relaxed)), (2, 1));
    drop(signal.on(|_| ()));
    assert_eq!(calls.load(Relaxed), 3);
}
