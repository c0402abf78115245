//! Promises 4 and 11: an event whose only handlers have a dead target is unhandled, the first one too.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use slotcast::Topic;

use super::{Bus, Ptr, Signal};
use crate::log::Log;

const TOPIC: Topic<u32> = Topic::new("file.saved");

/// A bus whose hook for unhandled events writes them down.
fn watched() -> (Bus, Log) {
    let (bus, log) = (Bus::new(), Log::default());
    bus.set_unhandled_hook({
        let log = log.clone();
        move |event| log.add(event.payload::<u32>().unwrap())
    });
    (bus, log)
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

/// Every way to emit to a topic of a bus.
type Emit = fn(&Bus, u32);

const WAYS: [Emit; 8] = [
    |bus, n| _ = bus.emit(&TOPIC, &n),
    |bus, n| _ = bus.signal(&TOPIC).emit(&n),
    |bus, n| _ = bus.emit_lazy(&TOPIC, || n),
    |bus, n| _ = bus.signal(&TOPIC).emit_lazy(|| n),
    |bus, n| {
        bus.defer(&TOPIC, n).unwrap();
        bus.drain();
    },
    |bus, n| {
        bus.defer_latest(&TOPIC, n).unwrap();
        bus.drain();
    },
    |bus, n| _ = block_on(bus.emit_async(&TOPIC, n)),
    |bus, n| _ = block_on(bus.emit_async(&TOPIC, n).in_order()),
];

#[test]
fn an_event_whose_handlers_have_dead_targets_is_unhandled() {
    for emit in WAYS {
        let (bus, log) = watched();
        let (one, two) = (Ptr::new(1), Ptr::new(2));
        bus.on_weak(&TOPIC, &one, |_, _| ()).detach();
        bus.subscribe(&TOPIC)
            .filter(|_| true)
            .limit(9)
            .on_weak(&two, |_, _| ())
            .detach();
        emit(&bus, 0);
        drop(one);
        emit(&bus, 1);
        assert_eq!(log.take(), [""; 0], "one of them is live");
        drop(two);
        emit(&bus, 2);
        emit(&bus, 3);
        assert_eq!(log.take(), ["2", "3"]);
    }
}

#[test]
fn an_event_whose_only_pattern_has_a_dead_target_is_unhandled() {
    for emit in WAYS {
        let (bus, log) = watched();
        let target = Ptr::new(1);
        bus.subscribe_pattern("file.*")
            .on_weak(&target, |_, _| ())
            .detach();
        emit(&bus, 1);
        drop(target);
        emit(&bus, 2);
        emit(&bus, 3);
        assert_eq!(log.take(), ["2", "3"]);
    }
}

#[test]
fn an_event_that_is_forwarded_to_nobody_is_unhandled() {
    for emit in WAYS {
        for closes in [true, false] {
            let (bus, log) = watched();
            let target = Signal::<u32>::new();
            bus.signal(&TOPIC).forward_to(&target).detach();
            emit(&bus, 1);
            assert_eq!(
                log.take(),
                [""; 0],
                "what the target does with it is its own matter"
            );
            if closes {
                target.close();
            }
            drop(target);
            emit(&bus, 2);
            emit(&bus, 3);
            assert_eq!(log.take(), ["2", "3"]);
        }
    }
}

#[test]
fn an_event_that_is_kept_is_unhandled_all_the_same() {
    for emit in WAYS {
        let (bus, log) = watched();
        bus.retain_last(&TOPIC);
        let target = Ptr::new(1);
        bus.on_weak(&TOPIC, &target, |_, _| ()).detach();
        emit(&bus, 1);
        drop(target);
        emit(&bus, 2);
        emit(&bus, 3);
        assert_eq!(log.take(), ["2", "3"]);
        // Handing a kept event to a new handler is no emission.
        bus.on_weak(&TOPIC, &Ptr::new(2), |_, _| ()).detach();
        assert_eq!(log.take(), [""; 0]);
    }
}

#[test]
fn a_handler_that_ran_or_may_run_leaves_nothing_unhandled() {
    for emit in WAYS {
        let (bus, log) = watched();
        let target = Ptr::new(1);
        bus.on_weak(&TOPIC, &target, |_, _| ()).detach();
        let paused = bus.on(&TOPIC, |_| ());
        let pause = paused.pause();
        drop(target);
        emit(&bus, 1);
        drop((pause, paused));
        let target = Ptr::new(1);
        bus.on_weak(&TOPIC, &target, |_, _| ()).detach();
        bus.subscribe(&TOPIC).priority(1).once(|_| ()).detach();
        drop(target);
        emit(&bus, 2);
        assert_eq!(log.take(), [""; 0]);
        emit(&bus, 3);
        assert_eq!(log.take(), ["3"]);
    }
}

#[test]
fn a_lazy_event_is_not_made_for_a_dead_target() {
    let (bus, signal) = (Bus::new(), Signal::<u32>::new());
    let held = bus.signal(&TOPIC);
    for by_pattern in [true, false] {
        let target = Ptr::new(1);
        if by_pattern {
            bus.subscribe_pattern(">")
                .on_weak(&target, |_, _| ())
                .detach();
        } else {
            bus.on_weak(&TOPIC, &target, |_, _| ()).detach();
            signal.on_weak(&target, |_, _| ()).detach();
            signal.forward_to(&Signal::new()).detach();
            assert_eq!(signal.emit_lazy(|| 1).ran(), 1);
        }
        assert_eq!(bus.emit_lazy(&TOPIC, || 1).ran(), 1);
        assert_eq!(held.emit_lazy(|| 1).ran(), 1);
        drop(target);
        let nobody = || unreachable!("nobody is there for it");
        assert_eq!(bus.emit_lazy(&TOPIC, nobody).ran(), 0);
        assert_eq!(held.emit_lazy(nobody).ran(), 0);
        assert_eq!(
            bus.emit_lazy(&Topic::<u32>::new("not.held"), nobody).ran(),
            0
        );
        assert_eq!(signal.emit_lazy(nobody).ran(), 0);
    }
}
