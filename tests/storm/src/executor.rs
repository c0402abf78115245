//! An executor of our own: threads and a list. It may refuse a task, by dropping it, once in so many; and what
//! tasks wait for: gates that others open, and turns that they give to others.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::random::one_in;

type Task = Box<dyn FnOnce() + Send>;

struct Shared {
    /// The tasks, and whether no more come.
    list: Mutex<(VecDeque<Task>, bool)>,
    changed: Condvar,
    /// Refuses one task in so many; 0: none.
    refuses: usize,
}

pub struct Executor {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Executor {
    pub fn start(name: &str, threads: usize, refuses: usize) -> Self {
        let (list, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared {
            list,
            changed,
            refuses,
        });
        let start = |_| {
            let shared = shared.clone();
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread.spawn(move || shared.run()).expect("a thread starts")
        };
        let threads = Mutex::new((0..threads).map(start).collect());
        Executor { shared, threads }
    }

    /// The executor as the crate takes it.
    pub fn handle(&self) -> impl Fn(Task) + Send + Sync + 'static {
        let shared = self.shared.clone();
        move |task| {
            // Dropped outside of the lock, if it is refused.
            let mut task = Some(task);
            if shared.refuses == 0 || !one_in(shared.refuses) {
                let mut list = shared.list.lock().unwrap();
                if !list.1 {
                    list.0.extend(task.take());
                }
            }
            shared.changed.notify_one();
        }
    }

    /// Runs what is there, and refuses what comes later.
    pub fn stop(&self) {
        self.shared.list.lock().unwrap().1 = true;
        self.shared.changed.notify_all();
        for thread in std::mem::take(&mut *self.threads.lock().unwrap()) {
            thread.join().expect("tasks do not panic");
        }
    }

    /// Waits until there are no tasks in the list; some may still run.
    pub fn is_idle(&self) -> bool {
        self.shared.list.lock().unwrap().0.is_empty()
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let mut list = self.list.lock().unwrap();
            let task = loop {
                match (list.0.pop_front(), list.1) {
                    (Some(task), _) => break task,
                    (None, true) => return,
                    (None, false) => list = self.changed.wait(list).unwrap(),
                }
            };
            drop(list);
            task();
        }
    }
}

/// A future that waits here completes once the gate is open.
#[derive(Default)]
pub struct Gate(Mutex<(bool, Vec<Waker>)>);

impl Gate {
    pub fn open(&self) {
        let mut gate = self.0.lock().unwrap();
        gate.0 = true;
        let wakers = std::mem::take(&mut gate.1);
        drop(gate);
        // Outside of the lock: a wake may run anything.
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Waits for a gate, or lets others go first so many times.
pub enum Pauses {
    Gate(Arc<Gate>),
    Turns(usize),
}

impl Future for Pauses {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self {
            Pauses::Gate(gate) => {
                let waker = cx.waker().clone();
                let mut gate = gate.0.lock().unwrap();
                if gate.0 {
                    drop(gate);
                    drop(waker);
                    return Poll::Ready(());
                }
                gate.1.push(waker);
                Poll::Pending
            }
            Pauses::Turns(0) => Poll::Ready(()),
            Pauses::Turns(left) => {
                *left -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future on this thread, for so long at most; `None` if it was not complete by then.
pub fn poll_for<F: Future + Unpin>(future: &mut F, most: Duration) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let until = Instant::now() + most;
    loop {
        match Pin::new(&mut *future).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return Some(output),
            Poll::Pending if Instant::now() >= until => return None,
            Poll::Pending => {
                std::thread::park_timeout(until.saturating_duration_since(Instant::now()))
            }
        }
    }
}
