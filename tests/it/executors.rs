//! What async handlers start, run by the executor of the bus.

use std::future::poll_fn;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use slotcast::{Bus, FailureKind, Subscription, Topic, WaitError};

use crate::gate::{Gate, poll};
use crate::log::{Dropped, Log, boom, panic_of};

const NUMBER: Topic<u32> = Topic::new("number");

type Task = Box<dyn FnOnce() + Send>;

/// A bus whose executor hands its tasks to the test.
fn by_hand() -> (Bus, Receiver<Task>) {
    let (sender, tasks) = channel();
    let executor = move |task: Task| drop(sender.send(task));
    (Bus::builder().executor(executor).build(), tasks)
}

fn run(tasks: &Receiver<Task>) -> usize {
    tasks.try_iter().map(|task| task()).count()
}

fn told(bus: &Bus, log: &Log) {
    let log = log.clone();
    bus.set_error_hook(move |error| log.add(format!("{:?}", error.kind())));
}

/// A handler that waits for the gate.
fn waits(bus: &Bus, log: &Log, gate: &Gate) -> Subscription {
    let (log, gate) = (log.clone(), gate.clone());
    let captured = Dropped(log.clone(), "captures");
    bus.subscribe(&NUMBER).on_async(move |n: Arc<u32>| {
        _ = &captured;
        let (log, gate) = (log.clone(), gate.clone());
        async move {
            log.add(format!("begins {n}"));
            gate.await;
            log.add(format!("ends {n}"));
        }
    })
}

#[test]
fn an_emission_that_is_not_awaited_goes_on() {
    let (bus, tasks) = by_hand();
    let (log, gate) = (Log::default(), Gate::default());
    let sub = waits(&bus, &log, &gate);
    let done = bus.emit(&NUMBER, &1);
    assert_eq!((done.ran(), done.errors().len()), (1, 0));
    assert!(log.take().is_empty(), "a task begins it");
    assert_eq!(run(&tasks), 1);
    assert_eq!(log.take(), ["begins 1"]);
    assert_eq!(run(&tasks), 0, "nothing to do until it is woken");
    gate.open();
    gate.open();
    assert_eq!(run(&tasks), 1);
    assert_eq!(log.take(), ["ends 1"]);
    bus.defer(&NUMBER, 2).unwrap();
    assert_eq!(bus.drain().delivered(), 1);
    run(&tasks);
    assert_eq!(log.take(), ["begins 2", "ends 2"]);
    drop(sub);
    assert_eq!(log.take(), ["drop captures"]);
}

#[test]
fn its_failures_go_to_the_hook() {
    let (bus, tasks) = by_hand();
    let log = Log::default();
    told(&bus, &log);
    let _subs = [
        bus.subscribe(&NUMBER)
            .on_async(async |_| Err::<(), _>("no")),
        bus.subscribe(&NUMBER).on_async(async |_| boom("no")),
    ];
    assert!(bus.emit(&NUMBER, &1).errors().is_empty());
    assert!(log.take().is_empty());
    assert_eq!(run(&tasks), 2);
    assert_eq!(log.take(), ["Failed", "Panicked"]);
    assert_eq!(run(&tasks), 0);
}

#[test]
fn an_executor_may_run_a_task_at_once() {
    let bus = Bus::builder().executor(|task: Task| task()).build();
    let (log, gate) = (Log::default(), Gate::default());
    let _sub = waits(&bus, &log, &gate);
    let _fails = bus
        .subscribe(&NUMBER)
        .on_async(async |_| Err::<(), _>("no"));
    let done = bus.emit(&NUMBER, &1);
    assert_eq!(log.take(), ["begins 1"]);
    // It failed inside of the emission.
    assert_eq!(done.errors()[0].kind(), FailureKind::Failed);
    gate.open();
    assert_eq!(log.take(), ["ends 1"]);
}

#[test]
fn a_task_that_is_dropped_is_a_failure_of_its_handler() {
    let log = Log::default();
    // At once: inside of the emission.
    let bus = Bus::builder().executor(drop::<Task>).build();
    let sub = waits(&bus, &log, &Gate::default());
    let done = bus.emit(&NUMBER, &1);
    assert_eq!(done.errors()[0].kind(), FailureKind::Abandoned);
    drop(sub);
    assert_eq!(log.take(), ["drop captures"]);
    // Later, begun and not.
    let (bus, tasks) = by_hand();
    told(&bus, &log);
    let gate = Gate::default();
    let sub = waits(&bus, &log, &gate);
    bus.emit(&NUMBER, &1);
    run(&tasks);
    bus.emit(&NUMBER, &2);
    assert_eq!(log.take(), ["begins 1"]);
    drop(tasks);
    assert_eq!(log.take(), ["Abandoned"]);
    // Nobody takes it when it is woken: it is dropped on another thread.
    gate.open();
    sub.cancel_and_wait().unwrap();
    assert_eq!(log.take(), ["Abandoned", "drop captures"]);
}

#[test]
fn an_executor_that_panics_is_a_failure_of_the_handler_that_needed_it() {
    let bus = Bus::builder().executor(|_: Task| boom("full")).build();
    let (log, gate) = (Log::default(), Gate::default());
    told(&bus, &log);
    let _sub = waits(&bus, &log, &gate);
    let after = bus.on(&NUMBER, {
        let log = log.clone();
        move |_| log.add("after")
    });
    assert_eq!(panic_of(|| bus.emit(&NUMBER, &1)), "full");
    assert_eq!(log.take(), ["after", "Abandoned", "Panicked"]);
    assert!(after.is_active());
}

#[test]
fn the_waiting_cancel_waits_for_what_was_started() {
    let (bus, tasks) = by_hand();
    let (log, gate) = (Log::default(), Gate::default());
    let sub = waits(&bus, &log, &gate);
    bus.emit(&NUMBER, &1);
    run(&tasks);
    let timeout = Duration::from_millis(1);
    assert_eq!(
        sub.cancel_and_wait_timeout(timeout),
        Err(WaitError::TimedOut)
    );
    assert_eq!(log.take(), ["begins 1"]);
    let tasks = Mutex::new(tasks);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            gate.open();
            let task = tasks.lock().unwrap().recv().unwrap();
            task();
        });
        sub.cancel_and_wait().unwrap();
    });
    assert_eq!(log.take(), ["ends 1", "drop captures"]);
}

#[test]
fn the_waiting_cancel_is_an_error_inside_of_what_was_started() {
    let (bus, tasks) = by_hand();
    let log = Log::default();
    let sub = Arc::new(Mutex::new(None::<Subscription>));
    *sub.lock().unwrap() = Some(bus.subscribe(&NUMBER).on_async({
        let (log, sub) = (log.clone(), sub.clone());
        move |_| {
            let (log, sub) = (log.clone(), sub.clone());
            poll_fn(move |_| {
                let sub = sub.lock().unwrap().take().unwrap();
                log.add(format!("{:?}", sub.cancel_and_wait()));
                Poll::Ready(())
            })
        }
    }));
    bus.emit(&NUMBER, &1);
    run(&tasks);
    assert_eq!(log.take(), ["Err(Inside)"]);
    assert_eq!(bus.emit(&NUMBER, &1).ran(), 0);
}

#[test]
fn the_waiting_cancel_of_a_handler_of_the_same_awaited_emission_is_an_error() {
    let (bus, log) = (Bus::new(), Log::default());
    let other = Arc::new(Mutex::new(None::<Subscription>));
    let _sub = bus.subscribe(&NUMBER).on_async({
        let (log, other) = (log.clone(), other.clone());
        move |_| {
            let (log, other) = (log.clone(), other.clone());
            async move {
                let other = other.lock().unwrap().take();
                if let Some(other) = other {
                    log.add(format!("{:?}", other.cancel_and_wait()));
                }
            }
        }
    });
    for in_order in [false, true] {
        // Has begun, or is to be called: neither can end before this one.
        let gate = Gate::default();
        *other.lock().unwrap() = Some(waits(&bus, &Log::default(), &gate));
        let emission = bus.emit_async(&NUMBER, 1);
        let mut emission = match in_order {
            true => emission.in_order(),
            false => emission,
        };
        while poll(&mut emission).is_pending() {
            gate.open();
        }
        assert_eq!(log.take(), ["Err(Inside)"]);
    }
}

#[test]
fn many_threads_run_what_one_starts() {
    let threads = |task: Task| drop(std::thread::spawn(task));
    let bus = Bus::builder().executor(threads).build();
    let (sender, ended) = channel();
    let gate = Gate::default();
    let _sub = bus.subscribe(&NUMBER).on_async({
        let gate = gate.clone();
        move |n: Arc<u32>| {
            let (sender, gate) = (sender.clone(), gate.clone());
            async move {
                gate.await;
                sender.send(*n)
            }
        }
    });
    for n in 0..50 {
        assert_eq!(bus.emit(&NUMBER, &n).ran(), 1);
    }
    gate.open();
    let mut all: Vec<_> = ended.iter().take(50).collect();
    all.sort_unstable();
    assert_eq!(all, Vec::from_iter(0..50));
}

#[test]
fn a_runtime_is_an_executor() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let tokio = move |task: Task| drop(handle.spawn(async { task() }));
    let bus = Bus::builder().executor(tokio).build();
    let (sender, ended) = channel();
    let _sub = bus.subscribe(&NUMBER).on_async(move |n: Arc<u32>| {
        let sender = sender.clone();
        async move {
            // Needs its own runtime around it.
            tokio::time::sleep(Duration::from_millis(1)).await;
            sender.send(*n)
        }
    });
    bus.emit(&NUMBER, &7);
    assert_eq!(ended.recv(), Ok(7));
    let done = runtime.block_on(bus.emit_async(&NUMBER, 8));
    assert_eq!((done.ran(), ended.recv()), (1, Ok(8)));
    let bus = bus.clone();
    let done = runtime.block_on(async { tokio::spawn(bus.emit_async(&NUMBER, 9)).await });
    assert_eq!((done.unwrap().ran(), ended.recv()), (1, Ok(9)));
}

/// The hook runs where the refused emission would have called its handlers, but for one level.
#[test]
fn what_a_hook_emits_for_a_refused_emission_is_not_taken_for_a_part_of_it() {
    let (free, tasks) = by_hand();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let handler = free.subscribe(&NUMBER).on_async({
        let seen = seen.clone();
        move |n: Arc<u32>| {
            let seen = seen.clone();
            async move { seen.lock().unwrap().push(*n) }
        }
    });
    let bus = Bus::builder().max_depth(1).build();
    bus.set_error_hook(move |_| _ = free.emit(&NUMBER, &2));
    let inner = bus.signal(&NUMBER);
    let outer = bus.signal(&Topic::<u8>::new("outer"));
    inner.on(|_| ()).detach();
    let _sub = outer.on(move |_| _ = poll(&mut inner.emit_async(1)));
    outer.emit(&0);
    assert_eq!(run(&tasks), 1);
    assert_eq!(*seen.lock().unwrap(), [2]);
    drop(handler);
}

#[test]
fn the_error_hook_hears_of_a_future_that_outlives_the_bus() {
    let (bus, tasks) = by_hand();
    let (log, gate) = (Log::default(), Gate::default());
    let captured = Dropped(log.clone(), "hook");
    bus.set_error_hook({
        let log = log.clone();
        move |error| {
            _ = &captured;
            log.add(format!("{:?}", error.kind()));
        }
    });
    let opened = gate.clone();
    let fails = move |_: Arc<u32>| {
        let gate = opened.clone();
        async move {
            gate.await;
            Err::<(), _>("no")
        }
    };
    bus.subscribe(&NUMBER).on_async(fails).detach();
    bus.emit(&NUMBER, &1);
    run(&tasks);
    drop(bus);
    gate.open();
    assert_eq!(log.take(), [""; 0]);
    run(&tasks);
    assert_eq!(log.take(), ["Failed", "drop hook"]);
}

#[test]
fn an_executor_that_has_a_subscription_of_its_bus_goes_with_it() {
    let log = Log::default();
    let captured = Dropped(log.clone(), "executor");
    let kept = Arc::new(Mutex::new(None));
    let executor = {
        let kept = kept.clone();
        move |task: Task| {
            _ = (&captured, &kept);
            task();
        }
    };
    let bus: Bus = Bus::builder().executor(executor).build();
    *kept.lock().unwrap() = Some(bus.on(&NUMBER, |_| ()));
    drop((bus, kept));
    assert_eq!(log.take(), ["drop executor"]);
}
