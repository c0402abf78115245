//! Promises 16 to 18: delayed events, drains with a clock, and whoever waits for a queue.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use slotcast::{DeferErrorKind, Overflow, Topic};

use super::queue::{NUMBER, written};
use super::{Bus, Queue, Signal};
use crate::log::{Dropped, Log, boom};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn delayed_events_join_the_end_by_deadline_when_a_drain_starts() {
    let log = Log::default();
    let bus = written(&log);
    let (queue, number, start) = (bus.queue(), bus.signal(&NUMBER), Instant::now());
    for (n, after) in [(30, 3), (10, 1), (31, 3), (20, 2), (32, 3)] {
        queue.defer_at(start + seconds(after), &number, n).unwrap();
    }
    bus.defer(&NUMBER, 1).unwrap();
    assert_eq!((queue.len(), queue.delayed()), (1, 5));
    assert_eq!(queue.next_deadline(), Some(start + seconds(1)));
    assert_eq!(queue.drain_at(start).delivered(), 1);
    assert_eq!(log.take(), ["1"]);
    bus.defer(&NUMBER, 2).unwrap();
    let drained = queue.drain_at(start + seconds(2));
    assert_eq!((drained.delivered(), drained.remaining()), (3, 0));
    assert_eq!(log.take(), ["2", "10", "20"]);
    assert_eq!(queue.next_deadline(), Some(start + seconds(3)));
    assert_eq!(queue.drain_at(start + seconds(9)).delivered(), 3);
    assert_eq!(
        log.take(),
        ["30", "31", "32"],
        "equal ones as they were deferred"
    );
    assert_eq!((queue.next_deadline(), queue.delayed()), (None, 0));
}

#[test]
fn whatever_part_of_many_delayed_events_is_due_they_join_by_deadline() {
    const MANY: u32 = 500;
    for due in [3, 40, 200, 499, 500] {
        let log = Log::default();
        let bus = written(&log);
        let (queue, number, start) = (bus.queue(), bus.signal(&NUMBER), Instant::now());
        let mut waiting: Vec<_> = (0..MANY)
            .map(|n| {
                let turn = n * 7 % MANY;
                let timer = queue.defer_at(start + seconds(turn.into()), &number, turn);
                (turn, timer.unwrap())
            })
            .collect();
        waiting.retain(|(turn, timer)| turn % 5 > 0 || !timer.cancel());
        waiting.sort_by_key(|(turn, _)| *turn);
        let mut expected = waiting.iter().map(|(turn, _)| turn.to_string());
        let now = start + seconds(due - 1);
        let number = queue.drain_at(now).delivered();
        assert_eq!(
            log.take(),
            expected.by_ref().take(number).collect::<Vec<_>>()
        );
        let next = waiting
            .get(number)
            .map(|(turn, _)| start + seconds((*turn).into()));
        assert!(next.is_none_or(|next| next > now), "{due} are due");
        assert_eq!(
            (queue.next_deadline(), queue.delayed()),
            (next, waiting.len() - number)
        );
        queue.drain_at(start + seconds(MANY.into()));
        assert_eq!(log.take(), expected.collect::<Vec<_>>(), "{due} were due");
    }
}

#[test]
fn a_clock_that_stands_still_or_goes_back_is_fine() {
    let log = Log::default();
    let bus = written(&log);
    let (queue, number, start) = (
        bus.queue(),
        bus.signal(&NUMBER),
        Instant::now() + seconds(1000),
    );
    queue.defer_at(start, &number, 1).unwrap();
    queue.defer_at(start + seconds(1), &number, 2).unwrap();
    assert_eq!(queue.drain_at(start - seconds(100)).delivered(), 0);
    for expected in [1, 0, 0] {
        assert_eq!(queue.drain_at(start).delivered(), expected);
    }
    // A deadline in the past, by the clock that goes back.
    queue.defer_at(start - seconds(500), &number, 3).unwrap();
    assert_eq!(queue.drain_at(start - seconds(501)).delivered(), 0);
    assert_eq!(queue.drain_at(start - seconds(500)).delivered(), 1);
    assert_eq!(queue.drain_at(start + seconds(1)).delivered(), 1);
    assert_eq!(log.take(), ["1", "3", "2"]);
}

#[test]
fn a_deadline_that_has_passed_is_due_at_the_next_drain() {
    let log = Log::default();
    let bus = written(&log);
    let past = Instant::now()
        .checked_sub(seconds(1))
        .unwrap_or_else(Instant::now);
    bus.queue().defer_at(past, &bus.signal(&NUMBER), 1).unwrap();
    bus.defer_after(Duration::ZERO, &NUMBER, 2).unwrap();
    bus.signal(&NUMBER).defer_after(Duration::MAX, 3).unwrap();
    assert_eq!(bus.queue().delayed(), 3);
    bus.defer(&NUMBER, 0).unwrap();
    // By the clock itself.
    assert_eq!(bus.drain().delivered(), 3);
    assert_eq!(log.take(), ["0", "1", "2"]);
    assert_eq!(bus.queue().delayed(), 1);
}

#[test]
fn what_is_delayed_from_inside_waits_for_the_next_drain() {
    let (bus, log) = (Bus::new(), Log::default());
    let weak = bus.downgrade();
    let _sub = bus.on(&NUMBER, {
        let log = log.clone();
        move |n| {
            log.add(n);
            if *n < 3 {
                let bus = weak.upgrade().unwrap();
                bus.defer_after(Duration::ZERO, &NUMBER, n + 1).unwrap();
            }
        }
    });
    bus.defer(&NUMBER, 1).unwrap();
    assert_eq!(bus.drain().delivered(), 1);
    assert_eq!(bus.drain().delivered(), 1);
    assert_eq!(bus.queue().drain_one().delivered(), 1);
    assert_eq!(log.take(), ["1", "2", "3"]);
}

#[test]
fn a_delayed_event_can_be_cancelled_until_it_joins() {
    let (queue, signal, log) = (Queue::new(), Signal::new(), Log::default());
    let start = Instant::now();
    let event = |name| Some(Dropped(log.clone(), name));
    let [first, second, third] = ["first", "second", "third"].map(|name| {
        queue
            .defer_at(start + seconds(5), &signal, event(name))
            .unwrap()
    });
    assert!(first.is_waiting() && first.cancel() && !first.cancel() && !first.is_waiting());
    assert_eq!(log.take(), ["drop first"]);
    // The handle is no guard.
    drop(second);
    assert_eq!(queue.drain_at(start + seconds(5)).unhandled(), 2);
    assert_eq!(log.take(), ["drop second", "drop third"]);
    assert!(!third.cancel() && !third.is_waiting());
    // Places are used again, handles are not mistaken.
    let fourth = queue.defer_at(start, &signal, None).unwrap();
    assert!(!third.cancel() && !first.cancel() && fourth.is_waiting());
    assert_eq!(queue.clear(), 1);
    let fifth = queue.defer_at(start, &signal, None).unwrap();
    assert!(!fourth.cancel() && !fourth.is_waiting() && fifth.is_waiting());
    drop(queue);
    assert!(!fifth.cancel() && !fifth.is_waiting());
}

#[test]
fn cancelling_moves_the_next_deadline() {
    let (queue, signal, start) = (Queue::new(), Signal::<u32>::new(), Instant::now());
    let handles: Vec<_> = (0..100)
        .map(|n| queue.defer_at(start + seconds(n), &signal, 0).unwrap())
        .collect();
    for (n, handle) in handles.iter().enumerate().take(90) {
        assert_eq!(queue.next_deadline(), Some(start + seconds(n as u64)));
        assert!(handle.cancel());
    }
    assert_eq!(queue.drain_at(start + seconds(94)).unhandled(), 5);
    handles[95..].iter().for_each(|handle| _ = handle.cancel());
    assert_eq!((queue.next_deadline(), queue.delayed()), (None, 0));
}

#[test]
fn what_is_delayed_in_a_closed_queue_is_delivered_cleared_or_reported() {
    let (bus, log) = (Bus::new(), Log::default());
    bus.set_error_hook({
        let log = log.clone();
        move |error| log.add(format!("{:?}: {error}", error.kind()))
    });
    let topic = Topic::<Dropped>::new("payload");
    let (queue, signal, start) = (bus.queue(), bus.signal(&topic), Instant::now());
    for (name, after) in [("one", 1), ("two", 2), ("three", 3)] {
        let event = Dropped(log.clone(), name);
        queue
            .defer_at(start + seconds(after), &signal, event)
            .ok()
            .unwrap();
    }
    queue.close();
    let refused = queue.defer_at(start, &signal, Dropped(log.clone(), "four"));
    assert_eq!(
        refused.as_ref().err().unwrap().kind(),
        DeferErrorKind::Closed
    );
    drop(refused);
    assert_eq!(log.take(), ["drop four"]);
    assert_eq!(queue.drain_at(start + seconds(1)).unhandled(), 1);
    assert_eq!(log.take(), ["drop one"]);
    drop((bus, queue, signal));
    let told = log.take();
    assert_eq!(told[..2], ["drop two", "drop three"]);
    assert!(told.len() == 3 && told[2].contains("2 events"), "{told:?}");
}

#[test]
fn a_bounded_queue_has_as_many_delayed_events_as_it_has_capacity() {
    for overflow in [Overflow::Reject, Overflow::DropOldest, Overflow::DropNewest] {
        let log = Log::default();
        let bus = written(&log);
        let queue = bus.queue().bounded(2, overflow);
        let number = bus.signal(&NUMBER);
        let start = Instant::now();
        queue.defer_at(start, &number, 3).unwrap();
        queue.defer_at(start, &number, 4).unwrap();
        let refused = queue.defer_at(start, &number, 5).unwrap_err();
        assert_eq!(
            (refused.kind(), refused.into_event()),
            (DeferErrorKind::Full, 5)
        );
        (1..=2).for_each(|n| bus.defer(&NUMBER, n).unwrap());
        // They were accepted, and join whether there is room or not.
        assert_eq!(queue.drain_at(start).delivered(), 4);
        assert_eq!(
            (log.take(), queue.dropped()),
            (["1", "2", "3", "4"].map(String::from).into(), 0)
        );
    }
}

#[test]
fn an_earlier_deadline_wakes_and_the_passing_of_time_does_not() {
    let (queue, signal) = (Queue::new(), Signal::<u32>::new());
    let (wakes, start) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    queue.on_ready({
        let wakes = wakes.clone();
        move || _ = wakes.fetch_add(1, Relaxed)
    });
    queue.defer_at(start + seconds(9), &signal, 0).unwrap();
    assert_eq!(wakes.swap(0, Relaxed), 1);
    queue.defer_at(start + seconds(9), &signal, 0).unwrap();
    assert_eq!(wakes.swap(0, Relaxed), 0);
    queue.defer_at(start, &signal, 0).unwrap();
    assert_eq!(wakes.swap(0, Relaxed), 1);
    assert_eq!(queue.drain_at(start).remaining(), 0);
    assert_eq!(
        wakes.swap(0, Relaxed),
        0,
        "what is delayed is not left behind"
    );
}

#[test]
fn a_delayed_event_keeps_its_topic() {
    let bus = Bus::new();
    let start = Instant::now();
    let delayed = bus
        .queue()
        .defer_at(start, &bus.signal(&NUMBER), 1)
        .unwrap();
    assert_eq!(bus.topics(), ["number"]);
    assert!(delayed.cancel());
    assert!(bus.topics().is_empty());
    bus.queue().defer_latest(&bus.signal(&NUMBER), 1).unwrap();
    assert_eq!(bus.topics(), ["number"]);
    bus.drain();
    assert!(bus.topics().is_empty());
}

#[test]
fn a_budget_begins_no_event_once_the_time_is_up() {
    let log = Log::default();
    let bus = written(&log);
    let queue = bus.queue();
    let slow = {
        let log = log.clone();
        move || {
            std::thread::sleep(Duration::from_millis(3));
            log.add("slow");
        }
    };
    // Two in one lane.
    queue.post(slow.clone()).unwrap();
    queue.post(slow).unwrap();
    (1..=3).for_each(|n| bus.defer(&NUMBER, n).unwrap());
    let zero = queue.drain_for(Duration::ZERO);
    assert_eq!((zero.delivered(), zero.remaining()), (0, 5));
    let short = queue.drain_for(Duration::from_millis(1));
    assert_eq!((short.delivered(), short.remaining()), (1, 4));
    bus.defer(&NUMBER, 4).unwrap();
    let long = queue.drain_for(Duration::MAX);
    assert_eq!(
        (long.delivered(), long.remaining()),
        (5, 0),
        "the rest was in front"
    );
    assert_eq!(log.take(), ["slow", "slow", "1", "2", "3", "4"]);
}

#[test]
fn drains_in_all_forms_lend_the_context() {
    let (queue, mut seen) = (Queue::<Vec<u32>>::with_context(), Vec::new());
    let signal = Signal::<u32, Vec<u32>>::with_context();
    let _sub = signal.on_with(|seen, n| seen.push(*n));
    queue.defer(&signal, 1).unwrap();
    assert_eq!(queue.try_drain_with(&mut seen).delivered(), 1);
    queue.defer_latest(&signal, 2).unwrap();
    assert_eq!(queue.drain_for_with(&mut seen, seconds(60)).delivered(), 1);
    queue.defer_after(seconds(60), &signal, 3).unwrap();
    let later = Instant::now() + seconds(61);
    assert_eq!(queue.drain_at_with(&mut seen, later).delivered(), 1);
    assert_eq!(seen, [1, 2, 3]);
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Count {
    fn take(&self) -> usize {
        self.0.swap(0, Relaxed)
    }
}

fn poll<F: Future + Unpin>(future: &mut F, count: &Arc<Count>) -> Poll<F::Output> {
    let waker = Waker::from(count.clone());
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

#[test]
fn ready_completes_when_something_waits() {
    let (queue, count) = (Queue::new(), Arc::new(Count::default()));
    let (mut one, mut two) = (queue.ready(), queue.ready());
    assert_eq!(poll(&mut one, &count), Poll::Pending);
    assert_eq!(poll(&mut one, &count), Poll::Pending, "twice is once");
    assert_eq!(poll(&mut two, &count), Poll::Pending);
    queue.post(|| ()).unwrap();
    assert_eq!(count.take(), 2, "all of them");
    assert_eq!(poll(&mut one, &count), Poll::Ready(true));
    queue.drain();
    assert_eq!(
        poll(&mut two, &count),
        Poll::Pending,
        "somebody else was faster"
    );
    queue.post(|| ()).unwrap();
    assert_eq!(count.take(), 1);
    assert_eq!(poll(&mut two, &count), Poll::Ready(true));
    assert_eq!(
        poll(&mut queue.ready(), &count),
        Poll::Ready(true),
        "at once"
    );
}

#[test]
fn ready_says_when_the_queue_is_closed_and_empty() {
    let (queue, signal, count) = (
        Queue::new(),
        Signal::<u32>::new(),
        Arc::new(Count::default()),
    );
    let mut ready = queue.ready();
    assert_eq!(poll(&mut ready, &count), Poll::Pending);
    queue.defer(&signal, 1).unwrap();
    queue.defer_after(seconds(3600), &signal, 2).unwrap();
    queue.close();
    assert_eq!(
        poll(&mut ready, &count),
        Poll::Ready(true),
        "something is inside"
    );
    queue.drain();
    assert_eq!(poll(&mut ready, &count), Poll::Ready(false));
    let closed = Queue::new();
    let mut ready = closed.ready();
    assert_eq!(poll(&mut ready, &count), Poll::Pending);
    count.take();
    closed.close();
    assert_eq!(count.take(), 1);
    assert_eq!(poll(&mut ready, &count), Poll::Ready(false));
}

#[test]
fn ready_that_is_dropped_is_not_woken() {
    let (queue, count) = (Queue::new(), Arc::new(Count::default()));
    let mut dropped = queue.ready();
    let mut moved = queue.ready();
    assert_eq!(poll(&mut dropped, &count), Poll::Pending);
    assert_eq!(poll(&mut moved, &count), Poll::Pending);
    // Polled by another task by now.
    let other = Arc::new(Count::default());
    assert_eq!(poll(&mut moved, &other), Poll::Pending);
    drop(dropped);
    assert_eq!(Arc::strong_count(&count), 1, "nothing is kept");
    queue.post(|| ()).unwrap();
    assert_eq!((count.take(), other.take()), (0, 1));
}

#[test]
fn an_earlier_deadline_completes_ready() {
    let (queue, signal, count) = (
        Queue::new(),
        Signal::<u32>::new(),
        Arc::new(Count::default()),
    );
    let start = Instant::now();
    let mut ready = queue.ready();
    queue.defer_at(start + seconds(20), &signal, 1).unwrap();
    // Made before the deadline was looked at, and polled after it had changed.
    assert_eq!(poll(&mut ready, &count), Poll::Ready(true));
    assert_eq!(poll(&mut ready, &count), Poll::Pending);
    queue.defer_at(start + seconds(9), &signal, 1).unwrap();
    assert_eq!(count.take(), 1);
    assert_eq!(poll(&mut ready, &count), Poll::Ready(true));
    assert_eq!(poll(&mut ready, &count), Poll::Pending, "it has been told");
    queue.defer_at(start + seconds(10), &signal, 1).unwrap();
    assert_eq!((count.take(), poll(&mut ready, &count)), (0, Poll::Pending));
}

#[test]
fn a_waker_may_use_the_queue_and_may_panic() {
    struct Rude(std::sync::Mutex<Option<Box<dyn FnOnce() + Send>>>);
    impl Wake for Rude {
        fn wake(self: Arc<Self>) {
            (self.0.lock().unwrap().take().unwrap())();
        }
    }
    let (queue, count) = (Queue::new(), Arc::new(Count::default()));
    let woken = Arc::new(AtomicUsize::new(0));
    let mut futures = Vec::new();
    for _ in 0..3 {
        let woken = woken.clone();
        let rude = Rude(std::sync::Mutex::new(Some(Box::new(move || {
            woken.fetch_add(1, Relaxed);
            boom("in the waker")
        }))));
        let mut ready = queue.ready();
        let waker = Waker::from(Arc::new(rude));
        assert!(
            Pin::new(&mut ready)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        futures.push(ready);
    }
    let mut polite = queue.ready();
    assert_eq!(poll(&mut polite, &count), Poll::Pending);
    queue.post(|| ()).unwrap();
    assert_eq!((woken.load(Relaxed), count.take()), (3, 1));
    assert_eq!(queue.drain().delivered(), 1);
}

#[test]
fn a_loop_over_ready_gets_everything() {
    let log = Log::default();
    let bus = written(&log);
    let queue = bus.queue();
    let mut serve = pin!(async {
        let mut delivered = 0;
        while queue.ready().await {
            delivered += queue.drain().delivered();
        }
        delivered
    });
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut context = Context::from_waker(&waker);
    assert!(serve.as_mut().poll(&mut context).is_pending());
    for n in 0..5 {
        bus.defer(&NUMBER, n).unwrap();
        assert_eq!(count.take(), 1);
        assert!(serve.as_mut().poll(&mut context).is_pending());
    }
    bus.queue().close();
    assert_eq!(serve.as_mut().poll(&mut context), Poll::Ready(5));
    assert_eq!(log.take(), ["0", "1", "2", "3", "4"]);
}
