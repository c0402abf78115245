//! What hostile captures, events, hooks and payloads have broken once.

use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use slotcast::{FailureKind, Overflow, Panics, Topic};

use super::{Bus, EventStream, Next, Ptr, Queue, Signal, Subscription};
use crate::log::{Log, OnDrop, boom, panic_of};

const TOPIC: Topic<u32> = Topic::new("topic");

#[test]
fn a_payload_that_emits_when_it_is_dropped_does_so_safely_in_a_drain() {
    let bus = Bus::builder().panics(Panics::Contain).build();
    let signal = bus.signal(&TOPIC);
    let other = Signal::<u32>::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let _other = other.on({
        let calls = calls.clone();
        move |_| _ = calls.fetch_add(1, Relaxed)
    });
    other.emit(&0);
    let _first = signal.on(move |_| -> () {
        let other = other.downgrade();
        struct SendAnyway<T>(T);
        // SAFETY: it stays on this thread. A payload has to be `Send`, which handles of the local
        // flavour are not.
        unsafe impl<T> Send for SendAnyway<T> {}
        let payload = SendAnyway(OnDrop(move || {
            if let Some(other) = other.upgrade() {
                other.emit(&1);
            }
        }));
        panic_any(payload);
    });
    let _second = signal.on(|_| ());
    let queue = Queue::new();
    for n in 0..5 {
        queue.defer(&signal, n).unwrap();
    }
    assert_eq!(queue.drain().delivered(), 5);
    assert_eq!(calls.load(Relaxed), 6);
}

#[test]
fn what_fails_in_a_hook_comes_up_nowhere_else() {
    let bus = Bus::new();
    let quiet = Signal::<u32>::new();
    let captured = OnDrop(|| boom("captures"));
    let shelf = Mutex::new(Some(quiet.on(move |_| _ = &captured)));
    bus.set_error_hook(move |_| drop(shelf.lock().unwrap().take()));
    let _fails = bus.on(&TOPIC, |_| Err::<(), _>("no"));
    bus.defer(&TOPIC, 1).unwrap();
    assert_eq!(bus.drain().errors().len(), 1);
    let _sub = quiet.on(|_| ());
    assert!(quiet.emit(&1).errors().is_empty());
}

#[test]
fn a_lazy_event_that_panics_in_drop_loses_no_report() {
    struct Loud;
    impl Drop for Loud {
        fn drop(&mut self) {
            boom("event");
        }
    }
    let bus = Bus::builder().panics(Panics::Contain).build();
    let log = Log::default();
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(format!("{:?}", error.kind()))
    });
    let topic = Topic::<Loud>::new("loud");
    let _sub = bus.on(&topic, |_| Err::<(), _>("no"));
    let done = bus.emit_lazy(&topic, || Loud);
    assert_eq!(done.errors()[0].kind(), FailureKind::Failed);
    assert_eq!(log.take(), ["Failed", "Panicked"]);
}

#[test]
fn a_lazy_event_that_panics_when_it_is_made_leaves_nothing_behind() {
    let signal = Signal::<u32>::new();
    let _sub = signal.on(|_| ());
    signal.emit(&0);
    assert_eq!(panic_of(|| signal.emit_lazy(|| boom("made"))), "made");
    assert_eq!(signal.emit(&1).into_result().unwrap().ran(), 1);
}

#[test]
fn an_error_that_panics_in_drop_harms_nobody() {
    struct Loud;
    impl Drop for Loud {
        fn drop(&mut self) {
            boom("error");
        }
    }
    impl std::fmt::Debug for Loud {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Loud")
        }
    }
    impl std::fmt::Display for Loud {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("loud")
        }
    }
    impl std::error::Error for Loud {}
    let signal = Signal::<u32>::new();
    let _subs = [
        signal.on(|_| Err::<(), _>(Loud)),
        signal.on(|_| Err::<(), _>(Loud)),
    ];
    let done = signal.emit(&1);
    assert_eq!(done.errors().len(), 2);
    drop(done);
    assert_eq!(signal.emit(&1).ran(), 2);
}

#[test]
fn a_panic_that_was_caught_hides_none_in_a_later_drop() {
    #[derive(Debug)]
    struct Same;
    let (bus, told) = (Bus::new(), Arc::new(AtomicUsize::new(0)));
    bus.set_error_hook({
        let told = told.clone();
        move |_| _ = told.fetch_add(1, Relaxed)
    });
    let same = || std::panic::resume_unwind(Box::new(Same));
    let _panics = bus.on(&TOPIC, move |_| same());
    let captured = OnDrop(same);
    let sub = bus.on(&Topic::<u32>::new("other"), move |_| _ = &captured);
    let emitted = std::panic::AssertUnwindSafe(|| bus.emit(&TOPIC, &1));
    assert!(std::panic::catch_unwind(emitted).is_err());
    drop(sub);
    assert_eq!(told.load(Relaxed), 2);
}

#[test]
fn a_contained_panic_is_contained_in_a_queue_of_its_own_too() {
    let bus = Bus::builder().panics(Panics::Contain).build();
    let queue = Queue::new();
    let _sub = bus
        .subscribe(&TOPIC)
        .on_queue(&queue, |(), _| boom("queued"));
    bus.emit(&TOPIC, &1);
    assert_eq!(queue.drain().errors().len(), 1);
    let _direct = bus.on(&TOPIC, |_| boom("deferred"));
    queue.defer(&bus.signal(&TOPIC), 2).unwrap();
    assert_eq!(queue.drain().errors().len(), 1);
}

#[test]
fn places_of_a_crowd_are_given_back_and_keys_do_not_come_true_again() {
    let signal = Signal::<u32>::new();
    let crowd: Vec<Subscription> = (0..1000).map(|_| signal.on(|_| ())).collect();
    for sub in &crowd {
        assert!(sub.cancel());
    }
    let later: Vec<Subscription> = (0..1000).map(|_| signal.on(|_| ())).collect();
    drop(crowd);
    assert!(later.iter().all(Subscription::is_active));
    assert_eq!(signal.emit(&1).ran(), 1000);
}

/// What is subscribed, whatever it is, so that it can be dropped from inside.
#[allow(dead_code, reason = "there to be dropped")]
enum Kept {
    Handler(Subscription),
    Stream(EventStream<u32>),
    Next(Next<u32>),
}

/// Something that goes as soon as the signal has no handler any more.
fn goes_with_demand(signal: &Signal<u32>) -> (Arc<Mutex<Option<Kept>>>, impl Sized + use<>) {
    let shelf = Arc::new(Mutex::new(None));
    let demand = signal.on_demand({
        let shelf = shelf.clone();
        move |active| {
            if !active {
                drop(shelf.lock().unwrap().take());
            }
        }
    });
    (shelf, demand)
}

#[test]
fn whoever_hears_that_the_last_handler_has_gone_may_drop_its_subscription() {
    let makes: [fn(&Signal<u32>) -> Kept; 3] = [
        // Its target has died, so that nothing but the handler knows of it.
        |signal| Kept::Handler(signal.on_weak(&Ptr::new(7), |_, _| ())),
        |signal| Kept::Stream(signal.stream(4, Overflow::Reject)),
        |signal| Kept::Next(signal.next()),
    ];
    let removes: [fn(&Signal<u32>); 2] = [Signal::close, |signal| _ = signal.clear()];
    for make in makes {
        for remove in removes {
            let signal = Signal::new();
            let (shelf, _demand) = goes_with_demand(&signal);
            *shelf.lock().unwrap() = Some(make(&signal));
            remove(&signal);
            assert!(shelf.lock().unwrap().is_none() && signal.is_empty());
        }
    }
}

#[test]
fn a_handler_may_keep_what_else_is_subscribed_to_its_signal() {
    let ends: [fn(Signal<u32>); 3] = [drop, |signal| signal.close(), |signal| _ = signal.clear()];
    for end in ends {
        let signal = Signal::new();
        let shelf = Arc::new(Mutex::new(None));
        let sub = signal.on({
            let shelf = shelf.clone();
            move |_| drop(shelf.lock().unwrap().take())
        });
        *shelf.lock().unwrap() = Some(Kept::Stream(signal.stream(1, Overflow::Reject)));
        drop(shelf);
        end(signal);
        assert!(!sub.is_active());
    }
}

#[test]
fn a_subscription_that_is_cancelled_by_its_id_may_be_dropped_meanwhile() {
    let bus = Bus::new();
    let (shelf, _demand) = goes_with_demand(&bus.signal(&TOPIC));
    let subscription = bus.on(&TOPIC, |_| ());
    let id = subscription.id();
    *shelf.lock().unwrap() = Some(Kept::Handler(subscription));
    assert!(bus.cancel(id));
    assert!(shelf.lock().unwrap().is_none() && !bus.cancel(id));
}
