//! What a build without threads does. Each exported function is a test, called by `run.rs` in Node: it fails
//! by returning an error, by a panic, or by a promise that is rejected.

#![cfg(target_family = "wasm")]

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use slotcast::{
    Bus, Flow, HandlerResult, JobError, Jobs, Overflow, Queue, Signal, Topic, WaitError, local,
};
use wasm_bindgen::prelude::*;
use web_time::Instant;

const PLACED: Topic<u32> = Topic::new("order.placed");

/// Without it a panic is a trap without words.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|info| log(&info.to_string())));
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn log(line: &str);
}

/// What the console was told since `console.error` was replaced, by `run.rs`.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = takeLog)]
    fn take_log() -> String;
}

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[wasm_bindgen]
pub fn an_emission_calls_the_handlers_in_order() {
    let bus = Bus::new();
    let seen = Arc::new(AtomicU32::new(0));
    let _first = bus.on(&PLACED, {
        let seen = seen.clone();
        move |n| {
            seen.store(*n, Relaxed);
            if *n > 1 { Flow::Stop } else { Flow::Continue }
        }
    });
    let _second = bus.on_pattern("order.*", {
        let seen = seen.clone();
        move |_| _ = seen.fetch_add(10, Relaxed)
    });
    assert_eq!(bus.emit(&PLACED, &1).ran(), 2);
    assert_eq!(seen.load(Relaxed), 11);
    assert!(bus.emit(&PLACED, &2).stopped());
    assert_eq!(seen.load(Relaxed), 2);
}

#[wasm_bindgen]
pub fn the_local_flavour_takes_what_belongs_to_the_page() {
    let bus = local::Bus::new();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let sub = bus.on(&PLACED, {
        let seen = seen.clone();
        move |n| seen.borrow_mut().push(*n)
    });
    bus.emit(&PLACED, &1);
    bus.defer(&PLACED, 2).unwrap();
    assert_eq!(bus.drain().delivered(), 1);
    drop(sub);
    bus.emit(&PLACED, &3);
    assert_eq!(*seen.borrow(), [1, 2]);
}

#[wasm_bindgen]
pub fn a_queue_delivers_when_it_is_time() {
    let (queue, signal) = (Queue::new(), Signal::<u32>::new());
    let seen = Arc::new(AtomicU32::new(0));
    let _sub = signal.on({
        let seen = seen.clone();
        move |n| seen.store(*n, Relaxed)
    });
    let begun = Instant::now();
    let _delayed = queue
        .defer_after(Duration::from_millis(100), &signal, 7)
        .unwrap();
    let deadline = queue.next_deadline().unwrap();
    assert!(deadline >= begun + Duration::from_millis(100));
    assert_eq!(queue.drain().delivered(), 0);
    while Instant::now() < deadline {}
    assert_eq!(queue.drain().delivered(), 1);
    assert_eq!(seen.load(Relaxed), 7);
    let _delayed = queue
        .defer_after(Duration::from_secs(60), &signal, 8)
        .unwrap();
    assert_eq!(
        queue
            .drain_at(Instant::now() + Duration::from_secs(61))
            .delivered(),
        1
    );
    queue.post(|| ()).unwrap();
    assert_eq!(queue.drain_for(Duration::from_secs(1)).delivered(), 1);
}

#[wasm_bindgen]
pub async fn a_task_awaits_events() {
    let signal = Signal::<u32>::new();
    let (next, mut stream) = (signal.next(), signal.stream(4, Overflow::Reject));
    wasm_bindgen_futures::spawn_local({
        let signal = signal.clone();
        async move { drop(signal.emit(&3)) }
    });
    assert_eq!(next.await, Ok(3));
    let first = std::future::poll_fn(|cx| {
        use std::pin::Pin;
        futures_core::Stream::poll_next(Pin::new(&mut stream), cx)
    });
    assert_eq!(first.await, Some(Ok(3)));
    let queue = Queue::new();
    wasm_bindgen_futures::spawn_local({
        let queue = queue.clone();
        async move { queue.post(|| ()).unwrap() }
    });
    assert!(queue.ready().await);
    assert_eq!(queue.drain().delivered(), 1);
}

#[wasm_bindgen]
pub async fn a_promise_completes_its_job() {
    let (promise, job) = slotcast::promise::<u32>();
    let seen = Arc::new(AtomicU32::new(0));
    job.on_done({
        let seen = seen.clone();
        move |outcome| seen.store(*outcome.as_ref().unwrap(), Relaxed)
    });
    wasm_bindgen_futures::spawn_local(async move { promise.complete(5) });
    assert_eq!(job.await, Ok(5));
    assert_eq!(seen.load(Relaxed), 5);
}

#[wasm_bindgen]
pub async fn an_executor_runs_the_jobs() {
    let jobs = Jobs::builder()
        .executor(|task: Box<dyn FnOnce() + Send>| {
            wasm_bindgen_futures::spawn_local(async move { task() });
        })
        .backlog(1)
        .build();
    let (first, second) = (jobs.submit(|_| 6), jobs.submit(|_| 7));
    assert_eq!(second.wait(), Err(JobError::NoThreads));
    assert_eq!(first.await, Ok(6));
    assert_eq!(jobs.shutdown(), 0);
}

#[wasm_bindgen]
pub fn a_wait_that_would_not_end_says_so() {
    take_log();
    let second = Duration::from_secs(1);
    let (_promise, job) = slotcast::promise::<u32>();
    let job = job.wait_timeout(second).unwrap_err();
    assert_eq!(job.wait(), Err(JobError::NoThreads));

    let signal = Signal::<u32>::new();
    assert!(signal.next().wait_timeout(second).is_err());
    assert!(signal.next().wait().is_err());
    assert!(take_log().contains("`Next::wait`"));
    let mut stream = signal.stream(1, Overflow::Block);
    assert!(stream.wait_timeout(second).is_err());
    assert!(stream.wait().is_none());
    assert!(take_log().contains("`EventStream::wait`"));
    signal.emit(&1);
    assert_eq!(signal.emit(&2).errors().len(), 1, "the stream is full");

    let queue = Queue::new();
    assert!(!queue.wait_timeout(second));
    queue.post(|| ()).unwrap();
    assert_eq!(queue.run().delivered(), 1);
    assert!(take_log().contains("`Queue::run`"));
    let queue = queue.bounded(1, Overflow::Block);
    queue.post(|| ()).unwrap();
    let full = queue.defer(&signal, 1).unwrap_err();
    assert_eq!(full.kind(), slotcast::DeferErrorKind::Full);
    let full = queue.defer_timeout(&signal, 1, second).unwrap_err();
    assert_eq!(full.kind(), slotcast::DeferErrorKind::Full);
}

#[wasm_bindgen]
pub fn a_cancel_waits_for_nobody() {
    let signal = Signal::<u32>::new();
    let sub = Arc::new(signal.on(|_| ()));
    assert_eq!(sub.cancel_and_wait(), Ok(()));
    let result = Arc::new(std::sync::Mutex::new(None));
    let cell = Arc::new(std::sync::OnceLock::<slotcast::Subscription>::new());
    let sub = signal.on({
        let (cell, result) = (cell.clone(), result.clone());
        move |_| *result.lock().unwrap() = Some(cell.get().unwrap().cancel_and_wait())
    });
    drop(cell.set(sub));
    signal.emit(&1);
    assert_eq!(*result.lock().unwrap(), Some(Err(WaitError::Inside)));
}

#[wasm_bindgen]
pub fn what_nobody_looked_at_goes_to_the_console() {
    take_log();
    let signal = Signal::<u32>::new();
    let _sub = signal.on(|_| -> HandlerResult { Err("out of paper".into()) });
    drop(signal.emit(&1));
    assert!(take_log().contains("out of paper"));
}

#[wasm_bindgen]
pub fn an_async_handler_is_polled_where_it_was_called() {
    let done = Rc::new(Cell::new(false));
    let signal = local::Signal::<u32>::new();
    let next = signal.next();
    assert!(poll(async { done.set(true) }).is_ready() && done.get());
    signal.emit(&4);
    assert_eq!(poll(next), Poll::Ready(Ok(4)));
}

/// Panics, which is a trap here: `run.rs` expects that, and these words.
#[wasm_bindgen]
pub fn panics_a_pool_of_threads() {
    drop(Jobs::new(2));
}
