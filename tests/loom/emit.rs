//! Models of what threads do to one another, run in every order by loom.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test --release --test loom
//! ```
//!
//! Each model names the planted faults that turn it red: with `SLOTCAST_PLANTED=Unpaid`, say, it
//! has to fail. The code under test is the crate's own, with loom's atomics, locks and thread-locals.

#![cfg(loom)]

use loom::cell::UnsafeCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use slotcast::{Bus, FailureKind, Overflow, Queue, Signal, Topic};

/// All orders with at most this many preemptions.
const PREEMPTIONS: usize = 3;

fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(f);
}

/// Captures whose use and whose drop loom watches: reading it while it is dropped is a data race.
struct Captures {
    cell: UnsafeCell<u32>,
    dropped: Arc<AtomicUsize>,
}

impl Captures {
    fn new(dropped: &Arc<AtomicUsize>) -> Self {
        Captures {
            cell: UnsafeCell::new(0),
            dropped: dropped.clone(),
        }
    }
    fn read(&self) {
        self.cell.with(|_| ());
    }
}

impl Drop for Captures {
    fn drop(&mut self) {
        self.cell.with_mut(|_| ());
        self.dropped.fetch_add(1, SeqCst);
    }
}

// SAFETY: the cell is written to by the drop alone, which has it exclusively; loom checks that.
unsafe impl Sync for Captures {}

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

/// Slots are shared by all signals of a thread. That a snapshot of one comes to stand where one of the
/// other has been cannot be modelled (the allocator chooses), and is left to `tests/it/threads.rs`.
/// Planted: `Unpaid`.
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

/// Each emission calls the old or the new one. The old captures go with the last emission that has
/// them, the filter with the last of both. Planted: `Unreplaced` (the filter goes with the old ones).
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

/// Whoever drains when it is woken, and only then, gets everything. Planted: `Unwoken`.
#[test]
fn a_wake_is_never_lost() {
    model(|| {
        let queue = Queue::new();
        let (wakes, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        queue.on_ready({
            let wakes = wakes.clone();
            move || _ = wakes.fetch_add(1, SeqCst)
        });
        let post = |queue: &Queue| {
            let done = done.clone();
            queue.post(move || _ = done.fetch_add(1, SeqCst)).unwrap();
        };
        post(&queue);
        let posting = thread::spawn({
            let (queue, done) = (queue.clone(), done.clone());
            move || queue.post(move || _ = done.fetch_add(1, SeqCst)).unwrap()
        });
        let drain_if_woken = || {
            if wakes.swap(0, SeqCst) > 0 {
                queue.drain();
            }
        };
        drain_if_woken();
        posting.join().unwrap();
        // At most one more: the first drain may have left the second event behind.
        drain_if_woken();
        assert_eq!(done.load(SeqCst), 2);
    });
}

/// Planted: `Untolled`.
#[test]
fn run_returns_when_the_queue_is_closed_and_empty() {
    model(|| {
        let queue = Queue::new();
        let done = Arc::new(AtomicUsize::new(0));
        let running = thread::spawn({
            let queue = queue.clone();
            move || queue.run().delivered()
        });
        let posted = done.clone();
        queue.post(move || _ = posted.fetch_add(1, SeqCst)).unwrap();
        queue.close();
        assert_eq!(running.join().unwrap(), 1);
        assert_eq!(done.load(SeqCst), 1);
    });
}

const TOPIC: Topic<u32> = Topic::new("room.one");

/// Planted: `Unrenewed`.
#[test]
fn cancel_of_a_pattern_against_emit_drops_captures_promptly() {
    model(|| {
        let bus = Bus::new();
        let signal = bus.signal(&TOPIC);
        let dropped = Arc::new(AtomicUsize::new(0));
        let captures = Captures::new(&dropped);
        let _stays = bus.on_pattern("room.*", |_| ());
        let sub = bus.on_pattern("room.*", move |_| captures.read());
        signal.emit(&0);
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&1).ran()
        });
        sub.cancel();
        emitting.join().unwrap();
        assert_eq!(dropped.load(SeqCst), 1);
        assert_eq!(signal.emit(&2).ran(), 1);
    });
}

/// Planted: `Unattached`.
#[test]
fn a_pattern_and_a_topic_that_meet_find_each_other() {
    model(|| {
        let bus = Bus::new();
        let subscribing = thread::spawn({
            let bus = bus.clone();
            move || bus.on_pattern("room.*", |_| ())
        });
        let signal = bus.signal(&TOPIC);
        signal.emit(&0);
        let sub = subscribing.join().unwrap();
        assert_eq!(signal.emit(&1).ran(), 1);
        drop(sub);
        assert_eq!(signal.emit(&2).ran(), 0);
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

/// An executor of one task, whose thread waits until it is woken.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Bell(Mutex<bool>, Condvar);
    impl Wake for Bell {
        fn wake(self: std::sync::Arc<Self>) {
            *self.0.lock().unwrap() = true;
            self.1.notify_all();
        }
    }
    let bell = std::sync::Arc::new(Bell(Mutex::new(false), Condvar::new()));
    let waker = Waker::from(bell.clone());
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let mut woken = bell.0.lock().unwrap();
        while !*woken {
            woken = bell.1.wait(woken).unwrap();
        }
        *woken = false;
    }
}

/// A task that drains whenever `ready` says so, and only then, gets everything. Planted: `Unheard`.
#[test]
fn ready_is_never_left_waiting() {
    model(|| {
        let queue = Queue::new();
        let done = Arc::new(AtomicUsize::new(0));
        let posting = thread::spawn({
            let (queue, done) = (queue.clone(), done.clone());
            move || queue.post(move || _ = done.fetch_add(1, SeqCst)).unwrap()
        });
        assert!(block_on(queue.ready()));
        assert_eq!(queue.drain().delivered(), 1);
        posting.join().unwrap();
        assert_eq!(done.load(SeqCst), 1);
    });
}

/// Planted: `Untolled`.
#[test]
fn ready_ends_when_the_queue_is_closed() {
    model(|| {
        let queue = Queue::new();
        let waiting = thread::spawn({
            let queue = queue.clone();
            move || block_on(queue.ready())
        });
        queue.close();
        assert!(!waiting.join().unwrap());
    });
}

/// Whoever waits for room gets it from the drain. Planted: `Roomless`.
#[test]
fn a_drain_makes_room_for_those_who_wait() {
    model(|| {
        let (queue, signal) = (Queue::new().bounded(1, Overflow::Block), Signal::new());
        queue.defer(&signal, 1).unwrap();
        let waiting = thread::spawn({
            let (queue, signal) = (queue.clone(), signal.clone());
            move || queue.defer(&signal, 2).unwrap()
        });
        assert!(queue.drain().delivered() >= 1);
        waiting.join().unwrap();
        queue.clear();
    });
}

/// Planted: `Untolled`.
#[test]
fn whoever_waits_for_room_is_told_of_the_end() {
    model(|| {
        let (queue, signal) = (Queue::new().bounded(1, Overflow::Block), Signal::new());
        queue.defer(&signal, 1).unwrap();
        let waiting = thread::spawn({
            let (queue, signal) = (queue.clone(), signal.clone());
            move || queue.defer(&signal, 2).is_err()
        });
        queue.close();
        assert!(waiting.join().unwrap());
        assert_eq!(queue.clear(), 1);
    });
}

/// What is delayed does not keep `run` once the queue is closed. Planted: `Untolled`.
#[test]
fn run_does_not_wait_for_what_is_delayed_in_a_closed_queue() {
    model(|| {
        let (queue, signal) = (Queue::new(), Signal::new());
        let running = thread::spawn({
            let queue = queue.clone();
            move || queue.run().delivered()
        });
        let century = std::time::Duration::MAX;
        queue.defer_after(century, &signal, 1).unwrap();
        queue.close();
        assert_eq!(running.join().unwrap(), 0);
        assert_eq!(queue.clear(), 1);
    });
}

/// An event is delivered, or replaced by one that is. Planted: `Unwoken`.
#[test]
fn the_latest_event_arrives() {
    model(|| {
        let (queue, signal) = (Queue::new(), Signal::new());
        let (wakes, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        queue.on_ready({
            let wakes = wakes.clone();
            move || _ = wakes.fetch_add(1, SeqCst)
        });
        let _sub = signal.on({
            let seen = seen.clone();
            move |n: &usize| seen.store(*n, SeqCst)
        });
        // In front, so that the drain takes the other some time before it delivers it.
        queue.post(|| ()).unwrap();
        queue.defer_latest(&signal, 1).unwrap();
        let replacing = thread::spawn({
            let (queue, signal) = (queue.clone(), signal.clone());
            move || queue.defer_latest(&signal, 2).unwrap()
        });
        let drain_if_woken = || {
            if wakes.swap(0, SeqCst) > 0 {
                queue.drain();
            }
        };
        drain_if_woken();
        replacing.join().unwrap();
        drain_if_woken();
        assert_eq!(seen.load(SeqCst), 2);
    });
}

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
    assert_eq!(stream.try_next(), Some(Ok(0)));
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
        assert_eq!(stream.try_next(), Some(Ok(1)));
        assert_eq!(emitting.join().unwrap(), 1);
        assert_eq!(stream.try_next(), Some(Ok(2)));
        assert_eq!(stream.try_next(), Some(Ok(3)));
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
        match stream.try_next() {
            Some(Ok(first)) => assert_eq!(first, 1),
            lost => assert_eq!(lost.unwrap().unwrap_err().lost(), 1),
        }
        emitting.join().unwrap();
        assert_eq!(stream.try_next(), Some(Ok(2)));
        assert_eq!(stream.try_next(), Some(Ok(3)));
        assert_eq!((stream.try_next(), stream.len()), (None, 0));
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

/// Jobs: what completes them, against whatever else is done to them.
#[cfg(feature = "jobs")]
mod jobs {
    use super::{Arc, AtomicUsize, Mutex, SeqCst, model, thread};
    use std::future::Future;
    use std::sync::atomic::AtomicUsize as Plain;
    use std::task::{Context, Poll, Wake, Waker};

    use slotcast::{Executor, Job, JobError, Jobs, promise};

    /// A pool whose tasks run where the model says so.
    fn by_hand() -> (Jobs, impl Fn() -> Option<Box<dyn FnOnce() + Send>>) {
        let tasks = Arc::new(Mutex::new(Vec::new()));
        let jobs = Jobs::with_executor({
            let tasks = tasks.clone();
            move |task| tasks.lock().unwrap().push(task)
        });
        (jobs, move || tasks.lock().unwrap().pop())
    }

    /// Planted: `Uncalled`.
    #[test]
    fn completion_against_on_done() {
        model(|| {
            let (promise, job) = promise::<u32>();
            let calls = Arc::new(AtomicUsize::new(0));
            let counts = calls.clone();
            job.on_done(move |_| _ = counts.fetch_add(1, SeqCst));
            let completes = thread::spawn(move || promise.complete(7));
            let counts = calls.clone();
            job.on_done(move |outcome| {
                // The first has run.
                assert_eq!((counts.fetch_add(1, SeqCst), outcome), (1, &Ok(7)));
            });
            assert_eq!(job.wait(), Ok(7));
            assert_eq!(calls.load(SeqCst), 2);
            completes.join().unwrap();
        });
    }

    /// Planted: `Unclaimed`.
    #[test]
    fn completion_against_cancel() {
        model(|| {
            let (jobs, next) = by_hand();
            let runs = Arc::new(AtomicUsize::new(0));
            let counts = runs.clone();
            let job = jobs.submit(move |_| _ = counts.fetch_add(1, SeqCst));
            let calls = Arc::new(AtomicUsize::new(0));
            let counts = calls.clone();
            job.on_done(move |_| _ = counts.fetch_add(1, SeqCst));
            let task = next().unwrap();
            let running = thread::spawn(task);
            let cancelled = job.cancel();
            let outcome = job.wait();
            running.join().unwrap();
            assert_eq!(outcome.is_err(), cancelled);
            assert_eq!(runs.load(SeqCst), usize::from(!cancelled));
            assert_eq!(calls.load(SeqCst), 1);
            assert_eq!((jobs.waiting(), jobs.running()), (0, 0));
        });
    }

    struct Value(Arc<AtomicUsize>);

    impl Drop for Value {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// Planted: `Undropped`.
    #[test]
    fn completion_against_drop() {
        model(|| {
            let dropped = Arc::new(AtomicUsize::new(0));
            let (promise, job) = promise();
            // Keeps the job, and not its value.
            let handle = job.handle();
            let value = Value(dropped.clone());
            let completes = thread::spawn(move || promise.complete(value));
            drop(job);
            completes.join().unwrap();
            assert_eq!(dropped.load(SeqCst), 1);
            drop(handle);
        });
    }

    struct Woken(Plain);

    impl Wake for Woken {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn poll(job: &mut Job<u32>, woken: &std::sync::Arc<Woken>) -> Poll<Result<u32, JobError>> {
        let waker = Waker::from(woken.clone());
        std::pin::Pin::new(job).poll(&mut Context::from_waker(&waker))
    }

    /// Planted: `Unlistened`.
    #[test]
    fn a_waker_is_replaced_while_the_job_completes() {
        model(|| {
            let (promise, mut job) = promise::<u32>();
            let woken = [(); 2].map(|()| std::sync::Arc::new(Woken(Plain::new(0))));
            assert!(poll(&mut job, &woken[0]).is_pending());
            let completes = thread::spawn(move || promise.complete(7));
            let second = poll(&mut job, &woken[1]);
            completes.join().unwrap();
            match second {
                Poll::Ready(outcome) => assert_eq!(outcome, Ok(7)),
                // The last waker is woken, once.
                Poll::Pending => {
                    assert_eq!(woken[1].0.load(SeqCst), 1);
                    assert_eq!(poll(&mut job, &woken[0]), Poll::Ready(Ok(7)));
                }
            }
        });
    }

    /// Planted: `Unemployed`.
    #[test]
    fn a_thread_is_woken_for_a_job_and_for_the_end() {
        model(|| {
            let jobs = Jobs::new(1);
            assert_eq!(jobs.submit(|_| 7).wait(), Ok(7));
            assert_eq!(jobs.shutdown(), 0);
        });
    }

    /// Planted: `Unclaimed`.
    #[test]
    fn shutdown_against_a_task_that_starts() {
        model(|| {
            let (jobs, next) = by_hand();
            let runs = Arc::new(AtomicUsize::new(0));
            let counts = runs.clone();
            let job = jobs.submit(move |_| _ = counts.fetch_add(1, SeqCst));
            let running = thread::spawn(next().unwrap());
            let cancelled = job.cancel();
            assert_eq!(jobs.shutdown(), 0);
            // Whatever was running has ended.
            assert_eq!(runs.load(SeqCst), usize::from(!cancelled));
            running.join().unwrap();
            drop(job);
        });
    }

    /// A pool of one whose job waits for a promise that another of its jobs keeps.
    #[test]
    fn a_spare_thread_takes_the_place_of_one_that_waits() {
        model(|| {
            let jobs = Jobs::new(1);
            let (promise, job) = promise::<u32>();
            let waits = jobs.submit(move |_| job.wait());
            jobs.execute(Box::new(move || promise.complete(3)));
            assert_eq!(waits.wait(), Ok(Ok(3)));
            assert_eq!(jobs.shutdown(), 0);
        });
    }
}
