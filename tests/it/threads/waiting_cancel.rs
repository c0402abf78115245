//! Promises 4 to 6, 10, 12 and 16 to 18 where several threads take part.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use slotcast::{
    Bus, DeferErrorKind, Overflow, Queue, Scope, Signal, Subscription, Topic, WaitError,
};

use crate::log::{Log, OnDrop, panic_of};

#[test]
fn a_signal_may_go_while_its_subscriptions_do() {
    for round in 0..100 {
        let signal = Signal::<u32>::new();
        let target = Arc::new(7);
        let subs: Vec<_> = (0..2000)
            .map(|_| signal.on_weak(&target, |_, _| ()))
            .collect();
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                (0..round * 20).for_each(|_| std::hint::spin_loop());
                subs.iter().rev().for_each(|sub| _ = sub.cancel());
            });
            start.wait();
            drop(signal);
        });
        assert_eq!(Arc::weak_count(&target), 0);
    }
}

#[test]
fn cancel_and_wait_waits_for_the_emission_that_runs() {
    let signal = Signal::<u32>::new();
    let (inside, entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let may_leave = Mutex::new(may_leave);
    let dropped = Arc::new(AtomicBool::new(false));
    let captured = OnDrop({
        let dropped = dropped.clone();
        move || dropped.store(true, SeqCst)
    });
    let sub = signal.on(move |_| {
        let _captured = &captured;
        inside.send(()).unwrap();
        may_leave.lock().unwrap().recv().unwrap();
    });
    thread::scope(|scope| {
        scope.spawn(|| signal.emit(&1));
        entered.recv().unwrap();
        assert_eq!(
            sub.cancel_and_wait_timeout(Duration::ZERO),
            Err(WaitError::TimedOut)
        );
        assert!(!sub.is_active() && !dropped.load(SeqCst));
        let waiting = scope.spawn(|| {
            let result = sub.cancel_and_wait();
            (result, dropped.load(SeqCst))
        });
        leave.send(()).unwrap();
        assert_eq!(waiting.join().unwrap(), (Ok(()), true));
    });
}

#[test]
fn cancel_and_wait_waits_for_whole_emissions_and_after_other_removals() {
    // The handler has long returned, but its emission is still in a later one.
    let signal = Signal::<u32>::new();
    let (inside, entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let may_leave = Mutex::new(may_leave);
    let sub = signal.subscribe().priority(1).limit(1).on(|_| ());
    let _later = signal.on(move |_| {
        inside.send(()).unwrap();
        may_leave.lock().unwrap().recv().unwrap();
    });
    thread::scope(|scope| {
        scope.spawn(|| signal.emit(&1));
        entered.recv().unwrap();
        assert!(!sub.is_active(), "its limit has removed it");
        assert_eq!(
            sub.cancel_and_wait_timeout(Duration::from_millis(1)),
            Err(WaitError::TimedOut)
        );
        leave.send(()).unwrap();
        assert_eq!(sub.cancel_and_wait(), Ok(()));
    });
}

/// In an emission of a topic that exists, and of a name that nobody holds.
#[test]
fn cancel_and_wait_knows_where_handlers_of_patterns_run() {
    for held in [true, false] {
        let bus = Bus::new();
        let (inner, other) = (Topic::<u32>::new("inner.topic"), Topic::<u32>::new("other"));
        let _held = held.then(|| bus.signal(&inner));
        let subs: Arc<Mutex<Vec<Subscription>>> = Arc::default();
        let waited = |subs: &Arc<Mutex<Vec<Subscription>>>| {
            let sub = subs.lock().unwrap().pop();
            sub.map(|sub| sub.cancel_and_wait())
        };
        let _asks = bus.subscribe_pattern("inner.*").on({
            let subs = subs.clone();
            move |_| {
                assert_eq!(waited(&subs), Some(Ok(())), "cannot run here");
                assert_eq!(waited(&subs), Some(Err(WaitError::Inside)), "comes later");
            }
        });
        let later = bus.on_pattern("inner.>", |_| unreachable!("cancelled"));
        let strange = bus.on_pattern("other", |_| ());
        subs.lock().unwrap().extend([later, strange]);
        assert_eq!(bus.emit(&other, &1).ran(), 1);
        assert_eq!(bus.emit(&inner, &1).ran(), 1);
        assert_eq!(waited(&subs), None);
    }
}

#[test]
fn cancel_and_wait_waits_for_emissions_of_names_that_nobody_holds() {
    let bus = Bus::new();
    let (inside, entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let may_leave = Mutex::new(may_leave);
    let sub = bus.on_pattern("room.*", move |_| {
        inside.send(()).unwrap();
        may_leave.lock().unwrap().recv().unwrap();
    });
    thread::scope(|scope| {
        scope.spawn(|| bus.emit(&Topic::new("room.7"), &1));
        entered.recv().unwrap();
        assert_eq!(
            sub.cancel_and_wait_timeout(Duration::ZERO),
            Err(WaitError::TimedOut)
        );
        leave.send(()).unwrap();
        assert_eq!(sub.cancel_and_wait(), Ok(()));
    });
}

/// Topics and patterns come and go on both sides, and whoever is there is heard.
#[test]
fn patterns_and_topics_that_meet_on_two_threads_find_each_other() {
    let bus = Bus::new();
    let topic = Topic::<u32>::new("room.one");
    for _ in 0..2000 {
        let start = Barrier::new(2);
        let (sub, signal) = thread::scope(|scope| {
            let sub = scope.spawn(|| {
                start.wait();
                bus.on_pattern("room.*", |_| ())
            });
            start.wait();
            let signal = bus.signal(&topic);
            signal.emit(&1);
            (sub.join().unwrap(), signal)
        });
        assert_eq!(signal.emit(&1).ran(), 1);
        drop(sub);
        assert_eq!(signal.emit(&1).ran(), 0);
    }
}

#[test]
fn cancel_and_wait_from_inside_says_so_and_cancels() {
    let signal = Signal::<u32>::new();
    let shelf = Arc::new(Mutex::new(Vec::<Subscription>::new()));
    let weak = signal.downgrade();
    let own = signal.on({
        let shelf = shelf.clone();
        move |n| {
            let subs = shelf.lock().unwrap();
            assert_eq!(subs[0].cancel_and_wait(), Err(WaitError::Inside), "itself");
            assert_eq!(
                subs[1].cancel_and_wait(),
                Err(WaitError::Inside),
                "a neighbour"
            );
            let signal = weak.upgrade().unwrap();
            if *n == 1 {
                // Subscribed meanwhile: this emission cannot call it.
                let new = signal.on(|_| ());
                assert_eq!(new.cancel_and_wait(), Ok(()));
                let other = Signal::<u32>::new();
                assert_eq!(other.on(|_| ()).cancel_and_wait(), Ok(()));
            }
        }
    });
    let neighbour = signal.on(|_| unreachable!("cancelled"));
    shelf.lock().unwrap().extend([own, neighbour]);
    assert_eq!(signal.emit(&1).ran(), 1);
    let subs = shelf.lock().unwrap();
    assert_eq!(subs[0].cancel_and_wait(), Ok(()), "and outside it waits");
}

#[test]
fn cancel_and_wait_from_a_deep_or_stale_emission_says_so() {
    let signal = Signal::<u32>::new();
    let shelf = Arc::new(Mutex::new(None::<Subscription>));
    let weak = signal.downgrade();
    let seen = Arc::new(AtomicUsize::new(0));
    let _driver = signal.subscribe().priority(1).on({
        let (shelf, seen) = (shelf.clone(), seen.clone());
        move |n| {
            if *n < 20 {
                weak.upgrade().unwrap().emit(&(n + 1));
            } else if let Some(sub) = &*shelf.lock().unwrap() {
                assert_eq!(sub.cancel_and_wait(), Err(WaitError::Inside));
                seen.fetch_add(1, SeqCst);
            }
        }
    });
    *shelf.lock().unwrap() = Some(signal.on(|_| ()));
    signal.emit(&0);
    assert_eq!(seen.load(SeqCst), 1);
}

#[test]
fn cancel_and_wait_from_a_queued_call_says_so() {
    let (signal, queue) = (Signal::<u32>::new(), Queue::new());
    let shelf = Arc::new(Mutex::new(None::<Subscription>));
    let sub = signal.subscribe().on_queue(&queue, {
        let shelf = shelf.clone();
        move |(), _| {
            let result = shelf.lock().unwrap().as_ref().unwrap().cancel_and_wait();
            assert_eq!(result, Err(WaitError::Inside));
        }
    });
    *shelf.lock().unwrap() = Some(sub);
    signal.emit(&1);
    assert!(queue.drain().errors().is_empty());
    signal.emit(&2);
    // A call that waits in a queue does not keep anybody waiting.
    let sub = signal.subscribe().on_queue(&queue, |(), _| ());
    signal.emit(&3);
    assert_eq!(sub.cancel_and_wait(), Ok(()));
}

#[test]
fn limits_hold_over_threads() {
    let signal = Signal::<u32>::new();
    for limit in [1, 7, 50] {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = {
            let calls = calls.clone();
            move |_: &u32| _ = calls.fetch_add(1, SeqCst)
        };
        let sub = match limit {
            1 => signal.once(counted),
            limit => signal.subscribe().limit(limit).on(counted),
        };
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    (0..200).for_each(|n| _ = signal.emit(&n));
                });
            }
        });
        assert_eq!(calls.load(SeqCst), limit);
        assert!(!sub.is_active());
    }
}

#[test]
fn changes_and_emissions_on_many_threads_lose_and_double_nothing() {
    let signal = Signal::<u32>::new();
    let (made, dropped) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let stop = AtomicBool::new(false);
    let steady = Arc::new(AtomicUsize::new(0));
    let _steady = signal.on({
        let steady = steady.clone();
        move |_| _ = steady.fetch_add(1, SeqCst)
    });
    let emitted = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    signal.emit(&1);
                    emitted.fetch_add(1, SeqCst);
                }
            });
        }
        let changing: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for round in 0..2000 {
                        made.fetch_add(1, SeqCst);
                        let gone = Arc::new(AtomicBool::new(false));
                        let captured = OnDrop({
                            let (dropped, gone) = (dropped.clone(), gone.clone());
                            move || {
                                assert!(!gone.swap(true, SeqCst), "dropped twice");
                                dropped.fetch_add(1, SeqCst);
                            }
                        });
                        let seen = gone.clone();
                        let sub = signal.on(move |_| {
                            let _captured = &captured;
                            assert!(!seen.load(SeqCst), "called after its captures were dropped");
                        });
                        if round % 2 == 0 {
                            sub.cancel_and_wait().unwrap();
                            assert!(gone.load(SeqCst));
                        }
                    }
                })
            })
            .collect();
        for thread in changing {
            thread.join().unwrap();
        }
        stop.store(true, SeqCst);
    });
    assert_eq!(dropped.load(SeqCst), made.load(SeqCst));
    assert_eq!(steady.load(SeqCst), emitted.load(SeqCst));
    assert_eq!(signal.len(), 1);
}

#[test]
fn threads_that_end_give_their_slots_back() {
    let signal = Signal::<u32>::new();
    let _sub = signal.on(|_| ());
    for _ in 0..100 {
        thread::scope(|scope| _ = scope.spawn(|| assert_eq!(signal.emit(&1).ran(), 1)));
    }
}

#[test]
fn a_signal_works_inside_the_destructor_of_a_thread_local() {
    struct Last(Signal<u32>, Arc<AtomicUsize>);
    impl Drop for Last {
        fn drop(&mut self) {
            let sub = self.0.on(|_| ());
            self.1.fetch_add(self.0.emit(&1).ran(), SeqCst);
            _ = self.0.on(|_| Err::<(), _>("logged")).cancel();
            drop(sub);
        }
    }
    thread_local!(static LAST: std::cell::OnceCell<Last> = const { std::cell::OnceCell::new() });
    let (signal, ran) = (Signal::new(), Arc::new(AtomicUsize::new(0)));
    for emits_before in [false, true] {
        let (signal, ran) = (signal.clone(), ran.clone());
        thread::spawn(move || {
            LAST.with(|last| assert!(last.set(Last(signal.clone(), ran)).is_ok()));
            if emits_before {
                signal.emit(&1);
            }
        })
        .join()
        .unwrap();
    }
    assert_eq!(ran.load(SeqCst), 2);
}

#[test]
fn run_drains_until_the_queue_is_closed_and_empty() {
    const NUMBER: Topic<u32> = Topic::new("number");
    let (bus, log) = (Bus::new(), Log::default());
    let _sub = bus.on(&NUMBER, {
        let log = log.clone();
        move |n| log.add(n)
    });
    let queue = bus.queue();
    let worker = thread::spawn(move || queue.run().delivered());
    for n in 0..100 {
        bus.defer(&NUMBER, n).unwrap();
    }
    bus.queue().close();
    assert_eq!(worker.join().unwrap(), 100);
    assert_eq!(
        log.take(),
        (0..100).map(|n| n.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn events_of_one_thread_stay_in_order_while_two_drain() {
    let (signal, queue) = (Signal::<(usize, u32)>::new(), Queue::new());
    let seen = Arc::new(Mutex::new([Vec::new(), Vec::new()]));
    let _sub = signal.on({
        let seen = seen.clone();
        move |(thread, n): &(usize, u32)| seen.lock().unwrap()[*thread].push(*n)
    });
    thread::scope(|scope| {
        for thread in 0..2 {
            let (queue, signal) = (&queue, &signal);
            scope.spawn(move || (0..1000).for_each(|n| queue.defer(signal, (thread, n)).unwrap()));
        }
        for _ in 0..2 {
            scope.spawn(|| {
                while seen.lock().unwrap().iter().map(Vec::len).sum::<usize>() < 2000 {
                    queue.drain();
                    thread::yield_now();
                }
            });
        }
    });
    for numbers in &*seen.lock().unwrap() {
        assert_eq!(*numbers, (0..1000).collect::<Vec<_>>());
    }
}

#[test]
fn a_wake_is_never_lost() {
    let queue = Queue::new();
    let (wake, woken) = mpsc::channel();
    queue.on_ready(move || _ = wake.send(()));
    let done = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let done = done.clone();
                    queue.post(move || _ = done.fetch_add(1, SeqCst)).unwrap();
                }
            });
        }
        while done.load(SeqCst) < 4000 {
            woken
                .recv_timeout(Duration::from_secs(20))
                .expect("a wake was lost");
            queue.drain();
        }
    });
}

#[test]
fn cancel_and_wait_from_the_drop_of_captures_says_so() {
    // Its own captures, dropped by a clear.
    let signal = Signal::<u32>::new();
    let (shelf, results) = (Arc::new(Mutex::new(None::<Subscription>)), Log::default());
    let waits = |shelf: &Arc<Mutex<Option<Subscription>>>| {
        let (shelf, results) = (shelf.clone(), results.clone());
        OnDrop(move || {
            let sub = shelf.lock().unwrap().take();
            results.add(format!("{:?}", sub.map(|sub| sub.cancel_and_wait())));
        })
    };
    let captured = waits(&shelf);
    let sub = signal.on(move |_| _ = &captured);
    *shelf.lock().unwrap() = Some(sub);
    signal.clear();
    assert_eq!(results.take(), ["Some(Err(Inside))"]);

    // A neighbour that waits to be dropped after it, at the end of an emission.
    let neighbour = Arc::new(Mutex::new(None::<Subscription>));
    let first = Arc::new(Mutex::new(None::<Subscription>));
    let _driver = signal.subscribe().priority(9).on({
        let (first, neighbour) = (first.clone(), neighbour.clone());
        move |_| {
            drop(first.lock().unwrap().take());
            if let Some(neighbour) = &*neighbour.lock().unwrap() {
                neighbour.cancel();
            }
        }
    });
    let captured = waits(&neighbour);
    let (one, two) = (signal.on(move |_| _ = &captured), signal.on(|_| ()));
    signal.emit(&0);
    *first.lock().unwrap() = Some(one);
    *neighbour.lock().unwrap() = Some(two);
    signal.emit(&1);
    assert_eq!(results.take(), ["Some(Err(Inside))"]);
}

#[test]
fn running_a_queue_inside_of_a_drain_is_refused() {
    let queue = Queue::new();
    let inner = queue.clone();
    queue
        .post(move || assert_eq!(inner.run().errors().len(), 1))
        .unwrap();
    assert!(queue.drain().errors().is_empty());
}

#[test]
fn snapshots_of_two_signals_take_turns_at_one_address() {
    // Of the same size, so that the allocator gives one's place to the other's at once.
    let (one, two) = (Signal::<u32>::new(), Signal::<[u8; 4]>::new());
    let (stop, live) = (AtomicBool::new(false), Arc::new(AtomicUsize::new(0)));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    one.emit(&1);
                    two.emit(&[2; 4]);
                }
            });
        }
        for _ in 0..5_000 {
            let captured = || {
                live.fetch_add(1, SeqCst);
                let live = live.clone();
                OnDrop(move || _ = live.fetch_sub(1, SeqCst))
            };
            let (first, second) = (captured(), captured());
            let sub = one.on(move |n| {
                let _captured = &first;
                assert_eq!(*n, 1);
            });
            one.emit(&1);
            drop(sub);
            let sub = two.on(move |n| {
                let _captured = &second;
                assert_eq!(*n, [2; 4]);
            });
            two.emit(&[2; 4]);
            drop(sub);
        }
        stop.store(true, SeqCst);
    });
    assert_eq!(live.load(SeqCst), 0);
}

#[test]
fn a_kept_event_reaches_each_handler_once_though_threads_race() {
    for _ in 0..500 {
        let signal = Signal::<u32>::new();
        signal.retain(100);
        let start = Barrier::new(2);
        let seen: Arc<Mutex<Vec<u32>>> = Arc::default();
        let sub = thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                (0..20).for_each(|n| _ = signal.emit(&n));
            });
            start.wait();
            signal.on({
                let seen = seen.clone();
                move |n| seen.lock().unwrap().push(*n)
            })
        });
        drop(sub);
        let mut seen = seen.lock().unwrap().clone();
        seen.sort_unstable();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
    }
}
/// Waits for something that another thread does.
fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it never came");
        thread::yield_now();
    }
}

/// Longer than any test should take.
const PATIENCE: Duration = Duration::from_secs(60);

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
    assert_eq!(queue.drain().delivered(), 1);
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
        assert_eq!(queue.drain().delivered(), 1);
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

#[test]
fn another_threads_turn_is_not_waited_for() {
    let (queue, other) = (Queue::new(), Queue::new());
    let (inside, entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    queue
        .post(move || {
            inside.send(()).unwrap();
            may_leave.recv().unwrap();
        })
        .unwrap();
    thread::scope(|scope| {
        let draining = scope.spawn(|| queue.drain().delivered());
        entered.recv().unwrap();
        queue.post(|| ()).unwrap();
        let busy = queue.try_drain();
        assert!(busy.is_busy() && busy.errors().is_empty());
        assert_eq!((busy.delivered(), busy.remaining()), (0, 1));
        assert!(!other.try_drain().is_busy());
        leave.send(()).unwrap();
        assert_eq!(draining.join().unwrap(), 1);
    });
    assert_eq!(queue.try_drain().delivered(), 1);
}

#[test]
fn run_wakes_for_the_next_deadline() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let (bell, rung) = mpsc::channel();
    let _sub = signal.on({
        let log = log.clone();
        move |n| {
            log.add(n);
            bell.send(()).unwrap();
        }
    });
    let queue = Queue::new();
    thread::scope(|scope| {
        let running = scope.spawn(|| queue.run().delivered());
        // Each has an earlier deadline than what the thread sleeps for.
        queue
            .defer_after(Duration::from_secs(3600), &signal, 3)
            .unwrap();
        queue
            .defer_after(Duration::from_millis(20), &signal, 2)
            .unwrap();
        queue
            .defer_after(Duration::from_millis(1), &signal, 1)
            .unwrap();
        rung.recv_timeout(PATIENCE).expect("a deadline was missed");
        rung.recv_timeout(PATIENCE).expect("a deadline was missed");
        // What is not due by then is not waited for, and stays inside.
        queue.close();
        assert_eq!(running.join().unwrap(), 2);
    });
    assert_eq!(log.take(), ["1", "2"]);
    assert_eq!((queue.delayed(), queue.clear()), (1, 1));
}

#[test]
fn wait_timeout_waits_for_events_and_deadlines() {
    let (queue, signal) = (Queue::new(), Signal::<u32>::new());
    assert!(!queue.wait_timeout(Duration::from_millis(1)));
    queue
        .defer_after(Duration::from_millis(5), &signal, 1)
        .unwrap();
    assert!(queue.wait_timeout(PATIENCE));
    assert_eq!(queue.drain().delivered(), 1);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.wait_timeout(Duration::MAX));
        queue.defer(&signal, 2).unwrap();
        assert!(waiting.join().unwrap());
    });
    let inner = queue.clone();
    queue
        .post(move || assert!(!inner.wait_timeout(PATIENCE)))
        .unwrap();
    assert!(queue.drain().errors().is_empty());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.wait_timeout(PATIENCE));
        queue.close();
        assert!(!waiting.join().unwrap());
    });
}

/// An executor of one task: parks the thread until it is woken.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(PATIENCE),
        }
    }
}

#[test]
fn tasks_on_several_threads_are_never_left_waiting() {
    let done = Arc::new(AtomicUsize::new(0));
    let queue = Queue::new();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                block_on(async {
                    while queue.ready().await {
                        queue.drain();
                    }
                });
            });
        }
        let posting: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let done = done.clone();
                        queue.post(move || _ = done.fetch_add(1, SeqCst)).unwrap();
                    }
                })
            })
            .collect();
        posting.into_iter().for_each(|it| it.join().unwrap());
        until(|| done.load(SeqCst) == 4000);
        queue.close();
    });
}

#[test]
fn a_thread_that_replaces_beside_a_drain_is_seen_in_the_end() {
    let (signal, seen) = (Signal::<u32>::new(), Arc::new(AtomicUsize::new(0)));
    let _sub = signal.on({
        let seen = seen.clone();
        move |n: &u32| {
            let before = seen.swap(*n as usize, SeqCst);
            assert!(before < *n as usize, "in order, and none twice");
        }
    });
    let queue = Queue::new();
    thread::scope(|scope| {
        let running = scope.spawn(|| queue.run().delivered());
        (1..=50_000).for_each(|n| queue.defer_latest(&signal, n).unwrap());
        queue.close();
        assert!(running.join().unwrap() <= 50_000);
    });
    assert_eq!(seen.load(SeqCst), 50_000);
}

#[test]
fn threads_take_turns_to_call_a_handler_that_changes_its_captures() {
    let signal = Signal::<u32>::new();
    let (sum, inside) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    // Sent and not shared.
    let total = std::cell::Cell::new(0);
    let _sub = signal.on_mut({
        let sum = sum.clone();
        move |n| {
            assert_eq!(inside.fetch_add(1, SeqCst), 0, "one at a time");
            total.set(total.get() + *n as usize);
            sum.store(total.get(), SeqCst);
            inside.fetch_sub(1, SeqCst);
        }
    });
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| assert_eq!(signal.emit(&1).ran(), 1)));
        }
    });
    assert_eq!(sum.load(SeqCst), 4000);
}

#[test]
fn whoever_waits_for_a_turn_does_not_call_a_handler_that_was_cancelled() {
    let signal = Signal::<u32>::new();
    let (inside, entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let mut calls = 0;
    let sub = signal.on_mut(move |_| {
        calls += 1;
        assert_eq!(calls, 1);
        inside.send(()).unwrap();
        may_leave.recv().unwrap();
    });
    thread::scope(|scope| {
        let first = scope.spawn(|| signal.emit(&1).ran());
        entered.recv().unwrap();
        let second = scope.spawn(|| signal.emit(&2).ran());
        // It may not have come as far as the turn; then it finds the handler cancelled.
        thread::sleep(Duration::from_millis(20));
        assert_eq!(
            sub.cancel_and_wait_timeout(Duration::ZERO),
            Err(WaitError::TimedOut)
        );
        leave.send(()).unwrap();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (1, 0));
        assert_eq!(sub.cancel_and_wait(), Ok(()));
    });
}

#[test]
fn a_turn_that_another_thread_has_is_no_reentry() {
    let (outer, inner) = (Signal::<u32>::new(), Signal::<u32>::new());
    let calls = Arc::new(AtomicUsize::new(0));
    let _inner = inner.on_mut({
        let calls = calls.clone();
        move |_| {
            thread::sleep(Duration::from_millis(1));
            calls.fetch_add(1, SeqCst);
        }
    });
    let _forward = outer.forward_to(&inner);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert!(outer.emit(&1).errors().is_empty());
                }
            });
        }
    });
    assert_eq!(calls.load(SeqCst), 20);
}

#[test]
fn a_scope_waits_for_all_of_its_handlers() {
    let (signal, other) = (Signal::<u32>::new(), Signal::<u32>::new());
    let (inside, entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let may_leave = Mutex::new(may_leave);
    let library = Arc::new(());
    let mut plugin = Scope::new();
    let user = library.clone();
    plugin.add(signal.on(move |_| {
        let _user = &user;
        inside.send(()).unwrap();
        may_leave.lock().unwrap().recv().unwrap();
    }));
    let user = library.clone();
    plugin.add(other.on(move |_| _ = &user));
    let user = library.clone();
    plugin.add(signal.once(move |_| drop(user)));
    thread::scope(|scope| {
        scope.spawn(|| signal.emit(&1));
        entered.recv().unwrap();
        assert_eq!(
            plugin.cancel_and_wait_timeout(Duration::ZERO),
            Err(WaitError::TimedOut)
        );
        assert!(plugin.is_empty() && other.is_empty(), "all are cancelled");
        leave.send(()).unwrap();
        assert_eq!(plugin.cancel_and_wait(), Ok(()));
        assert_eq!(Arc::strong_count(&library), 1);
    });
    // From inside it cannot wait, and can be asked again.
    let plugin = Arc::new(Mutex::new(Scope::new()));
    let (own, user) = (plugin.clone(), library.clone());
    let sub = signal.on(move |_| {
        let _user = &user;
        let mut own = own.lock().unwrap();
        assert_eq!(own.cancel_and_wait(), Err(WaitError::Inside));
    });
    let user = library.clone();
    plugin
        .lock()
        .unwrap()
        .extend([sub, other.on(move |_| _ = &user)]);
    assert_eq!(signal.emit(&2).ran(), 1);
    assert!(other.is_empty());
    assert_eq!(plugin.lock().unwrap().cancel_and_wait(), Ok(()));
    assert_eq!(Arc::strong_count(&library), 1);
}

#[test]
fn no_event_falls_between_a_handler_and_its_replacement() {
    let signal = Signal::<u32>::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let counting = |by: usize| {
        let calls = calls.clone();
        move |_: &u32| _ = calls.fetch_add(by, SeqCst)
    };
    let sub = signal.subscribe().filter(|n| *n != 0).on(counting(1));
    let done = AtomicBool::new(false);
    let emitted = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(SeqCst) {
                    assert_eq!(signal.emit(&1).ran(), 1);
                    emitted.fetch_add(1, SeqCst);
                }
            });
        }
        for _ in 0..2000 {
            sub.replace(counting(1)).unwrap();
        }
        done.store(true, SeqCst);
    });
    assert_eq!(calls.load(SeqCst), emitted.load(SeqCst));
    assert_eq!(sub.cancel_and_wait(), Ok(()));
    assert_eq!(Arc::strong_count(&calls), 1);
}

#[test]
fn cancel_and_wait_waits_for_the_handler_that_was_replaced_too() {
    let signal = Signal::<u32>::new();
    let (inside, entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let may_leave = Mutex::new(may_leave);
    let sub = signal.on(move |_| {
        inside.send(()).unwrap();
        may_leave.lock().unwrap().recv().unwrap();
    });
    thread::scope(|scope| {
        let emitting = scope.spawn(|| signal.emit(&1).ran());
        entered.recv().unwrap();
        sub.replace(|_: &u32| ()).unwrap();
        assert_eq!(signal.emit(&2).ran(), 1, "the new one is called meanwhile");
        assert_eq!(
            sub.cancel_and_wait_timeout(Duration::from_millis(1)),
            Err(WaitError::TimedOut)
        );
        leave.send(()).unwrap();
        assert_eq!(sub.cancel_and_wait(), Ok(()));
        assert_eq!(emitting.join().unwrap(), 1);
    });
    // Inside of the replacement, and of its drop.
    let shelf = Arc::new(Mutex::new(None::<Arc<Subscription>>));
    let sub = Arc::new(signal.on(|_| ()));
    let captured = OnDrop({
        let shelf = shelf.clone();
        move || {
            if let Some(sub) = &*shelf.lock().unwrap() {
                assert_eq!(sub.cancel_and_wait(), Err(WaitError::Inside));
            }
        }
    });
    sub.replace({
        let shelf = shelf.clone();
        move |_: &u32| {
            let _captured = &captured;
            let sub = shelf.lock().unwrap().take().unwrap();
            assert_eq!(sub.cancel_and_wait(), Err(WaitError::Inside));
        }
    })
    .unwrap();
    *shelf.lock().unwrap() = Some(sub.clone());
    assert_eq!(signal.emit(&3).ran(), 1);
    assert_eq!(sub.cancel_and_wait(), Ok(()));
}

#[test]
fn a_call_that_is_claimed_before_its_subscription_is_there_is_made() {
    let queue = Queue::<Vec<u32>>::with_context();
    let on_queue = |signal: &Signal<u32>| {
        let limited = signal.subscribe().limit(1);
        limited.on_queue(&queue, |seen: &mut Vec<u32>, n: &u32| seen.push(*n))
    };
    let (kept, asked) = (Signal::new(), Signal::new());
    kept.retain_last();
    kept.emit(&7);
    let own = asked.downgrade();
    let _demand = asked.on_demand(move |active| {
        if active {
            own.upgrade().unwrap().emit(&8);
        }
    });
    let _subs = [on_queue(&kept), on_queue(&asked)];
    let mut seen = Vec::new();
    queue.drain_with(&mut seen);
    assert_eq!(seen, [7, 8]);
}
