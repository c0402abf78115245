//! Pauses of a whole signal, bus or scope mean what those of each subscription mean; promises 2, 6, 19.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use slotcast::{AnyEvent, Overflow, Topic};

use super::{Bus, Pause, Queue, Scope, Signal};
use crate::gate::poll;
use crate::log::Log;

const NUMBER: Topic<u32> = Topic::new("number");

fn noted(log: &Log) -> impl Fn(&u32) + Send + Sync + use<> {
    let log = log.clone();
    move |n| log.add(n)
}

#[test]
fn a_paused_signal_skips_its_handlers_and_those_that_come_later() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let early = signal.on(noted(&log));
    assert_eq!(signal.emit(&0).ran(), 1);
    let (one, two) = (signal.pause(), signal.pause());
    let late = signal.subscribe().limit(1).on(noted(&log));
    assert!(signal.is_paused() && early.is_paused() && late.is_paused());
    assert!(early.is_active() && late.is_active() && signal.len() == 2);
    assert_eq!(signal.emit(&1).ran(), 0);
    drop(one);
    assert_eq!(signal.emit(&2).ran(), 0);
    drop(two);
    assert!(!signal.is_paused() && !early.is_paused() && !late.is_paused());
    // The limit was not spent.
    assert_eq!((signal.emit(&3).ran(), signal.emit(&4).ran()), (2, 1));
    assert_eq!(log.take(), ["0", "3", "3", "4"]);
    // Again, now that all have forgotten the first time.
    let again = signal.pause();
    assert_eq!(signal.emit(&5).ran(), 0);
    drop(again);
    assert_eq!(signal.emit(&6).ran(), 1);
}

#[test]
fn every_pause_of_a_handler_has_to_end() {
    let bus = Bus::new();
    let signal = bus.signal(&NUMBER);
    let sub = bus.on(&NUMBER, |_| ());
    let mut scope = Scope::new();
    let mut pauses: Vec<Pause> = vec![bus.pause(), signal.pause(), sub.pause()];
    scope.add(sub);
    pauses.push(scope.pause());
    while let Some(pause) = pauses.pop() {
        assert_eq!(signal.emit(&1).ran(), 0);
        drop(pause);
    }
    assert_eq!(signal.emit(&2).ran(), 1);
    assert!(!signal.is_paused() && !bus.is_paused() && !scope.is_paused());
}

#[test]
fn a_pause_takes_effect_in_the_emission_that_runs() {
    let (bus, log) = (Bus::new(), Log::default());
    let (sender, pauses) = std::sync::mpsc::channel();
    let own = bus.downgrade();
    let _first = bus.on_mut(&NUMBER, move |n| {
        let bus = own.upgrade().unwrap();
        let pause = if *n == 1 {
            bus.signal(&NUMBER).pause()
        } else {
            bus.pause()
        };
        sender.send(pause).unwrap();
    });
    let _second = bus.on(&NUMBER, noted(&log));
    for n in [1, 2] {
        assert_eq!(bus.emit(&NUMBER, &n).ran(), 1);
        assert_eq!(bus.emit(&NUMBER, &n).ran(), 0);
        drop(pauses.recv().unwrap());
    }
    assert!(log.take().is_empty() && !bus.signal(&NUMBER).is_paused());
}

#[test]
fn a_paused_bus_pauses_topics_and_patterns_and_those_that_come_later() {
    let (bus, log) = (Bus::new(), Log::default());
    let (other, unheld) = (Topic::<u32>::new("other"), Topic::<u32>::new("unheld"));
    let _topic = bus.on(&NUMBER, noted(&log));
    let _pattern = bus.on_pattern(">", |_| ());
    assert_eq!(bus.emit(&NUMBER, &0).ran(), 2);
    let pause = bus.pause();
    let _late = bus.on(&other, noted(&log));
    let late_pattern = bus.on_pattern("*", |_| ());
    assert!(bus.is_paused() && bus.signal(&other).is_paused() && late_pattern.is_paused());
    for topic in [&NUMBER, &other, &unheld] {
        assert_eq!(bus.emit(topic, &1).ran(), 0);
    }
    bus.defer(&NUMBER, 2).unwrap();
    bus.queue()
        .post({
            let log = log.clone();
            move || log.add("posted")
        })
        .unwrap();
    bus.drain();
    assert_eq!(log.take(), ["0", "posted"]);
    drop(pause);
    for topic in [&NUMBER, &other] {
        assert_eq!(bus.emit(topic, &3).ran(), 3);
    }
    assert_eq!(bus.emit(&unheld, &3).ran(), 2);
}

#[test]
fn a_paused_signal_leaves_the_handlers_of_patterns_and_of_other_topics() {
    let bus = Bus::new();
    let (_topic, _pattern) = (bus.on(&NUMBER, |_| ()), bus.on_pattern(">", |_| ()));
    let _pause = bus.signal(&NUMBER).pause();
    assert_eq!(bus.emit(&NUMBER, &1).ran(), 1);
    assert_eq!(bus.emit(&Topic::new("other"), &1).ran(), 1);
}

#[test]
fn queued_calls_are_skipped_if_their_signal_or_bus_is_paused_at_either_end() {
    let (bus, log, queue) = (Bus::new(), Log::default(), Queue::new());
    let handler = noted(&log);
    let signal = bus.signal(&NUMBER);
    let sub = signal
        .subscribe()
        .limit(4)
        .on_queue(&queue, move |(), n| handler(n));
    let pauses: [&dyn Fn() -> Pause; 2] = [&|| signal.pause(), &|| bus.pause()];
    for pause in pauses {
        let paused = pause();
        assert_eq!(signal.emit(&1).ran(), 0, "at the emission");
        drop(paused);
        assert_eq!(signal.emit(&2).ran(), 1);
        let paused = pause();
        assert_eq!(queue.drain().delivered(), 0, "at the delivery");
        drop(paused);
    }
    assert!(log.take().is_empty());
    // Two claims are spent, of calls that were never made. The limit takes the handler out with the next.
    assert_eq!([3, 4, 5].map(|n| signal.emit(&n).ran()), [1, 1, 0]);
    assert!(!sub.is_active());
    let paused = bus.pause();
    assert_eq!(queue.drain_one().delivered(), 0);
    drop(paused);
    assert_eq!(queue.drain().delivered(), 1);
    assert_eq!(log.take(), ["4"]);
}

#[test]
fn a_claim_is_spent_though_a_pause_or_a_cancel_skips_the_call() {
    let (signal, queue) = (Signal::<u32>::new(), Queue::new());
    let calls = Arc::new(AtomicUsize::new(0));
    let queued = |limit| {
        let calls = calls.clone();
        let subscribe = signal.subscribe().limit(limit);
        subscribe.on_queue(&queue, move |(), _| _ = calls.fetch_add(1, Relaxed))
    };
    let sub = queued(2);
    signal.emit(&1);
    let pause = sub.pause();
    assert_eq!(queue.drain().delivered(), 0);
    drop(pause);
    assert_eq!((signal.emit(&2).ran(), signal.emit(&3).ran()), (1, 0));
    assert_eq!(queue.drain().delivered(), 1);
    let sub = queued(1);
    signal.emit(&4);
    assert!(!sub.is_active() && !sub.cancel(), "its claim is spent");
    assert_eq!((queue.drain().delivered(), calls.load(Relaxed)), (0, 1));
}

#[test]
fn a_scope_pauses_what_it_has_and_what_is_added() {
    let (one, two) = (Signal::<u32>::new(), Signal::<String>::new());
    let mut scope: Scope = [one.on(|_| ()), two.on(|_| ())].into_iter().collect();
    let _outside = one.on(|_| ());
    assert!(!scope.is_paused());
    let (first, second) = (scope.pause(), scope.pause());
    scope.add(one.on(|_| ()));
    assert!(scope.is_paused());
    assert_eq!((one.emit(&1).ran(), two.emit(&"a".into()).ran()), (1, 0));
    drop(first);
    assert_eq!(one.emit(&2).ran(), 1);
    drop(second);
    assert_eq!((one.emit(&3).ran(), two.emit(&"b".into()).ran()), (3, 1));
    // A long pause with many that come and go.
    let pause = scope.pause();
    for _ in 0..100 {
        scope.add(one.once(|_| ()));
        scope.add(two.once(|_| ()));
        scope.clear();
    }
    scope.add(one.on(|_| ()));
    assert_eq!(one.emit(&4).ran(), 1);
    drop(pause);
    assert_eq!(one.emit(&5).ran(), 2);
    let pause = scope.pause();
    drop(scope);
    drop(pause);
    assert_eq!(one.emit(&6).ran(), 1);
}

#[test]
fn a_pause_may_outlive_what_it_pauses() {
    let bus = Bus::new();
    let signal = bus.signal(&NUMBER);
    let sub = signal.on(|_| ());
    let pauses = [bus.pause(), signal.pause()];
    drop(bus);
    assert_eq!(signal.emit(&1).ran(), 0);
    assert!(sub.is_active() && sub.is_paused());
    drop(pauses);
    assert_eq!(signal.emit(&1).ran(), 1);
    let pause = signal.pause();
    drop(signal);
    drop(pause);
    let signal = Signal::<u32>::new();
    let pause = signal.pause();
    signal.close();
    assert!(signal.emit(&1).is_closed());
    drop(pause);
}

#[test]
fn futures_and_streams_of_a_paused_signal_get_nothing() {
    let signal = Signal::<u32>::new();
    let (mut next, stream) = (signal.next(), signal.stream(4, Overflow::Reject));
    let pause = signal.pause();
    assert_eq!(signal.emit(&1).ran(), 0);
    drop(pause);
    assert!(poll(&mut next).is_pending() && stream.is_empty());
    assert_eq!(signal.emit(&2).ran(), 2);
    assert!(poll(&mut next).is_ready() && stream.len() == 1);
}

#[test]
fn a_replaced_handler_is_paused_with_its_signal() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let sub = signal.on(noted(&log));
    sub.replace(noted(&log)).unwrap();
    let pause = signal.pause();
    assert_eq!(signal.emit(&1).ran(), 0);
    sub.replace(noted(&log)).unwrap();
    assert!(sub.is_paused());
    assert_eq!(signal.emit(&2).ran(), 0);
    drop(pause);
    assert_eq!((signal.emit(&3).ran(), log.take().len()), (1, 1));
}

#[test]
fn a_kept_event_is_not_handed_to_a_handler_that_begins_paused() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    signal.retain_last();
    let pause = signal.pause();
    signal.emit(&1);
    let _sub = signal.on(noted(&log));
    drop(pause);
    assert!(log.take().is_empty());
    // It was kept all the same.
    let _late = signal.on(noted(&log));
    assert_eq!(log.take(), ["1"]);
}

#[test]
fn paused_handlers_are_handlers_and_hooks_are_not_paused() {
    let (bus, log) = (Bus::new(), Log::default());
    let _sub = bus.on(&NUMBER, |_| ());
    let told = |log: &Log| {
        let log = log.clone();
        move |event: &AnyEvent| log.add(event.topic())
    };
    bus.set_unhandled_hook(told(&log));
    let pause = bus.pause();
    bus.emit(&NUMBER, &1);
    bus.emit(&Topic::new("nobody"), &1);
    bus.set_unhandled_hook(told(&log));
    bus.emit(&Topic::new("nobody"), &1);
    drop(pause);
    assert_eq!(log.take(), ["nobody", "nobody"]);
}
