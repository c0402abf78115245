//! Promises 18 and 19: whoever waits for room is let go by whatever makes the wait pointless.

use std::sync::mpsc;
use std::thread;

use slotcast::{
    Bus, DeferError, DeferErrorKind, Emission, Overflow, Queue, Scope, Signal, Subscription, Topic,
};

use super::{PATIENCE, until};

const NUMBER: Topic<u32> = Topic::new("number");

/// What `f` returns, on a thread of its own, if it does.
fn apart<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> mpsc::Receiver<R> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(f()));
    receive
}

fn result<R>(waiting: &mpsc::Receiver<R>) -> R {
    let result = waiting.recv_timeout(PATIENCE);
    result.expect("it is let go")
}

/// A full queue, and a handler that it calls.
struct Full {
    ui: Queue,
    sub: Subscription,
}

/// Ends a wait for room of an emission in one way, some time after it has begun or before. Returns
/// how many handlers the emission called, besides the one that is called before, and its failures.
fn ended_by(end: impl Fn(Full)) -> (usize, Vec<String>, bool) {
    let mut told = Vec::new();
    for round in 0..8 {
        let (bus, ui) = (Bus::new(), Queue::new().bounded(1, Overflow::Block));
        let (begun, begins) = mpsc::channel();
        let first = bus.on(&NUMBER, move |_| _ = begun.send(()));
        let sub = bus.subscribe(&NUMBER).limit(1).on_queue(&ui, |(), _| ());
        // Nothing that the end of the handler takes back.
        ui.post(|| ()).unwrap();
        let signal = bus.signal(&NUMBER);
        let waiting = apart(move || {
            let emission = signal.emit(&2);
            let failures = |it: &Emission| it.errors().iter().map(ToString::to_string).collect();
            (
                emission.ran() - 1,
                failures(&emission),
                emission.is_closed(),
            )
        });
        begins.recv_timeout(PATIENCE).expect("it begins");
        (0..round * 100).for_each(|_| thread::yield_now());
        end(Full { ui, sub });
        told.push(result(&waiting));
        first.detach();
    }
    let same = told.pop().unwrap();
    assert!(told.iter().all(|it| *it == same), "{told:?} {same:?}");
    same
}

#[test]
fn an_emission_that_waits_for_room_is_let_go_by_the_end_of_its_handler() {
    let skipped = (0, Vec::new(), false);
    assert_eq!(
        ended_by(|it| _ = it.sub.cancel()),
        skipped,
        "cancel, at its limit"
    );
    assert_eq!(ended_by(|it| drop(it.sub)), skipped, "drop");
    assert_eq!(
        ended_by(|it| drop(Scope::from_iter([it.sub]))),
        skipped,
        "scope"
    );
    let waits = |it: Full| it.sub.cancel_and_wait().unwrap();
    assert_eq!(ended_by(waits), skipped, "cancel_and_wait");
}

#[test]
fn an_emission_that_waits_for_room_is_let_go_by_the_end_of_its_queue() {
    for end in [|it: &Full| it.ui.close(), |_: &Full| ()] {
        let (ran, failures, closed) = ended_by(|it| {
            end(&it);
            drop(it.ui);
            it.sub.detach();
        });
        assert_eq!((ran, failures.len(), closed), (1, 1, false));
        assert!(failures[0].contains("closed"), "{failures:?}");
    }
}

/// As [`ended_by`], for a handler without a limit.
fn unlimited(end: impl Fn(&Bus, Subscription)) -> (usize, bool) {
    let (bus, ui) = (Bus::new(), Queue::new().bounded(1, Overflow::Block));
    let (begun, begins) = mpsc::channel();
    let _first = bus.on(&NUMBER, move |_| _ = begun.send(()));
    let sub = bus.subscribe(&NUMBER).on_queue(&ui, |(), _| ());
    bus.emit(&NUMBER, &1);
    let signal = bus.signal(&NUMBER);
    let waiting = apart(move || {
        let emission = signal.emit(&2);
        assert_eq!(emission.errors().len(), 0);
        (emission.ran(), emission.is_closed())
    });
    (0..2).for_each(|_| begins.recv_timeout(PATIENCE).expect("it begins"));
    (0..100).for_each(|_| thread::yield_now());
    end(&bus, sub);
    result(&waiting)
}

#[test]
fn an_emission_that_waits_for_room_is_let_go_by_the_end_of_its_signal() {
    assert_eq!(unlimited(|_, sub| assert!(sub.cancel())), (1, false));
    assert_eq!(
        unlimited(|bus, sub| assert!(bus.cancel(sub.id()))),
        (1, false)
    );
    assert_eq!(
        unlimited(|bus, _| _ = bus.signal(&NUMBER).clear()),
        (1, false)
    );
    assert_eq!(unlimited(|bus, _| bus.signal(&NUMBER).close()), (1, true));
    assert_eq!(unlimited(|bus, _| bus.close()), (1, true));
}

#[test]
fn an_emission_that_waits_for_room_is_let_go_by_the_end_of_the_owner() {
    let (signal, ui) = (
        Signal::<u32>::new(),
        Queue::new().bounded(1, Overflow::Block),
    );
    let owner = std::sync::Arc::new(());
    let (begun, begins) = mpsc::channel();
    let first = signal.on(move |_| _ = begun.send(()));
    let sub = signal.subscribe().owner(&owner).on_queue(&ui, |(), _| ());
    signal.emit(&1);
    let waiting = apart(move || {
        let emission = signal.emit(&2);
        (emission.ran(), emission.errors().len())
    });
    (0..2).for_each(|_| begins.recv_timeout(PATIENCE).expect("it begins"));
    (0..100).for_each(|_| thread::yield_now());
    drop(owner);
    assert_eq!(result(&waiting), (1, 0));
    assert!(!sub.is_active());
    first.detach();
}

#[test]
fn a_cancel_by_the_thread_that_drains_does_not_wait_for_an_emission_that_waits_for_room() {
    let (signal, ui) = (
        Signal::<u32>::new(),
        Queue::new().bounded(1, Overflow::Block),
    );
    let sub = signal.subscribe().on_queue(&ui, |(), _| ());
    let (inner, done) = (ui.clone(), mpsc::channel());
    let cancel = move || {
        // The first event came into the room that this call has left; the second one waits.
        until(|| inner.len() == 1);
        (0..100).for_each(|_| thread::yield_now());
        done.0.send(sub.cancel_and_wait()).unwrap();
    };
    ui.post(cancel).unwrap();
    let emitting = apart(move || [1, 2].map(|n| signal.emit(&n).ran()));
    let draining = apart(move || ui.drain_one().delivered());
    assert_eq!(result(&done.1), Ok(()));
    assert_eq!((result(&emitting), result(&draining)), ([1, 0], 1));
}

#[test]
fn a_deferred_event_that_waits_for_room_is_handed_back_when_its_signal_or_queue_closes() {
    type Defer = fn(&Queue, &Signal<u32>) -> Result<(), DeferError<u32>>;
    let ways: [Defer; 3] = [
        |ui, signal| ui.defer(signal, 2),
        |ui, signal| ui.defer_latest(signal, 2),
        |ui, signal| ui.defer_timeout(signal, 2, PATIENCE),
    ];
    let ends: [fn(&Queue, &Signal<u32>, &Bus); 3] = [
        |_, signal, _| signal.close(),
        |ui, _, _| ui.close(),
        |_, _, bus| bus.close(),
    ];
    for defer in ways {
        for end in ends {
            let (bus, ui) = (Bus::new(), Queue::new().bounded(1, Overflow::Block));
            let signal = bus.signal(&NUMBER);
            ui.post(|| ()).unwrap();
            let (begun, begins) = mpsc::channel();
            let waiting = apart({
                let (ui, signal) = (ui.clone(), signal.clone());
                move || {
                    begun.send(()).unwrap();
                    let refused = defer(&ui, &signal).unwrap_err();
                    (refused.kind(), refused.into_event())
                }
            });
            begins.recv_timeout(PATIENCE).unwrap();
            (0..100).for_each(|_| thread::yield_now());
            end(&ui, &signal, &bus);
            assert_eq!(result(&waiting), (DeferErrorKind::Closed, 2));
            assert_eq!(ui.len(), 1, "what was inside is left to be drained");
        }
    }
}

#[test]
fn the_queue_of_a_bus_that_goes_lets_go_who_waits_for_room_in_it() {
    let bus = Bus::new();
    let (signal, queue) = (bus.signal(&NUMBER), bus.queue().bounded(1, Overflow::Block));
    queue.post(|| ()).unwrap();
    let waiting = apart(move || signal.defer(2).unwrap_err().kind());
    (0..100).for_each(|_| thread::yield_now());
    drop(bus);
    assert_eq!(result(&waiting), DeferErrorKind::Closed);
}

#[test]
fn kept_events_that_are_handed_over_may_exceed_the_bound() {
    let (state, ui) = (
        Signal::<u32>::new(),
        Queue::new().bounded(1, Overflow::Block),
    );
    state.retain(3);
    (1..=3).for_each(|n| _ = state.emit(&n));
    let (seen, arrived) = mpsc::channel();
    let subscribe = {
        let (state, ui) = (state.clone(), ui.clone());
        move || {
            state
                .subscribe()
                .on_queue(&ui, move |(), n| _ = seen.send(*n))
        }
    };
    let _sub = result(&apart({
        let ui = ui.clone();
        move || {
            // Inside of a drain of that queue, too.
            let (done, sub) = mpsc::channel();
            ui.post(move || _ = done.send(subscribe())).unwrap();
            ui.drain();
            sub.recv().unwrap()
        }
    }));
    assert_eq!(ui.len(), 3);
    assert_eq!(ui.drain().delivered(), 3);
    assert_eq!(arrived.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
    // What is emitted afterwards waits.
    state.emit(&4);
    let waiting = apart(move || state.emit(&5).ran());
    until(|| ui.drain().delivered() == 1);
    assert_eq!(result(&waiting), 1);
}

#[test]
fn what_a_cut_short_drain_has_left_makes_room_event_by_event() {
    let (signal, queue) = (Signal::<u32>::new(), Queue::new());
    let (seen, arrived) = mpsc::channel();
    let waiting = std::sync::Mutex::new(None);
    let waiting = std::sync::Arc::new(waiting);
    let _sub = signal.on({
        let waiting = waiting.clone();
        move |n| {
            seen.send(*n).unwrap();
            if *n == 2 {
                // There is room for the other thread as soon as this delivery has begun.
                let waiting: Option<mpsc::Receiver<()>> = waiting.lock().unwrap().take();
                result(&waiting.unwrap());
            }
        }
    });
    (1..=3).for_each(|n| queue.defer(&signal, n).unwrap());
    assert_eq!(queue.drain_one().remaining(), 2);
    let queue = queue.bounded(2, Overflow::Block);
    *waiting.lock().unwrap() = Some(apart({
        let (signal, queue) = (signal.clone(), queue.clone());
        move || queue.defer(&signal, 4).unwrap()
    }));
    let draining = apart({
        let queue = queue.clone();
        move || queue.drain().delivered()
    });
    assert_eq!(result(&draining), 2);
    assert_eq!(queue.drain().delivered(), 1);
    assert_eq!(arrived.try_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn what_a_drain_takes_back_at_its_end_makes_room() {
    let (signal, queue) = (
        Signal::<u32>::new(),
        Queue::new().bounded(2, Overflow::Block),
    );
    let (begun, waiting) = mpsc::channel();
    queue
        .post({
            let (signal, queue) = (signal.clone(), queue.clone());
            move || {
                // The drain has taken the one before, so both wait: the queue is full.
                queue.defer_latest(&signal, 2).unwrap();
                let waiting = apart(move || queue.defer(&signal, 3).unwrap());
                begun.send(waiting).unwrap();
                (0..100).for_each(|_| thread::yield_now());
            }
        })
        .unwrap();
    queue.defer_latest(&signal, 1).unwrap();
    queue.drain_one();
    result(&waiting.recv().unwrap());
    assert_eq!(queue.len(), 2, "the newest, and the one that waited");
}
