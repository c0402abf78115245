//! Sinks that are fed by a signal, and signals that are fed by a stream.

use std::pin::pin;
use std::task::Poll;

use futures::stream;

use super::{Signal, counting, poll, poll_with};
use crate::log::{Log, boom, panic_of};

#[test]
fn a_sink_gets_clones_and_tells_of_its_back_pressure() {
    let signal = Signal::<u32>::new();
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let sub = signal
        .subscribe()
        .filter(|n| *n > 1)
        .send_to(move |n| sender.try_send(n));
    for (n, failures) in [(1, 0), (2, 0), (3, 1)] {
        assert_eq!(signal.emit(&n).errors().len(), failures);
    }
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [2]);
    drop(receiver);
    assert_eq!(signal.emit(&4).errors().len(), 1);
    drop(sub);
    assert!(signal.is_empty());
}

#[test]
fn emit_all_emits_until_the_stream_ends_or_the_signal_is_closed() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let _sub = signal.on({
        let (own, log) = (signal.downgrade(), log.clone());
        move |n| {
            log.add(n);
            if *n == 100 {
                own.upgrade().unwrap().close();
            }
        }
    });
    let mut all = signal.emit_all(stream::iter([1, 2]));
    assert_eq!((poll(&mut all), log.take().len()), (Poll::Ready(2), 2));
    assert_eq!(poll(&mut all), Poll::Ready(2), "it has completed");
    let (count, waker) = counting();
    let mut all = signal.emit_all(stream::iter(1..));
    assert!(
        poll_with(&mut all, &waker).is_pending(),
        "others have their turn"
    );
    assert_eq!((count.count(), log.take().len()), (1, 64));
    assert_eq!(
        (poll_with(&mut all, &waker), log.take().len()),
        (Poll::Ready(100), 36)
    );
    assert_eq!(
        poll(&mut pin!(signal.emit_all(stream::repeat(1)))),
        Poll::Ready(0)
    );
}

#[test]
fn emit_all_goes_on_after_a_handler_that_panics() {
    let signal = Signal::<u32>::new();
    let _sub = signal.on(|n| {
        if *n == 2 {
            boom("two")
        }
    });
    let mut all = signal.emit_all(stream::iter(1..=3));
    assert_eq!(panic_of(|| poll(&mut all)), "two");
    assert_eq!(poll(&mut all), Poll::Ready(3));
}
