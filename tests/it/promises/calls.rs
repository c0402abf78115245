//! Promise 19: the calls of queued handlers, taken back, bounded, and of every kind.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use slotcast::{AnyEvent, FailureKind, Flow, Overflow, Topic};

use super::{Bus, Queue, Signal};
use crate::log::{Dropped, Log, boom};

type Payload = Arc<Dropped>;

fn payload(log: &Log, name: &'static str) -> Payload {
    Arc::new(Dropped(log.clone(), name))
}

#[test]
fn a_cancelled_call_drops_its_event_with_the_cancel() {
    let (signal, queue, log) = (Signal::<Payload>::new(), Queue::new(), Log::default());
    let sub = signal.subscribe().on_queue(&queue, |(), _| ());
    let limited = signal.subscribe().limit(1).on_queue(&queue, |(), _| ());
    let dropped = signal.subscribe().on_queue(&queue, |(), _| ());
    signal.emit(&payload(&log, "event"));
    assert_eq!((queue.len(), log.take().len()), (3, 0));
    sub.cancel();
    limited.cancel();
    assert_eq!((queue.len(), log.take().len()), (1, 0));
    drop(dropped);
    assert_eq!(
        (queue.len(), log.take()),
        (0, vec!["drop event".to_owned()])
    );
    let drained = queue.drain();
    assert_eq!((drained.delivered(), drained.given_up()), (0, 3));
    assert_eq!((queue.drain().given_up(), drained.remaining()), (0, 0));
}

#[test]
fn whatever_removes_a_queued_handler_drops_its_events() {
    for how in ["clear", "by id", "after a close", "after the last handle"] {
        let (bus, queue, log) = (Bus::new(), Queue::new(), Log::default());
        let topic = Topic::<Payload>::new("payload");
        let signal = bus.signal(&topic);
        let sub = signal.subscribe().on_queue(&queue, |(), _| ());
        signal.emit(&payload(&log, "event"));
        match how {
            "clear" => _ = signal.clear(),
            "by id" => _ = bus.cancel(sub.id()),
            "after a close" => {
                signal.close();
                sub.cancel();
            }
            _ => {
                drop((signal, bus));
                drop(sub);
            }
        }
        assert_eq!(
            (queue.len(), log.take()),
            (0, vec!["drop event".to_owned()]),
            "{how}"
        );
        assert_eq!(queue.drain().given_up(), 1, "{how}");
    }
}

#[test]
fn a_call_that_is_taken_back_makes_room() {
    let (signal, queue) = (
        Signal::<u32>::new(),
        Queue::new().bounded(1, Overflow::Reject),
    );
    let first = signal.subscribe().on_queue(&queue, |(), _| ());
    assert!(signal.emit(&1).errors().is_empty());
    drop(first);
    let _second = signal.subscribe().on_queue(&queue, |(), _| ());
    assert!(signal.emit(&2).errors().is_empty());
    assert_eq!(signal.emit(&3).errors()[0].kind(), FailureKind::Undelivered);
    assert_eq!((queue.len(), queue.drain().delivered()), (1, 1));

    let (oldest, log) = (
        Queue::new().bounded(2, Overflow::DropOldest),
        Log::default(),
    );
    let gone = signal.subscribe().on_queue(&oldest, |(), _| ());
    let written = log.clone();
    let _sub = signal
        .subscribe()
        .on_queue(&oldest, move |(), n| written.add(n));
    signal.emit(&4);
    drop(gone);
    signal.emit(&5);
    assert_eq!((oldest.len(), oldest.dropped()), (2, 0));
    signal.emit(&6);
    assert_eq!((oldest.len(), oldest.dropped()), (2, 1));
    assert_eq!(oldest.drain().delivered(), 2);
    assert_eq!(log.take(), ["5", "6"]);
}

#[test]
fn calls_that_were_taken_back_are_in_nobodys_way() {
    let (signal, queue) = (Signal::<u32>::new(), Queue::new());
    let wakes = Arc::new(AtomicUsize::new(0));
    queue.on_ready({
        let wakes = wakes.clone();
        move || _ = wakes.fetch_add(1, Relaxed)
    });
    let gone: Vec<_> = (0..200)
        .map(|_| signal.subscribe().on_queue(&queue, |(), _| ()))
        .collect();
    signal.emit(&1);
    drop(gone);
    assert_eq!((queue.is_empty(), wakes.swap(0, Relaxed)), (true, 1));
    queue.post(|| ()).unwrap();
    assert_eq!(
        (queue.len(), wakes.swap(0, Relaxed)),
        (1, 1),
        "it was empty"
    );
    queue.post(|| ()).unwrap();
    assert_eq!(queue.drain_one().delivered(), 1);
    assert_eq!(queue.clear(), 1);
    assert_eq!((queue.len(), queue.drain().delivered()), (0, 0));
}

#[test]
fn events_that_panic_when_they_are_taken_back_keep_no_other() {
    struct Fragile(Log);
    impl Drop for Fragile {
        fn drop(&mut self) {
            self.0.add("dropped");
            boom("in drop");
        }
    }
    let (bus, queue, log) = (Bus::new(), Queue::new(), Log::default());
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(format!("{:?}", error.kind()))
    });
    let topic = Topic::<Arc<Fragile>>::new("fragile");
    let sub = bus.subscribe(&topic).on_queue(&queue, |(), _| ());
    for _ in 0..2 {
        bus.emit(&topic, &Arc::new(Fragile(log.clone())));
    }
    sub.cancel();
    assert_eq!(log.take(), ["dropped", "Panicked", "dropped", "Panicked"]);
}

#[test]
fn a_queued_handler_that_cancels_itself_gives_up_what_waits() {
    let (signal, queue) = (Signal::<u32>::new(), Queue::new());
    let _sub = signal.subscribe().on_queue(&queue, |(), _| Flow::Cancel);
    (1..=3).for_each(|n| _ = signal.emit(&n));
    let drained = queue.drain();
    assert_eq!((drained.delivered(), drained.given_up()), (1, 2));
}

#[test]
fn latest_lets_one_call_wait_that_of_the_newest_event() {
    let (signal, other, log) = (Signal::<u32>::new(), Signal::<u32>::new(), Log::default());
    let queue = Queue::new();
    let (one, two) = (log.clone(), log.clone());
    let sub = signal
        .subscribe()
        .latest()
        .on_queue(&queue, move |(), n| one.add(n));
    let _other = other
        .subscribe()
        .on_queue(&queue, move |(), n| two.add(format!("other {n}")));
    signal.emit(&1);
    other.emit(&2);
    signal.emit(&3);
    assert_eq!((queue.len(), sub.dropped()), (2, 1));
    assert_eq!(queue.drain().delivered(), 2);
    assert_eq!(log.take(), ["other 2", "3"], "in the order of the queue");
    signal.emit(&4);
    assert_eq!((queue.drain().delivered(), sub.dropped()), (1, 1));
}

#[test]
fn a_room_of_a_handler_bounds_its_calls_and_no_others() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let queue = Queue::new();
    let on_queue = |name: &'static str, overflow| {
        let log = log.clone();
        let room = signal.subscribe().room(2, overflow);
        room.on_queue(&queue, move |(), n: &u32| log.add(format!("{name} {n}")))
    };
    let oldest = on_queue("oldest", Overflow::DropOldest);
    let newest = on_queue("newest", Overflow::DropNewest);
    let reject = on_queue("reject", Overflow::Reject);
    let all = log.clone();
    let _all = signal.subscribe().on_queue(&queue, move |(), n| all.add(n));
    signal.emit(&1);
    signal.emit(&2);
    let done = signal.emit(&3);
    assert_eq!((done.ran(), done.errors().len()), (4, 1));
    assert_eq!(done.errors()[0].kind(), FailureKind::Undelivered);
    assert_eq!(
        (oldest.dropped(), newest.dropped(), reject.dropped()),
        (1, 1, 0)
    );
    assert_eq!((queue.len(), queue.dropped()), (9, 0));
    assert_eq!(queue.drain().delivered(), 9);
    let lines = log.take();
    let of = |name| {
        lines
            .iter()
            .filter(|it| it.starts_with(name))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(of("oldest"), ["oldest 2", "oldest 3"]);
    assert_eq!(of("newest"), ["newest 1", "newest 2"]);
    assert_eq!(of("reject"), ["reject 1", "reject 2"]);
    assert_eq!(lines.iter().position(|it| it == "2"), Some(6));
}

#[test]
fn a_queued_handler_may_change_its_captures() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let (sum, log_too) = (Cell::new(0), log.clone());
    let mut calls = 0;
    let _sub = signal.subscribe().on_queue_mut(&queue, move |(), n| {
        calls += 1;
        sum.set(sum.get() + n);
        log_too.add(format!("{calls} {}", sum.get()));
    });
    (1..=3).for_each(|n| _ = signal.emit(&n));
    assert_eq!(queue.drain().delivered(), 3);
    assert_eq!(log.take(), ["1 1", "2 3", "3 6"]);
}

#[test]
fn a_queued_once_handler_may_move_its_captures_out() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let (captured, log_too) = (Dropped(log.clone(), "captures"), log.clone());
    let sub = signal.subscribe().once_queue(&queue, move |(), n| {
        drop(captured);
        log_too.add(n);
    });
    signal.emit(&1);
    signal.emit(&2);
    assert!(!sub.is_active() && signal.is_empty());
    assert_eq!(queue.drain().delivered(), 1);
    assert_eq!(log.take(), ["drop captures", "1"]);
}

#[test]
fn a_pattern_has_a_queued_form_with_a_mapping() {
    let bus = Bus::new();
    let ui = Queue::<Vec<String>>::with_context();
    let sub = bus.subscribe_pattern("proc.*.line").on_queue_map(
        &ui,
        |any: &AnyEvent| {
            let line = any.payload::<String>()?;
            Some(format!("{} {line}", any.topic()))
        },
        |shown: &mut Vec<String>, line| shown.push(line.clone()),
    );
    let emit = |name, text: &str| {
        bus.emit(&Topic::<String>::new(name), &text.to_owned())
            .ran()
    };
    assert_eq!(emit("proc.1.line", "a"), 1);
    assert_eq!(bus.emit(&Topic::new("proc.3.line"), &1).ran(), 0);
    let held = bus.signal(&Topic::<String>::new("proc.2.line"));
    held.emit(&"b".to_owned());
    bus.close();
    let mut shown = Vec::new();
    assert_eq!(ui.drain_with(&mut shown).delivered(), 2);
    assert_eq!(shown, ["proc.1.line a", "proc.2.line b"]);
    assert!(!sub.is_active());
}

#[test]
fn a_mapping_that_panics_is_a_failure_of_its_handler() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let captured = Dropped(log.clone(), "captures");
    let _sub = signal.subscribe().limit(1).on_queue_map(
        &queue,
        |_| -> Option<u32> { boom("in the mapping") },
        move |(), _| _ = &captured,
    );
    assert_eq!(crate::log::panic_of(|| signal.emit(&1)), "in the mapping");
    assert_eq!(
        (queue.len(), log.take()),
        (0, vec!["drop captures".to_owned()])
    );
}

#[test]
fn a_call_that_is_taken_back_after_a_clear_was_cleared_already() {
    let (first, second) = (Signal::<u32>::new(), Signal::<u32>::new());
    let (queue, cleared) = (Queue::new(), Log::default());
    let (clears, counts) = (queue.clone(), cleared.clone());
    let _waits = second.subscribe().on_queue(&queue, |(), _| ());
    let of = second.clone();
    let _sub = first.subscribe().on_queue(&queue, move |(), _| {
        counts.add(format!("cleared {}", clears.clear()));
        counts.add(format!("cancelled {}", of.clear()));
        counts.add(format!("waiting {}", clears.len()));
        counts.add(format!("cleared {}", clears.clear()));
    });
    first.emit(&1);
    second.emit(&1);
    assert_eq!(queue.drain().delivered(), 1);
    let expected = ["cleared 1", "cancelled 1", "waiting 0", "cleared 0"];
    assert_eq!(cleared.take(), expected);
    first.emit(&2);
    assert_eq!((queue.len(), queue.drain().delivered()), (1, 1));
}

#[test]
fn a_clear_inside_of_a_drain_does_not_count_what_was_taken_back() {
    let (signal, queue) = (Signal::<u32>::new(), Queue::new());
    let sub = signal.subscribe().on_queue(&queue, |(), _| ());
    let inner = queue.clone();
    queue
        .post(move || {
            assert_eq!((inner.clear(), inner.len()), (1, 0));
            inner.post(|| ()).unwrap();
            assert_eq!(inner.len(), 1);
        })
        .unwrap();
    signal.emit(&1);
    queue.post(|| ()).unwrap();
    drop(sub);
    assert_eq!(queue.drain().errors().len(), 0);
    assert_eq!(
        (queue.len(), queue.drain().delivered(), queue.len()),
        (1, 1, 0)
    );
}
