//! Promises 8, 16 and 17: a drain inside a drain on the same thread, and wakes that drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use slotcast::{Drained, FailureKind, Overflow, Topic};

use super::queue::{NUMBER, TEXT};
use super::{Bus, Queue, Signal};
use crate::log::{Dropped, Log, panic_of};

/// A queue as it is, and two whose events a drain takes one by one.
fn queues() -> Vec<Queue> {
    let mut queues = vec![Queue::new(), Queue::new().bounded(99, Overflow::Reject)];
    queues.push(Queue::new().bounded(99, Overflow::DropOldest));
    queues
}

/// What a handler does with the queue that calls it.
type Inside = fn(&Queue, &Log, &Signal<u32>);

/// Two signals that write down what they are told, and a third one that writes it down as later. The
/// handler of the first one calls `inside`, with the third signal, for the event 1.
fn written(log: &Log, queue: &Queue, inside: Inside) -> (Signal<u32>, Signal<String>, Signal<u32>) {
    let (number, text, later) = (Signal::new(), Signal::new(), Signal::new());
    let numbers = number.on({
        let (log, queue, later) = (log.clone(), queue.clone(), later.clone());
        move |n| {
            log.add(n);
            if *n == 1 {
                inside(&queue, &log, &later);
            }
        }
    });
    let texts = text.on({
        let log = log.clone();
        move |t: &String| log.add(t)
    });
    let laters = later.on({
        let log = log.clone();
        move |n| log.add(format!("later {n}"))
    });
    [numbers, texts, laters]
        .into_iter()
        .for_each(|it| it.detach());
    (number, text, later)
}

#[test]
fn a_drain_inside_a_drain_delivers_the_rest_of_the_batch_first_and_then_what_came_since() {
    for queue in queues() {
        let log = Log::default();
        let (number, text, later) = written(&log, &queue, |queue, log, later| {
            queue.defer(later, 1).unwrap();
            let drained = queue.drain();
            log.add(format!(
                "inside {} {}",
                drained.delivered(),
                drained.remaining()
            ));
        });
        for n in 1..=3 {
            queue.defer(&number, n).unwrap();
        }
        queue.defer(&text, "four".to_owned()).unwrap();
        queue.defer_latest(&later, 5).unwrap();
        queue.defer(&number, 6).unwrap();
        let posted = log.clone();
        queue.post(move || posted.add("posted")).unwrap();
        assert_eq!(queue.drain().delivered(), 1, "the outer one finds less");
        let expected = [
            "1",
            "2",
            "3",
            "four",
            "later 5",
            "6",
            "posted",
            "later 1",
            "inside 7 0",
        ];
        assert_eq!(log.take(), expected);
        assert_eq!(queue.drain().delivered(), 0);
    }
}

#[test]
fn what_a_drain_inside_a_drain_leaves_is_left_to_the_outer_one_in_order() {
    for queue in queues() {
        let log = Log::default();
        let (number, text, _) = written(&log, &queue, |queue, log, _| {
            for _ in 0..2 {
                let drained = queue.drain_one();
                log.add(format!("inside {}", drained.remaining()));
            }
        });
        // A run of the same lane, another lane, and the same lane again; then all in turns.
        for events in [[1, 2, 3, 0, 4], [0, 1, 0, 2, 0], [1, 0, 2, 0, 3]] {
            for event in events {
                match event {
                    0 => queue.defer(&text, "text".to_owned()).unwrap(),
                    n => queue.defer(&number, n).unwrap(),
                }
            }
            let drained = queue.drain();
            assert_eq!((drained.delivered(), drained.remaining()), (3, 0));
        }
        let expected = [
            "1", "2", "inside 3", "3", "inside 2", "text",
            "4", // the first run is cut in three
            "text", "1", "text", "inside 2", "2", "inside 1", "text", //
            "1", "text", "inside 3", "2", "inside 2", "text", "3",
        ];
        assert_eq!(log.take(), expected);
    }
}

#[test]
fn every_form_of_draining_works_inside_a_drain() {
    type Form = fn(&Queue) -> Drained;
    let forms: [Form; 5] = [
        |queue| queue.try_drain(),
        |queue| queue.drain_for(Duration::from_secs(60)),
        |queue| queue.drain_at(Instant::now()),
        |queue| queue.drain_until_idle(100),
        |queue| queue.drain(),
    ];
    for form in forms {
        let (queue, other, log) = (Queue::new(), Queue::new(), Log::default());
        for (inner, name) in [(queue.clone(), "same"), (other.clone(), "other")] {
            let log = log.clone();
            let drain = move || {
                let drained = form(&inner);
                assert!(drained.errors().is_empty() && !drained.is_busy());
                log.add(format!("{name} {}", drained.delivered()));
            };
            queue.post(drain).unwrap();
        }
        other.post(|| ()).unwrap();
        assert_eq!(queue.drain().delivered(), 1);
        assert_eq!(log.take(), ["other 1", "same 1"]);
    }
}

#[test]
fn a_drain_inside_a_drain_lends_the_context_that_it_is_given() {
    let ui = Queue::<Vec<u32>>::with_context();
    let inner = ui.clone();
    let show = Signal::<u32>::new();
    let _sub = show
        .subscribe()
        .on_queue(&ui, |app: &mut Vec<u32>, n| app.push(*n));
    ui.post_with(move |app| {
        // A modal dialog, with a part of the state that is its own.
        let mut dialog = vec![0];
        inner.drain_with(&mut dialog);
        app.extend(dialog);
        app.push(9);
    })
    .unwrap();
    (1..=2).for_each(|n| _ = show.emit(&n));
    let mut app = Vec::new();
    assert_eq!(ui.drain_with(&mut app).delivered(), 1);
    assert_eq!(app, [0, 1, 2, 9]);
}

#[test]
fn drains_that_nest_without_end_meet_the_limit_once_and_lose_nothing() {
    const DOWN: Topic<u32> = Topic::new("down");
    for limit in [2, 5, 128] {
        let bus = Bus::builder().max_depth(limit).build();
        let (told, own) = (Arc::new(AtomicUsize::new(0)), bus.downgrade());
        bus.set_error_hook({
            let told = told.clone();
            move |error| {
                assert_eq!(error.kind(), FailureKind::TooDeep);
                told.fetch_add(1, Relaxed);
            }
        });
        let refused = Arc::new(AtomicUsize::new(0));
        let _sub = bus.on(&DOWN, {
            let refused = refused.clone();
            move |n| {
                let bus = own.upgrade().unwrap();
                bus.defer(&DOWN, n + 1).unwrap();
                let drained = bus.drain();
                refused.fetch_add(drained.errors().len(), Relaxed);
                if !drained.errors().is_empty() {
                    assert_eq!(drained.errors()[0].kind(), FailureKind::TooDeep);
                    assert_eq!((drained.delivered(), drained.remaining()), (0, 1));
                }
            }
        });
        bus.defer(&DOWN, 0).unwrap();
        let drained = bus.drain();
        assert_eq!(drained.remaining(), 1, "what was deferred last");
        assert_eq!((told.load(Relaxed), refused.load(Relaxed)), (1, 1));
        assert_eq!(bus.queue().clear(), 1);
    }
}

#[test]
fn clearing_and_closing_inside_nested_drains_reach_all_that_waits() {
    for queue in queues() {
        let (log, signal) = (Log::default(), Signal::<u32>::new());
        let _sub = signal.on({
            let (log, queue) = (log.clone(), queue.clone());
            move |n| {
                log.add(n);
                match n {
                    1 => log.add(format!("inside {}", queue.drain().delivered())),
                    3 => {
                        log.add(format!("cleared {}", queue.clear()));
                        queue.close();
                    }
                    _ => {}
                }
            }
        });
        (1..=6).for_each(|n| queue.defer(&signal, n).unwrap());
        queue.defer_latest(&signal, 7).unwrap();
        assert_eq!(queue.drain().delivered(), 1);
        assert_eq!(log.take(), ["1", "2", "3", "cleared 4", "inside 2"]);
        assert!(queue.is_empty());
    }
}

#[test]
fn events_that_a_nested_drain_takes_are_dropped_once_each() {
    struct Payload(&'static str, #[expect(dead_code)] Dropped);
    for queue in queues() {
        let (log, signal) = (Log::default(), Signal::<Payload>::new());
        let _sub = signal.on({
            let queue = queue.clone();
            move |it: &Payload| {
                if it.0 == "a" {
                    queue.drain_one();
                }
            }
        });
        for name in ["a", "b", "c"] {
            let payload = Payload(name, Dropped(log.clone(), name));
            queue.defer(&signal, payload).unwrap();
        }
        assert_eq!(queue.drain().delivered(), 2);
        let mut dropped = log.take();
        dropped.sort();
        assert_eq!(dropped.len(), 3, "{dropped:?}");
    }
}

#[test]
fn a_panic_of_a_nested_drain_is_that_of_the_handler_that_drains() {
    let (bus, log) = (Bus::new(), Log::default());
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(error)
    });
    let own = bus.downgrade();
    let _outer = bus.on(&NUMBER, move |_| _ = own.upgrade().unwrap().drain());
    let _inner = bus.on(&TEXT, |_| panic!("this panic is part of a test"));
    bus.defer(&NUMBER, 1).unwrap();
    bus.defer(&TEXT, "boom".to_owned()).unwrap();
    let message = panic_of(|| bus.drain());
    assert!(message.contains("part of a test"), "{message}");
    let told = log.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("text"), "{told:?}");
}

#[test]
fn a_wake_that_drains_needs_constant_stack() {
    let run = || {
        let (queue, signal) = (Queue::new(), Signal::<u32>::new());
        let count = Arc::new(AtomicUsize::new(0));
        let _sub = signal.on({
            let (queue, signal, count) = (queue.clone(), signal.downgrade(), count.clone());
            move |n| {
                count.fetch_add(1, Relaxed);
                if *n > 0 {
                    queue.defer(&signal.upgrade().unwrap(), n - 1).unwrap();
                }
            }
        });
        let own = queue.clone();
        queue.on_ready(move || assert!(own.drain().errors().is_empty()));
        queue.defer(&signal, 100_000).unwrap();
        assert_eq!(count.load(Relaxed), 100_001);
        assert!(queue.is_empty());
        // It would keep the queue.
        queue.on_ready(|| ());
    };
    let small = thread::Builder::new().stack_size(256 * 1024);
    small.spawn(run).unwrap().join().unwrap();
}

#[test]
fn wakes_of_two_queues_that_drain_and_fill_each_other_need_constant_stack() {
    let run = || {
        let (queues, signal) = ([Queue::new(), Queue::new()], Signal::<u32>::new());
        let count = Arc::new(AtomicUsize::new(0));
        let _sub = signal.on({
            let (queues, signal, count) = (queues.clone(), signal.downgrade(), count.clone());
            move |n| {
                count.fetch_add(1, Relaxed);
                if *n > 0 {
                    let other = &queues[*n as usize % 2];
                    other.defer(&signal.upgrade().unwrap(), n - 1).unwrap();
                }
            }
        });
        for queue in &queues {
            let own = queue.clone();
            queue.on_ready(move || assert!(own.drain().errors().is_empty()));
        }
        queues[0].defer(&signal, 100_000).unwrap();
        assert_eq!(count.load(Relaxed), 100_001);
        queues.iter().for_each(|queue| queue.on_ready(|| ()));
    };
    let small = thread::Builder::new().stack_size(256 * 1024);
    small.spawn(run).unwrap().join().unwrap();
}
