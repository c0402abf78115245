//! Wakes of what async handlers have started, refused tasks, and futures that nobody can wake.

use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use slotcast::{Bus, Executor, FailureKind, Subscription, Topic};

use crate::gate::Gate;
use crate::log::{Dropped, Log, boom};

const NUMBER: Topic<u32> = Topic::new("number");
/// How long a test waits for what has to happen, before it fails.
const LIMIT: Duration = Duration::from_secs(20);

type Task = Box<dyn FnOnce() + Send>;

/// Runs on another thread what must not stand still; with this stack, if it is given.
fn bounded<R: Send + 'static>(stack: Option<usize>, f: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, done) = channel();
    let builder = thread::Builder::new().stack_size(stack.unwrap_or(2 << 20));
    builder.spawn(move || _ = sender.send(f())).unwrap();
    done.recv_timeout(LIMIT).expect("it ends")
}

fn told(bus: &Bus) -> Receiver<FailureKind> {
    let (sender, told) = channel();
    bus.set_error_hook(move |error| sender.send(error.kind()).unwrap());
    told
}

/// Wakes under its own lock, which the future that waits for it takes when it is dropped, too: as
/// `async-channel` does.
#[derive(Clone, Default)]
struct Bell(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Bell {
    fn ring(&self) {
        let mut bell = self.0.lock().unwrap();
        bell.0 = true;
        for waker in std::mem::take(&mut bell.1) {
            waker.wake();
        }
    }
    /// Drops the wakers under the lock, and wakes nobody.
    fn forget(&self) {
        self.0.lock().unwrap().1.clear();
    }
}

struct Rings(Bell);

impl Future for Rings {
    type Output = ();
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut bell = self.0.0.lock().unwrap();
        if bell.0 {
            return Poll::Ready(());
        }
        bell.1.push(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Rings {
    fn drop(&mut self) {
        drop(self.0.0.lock().unwrap());
    }
}

/// A handler that waits for the bell, and the log of its captures and of its future.
fn rings(bus: &Bus, bell: &Bell) -> (Subscription, Log) {
    let (log, bell) = (Log::default(), bell.clone());
    let captured = Dropped(log.clone(), "captures");
    let sub = bus.subscribe(&NUMBER).on_async({
        let log = log.clone();
        move |_| {
            _ = &captured;
            let (rings, dropped) = (Rings(bell.clone()), Dropped(log.clone(), "future"));
            async move {
                _ = &dropped;
                rings.await;
            }
        }
    });
    (sub, log)
}

/// An executor that runs its tasks on a thread of its own until it is ended; after that it does
/// with them what the test says.
fn ending(refuse: fn(Task)) -> (impl Executor, impl FnOnce()) {
    let (sender, tasks) = channel::<Task>();
    let thread = thread::spawn(move || tasks.into_iter().for_each(|task| task()));
    let sender = Arc::new(Mutex::new(Some(sender)));
    let executor = {
        let sender = sender.clone();
        move |task: Task| {
            let sender = sender.lock().unwrap().clone();
            match sender {
                Some(sender) => sender.send(task).unwrap(),
                None => refuse(task),
            }
        }
    };
    let end = move || {
        drop(sender.lock().unwrap().take());
        thread.join().unwrap();
    };
    (executor, end)
}

/// Starts a future, ends its executor, and wakes the future under a lock that it needs.
fn woken_when_it_has_ended(executor: impl Executor, end: impl FnOnce() + Send + 'static) {
    let bus = Bus::builder().executor(executor).build();
    let (bell, told) = (Bell::default(), told(&bus));
    let (sub, log) = rings(&bus, &bell);
    bus.emit(&NUMBER, &1);
    bounded(None, {
        let bell = bell.clone();
        move || {
            while bell.0.lock().unwrap().1.is_empty() {
                thread::yield_now();
            }
            end();
            bell.ring();
        }
    });
    assert_eq!(told.recv_timeout(LIMIT), Ok(FailureKind::Abandoned));
    assert_eq!(sub.cancel_and_wait_timeout(LIMIT), Ok(()));
    assert_eq!(log.take(), ["drop future", "drop captures"]);
}

#[test]
fn a_wake_that_is_refused_drops_no_future_under_the_lock_of_the_one_who_wakes() {
    let (executor, end) = ending(drop);
    woken_when_it_has_ended(executor, end);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let tokio = move |task: Task| drop(handle.spawn(async { task() }));
    woken_when_it_has_ended(tokio, move || runtime.shutdown_timeout(LIMIT));
}

#[test]
fn an_executor_that_panics_when_it_is_woken_does_so_in_nobody_who_wakes() {
    let (executor, end) = ending(|task| {
        let _task = task;
        boom("no more tasks");
    });
    woken_when_it_has_ended(executor, end);
}

/// One task is kept, and a newer one takes its place.
#[test]
fn a_task_that_a_wake_pushes_out_is_dropped_elsewhere() {
    let kept = Arc::new(Mutex::new(VecDeque::<Task>::new()));
    let newest = {
        let kept = kept.clone();
        move |task: Task| {
            let mut tasks = kept.lock().unwrap();
            let oldest = (tasks.len() == 1).then(|| tasks.pop_front());
            tasks.push_back(task);
            drop(tasks);
            drop(oldest);
        }
    };
    let run = || {
        let task = kept.lock().unwrap().pop_front();
        task.map(|task| task()).is_some()
    };
    let bus = Bus::builder().executor(newest).build();
    let (bell, told) = (Bell::default(), told(&bus));
    let (sub, log) = rings(&bus, &bell);
    for n in 0..2 {
        bus.emit(&NUMBER, &n);
        assert!(run());
    }
    bounded(None, {
        let bell = bell.clone();
        move || bell.ring()
    });
    assert_eq!(told.recv_timeout(LIMIT), Ok(FailureKind::Abandoned));
    assert!(run() && !run(), "the second one ends");
    assert_eq!(sub.cancel_and_wait_timeout(LIMIT), Ok(()));
    assert_eq!(log.take(), ["drop future", "drop future", "drop captures"]);
}

#[test]
fn a_waker_that_is_dropped_drops_no_future() {
    let bus = Bus::builder().executor(|task: Task| task()).build();
    let (bell, told) = (Bell::default(), told(&bus));
    let (sub, log) = rings(&bus, &bell);
    bus.emit(&NUMBER, &1);
    bounded(None, {
        let bell = bell.clone();
        move || bell.forget()
    });
    assert_eq!(told.recv_timeout(LIMIT), Ok(FailureKind::Abandoned));
    assert_eq!(sub.cancel_and_wait_timeout(LIMIT), Ok(()));
    assert_eq!(log.take(), ["drop future", "drop captures"]);
}

#[test]
fn a_future_that_keeps_no_waker_is_abandoned() {
    let (sender, tasks) = channel::<Task>();
    let bus = Bus::builder()
        .executor(move |task: Task| sender.send(task).unwrap())
        .build();
    let (log, told) = (Log::default(), told(&bus));
    let captured = Dropped(log.clone(), "captures");
    let sub = bus.subscribe(&NUMBER).on_async({
        let log = log.clone();
        move |_| {
            _ = &captured;
            let future = Dropped(log.clone(), "future");
            async move {
                _ = &future;
                pending::<()>().await;
            }
        }
    });
    bus.emit(&NUMBER, &1);
    assert_eq!(log.take().len(), 0);
    tasks.recv().unwrap()();
    assert_eq!(log.take(), ["drop future"]);
    assert_eq!(told.try_recv(), Ok(FailureKind::Abandoned));
    assert_eq!(sub.cancel_and_wait_timeout(LIMIT), Ok(()));
    assert_eq!(log.take(), ["drop captures"]);
}

/// Wakes itself in its poll, `left` times.
fn yields(mut left: u32) -> impl Future<Output = ()> + Send {
    poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

#[test]
fn a_future_that_yields_needs_constant_stack() {
    let events = bounded(Some(256 << 10), || {
        let bus = Bus::builder().executor(|task: Task| task()).build();
        let log = Log::default();
        let _sub = bus.subscribe(&NUMBER).on_async({
            let log = log.clone();
            move |n: Arc<u32>| {
                let log = log.clone();
                async move {
                    yields(100_000).await;
                    log.add(n);
                }
            }
        });
        bus.emit(&NUMBER, &1);
        bus.emit(&NUMBER, &2);
        log.take()
    });
    assert_eq!(events, ["1", "2"]);
}

/// Each future wakes the next one.
#[test]
fn a_chain_of_wakes_needs_constant_stack() {
    const LENGTH: u32 = 10_000;
    let events = bounded(Some(256 << 10), || {
        let bus = Bus::builder().executor(|task: Task| task()).build();
        let (log, gates) = (
            Log::default(),
            Vec::from_iter((0..=LENGTH).map(|_| Gate::default())),
        );
        let _sub = bus.subscribe(&NUMBER).on_async({
            let (log, gates) = (log.clone(), gates.clone());
            move |n: Arc<u32>| {
                let (log, n) = (log.clone(), *n as usize);
                let (gate, next) = (gates[n].clone(), gates[n + 1].clone());
                async move {
                    gate.await;
                    log.add(n);
                    next.open();
                }
            }
        });
        (0..LENGTH).for_each(|n| _ = bus.emit(&NUMBER, &n));
        gates[0].open();
        log.take()
    });
    let expected = Vec::from_iter((0..LENGTH).map(|n| n.to_string()));
    assert_eq!(events, expected);
}

/// Constant stack is not bought by putting off what the future waits for.
#[test]
fn what_is_started_inside_of_a_future_runs_at_once_where_the_executor_does_that() {
    let bus = Bus::builder().executor(|task: Task| task()).build();
    let log = Log::default();
    let _sub = bus.subscribe(&NUMBER).on_async({
        let (bus, log) = (bus.downgrade(), log.clone());
        move |n: Arc<u32>| {
            let (bus, log) = (bus.clone(), log.clone());
            async move {
                if *n > 0 {
                    bus.upgrade().unwrap().emit(&NUMBER, &(*n - 1));
                }
                log.add(n);
            }
        }
    });
    bus.emit(&NUMBER, &5);
    assert_eq!(log.take(), ["0", "1", "2", "3", "4", "5"]);
}

#[test]
fn many_threads_may_wake_a_future_that_is_running() {
    let (ended, end) = channel();
    let (sender, tasks) = channel::<Task>();
    let tasks = Arc::new(Mutex::new(tasks));
    for _ in 0..2 {
        let tasks = tasks.clone();
        thread::spawn(move || {
            loop {
                let task = tasks.lock().unwrap().recv();
                let Ok(task) = task else { return };
                task();
            }
        });
    }
    let bus = Bus::builder()
        .executor(move |task| sender.send(task).unwrap())
        .build();
    let (wakers, woken): (Sender<Waker>, _) = channel();
    thread::spawn(move || woken.into_iter().for_each(Waker::wake));
    let wakers = Arc::new(Mutex::new(wakers));
    let _sub = bus.subscribe(&NUMBER).on_async(move |_| {
        let (wakers, ended, mut left) = (wakers.clone(), ended.clone(), 200);
        poll_fn(move |cx| {
            if left == 0 {
                ended.send(()).unwrap();
                return Poll::Ready(());
            }
            left -= 1;
            wakers.lock().unwrap().send(cx.waker().clone()).unwrap();
            Poll::Pending
        })
    });
    (0..20).for_each(|n| _ = bus.emit(&NUMBER, &n));
    for _ in 0..20 {
        end.recv_timeout(LIMIT).expect("each one ends");
    }
}

#[cfg(feature = "jobs")]
mod jobs {
    use slotcast::Jobs;

    use super::*;

    #[test]
    fn a_pool_that_was_shut_down_drops_no_future_in_a_wake() {
        let jobs = Jobs::new(1);
        woken_when_it_has_ended(jobs.clone(), move || _ = jobs.shutdown());
    }

    /// With threads of its own, and on an executor.
    #[test]
    fn a_wake_does_not_wait_for_room_in_a_pool() {
        let (sender, tasks) = channel::<Task>();
        thread::spawn(move || tasks.into_iter().for_each(|task| task()));
        let on_executor = Jobs::builder().executor(move |task| sender.send(task).unwrap());
        for builder in [Jobs::builder().workers(1), on_executor] {
            let jobs = builder.backlog(1).build();
            let bus = Bus::builder().executor(jobs.clone()).build();
            let (gate, (ended, end)) = (Gate::default(), channel());
            let (begun, begins) = channel();
            let _sub = bus.subscribe(&NUMBER).on_async({
                let gate = gate.clone();
                move |_| {
                    let (begun, gate, ended) = (begun.clone(), gate.clone(), ended.clone());
                    async move {
                        begun.send(()).unwrap();
                        gate.await;
                        ended.send(()).unwrap();
                    }
                }
            });
            bus.emit(&NUMBER, &1);
            begins.recv_timeout(LIMIT).unwrap();
            // One job runs, and one fills the backlog.
            let (open, closed) = std::sync::mpsc::sync_channel::<()>(0);
            let (begun, begins) = channel();
            let busy = jobs.submit(move |_| {
                begun.send(()).unwrap();
                closed.recv().ok()
            });
            begins.recv_timeout(LIMIT).unwrap();
            let waits = jobs.submit(|_| ());
            bounded(None, {
                let (bus, gate) = (bus.clone(), gate.clone());
                move || {
                    gate.open();
                    // Neither does an emission that starts one.
                    bus.emit(&NUMBER, &2);
                }
            });
            drop(open);
            for _ in 0..2 {
                end.recv_timeout(LIMIT).unwrap();
            }
            assert!(busy.wait().is_ok() && waits.wait().is_ok());
        }
    }
}
