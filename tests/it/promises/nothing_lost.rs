//! Promise 18: every way in which an event can fail to reach a handler, each of them counted or told.

use std::time::{Duration, Instant};

use slotcast::{DeferErrorKind, FailureKind, Overflow};

use super::queue::NUMBER;
use super::{Bus, Ptr, Queue, Signal};
use crate::log::Log;

/// A bus that writes down what its hooks are told.
fn told(log: &Log) -> Bus {
    let (bus, failures, unhandled) = (Bus::new(), log.clone(), log.clone());
    bus.set_error_hook(move |error| failures.add(format!("{:?}", error.kind())));
    bus.set_unhandled_hook(move |event| unhandled.add(format!("unhandled {}", event.topic())));
    bus
}

#[test]
fn nothing_is_lost_silently() {
    let log = Log::default();
    let bus = told(&log);
    let (signal, queue) = (bus.signal(&NUMBER), bus.queue());

    // No handler: the hook, and a count. The same with dead targets only.
    queue.defer(&signal, 0).unwrap();
    assert_eq!(queue.drain().unhandled(), 1);
    assert_eq!(log.take(), ["unhandled number"]);
    let target = Ptr::new(());
    signal.on_weak(&target, |(), _| ()).detach();
    drop(target);
    queue.defer(&signal, 0).unwrap();
    assert_eq!(queue.drain().unhandled(), 1);
    log.take();

    // Paused, or not let pass: a count.
    let sub = signal.subscribe().filter(|n| *n > 0).on(|_| ());
    queue.defer(&signal, 0).unwrap();
    assert_eq!(queue.drain().skipped(), 1);
    let pause = sub.pause();
    queue.defer(&signal, 1).unwrap();
    assert_eq!(queue.drain().skipped(), 1);
    drop(pause);

    // A budget: left in front, and said to be.
    queue.defer(&signal, 1).unwrap();
    queue.defer(&signal, 2).unwrap();
    assert_eq!(queue.drain_for(Duration::ZERO).remaining(), 2);
    assert_eq!(queue.drain_one().remaining(), 1);
    assert_eq!(queue.drain().delivered(), 1);

    // A clear: its return value.
    queue.defer(&signal, 1).unwrap();
    queue
        .defer_at(Instant::now() + Duration::from_secs(99), &signal, 1)
        .unwrap();
    assert_eq!(queue.clear(), 2);

    // Too deep: a failure.
    let shallow = Bus::builder().max_depth(0).build();
    let deep = shallow.signal(&NUMBER);
    let _deep = deep.on(|_| ());
    deep.defer(1).unwrap();
    let drained = shallow.drain();
    assert_eq!(drained.delivered(), 0);
    assert_eq!(drained.errors()[0].kind(), FailureKind::TooDeep);

    // A close, with a handler: delivered. Without: a count, and a failure. Afterwards: handed back.
    queue.defer(&signal, 1).unwrap();
    queue.defer(&signal, 2).unwrap();
    bus.close();
    assert_eq!(queue.drain_one().delivered(), 1);
    sub.cancel();
    assert_eq!(log.take(), [""; 0]);
    let drained = queue.drain();
    assert_eq!((drained.delivered(), drained.unhandled()), (0, 1));
    assert_eq!(drained.errors()[0].kind(), FailureKind::Undelivered);
    assert_eq!(log.take(), ["Undelivered"]);
    let refused = queue.defer(&signal, 3).unwrap_err();
    assert_eq!(
        (refused.kind(), refused.into_event()),
        (DeferErrorKind::Closed, 3)
    );
    assert!(signal.emit(&3).is_closed());
}

#[test]
fn no_queued_call_is_lost_silently() {
    let log = Log::default();
    let bus = told(&log);
    let queue = Queue::new();
    let on_queue = || bus.subscribe(&NUMBER).on_queue(&queue, |(), _| ());
    let emit = |n| bus.emit(&NUMBER, &n);

    // Given up, in whatever way: a count.
    let (cancelled, dropped) = (on_queue(), on_queue());
    emit(1);
    cancelled.cancel();
    drop(dropped);
    assert_eq!(queue.drain().given_up(), 2);
    let cleared = on_queue();
    emit(1);
    bus.signal(&NUMBER).clear();
    assert_eq!((queue.drain().given_up(), cleared.is_active()), (1, false));

    // Paused at the delivery: a count.
    let sub = on_queue();
    emit(1);
    let pause = sub.pause();
    assert_eq!(queue.drain().skipped(), 1);
    drop((pause, sub));

    // The bound of the handler.
    let bounded = |overflow| {
        let room = bus.subscribe(&NUMBER).room(1, overflow);
        room.on_queue(&queue, |(), _| ())
    };
    let (oldest, newest) = (bounded(Overflow::DropOldest), bounded(Overflow::DropNewest));
    let reject = bounded(Overflow::Reject);
    assert!(emit(1).errors().is_empty());
    assert_eq!(emit(2).errors()[0].kind(), FailureKind::Undelivered);
    assert_eq!(
        (
            oldest.dropped(),
            newest.dropped(),
            queue.drain().delivered()
        ),
        (1, 1, 3)
    );
    drop((oldest, newest, reject));
    assert_eq!(log.take(), ["Undelivered"]);

    // The bound of the queue.
    let sub = on_queue();
    for (overflow, dropped) in [(Overflow::DropOldest, 1), (Overflow::DropNewest, 2)] {
        let queue = queue.clone().bounded(1, overflow);
        emit(1);
        emit(2);
        assert_eq!((queue.dropped(), queue.drain().delivered()), (dropped, 1));
    }
    let full = queue.clone().bounded(1, Overflow::Reject);
    emit(1);
    assert_eq!(emit(2).errors()[0].kind(), FailureKind::Undelivered);
    assert_eq!((full.dropped(), full.drain().delivered()), (2, 1));

    // A queue that is closed, or gone: a failure of the emission.
    full.close();
    assert_eq!(emit(3).errors()[0].kind(), FailureKind::Undelivered);
    drop((full, queue));
    assert_eq!(emit(4).errors()[0].kind(), FailureKind::Undelivered);
    assert_eq!(log.take(), ["Undelivered"; 3]);
    drop(sub);

    // A queue that goes with calls inside: the hook of its bus, with their number.
    let plain = Signal::<u32>::new();
    let own = Bus::new();
    own.set_error_hook({
        let log = log.clone();
        move |error| log.add(error)
    });
    let _sub = plain.subscribe().on_queue(&own.queue(), |(), _| ());
    let gone = plain.subscribe().on_queue(&own.queue(), |(), _| ());
    plain.emit(&1);
    drop(gone);
    drop(own);
    let lines = log.take();
    assert!(
        lines.len() == 1 && lines[0].contains("1 event inside"),
        "{lines:?}"
    );
}
