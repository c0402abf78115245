//! One signal: emissions against whatever changes its handlers.

use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::sync::{Arc, Mutex};
use loom::thread;
use slotcast::{Bus, FailureKind, Flow, Signal, Subscription, Topic, WaitError};

use super::{Captures, model};

const TOPIC: Topic<u32> = Topic::new("room.one");

/// Planted: `Unpublished`.
#[test]
fn publish_against_emit() {
    model(|| {
        let signal = Signal::<u32>::new();
        let _first = signal.on(|_| ());
        signal.emit(&0);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || (signal.emit(&1).ran(), signal.emit(&2).ran())
        });
        let _second = signal.on(|_| ());
        assert_eq!(signal.emit(&3).ran(), 2);
        let (one, two) = emitting.join().unwrap();
        assert!(one == 1 || (one == 2 && two == 2), "{one} {two}");
    });
}

/// Planted: `Unpaid`, `Unfenced`.
#[test]
fn cancel_against_emit_drops_captures_promptly() {
    model(|| {
        let signal = Signal::<u32>::new();
        let dropped = Arc::new(AtomicUsize::new(0));
        let captures = Captures::new(&dropped);
        let sub = signal.on(move |_| captures.read());
        signal.emit(&0);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&1).ran()
        });
        sub.cancel();
        assert_eq!(signal.emit(&2).ran(), 0);
        emitting.join().unwrap();
        // No emission runs any more: the captures are gone, once.
        assert_eq!(dropped.load(SeqCst), 1);
    });
}

/// A followed signal publishes its list aside. Planted: none of its own.
#[cfg(feature = "follow")]
#[test]
fn cancel_against_a_followed_emission_drops_captures_promptly() {
    model(|| {
        let bus: Bus = Bus::new();
        let following = bus.follow(slotcast::Follow::new().tail(1));
        let signal = bus.signal(&TOPIC);
        let dropped = Arc::new(AtomicUsize::new(0));
        let captures = Captures::new(&dropped);
        let sub = signal.on(move |_| captures.read());
        signal.emit(&0);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&1).ran()
        });
        sub.cancel();
        assert_eq!(signal.emit(&2).ran(), 0);
        emitting.join().unwrap();
        assert_eq!(dropped.load(SeqCst), 1);
        drop(following);
    });
}

/// The list that was published aside is taken out when the following ends. Planted: none of its own.
#[cfg(feature = "follow")]
#[test]
fn a_following_that_ends_against_emit() {
    model(|| {
        let bus: Bus = Bus::new();
        let following = bus.follow(slotcast::Follow::new().tail(1));
        let signal = bus.signal(&TOPIC);
        let dropped = Arc::new(AtomicUsize::new(0));
        let captures = Captures::new(&dropped);
        let sub = signal.on(move |_| captures.read());
        signal.emit(&0);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&1).ran()
        });
        drop(following);
        let after = signal.emit(&2);
        assert_eq!((after.ran(), after.cause()), (1, None));
        assert_eq!(emitting.join().unwrap(), 1);
        drop(sub);
        assert_eq!(dropped.load(SeqCst), 1);
    });
}

/// Planted: `Unpaid`, `Unfenced`.
#[test]
fn the_last_of_two_readers_drops_the_captures() {
    model(|| {
        let signal = Signal::<u32>::new();
        let dropped = Arc::new(AtomicUsize::new(0));
        let captures = Captures::new(&dropped);
        let sub = signal.on(move |_| captures.read());
        signal.emit(&0);
        let emitting: Vec<_> = (0..2)
            .map(|_| {
                let signal = signal.clone();
                thread::spawn(move || _ = signal.emit(&1))
            })
            .collect();
        drop(sub);
        for thread in emitting {
            thread.join().unwrap();
        }
        assert_eq!(dropped.load(SeqCst), 1);
    });
}

/// A list that nobody reads is changed, and published again at the same address. Planted: none of its own; `Alone` breaks what it does.
#[test]
fn a_list_that_is_changed_against_emit() {
    model(|| {
        let signal = Signal::<u32>::new();
        let dropped = Arc::new(AtomicUsize::new(0));
        let (stays, goes) = (Captures::new(&dropped), Captures::new(&dropped));
        let _first = signal.on(move |_| stays.read());
        signal.emit(&0);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&1).ran()
        });
        let second = signal.on(move |_| goes.read());
        assert_eq!(signal.emit(&2).ran(), 2);
        second.cancel();
        assert_eq!(signal.emit(&3).ran(), 1);
        assert!([1, 2].contains(&emitting.join().unwrap()));
        assert_eq!(dropped.load(SeqCst), 1);
    });
}

/// Cancels another handler when it is dropped, and waits for that.
struct Waits {
    other: Option<Subscription>,
    /// Told if this thread waits in vain.
    thread: thread::ThreadId,
    in_vain: Arc<AtomicUsize>,
}

impl Drop for Waits {
    fn drop(&mut self) {
        let other = self.other.take();
        let answer = other.map(|other| other.cancel_and_wait_timeout(Duration::ZERO));
        if answer == Some(Err(WaitError::TimedOut)) && thread::current().id() == self.thread {
            self.in_vain.fetch_add(1, SeqCst);
        }
    }
}

/// A list that was changed, and is given up before it is published again. Planted: `old-scope`.
#[test]
fn what_a_list_drops_is_inside_of_it() {
    model(|| {
        let signal = Signal::<u32>::new();
        let in_vain = Arc::new(AtomicUsize::new(0));
        let captures = Arc::new(Mutex::new(Waits {
            other: None,
            thread: thread::current().id(),
            in_vain: in_vain.clone(),
        }));
        let first = signal.on({
            let captures = captures.clone();
            move |_| _ = &captures
        });
        signal.emit(&0);
        captures.lock().unwrap().other = Some(signal.on(|_| ()));
        drop(captures);
        let cancelling = thread::spawn(move || drop(first));
        signal.clear();
        cancelling.join().unwrap();
        assert_eq!(in_vain.load(SeqCst), 0);
    });
}

/// Planted: `Unasked`.
#[test]
fn a_signal_that_begins_to_keep_events_keeps_the_next() {
    model(|| {
        let signal = Signal::<u32>::new();
        let _sub = signal.on(|_| ());
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.emit(&1)
        });
        signal.retain_last();
        emitting.join().unwrap();
        signal.emit(&2);
        assert_eq!(signal.last(), Some(2));
    });
}

/// Where a future waits, emissions publish no list. Planted: `Unexpected`.
#[test]
fn a_new_handler_of_a_signal_that_keeps_events_is_given_none_that_are_not_kept() {
    model(|| {
        let signal = Signal::<u32>::new();
        let _next = signal.next();
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.emit(&1)
        });
        signal.retain_last();
        let calls = Arc::new(AtomicUsize::new(0));
        let counts = calls.clone();
        let _sub = signal.on(move |_| _ = counts.fetch_add(1, SeqCst));
        emitting.join().unwrap();
        assert_eq!(signal.last().is_some(), calls.load(SeqCst) == 1);
    });
}

/// Planted: `Unhooked`.
#[test]
fn a_new_hook_for_unhandled_events_is_told_of_the_next() {
    model(|| {
        let bus = Bus::new();
        let signal = bus.signal(&TOPIC);
        bus.set_unhandled_hook(|_| ());
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.emit(&1)
        });
        let told = Arc::new(AtomicUsize::new(0));
        bus.set_unhandled_hook({
            let told = told.clone();
            move |_| _ = told.fetch_add(1, SeqCst)
        });
        emitting.join().unwrap();
        let before = told.load(SeqCst);
        signal.emit(&2);
        assert_eq!(told.load(SeqCst), before + 1);
    });
}

/// Slots are shared by all signals of a thread. That a snapshot of one comes to stand where one of the
/// other has been cannot be modelled (the allocator chooses), and is left to
/// `tests/it/threads/signals.rs`. Planted: `Unpaid`.
#[test]
fn two_signals_take_turns_in_one_slot() {
    model(|| {
        let (one, two) = (Signal::<u32>::new(), Signal::<[u64; 3]>::new());
        let dropped = Arc::new(AtomicUsize::new(0));
        let captures = Captures::new(&dropped);
        let first = one.on(move |_| captures.read());
        one.emit(&0);
        let emitting = thread::spawn({
            let (one, two) = (one.clone(), two.clone());
            move || {
                one.emit(&1);
                two.emit(&[2; 3]);
            }
        });
        drop(first);
        let captures = Captures::new(&dropped);
        let second = two.on(move |_| captures.read());
        two.emit(&[0; 3]);
        drop(second);
        emitting.join().unwrap();
        assert_eq!(dropped.load(SeqCst), 2);
    });
}

/// Planted: none of its own; `Unpaid` breaks the list it walks.
#[test]
fn a_limit_is_claimed_once_by_two_threads() {
    model(|| {
        let signal = Signal::<u32>::new();
        let calls = Arc::new(AtomicUsize::new(0));
        let sub = signal.once({
            let calls = calls.clone();
            move |_| _ = calls.fetch_add(1, SeqCst)
        });
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&1).ran()
        });
        let ran = signal.emit(&2).ran() + emitting.join().unwrap();
        assert_eq!((ran, calls.load(SeqCst), sub.is_active()), (1, 1, false));
    });
}

/// Planted: `Unpaid`.
#[test]
fn close_against_emit() {
    model(|| {
        let signal = Signal::<u32>::new();
        let dropped = Arc::new(AtomicUsize::new(0));
        let captures = Captures::new(&dropped);
        let _sub = signal.on(move |_| captures.read());
        signal.emit(&0);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.emit(&1)
        });
        signal.close();
        assert!(signal.emit(&2).is_closed());
        emitting.join().unwrap();
        assert_eq!(dropped.load(SeqCst), 1);
    });
}

/// The handler writes to what it captured, without a lock of its own. Entered from its own call it is
/// refused; the turn of another thread is waited for. Planted: `Unowned` (it waits for itself).
#[test]
fn threads_take_turns_and_reentry_is_refused() {
    model(|| {
        let signal = Signal::<u32>::new();
        let (cell, own) = (UnsafeCell::new(0), signal.downgrade());
        let calls = Arc::new(AtomicUsize::new(0));
        let _sub = signal.on_mut({
            let calls = calls.clone();
            move |n| {
                cell.with_mut(|_| ());
                calls.fetch_add(1, SeqCst);
                if *n == 1 {
                    let again = own.upgrade().unwrap().emit(&2);
                    assert_eq!(again.errors()[0].kind(), FailureKind::Reentered);
                }
            }
        });
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&1).ran()
        });
        assert_eq!(signal.emit(&0).ran(), 1);
        assert_eq!((emitting.join().unwrap(), calls.load(SeqCst)), (1, 2));
    });
}

/// Whatever is subscribed meanwhile is paused, and called again after the pause. Planted: `Unheld`.
#[test]
fn pause_against_subscribe() {
    model(|| {
        let signal = Signal::<u32>::new();
        let _first = signal.on(|_| ());
        let subscribing = thread::spawn({
            let signal = signal.clone();
            move || signal.on(|_| ())
        });
        let pause = signal.pause();
        let _second = subscribing.join().unwrap();
        assert_eq!(signal.emit(&1).ran(), 0);
        drop(pause);
        assert_eq!((signal.emit(&2).ran(), signal.emit(&3).ran()), (2, 2));
    });
}

/// A pause that ends while another begins: the handlers are told to look as long as there is one.
#[test]
fn pause_against_the_end_of_another() {
    model(|| {
        let signal = Signal::<u32>::new();
        let _sub = signal.on(|_| ());
        drop(signal.pause());
        let emitting = thread::spawn({
            let signal = signal.clone();
            // The first call after a pause, which takes the flags away.
            move || signal.emit(&1).ran()
        });
        let pause = signal.pause();
        assert_eq!(signal.emit(&2).ran(), 0);
        emitting.join().unwrap();
        assert_eq!(signal.emit(&3).ran(), 0);
        drop(pause);
        assert_eq!(signal.emit(&4).ran(), 1);
    });
}

/// One thread may wait for the turn of the other, whose call is the last. Planted: `Unfinished`.
#[test]
fn a_turn_that_cancels_is_the_last() {
    model(|| {
        let signal = Signal::<u32>::new();
        let calls = Arc::new(AtomicUsize::new(0));
        let sub = signal.on_mut({
            let calls = calls.clone();
            move |_| {
                calls.fetch_add(1, SeqCst);
                Flow::Cancel
            }
        });
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&1).ran()
        });
        let ran = signal.emit(&2).ran() + emitting.join().unwrap();
        assert_eq!((ran, calls.load(SeqCst), sub.is_active()), (1, 1, false));
    });
}

/// Each emission calls the old or the new one. The old captures are dropped with the last emission that
/// has them, the filter with the last of both. Planted: `Unpaid`.
#[test]
fn replace_against_emit() {
    model(|| {
        let signal = Signal::<u32>::new();
        let counts = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        let dropped = || counts.each_ref().map(|count| count.load(SeqCst));
        let [filter, old, new] = counts.each_ref().map(Captures::new);
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
            move || signal.emit(&1).ran()
        });
        sub.replace(move |_: &u32| new.read()).unwrap();
        assert_eq!(signal.emit(&2).ran(), 1);
        assert_eq!(emitting.join().unwrap(), 1);
        assert_eq!(dropped(), [0, 1, 0]);
        drop(sub);
        assert_eq!(dropped(), [1, 1, 1]);
    });
}

/// Planted: `Unlocked`.
#[test]
fn a_kept_event_reaches_a_new_handler_once() {
    model(|| {
        let signal = Signal::<u32>::new();
        signal.retain_last();
        let calls = Arc::new(AtomicUsize::new(0));
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.emit(&1)
        });
        let sub = signal.on({
            let calls = calls.clone();
            move |_| _ = calls.fetch_add(1, SeqCst)
        });
        emitting.join().unwrap();
        assert_eq!(calls.load(SeqCst), 1);
        drop(sub);
    });
}

/// Uses the signal when it is dropped.
struct Emits(slotcast::WeakSignal<u32>);

impl Drop for Emits {
    fn drop(&mut self) {
        if let Some(signal) = self.0.upgrade() {
            signal.emit(&2);
        }
    }
}

/// What is cleared while it is handed what is kept is not dropped under the lock. Planted: none of its
/// own.
#[test]
fn clear_against_a_kept_event() {
    model(|| {
        let signal = Signal::<u32>::new();
        signal.retain_last();
        let clearing = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.clear()
        });
        let captured = Emits(signal.downgrade());
        let sub = signal.on(move |_| _ = &captured);
        clearing.join().unwrap();
        drop(sub);
    });
}

/// Planted: `Unordered`.
#[test]
fn a_handler_sees_kept_events_in_order() {
    model(|| {
        let signal = Signal::<usize>::new();
        signal.retain_last();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let _sub = signal.on({
            let seen = seen.clone();
            move |n| seen.lock().unwrap().push(*n)
        });
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.emit(&1)
        });
        signal.emit(&2);
        emitting.join().unwrap();
        let seen = seen.lock().unwrap().clone();
        assert_eq!((seen.len(), seen.last().copied()), (2, signal.last()));
    });
}

/// Planted: `Unordered`.
#[test]
fn a_late_comer_ends_with_the_last_kept_event() {
    model(|| {
        let signal = Signal::<usize>::new();
        signal.retain_last();
        signal.emit(&1);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.emit(&2)
        });
        let seen = Arc::new(AtomicUsize::new(0));
        let _late = signal.on({
            let seen = seen.clone();
            move |n| seen.store(*n, SeqCst)
        });
        emitting.join().unwrap();
        assert_eq!(seen.load(SeqCst), 2);
    });
}

/// Uses the signal when it is dropped, and lends it a context.
struct EmitsWith(slotcast::WeakSignal<u32, u8>);

impl Drop for EmitsWith {
    fn drop(&mut self) {
        if let Some(signal) = self.0.upgrade() {
            signal.emit_with(&mut 0, &2);
        }
    }
}

/// What is cleared while it waits for a context is not dropped under the lock either. Planted: `Undelayed`.
#[test]
fn clear_against_a_kept_event_that_waits_for_a_context() {
    model(|| {
        let signal = Signal::<u32, u8>::with_context();
        signal.retain_last();
        signal.emit_with(&mut 0, &1);
        let clearing = thread::spawn({
            let signal = signal.clone();
            move || _ = signal.clear()
        });
        let captured = EmitsWith(signal.downgrade());
        let sub = signal.on(move |_| _ = &captured);
        clearing.join().unwrap();
        drop(sub);
    });
}

/// Whoever lends a context first hands them over. Planted: `Unordered`.
#[test]
fn a_drain_and_an_emission_hand_kept_events_over_in_order() {
    model(|| {
        let bus = Bus::<u8>::with_context();
        bus.retain_last(&TOPIC);
        bus.emit_with(&mut 0, &TOPIC, &1);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let _sub = bus.on(&TOPIC, {
            let seen = seen.clone();
            move |n| seen.lock().unwrap().push(*n)
        });
        let emitting = thread::spawn({
            let bus = bus.clone();
            move || _ = bus.emit_with(&mut 0, &TOPIC, &2)
        });
        bus.queue().drain_with(&mut 0);
        emitting.join().unwrap();
        assert_eq!(*seen.lock().unwrap(), [1, 2]);
    });
}
