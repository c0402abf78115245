//! Promises 7, 18 and 19: what has been accepted is delivered, or counted.

use std::time::{Duration, Instant};

use slotcast::{AnyEvent, DeferErrorKind, FailureKind};

use super::queue::NUMBER;
use super::{Bus, Queue, Scope, Signal};
use crate::log::{Dropped, Log};

/// A handler that writes down the event, and when its captures are dropped.
fn writing(log: &Log, name: &'static str) -> impl Fn(&u32) + 'static + use<> {
    let (log, captured) = (log.clone(), Dropped(log.clone(), name));
    move |n| {
        let captured = &captured;
        log.add(format!("{} {n}", captured.1));
    }
}

#[test]
fn queued_calls_are_made_after_their_signal_is_closed() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let handler = writing(&log, "a");
    let sub = signal.subscribe().on_queue(&queue, move |(), n| handler(n));
    (1..=3).for_each(|n| _ = signal.emit(&n));
    signal.close();
    assert!(!sub.is_active() && signal.is_empty());
    assert!(signal.emit(&4).is_closed());
    assert!(log.take().is_empty(), "captures stay until then");
    assert_eq!(queue.drain().delivered(), 3);
    assert_eq!(log.take(), ["a 1", "a 2", "a 3", "drop a"]);
}

#[test]
fn queued_calls_are_made_after_their_bus_is_closed_or_gone() {
    for close in [true, false] {
        let (bus, queue, log) = (Bus::new(), Queue::new(), Log::default());
        let handler = writing(&log, "a");
        let sub = bus
            .subscribe(&NUMBER)
            .on_queue(&queue, move |(), n| handler(n));
        bus.emit(&NUMBER, &1);
        bus.emit(&NUMBER, &2);
        if close {
            bus.close();
        } else {
            drop(bus);
        }
        assert!(!sub.is_active());
        assert_eq!(queue.drain().delivered(), 2);
        assert_eq!(log.take(), ["a 1", "a 2", "drop a"], "{close}");
    }
}

#[test]
fn queued_calls_are_made_after_the_last_handle_of_their_signal_is_gone() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let handler = writing(&log, "a");
    let sub = signal.subscribe().on_queue(&queue, move |(), n| handler(n));
    signal.emit(&1);
    drop(signal);
    assert!(!sub.is_active());
    assert_eq!(queue.drain().delivered(), 1);
    assert_eq!(log.take(), ["a 1", "drop a"]);
}

#[test]
fn a_closed_signal_without_waiting_calls_drops_captures_at_once() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let handler = writing(&log, "a");
    let _sub = signal.subscribe().on_queue(&queue, move |(), n| handler(n));
    let _other = signal.on(writing(&log, "b"));
    signal.emit(&1);
    queue.drain();
    queue.defer(&signal, 2).unwrap();
    queue.drain();
    queue.drain();
    assert_eq!(log.take(), ["b 1", "a 1", "b 2", "a 2"]);
    signal.close();
    assert_eq!(log.take().len(), 2);
}

#[test]
fn a_cancel_after_the_close_takes_its_calls_back_and_they_are_counted() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let handler = writing(&log, "a");
    let sub = signal.subscribe().on_queue(&queue, move |(), n| handler(n));
    signal.emit(&1);
    signal.emit(&2);
    signal.close();
    assert!(!sub.cancel());
    assert_eq!(log.take(), ["drop a"]);
    let drained = queue.drain();
    assert_eq!((drained.delivered(), drained.given_up()), (0, 2));
}

#[test]
fn what_an_owner_gives_up_is_counted_whichever_way() {
    let bus = Bus::new();
    let (queue, mut scope) = (Queue::new(), Scope::new());
    let on_queue = || bus.subscribe(&NUMBER).on_queue(&queue, |(), _| ());
    let (cancelled, dropped, by_id) = (on_queue(), on_queue(), on_queue());
    scope.add(on_queue());
    let id = by_id.id();
    by_id.detach();
    bus.emit(&NUMBER, &1);
    cancelled.cancel();
    drop(dropped);
    drop(scope);
    bus.cancel(id);
    let limited = bus.subscribe(&NUMBER).limit(1).on_queue(&queue, |(), _| ());
    let cleared = on_queue();
    bus.emit(&NUMBER, &2);
    bus.signal(&NUMBER).clear();
    drop(limited);
    drop(cleared);
    let drained = queue.drain();
    assert_eq!((drained.delivered(), drained.given_up()), (0, 6));
}

#[test]
fn deferred_events_reach_those_who_were_subscribed_at_the_close() {
    for whole_bus in [true, false] {
        let (bus, log) = (Bus::new(), Log::default());
        let signal = bus.signal(&NUMBER);
        let sub = signal.on(writing(&log, "own"));
        bus.subscribe_pattern("number.*")
            .on(|_| unreachable!("another name"))
            .detach();
        bus.on_pattern(">", {
            let (log, captured) = (log.clone(), Dropped(log.clone(), "any"));
            move |it: &AnyEvent| {
                let captured = &captured;
                log.add(format!("{} {:?}", captured.1, it.payload::<u32>()));
            }
        })
        .detach();
        let gone = bus.on(&NUMBER, |_| unreachable!("cancelled before the close"));
        bus.defer(&NUMBER, 1).unwrap();
        signal.defer_latest(2).unwrap();
        let soon = Instant::now();
        bus.queue()
            .defer_at(soon + Duration::from_secs(9), &signal, 3)
            .unwrap();
        drop(gone);
        if whole_bus {
            bus.close();
        } else {
            signal.close();
        }
        assert!(!sub.is_active() && signal.is_empty());
        assert_eq!(signal.defer(4).unwrap_err().kind(), DeferErrorKind::Closed);
        assert_eq!(log.take(), [""; 0]);
        assert_eq!(bus.queue().drain_at(soon).delivered(), 2);
        assert_eq!(log.take(), ["own 1", "any Some(1)", "own 2", "any Some(2)"]);
        let later = bus.queue().drain_at(soon + Duration::from_secs(10));
        assert_eq!((later.delivered(), later.unhandled()), (1, 0));
        let told = log.take();
        assert_eq!(told[..2], ["own 3", "any Some(3)"]);
        assert!(told.contains(&"drop own".to_owned()), "{told:?}");
        assert_eq!(told.contains(&"drop any".to_owned()), whole_bus, "{told:?}");
    }
}

#[test]
fn deferred_events_reach_those_who_were_subscribed_when_the_bus_went() {
    let (bus, log) = (Bus::new(), Log::default());
    bus.on(&NUMBER, writing(&log, "own")).detach();
    bus.on_pattern("number", {
        let (log, captured) = (log.clone(), Dropped(log.clone(), "any"));
        move |_: &AnyEvent| {
            let captured = &captured;
            log.add(captured.1);
        }
    })
    .detach();
    bus.defer(&NUMBER, 1).unwrap();
    let queue = bus.queue();
    drop(bus);
    assert_eq!(queue.drain().delivered(), 1);
    let told = log.take();
    assert_eq!(told[..2], ["own 1", "any"]);
    assert_eq!(told.len(), 4, "and the captures are dropped: {told:?}");
}

#[test]
fn a_late_event_asks_for_cancel_pause_filter_and_limit() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let cancelled = signal.on(writing(&log, "cancelled"));
    let paused = signal.on(writing(&log, "paused"));
    let _odd = signal
        .subscribe()
        .filter(|n| n % 2 == 1)
        .on(writing(&log, "odd"));
    let _once = signal.once(writing_once(&log));
    let mut seen = 0;
    let writes = log.clone();
    let _mut = signal.subscribe().on_mut(move |_| {
        seen += 1;
        writes.add(format!("mut {seen}"));
    });
    for n in 1..=3 {
        queue.defer(&signal, n).unwrap();
    }
    signal.close();
    cancelled.cancel();
    assert_eq!(log.take(), ["drop cancelled"], "at once");
    let pause = paused.pause();
    queue.drain_one();
    assert_eq!(log.take(), ["odd 1", "once 1", "mut 1"]);
    drop(pause);
    queue.drain_one();
    assert_eq!(log.take(), ["paused 2", "mut 2"]);
    assert_eq!(queue.drain().delivered(), 1);
    assert_eq!(log.take()[..3], ["paused 3", "odd 3", "mut 3"]);
}

fn writing_once(log: &Log) -> impl FnOnce(&u32) + 'static + use<> {
    let log = log.clone();
    move |n| log.add(format!("once {n}"))
}

#[test]
fn a_late_event_asks_no_filter_of_a_handler_whose_limit_a_nested_drain_has_used_up() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let drains = queue.clone();
    let _nests = signal.on(move |_| {
        drains.drain();
    });
    let asked = log.clone();
    let filtered = signal.subscribe().filter(move |n| {
        asked.add(format!("asked {n}"));
        true
    });
    filtered.limit(1).on(writing(&log, "limited")).detach();
    queue.defer(&signal, 1).unwrap();
    queue.defer(&signal, 2).unwrap();
    signal.close();
    assert_eq!(queue.drain().delivered(), 1);
    assert_eq!(log.take(), ["asked 2", "limited 2", "drop limited"]);
}

#[test]
fn a_late_event_goes_on_after_a_queued_handler_whose_last_call_was_made_meanwhile() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let (drains, calls) = (queue.clone(), log.clone());
    let drained_first = signal.subscribe().filter(move |_| {
        drains.drain_until_idle(9);
        true
    });
    let called = move |(): &mut (), n: &u32| calls.add(format!("queued {n}"));
    drained_first.limit(1).on_queue(&queue, called).detach();
    let _sub = signal.on(writing(&log, "direct"));
    queue.defer(&signal, 1).unwrap();
    queue.defer(&signal, 2).unwrap();
    signal.close();
    queue.drain();
    assert_eq!(log.take()[..3], ["direct 2", "queued 2", "direct 1"]);
}

#[test]
fn captures_end_with_the_last_accepted_event_though_a_handle_is_kept() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    signal.on(writing(&log, "a")).detach();
    queue.defer(&signal, 1).unwrap();
    signal.close();
    assert_eq!(queue.clear(), 1);
    assert_eq!(log.take(), ["drop a"]);

    let signal = Signal::<u32>::new();
    signal.on(writing(&log, "b")).detach();
    let century = queue
        .defer_after(Duration::from_secs(1 << 32), &signal, 1)
        .unwrap();
    signal.close();
    assert!(log.take().is_empty());
    assert!(century.cancel());
    assert_eq!(log.take(), ["drop b"]);
    assert!(signal.is_closed());
}

#[test]
fn a_signal_that_a_handler_closes_keeps_the_rest_of_the_batch() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let weak = signal.downgrade();
    let write = writing(&log, "first");
    let _first = signal.on(move |n| {
        write(n);
        weak.upgrade().unwrap().close();
    });
    let _second = signal.on(writing(&log, "second"));
    queue.defer(&signal, 1).unwrap();
    queue.defer(&signal, 2).unwrap();
    assert_eq!(queue.drain().delivered(), 2);
    // A close ends an emission that runs, after the handler that runs.
    assert_eq!(log.take()[..3], ["first 1", "first 2", "second 2"]);
}

#[test]
fn a_late_event_may_fill_another_queue() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let (queue, ui) = (Queue::new(), Queue::new());
    let write = writing(&log, "ui");
    let _sub = signal
        .subscribe()
        .limit(2)
        .on_queue(&ui, move |(), n| write(n));
    for n in 1..=3 {
        queue.defer(&signal, n).unwrap();
    }
    signal.close();
    let drained = queue.drain();
    assert_eq!((drained.delivered(), drained.unhandled()), (2, 1));
    assert_eq!(ui.drain().delivered(), 2);
    assert_eq!(log.take(), ["ui 1", "ui 2", "drop ui"]);
}

#[test]
fn a_late_event_finds_no_stream_and_no_waiting_future() {
    let (signal, queue) = (Signal::<u32>::new(), Queue::new());
    let mut stream = signal.stream(4, slotcast::Overflow::Reject);
    queue.defer(&signal, 1).unwrap();
    signal.close();
    assert_eq!(queue.drain().unhandled(), 1);
    assert_eq!(stream.try_take(), None);
}

#[test]
fn an_event_that_reaches_no_handler_is_counted_and_told_once_per_drain() {
    let (bus, log) = (Bus::new(), Log::default());
    bus.set_unhandled_hook({
        let log = log.clone();
        move |it: &AnyEvent| log.add(format!("unhandled {}", it.topic()))
    });
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(format!("{:?} {error}", error.kind()))
    });
    bus.defer(&NUMBER, 1).unwrap();
    let drained = bus.drain();
    assert_eq!((drained.delivered(), drained.unhandled()), (0, 1));
    assert_eq!(log.take(), ["unhandled number"]);
    for n in 0..3 {
        bus.defer(&NUMBER, n).unwrap();
    }
    bus.close();
    let drained = bus.drain();
    assert_eq!((drained.delivered(), drained.unhandled()), (0, 3));
    assert_eq!(drained.errors()[0].kind(), FailureKind::Undelivered);
    let told = log.take();
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("Undelivered") && told[0].contains("3 events"),
        "{told:?}"
    );
}

#[test]
fn what_a_filter_or_a_pause_holds_back_is_skipped() {
    let (signal, queue) = (Signal::<u32>::new(), Queue::new());
    let sub = signal.subscribe().filter(|n| *n > 1).on(|_| ());
    queue.defer(&signal, 1).unwrap();
    queue.defer(&signal, 2).unwrap();
    let drained = queue.drain();
    assert_eq!(
        (drained.delivered(), drained.skipped(), drained.unhandled()),
        (1, 1, 0)
    );
    let pause = sub.pause();
    queue.defer(&signal, 3).unwrap();
    assert_eq!(queue.drain().skipped(), 1);
    drop(pause);
}

#[test]
fn a_vanished_queue_is_told_as_undelivered() {
    let signal = Signal::<u32>::new();
    let queue = Queue::new();
    let _sub = signal.subscribe().label("ui").on_queue(&queue, |(), _| ());
    drop(queue);
    let done = signal.emit(&1);
    assert_eq!(done.errors()[0].kind(), FailureKind::Undelivered);
    assert_eq!(done.errors()[0].label(), Some("ui"));
}

#[test]
fn a_context_reaches_what_was_accepted_before_the_close() {
    let bus = Bus::<Vec<u32>>::with_context();
    let _sub = bus.on_with(&NUMBER, |seen, n| seen.push(*n));
    bus.defer(&NUMBER, 7).unwrap();
    bus.close();
    let mut seen = Vec::new();
    assert_eq!(bus.drain_with(&mut seen).delivered(), 1);
    assert_eq!(seen, [7]);
}
