//! Futures for one event and streams: whoever waits is told of events, of room, and of the end.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use loom::thread;
use slotcast::{Overflow, Signal};

use super::{block_on, model};

/// What a stream yields next.
fn item(stream: &mut slotcast::EventStream<u32>) -> Option<u32> {
    block_on(poll_fn(|context| Pin::new(&mut *stream).poll_next(context))).map(Result::unwrap)
}

/// Planted: `Untold`.
#[test]
fn next_against_emit() {
    model(|| {
        let signal = Signal::<u32>::new();
        let next = signal.next();
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&1).ran()
        });
        assert_eq!(block_on(next), Ok(1));
        assert_eq!(emitting.join().unwrap(), 1);
        assert!(signal.is_empty());
    });
}

/// Of two events one is the first, and the other goes on to nobody. Planted: none of its own.
#[test]
fn next_against_two_that_emit() {
    model(|| {
        let signal = Signal::<u32>::new();
        let next = signal.next();
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&1).ran()
        });
        let ran = signal.emit(&2).ran() + emitting.join().unwrap();
        assert!(block_on(next).is_ok() && ran == 1);
    });
}

/// Planted: `Unended`, `Untold`.
#[test]
fn next_against_close() {
    model(|| {
        let signal = Signal::<u32>::new();
        let next = signal.next();
        let closing = thread::spawn({
            let signal = signal.clone();
            move || signal.close()
        });
        assert!(block_on(next).is_err());
        closing.join().unwrap();
    });
}

/// The thread that waits, without an executor. Planted: `Untold`.
#[test]
fn a_thread_that_waits_is_told() {
    model(|| {
        let signal = Signal::<u32>::new();
        let next = signal.next();
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.emit(&1)
        });
        assert_eq!(next.wait(), Ok(1));
        emitting.join().unwrap();
    });
}

/// A task that moves to another waker hears by that one. Planted: `Unchanged`, `Untold`.
#[test]
fn a_waker_is_replaced_while_the_event_comes() {
    model(|| {
        let signal = Signal::<u32>::new();
        let mut next = signal.next();
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.emit(&1)
        });
        match Pin::new(&mut next).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(event) => assert_eq!(event, Ok(1)),
            Poll::Pending => assert_eq!(block_on(next), Ok(1)),
        }
        emitting.join().unwrap();
    });
}

/// Planted: `Untold`, `Unended`.
#[test]
fn a_stream_against_emit_and_close() {
    model(|| {
        let signal = Signal::<u32>::new();
        let mut stream = signal.stream(1, Overflow::DropNewest);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || {
                signal.emit(&1);
                signal.close();
            }
        });
        assert_eq!(item(&mut stream), Some(1));
        assert_eq!(item(&mut stream), None);
        emitting.join().unwrap();
    });
}

/// Whoever waits for room gets it from the task that takes. Planted: `Roomless`.
#[test]
fn a_stream_makes_room_for_those_who_emit() {
    model(|| {
        let signal = Signal::<u32>::new();
        let mut stream = signal.stream(1, Overflow::Block);
        signal.emit(&1);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&2).ran()
        });
        assert_eq!(item(&mut stream), Some(1));
        assert_eq!(item(&mut stream), Some(2));
        assert_eq!(emitting.join().unwrap(), 1);
    });
}

/// A stream of two places that has looked, and is full: one event in its outbox, and one in its inbox.
fn full(signal: &Signal<u32>, overflow: Overflow) -> slotcast::EventStream<u32> {
    let mut stream = signal.stream(2, overflow);
    signal.emit(&0);
    signal.emit(&1);
    assert_eq!(stream.try_take(), Some(Ok(0)));
    signal.emit(&2);
    stream
}

/// One that is taken makes room, whether or not the stream comes again. Planted: `Roomless`,
/// `Unlooked`.
#[test]
fn one_that_is_taken_makes_room() {
    model(|| {
        let signal = Signal::<u32>::new();
        let mut stream = full(&signal, Overflow::Block);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&3).ran()
        });
        assert_eq!(stream.try_take(), Some(Ok(1)));
        assert_eq!(emitting.join().unwrap(), 1);
        assert_eq!(stream.try_take(), Some(Ok(2)));
        assert_eq!(stream.try_take(), Some(Ok(3)));
    });
}

/// What is dropped for a new one was not taken, and there was no room. Planted: `Unlooked`.
#[test]
fn a_stream_against_one_who_drops_its_oldest() {
    model(|| {
        let signal = Signal::<u32>::new();
        let mut stream = full(&signal, Overflow::DropOldest);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.emit(&3)
        });
        match stream.try_take() {
            Some(Ok(first)) => assert_eq!(first, 1),
            lost => assert_eq!(lost.unwrap().unwrap_err().lost(), 1),
        }
        emitting.join().unwrap();
        assert_eq!(stream.try_take(), Some(Ok(2)));
        assert_eq!(stream.try_take(), Some(Ok(3)));
        assert_eq!((stream.try_take(), stream.len()), (None, 0));
    });
}

/// A stream that goes lets those go on who wait for room. Planted: `Roomless`.
#[test]
fn a_stream_that_goes_against_one_who_waits_for_room() {
    model(|| {
        let signal = Signal::<u32>::new();
        let stream = signal.stream(1, Overflow::Block);
        signal.emit(&1);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&2).ran()
        });
        drop(stream);
        assert_eq!(emitting.join().unwrap(), 0);
        assert!(signal.is_empty());
    });
}
