//! Promises 16, 18 and 19: queues with a bound, and events that a newer one replaces.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use slotcast::{DeferError, DeferErrorKind, Overflow, Topic};

use super::queue::{NUMBER, TEXT, written};
use super::{Bus, Queue, Signal};
use crate::log::{Dropped, Log, OnDrop, boom, panic_of};

/// An event that writes down when it is dropped.
struct Payload(#[expect(dead_code)] Dropped);

fn payload(log: &Log, name: &'static str) -> Payload {
    Payload(Dropped(log.clone(), name))
}

#[test]
fn a_full_queue_hands_the_event_back() {
    let log = Log::default();
    let bus = written(&log);
    let queue = bus.queue().bounded(2, Overflow::Reject);
    assert_eq!((queue.capacity(), Queue::new().capacity()), (Some(2), None));
    bus.defer(&NUMBER, 1).unwrap();
    bus.defer(&TEXT, "two".to_owned()).unwrap();
    let refused = bus.defer(&NUMBER, 3).unwrap_err();
    assert_eq!(
        (refused.kind(), refused.into_event()),
        (DeferErrorKind::Full, 3)
    );
    let refused = bus.signal(&TEXT).defer("three".to_owned()).unwrap_err();
    assert!(matches!(refused, DeferError::Full(text) if text == "three"));
    assert!(bus.defer_latest(&NUMBER, 3).is_err());
    assert_eq!((queue.len(), queue.dropped()), (2, 0));
    assert_eq!(queue.drain_one().delivered(), 1);
    bus.defer(&NUMBER, 4).unwrap();
    assert!(bus.defer(&NUMBER, 5).is_err(), "what is left counts");
    bus.drain();
    assert_eq!(log.take(), ["1", "two", "4"]);
}

#[test]
fn a_full_queue_refuses_closures_too_and_says_why() {
    let (queue, log) = (Queue::new().bounded(1, Overflow::Reject), Log::default());
    queue.post(|| ()).unwrap();
    let captured = Dropped(log.clone(), "posted");
    let refused = queue.post(move || _ = &captured).unwrap_err();
    assert_eq!(log.take(), ["drop posted"]);
    assert_eq!(refused.kind(), DeferErrorKind::Full);
    assert!(refused.to_string().contains("full"));
    queue.close();
    assert_eq!(
        queue.post(|| ()).unwrap_err().kind(),
        DeferErrorKind::Closed
    );
}

#[test]
fn an_event_that_is_being_delivered_makes_room() {
    let (bus, log) = (Bus::new(), Log::default());
    bus.queue().bounded(2, Overflow::Reject);
    let weak = bus.downgrade();
    let _sub = bus.on(&NUMBER, {
        let log = log.clone();
        move |n| {
            let bus = weak.upgrade().unwrap();
            let results = [n * 10, n * 10 + 1].map(|n| bus.defer(&NUMBER, n).is_ok());
            log.add(format!("{n} {results:?} {}", bus.queue().len()));
        }
    });
    bus.defer(&NUMBER, 1).unwrap();
    bus.defer(&NUMBER, 2).unwrap();
    assert_eq!(bus.drain().remaining(), 2);
    assert_eq!(log.take(), ["1 [true, false] 2", "2 [true, false] 2"]);
}

#[test]
fn drop_oldest_drops_the_oldest_of_all_topics_and_counts() {
    let log = Log::default();
    let bus = written(&log);
    let queue = bus.queue().bounded(3, Overflow::DropOldest);
    bus.defer(&TEXT, "a".to_owned()).unwrap();
    for n in 1..=3 {
        bus.defer(&NUMBER, n).unwrap();
    }
    bus.defer(&TEXT, "b".to_owned()).unwrap();
    assert_eq!((queue.len(), queue.dropped()), (3, 2));
    assert_eq!(queue.drain_one().remaining(), 2);
    // What a drain left behind is older than what came.
    bus.defer(&NUMBER, 4).unwrap();
    bus.defer(&NUMBER, 5).unwrap();
    assert_eq!((queue.len(), queue.dropped()), (3, 3));
    queue
        .post({
            let log = log.clone();
            move || log.add("posted")
        })
        .unwrap();
    bus.drain();
    assert_eq!(log.take(), ["2", "4", "5", "posted"]);
    assert_eq!(queue.dropped(), 4);
}

#[test]
fn drop_oldest_drops_at_once_and_outside_of_locks() {
    let (signal, log) = (Signal::<Payload>::new(), Log::default());
    let queue = Queue::new().bounded(2, Overflow::DropOldest);
    let inner = queue.clone();
    let curious = OnDrop({
        let log = log.clone();
        move || log.add(format!("drop posted, {} wait", inner.len()))
    });
    queue.post(move || _ = &curious).unwrap();
    for name in ["one", "two", "three"] {
        queue.defer(&signal, payload(&log, name)).ok().unwrap();
    }
    assert_eq!(log.take(), ["drop posted, 2 wait", "drop one"]);
    assert_eq!(queue.clear(), 2);
    assert_eq!(log.take(), ["drop two", "drop three"]);
}

/// The events that the running drain has not begun to deliver still wait.
#[test]
fn drop_oldest_from_inside_a_drain_drops_what_it_has_not_begun() {
    let (bus, log) = (Bus::new(), Log::default());
    let queue = bus.queue().bounded(3, Overflow::DropOldest);
    let weak = bus.downgrade();
    let _sub = bus.on(&NUMBER, {
        let log = log.clone();
        move |n| {
            log.add(n);
            if *n == 1 {
                let bus = weak.upgrade().unwrap();
                (4..=6).for_each(|n| bus.defer(&NUMBER, n).unwrap());
            }
        }
    });
    (1..=3).for_each(|n| bus.defer(&NUMBER, n).unwrap());
    let drained = bus.drain();
    assert_eq!((drained.delivered(), drained.remaining()), (1, 3));
    assert_eq!(queue.dropped(), 2);
    bus.drain();
    assert_eq!(log.take(), ["1", "4", "5", "6"]);
}

#[test]
fn drop_newest_drops_what_comes_and_counts() {
    let (signal, log) = (Signal::<Payload>::new(), Log::default());
    let queue = Queue::new().bounded(1, Overflow::DropNewest);
    queue.defer(&signal, payload(&log, "one")).ok().unwrap();
    queue.defer(&signal, payload(&log, "two")).ok().unwrap();
    assert_eq!(log.take(), ["drop two"]);
    let captured = Dropped(log.clone(), "posted");
    queue.post(move || _ = &captured).unwrap();
    assert_eq!(log.take(), ["drop posted"]);
    assert_eq!((queue.dropped(), queue.drain().unhandled()), (2, 1));
    assert_eq!(log.take(), ["drop one"]);
}

#[test]
fn a_drop_that_panics_spoils_no_queue() {
    struct Fragile;
    impl Drop for Fragile {
        fn drop(&mut self) {
            boom("in drop")
        }
    }
    let (bus, told) = (Bus::new(), Log::default());
    bus.set_error_hook({
        let told = told.clone();
        move |error| told.add(error.kind().to_string_of())
    });
    let topic = Topic::<Fragile>::new("fragile");
    let queue = bus.queue().bounded(1, Overflow::DropOldest);
    for _ in 0..3 {
        bus.defer(&topic, Fragile).ok().unwrap();
    }
    bus.defer_latest(&topic, Fragile).ok().unwrap();
    bus.defer_latest(&topic, Fragile).ok().unwrap();
    assert_eq!((queue.len(), queue.dropped()), (1, 3));
    assert_eq!(told.take(), ["Panicked"; 4]);
    assert_eq!(queue.clear(), 1);
    assert_eq!(told.take(), ["Panicked"]);
}

/// So that a kind can be written down.
trait KindName {
    fn to_string_of(&self) -> String;
}
impl KindName for slotcast::FailureKind {
    fn to_string_of(&self) -> String {
        format!("{self:?}")
    }
}

#[test]
fn a_capacity_of_zero_is_misuse() {
    for overflow in [Overflow::Reject, Overflow::DropOldest, Overflow::DropNewest] {
        let message = panic_of(|| Queue::new().bounded(0, overflow));
        assert_eq!(message, "a queue needs a capacity of at least one event");
    }
}

#[test]
fn a_bound_set_later_leaves_what_is_inside() {
    let log = Log::default();
    let bus = written(&log);
    (1..=4).for_each(|n| bus.defer(&NUMBER, n).unwrap());
    assert_eq!(bus.queue().drain_one().remaining(), 3);
    let queue = bus.queue().bounded(2, Overflow::Reject);
    assert_eq!(queue.len(), 3);
    assert!(bus.defer(&NUMBER, 5).is_err());
    queue.drain_one();
    assert!(bus.defer(&NUMBER, 6).is_err());
    queue.drain_one();
    bus.defer(&NUMBER, 7).unwrap();
    // From another way of overflowing to the next, with events of a drain that was cut short.
    let queue = queue.bounded(1, Overflow::DropOldest);
    bus.defer(&NUMBER, 8).unwrap();
    bus.defer(&TEXT, "nine".to_owned()).unwrap();
    queue.drain();
    let queue = queue.bounded(9, Overflow::DropNewest);
    bus.defer(&NUMBER, 10).unwrap();
    queue.drain();
    assert_eq!(log.take(), ["1", "2", "3", "nine", "10"]);
}

#[test]
fn a_full_queue_is_a_failure_of_the_queued_handler_unless_it_drops() {
    let (signal, queue) = (
        Signal::<u32>::new(),
        Queue::new().bounded(1, Overflow::Reject),
    );
    let _sub = signal
        .subscribe()
        .label("queued")
        .on_queue(&queue, |(), _| ());
    let _other = signal.on(|_| ());
    assert!(signal.emit(&1).errors().is_empty());
    let done = signal.emit(&2);
    assert_eq!((done.ran(), done.errors().len()), (2, 1));
    assert_eq!(done.errors()[0].label(), Some("queued"));
    assert!(done.errors()[0].to_string().contains("queue is full"));
    let queue = queue.bounded(1, Overflow::DropOldest);
    assert!(signal.emit(&3).errors().is_empty());
    assert_eq!((queue.len(), queue.dropped()), (1, 1));
}

/// A claimed call that overflow drops lets go of the captures, as one does that was cleared.
#[test]
fn captures_go_with_the_last_call_that_overflow_drops() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let queue = Queue::new().bounded(1, Overflow::DropOldest);
    let captured = Dropped(log.clone(), "captures");
    let sub = signal
        .subscribe()
        .limit(1)
        .on_queue(&queue, move |(), _| _ = &captured);
    signal.emit(&1);
    assert!(!sub.is_active() && log.take().is_empty());
    queue.post(|| ()).unwrap();
    assert_eq!(log.take(), ["drop captures"]);
}

#[test]
fn defer_latest_replaces_the_event_of_its_topic_and_goes_to_the_end() {
    let log = Log::default();
    let bus = written(&log);
    bus.defer(&NUMBER, 1).unwrap();
    bus.defer_latest(&NUMBER, 2).unwrap();
    bus.defer_latest(&TEXT, "a".to_owned()).unwrap();
    bus.defer(&NUMBER, 3).unwrap();
    bus.defer_latest(&NUMBER, 4).unwrap();
    bus.defer(&NUMBER, 5).unwrap();
    bus.defer(&TEXT, "b".to_owned()).unwrap();
    bus.signal(&TEXT).defer_latest("c".to_owned()).unwrap();
    bus.queue()
        .defer_latest(&bus.signal(&TEXT), "d".to_owned())
        .unwrap();
    assert_eq!(bus.queue().len(), 6);
    let drained = bus.drain();
    assert_eq!((drained.delivered(), drained.remaining()), (6, 0));
    assert_eq!(log.take(), ["1", "3", "4", "5", "b", "d"]);
}

#[test]
fn defer_latest_between_events_by_name_changes_nothing_for_them() {
    let log = Log::default();
    let bus = written(&log);
    let stranger = Bus::new();
    let _strange = stranger.on(&NUMBER, {
        let log = log.clone();
        move |n| log.add(format!("strange {n}"))
    });
    bus.defer(&NUMBER, 1).unwrap();
    bus.queue()
        .defer_latest(&stranger.signal(&NUMBER), 2)
        .unwrap();
    bus.defer(&NUMBER, 3).unwrap();
    bus.queue()
        .defer_latest(&stranger.signal(&NUMBER), 4)
        .unwrap();
    bus.defer(&NUMBER, 5).unwrap();
    bus.drain();
    assert_eq!(log.take(), ["1", "3", "strange 4", "5"]);
}

#[test]
fn ten_thousand_moves_are_one_delivery_a_drain() {
    let log = Log::default();
    let bus = written(&log);
    for round in 0..3 {
        for n in 0..10_000 {
            bus.defer_latest(&NUMBER, round * 10_000 + n).unwrap();
            assert_eq!(bus.queue().len(), 1);
        }
        assert_eq!(bus.drain().delivered(), 1);
    }
    assert_eq!(log.take(), ["9999", "19999", "29999"]);
}

#[test]
fn what_defer_latest_replaces_is_dropped_outside_of_locks() {
    struct Curious(Queue, Log);
    impl Drop for Curious {
        fn drop(&mut self) {
            self.1.add(format!("{} wait", self.0.len()));
        }
    }
    let (signal, queue, log) = (Signal::<Curious>::new(), Queue::new(), Log::default());
    for _ in 0..2 {
        let event = Curious(queue.clone(), log.clone());
        queue.defer_latest(&signal, event).ok().unwrap();
    }
    assert_eq!(log.take(), ["1 wait"]);
    queue.clear();
    assert_eq!(log.take(), ["0 wait"]);
}

/// What a drain has taken is delivered, however many newer ones come: a slow drain starves nobody.
#[test]
fn defer_latest_during_a_drain_waits_for_the_next() {
    let (bus, log) = (Bus::new(), Log::default());
    let weak = bus.downgrade();
    let _driver = bus.on(&NUMBER, {
        let log = log.clone();
        move |n| {
            log.add(n);
            let bus = weak.upgrade().unwrap();
            for again in 0..3 {
                bus.defer_latest(&TEXT, format!("{n}.{again}")).unwrap();
            }
        }
    });
    let _text = bus.on(&TEXT, {
        let log = log.clone();
        move |text| log.add(text)
    });
    bus.defer(&NUMBER, 1).unwrap();
    bus.defer_latest(&TEXT, "first".to_owned()).unwrap();
    assert_eq!(bus.drain().remaining(), 1);
    assert_eq!(log.take(), ["1", "first"]);
    bus.defer(&NUMBER, 2).unwrap();
    assert_eq!(bus.drain().remaining(), 1);
    assert_eq!(log.take(), ["1.2", "2"]);
    // A drain that is cut short, so that one it had taken waits together with a newer one.
    bus.queue().clear();
    bus.defer(&NUMBER, 3).unwrap();
    bus.defer_latest(&TEXT, "old".to_owned()).unwrap();
    let cut = bus.queue().drain_one();
    assert_eq!(
        (cut.delivered(), cut.remaining()),
        (1, 1),
        "one of the topic waits"
    );
    bus.drain();
    assert_eq!(log.take(), ["3", "3.2"]);
}

#[test]
fn what_a_cut_drain_left_is_replaced_too() {
    let log = Log::default();
    let bus = written(&log);
    bus.defer(&NUMBER, 1).unwrap();
    bus.defer_latest(&TEXT, "a".to_owned()).unwrap();
    bus.defer(&NUMBER, 2).unwrap();
    assert_eq!(bus.queue().drain_one().remaining(), 2);
    bus.defer_latest(&TEXT, "b".to_owned()).unwrap();
    bus.defer(&NUMBER, 3).unwrap();
    assert_eq!(bus.queue().len(), 3);
    assert_eq!(bus.queue().drain_one().remaining(), 2);
    assert_eq!(bus.queue().drain_one().remaining(), 1);
    bus.drain();
    assert_eq!(log.take(), ["1", "2", "b", "3"]);
}

#[test]
fn defer_latest_needs_room_only_where_nothing_is_replaced() {
    let log = Log::default();
    let bus = written(&log);
    let queue = bus.queue().bounded(2, Overflow::Reject);
    bus.defer_latest(&NUMBER, 1).unwrap();
    bus.defer_latest(&TEXT, "a".to_owned()).unwrap();
    bus.defer_latest(&NUMBER, 2).unwrap();
    assert!(bus.defer(&NUMBER, 3).is_err());
    let queue = queue.bounded(2, Overflow::DropOldest);
    bus.defer(&NUMBER, 4).unwrap();
    assert_eq!(
        (queue.len(), queue.dropped()),
        (2, 1),
        "the text was the oldest"
    );
    queue.drain();
    assert_eq!(log.take(), ["2", "4"]);
    queue.close();
    let refused = bus.defer_latest(&NUMBER, 5).unwrap_err();
    assert_eq!(
        (refused.kind(), refused.into_event()),
        (DeferErrorKind::Closed, 5)
    );
    let alone = Signal::<u32>::new();
    assert_eq!(
        alone.defer_latest(1).unwrap_err().kind(),
        DeferErrorKind::NoQueue
    );
}

#[test]
fn replaced_and_dropped_events_wake_as_others_do() {
    let (signal, wakes) = (Signal::<u32>::new(), Arc::new(AtomicUsize::new(0)));
    let queue = Queue::new().bounded(2, Overflow::DropOldest);
    queue.on_ready({
        let wakes = wakes.clone();
        move || _ = wakes.fetch_add(1, Relaxed)
    });
    queue.defer_latest(&signal, 1).unwrap();
    assert_eq!(wakes.swap(0, Relaxed), 1);
    queue.defer_latest(&signal, 2).unwrap();
    (0..5).for_each(|n| queue.defer(&signal, n).unwrap());
    assert_eq!(wakes.swap(0, Relaxed), 0, "it was not empty");
    queue.drain_one();
    assert_eq!(wakes.swap(0, Relaxed), 1, "something is left");
    queue.drain();
    queue.defer_latest(&signal, 3).unwrap();
    assert_eq!(wakes.swap(0, Relaxed), 1);
}

#[test]
fn clear_from_inside_reaches_all_that_waits() {
    for overflow in [Overflow::Reject, Overflow::DropOldest] {
        let (bus, log) = (Bus::new(), Log::default());
        bus.queue().bounded(9, overflow);
        let weak = bus.downgrade();
        let _sub = bus.on(&NUMBER, {
            let log = log.clone();
            move |n| {
                let bus = weak.upgrade().unwrap();
                log.add(format!("{n}: {}", bus.queue().clear()));
                bus.defer(&NUMBER, n + 10).unwrap();
            }
        });
        bus.defer_latest(&NUMBER, 1).unwrap();
        (2..=4).for_each(|n| bus.defer(&NUMBER, n).unwrap());
        bus.defer_latest(&TEXT, "a".to_owned()).unwrap();
        let drained = bus.drain();
        assert_eq!((drained.delivered(), drained.remaining()), (1, 1));
        assert_eq!(bus.drain().delivered(), 1);
        assert_eq!(log.take(), ["1: 4", "11: 0"]);
    }
}

#[test]
fn what_a_cut_short_drain_has_left_is_the_oldest() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let _sub = signal.on({
        let log = log.clone();
        move |n| log.add(n)
    });
    let queue = Queue::new();
    (1..=3).for_each(|n| queue.defer(&signal, n).unwrap());
    queue.defer_latest(&signal, 4).unwrap();
    queue.defer(&signal, 5).unwrap();
    assert_eq!(queue.drain_one().remaining(), 4);
    let queue = queue.bounded(3, Overflow::DropOldest);
    queue.defer(&signal, 6).unwrap();
    assert_eq!((queue.len(), queue.dropped()), (3, 2));
    assert_eq!(queue.drain_one().remaining(), 2);
    (7..=8).for_each(|n| queue.defer(&signal, n).unwrap());
    assert_eq!((queue.len(), queue.dropped()), (3, 3));
    queue.drain();
    assert_eq!(log.take(), ["1", "4", "6", "7", "8"]);
}

#[test]
fn a_bound_that_a_handler_sets_holds_for_what_its_drain_has_taken() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let queue = Queue::new();
    let _sub = signal.on({
        let (log, queue) = (log.clone(), queue.clone());
        move |n| {
            log.add(n);
            if *n == 1 {
                _ = queue.clone().bounded(2, Overflow::DropOldest);
            }
        }
    });
    let other = Signal::<&str>::new();
    queue.defer(&signal, 1).unwrap();
    queue.defer(&other, "another lane").unwrap();
    (2..=4).for_each(|n| queue.defer(&signal, n).unwrap());
    assert_eq!(queue.drain_one().remaining(), 4);
    queue.defer(&signal, 5).unwrap();
    assert_eq!((queue.len(), queue.dropped()), (2, 3));
    queue.drain();
    assert_eq!(log.take(), ["1", "4", "5"]);
}
