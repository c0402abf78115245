//! A bridge that runs on a runtime of the user's, and what is done to it there.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use slotcast::{
    Bus, Overflow,
    nats::{Bridge, FlushError, Stored},
};
use slotcast_nats::{Server, Tick, until};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::common::{LONG, TICK, bridge_error, emit, stored, stored_in_order, with_stream};

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn two_threads() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

/// A bridge on this runtime, started by another thread, while this one runs it.
fn started(server: &Server, runtime: &Runtime) -> (Bus, Bridge) {
    let (url, handle) = (server.url(), runtime.handle().clone());
    let starting = thread::spawn(move || {
        let bus = Bus::new();
        let route = stored().outbox(10, Overflow::Block);
        let bridge = Bridge::to(url).send(route).runtime(handle).start(&bus);
        (bus, bridge.unwrap())
    });
    while !starting.is_finished() {
        run_for(runtime, 5);
    }
    starting.join().unwrap()
}

fn run_for(runtime: &Runtime, millis: u64) {
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(millis)).await });
}

/// Emits more than there is room for, and returns how many were refused because of that.
fn fill(bus: &Bus, ids: std::ops::Range<u64>) -> usize {
    let mut refused = 0;
    for id in ids {
        for error in bus.emit(&TICK, &Tick::new(id)).errors() {
            assert_eq!(bridge_error(error), "Full { capacity: 10 }");
            refused += 1;
        }
    }
    refused
}

#[test]
fn the_only_thread_of_its_runtime_is_refused_instead_of_waiting_for_itself() {
    let (server, raw) = with_stream();
    let runtime = one_thread();
    let (bus, bridge) = started(&server, &runtime);
    // In a task of it, and outside of one on the thread that runs it.
    let own = bus.clone();
    let refused = runtime.block_on(async { tokio::spawn(async move { fill(&own, 0..30) }).await });
    assert_eq!(refused.unwrap(), 20);
    until("they are sent", || {
        run_for(&runtime, 5);
        bridge.stats().waiting == 0
    });
    assert_eq!(fill(&bus, 10..15), 0);
    let begun = Instant::now();
    assert_eq!(bridge.flush(LONG), Err(FlushError::TimedOut { left: 5 }));
    assert!(begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
    until("they are sent", || {
        run_for(&runtime, 5);
        bridge.stats().waiting == 0
    });
    stored_in_order(&raw, 15);
}

#[test]
fn a_thread_of_that_runtime_for_what_blocks_waits() {
    let (server, raw) = with_stream();
    let runtime = one_thread();
    let (bus, bridge) = started(&server, &runtime);
    runtime.block_on(async {
        tokio::task::spawn_blocking(move || {
            emit(&bus, 0..1_000);
            bridge.flush(LONG).unwrap();
        })
        .await
        .unwrap();
    });
    stored_in_order(&raw, 1_000);
}

#[test]
fn a_stop_on_the_only_thread_of_its_runtime_does_not_wait_for_it() {
    let (server, raw) = with_stream();
    let runtime = one_thread();
    for is_dropped in [true, false] {
        let (bus, bridge) = started(&server, &runtime);
        emit(&bus, 0..5);
        let begun = Instant::now();
        if is_dropped {
            drop(bridge);
            assert!(begun.elapsed() < Duration::from_millis(900));
        } else {
            assert_eq!(bridge.stop(LONG).unsent, 5);
            assert!(begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
        }
        until("no task is left", || {
            run_for(&runtime, 5);
            runtime.metrics().num_alive_tasks() == 0
        });
    }
    assert_eq!(raw.count("S"), 0);
}

#[test]
fn a_task_of_a_runtime_with_several_threads_waits_and_holds_nothing_up() {
    let (server, raw) = with_stream();
    let runtime = two_threads();
    let url = server.url();
    let (done, is_done) = mpsc::channel();
    // All in one task, which nobody interrupts.
    runtime.spawn(async move {
        let bus = Bus::new();
        let bridge = Bridge::to(url)
            .send(stored().outbox(10, Overflow::Block))
            .runtime(Handle::current())
            .start(&bus)
            .unwrap();
        emit(&bus, 0..2_000);
        bridge.flush(LONG).unwrap();
        emit(&bus, 2_000..2_005);
        done.send(bridge.stop(LONG)).unwrap();
    });
    let stopped = is_done.recv_timeout(LONG / 2).unwrap();
    assert_eq!((stopped.unsent, stopped.unhandled), (0, 0));
    stored_in_order(&raw, 2_005);
}

#[test]
fn a_local_set_on_its_runtime_waits() {
    let (server, raw) = with_stream();
    let runtime = two_threads();
    let route = Stored::in_stream("S").topic(&TICK);
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let bus = Bus::new();
        let bridge = Bridge::to(server.url())
            .send(route.outbox(10, Overflow::Block))
            .runtime(Handle::current())
            .start(&bus)
            .unwrap();
        emit(&bus, 0..100);
        bridge.flush(LONG).unwrap();
    });
    stored_in_order(&raw, 100);
}
