//! Promise 4: a handler that returns `Flow::Cancel` has cancelled itself.

use std::sync::mpsc;

use slotcast::{Flow, Topic};

use super::{Bus, Ptr, Queue, Signal, Subscription};
use crate::gate::{Gate, block_on, poll};
use crate::log::{Dropped, Log};

const NUMBER: Topic<u32> = Topic::new("number");

/// Writes the event down, and cancels at 2.
fn until_two(log: &Log) -> impl Fn(&u32) -> Flow + Send + Sync + use<> {
    let (log, captured) = (log.clone(), Dropped(log.clone(), "captures"));
    move |n| {
        let _captured = &captured;
        log.add(n);
        if *n == 2 {
            Flow::Cancel
        } else {
            Flow::Continue
        }
    }
}

/// Emits 1, 2 and 3 to a handler that cancels at 2 and has another one behind it.
#[track_caller]
fn ends_at_two(subscribe: impl FnOnce(&Signal<u32>, &Log) -> Subscription) {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let sub = subscribe(&signal, &log);
    let _behind = signal.on({
        let log = log.clone();
        move |n| log.add(format!("behind {n}"))
    });
    let ran = [1, 2, 3].map(|n| signal.emit(&n).ran());
    assert_eq!(ran, [2, 2, 1]);
    assert_eq!(
        log.take(),
        [
            "1",
            "behind 1",
            "2",
            "behind 2",
            "drop captures",
            "behind 3"
        ]
    );
    assert!(!sub.is_active() && signal.len() == 1);
    assert!(!sub.cancel());
}

#[test]
fn a_handler_that_returns_cancel_ends_itself_and_nothing_else() {
    ends_at_two(|signal, log| signal.on(until_two(log)));
    ends_at_two(|signal, log| signal.on_mut(until_two(log)));
    ends_at_two(|signal, log| {
        let handler = until_two(log);
        signal.on(move |n| Ok::<_, String>(handler(n)))
    });
    ends_at_two(|signal, log| {
        let handler = until_two(log);
        signal.subscribe().send_to(move |n| handler(&n))
    });
    ends_at_two(|signal, log| {
        let handler = until_two(log);
        let subscribe = signal.subscribe().label("gated").filter(|n| *n < 9);
        subscribe.limit(5).on(handler)
    });
    ends_at_two(|signal, log| {
        let sub = signal.on(|_| ());
        sub.replace(until_two(log)).unwrap();
        sub
    });
    let target = Ptr::new(());
    ends_at_two(|signal, log| {
        let handler = until_two(log);
        signal.on_weak(&target, move |(), n| handler(n))
    });
}

#[test]
fn a_handler_with_a_context_ends_itself_too() {
    let (signal, log) = (Signal::<u32, u32>::with_context(), Log::default());
    let [by_ref, by_mut, weak] = [(); 3].map(|()| until_two(&log));
    let target = Ptr::new(());
    let subs = [
        signal.on_with(move |sum, n| {
            *sum += n;
            by_ref(n)
        }),
        signal.on_mut_with(move |_, n| by_mut(n)),
        signal.on_weak_with(&target, move |(), _, n| weak(n)),
    ];
    let mut sum = 0;
    let ran = [1, 2, 3].map(|n| signal.emit_with(&mut sum, &n).ran());
    assert_eq!((ran, sum), ([3, 3, 0], 3));
    assert!(subs.iter().all(|sub| !sub.is_active()));
}

#[test]
fn a_pattern_handler_that_returns_cancel_ends_for_all_names() {
    let (bus, log) = (Bus::new(), Log::default());
    let held = bus.signal(&NUMBER);
    let handler = until_two(&log);
    let sub = bus.on_pattern(">", move |event| handler(event.payload().unwrap()));
    assert_eq!((held.emit(&1).ran(), held.emit(&2).ran()), (1, 1));
    assert_eq!(held.emit(&3).ran(), 0);
    // A name that nobody holds, where no list is kept.
    let other = Topic::new("other");
    assert_eq!(bus.emit(&other, &3_u32).ran(), 0);
    let handler = until_two(&log);
    let again = bus.on_pattern(">", move |event| handler(event.payload().unwrap()));
    assert_eq!([2_u32, 3].map(|n| bus.emit(&other, &n).ran()), [1, 0]);
    assert!(!sub.is_active() && !again.is_active());
    assert_eq!(
        log.take(),
        ["1", "2", "drop captures", "2", "drop captures"]
    );
}

#[test]
fn a_nested_call_that_cancels_ends_the_outer_emissions_too() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let own = signal.downgrade();
    let _first = signal.on(move |n| {
        if *n == 1 {
            assert_eq!(own.upgrade().unwrap().emit(&2).ran(), 2);
        }
    });
    let sub = signal.on(until_two(&log));
    assert_eq!(signal.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["2", "drop captures"]);
    assert!(!sub.is_active());
}

#[test]
fn a_deferred_event_whose_handler_cancels_is_the_last_it_gets() {
    let (bus, log) = (Bus::new(), Log::default());
    let _sub = bus.on(&NUMBER, until_two(&log));
    (1..=3).for_each(|n| bus.defer(&NUMBER, n).unwrap());
    bus.drain();
    assert_eq!(log.take(), ["1", "2", "drop captures"]);
}

#[test]
fn a_queued_call_that_cancels_takes_those_behind_it_along() {
    let (signal, log, queue) = (Signal::<u32>::new(), Log::default(), Queue::new());
    let queued = |signal: &Signal<u32>| {
        let handler = until_two(&log);
        signal
            .subscribe()
            .limit(3)
            .on_queue(&queue, move |(), n| handler(n))
    };
    let sub = queued(&signal);
    // The limit is spent, and the third call waits.
    (1..=3).for_each(|n| assert_eq!(signal.emit(&n).ran(), 1));
    assert!(!sub.is_active());
    assert_eq!(queue.drain().delivered(), 2);
    assert_eq!(log.take(), ["1", "2", "drop captures"]);
    let sub = queued(&signal);
    (2..=3).for_each(|n| assert_eq!(signal.emit(&n).ran(), 1));
    assert!(sub.is_active());
    queue.drain();
    assert!(!sub.is_active() && signal.is_empty());
    assert_eq!(log.take(), ["2", "drop captures"]);
    assert_eq!(signal.emit(&4).ran(), 0);
}

#[test]
fn a_posted_closure_that_returns_cancel_has_nothing_to_cancel() {
    let queue = Queue::new();
    let sub = Signal::<u32>::new().once(|_| Flow::Cancel);
    queue.post(|| Flow::Cancel).unwrap();
    assert_eq!((queue.drain().delivered(), sub.is_active()), (1, false));
    let signal = Signal::<u32>::new();
    let sub = signal.once(|_| Flow::Cancel);
    assert_eq!((signal.emit(&1).ran(), signal.emit(&1).ran()), (1, 0));
    assert!(!sub.is_active());
}

#[test]
fn kept_events_behind_the_one_that_cancels_are_not_handed_over() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    signal.retain(3);
    (1..=3).for_each(|n| _ = signal.emit(&n));
    let sub = signal.on(until_two(&log));
    assert!(!sub.is_active() && signal.is_empty());
    assert_eq!(log.take(), ["1", "2", "drop captures"]);
    let queue = Queue::new();
    let handler = until_two(&log);
    let sub = signal.subscribe().on_queue(&queue, move |(), n| handler(n));
    queue.drain();
    assert!(!sub.is_active());
    assert_eq!(log.take(), ["1", "2", "drop captures"]);
}

#[test]
fn a_handler_that_was_replaced_in_its_call_leaves_the_new_one() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let (sender, own) = mpsc::channel::<Subscription>();
    let sub = signal.on_mut({
        let log = log.clone();
        move |_: &u32| {
            let sub = own.recv().unwrap();
            sub.replace(until_two(&log)).unwrap();
            sub.detach();
            Flow::Cancel
        }
    });
    sender.send(sub).unwrap();
    let ran = [0, 1, 2, 3].map(|n| signal.emit(&n).ran());
    assert_eq!(ran, [1, 1, 1, 0]);
    assert_eq!(log.take(), ["1", "2", "drop captures"]);
}

#[test]
fn a_handler_that_is_cancelled_in_its_call_may_return_cancel() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let own = signal.downgrade();
    let handler = until_two(&log);
    let sub = signal.on(move |n| {
        assert_eq!(own.upgrade().unwrap().clear(), 1);
        handler(n)
    });
    assert_eq!((signal.emit(&2).ran(), signal.emit(&2).ran()), (1, 0));
    assert_eq!(log.take(), ["2", "drop captures"]);
    assert!(!sub.is_active());
}

#[test]
fn an_async_handler_cancels_when_its_future_has_completed() {
    let (signal, log, gate) = (Signal::<u32>::new(), Log::default(), Gate::default());
    let sub = signal.subscribe().on_async({
        let (log, gate) = (log.clone(), gate.clone());
        let captured = Dropped(log.clone(), "captures");
        move |_: Ptr<u32>| {
            let _captured = &captured;
            let gate = gate.clone();
            async move {
                gate.await;
                Flow::Cancel
            }
        }
    });
    let mut emission = signal.emit_async(1);
    assert!(poll(&mut emission).is_pending());
    assert!(sub.is_active());
    gate.open();
    let done = block_on(emission);
    assert_eq!((done.ran(), done.stopped()), (1, false));
    assert!(!sub.is_active() && signal.is_empty());
    assert_eq!(log.take(), ["drop captures"]);
    // One by one, where the next is not to begin.
    let _again = signal
        .subscribe()
        .on_async(async |_: Ptr<u32>| Flow::Cancel);
    assert_eq!(block_on(signal.emit_async(1).in_order()).ran(), 1);
    assert_eq!(block_on(signal.emit_async(1).in_order()).ran(), 0);
}

#[test]
fn a_channel_whose_receiver_has_gone_ends_its_handler() {
    let (signal, (sender, receiver)) = (Signal::<u32>::new(), mpsc::channel());
    let sub = signal.subscribe().send_to(move |n| match sender.send(n) {
        Ok(()) => Flow::Continue,
        Err(_gone) => Flow::Cancel,
    });
    signal.emit(&1);
    assert_eq!(receiver.recv(), Ok(1));
    drop(receiver);
    assert!(sub.is_active(), "nobody has met it yet");
    assert!(signal.emit(&2).errors().is_empty());
    assert!(!sub.is_active() && signal.is_empty());
}
