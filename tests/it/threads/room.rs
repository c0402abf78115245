//! Promise 18: queues with a bound, whose callers wait for room or drop the oldest event.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use slotcast::{Bus, DeferErrorKind, Overflow, Queue, Signal, Topic};

use super::{PATIENCE, until};
use crate::log::{Log, panic_of};

#[test]
fn a_full_queue_blocks_until_a_drain_makes_room_and_nothing_is_lost() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let queue = Queue::new().bounded(3, Overflow::Block);
    let _sub = signal.on({
        let (log, queue) = (log.clone(), queue.clone());
        move |n| {
            assert!(queue.len() <= 3, "{} wait", queue.len());
            log.add(n);
        }
    });
    thread::scope(|scope| {
        let defer = scope.spawn(|| (0..1000).for_each(|n| queue.defer(&signal, n).unwrap()));
        let mut delivered = 0;
        while delivered < 1000 {
            assert!(queue.wait_timeout(PATIENCE), "a wake was lost");
            delivered += match delivered % 3 {
                0 => queue.drain_one().delivered(),
                1 => queue.drain_for(Duration::from_secs(1)).delivered(),
                _ => queue.drain().delivered(),
            };
        }
        defer.join().unwrap();
    });
    let expected: Vec<_> = (0..1000).map(|n: u32| n.to_string()).collect();
    assert_eq!(log.take(), expected);
    assert_eq!(queue.dropped(), 0);
}

#[test]
fn many_threads_wait_for_room_and_for_events() {
    let (signal, count) = (Signal::<u32>::new(), Arc::new(AtomicUsize::new(0)));
    let _sub = signal.on({
        let count = count.clone();
        move |_| _ = count.fetch_add(1, SeqCst)
    });
    let queue = Queue::new().bounded(2, Overflow::Block);
    thread::scope(|scope| {
        let running: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| queue.run().delivered()))
            .collect();
        let deferring: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..500).for_each(|n| queue.defer(&signal, n).unwrap())))
            .collect();
        deferring.into_iter().for_each(|it| it.join().unwrap());
        queue.close();
        let delivered: usize = running.into_iter().map(|it| it.join().unwrap()).sum();
        assert_eq!(delivered, 2000);
    });
    assert_eq!(count.load(SeqCst), 2000);
}

#[test]
fn whoever_waits_for_room_gets_the_event_back_when_the_queue_closes() {
    let signal = Signal::<u32>::new();
    let queue = Queue::new().bounded(1, Overflow::Block);
    queue.defer(&signal, 1).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.defer(&signal, 2));
        thread::sleep(Duration::from_millis(5));
        queue.close();
        let refused = waiting.join().unwrap().unwrap_err();
        assert_eq!(
            (refused.kind(), refused.into_event()),
            (DeferErrorKind::Closed, 2)
        );
    });
    assert_eq!(queue.drain().unhandled(), 1);
}

#[test]
fn clearing_and_another_bound_make_room() {
    let signal = Signal::<u32>::new();
    let queue = Queue::new().bounded(1, Overflow::Block);
    queue.defer(&signal, 1).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.defer(&signal, 2));
        thread::sleep(Duration::from_millis(5));
        assert_eq!(queue.clear(), 1);
        waiting.join().unwrap().unwrap();
        let waiting = scope.spawn(|| queue.defer(&signal, 2));
        thread::sleep(Duration::from_millis(5));
        assert_eq!(queue.clear_topic(&signal), 1);
        waiting.join().unwrap().unwrap();
        let waiting = scope.spawn(|| queue.defer_latest(&signal, 3));
        thread::sleep(Duration::from_millis(5));
        _ = queue.clone().bounded(2, Overflow::Block);
        waiting.join().unwrap().unwrap();
        let waiting = scope.spawn(|| queue.defer(&signal, 4));
        thread::sleep(Duration::from_millis(5));
        _ = queue.clone().bounded(2, Overflow::Reject);
        let refused = waiting.join().unwrap().unwrap_err();
        assert_eq!(refused.kind(), DeferErrorKind::Full);
    });
    assert_eq!(queue.len(), 2);
}

#[test]
fn to_wait_for_room_inside_of_a_drain_of_the_queue_is_refused() {
    const NUMBER: Topic<u32> = Topic::new("number");
    let (bus, log) = (Bus::new(), Log::default());
    let queue = bus.queue().bounded(2, Overflow::Block);
    let weak = bus.downgrade();
    let _sub = bus.on(&NUMBER, {
        let log = log.clone();
        move |n| {
            let bus = weak.upgrade().unwrap();
            let kinds = [(); 3].map(|()| match bus.defer(&NUMBER, n + 1) {
                Ok(()) => "in".to_owned(),
                Err(refused) => format!("{:?}", refused.kind()),
            });
            log.add(format!("{n} {kinds:?}"));
            let refused = bus.queue().post(|| ()).unwrap_err();
            assert_eq!(refused.kind(), DeferErrorKind::Inside);
            let refused = bus.defer_timeout(&NUMBER, 9, PATIENCE).unwrap_err();
            assert_eq!(refused.kind(), DeferErrorKind::Inside);
        }
    });
    bus.defer(&NUMBER, 1).unwrap();
    assert_eq!(queue.drain().remaining(), 2);
    assert_eq!(log.take(), [r#"1 ["in", "in", "Inside"]"#]);
    // A drain of another queue may wait.
    let (other, full) = (Queue::new(), Queue::new().bounded(1, Overflow::Block));
    full.post(|| ()).unwrap();
    let inner = full.clone();
    other.post(move || inner.post(|| ()).unwrap()).unwrap();
    thread::scope(|scope| {
        let draining = scope.spawn(|| other.drain().errors().len());
        until(|| other.is_empty());
        assert_eq!(full.drain_one().delivered(), 1);
        assert_eq!(draining.join().unwrap(), 0);
    });
    assert_eq!(full.len(), 1);
}

#[test]
fn an_emission_waits_for_room_in_the_queue_of_a_handler() {
    let signal = Signal::<u32>::new();
    let queue = Queue::new().bounded(1, Overflow::Block);
    let _sub = signal.subscribe().on_queue(&queue, |(), _| ());
    signal.emit(&1);
    thread::scope(|scope| {
        let emitting = scope.spawn(|| signal.emit(&2).errors().len());
        while queue.drain().delivered() == 0 {
            thread::yield_now();
        }
        assert_eq!(emitting.join().unwrap(), 0);
    });
    assert_eq!(queue.len(), 1);
}

#[test]
fn the_wait_for_room_is_bounded_by_a_timeout() {
    let signal = Bus::new().signal(&Topic::<u32>::new("number"));
    let queue = Queue::new().bounded(1, Overflow::Block);
    queue.defer_timeout(&signal, 1, Duration::ZERO).unwrap();
    for timeout in [Duration::ZERO, Duration::from_millis(2)] {
        let refused = queue.defer_timeout(&signal, 2, timeout).unwrap_err();
        assert_eq!(
            (refused.kind(), refused.into_event()),
            (DeferErrorKind::TimedOut, 2)
        );
    }
    thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.defer_timeout(&signal, 3, Duration::MAX));
        thread::sleep(Duration::from_millis(5));
        assert_eq!(queue.drain().unhandled(), 1);
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(queue.len(), 1);
    // Where nobody waits for room it does what `defer` does.
    let queue = queue.bounded(1, Overflow::Reject);
    let refused = queue.defer_timeout(&signal, 4, PATIENCE).unwrap_err();
    assert_eq!(refused.kind(), DeferErrorKind::Full);
    let alone = Signal::<u32>::new();
    let refused = alone.defer_timeout(1, PATIENCE).unwrap_err();
    assert_eq!(refused.kind(), DeferErrorKind::NoQueue);
}

#[test]
fn the_local_flavour_cannot_wait_for_room() {
    let message = panic_of(|| slotcast::local::Queue::new().bounded(1, Overflow::Block));
    assert!(message.contains("cannot wait for room"), "{message}");
}

#[test]
fn drop_oldest_while_another_thread_drains_loses_and_doubles_nothing() {
    let (signal, seen) = (Signal::<u32>::new(), Arc::new(Mutex::new(Vec::new())));
    let _sub = signal.on({
        let seen = seen.clone();
        move |n: &u32| seen.lock().unwrap().push(*n)
    });
    let queue = Queue::new().bounded(4, Overflow::DropOldest);
    thread::scope(|scope| {
        let running = scope.spawn(|| queue.run().delivered());
        (0..20_000).for_each(|n| match n % 5 {
            0 => queue.defer_latest(&signal, n).unwrap(),
            _ => queue.defer(&signal, n).unwrap(),
        });
        queue.close();
        running.join().unwrap();
    });
    let seen = seen.lock().unwrap();
    assert!(seen.is_sorted_by(|a, b| a < b), "in order, and none twice");
    assert!(seen.len() + queue.dropped() <= 20_000);
    assert_eq!(seen.last(), Some(&19_999));
}
