//! The waiting cancel: it is woken, and finds the captures gone.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::thread;
use slotcast::Signal;

use super::{Captures, model};

/// Planted: `Unawaited` (never woken), `Unpaid`.
#[test]
fn the_waiting_cancel_wakes_and_finds_the_captures_gone() {
    model(|| {
        let signal = Signal::<u32>::new();
        let dropped = Arc::new(AtomicUsize::new(0));
        let captures = Captures::new(&dropped);
        let sub = signal.on(move |_| captures.read());
        signal.emit(&0);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.emit(&1)
        });
        sub.cancel_and_wait().unwrap();
        assert_eq!(dropped.load(SeqCst), 1);
        emitting.join().unwrap();
    });
}

/// Where a future waits, emissions publish no list. Planted: `Unawaited`.
#[test]
fn the_waiting_cancel_waits_for_an_emission_that_a_future_waits_for() {
    model(|| {
        let signal = Signal::<u32>::new();
        let dropped = Arc::new(AtomicUsize::new(0));
        let captures = Captures::new(&dropped);
        let sub = signal.on(move |_| captures.read());
        let _next = signal.next();
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.emit(&1)
        });
        sub.cancel_and_wait().unwrap();
        assert_eq!(dropped.load(SeqCst), 1);
        emitting.join().unwrap();
    });
}

/// Planted: `Unawaited`.
#[test]
fn two_threads_wait_for_one_handler() {
    model(|| {
        let signal = Signal::<u32>::new();
        let dropped = Arc::new(AtomicUsize::new(0));
        let captures = Captures::new(&dropped);
        let sub = std::sync::Arc::new(signal.on(move |_| captures.read()));
        signal.emit(&0);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.emit(&1)
        });
        let waiting = thread::spawn({
            let (sub, dropped) = (sub.clone(), dropped.clone());
            move || {
                sub.cancel_and_wait().unwrap();
                assert_eq!(dropped.load(SeqCst), 1);
            }
        });
        sub.cancel_and_wait().unwrap();
        assert_eq!(dropped.load(SeqCst), 1);
        emitting.join().unwrap();
        waiting.join().unwrap();
    });
}

/// Whoever waits for a handler that was replaced waits for the old one, the new one, and the filter.
/// Planted: `Unreplaced`, `Unawaited`.
#[test]
fn the_waiting_cancel_waits_for_what_was_replaced_too() {
    model(|| {
        let signal = Signal::<u32>::new();
        let dropped = Arc::new(AtomicUsize::new(0));
        let [filter, old, new] = [(); 3].map(|()| Captures::new(&dropped));
        let sub = signal
            .subscribe()
            .filter(move |_| {
                filter.read();
                true
            })
            .on(move |_| old.read());
        signal.emit(&0);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.emit(&1)
        });
        sub.replace(move |_: &u32| new.read()).unwrap();
        sub.cancel_and_wait().unwrap();
        assert_eq!(dropped.load(SeqCst), 3);
        emitting.join().unwrap();
    });
}
