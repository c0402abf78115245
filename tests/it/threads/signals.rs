//! Signals that several threads emit to, subscribe to and drop at the same time: promises 3, 4, 6, 7 and
//! 13, and threads that come and go.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use slotcast::{Bus, Signal, Topic};

use crate::log::OnDrop;

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

/// One thread replaces a subscription, the new one before the old one goes: each moment has one or two.
#[test]
fn a_topic_is_listed_as_it_was_at_one_moment() {
    let (bus, topic) = (Bus::new(), Topic::<u32>::new("room.joined"));
    let (signal, over) = (bus.signal(&topic), AtomicBool::new(false));
    let mut sub = signal.on(|_| ());
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..20_000 {
                sub = signal.on(|_| ());
            }
            over.store(true, SeqCst);
        });
        while !over.load(SeqCst) {
            let (all, one) = (bus.wiring(), signal.handlers());
            for handlers in [all.topics()[0].handlers(), &one] {
                assert!((1..=2).contains(&handlers.len()), "{handlers:?}");
            }
        }
    });
}
