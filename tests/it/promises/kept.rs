//! Kept events: each subscriber sees each event once, in the order in which they were kept.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures::Stream as _;
use slotcast::{Flow, Overflow, Topic};

use super::{Bus, Queue, Signal};
use crate::gate::block_on;
use crate::log::{Log, boom};

const LEVEL: Topic<u32> = Topic::new("level");

fn noted(log: &Log, name: &'static str) -> impl Fn(&u32) + Send + Sync + use<> {
    let log = log.clone();
    move |n| log.add(format!("{name}{n}"))
}

/// A signal that keeps three events: 1, 2 and 3.
fn three() -> Signal<u32> {
    let signal = Signal::new();
    signal.retain(3);
    (1..=3).for_each(|n| _ = signal.emit(&n));
    signal
}

#[test]
fn a_handler_that_emits_while_it_is_handed_kept_events_sees_them_in_order() {
    let (signal, log) = (three(), Log::default());
    let _other = signal.subscribe().skip_kept().on(noted(&log, "other "));
    let _sub = signal.on({
        let (signal, log) = (signal.downgrade(), log.clone());
        move |n| {
            log.add(n);
            if *n == 1 {
                signal.upgrade().unwrap().emit(&4);
            }
        }
    });
    assert_eq!(log.take(), ["1", "other 4", "2", "3", "4"]);
    signal.emit(&5);
    assert_eq!(log.take(), ["other 5", "5"]);
}

#[test]
fn a_handler_that_changes_its_captures_sees_them_in_order_as_well() {
    let (signal, log) = (three(), Log::default());
    let mut seen = Vec::new();
    let _sub = signal.on_mut({
        let (signal, log) = (signal.downgrade(), log.clone());
        move |n| {
            seen.push(*n);
            if *n == 1 {
                let done = signal.upgrade().unwrap().emit(&4);
                assert!(done.errors().is_empty());
            }
            log.add(format!("{seen:?}"));
        }
    });
    assert_eq!(log.take().last().unwrap(), "[1, 2, 3, 4]");
}

#[test]
fn a_nested_emission_gives_nobody_the_newer_event_first() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    signal.retain_last();
    let _first = signal.on({
        let (signal, log) = (signal.downgrade(), log.clone());
        move |n| {
            log.add(format!("first {n}"));
            if *n == 1 {
                // At once, as always.
                assert_eq!(signal.upgrade().unwrap().emit(&2).ran(), 2);
            }
        }
    });
    let _second = signal.on(noted(&log, "second "));
    assert_eq!(signal.emit(&1).ran(), 2);
    assert_eq!(log.take(), ["first 1", "first 2", "second 1", "second 2"]);
}

#[test]
fn queues_and_streams_get_kept_events_in_order() {
    for way in 0..2 {
        let (signal, log) = (three(), Log::default());
        let queue = Queue::new();
        // Emits when the first kept event is handed to what is subscribed next.
        let emits = signal.downgrade();
        let emit_once = move |n: &u32| {
            if *n == 1 {
                emits.upgrade().unwrap().emit(&4);
            }
            true
        };
        let builder = signal.subscribe().filter(emit_once);
        if way == 0 {
            let own = log.clone();
            let _queued = builder.on_queue(&queue, move |(), n| own.add(n));
            queue.drain();
        } else {
            let mut stream = pin!(builder.stream(8, Overflow::Reject));
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(Some(Ok(n))) = stream.as_mut().poll_next(&mut cx) {
                log.add(n);
            }
        }
        assert_eq!(log.take(), ["1", "2", "3", "4"]);
    }
}

#[test]
fn once_that_subscribes_itself_anew_on_a_kept_value_runs_once_for_it() {
    fn again(signal: &Signal<u32>, log: &Log) {
        let (own, log) = (signal.downgrade(), log.clone());
        let once = move |n: &u32| {
            log.add(n);
            again(&own.upgrade().unwrap(), &log);
        };
        signal.once(once).detach();
    }
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    signal.retain_last();
    signal.emit(&1);
    again(&signal, &log);
    assert_eq!(log.take(), ["1"]);
    signal.emit(&2);
    signal.emit(&3);
    assert_eq!(log.take(), ["2", "3"]);

    let (signal, log) = (three(), Log::default());
    again(&signal, &log);
    assert_eq!(log.take(), ["1", "2", "3"]);
    signal.emit(&4);
    assert_eq!(log.take(), ["4"]);
}

#[test]
fn a_stop_ends_the_emission_of_a_kept_event_and_later_subscribers_get_it() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    signal.retain(2);
    let _stops = signal.on({
        let log = log.clone();
        move |n| {
            log.add(format!("stops {n}"));
            match *n {
                1 => Flow::Stop,
                _ => Flow::Continue,
            }
        }
    });
    let _second = signal.on(noted(&log, "second "));
    let done = signal.emit(&1);
    assert!(done.stopped() && done.ran() == 1);
    let done = signal.emit(&2);
    assert!(!done.stopped() && done.ran() == 2);
    assert_eq!(log.take(), ["stops 1", "stops 2", "second 2"]);
    let _late = signal.on(noted(&log, "late "));
    assert_eq!(log.take(), ["late 1", "late 2"]);
}

#[test]
fn a_close_ends_the_emission_of_a_kept_event() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    signal.retain_last();
    let _closes = signal.on({
        let signal = signal.downgrade();
        move |_| signal.upgrade().unwrap().close()
    });
    let _second = signal.on(noted(&log, "second "));
    let done = signal.emit(&1);
    assert!(done.is_closed() && done.ran() == 1);
    assert_eq!((log.take().len(), signal.last()), (0, None));
}

#[test]
fn the_last_kept_event_can_be_asked_for() {
    let (bus, signal) = (Bus::new(), three());
    assert_eq!(signal.last(), Some(3));
    signal.retain(0);
    assert_eq!(signal.last(), None);
    assert_eq!(bus.last(&LEVEL), None);
    assert!(bus.topics().is_empty(), "asking creates nothing");
    bus.retain_last(&LEVEL);
    assert_eq!(bus.last(&LEVEL), None);
    bus.emit(&LEVEL, &7);
    assert_eq!(
        (bus.last(&LEVEL), bus.signal(&LEVEL).last()),
        (Some(7), Some(7))
    );
}

#[test]
fn the_next_change_is_no_kept_event() {
    let signal = three();
    let mut cx = Context::from_waker(Waker::noop());
    for n in 4..=6 {
        let mut next = pin!(signal.subscribe().skip_kept().next());
        assert!(next.as_mut().poll(&mut cx).is_pending());
        signal.emit(&n);
        assert_eq!(next.as_mut().poll(&mut cx), Poll::Ready(Ok(n)));
    }
    for _ in 0..2 {
        let mut next = pin!(signal.next());
        assert_eq!(next.as_mut().poll(&mut cx), Poll::Ready(Ok(4)));
    }
}

#[test]
fn kept_events_that_panic_when_they_are_dropped_end_nothing() {
    struct Bomb(bool);
    impl Clone for Bomb {
        fn clone(&self) -> Self {
            Bomb(true)
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 {
                boom("in the drop");
            }
        }
    }
    let signal = Signal::<Bomb>::new();
    signal.retain(3);
    (0..3).for_each(|_| _ = signal.emit(&Bomb(false)));
    signal.close();
    assert!(signal.is_closed());
}

#[test]
fn an_awaited_emission_inside_of_a_hand_over_leaves_the_rest_to_that() {
    let (signal, log) = (three(), Log::default());
    let _sub = signal.on_mut({
        let (signal, log) = (signal.downgrade(), log.clone());
        move |n| {
            log.add(n);
            if *n == 2 {
                let signal = signal.upgrade().unwrap();
                let done = block_on(signal.emit_async(4).in_order());
                assert_eq!(done.errors().len(), 1, "that of the nested event alone");
            }
        }
    });
    assert_eq!(log.take(), ["1", "2", "3"]);
}
