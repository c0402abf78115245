//! What async handlers start, run by an executor: no wake is lost, and what is refused is dropped once.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::sync::{Arc, Mutex};
use loom::thread;
use slotcast::{Bus, Subscription, Topic};

use super::{Captures, model};

const NUMBER: Topic<u32> = Topic::new("number");

type Task = Box<dyn FnOnce() + Send>;

/// Tasks that are run by hand, or dropped once it is closed.
#[derive(Clone)]
struct Tasks(Arc<Mutex<(Vec<Task>, bool)>>);

impl Tasks {
    fn bus() -> (Bus, Tasks) {
        let tasks = Tasks(Arc::new(Mutex::new((Vec::new(), true))));
        let executor = tasks.clone();
        let bus = Bus::builder()
            .executor(move |task| executor.add(task))
            .build();
        (bus, tasks)
    }
    fn add(&self, task: Task) {
        let mut tasks = self.0.lock().unwrap();
        if tasks.1 {
            tasks.0.push(task);
            return;
        }
        drop(tasks);
        drop(task);
    }
    /// Runs what is there.
    fn run(&self) {
        loop {
            let task = self.0.lock().unwrap().0.pop();
            match task {
                Some(task) => task(),
                None => return,
            }
        }
    }
    fn close(&self) {
        self.0.lock().unwrap().1 = false;
    }
}

/// What the future of the handler waits for.
struct Bell {
    rung: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Bell {
    fn ring(&self) {
        self.rung.store(1, SeqCst);
        let waker = self.waker.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A handler whose future waits for the bell.
fn waits(bus: &Bus, dropped: &Arc<AtomicUsize>) -> (Subscription, Arc<Bell>, Arc<AtomicUsize>) {
    let bell = Arc::new(Bell {
        rung: AtomicUsize::new(0),
        waker: Mutex::new(None),
    });
    let ended = Arc::new(AtomicUsize::new(0));
    let sub = bus.subscribe(&NUMBER).on_async({
        let (bell, ended, dropped) = (bell.clone(), ended.clone(), dropped.clone());
        move |_| {
            let (bell, ended) = (bell.clone(), ended.clone());
            let captures = Captures::new(&dropped);
            poll_fn(move |cx| {
                captures.read();
                *bell.waker.lock().unwrap() = Some(cx.waker().clone());
                if bell.rung.load(SeqCst) == 0 {
                    return Poll::Pending;
                }
                ended.fetch_add(1, SeqCst);
                Poll::Ready(())
            })
        }
    });
    (sub, bell, ended)
}

/// Planted: `Unnoticed`.
#[test]
fn a_future_that_is_woken_while_it_runs_runs_again() {
    model(|| {
        let (bus, tasks) = Tasks::bus();
        let dropped = Arc::new(AtomicUsize::new(0));
        let (_sub, bell, ended) = waits(&bus, &dropped);
        bus.emit(&NUMBER, &1);
        let waking = thread::spawn(move || bell.ring());
        tasks.run();
        waking.join().unwrap();
        tasks.run();
        assert_eq!((ended.load(SeqCst), dropped.load(SeqCst)), (1, 1));
    });
}

/// Whether the task is refused or has been run, and whoever drops the last waker. Planted: `Unrefused`.
#[test]
fn a_wake_against_an_executor_that_ends() {
    model(|| {
        let (bus, tasks) = Tasks::bus();
        bus.set_error_hook(|_| ());
        let dropped = Arc::new(AtomicUsize::new(0));
        let (sub, bell, ended) = waits(&bus, &dropped);
        bus.emit(&NUMBER, &1);
        tasks.run();
        let waking = thread::spawn(move || bell.ring());
        tasks.close();
        tasks.run();
        waking.join().unwrap();
        tasks.run();
        sub.cancel_and_wait().unwrap();
        assert!(ended.load(SeqCst) <= 1);
        assert_eq!(dropped.load(SeqCst), 1);
    });
}

/// The last waker goes while the poll that has kept it ends. Planted: none of its own.
#[test]
fn a_waker_that_is_dropped_against_the_poll_that_has_kept_it() {
    model(|| {
        let (bus, tasks) = Tasks::bus();
        bus.set_error_hook(|_| ());
        let dropped = Arc::new(AtomicUsize::new(0));
        let (sub, bell, ended) = waits(&bus, &dropped);
        bus.emit(&NUMBER, &1);
        let dropping = thread::spawn({
            let bell = bell.clone();
            move || {
                let waker = bell.waker.lock().unwrap().take();
                let was_kept = waker.is_some();
                drop(waker);
                usize::from(was_kept)
            }
        });
        tasks.run();
        let abandoned = dropping.join().unwrap();
        // It has come too early: the future waits for the bell.
        bell.ring();
        tasks.run();
        sub.cancel_and_wait().unwrap();
        assert_eq!(
            (ended.load(SeqCst), dropped.load(SeqCst)),
            (1 - abandoned, 1)
        );
    });
}
