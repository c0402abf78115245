//! Promise 12: threads take turns to call a handler that changes its captures.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use slotcast::{Signal, WaitError};

#[test]
fn threads_take_turns_to_call_a_handler_that_changes_its_captures() {
    let signal = Signal::<u32>::new();
    let (sum, inside) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    // Sent and not shared.
    let total = std::cell::Cell::new(0);
    let _sub = signal.on_mut({
        let sum = sum.clone();
        move |n| {
            assert_eq!(inside.fetch_add(1, SeqCst), 0, "one at a time");
            total.set(total.get() + *n as usize);
            sum.store(total.get(), SeqCst);
            inside.fetch_sub(1, SeqCst);
        }
    });
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| assert_eq!(signal.emit(&1).ran(), 1)));
        }
    });
    assert_eq!(sum.load(SeqCst), 4000);
}

#[test]
fn whoever_waits_for_a_turn_does_not_call_a_handler_that_was_cancelled() {
    let signal = Signal::<u32>::new();
    let (inside, entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let mut calls = 0;
    let sub = signal.on_mut(move |_| {
        calls += 1;
        assert_eq!(calls, 1);
        inside.send(()).unwrap();
        may_leave.recv().unwrap();
    });
    thread::scope(|scope| {
        let first = scope.spawn(|| signal.emit(&1).ran());
        entered.recv().unwrap();
        let second = scope.spawn(|| signal.emit(&2).ran());
        // It may not have come as far as the turn; then it finds the handler cancelled.
        thread::sleep(Duration::from_millis(20));
        assert_eq!(
            sub.cancel_and_wait_timeout(Duration::ZERO),
            Err(WaitError::TimedOut)
        );
        leave.send(()).unwrap();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (1, 0));
        assert_eq!(sub.cancel_and_wait(), Ok(()));
    });
}

#[test]
fn a_turn_that_another_thread_has_is_no_reentry() {
    let (outer, inner) = (Signal::<u32>::new(), Signal::<u32>::new());
    let calls = Arc::new(AtomicUsize::new(0));
    let _inner = inner.on_mut({
        let calls = calls.clone();
        move |_| {
            thread::sleep(Duration::from_millis(1));
            calls.fetch_add(1, SeqCst);
        }
    });
    let _forward = outer.forward_to(&inner);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert!(outer.emit(&1).errors().is_empty());
                }
            });
        }
    });
    assert_eq!(calls.load(SeqCst), 20);
}
