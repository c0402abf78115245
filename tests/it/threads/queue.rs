//! Promises 16, 17 and 19: queues that several threads fill, drain, run and wait for.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use slotcast::{Bus, Queue, Signal, Topic};

use super::{PATIENCE, until};
use crate::log::{Dropped, Log};

#[test]
fn run_drains_until_the_queue_is_closed_and_empty() {
    const NUMBER: Topic<u32> = Topic::new("number");
    let (bus, log) = (Bus::new(), Log::default());
    let _sub = bus.on(&NUMBER, {
        let log = log.clone();
        move |n| log.add(n)
    });
    let queue = bus.queue();
    let worker = thread::spawn(move || queue.run().delivered());
    for n in 0..100 {
        bus.defer(&NUMBER, n).unwrap();
    }
    bus.queue().close();
    assert_eq!(worker.join().unwrap(), 100);
    assert_eq!(
        log.take(),
        (0..100).map(|n| n.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn a_hook_cancels_the_queued_handler_that_has_failed_and_waits_for_it() {
    const NUMBER: Topic<u32> = Topic::new("number");
    let (bus, queue, log) = (Bus::new(), Queue::new(), Log::default());
    let captured = Dropped(log.clone(), "captures");
    let sub = bus.subscribe(&NUMBER).on_queue(&queue, move |(), _| {
        let _held = &captured;
        Err::<(), _>("no")
    });
    bus.set_error_hook({
        let log = log.clone();
        move |_| log.add(format!("{:?}", sub.cancel_and_wait()))
    });
    for n in 0..3 {
        bus.emit(&NUMBER, &n);
    }
    let drained = queue.drain();
    assert_eq!(log.take(), ["drop captures", "Ok(())"]);
    assert_eq!((drained.delivered(), drained.given_up()), (1, 2));
}

#[test]
fn events_of_one_thread_stay_in_order_while_two_drain() {
    let (signal, queue) = (Signal::<(usize, u32)>::new(), Queue::new());
    let seen = Arc::new(Mutex::new([Vec::new(), Vec::new()]));
    let _sub = signal.on({
        let seen = seen.clone();
        move |(thread, n): &(usize, u32)| seen.lock().unwrap()[*thread].push(*n)
    });
    thread::scope(|scope| {
        for thread in 0..2 {
            let (queue, signal) = (&queue, &signal);
            scope.spawn(move || (0..1000).for_each(|n| queue.defer(signal, (thread, n)).unwrap()));
        }
        for _ in 0..2 {
            scope.spawn(|| {
                while seen.lock().unwrap().iter().map(Vec::len).sum::<usize>() < 2000 {
                    queue.drain();
                    thread::yield_now();
                }
            });
        }
    });
    for numbers in &*seen.lock().unwrap() {
        assert_eq!(*numbers, (0..1000).collect::<Vec<_>>());
    }
}

#[test]
fn a_wake_is_never_lost() {
    let queue = Queue::new();
    let (wake, woken) = mpsc::channel();
    queue.on_ready(move || _ = wake.send(()));
    let done = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let done = done.clone();
                    queue.post(move || _ = done.fetch_add(1, SeqCst)).unwrap();
                }
            });
        }
        while done.load(SeqCst) < 4000 {
            woken
                .recv_timeout(Duration::from_secs(20))
                .expect("a wake was lost");
            queue.drain();
        }
    });
}

#[test]
fn a_queue_runs_inside_of_its_own_drain_until_it_is_closed() {
    let queue = Queue::new();
    let (run, close) = (queue.clone(), queue.clone());
    queue
        .post(move || assert_eq!(run.run().delivered(), 1))
        .unwrap();
    queue.post(move || close.close()).unwrap();
    assert_eq!(queue.drain().delivered(), 1);
}

#[test]
fn another_threads_turn_is_not_waited_for() {
    let (queue, other) = (Queue::new(), Queue::new());
    let (inside, entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    queue
        .post(move || {
            inside.send(()).unwrap();
            may_leave.recv().unwrap();
        })
        .unwrap();
    thread::scope(|scope| {
        let draining = scope.spawn(|| queue.drain().delivered());
        entered.recv().unwrap();
        queue.post(|| ()).unwrap();
        let busy = queue.try_drain();
        assert!(busy.is_busy() && busy.errors().is_empty());
        assert_eq!((busy.delivered(), busy.remaining()), (0, 1));
        assert!(!other.try_drain().is_busy());
        leave.send(()).unwrap();
        assert_eq!(draining.join().unwrap(), 1);
    });
    assert_eq!(queue.try_drain().delivered(), 1);
}

#[test]
fn run_wakes_for_the_next_deadline() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let (bell, rung) = mpsc::channel();
    let _sub = signal.on({
        let log = log.clone();
        move |n| {
            log.add(n);
            bell.send(()).unwrap();
        }
    });
    let queue = Queue::new();
    thread::scope(|scope| {
        let running = scope.spawn(|| queue.run().delivered());
        // Each has an earlier deadline than what the thread sleeps for.
        queue
            .defer_after(Duration::from_secs(3600), &signal, 3)
            .unwrap();
        for n in [1, 2] {
            let soon = Duration::from_millis(1);
            queue.defer_after(soon, &signal, n).unwrap();
            rung.recv_timeout(PATIENCE).expect("a deadline was missed");
        }
        // What is not due by then is not waited for, and stays inside.
        queue.close();
        assert_eq!(running.join().unwrap(), 2);
    });
    assert_eq!(log.take(), ["1", "2"]);
    assert_eq!((queue.delayed(), queue.clear()), (1, 1));
}

#[test]
fn wait_timeout_waits_for_events_and_deadlines() {
    let (queue, signal) = (Queue::new(), Signal::<u32>::new());
    assert!(!queue.wait_timeout(Duration::ZERO));
    queue
        .defer_after(Duration::from_millis(5), &signal, 1)
        .unwrap();
    assert!(queue.wait_timeout(PATIENCE));
    assert_eq!(queue.drain().unhandled(), 1);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.wait_timeout(Duration::MAX));
        queue.defer(&signal, 2).unwrap();
        assert!(waiting.join().unwrap());
    });
    let inner = queue.clone();
    queue
        .post(move || assert!(!inner.wait_timeout(Duration::ZERO)))
        .unwrap();
    assert!(queue.drain().errors().is_empty());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.wait_timeout(PATIENCE));
        queue.close();
        assert!(!waiting.join().unwrap());
    });
}

/// An executor of one task: parks the thread until it is woken.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(PATIENCE),
        }
    }
}

#[test]
fn tasks_on_several_threads_are_never_left_waiting() {
    let done = Arc::new(AtomicUsize::new(0));
    let queue = Queue::new();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                block_on(async {
                    while queue.ready().await {
                        queue.drain();
                    }
                });
            });
        }
        let posting: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let done = done.clone();
                        queue.post(move || _ = done.fetch_add(1, SeqCst)).unwrap();
                    }
                })
            })
            .collect();
        posting.into_iter().for_each(|it| it.join().unwrap());
        until(|| done.load(SeqCst) == 4000);
        queue.close();
    });
}

#[test]
fn a_thread_that_replaces_beside_a_drain_is_seen_in_the_end() {
    let (signal, seen) = (Signal::<u32>::new(), Arc::new(AtomicUsize::new(0)));
    let _sub = signal.on({
        let seen = seen.clone();
        move |n: &u32| {
            let before = seen.swap(*n as usize, SeqCst);
            assert!(before < *n as usize, "in order, and none twice");
        }
    });
    let queue = Queue::new();
    thread::scope(|scope| {
        let running = scope.spawn(|| queue.run().delivered());
        (1..=50_000).for_each(|n| queue.defer_latest(&signal, n).unwrap());
        queue.close();
        assert!(running.join().unwrap() <= 50_000);
    });
    assert_eq!(seen.load(SeqCst), 50_000);
}

#[test]
fn a_call_that_is_claimed_before_its_subscription_is_there_is_made() {
    let queue = Queue::<Vec<u32>>::with_context();
    let on_queue = |signal: &Signal<u32>| {
        let limited = signal.subscribe().limit(1);
        limited.on_queue(&queue, |seen: &mut Vec<u32>, n: &u32| seen.push(*n))
    };
    let (kept, asked) = (Signal::new(), Signal::new());
    kept.retain_last();
    kept.emit(&7);
    let own = asked.downgrade();
    let _demand = asked.on_demand(move |active| {
        if active {
            own.upgrade().unwrap().emit(&8);
        }
    });
    let _subs = [on_queue(&kept), on_queue(&asked)];
    let mut seen = Vec::new();
    queue.drain_with(&mut seen);
    assert_eq!(seen, [7, 8]);
}
