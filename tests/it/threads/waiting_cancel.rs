//! Promise 5: `cancel_and_wait` waits for every call that may still run, and refuses to wait for its
//! own thread.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use slotcast::{AnyEvent, Bus, Queue, Scope, Signal, Subscription, Topic, WaitError};

use crate::log::{Log, OnDrop};

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
fn cancel_and_wait_waits_for_a_pattern_that_has_gone_from_inside_an_unrelated_emission() {
    for by_limit in [true, false] {
        let (bus, other) = (Bus::new(), Signal::<u32>::new());
        let held = bus.signal(&Topic::<u32>::new("other.topic"));
        let (inside, entered) = mpsc::channel();
        let (leave, may_leave) = mpsc::channel::<()>();
        let may_leave = Mutex::new(may_leave);
        let handler = move |_: &AnyEvent| {
            inside.send(()).unwrap();
            may_leave.lock().unwrap().recv().unwrap();
        };
        let builder = bus.subscribe_pattern("room.*");
        // It goes with its only handler: before the call, or when that is cancelled.
        let sub = if by_limit {
            builder.once(handler)
        } else {
            builder.on(handler)
        };
        let answers = move |sub: &Subscription| {
            if !by_limit {
                sub.cancel();
            }
            let answer = sub.cancel_and_wait_timeout(Duration::ZERO);
            assert_eq!(answer, Err(WaitError::TimedOut), "cannot run here");
        };
        let asks = Arc::new(Mutex::new(Some(sub)));
        let ask = {
            let asks = asks.clone();
            move |_: &u32| answers(asks.lock().unwrap().as_ref().unwrap())
        };
        let _one = held.on(ask.clone());
        let _two = other.on(ask);
        thread::scope(|scope| {
            scope.spawn(|| bus.emit(&Topic::new("room.7"), &1));
            entered.recv().unwrap();
            assert_eq!(held.emit(&1).ran() + other.emit(&1).ran(), 2);
            leave.send(()).unwrap();
        });
        let sub = asks.lock().unwrap().take().unwrap();
        assert_eq!(sub.cancel_and_wait(), Ok(()));
    }
}

#[test]
fn cancel_and_wait_waits_for_a_queued_call_of_a_bus_that_has_gone_from_inside_an_unrelated_emission()
 {
    let (bus, ui, other) = (Bus::new(), Queue::new(), Signal::<u32>::new());
    let (inside, entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let may_leave = Mutex::new(may_leave);
    let sub = bus.subscribe_pattern("room.*").on_queue_map(
        &ui,
        |any: &AnyEvent| any.payload::<u32>().copied(),
        move |(), _| {
            inside.send(()).unwrap();
            may_leave.lock().unwrap().recv().unwrap();
        },
    );
    bus.emit(&Topic::new("room.7"), &1_u32);
    drop(bus);
    let sub = Arc::new(sub);
    let asks = sub.clone();
    let answers = move |_: &u32| {
        let answer = asks.cancel_and_wait_timeout(Duration::ZERO);
        assert_eq!(answer, Err(WaitError::TimedOut), "cannot run here");
    };
    let _asking = other.on(answers);
    thread::scope(|scope| {
        scope.spawn(|| ui.drain());
        entered.recv().unwrap();
        let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| other.emit(&1).ran()));
        // In any case, so that the thread ends.
        leave.send(()).unwrap();
        assert_eq!(asked.ok(), Some(1));
    });
    assert_eq!(sub.cancel_and_wait(), Ok(()));
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

/// What a replaced handler and its filter have captured is dropped before anybody is told so.
#[test]
fn cancel_and_wait_waits_for_the_filter_of_a_replaced_handler() {
    let signal = Signal::<u32>::new();
    let sub = Arc::new(Mutex::new(None::<Subscription>));
    let (sender, seen) = mpsc::channel();
    let captured = OnDrop({
        let sub = sub.clone();
        move || {
            let (sub, sender) = (sub.clone(), sender.clone());
            let waits = move || {
                let sub = sub.lock().unwrap();
                sub.as_ref()
                    .unwrap()
                    .cancel_and_wait_timeout(Duration::ZERO)
            };
            let waited = thread::spawn(waits).join().unwrap();
            sender.send(waited).unwrap();
        }
    });
    let passes = move |_: &u32| {
        _ = &captured;
        true
    };
    let own = signal.subscribe().filter(passes).on(|_| ());
    own.replace(|_: &u32| ()).unwrap();
    *sub.lock().unwrap() = Some(own);
    signal.emit(&1);
    signal.clear();
    signal.emit(&2);
    assert_eq!(seen.recv(), Ok(Err(WaitError::TimedOut)));
}
