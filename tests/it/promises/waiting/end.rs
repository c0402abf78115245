//! Whoever waits is told of the end, after what came before it, and unsubscribes when dropped.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::{FusedStream, StreamExt};
use slotcast::Overflow;

use super::{Bus, NUMBER, Signal, all, closed, counting, poll, poll_next, poll_with};
use crate::log::{Dropped, Log};

type End = (&'static str, fn(Bus));

/// All that ends what was subscribed to a topic of a bus.
fn ends() -> Vec<End> {
    vec![
        ("close", |bus| bus.signal(&NUMBER).close()),
        ("clear", |bus| _ = bus.signal(&NUMBER).clear()),
        ("the bus is closed", |bus| bus.close()),
        ("the bus goes", drop),
    ]
}

#[test]
fn whoever_waits_is_told_that_nothing_comes_any_more() {
    for (how, end) in ends() {
        let bus = Bus::new();
        let (mut next, mut stream) = (bus.next(&NUMBER), bus.stream(&NUMBER, 4, Overflow::Reject));
        let (count, waker) = counting();
        assert!(poll_with(&mut next, &waker).is_pending());
        assert!(
            stream
                .poll_next_unpin(&mut Context::from_waker(&waker))
                .is_pending()
        );
        end(bus);
        assert_eq!(count.count(), 2, "{how}");
        assert_eq!(poll(&mut next), Poll::Ready(Err(closed())), "{how}");
        assert_eq!(poll_next(&mut stream), Poll::Ready(None), "{how}");
        assert!(stream.is_terminated() && stream.is_closed());
    }
    let signal = Signal::<u32>::new();
    let (mut next, mut stream) = (signal.next(), signal.stream(1, Overflow::Reject));
    drop(signal);
    assert_eq!(poll(&mut next), Poll::Ready(Err(closed())));
    assert_eq!(all(&mut stream), (vec![], true));
    // Of a pattern, and of what was closed before.
    for (how, end) in [("closed", (|bus| bus.close()) as fn(Bus)), ("gone", drop)] {
        let bus = Bus::new();
        let mut next = bus.next_pattern("waiting.>", |_| Some(1));
        let mut stream = bus.stream_pattern("waiting.>", 1, Overflow::Reject, |_| Some(1));
        end(bus.clone());
        bus.close();
        let (mut late, mut later) = (bus.next(&NUMBER), bus.stream(&NUMBER, 1, Overflow::Reject));
        drop(bus);
        for next in [&mut next, &mut late] {
            assert_eq!(poll(next), Poll::Ready(Err(closed())), "{how}");
        }
        assert_eq!(
            (all(&mut stream), all(&mut later)),
            ((vec![], true), (vec![], true)),
            "{how}"
        );
    }
}

#[test]
fn what_came_before_the_end_is_delivered() {
    for (how, end) in ends() {
        let bus = Bus::new();
        let (mut next, mut stream) = (
            bus.next(&NUMBER),
            bus.stream(&NUMBER, 1, Overflow::DropNewest),
        );
        bus.emit(&NUMBER, &1);
        bus.emit(&NUMBER, &2);
        end(bus);
        assert_eq!(poll(&mut next), Poll::Ready(Ok(1)), "{how}");
        assert_eq!(
            all(&mut stream),
            (vec!["1".into(), "(1)".into()], true),
            "{how}"
        );
    }
}

#[test]
fn a_close_inside_of_an_emission_wakes_before_that_ends() {
    let signal = Signal::<u32>::new();
    let (count, waker) = counting();
    let woken = Log::default();
    let _closing = signal.subscribe().priority(1).on({
        let (own, woken, count) = (signal.downgrade(), woken.clone(), count.clone());
        move |_| {
            own.upgrade().unwrap().close();
            woken.add(count.count());
        }
    });
    let (mut next, mut stream) = (signal.next(), signal.stream(1, Overflow::Reject));
    assert!(poll_with(&mut next, &waker).is_pending());
    assert!(
        stream
            .poll_next_unpin(&mut Context::from_waker(&waker))
            .is_pending()
    );
    assert_eq!(signal.emit(&1).ran(), 1);
    assert_eq!(woken.take(), ["2"]);
    assert_eq!(poll(&mut next), Poll::Ready(Err(closed())));
    assert_eq!(all(&mut stream), (vec![], true));
}

#[test]
fn dropping_unsubscribes_and_drops_what_had_come() {
    let log = Log::default();
    let signal = Signal::<Arc<Dropped>>::new();
    let (next, stream) = (signal.next(), signal.stream(4, Overflow::Reject));
    let (never, pending) = (
        signal.next_where(|_| false),
        signal.stream(4, Overflow::Reject),
    );
    assert_eq!(signal.len(), 4);
    drop((never, pending));
    assert_eq!(signal.len(), 2);
    signal.emit(&Arc::new(Dropped(log.clone(), "event")));
    assert!(log.take().is_empty());
    drop(next);
    assert!(log.take().is_empty());
    drop(stream);
    assert_eq!(log.take(), ["drop event"]);
    assert!(signal.is_empty());
}
