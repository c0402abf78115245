//! Promises 16 and 18: what is delayed can be taken back until its delivery begins, and is owned, debounced
//! and throttled.

use std::time::{Duration, Instant};

use slotcast::{DeferErrorKind, Overflow, Topic};

use super::{Bus, Queue, Scope, Signal};
use crate::log::{Dropped, Log};

const SAVE: Topic<u32> = Topic::new("save");

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn what_is_delayed_can_be_cancelled_until_its_delivery_begins() {
    for overflow in [Overflow::Reject, Overflow::DropOldest] {
        let (queue, log) = (Queue::new().bounded(9, overflow), Log::default());
        let save = Signal::<u32>::new();
        let _saved = save.on({
            let log = log.clone();
            move |n| log.add(n)
        });
        let now = Instant::now();
        let first = queue.defer_at(now + seconds(1), &save, 1).unwrap();
        // Of the same tick, and before it.
        let cancelled = queue.defer_at(now + seconds(2), &save, 2).unwrap();
        let kept = queue.defer_at(now + seconds(3), &save, 3).unwrap();
        let handle = cancelled.clone();
        queue
            .post_after(Duration::ZERO, move || {
                assert!(handle.cancel() && !handle.cancel())
            })
            .unwrap();
        assert_eq!(queue.drain_at(now + seconds(3)).delivered(), 3);
        assert_eq!(log.take(), ["1", "3"]);
        assert!(!first.cancel() && !kept.cancel() && !cancelled.is_waiting());
        // Between one drain and the next.
        for n in 4..=6 {
            queue.defer_at(now, &save, n).unwrap();
        }
        let last = queue.defer_at(now, &save, 7).unwrap();
        assert_eq!(queue.drain_one().remaining(), 3);
        assert!(last.is_waiting() && last.cancel());
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.drain().delivered(), 2);
        assert_eq!(log.take(), ["4", "5", "6"]);
        assert_eq!((queue.len(), queue.delayed()), (0, 0));
    }
}

/// A queue gives the room of a burst back every 21 drains.
#[test]
fn what_is_due_can_be_taken_back_after_a_burst() {
    let (queue, log) = (Queue::new(), Log::default());
    let save = Signal::<u32>::new();
    let _saved = save.on({
        let log = log.clone();
        move |n| log.add(n)
    });
    let past = Instant::now().checked_sub(seconds(10)).unwrap();
    queue.defer_at(past, &save, 0).unwrap();
    queue.drain_at(past);
    queue.defer_at(past + seconds(5), &save, 1).unwrap();
    for _ in 0..600 {
        queue.defer_at(past, &save, 0).unwrap();
    }
    (2..63).for_each(|_| _ = queue.drain_at(past));
    assert_eq!(log.take().len(), 601);
    queue.defer(&save, 2).unwrap();
    queue.drain_one();
    let late = queue.defer_at(past, &save, 3).unwrap();
    queue.drain_one();
    assert!(late.is_waiting() && late.cancel());
    assert_eq!(queue.drain().delivered(), 0);
    assert_eq!(log.take(), ["2", "1"]);
}

#[test]
fn a_handler_of_the_same_drain_debounces_what_is_due_already() {
    let (queue, log) = (Queue::new(), Log::default());
    let (key, save) = (Signal::<()>::new(), Signal::<()>::new());
    let now = Instant::now();
    let pending = std::sync::Mutex::new(Some(queue.defer_at(now + seconds(1), &save, ()).unwrap()));
    let _keys = key.on({
        let (queue, save) = (queue.clone(), save.clone());
        move |()| {
            let next = queue.defer_at(now + Duration::from_millis(2500), &save, ());
            let before = pending.lock().unwrap().replace(next.unwrap());
            before.unwrap().cancel();
        }
    });
    let _saved = save.on({
        let log = log.clone();
        move |()| log.add("saved")
    });
    queue.defer(&key, ()).unwrap();
    queue.drain_at(now + Duration::from_millis(1500));
    assert_eq!(log.take().len(), 0);
    queue.drain_at(now + seconds(3));
    assert_eq!(log.take(), ["saved"]);
}

#[test]
fn a_closure_is_posted_after_a_delay_and_dropped_with_its_cancel() {
    let (queue, log) = (Queue::<Log>::with_context(), Log::default());
    let post = |name: &'static str, delay| {
        let dropped = Dropped(log.clone(), name);
        let call = move |log: &mut Log| {
            let _dropped = &dropped;
            log.add("called");
        };
        queue.post_after_with(delay, call).unwrap()
    };
    let (called, cancelled) = (
        post("called one", seconds(1)),
        post("cancelled one", seconds(1)),
    );
    let now = Instant::now();
    assert_eq!(queue.drain_at_with(&mut log.clone(), now).delivered(), 0);
    assert!(cancelled.cancel());
    assert_eq!(log.take().len(), 1, "dropped at once");
    let drained = queue.drain_at_with(&mut log.clone(), now + seconds(2));
    assert_eq!(drained.delivered(), 1);
    assert!(!called.cancel() && !called.is_waiting());
    assert_eq!(log.take()[0], "called");
    queue.close();
    let refused = queue.post_after_with(seconds(1), |_| ()).unwrap_err();
    assert_eq!(refused.kind(), DeferErrorKind::Closed);
    let full = Queue::new().bounded(1, Overflow::Reject);
    full.post_after(seconds(1), || ()).unwrap();
    let refused = full.post_after(seconds(1), || ()).unwrap_err();
    assert_eq!(refused.kind(), DeferErrorKind::Full);
}

#[test]
fn a_timer_ends_with_its_owner() {
    let (queue, log) = (Queue::new(), Log::default());
    let save = Signal::<u32>::new();
    let _saved = save.on({
        let log = log.clone();
        move |n| log.add(n)
    });
    let later = |n| queue.defer_after(seconds(60), &save, n).unwrap();
    let owned = later(1).cancel_on_drop();
    assert!(owned.is_active() && owned.cancel() && !owned.is_active() && !owned.cancel());
    drop(later(2).cancel_on_drop());
    let mut scope = Scope::new();
    scope.add(later(3).cancel_on_drop());
    scope.add(save.on(|_| ()));
    later(4).cancel_on_drop().detach();
    let delivered = later(5).cancel_on_drop();
    assert_eq!((scope.len(), queue.delayed()), (2, 3));
    assert_eq!(scope.clear(), 2);
    let drained = queue.drain_at(Instant::now() + seconds(61));
    assert_eq!(drained.delivered(), 2);
    assert!(!delivered.is_active() && !delivered.cancel());
    assert_eq!(log.take(), ["4", "5"]);
    // A scope does not grow by timers that have ended.
    for n in 0..1000 {
        scope.add(later(n).cancel_on_drop());
        queue.drain_at(Instant::now() + seconds(61));
    }
    assert!(scope.is_empty());
}

#[test]
fn a_queue_that_goes_with_only_owned_timers_inside_is_silent() {
    for owned in [true, false] {
        let (bus, log) = (Bus::new(), Log::default());
        bus.set_error_hook({
            let log = log.clone();
            move |error| log.add(error)
        });
        let _sub = bus.on(&SAVE, |_| ());
        let timer = bus.defer_after(seconds(60), &SAVE, 1).unwrap();
        let guard = owned.then(|| timer.cancel_on_drop());
        drop(bus);
        assert_eq!(log.take().len(), usize::from(!owned));
        assert!(guard.is_none_or(|guard| !guard.is_active()));
    }
}

#[test]
fn a_bus_defers_to_a_deadline() {
    let (bus, log) = (Bus::new(), Log::default());
    let _sub = bus.on(&SAVE, {
        let log = log.clone();
        move |n| log.add(n)
    });
    let start = Instant::now();
    bus.defer_at(start + seconds(2), &SAVE, 2).unwrap();
    let cancelled = bus.signal(&SAVE).defer_at(start + seconds(1), 1).unwrap();
    assert_eq!(bus.queue().next_deadline(), Some(start + seconds(1)));
    cancelled.cancel();
    assert_eq!(bus.queue().drain_at(start + seconds(2)).delivered(), 1);
    assert_eq!(log.take(), ["2"]);
    let alone = Signal::<u32>::new();
    let refused = alone.defer_at(start, 1).err().unwrap();
    assert_eq!(refused.kind(), DeferErrorKind::NoQueue);
}

#[test]
fn debouncing_delivers_the_newest_when_it_has_become_quiet() {
    let (bus, log) = (Bus::new(), Log::default());
    let _sub = bus.on(&SAVE, {
        let log = log.clone();
        move |n| log.add(n)
    });
    let queue = bus.queue();
    for n in 1..=3 {
        bus.defer_latest_after(seconds(n), &SAVE, n as u32).unwrap();
        assert_eq!(queue.delayed(), 1);
    }
    let now = Instant::now();
    assert!(
        queue.next_deadline().unwrap() > now + seconds(2),
        "the last one counts"
    );
    // Others of the topic are left alone.
    bus.defer_after(seconds(1), &SAVE, 9).unwrap();
    assert_eq!(queue.drain_at(now + seconds(9)).delivered(), 2);
    assert_eq!(log.take(), ["9", "3"]);
    // One that is due is still replaced; one that was delivered or cancelled is not.
    bus.defer_latest_after(Duration::ZERO, &SAVE, 4).unwrap();
    bus.defer(&SAVE, 0).unwrap();
    bus.queue().drain_one();
    let last = bus.defer_latest_after(seconds(1), &SAVE, 5).unwrap();
    assert_eq!((queue.len(), queue.delayed()), (0, 1));
    assert!(last.cancel());
    bus.defer_latest_after(seconds(1), &SAVE, 6).unwrap();
    queue.drain_at(Instant::now() + seconds(9));
    assert_eq!(log.take(), ["0", "6"]);
}

#[test]
fn throttling_delivers_the_newest_once_for_each_delay() {
    let (bus, log) = (Bus::new(), Log::default());
    let level = bus.signal(&SAVE);
    let _sub = level.on({
        let log = log.clone();
        move |n| log.add(n)
    });
    let queue = bus.queue();
    let first = level.defer_latest_within(seconds(1), 1).unwrap();
    let due = queue.next_deadline();
    for n in 2..=5 {
        bus.defer_latest_within(seconds(n), &SAVE, n as u32)
            .unwrap();
        assert_eq!((queue.delayed(), queue.next_deadline()), (1, due));
    }
    assert!(
        first.is_waiting(),
        "the handle is that of the event that waits"
    );
    assert_eq!(queue.drain_at(due.unwrap()).delivered(), 1);
    assert_eq!(log.take(), ["5"]);
    bus.defer_latest_within(seconds(1), &SAVE, 6).unwrap();
    assert!(queue.next_deadline() > due);
    queue.close();
    let refused = level.defer_latest_within(seconds(1), 7).err().unwrap();
    assert_eq!(
        (refused.kind(), refused.into_event()),
        (DeferErrorKind::Closed, 7)
    );
    level.close();
    let refused = level.defer_latest_after(seconds(1), 8).err().unwrap();
    assert_eq!(refused.into_event(), 8);
}

#[test]
fn what_a_newer_event_replaces_is_dropped_once() {
    let (queue, signal, log) = (Queue::new(), Signal::<Dropped>::new(), Log::default());
    for name in ["a", "b", "c"] {
        let event = Dropped(log.clone(), name);
        queue
            .defer_latest_after(seconds(1), &signal, event)
            .unwrap();
    }
    assert_eq!(log.take().len(), 2);
    let event = Dropped(log.clone(), "d");
    queue
        .defer_latest_within(seconds(1), &signal, event)
        .unwrap();
    assert_eq!(log.take().len(), 1);
    assert_eq!(queue.clear(), 1);
    assert_eq!(log.take().len(), 1);
}
