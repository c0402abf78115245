//! Promises 16 to 19, as far as they are built: the queue.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use slotcast::{DeferErrorKind, Flow, Topic};

use super::{Bus, Queue, Signal};
use crate::log::{Dropped, Log, OnDrop, boom, panic_of};

pub(super) const NUMBER: Topic<u32> = Topic::new("number");
pub(super) const TEXT: Topic<String> = Topic::new("text");

/// A bus that writes down what arrives under both topics.
pub(super) fn written(log: &Log) -> Bus {
    let bus = Bus::new();
    let (one, two) = (log.clone(), log.clone());
    bus.on(&NUMBER, move |n| one.add(n)).detach();
    bus.on(&TEXT, move |text| two.add(text)).detach();
    bus
}

#[test]
fn first_in_first_out_over_all_topics() {
    let log = Log::default();
    let bus = written(&log);
    let other = Topic::<u32>::new("other.number");
    let _other = bus.on(&other, {
        let log = log.clone();
        move |n| log.add(format!("other {n}"))
    });
    bus.defer(&NUMBER, 1).unwrap();
    bus.defer(&NUMBER, 2).unwrap();
    bus.defer(&TEXT, "a".to_owned()).unwrap();
    bus.defer(&other, 3).unwrap();
    bus.defer(&NUMBER, 4).unwrap();
    bus.queue()
        .post({
            let log = log.clone();
            move || log.add("posted")
        })
        .unwrap();
    bus.defer(&TEXT, "b".to_owned()).unwrap();
    assert_eq!(bus.queue().len(), 7);
    let drained = bus.drain();
    assert_eq!((drained.delivered(), drained.remaining()), (7, 0));
    assert_eq!(log.take(), ["1", "2", "a", "other 3", "4", "posted", "b"]);
}

/// An event that follows one of the same topic spares looking for the topic.
#[test]
fn an_event_deferred_by_name_goes_to_its_own_bus() {
    let log = Log::default();
    let (bus, stranger) = (written(&log), Bus::new());
    let _strange = stranger.on(&NUMBER, {
        let log = log.clone();
        move |n| log.add(format!("strange {n}"))
    });
    bus.defer(&NUMBER, 1).unwrap();
    bus.queue().defer(&stranger.signal(&NUMBER), 2).unwrap();
    bus.defer(&NUMBER, 3).unwrap();
    // The same text elsewhere in memory.
    let made = Topic::<u32>::named("number").unwrap();
    bus.defer(&made, 4).unwrap();
    // Of the same type.
    bus.defer(&Topic::new("another"), 5_u32).unwrap();
    bus.defer(&made, 6).unwrap();
    let drained = bus.drain();
    assert_eq!((drained.delivered(), drained.unhandled()), (5, 1));
    assert_eq!(log.take(), ["1", "strange 2", "3", "4", "6"]);
}

#[test]
fn a_closed_signal_takes_no_events_though_one_waits_for_it() {
    let bus = written(&Log::default());
    bus.defer(&NUMBER, 1).unwrap();
    bus.signal(&NUMBER).close();
    let refused = bus.defer(&NUMBER, 2).unwrap_err();
    assert_eq!(
        (refused.kind(), refused.into_event()),
        (DeferErrorKind::Closed, 2)
    );
    bus.defer(&TEXT, "there".to_owned()).unwrap();
    assert_eq!(bus.drain().delivered(), 2);
}

#[test]
fn an_event_goes_to_those_subscribed_when_it_is_delivered() {
    let (bus, log) = (Bus::new(), Log::default());
    let early = bus.on(&NUMBER, |_| unreachable!("cancelled before the delivery"));
    bus.defer(&NUMBER, 1).unwrap();
    drop(early);
    let _late = bus.on(&NUMBER, {
        let log = log.clone();
        move |n| log.add(n)
    });
    assert_eq!(bus.drain().delivered(), 1);
    assert_eq!(log.take(), ["1"]);
}

#[test]
fn changes_during_a_run_show_at_the_next_event() {
    let (bus, log) = (Bus::new(), Log::default());
    let weak = bus.downgrade();
    let captured = Dropped(log.clone(), "first");
    let _first = bus.once(&NUMBER, {
        let log = log.clone();
        move |n| {
            let captured = &captured;
            log.add(format!("{} {n}", captured.1));
            let log = log.clone();
            weak.upgrade()
                .unwrap()
                .on(&NUMBER, move |n| log.add(n))
                .detach();
        }
    });
    for n in 1..=3 {
        bus.defer(&NUMBER, n).unwrap();
    }
    bus.drain();
    assert_eq!(log.take(), ["first 1", "drop first", "2", "3"]);
}

#[test]
fn what_is_deferred_meanwhile_waits_for_the_next_drain() {
    let (bus, log) = (Bus::new(), Log::default());
    let weak = bus.downgrade();
    let _sub = bus.on(&NUMBER, {
        let log = log.clone();
        move |n| {
            log.add(n);
            if *n < 3 {
                weak.upgrade().unwrap().defer(&NUMBER, n + 1).unwrap();
            }
        }
    });
    bus.defer(&NUMBER, 1).unwrap();
    let drained = bus.drain();
    assert_eq!((drained.delivered(), drained.remaining()), (1, 1));
    assert_eq!(bus.queue().drain_until_idle(100).delivered(), 2);
    assert_eq!(log.take(), ["1", "2", "3"]);
    // And of several.
    bus.defer(&NUMBER, 1).unwrap();
    bus.defer(&NUMBER, 3).unwrap();
    let drained = bus.drain();
    assert_eq!((drained.delivered(), drained.remaining()), (2, 1));
    assert_eq!(bus.queue().drain_until_idle(100).delivered(), 2);
    assert_eq!(log.take(), ["1", "3", "2", "3"]);
}

#[test]
fn drain_until_idle_ends_at_its_limit() {
    let bus = Bus::new();
    let weak = bus.downgrade();
    let _sub = bus.on(&NUMBER, move |n| {
        weak.upgrade().unwrap().defer(&NUMBER, n + 1).unwrap()
    });
    bus.defer(&NUMBER, 1).unwrap();
    let drained = bus.queue().drain_until_idle(10);
    assert_eq!((drained.delivered(), drained.remaining()), (10, 1));
    assert_eq!(bus.queue().drain_until_idle(0).delivered(), 0);
}

#[test]
fn a_drain_cut_short_leaves_the_rest_in_front() {
    let log = Log::default();
    let bus = written(&log);
    for n in 1..=3 {
        bus.defer(&NUMBER, n).unwrap();
        bus.defer(&TEXT, format!("t{n}")).unwrap();
    }
    assert_eq!(bus.queue().drain_one().remaining(), 5);
    assert_eq!(bus.queue().drain_one().remaining(), 4);
    bus.defer(&NUMBER, 9).unwrap();
    assert_eq!(bus.queue().drain_one().remaining(), 4);
    assert_eq!(bus.drain().delivered(), 4);
    assert_eq!(log.take(), ["1", "t1", "2", "t2", "3", "t3", "9"]);
    assert_eq!(bus.queue().drain_one().delivered(), 0);
}

#[test]
fn a_drain_inside_an_emission_is_allowed() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let _sub = signal.on({
        let (queue, log) = (queue.clone(), log.clone());
        move |_| {
            log.add("before");
            queue.drain();
            log.add("after");
        }
    });
    queue
        .post({
            let log = log.clone();
            move || log.add("posted")
        })
        .unwrap();
    signal.emit(&1);
    assert_eq!(log.take(), ["before", "posted", "after"]);
}

#[test]
fn on_ready_fires_when_something_comes_and_when_something_is_left() {
    let (queue, wakes) = (Queue::new(), Arc::new(AtomicUsize::new(0)));
    queue.post(|| ()).unwrap();
    queue.on_ready({
        let wakes = wakes.clone();
        move || _ = wakes.fetch_add(1, Relaxed)
    });
    assert_eq!(wakes.swap(0, Relaxed), 1, "something waits at registration");
    queue.post(|| ()).unwrap();
    assert_eq!(wakes.swap(0, Relaxed), 0, "it was not empty");
    queue.drain_one();
    assert_eq!(wakes.swap(0, Relaxed), 1, "something is left");
    queue.drain();
    assert_eq!(wakes.swap(0, Relaxed), 0);
    queue.post(|| ()).unwrap();
    assert_eq!(wakes.swap(0, Relaxed), 1, "from empty to not empty");
}

#[test]
fn what_comes_while_the_only_event_is_delivered_is_left() {
    const LATER: Topic<u32> = Topic::new("later");
    for how in [
        "deferred",
        "latest",
        "posted",
        "emitted",
        "by a drain inside",
    ] {
        let (bus, wakes) = (Bus::new(), Arc::new(AtomicUsize::new(0)));
        let (queue, later) = (bus.queue(), bus.signal(&LATER));
        let _later = later.on(|_| ());
        let calls = Signal::<u32>::new();
        let _calls = calls.subscribe().on_queue(&queue, |(), _| ());
        let inner = queue.clone();
        queue.on_ready({
            let wakes = wakes.clone();
            move || _ = wakes.fetch_add(1, Relaxed)
        });
        queue
            .post(move || match how {
                "deferred" => later.defer(1).unwrap(),
                "latest" => later.defer_latest(1).unwrap(),
                "posted" => inner.post(|| ()).unwrap(),
                "emitted" => _ = calls.emit(&1),
                _ => {
                    later.defer(1).unwrap();
                    later.defer(2).unwrap();
                    assert_eq!(inner.drain_one().delivered(), 1);
                }
            })
            .unwrap();
        wakes.store(0, Relaxed);
        let drained = queue.drain();
        assert_eq!((drained.delivered(), drained.remaining()), (1, 1), "{how}");
        assert!(wakes.load(Relaxed) > 1, "{how}: it comes, and it is left");
        let drained = queue.drain();
        assert_eq!((drained.delivered(), drained.remaining()), (1, 0), "{how}");
    }
}

#[test]
fn a_wake_may_use_the_queue_and_may_panic() {
    let (queue, log) = (Queue::new(), Log::default());
    queue.on_ready({
        let (queue, log) = (queue.clone(), log.clone());
        move || log.add(format!("{} {}", queue.len(), queue.drain().delivered()))
    });
    queue.post(|| ()).unwrap();
    assert_eq!(log.take(), ["1 1"]);
    queue.on_ready(|| boom("in the wake"));
    assert!(queue.post(|| ()).is_ok());
    queue.on_ready({
        let log = log.clone();
        move || log.add("replaced")
    });
    assert_eq!(log.take(), ["replaced"]);
    assert_eq!(queue.len(), 1);
}

#[test]
fn close_refuses_and_leaves_what_is_inside() {
    let log = Log::default();
    let bus = written(&log);
    bus.defer(&NUMBER, 1).unwrap();
    bus.queue().close();
    let error = bus.defer(&NUMBER, 2).unwrap_err();
    assert_eq!(
        (error.kind(), error.into_event()),
        (DeferErrorKind::Closed, 2)
    );
    let captured = Dropped(log.clone(), "posted");
    assert!(bus.queue().post(move || _ = &captured).is_err());
    assert_eq!(log.take(), ["drop posted"]);
    assert_eq!(bus.drain().delivered(), 1);
    assert_eq!(log.take(), ["1"]);
}

#[test]
fn clear_says_how_many() {
    let log = Log::default();
    let bus = written(&log);
    for n in 1..=4 {
        bus.defer(&NUMBER, n).unwrap();
    }
    bus.queue().drain_one();
    bus.defer(&TEXT, "x".to_owned()).unwrap();
    assert_eq!(bus.queue().clear(), 4);
    assert_eq!((bus.queue().len(), bus.drain().delivered()), (0, 0));
    assert_eq!(log.take(), ["1"]);
}

#[test]
fn clear_from_inside_ends_the_drain() {
    let (queue, log) = (Queue::new(), Log::default());
    for n in 1..=4 {
        let (inner, log) = (queue.clone(), log.clone());
        queue
            .post(move || {
                log.add(n);
                if n == 2 {
                    inner.post(|| ()).unwrap();
                    assert_eq!((inner.len(), inner.clear(), inner.len()), (3, 3, 0));
                    inner.post(|| ()).unwrap();
                }
            })
            .unwrap();
    }
    let drained = queue.drain();
    assert_eq!(log.take(), ["1", "2"]);
    assert_eq!(drained.delivered() + drained.remaining(), 3);
    queue.drain();
    assert!(queue.is_empty());
}

#[test]
fn a_queue_dropped_with_events_inside_says_how_many() {
    let (bus, log) = (Bus::new(), Log::default());
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(format!("{:?}: {error}", error.kind()))
    });
    struct Payload(#[expect(dead_code)] Dropped);
    let topic = Topic::<Payload>::new("payload");
    for _ in 0..2 {
        bus.defer(&topic, Payload(Dropped(log.clone(), "payload")))
            .ok();
    }
    drop(bus);
    let told = log.take();
    assert_eq!(told[..2], ["drop payload", "drop payload"]);
    assert!(
        told.len() == 3 && told[2].contains("Undelivered") && told[2].contains("2 events"),
        "{told:?}"
    );
}

#[test]
fn on_queue_runs_where_the_queue_is_drained() {
    struct App(Vec<u32>);
    let (bus, ui) = (Bus::new(), Queue::<App>::with_context());
    let sub = bus
        .subscribe(&NUMBER)
        .filter(|n| *n != 2)
        .on_queue(&ui, |app: &mut App, n| app.0.push(*n));
    let mut app = App(Vec::new());
    for n in 1..=3 {
        bus.emit(&NUMBER, &n);
    }
    assert!(app.0.is_empty());
    assert_eq!(ui.drain_with(&mut app).delivered(), 2);
    assert_eq!(app.0, [1, 3]);
    bus.emit(&NUMBER, &4);
    drop(sub);
    assert_eq!(
        ui.drain_with(&mut app).delivered(),
        0,
        "cancelled before delivery"
    );
    assert_eq!(app.0, [1, 3]);
}

#[test]
fn on_queue_clones_once_for_each_queued_handler() {
    struct Counted(Arc<AtomicUsize>);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, Relaxed);
            Counted(self.0.clone())
        }
    }
    let (signal, queue) = (Signal::<Counted>::new(), Queue::new());
    let _a = signal.subscribe().on_queue(&queue, |(), _| ());
    let _b = signal.subscribe().on_queue(&queue, |(), _| ());
    let _filtered = signal
        .subscribe()
        .filter(|_| false)
        .on_queue(&queue, |(), _| ());
    let paused = signal.subscribe().on_queue(&queue, |(), _| ());
    let _pause = paused.pause();
    let clones = Arc::new(AtomicUsize::new(0));
    assert_eq!(signal.emit(&Counted(clones.clone())).ran(), 2);
    assert_eq!((clones.load(Relaxed), queue.len()), (2, 2));
}

#[test]
fn a_queued_call_is_skipped_when_paused_at_either_end() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let sub = signal.subscribe().on_queue(&queue, {
        let log = log.clone();
        move |(), n| log.add(n)
    });
    let pause = sub.pause();
    signal.emit(&1);
    assert!(queue.is_empty());
    drop(pause);
    signal.emit(&2);
    let pause = sub.pause();
    assert_eq!(queue.drain().delivered(), 0);
    drop(pause);
    signal.emit(&3);
    queue.drain();
    assert_eq!(log.take(), ["3"]);
}

#[test]
fn a_claimed_call_runs_although_its_limit_has_removed_the_handler() {
    let (signal, queue, log) = (Signal::<u32>::new(), Queue::new(), Log::default());
    let limited = |limit| {
        let (log, captured) = (log.clone(), Dropped(log.clone(), "captures"));
        signal
            .subscribe()
            .limit(limit)
            .on_queue(&queue, move |(), n| {
                let _captured = &captured;
                log.add(n);
            })
    };
    let sub = limited(2);
    for n in 1..=3 {
        signal.emit(&n);
    }
    assert!(!sub.is_active() && signal.is_empty());
    assert_eq!(queue.drain().delivered(), 2);
    assert_eq!(log.take(), ["1", "2", "drop captures"]);

    let sub = limited(1);
    signal.emit(&4);
    assert!(!sub.is_active());
    // Unless it is cancelled: then the captures do not wait for the queue.
    sub.cancel();
    assert_eq!(log.take(), ["drop captures"]);
    assert_eq!(queue.drain().delivered(), 0);

    let sub = limited(1);
    signal.emit(&5);
    assert_eq!(queue.clear(), 1);
    assert_eq!(
        log.take(),
        ["drop captures"],
        "nor for a call that was cleared"
    );
    drop(sub);
}

#[test]
fn what_a_queued_handler_returns_is_seen_by_the_drain() {
    let (bus, queue) = (Bus::new(), Queue::new());
    let told = Arc::new(Mutex::new(0));
    bus.set_error_hook({
        let told = told.clone();
        move |_| *told.lock().unwrap() += 1
    });
    let _stop = bus.subscribe(&NUMBER).on_queue(&queue, |(), _| Flow::Stop);
    let _fails = bus
        .subscribe(&NUMBER)
        .label("queued")
        .on_queue(&queue, |(), _| Err::<(), _>("no"));
    let done = bus.emit(&NUMBER, &1);
    assert_eq!(
        (done.ran(), done.stopped(), done.errors().len()),
        (2, false, 0)
    );
    let drained = queue.drain();
    assert_eq!((drained.delivered(), drained.errors().len()), (2, 1));
    assert_eq!(
        (drained.errors()[0].topic(), drained.errors()[0].label()),
        ("number", Some("queued"))
    );
    assert_eq!(*told.lock().unwrap(), 1);
}

#[test]
fn a_closed_or_vanished_queue_is_a_failure_of_that_handler() {
    let (signal, queue) = (Signal::<u32>::new(), Queue::new());
    let _sub = signal
        .subscribe()
        .label("queued")
        .on_queue(&queue, |(), _| ());
    let _other = signal.on(|_| ());
    queue.close();
    let done = signal.emit(&1);
    assert_eq!((done.ran(), done.errors().len()), (2, 1));
    assert!(done.errors()[0].to_string().contains("closed"));
    drop(queue);
    assert_eq!(signal.emit(&1).errors().len(), 1);
}

#[test]
fn a_clone_that_panics_is_a_failure_of_that_handler() {
    struct Fragile(bool);
    impl Clone for Fragile {
        fn clone(&self) -> Self {
            if self.0 {
                boom("in clone")
            } else {
                Fragile(false)
            }
        }
    }
    let (signal, queue, log) = (Signal::<Fragile>::new(), Queue::new(), Log::default());
    let captured = OnDrop({
        let log = log.clone();
        move || log.add("dropped")
    });
    let _sub = signal
        .subscribe()
        .limit(1)
        .on_queue(&queue, move |(), _| _ = &captured);
    let _other = signal.on({
        let log = log.clone();
        move |_| log.add("other")
    });
    assert_eq!(panic_of(|| signal.emit(&Fragile(true))), "in clone");
    assert_eq!(log.take(), ["other", "dropped"]);
    assert_eq!((queue.len(), signal.emit(&Fragile(false)).ran()), (0, 1));
}

#[test]
fn a_context_is_lent_to_deferred_handlers() {
    let bus = Bus::<Vec<u32>>::with_context();
    let _sub = bus.on_with(&NUMBER, |seen, n| seen.push(*n));
    let _once = bus.once_with(&NUMBER, |seen, _| seen.push(100));
    bus.defer(&NUMBER, 1).unwrap();
    bus.queue().post_with(|seen| seen.push(50)).unwrap();
    bus.queue().post(|| ()).unwrap();
    bus.defer(&NUMBER, 2).unwrap();
    let mut seen = Vec::new();
    bus.emit_with(&mut seen, &NUMBER, &0);
    assert_eq!(bus.queue().drain_one_with(&mut seen).delivered(), 1);
    assert_eq!(bus.drain_with(&mut seen).delivered(), 3);
    assert_eq!(seen, [0, 100, 1, 50, 2]);
}
