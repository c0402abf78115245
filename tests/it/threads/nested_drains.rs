//! Promises 16 and 17: drains inside of drains, and what is ready, where several threads drain.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;
use std::{future::Future, pin::Pin};

use slotcast::{Bus, Queue, Signal, Topic};

use super::{PATIENCE, until};

#[test]
fn a_drain_inside_a_drain_does_not_wait_for_the_turn_of_another_thread() {
    let queues = [Queue::new(), Queue::new()];
    let both = Arc::new(Barrier::new(2));
    let (done, outcomes) = mpsc::channel();
    for (own, other) in [(0, 1), (1, 0)] {
        let (other, both, done) = (queues[other].clone(), both.clone(), done.clone());
        queues[own]
            .post(move || {
                both.wait();
                let (drained, idle) = (other.drain(), other.drain_until_idle(9));
                let run = other.run();
                both.wait();
                for drained in [drained, idle, run] {
                    assert!(drained.errors().is_empty());
                    done.send((drained.is_busy(), drained.delivered())).unwrap();
                }
            })
            .unwrap();
        queues[own].post(|| ()).unwrap();
    }
    for queue in queues.clone() {
        thread::spawn(move || queue.drain());
    }
    for _ in 0..6 {
        assert_eq!(outcomes.recv_timeout(PATIENCE), Ok((true, 0)));
    }
    until(|| queues.iter().all(Queue::is_empty));
}

#[test]
fn a_handler_waits_for_events_and_drains_them_until_its_dialog_is_closed() {
    const KEY: Topic<char> = Topic::new("key");
    let (bus, ui) = (Bus::new(), Queue::<String>::with_context());
    let _typed = bus
        .subscribe(&KEY)
        .on_queue(&ui, |text: &mut String, key| text.push(*key));
    let (open, typing) = mpsc::channel();
    let inner = ui.clone();
    ui.post_with(move |text| {
        open.send(()).unwrap();
        let mut turns = 0;
        while !text.ends_with('q') && inner.wait_timeout(PATIENCE) {
            inner.drain_with(text);
            turns += 1;
        }
        assert!(turns <= 4, "{turns} turns for three keys");
        text.push('!');
    })
    .unwrap();
    let draining = thread::spawn(move || {
        let mut text = String::new();
        ui.drain_with(&mut text);
        text
    });
    typing.recv_timeout(PATIENCE).unwrap();
    for key in ['a', 'b', 'q'] {
        bus.emit(&KEY, &key);
    }
    assert_eq!(draining.join().unwrap(), "abq!");
}

struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn what_a_drain_of_another_thread_has_taken_is_not_ready() {
    for overflow in [None, Some(slotcast::Overflow::DropOldest)] {
        let signal = Signal::<u32>::new();
        let mut queue = Queue::new();
        if let Some(overflow) = overflow {
            queue = queue.bounded(9, overflow);
        }
        let (begun, begins) = mpsc::channel();
        let (go, going) = mpsc::channel::<()>();
        let going = std::sync::Mutex::new(going);
        let _sub = signal.on(move |n| {
            if *n == 1 {
                begun.send(()).unwrap();
                going.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            }
        });
        queue.defer(&signal, 1).unwrap();
        queue.defer(&signal, 2).unwrap();
        queue.defer_latest(&signal, 3).unwrap();
        let draining = thread::spawn({
            let queue = queue.clone();
            move || queue.drain_for(Duration::from_secs(600)).delivered()
        });
        begins.recv_timeout(PATIENCE).unwrap();
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let waker = Waker::from(woken.clone());
        let mut ready = queue.ready();
        let mut poll = || Pin::new(&mut ready).poll(&mut Context::from_waker(&waker));
        assert_eq!(poll(), Poll::Pending);
        assert!(!queue.wait_timeout(Duration::ZERO));
        // What comes now waits for the next drain.
        queue.defer(&signal, 4).unwrap();
        assert!(queue.wait_timeout(Duration::ZERO));
        assert_eq!(poll(), Poll::Ready(true));
        let mut again = queue.ready();
        queue.close();
        go.send(()).unwrap();
        assert_eq!(draining.join().unwrap(), 3);
        assert_eq!(queue.drain().delivered(), 1);
        // A closed queue has ended when what the drain had is delivered.
        let poll = Pin::new(&mut again).poll(&mut Context::from_waker(&waker));
        assert_eq!(poll, Poll::Ready(false));
    }
}

#[test]
fn whoever_runs_a_closed_queue_waits_for_what_the_drain_of_another_thread_leaves() {
    let queue = Queue::new();
    let (begun, begins) = mpsc::channel();
    let (go, going) = mpsc::channel::<()>();
    queue
        .post(move || {
            begun.send(()).unwrap();
            going.recv_timeout(PATIENCE).unwrap();
        })
        .unwrap();
    queue.post(|| ()).unwrap();
    let stepping = thread::spawn({
        let queue = queue.clone();
        move || queue.drain_one().remaining()
    });
    begins.recv_timeout(PATIENCE).unwrap();
    queue.close();
    let running = thread::spawn({
        let queue = queue.clone();
        move || queue.run().delivered()
    });
    (0..100).for_each(|_| thread::yield_now());
    go.send(()).unwrap();
    assert_eq!(stepping.join().unwrap(), 1);
    assert_eq!(running.join().unwrap(), 1);
}
