//! What does it cost to wait for one event, and how many go through a stream?
//!
//! ```sh
//! cargo bench --bench waiting
//! ```
//!
//! Beside them `tokio::sync::oneshot` and `tokio::sync::broadcast`, all under the same `block_on`: one
//! task on one thread, which is parked where it has to wait.

#![allow(clippy::unwrap_used, reason = "the channels stay open")]

mod measure;

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use futures_core::Stream;
use measure::{each, is_test, nanoseconds};
use slotcast::{Overflow, Signal, local};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    static WAKER: Waker = Arc::new(Unpark(thread::current())).into();
}

/// One task, whose thread is parked until it is woken. The waker is made once for each thread.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    WAKER.with(|waker| {
        let mut context = Context::from_waker(waker);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park(),
            }
        }
    })
}

/// Polls once, in vain, before the event comes.
fn begin<F: Future + Unpin>(future: &mut F) {
    WAKER.with(|waker| {
        let poll = Pin::new(future).poll(&mut Context::from_waker(waker));
        assert!(poll.is_pending());
    });
}

fn main() {
    one_event();
    one_event_to_who_waits();
    one_event_from_elsewhere();
    many_events();
}

/// Made, sent, awaited.
fn one_event() {
    println!(
        "One event awaited, in ns: made, sent, received; in brackets the ratio to the oneshot."
    );
    let (signal, alone) = (Signal::<u64>::new(), local::Signal::<u64>::new());
    let heard = Signal::<u64>::new();
    let _others: Vec<_> = (0..4).map(|_| heard.on(|n| _ = black_box(*n))).collect();
    let costs = nanoseconds([
        each(|| {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            sender.send(7_u64).unwrap();
            block_on(receiver).unwrap()
        }),
        each(|| {
            let next = signal.next();
            signal.emit(&7);
            block_on(next).unwrap()
        }),
        each(|| {
            let next = alone.next();
            alone.emit(&7);
            block_on(next).unwrap()
        }),
        each(|| {
            let next = heard.next();
            heard.emit(&7);
            block_on(next).unwrap()
        }),
        each(|| {
            let sub = signal.on(|n| _ = black_box(*n));
            signal.emit(&7);
            drop(sub);
        }),
    ]);
    let names = [
        "oneshot",
        "next()",
        "local next()",
        "next(), beside 4 handlers",
        "on(), emit, drop",
    ];
    print(&names, &costs);
}

/// The same, and the task has polled before.
fn one_event_to_who_waits() {
    println!("\nThe same, polled once before the event is sent.");
    let signal = Signal::<u64>::new();
    let costs = nanoseconds([
        each(|| {
            let (sender, mut receiver) = tokio::sync::oneshot::channel();
            begin(&mut receiver);
            sender.send(7_u64).unwrap();
            block_on(receiver).unwrap()
        }),
        each(|| {
            let mut next = signal.next();
            begin(&mut next);
            signal.emit(&7);
            block_on(next).unwrap()
        }),
    ]);
    print(&["oneshot", "next()"], &costs);
}

/// Asked of another thread, which answers.
fn one_event_from_elsewhere() {
    println!("\nThe same, sent by another thread that is asked for it.");
    let signal = Signal::<u64>::new();
    let (ask, asked) = mpsc::channel::<tokio::sync::oneshot::Sender<u64>>();
    let sending = thread::spawn(move || asked.iter().for_each(|it| it.send(7).unwrap()));
    let (ask_signal, asked) = mpsc::channel::<()>();
    let emitting = thread::spawn({
        let signal = signal.clone();
        move || asked.iter().for_each(|()| _ = signal.emit(&7))
    });
    let costs = nanoseconds([
        each(|| {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            ask.send(sender).unwrap();
            block_on(receiver).unwrap()
        }),
        each(|| {
            let next = signal.next();
            ask_signal.send(()).unwrap();
            block_on(next).unwrap()
        }),
    ]);
    print(&["oneshot", "next()"], &costs);
    drop((ask, ask_signal));
    sending.join().unwrap();
    emitting.join().unwrap();
}

fn print(names: &[&str], costs: &[f64]) {
    for (name, cost) in names.iter().zip(costs) {
        println!("{name:>30} {cost:>9.1} ({:>5.2})", cost / costs[0]);
    }
}

const CAPACITY: usize = 1024;

/// So many are under way at most, so that none is lost: whoever emits looks how far the other is.
const WINDOW: u64 = 512;

/// A name, and what takes so many events from one thread to another.
type Contestant = (&'static str, fn(u64) -> Duration);

/// From one thread to another: the best of some rounds, in turn.
fn many_events() {
    println!("\nEvents from one thread to another, {WINDOW} under way, in millions a second; in");
    println!("brackets the ratio to the broadcast channel.");
    let (events, rounds) = match is_test() {
        true => (10_000, 1),
        false => (500_000, 41),
    };
    let contestants: [Contestant; 4] = [
        ("broadcast", broadcast),
        ("stream, drops the oldest", |n| {
            stream(n, Overflow::DropOldest)
        }),
        ("stream, rejects", |n| stream(n, Overflow::Reject)),
        ("stream, waits for room", |n| stream(n, Overflow::Block)),
    ];
    let mut rates = [const { Vec::new() }; 4];
    for _ in 0..rounds {
        for ((_, run), rates) in contestants.iter().zip(&mut rates) {
            rates.push(events as f64 / run(events).as_secs_f64() / 1e6);
        }
    }
    let last = |rates: &Vec<f64>| (rates[rates.len() - 1], rates[rates.len() / 2]);
    rates
        .iter_mut()
        .for_each(|rates| rates.sort_by(f64::total_cmp));
    let (base, _) = last(&rates[0]);
    for ((name, _), rates) in contestants.iter().zip(&rates) {
        let (best, median) = last(rates);
        println!(
            "{name:>30} {best:>9.2} ({:>5.2}), median {median:.2}",
            best / base
        );
    }
}

/// Emits all, no more than a window ahead of what was received.
fn emit_all(events: u64, received: &AtomicU64, mut emit: impl FnMut(u64)) {
    for n in 0..events {
        while n - received.load(Acquire) >= WINDOW {
            thread::yield_now();
        }
        emit(n);
    }
}

/// Counts, and says every now and then how far it is.
fn count(n: &mut u64, received: &AtomicU64) {
    *n += 1;
    if *n % 64 == 0 {
        received.store(*n, Release);
    }
}

fn broadcast(events: u64) -> Duration {
    use tokio::sync::broadcast::{channel, error::RecvError};
    let (sender, mut receiver) = channel::<u64>(CAPACITY);
    let received = Arc::new(AtomicU64::new(0));
    let taking = thread::spawn({
        let received = received.clone();
        move || {
            block_on(async {
                let mut n = 0;
                loop {
                    match receiver.recv().await {
                        Ok(_) => count(&mut n, &received),
                        Err(RecvError::Lagged(lost)) => panic!("{lost} events were lost"),
                        Err(RecvError::Closed) => return n,
                    }
                }
            })
        }
    });
    let start = Instant::now();
    emit_all(events, &received, |n| _ = sender.send(n));
    drop(sender);
    assert_eq!(taking.join().unwrap(), events);
    start.elapsed()
}

fn stream(events: u64, overflow: Overflow) -> Duration {
    let signal = Signal::<u64>::new();
    let mut stream = signal.stream(CAPACITY, overflow);
    let received = Arc::new(AtomicU64::new(0));
    let taking = thread::spawn({
        let received = received.clone();
        move || {
            block_on(async {
                let mut n = 0;
                while let Some(item) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
                    item.unwrap();
                    count(&mut n, &received);
                }
                n
            })
        }
    });
    let start = Instant::now();
    emit_all(events, &received, |n| _ = signal.emit(&n));
    signal.close();
    assert_eq!(taking.join().unwrap(), events);
    start.elapsed()
}
