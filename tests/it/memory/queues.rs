//! Promises 14 to 16: what a queue allocates, what waits in it, and what is left when it is empty.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use slotcast::flavour::{Bus, Queue, Signal};
use slotcast::{Overflow, Topic};

use super::{Either, Later, allocations_of, bytes_of, shuffle, subscribe_all_kinds, times};

on_both! {
    deferring_and_draining_allocates_nothing_once_warm;
    queued_handlers_allocate_nothing_once_warm;
    replacing_and_delaying_allocates_nothing_once_warm;
    dropping_what_overflows_allocates_nothing_once_warm;
    an_event_that_comes_alone_allocates_nothing_once_there_were_more;
    ten_million_moves_take_the_memory_of_one;
    moves_between_those_of_another_topic_take_the_memory_of_two;
    a_million_delayed_and_cancelled_leave_nothing;
    a_hundred_thousand_delayed_events_cost_the_logarithm;
    a_cleared_queue_is_as_small_as_a_new_one;
    a_million_futures_leave_nothing;
    a_burst_of_events_does_not_add_up;
    a_burst_of_each_kind_gives_its_room_back_within_64_drains;
    dialogs_that_come_and_go_before_a_loop_that_stands_still_leave_nothing;
    the_newest_events_of_two_handlers_take_the_memory_of_two;
}

fn deferring_and_draining_allocates_nothing_once_warm<M: Either>() {
    const A: Topic<u32> = Topic::new("a");
    const B: Topic<u32> = Topic::new("b");
    const WIDE: Topic<[u64; 5]> = Topic::new("wide");
    const TEXT: Topic<String> = Topic::new("text");
    let bus = Bus::<M>::new();
    let own = Queue::<M>::new();
    let (a, b, wide, text) = (
        bus.signal(&A),
        bus.signal(&B),
        bus.signal(&WIDE),
        bus.signal(&TEXT),
    );
    let alone = Signal::<M, u32>::new();
    let _subs = [&a, &b, &alone].map(subscribe_all_kinds);
    let round = |events: usize| {
        for n in 0..events {
            // Runs of one topic, of one type, and changing with each event.
            bus.defer(&A, 1).unwrap();
            a.defer(2).unwrap();
            b.defer(3).unwrap();
            wide.defer([0; 5]).unwrap();
            b.defer(4).unwrap();
            if n % 3 == 0 {
                text.defer(String::new()).unwrap();
            }
            own.defer(&a, 5).unwrap();
            own.defer(&alone, 6).unwrap();
        }
        let drained = bus.drain();
        let unhandled = events + events.div_ceil(3);
        assert_eq!(
            (drained.delivered(), drained.unhandled()),
            (4 * events, unhandled)
        );
        assert_eq!(own.drain_one().remaining(), 2 * events - 1);
        assert_eq!(own.drain_until_idle(usize::MAX).delivered(), 2 * events - 1);
    };
    round(20);
    assert_eq!(allocations_of(|| (1..=20).for_each(round)), 0);
}

fn an_event_that_comes_alone_allocates_nothing_once_there_were_more<M: Either>() {
    let queue = Queue::<M>::new();
    let (number, wide) = (Signal::<M, u32>::new(), Signal::<M, [u64; 5]>::new());
    let _subs = subscribe_all_kinds(&number);
    let more = || {
        for n in 0..20 {
            queue.defer(&number, n).unwrap();
            queue.defer(&wide, [0; 5]).unwrap();
            queue.defer_latest(&number, n).unwrap();
        }
        assert_eq!(queue.drain().delivered(), 21);
    };
    let alone = || {
        queue.defer(&number, 1).unwrap();
        assert_eq!(queue.drain().delivered(), 1);
        queue.defer(&wide, [0; 5]).unwrap();
        assert_eq!(queue.drain().unhandled(), 1);
        queue.defer_latest(&number, 1).unwrap();
        assert_eq!(queue.drain().delivered(), 1);
    };
    more();
    let rounds = || {
        (0..50).for_each(|_| alone());
        (0..50).for_each(|_| more());
    };
    assert_eq!(allocations_of(|| (0..3).for_each(|_| rounds())), 0);
}

fn queued_handlers_allocate_nothing_once_warm<M: Either>() {
    let (queue, signal) = (Queue::<M>::new(), Signal::<M, u32>::new());
    let handler: Later = |(), _| ();
    let _subs = [
        signal.subscribe().on_queue(&queue, handler),
        signal
            .subscribe()
            .priority(3)
            .label("later")
            .limit(usize::MAX)
            .on_queue(&queue, handler),
    ];
    let round = |events: usize| {
        for n in 0..20 {
            assert_eq!(signal.emit(&n).ran(), 2);
        }
        assert_eq!(queue.drain().delivered(), events);
    };
    round(40);
    round(40);
    assert_eq!(allocations_of(|| (0..20).for_each(|_| round(40))), 0);
}

fn replacing_and_delaying_allocates_nothing_once_warm<M: Either>() {
    let (queue, number, wide) = (
        Queue::<M>::new(),
        Signal::<M, u32>::new(),
        Signal::<M, [u64; 5]>::new(),
    );
    let _subs = subscribe_all_kinds(&number);
    let start = Instant::now();
    let round = || {
        for n in 0..20 {
            queue.defer(&number, n).unwrap();
            queue.defer_latest(&number, n).unwrap();
            queue.defer_latest(&wide, [0; 5]).unwrap();
            queue.defer_at(start, &number, n).unwrap();
            assert!(queue.defer_at(start, &wide, [0; 5]).unwrap().cancel());
        }
        assert_eq!(queue.drain_at(start).delivered(), 41);
    };
    round();
    round();
    assert_eq!(allocations_of(|| (0..20).for_each(|_| round())), 0);
}

fn dropping_what_overflows_allocates_nothing_once_warm<M: Either>() {
    let queue = Queue::<M>::new().bounded(20, Overflow::DropOldest);
    let (number, text) = (Signal::<M, u32>::new(), Signal::<M, String>::new());
    let _subs = subscribe_all_kinds(&number);
    let round = || {
        for n in 0..40 {
            queue.defer(&number, n).unwrap();
            queue.defer(&text, String::new()).unwrap();
        }
        let drained = queue.drain();
        assert_eq!((drained.delivered(), drained.unhandled()), (10, 10));
    };
    round();
    round();
    assert_eq!(allocations_of(|| (0..20).for_each(|_| round())), 0);
}

fn ten_million_moves_take_the_memory_of_one<M: Either>() {
    let (queue, mouse) = (Queue::<M>::new(), Signal::<M, u32>::new());
    queue.defer_latest(&mouse, 0).unwrap();
    queue.drain();
    let millions = u32::try_from(times(10_000_000)).unwrap();
    let moves = || (0..millions).for_each(|n| queue.defer_latest(&mouse, n).unwrap());
    let allocations = allocations_of(|| assert_eq!(bytes_of(moves).0, 0));
    assert_eq!((allocations, queue.len()), (0, 1));
    assert_eq!(queue.drain().unhandled(), 1);
}

fn moves_between_those_of_another_topic_take_the_memory_of_two<M: Either>() {
    let queue = Queue::<M>::new();
    let signals = [(); 3].map(|()| Signal::<M, u32>::new());
    // One stays in front all the time.
    signals
        .iter()
        .for_each(|it| queue.defer_latest(it, 0).unwrap());
    let moves = || {
        for _ in 0..times(100_000) {
            queue.defer_latest(&signals[1], 0).unwrap();
            queue.defer_latest(&signals[2], 0).unwrap();
        }
    };
    assert_eq!(allocations_of(moves), 0);
    assert_eq!((queue.len(), queue.drain().unhandled()), (3, 3));
}

fn a_million_delayed_and_cancelled_leave_nothing<M: Either>() {
    let (queue, signal) = (Queue::<M>::new(), Signal::<M, u32>::new());
    let start = Instant::now();
    let _stays = queue
        .defer_at(start + Duration::from_secs(1), &signal, 0)
        .unwrap();
    let both = |n: usize| {
        // In front of the one that stays, and behind it.
        let delay = Duration::from_millis(u64::try_from(n % 2_000).unwrap());
        let delayed = queue.defer_at(start + delay, &signal, 0).unwrap();
        assert!(delayed.cancel());
    };
    (0..5_000).for_each(both);
    assert_eq!(bytes_of(|| (0..times(1_000_000)).for_each(both)).0, 0);
    assert_eq!(queue.delayed(), 1);
}

/// A quadratic one would take minutes.
fn a_hundred_thousand_delayed_events_cost_the_logarithm<M: Either>() {
    let (queue, signal) = (Queue::<M>::new(), Signal::<M, u32>::new());
    let (start, count) = (Instant::now(), times(100_000));
    let mut delays: Vec<_> = (0..count).collect();
    shuffle(&mut delays);
    let mut last = 0;
    for delay in &delays {
        let delay = Duration::from_millis(u64::try_from(*delay).unwrap());
        queue.defer_at(start + delay, &signal, 0).unwrap();
    }
    for now in (0..count).step_by(count / 100) {
        let now = Duration::from_millis(u64::try_from(now).unwrap());
        last += queue.drain_at(start + now).unhandled();
    }
    assert_eq!(last + queue.delayed(), count);
    assert_eq!(queue.clear() + last, count);
}

fn a_cleared_queue_is_as_small_as_a_new_one<M: Either>() {
    let (queue, signal) = (Queue::<M>::new(), Signal::<M, u32>::new());
    let start = Instant::now();
    let go = || {
        for _ in 0..times(100_000) {
            queue.defer(&signal, 1).unwrap();
            queue.defer_at(start, &signal, 1).unwrap();
        }
        queue.defer_latest(&signal, 1).unwrap();
        assert_eq!(queue.clear(), 2 * times(100_000) + 1);
    };
    go();
    assert_eq!(bytes_of(go).0, 0);
}

fn a_million_futures_leave_nothing<M: Either>() {
    let queue = Queue::<M>::new();
    let mut context = Context::from_waker(Waker::noop());
    let mut both = |_: usize| {
        let mut ready = queue.ready();
        assert!(Pin::new(&mut ready).poll(&mut context).is_pending());
        assert!(Pin::new(&mut ready).poll(&mut context).is_pending());
    };
    both(0);
    assert_eq!(bytes_of(|| (0..times(1_000_000)).for_each(both)).0, 0);
}

fn a_burst_of_events_does_not_add_up<M: Either>() {
    let bus = Bus::<M>::new();
    let topics = ["a", "b"].map(|name| bus.signal(&Topic::<u32>::new(name)));
    let burst = || {
        for _ in 0..times(100_000) {
            topics.iter().for_each(|topic| topic.defer(1).unwrap());
        }
        assert_eq!(bus.drain().unhandled(), 2 * times(100_000));
    };
    // What is filled and what is drained change places.
    burst();
    burst();
    assert_eq!(bytes_of(|| (0..3).for_each(|_| burst())).0, 0);
}

fn a_burst_of_each_kind_gives_its_room_back_within_64_drains<M: Either>() {
    let (queue, signals) = (Queue::<M>::new(), [(); 3].map(|()| Signal::<M, u32>::new()));
    let bounded = Queue::<M>::new().bounded(times(100_000), Overflow::DropOldest);
    let handler: Later = |(), _| ();
    let _queued = signals[2].subscribe().on_queue(&queue, handler);
    let start = Instant::now();
    let kinds: [(_, &dyn Fn(usize)); 5] = [
        ("deferred", &|_| queue.defer(&signals[0], 1).unwrap()),
        ("in turn", &|n| queue.defer(&signals[n % 2], 1).unwrap()),
        ("queued", &|_| assert_eq!(signals[2].emit(&1).ran(), 1)),
        ("bounded", &|_| bounded.defer(&signals[0], 1).unwrap()),
        ("delayed", &|_| {
            drop(queue.defer_at(start, &signals[0], 1).unwrap());
        }),
    ];
    let drain = || {
        queue.drain_at(start);
        bounded.drain();
    };
    for (kind, defer) in kinds {
        let few = || {
            (0..3).for_each(defer);
            drain();
        };
        (0..64).for_each(|_| few());
        let (bytes, ()) = bytes_of(|| {
            (0..times(100_000)).for_each(defer);
            drain();
            (0..64).for_each(|_| few());
        });
        assert!(bytes < 20_000, "{kind}: {bytes} bytes");
        assert_eq!(allocations_of(|| (0..200).for_each(|_| few())), 0);
    }
}

/// Where the queue is never empty, and its two halves change places with each drain of more than one event.
#[test]
fn what_is_deferred_meanwhile_does_not_keep_the_room_of_a_burst() {
    for events in [1, 2] {
        let queue = slotcast::Queue::new();
        let (signal, other) = (
            slotcast::Signal::<u32>::new(),
            slotcast::Signal::<u32>::new(),
        );
        let (own, weak) = (queue.clone(), signal.downgrade());
        let _sub = signal.on(move |n| own.defer(&weak.upgrade().unwrap(), *n).unwrap());
        (0..events).for_each(|_| queue.defer(&signal, 1).unwrap());
        let few = || (0..64).for_each(|_| assert_eq!(queue.drain().delivered(), events));
        few();
        let (bytes, ()) = bytes_of(|| {
            for _ in 0..2 {
                (0..times(100_000)).for_each(|_| queue.defer(&other, 1).unwrap());
                queue.drain();
            }
            few();
        });
        assert!(bytes < 20_000, "{bytes} bytes, {events} events");
        queue.clear();
    }
}

fn dialogs_that_come_and_go_before_a_loop_that_stands_still_leave_nothing<M: Either>() {
    let (queue, signal) = (Queue::<M>::new(), Signal::<M, u32>::new());
    let (other, handler): (_, Later) = (Signal::<M, u32>::new(), |(), _| ());
    let _stays = other.subscribe().on_queue(&queue, handler);
    let dialog = |_: usize| {
        let _sub = signal.subscribe().on_queue(&queue, handler);
        assert_eq!(signal.emit(&1).ran(), 1);
    };
    other.emit(&1);
    (0..1_000).for_each(dialog);
    other.emit(&1);
    let bytes = bytes_of(|| (0..times(20_000)).for_each(dialog)).0;
    assert!(bytes < 40_000, "{bytes} bytes");
    assert_eq!(queue.len(), 2);
    let drained = queue.drain();
    assert_eq!(
        (drained.delivered(), drained.given_up()),
        (2, 1_000 + times(20_000))
    );
}

fn the_newest_events_of_two_handlers_take_the_memory_of_two<M: Either>() {
    let (queue, signal) = (Queue::<M>::new(), Signal::<M, u32>::new());
    let handler: Later = |(), _| ();
    let subs = [(); 2].map(|()| signal.subscribe().latest().on_queue(&queue, handler));
    let emit = |_: usize| assert_eq!(signal.emit(&1).ran(), 2);
    (0..1_000).for_each(emit);
    let bytes = bytes_of(|| (0..times(100_000)).for_each(emit)).0;
    assert!(bytes < 40_000, "{bytes} bytes");
    assert_eq!((queue.len(), queue.drain().delivered()), (2, 2));
    let dropped = 1_000 + times(100_000) - 1;
    assert!(subs.iter().all(|sub| sub.dropped() == dropped));
}
