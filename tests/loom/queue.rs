//! Queues: wakes, room, and the end.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::thread;
use slotcast::{Overflow, Queue, Signal};

use super::{block_on, model};

fn wake_is_never_lost(before: usize) {
    model(move || {
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
        (0..before).for_each(|_| post(&queue));
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
        // At most one more: the first drain may have left the last event behind.
        drain_if_woken();
        assert_eq!(done.load(SeqCst), before + 1);
    });
}

#[test]
fn a_wake_is_never_lost_to_the_drain_of_one_event() {
    wake_is_never_lost(1);
}

/// Whoever drains when it is woken, and only then, gets everything. Planted: `Unwoken`.
#[test]
fn a_wake_is_never_lost() {
    wake_is_never_lost(2);
}

/// Whoever tries to drain when it is woken, and only then, gets everything: one that is refused relies on the other.
/// Planted: `Unsaid`.
#[test]
fn a_wake_is_never_lost_to_a_drain_that_is_refused() {
    model(|| {
        let (queue, done) = (Queue::new(), Arc::new(AtomicUsize::new(0)));
        let wakes = Arc::new(AtomicUsize::new(0));
        queue.on_ready({
            let wakes = wakes.clone();
            move || _ = wakes.fetch_add(1, SeqCst)
        });
        let post = {
            let (queue, done) = (queue.clone(), done.clone());
            move || {
                let done = done.clone();
                queue.post(move || _ = done.fetch_add(1, SeqCst)).unwrap();
            }
        };
        let drain_if_woken = {
            let queue = queue.clone();
            move || {
                if wakes.swap(0, SeqCst) > 0 {
                    queue.try_drain();
                }
            }
        };
        post();
        let posting = thread::spawn({
            let drain_if_woken = drain_if_woken.clone();
            move || {
                post();
                drain_if_woken();
            }
        });
        drain_if_woken();
        posting.join().unwrap();
        (0..2).for_each(|_| drain_if_woken());
        assert_eq!(done.load(SeqCst), 2);
    });
}

/// Drains of two threads take turns, and neither waits for ever, however the turn of the other ends. Planted:
/// `Unturned`, `Turnless`.
#[test]
fn drains_of_two_threads_take_turns() {
    model(|| {
        let (queue, done) = (Queue::new(), Arc::new(AtomicUsize::new(0)));
        let posted = done.clone();
        queue.post(move || _ = posted.fetch_add(1, SeqCst)).unwrap();
        let draining = thread::spawn({
            let queue = queue.clone();
            move || queue.drain().delivered()
        });
        let drained = queue.drain().delivered();
        assert_eq!(done.load(SeqCst), 1, "a drain has waited for the other");
        assert_eq!(draining.join().unwrap() + drained, 1);
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
        assert!(queue.drain().unhandled() >= 1);
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

/// Planted: `Unreleased`.
#[test]
fn a_cancel_lets_go_who_waits_for_room() {
    model(|| {
        let (queue, signal) = (
            Queue::new().bounded(1, Overflow::Block),
            Signal::<u32>::new(),
        );
        let sub = signal.subscribe().on_queue(&queue, |(), _| ());
        queue.post(|| ()).unwrap();
        let waiting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&1).errors().len()
        });
        sub.cancel();
        assert_eq!(waiting.join().unwrap(), 0);
        assert_eq!(queue.clear(), 1);
    });
}

/// Planted: `Unreleased`.
#[test]
fn a_close_lets_go_who_waits_for_room() {
    model(|| {
        let (queue, signal) = (
            Queue::new().bounded(1, Overflow::Block),
            Signal::<u32>::new(),
        );
        queue.post(|| ()).unwrap();
        let waiting = thread::spawn({
            let (queue, signal) = (queue.clone(), signal.clone());
            move || queue.defer(&signal, 2).is_err()
        });
        signal.close();
        assert!(waiting.join().unwrap());
        assert_eq!(queue.clear(), 1);
    });
}

/// An event that was accepted is delivered, whatever its signal does meanwhile. Planted: `Unready`.
#[test]
fn an_accepted_event_is_delivered_beside_a_close() {
    model(|| {
        let (queue, signal) = (Queue::new(), Signal::<u32>::new());
        let calls = Arc::new(AtomicUsize::new(0));
        let counts = calls.clone();
        let _sub = signal.on(move |_| _ = counts.fetch_add(1, SeqCst));
        queue.defer(&signal, 1).unwrap();
        let closing = thread::spawn({
            let signal = signal.clone();
            move || signal.close()
        });
        assert_eq!(queue.drain().delivered(), 1);
        closing.join().unwrap();
        assert_eq!(calls.load(SeqCst), 1);
    });
}

#[test]
fn whoever_waits_for_room_does_not_keep_the_queue() {
    model(|| {
        let (queue, signal) = (
            Queue::new().bounded(1, Overflow::Block),
            Signal::<u32>::new(),
        );
        let _sub = signal.subscribe().on_queue(&queue, |(), _| ());
        queue.post(|| ()).unwrap();
        let waiting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&1).errors().len()
        });
        drop(queue);
        assert_eq!(waiting.join().unwrap(), 1);
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

/// An event that is accepted while its signal is closed reaches those who were subscribed. Planted:
/// `Unkept`.
#[test]
fn what_is_accepted_beside_a_close_is_delivered() {
    model(|| {
        let (queue, signal) = (Queue::new(), Signal::<usize>::new());
        let seen = Arc::new(AtomicUsize::new(0));
        signal
            .on({
                let seen = seen.clone();
                move |n: &usize| _ = seen.fetch_add(*n, SeqCst)
            })
            .detach();
        let deferring = thread::spawn({
            let (queue, signal) = (queue.clone(), signal.clone());
            move || queue.defer(&signal, 1).is_ok()
        });
        signal.close();
        let mut drained = queue.drain().delivered();
        let accepted = deferring.join().unwrap();
        drained += queue.drain().delivered();
        assert_eq!(
            (drained, seen.load(SeqCst)),
            (usize::from(accepted), usize::from(accepted))
        );
    });
}

/// A call that an emission has claimed while the signal is closed is made. Planted: `Unreserved`.
#[test]
fn what_is_claimed_beside_a_close_is_called() {
    model(|| {
        let (queue, signal) = (Queue::new(), Signal::<usize>::new());
        signal.subscribe().on_queue(&queue, |(), _| ()).detach();
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&1).ran()
        });
        signal.close();
        let claimed = emitting.join().unwrap();
        let drained = queue.drain();
        assert_eq!((drained.delivered(), drained.given_up()), (claimed, 0));
    });
}

/// A call that an emission has claimed while its handler is cancelled is made, or given up with its event.
/// Planted: `Untaken`.
#[test]
fn what_is_claimed_beside_a_cancel_does_not_stay() {
    model(|| {
        let (queue, signal) = (Queue::new(), Signal::<usize>::new());
        let sub = signal.subscribe().on_queue(&queue, |(), _| ());
        let emitting = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&1).ran()
        });
        sub.cancel();
        let claimed = emitting.join().unwrap();
        assert_eq!(queue.len(), 0);
        let drained = queue.drain();
        assert_eq!((drained.delivered(), drained.given_up()), (0, claimed));
    });
}

/// A call that is taken back beside the drain that delivers it is made or given up, once.
#[test]
fn what_is_cancelled_beside_a_drain_is_counted_once() {
    model(|| {
        let (queue, signal) = (Queue::new(), Signal::<usize>::new());
        let sub = signal.subscribe().on_queue(&queue, |(), _| ());
        signal.emit(&1);
        let draining = thread::spawn({
            let queue = queue.clone();
            move || {
                let drained = queue.drain();
                drained.delivered() + drained.given_up()
            }
        });
        sub.cancel();
        let first = draining.join().unwrap();
        assert_eq!(queue.len(), 0);
        assert_eq!(first + queue.drain().given_up(), 1);
    });
}
