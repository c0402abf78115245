//! A future for one event is subscribed when it is made, gets the first event that passes, and leaves.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::future::FusedFuture;
use futures::stream::StreamExt;
use slotcast::{Flow, Overflow};

use super::super::Queue;
use super::{Bus, NUMBER, Signal, all, closed, counting, poll, poll_next, poll_with};
use crate::log::{Log, boom, panic_of};

/// An event whose clones are told of, and may fail.
struct Loud<F: Fn()>(u32, F);

impl<F: Fn() + Clone> Clone for Loud<F> {
    fn clone(&self) -> Self {
        (self.1)();
        Loud(self.0, self.1.clone())
    }
}

#[test]
fn what_is_emitted_before_the_first_poll_is_not_missed() {
    let signal = Signal::<u32>::new();
    let (mut next, mut stream) = (signal.next(), signal.stream(4, Overflow::Reject));
    assert_eq!(signal.emit(&1).ran(), 2);
    assert_eq!(signal.emit(&2).ran(), 1);
    assert_eq!(poll(&mut next), Poll::Ready(Ok(1)));
    assert_eq!(all(&mut stream), (vec!["1".into(), "2".into()], false));
}

#[test]
fn a_next_gets_the_first_event_that_passes_and_leaves() {
    let signal = Signal::<u32>::new();
    let mut even = signal.next_where(|n| n % 2 == 0);
    let (count, waker) = counting();
    assert!(poll_with(&mut even, &waker).is_pending());
    assert_eq!((signal.emit(&1).ran(), count.count()), (0, 0));
    assert_eq!((signal.emit(&2).ran(), count.count()), (1, 1));
    assert!(signal.is_empty());
    assert_eq!((signal.emit(&4).ran(), count.count()), (0, 1));
    assert_eq!(poll(&mut even), Poll::Ready(Ok(2)));
    assert_eq!(
        poll(&mut even),
        Poll::Ready(Err(closed())),
        "it has completed"
    );
}

#[test]
fn a_next_is_made_by_name_by_pattern_and_by_the_builder() {
    let bus = Bus::new();
    let mut nexts = [
        bus.next(&NUMBER),
        bus.next_where(&NUMBER, |n| *n > 1),
        bus.subscribe(&NUMBER).limit(1).filter(|n| *n > 2).next(),
        bus.next_pattern("waiting.*", |event| event.payload::<u32>().map(|n| n * 10)),
        bus.subscribe(&NUMBER).next_map(|n| (*n > 3).then_some(99)),
    ];
    for n in 1..=4 {
        bus.emit(&NUMBER, &n);
    }
    let got = nexts.each_mut().map(poll);
    assert_eq!(got, [1, 2, 3, 10, 99].map(|n| Poll::Ready(Ok(n))));
    assert!(
        poll(&mut bus.subscribe(&NUMBER).limit(0).next()).is_ready(),
        "no call, no event"
    );
}

#[test]
fn an_event_that_only_a_waiter_gets_is_not_unhandled() {
    let (bus, log) = (Bus::new(), Log::default());
    bus.set_unhandled_hook({
        let log = log.clone();
        move |event| log.add(event.topic())
    });
    let stream = bus.stream(&NUMBER, 1, Overflow::DropNewest);
    bus.emit(&NUMBER, &1);
    drop(stream);
    let next = bus.next(&NUMBER);
    bus.emit(&NUMBER, &2);
    assert!(log.take().is_empty());
    bus.emit(&NUMBER, &3);
    assert_eq!(log.take(), ["waiting.number"], "the next has its event");
    drop(next);
}

#[test]
fn waiters_stand_in_the_order_and_a_stop_before_them_holds() {
    let signal = Signal::<u32>::new();
    let mut before = signal.next();
    let _stop = signal.on(|_| Flow::Stop);
    let (mut after, mut first) = (signal.next(), signal.subscribe().priority(1).next());
    assert_eq!(signal.emit(&1).ran(), 3);
    assert_eq!(
        (poll(&mut before), poll(&mut first)),
        (Poll::Ready(Ok(1)), Poll::Ready(Ok(1)))
    );
    assert!(poll(&mut after).is_pending());
}

#[test]
fn a_clone_that_panics_leaves_a_next_waiting_and_is_lost_to_a_stream() {
    let bad = Arc::new(AtomicBool::new(true));
    let event = Loud(7, {
        let bad = bad.clone();
        move || {
            if bad.load(Relaxed) {
                boom("clone")
            }
        }
    });
    let signal = Signal::new();
    let (mut next, mut stream) = (signal.next(), signal.stream(4, Overflow::Reject));
    let (count, waker) = counting();
    assert!(
        stream
            .poll_next_unpin(&mut Context::from_waker(&waker))
            .is_pending()
    );
    assert_eq!(panic_of(|| signal.emit(&event)), "clone");
    assert_eq!((signal.len(), count.count()), (2, 1));
    bad.store(false, Relaxed);
    signal.emit(&event);
    assert!(matches!(poll(&mut next), Poll::Ready(Ok(Loud(7, _)))));
    assert!(matches!(poll_next(&mut stream), Poll::Ready(Some(Err(lagged))) if lagged.lost() == 1));
    assert!(matches!(
        poll_next(&mut stream),
        Poll::Ready(Some(Ok(Loud(7, _))))
    ));
    assert!(poll_next(&mut stream).is_pending());
}

#[test]
fn a_clone_may_emit_and_the_inner_event_is_the_first() {
    // The clone is made before anything is decided, and of two events that one is late.
    let signal = Signal::<Arc<Mutex<Option<Log>>>>::new();
    thread_local! { static INNER: std::cell::RefCell<Option<Box<dyn Fn()>>> = const { std::cell::RefCell::new(None) }; }
    let mut next = signal.subscribe().next_map(|event| {
        if let Some(inner) = INNER.take() {
            inner();
        }
        Some(event.lock().unwrap().is_some())
    });
    let own = signal.downgrade();
    INNER.set(Some(Box::new(move || {
        let done = own
            .upgrade()
            .unwrap()
            .emit(&Arc::new(Mutex::new(Some(Log::default()))));
        assert_eq!(done.ran(), 1);
    })));
    assert_eq!(signal.emit(&Arc::default()).ran(), 0, "it came too late");
    assert_eq!(poll(&mut next), Poll::Ready(Ok(true)));
}

#[test]
fn a_signal_that_retains_hands_its_last_event_over() {
    let signal = Signal::<u32>::new();
    signal.retain_last();
    signal.emit(&1);
    let (mut next, mut stream) = (signal.next(), signal.stream(4, Overflow::Reject));
    assert_eq!(poll(&mut next), Poll::Ready(Ok(1)));
    signal.emit(&2);
    assert_eq!(all(&mut stream), (vec!["1".into(), "2".into()], false));
}

#[test]
fn a_future_for_a_queue_says_that_it_has_completed() {
    let queue = Queue::new();
    let mut ready = queue.ready();
    assert!(poll(&mut ready).is_pending() && !ready.is_terminated());
    queue.post(|| ()).unwrap();
    assert!(!ready.is_terminated());
    assert!(poll(&mut ready).is_ready() && ready.is_terminated());
}
