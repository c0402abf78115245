//! Promises 4, 11, 14 and 19: a handler that was given an owner ends with it.

use std::sync::{Mutex, mpsc};
use std::task::Poll;

use slotcast::{Overflow, Topic};

use super::{Bus, EventStream, Ptr, Queue, Scope, Signal, Subscription};
use crate::gate::{Gate, block_on, poll};
use crate::log::{Dropped, Log, OnDrop};

const NUMBER: Topic<u32> = Topic::new("number");

/// Writes the event down; has captures that are noticed.
fn noted(log: &Log) -> impl Fn(&u32) + Send + Sync + use<> {
    let (log, captured) = (log.clone(), Dropped(log.clone(), "captures"));
    move |n| {
        let _captured = &captured;
        log.add(n);
    }
}

/// Emits before and after the owner of the handler goes.
#[track_caller]
fn ends_with_its_owner(subscribe: impl FnOnce(&Signal<u32>, &Ptr<()>, &Log) -> Subscription) {
    let (signal, log, owner) = (Signal::<u32>::new(), Log::default(), Ptr::new(()));
    let sub = subscribe(&signal, &owner, &log);
    assert!(sub.is_active());
    assert_eq!((signal.len(), signal.emit(&1).ran()), (1, 1));
    assert_eq!(log.take(), ["1"]);
    drop(owner);
    // Inactive at once, and met by nobody yet.
    assert!(!sub.is_active() && signal.is_empty());
    assert_eq!(signal.emit(&2).ran(), 0);
    assert_eq!(log.take(), ["drop captures"]);
    assert!(!sub.cancel());
}

#[test]
fn every_kind_of_handler_ends_with_its_owner() {
    ends_with_its_owner(|signal, owner, log| signal.subscribe().owner(owner).on(noted(log)));
    ends_with_its_owner(|signal, owner, log| signal.subscribe().owner(owner).on_mut(noted(log)));
    ends_with_its_owner(|signal, owner, log| {
        let subscribe = signal.subscribe().filter(|n| *n < 9).owner(owner);
        let subscribe = subscribe.filter(|n| *n > 0).limit(5).label("gated");
        subscribe.on(noted(log))
    });
    ends_with_its_owner(|signal, owner, log| {
        let handler = noted(log);
        let subscribe = signal.subscribe().owner(owner);
        subscribe.send_to(move |n| handler(&n))
    });
    let target = Ptr::new(());
    ends_with_its_owner(|signal, owner, log| {
        let handler = noted(log);
        let subscribe = signal.subscribe().owner(owner);
        subscribe.on_weak(&target, move |(), n| handler(n))
    });
    let other = Ptr::new("with two owners");
    ends_with_its_owner(|signal, owner, log| {
        let subscribe = signal.subscribe().owner(owner).owner(&other);
        subscribe.on(noted(log))
    });
}

#[test]
fn once_with_context_and_forwarding_end_with_their_owner() {
    let (signal, log, owner) = (
        Signal::<u32, u32>::with_context(),
        Log::default(),
        Ptr::new(()),
    );
    let other = Signal::<u32, u32>::with_context();
    let begin = || signal.subscribe().owner(&owner);
    let (once, captured) = (noted(&log), Ptr::new(()));
    let subs = [
        begin().once(once),
        begin().on_with(|sum, n| *sum += n),
        begin().on_mut_with(|sum, n| *sum += n),
        begin().once_with(|sum, n| *sum += n),
        begin().on_weak_with(&captured, |(), sum, n| *sum += n),
        begin().forward_to(&other),
    ];
    assert!(subs.iter().all(Subscription::is_active));
    drop(owner);
    assert!(!subs.iter().any(Subscription::is_active));
    let mut sum = 0;
    assert_eq!(signal.emit_with(&mut sum, &1).ran(), 0);
    assert_eq!(
        (sum, log.take().as_slice()),
        (0, ["drop captures".to_owned()].as_slice())
    );
}

#[test]
fn a_pattern_handler_ends_with_its_owner_for_all_names() {
    let (bus, log, owner) = (Bus::new(), Log::default(), Ptr::new(()));
    let held = bus.signal(&NUMBER);
    let handler = noted(&log);
    let sub = bus
        .subscribe_pattern(">")
        .owner(&owner)
        .on(move |event| handler(event.payload().unwrap()));
    assert_eq!(held.emit(&1).ran(), 1);
    assert_eq!(bus.emit(&Topic::new("other"), &2_u32).ran(), 1);
    drop(owner);
    assert!(!sub.is_active());
    assert_eq!(held.emit(&3).ran(), 0);
    assert_eq!(bus.emit(&Topic::new("other"), &4_u32).ran(), 0);
    assert_eq!(log.take(), ["1", "2", "drop captures"]);
    assert!(!sub.cancel());
}

#[test]
fn queued_calls_end_with_the_owner_too() {
    let (signal, log, queue) = (Signal::<u32>::new(), Log::default(), Queue::new());
    let owner = Ptr::new(());
    let queued = |limit| {
        let handler = noted(&log);
        let subscribe = signal.subscribe().owner(&owner).limit(limit);
        subscribe.on_queue(&queue, move |(), n| handler(n))
    };
    // The limit of the second one is spent when its owner goes.
    let subs = [queued(9), queued(2)];
    (1..=2).for_each(|n| assert_eq!(signal.emit(&n).ran(), 2));
    assert_eq!(queue.drain_one().delivered(), 1);
    assert_eq!(log.take(), ["1"]);
    drop(owner);
    assert!(!subs.iter().any(Subscription::is_active));
    let drained = queue.drain();
    assert_eq!((drained.delivered(), drained.given_up()), (0, 3));
    assert_eq!(log.take(), ["drop captures", "drop captures"]);
    assert!(queue.is_empty() && signal.is_empty());
    assert_eq!(signal.emit(&3).ran(), 0);
}

#[test]
fn deferred_and_awaited_events_find_no_handler_whose_owner_has_gone() {
    let (bus, log, owner) = (Bus::new(), Log::default(), Ptr::new(()));
    let _sub = bus.subscribe(&NUMBER).owner(&owner).on(noted(&log));
    bus.defer(&NUMBER, 1).unwrap();
    drop(owner);
    bus.drain();
    assert_eq!(log.take(), ["drop captures"]);
    let (signal, owner, gate) = (Signal::<u32>::new(), Ptr::new(()), Gate::default());
    let _sub = signal.subscribe().owner(&owner).on_async({
        let gate = gate.clone();
        move |_: Ptr<u32>| gate.clone()
    });
    let mut emission = signal.emit_async(1);
    assert!(poll(&mut emission).is_pending());
    drop(owner);
    // What was started goes on, and no other starts.
    assert_eq!(block_on(signal.emit_async(2)).ran(), 0);
    gate.open();
    assert_eq!(block_on(emission).ran(), 1);
}

#[test]
fn futures_and_streams_end_with_their_owner() {
    let (signal, owner) = (Signal::<u32>::new(), Ptr::new(()));
    let mut next = signal.subscribe().owner(&owner).next();
    let mut met = signal.subscribe().owner(&owner).next();
    let mut stream = signal.subscribe().owner(&owner).stream(4, Overflow::Reject);
    assert!(poll(&mut next).is_pending());
    signal.emit(&1);
    assert_eq!(poll(&mut next), Poll::Ready(Ok(1)));
    let mut next = signal.subscribe().owner(&owner).next();
    assert!(poll(&mut next).is_pending());
    drop(owner);
    assert!(signal.is_empty() && stream.is_closed());
    assert!(matches!(poll(&mut next), Poll::Ready(Err(_))), "polled");
    assert_eq!(poll(&mut met), Poll::Ready(Ok(1)), "it had its event");
    // What is buffered comes first.
    let item = |stream: &mut EventStream<u32>| {
        block_on(std::future::poll_fn(|cx| {
            futures::Stream::poll_next(std::pin::Pin::new(&mut *stream), cx)
        }))
    };
    assert_eq!(item(&mut stream), Some(Ok(1)));
    assert_eq!(item(&mut stream), None);
    // Met by an emission, which tells whoever waits.
    let owner = Ptr::new(());
    let mut next = signal.subscribe().owner(&owner).next();
    drop(owner);
    assert_eq!(signal.emit(&2).ran(), 0);
    assert!(matches!(poll(&mut next), Poll::Ready(Err(_))));
}

#[test]
fn a_future_whose_owner_has_gone_ends_when_its_signal_grows() {
    let (signal, owner) = (Signal::<u32>::new(), Ptr::new(()));
    let mut next = signal.subscribe().owner(&owner).next();
    drop(owner);
    let keep = Ptr::new(());
    let _more: Vec<_> = (0..8)
        .map(|_| signal.subscribe().owner(&keep).on(|_| ()))
        .collect();
    assert!(matches!(poll(&mut next), Poll::Ready(Err(_))));
}

#[test]
fn the_owner_that_goes_may_use_everything() {
    let (bus, log) = (Bus::new(), Log::default());
    let signal = bus.signal(&NUMBER);
    let owner = Ptr::new(OnDrop({
        let (own, log) = (bus.downgrade(), log.clone());
        move || {
            let bus = own.upgrade().unwrap();
            let (ran, signal) = (bus.emit(&NUMBER, &1).ran(), bus.signal(&NUMBER));
            log.add(format!("{ran} ran, {} left", signal.len()));
            bus.on(&NUMBER, |_| ()).detach();
        }
    }));
    let sub = signal.subscribe().owner(&owner).on(noted(&log));
    drop(owner);
    assert_eq!(log.take(), ["drop captures", "0 ran, 0 left"]);
    assert!(!sub.is_active() && signal.len() == 1);
}

#[test]
fn a_call_in_which_the_owner_goes_runs_to_its_end_and_no_other_begins() {
    let (signal, log, owner) = (Signal::<u32>::new(), Log::default(), Ptr::new(()));
    let (sender, owners) = mpsc::channel();
    let goes = signal.subscribe().owner(&owner).on_mut({
        let handler = noted(&log);
        move |n| {
            drop(owners.try_recv());
            handler(n);
        }
    });
    let behind = signal.subscribe().owner(&owner).on(noted(&log));
    sender.send(owner).unwrap();
    assert_eq!(signal.emit(&1).ran(), 1);
    assert!(!goes.is_active() && !behind.is_active());
    assert_eq!(signal.emit(&2).ran(), 0);
    assert_eq!(log.take(), ["1", "drop captures", "drop captures"]);
}

#[test]
fn a_filter_in_which_the_owner_goes_is_asked_and_its_handler_is_not() {
    let (signal, log, owner) = (Signal::<u32>::new(), Log::default(), Ptr::new(()));
    let (sender, owners) = mpsc::channel();
    let owners = Mutex::new(owners);
    let subscribe = signal.subscribe().owner(&owner).filter(move |_| {
        drop(owners.lock().unwrap().try_recv());
        true
    });
    let sub = subscribe.on(noted(&log));
    sender.send(owner).unwrap();
    assert_eq!(signal.emit(&1).ran(), 0);
    assert_eq!(log.take(), ["drop captures"]);
    assert!(!sub.is_active());
}

#[test]
fn a_replacement_ends_with_the_owner_of_the_handler() {
    let (signal, log, owner) = (Signal::<u32>::new(), Log::default(), Ptr::new(()));
    let target = Ptr::new(());
    let subscribe = signal.subscribe().filter(|n| *n < 9).owner(&owner);
    let sub = subscribe.on_weak(&target, |(), _| ());
    sub.replace(noted(&log)).unwrap();
    drop(target);
    assert!(sub.is_active() && signal.len() == 1, "no target any more");
    assert_eq!(signal.emit(&1).ran(), 1);
    sub.replace(noted(&log)).unwrap();
    assert_eq!(signal.emit(&2).ran(), 1);
    drop(owner);
    assert!(!sub.is_active() && signal.is_empty());
    assert!(sub.replace(|_: &u32| ()).is_err());
    assert_eq!(signal.emit(&3).ran(), 0);
    assert_eq!(log.take(), ["1", "drop captures", "2", "drop captures"]);
    // Removed where the signal grows.
    let (owner, keep) = (Ptr::new(()), Ptr::new(()));
    let sub = signal.subscribe().owner(&owner).on(|_| ());
    sub.replace(noted(&log)).unwrap();
    drop(owner);
    let _more: Vec<_> = (0..8)
        .map(|_| signal.subscribe().owner(&keep).on(|_| ()))
        .collect();
    assert_eq!((log.take().len(), sub.is_active()), (1, false));
    drop(keep);
    assert!(!sub.cancel());
}

#[test]
fn kept_events_are_not_handed_to_a_handler_whose_owner_has_gone() {
    let (signal, log, owner) = (Signal::<u32>::new(), Log::default(), Ptr::new(()));
    signal.retain_last();
    signal.emit(&1);
    let subscribe = signal.subscribe().owner(&owner);
    drop(owner);
    let sub = subscribe.on(noted(&log));
    assert!(!sub.is_active() && signal.is_empty());
    signal.emit(&2);
    assert_eq!(log.take(), ["drop captures"]);
}

#[test]
fn a_scope_lets_go_of_handlers_whose_owner_has_gone() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let mut scope = Scope::new();
    for _ in 0..64 {
        let owner = Ptr::new(());
        scope.add(signal.subscribe().owner(&owner).on(noted(&log)));
    }
    assert_eq!((scope.len(), signal.len()), (0, 0));
    assert!(log.take().len() > 32, "pruned as it grows");
}
