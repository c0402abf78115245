//! A job with a completion callback, beside a bare task that sends on a channel.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;

use slotcast::{Executor, Jobs};

use crate::measure::{Contestant, Run};

type Task = Box<dyn FnOnce() + Send>;

pub fn run(run: &mut Run) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    for size in [1, 64, 1024] {
        let (ours, bare_jobs) = (Jobs::new(1), Jobs::new(1));
        let handle = runtime.handle().clone();
        let theirs =
            Jobs::with_executor(move |task: Task| drop(handle.spawn(async move { task() })));
        let own_runtime = runtime.handle().clone();
        let one_shots = runtime.handle().clone();
        let all = vec![
            with_callback("slotcast, `submit` + `on_done`", size, ours),
            sending("tokio, task + channel", size, move |sender, n| {
                drop(own_runtime.spawn(async move { sender.send(n).unwrap() }));
            }),
            awaited("tokio, task + oneshot", size, one_shots),
            with_callback("slotcast on tokio, `submit` + `on_done`", size, theirs),
        ];
        let bare = sending("bare task + channel", size, move |sender, n| {
            bare_jobs.execute(Box::new(move || sender.send(n).unwrap()));
        });
        let case = format!("{size} at a time");
        run.compare("A job on a pool of one thread", &case, bare, all);
    }
    on_this_thread(run);
}

/// Tasks that each send on a channel, received by whoever has spawned them.
fn sending(
    name: &'static str,
    size: u64,
    spawn: impl Fn(mpsc::Sender<u64>, u64) + 'static,
) -> Contestant<'static> {
    let (sender, receiver) = mpsc::channel();
    Contestant::batches(name, 0, size, move |size| {
        for n in 0..size {
            spawn(sender.clone(), n);
        }
        for _ in 0..size {
            receiver.recv().unwrap();
        }
    })
}

/// Tasks that each send on a channel of their own.
fn awaited(name: &'static str, size: u64, runtime: tokio::runtime::Handle) -> Contestant<'static> {
    let mut waiting = Vec::new();
    Contestant::batches(name, 0, size, move |size| {
        for n in 0..size {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            drop(runtime.spawn(async move { sender.send(n).unwrap() }));
            waiting.push(receiver);
        }
        for receiver in waiting.drain(..) {
            receiver.blocking_recv().unwrap();
        }
    })
}

/// Empty jobs whose callbacks count; the last one wakes whoever has submitted them.
fn with_callback(name: &'static str, size: u64, jobs: Jobs) -> Contestant<'static> {
    let waits = Arc::new((AtomicU64::new(0), thread::current()));
    Contestant::batches(name, 0, size, move |size| {
        waits.0.store(size, Relaxed);
        for _ in 0..size {
            let waits = waits.clone();
            jobs.submit(|_| ()).on_done(move |_| {
                if waits.0.fetch_sub(1, AcqRel) == 1 {
                    waits.1.unpark();
                }
            });
        }
        while waits.0.load(Acquire) > 0 {
            thread::park();
        }
    })
}

/// Without a pool: what a job costs itself.
fn on_this_thread(run: &mut Run) {
    let (sender, receiver) = mpsc::channel();
    let execute = |task: Task| task();
    let bare = Contestant::each("bare task + channel", 0, move || {
        let sender = sender.clone();
        execute(Box::new(move || sender.send(1_u64).unwrap()));
        receiver.recv().unwrap();
    });
    let done = Arc::new(AtomicU64::new(0));
    let jobs = Jobs::with_executor(|task: Task| task());
    let own = Contestant::each("slotcast, `submit` + `on_done`", 0, move || {
        let before = done.load(Relaxed);
        let own_done = done.clone();
        jobs.submit(|_| ())
            .on_done(move |_| _ = own_done.fetch_add(1, Relaxed));
        assert_eq!(done.load(Relaxed), before + 1);
    });
    run.compare(
        "A job on the thread that submits it",
        "one at a time",
        bare,
        vec![own],
    );
}
