//! Promises 20 and 21 with threads: three executors, threads without one, and those that wait for
//! room.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use async_executor::{Executor, LocalExecutor};
use futures::{FutureExt, Stream, StreamExt, future};
use slotcast::{Bus, EventStream, Lagged, Next, Overflow, Signal, Topic, local};

use crate::log::{boom, panic_of};

const NUMBER: Topic<u32> = Topic::new("waiting.number");
const LONG: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(20);

/// The smallest executor: one task, and its thread is parked.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut future, mut context) = (pin!(future), Context::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// What an application awaits: one event, one of two, all of two, and a stream to its end.
async fn scenario(signal: Signal<u32>, stop: Signal<()>) -> Result<u32, slotcast::Closed> {
    let mut stream = signal.stream(1024, Overflow::Reject);
    let first = signal.next().await?;
    let either = future::select(signal.next_where(|n| *n > 10), stop.next()).await;
    let future::Either::Left((large, stopped)) = either else {
        panic!("nobody has stopped")
    };
    let large = large?;
    let (one, other) = future::try_join(signal.next(), signal.next_where(|n| n % 2 == 0)).await?;
    assert_eq!(other % 2, 0);
    stop.emit(&());
    stopped.await?;
    signal.close();
    let mut last = 0;
    while let Some(n) = stream.next().await {
        let n = n.unwrap();
        assert!(n > last, "in order");
        last = n;
    }
    assert!(first < large && large < one && one <= last && other <= last);
    assert!(signal.next().await.is_err());
    Ok(last)
}

/// Emits rising numbers, until the signal is closed.
fn rising(signal: &Signal<u32>) -> thread::JoinHandle<()> {
    let signal = signal.clone();
    thread::spawn(move || {
        for n in 1.. {
            // Rejected where the stream is full, which only a slow machine sees.
            if signal.emit(&n).is_closed() {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    })
}

fn run(block_on: impl FnOnce(future::BoxFuture<'static, Result<u32, slotcast::Closed>>) -> u32) {
    let (signal, stop) = (Signal::new(), Signal::new());
    let rising = rising(&signal);
    let last = block_on(scenario(signal, stop).boxed());
    assert!(last > 10);
    rising.join().unwrap();
}

#[test]
fn waiting_works_under_tokio() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    run(|scenario| runtime.block_on(async { tokio::spawn(scenario).await.unwrap().unwrap() }));
    // With its time: dropped by whoever gives up, and unsubscribed.
    let signal = Signal::<u32>::new();
    runtime.block_on(async {
        let waited = tokio::time::timeout(SOON, signal.next()).await;
        assert!(waited.is_err());
    });
    assert!(signal.is_empty());
}

#[test]
fn waiting_works_under_async_executor() {
    let executor = Executor::new();
    run(|scenario| futures_lite::future::block_on(executor.run(executor.spawn(scenario))).unwrap());
}

#[test]
fn waiting_works_under_the_smallest_executor() {
    run(|scenario| block_on(scenario).unwrap());
}

#[test]
fn tasks_of_one_thread_wait_for_local_signals() {
    let (executor, signal) = (LocalExecutor::new(), local::Signal::<u32>::new());
    let task = executor.spawn({
        let (next, stream) = (signal.next(), signal.stream(8, Overflow::Reject));
        async move {
            (
                next.await.unwrap(),
                stream.map(Result::unwrap).collect::<Vec<_>>().await,
            )
        }
    });
    let emitting = executor.spawn(async move {
        for n in 1..=3 {
            signal.emit(&n);
            futures_lite::future::yield_now().await;
        }
    });
    let both = async { (emitting.await, task.await).1 };
    assert_eq!(
        futures_lite::future::block_on(executor.run(both)),
        (1, vec![1, 2, 3])
    );
}

#[test]
fn a_stream_of_one_signal_is_emitted_by_another_across_tasks() {
    let (source, target) = (Signal::<u32>::new(), Signal::<u32>::new());
    let (items, last) = (
        source.stream(8, Overflow::Block),
        target.next_where(|n| *n == 1000),
    );
    let task = thread::spawn({
        let target = target.clone();
        move || block_on(target.emit_all(items.filter_map(|n| future::ready(n.ok()))))
    });
    (1..=1000).for_each(|n| _ = source.emit(&n));
    assert_eq!(last.wait(), Ok(1000));
    source.close();
    assert_eq!(task.join().unwrap(), 1000);
}

#[test]
fn a_thread_waits_for_one_event_and_gives_up_in_time() {
    let signal = Signal::<u32>::new();
    let started = Instant::now();
    let next: Next<u32> = signal.next().wait_timeout(SOON).unwrap_err();
    assert!(started.elapsed() >= SOON && signal.len() == 1);
    let emitting = thread::spawn({
        let signal = signal.clone();
        move || {
            thread::sleep(SOON);
            signal.emit(&7)
        }
    });
    assert_eq!(next.wait_timeout(LONG).unwrap(), Ok(7));
    assert_eq!(emitting.join().unwrap().ran(), 1);
    let ends: [fn(Signal<u32>); 3] = [
        |signal: Signal<u32>| signal.close(),
        |signal: Signal<u32>| _ = signal.clear(),
        drop,
    ];
    for end in ends {
        let signal = Signal::<u32>::new();
        let (next, mut stream) = (signal.next(), signal.stream(1, Overflow::Block));
        let waiting = [
            thread::spawn(move || next.wait().is_err()),
            thread::spawn(move || stream.wait().is_none()),
        ];
        thread::sleep(SOON);
        end(signal);
        assert!(waiting.into_iter().all(|thread| thread.join().unwrap()));
    }
}

#[test]
fn of_many_that_emit_at_once_one_is_first() {
    let signal = Signal::<u32>::new();
    let rounds = if cfg!(miri) { 20 } else { 500 };
    let ran = Arc::new(AtomicUsize::new(0));
    let emitting: Vec<_> = (0..3)
        .map(|_| {
            let (signal, ran) = (signal.clone(), ran.clone());
            thread::spawn(move || {
                loop {
                    let done = signal.emit(&1);
                    ran.fetch_add(done.ran(), Relaxed);
                    if done.is_closed() {
                        return;
                    }
                }
            })
        })
        .collect();
    for round in 0..rounds {
        let next = signal.next();
        match round % 2 {
            0 => assert_eq!(next.wait(), Ok(1)),
            _ => assert_eq!(block_on(next), Ok(1)),
        }
    }
    signal.close();
    emitting
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert_eq!(ran.load(Relaxed), rounds);
}

/// Each event arrives or is counted, in order, whoever takes them and however.
#[test]
fn nothing_is_lost_in_silence_between_threads() {
    let events: usize = if cfg!(miri) { 200 } else { 20_000 };
    for overflow in [
        Overflow::Block,
        Overflow::DropOldest,
        Overflow::DropNewest,
        Overflow::Reject,
    ] {
        let signal = Signal::<usize>::new();
        let stream = signal.stream(4, overflow);
        let taking = thread::spawn(move || match events % 2 {
            0 if overflow == Overflow::Block => tally(futures::executor::block_on_stream(stream)),
            _ => tally(Waiting(stream)),
        });
        let failed: usize = (1..=events).map(|n| signal.emit(&n).errors().len()).sum();
        signal.close();
        let (arrived, lost) = taking.join().unwrap();
        assert_eq!(arrived + lost + failed, events, "{overflow:?}");
        assert!(overflow != Overflow::Reject || lost == 0);
        assert!(overflow != Overflow::Block || arrived == events);
        assert!(overflow == Overflow::Reject || failed == 0);
    }
}

/// A stream, as an iterator that waits.
struct Waiting(EventStream<usize>);

impl Iterator for Waiting {
    type Item = Result<usize, Lagged>;
    fn next(&mut self) -> Option<Self::Item> {
        self.0.wait()
    }
}

/// How many arrived, and how many were lost, each loss where it is said to be.
fn tally(items: impl Iterator<Item = Result<usize, Lagged>>) -> (usize, usize) {
    let (mut arrived, mut lost, mut last, mut missing) = (0, 0, 0, 0);
    for item in items {
        match item {
            Ok(n) => {
                // What was rejected is missing without a word: the emission has it.
                assert!(n > last && (missing == 0 || n == last + missing + 1));
                (arrived, last, missing) = (arrived + 1, n, 0);
            }
            Err(lagged) => {
                missing += lagged.lost();
                lost += lagged.lost();
            }
        }
    }
    (arrived, lost)
}

#[test]
fn whoever_waits_for_room_goes_on_when_the_stream_ends() {
    type End = fn(Signal<u32>, EventStream<u32>) -> Option<EventStream<u32>>;
    let ends: [(&str, End); 3] = [
        ("taken from", |_, mut stream| {
            assert_eq!(stream.try_take(), Some(Ok(1)));
            Some(stream)
        }),
        ("closed", |signal, stream| {
            signal.close();
            Some(stream)
        }),
        ("dropped", |_, stream| {
            drop(stream);
            None
        }),
    ];
    for (how, end) in ends {
        let signal = Signal::<u32>::new();
        let stream = signal.stream(1, Overflow::Block);
        signal.emit(&1);
        let blocked = thread::spawn({
            let signal = signal.clone();
            move || signal.emit(&2).ran()
        });
        thread::sleep(SOON);
        assert!(!blocked.is_finished(), "{how}");
        let stream = end(signal, stream);
        let ran = blocked.join().unwrap();
        assert_eq!(ran, usize::from(how == "taken from"), "{how}");
        drop(stream);
    }
}

#[test]
#[should_panic(expected = "a stream of the local flavour cannot wait for room")]
fn a_local_stream_cannot_wait_for_room() {
    _ = local::Signal::<u32>::new().stream(1, Overflow::Block);
}

#[test]
fn what_is_misused_panics_at_the_line_of_the_caller() {
    let signal = Signal::<u32>::new();
    let bus = Bus::new();
    let line_of = |f: &dyn Fn()| {
        let line = Arc::new(AtomicUsize::new(0));
        let seen = line.clone();
        let before = std::panic::take_hook();
        let me = thread::current().id();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().unwrap();
            if thread::current().id() == me && place.file().ends_with("waiting.rs") {
                seen.store(place.line() as usize, Relaxed);
            }
        }));
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
        std::panic::set_hook(before);
        assert!(caught.is_err());
        line.load(Relaxed)
    };
    let (first, ways): (_, [&dyn Fn(); 3]) = (
        line!() + 2,
        [
            &|| _ = signal.stream(0, Overflow::Reject),
            &|| _ = bus.stream(&NUMBER, 0, Overflow::Reject),
            &|| _ = signal.subscribe().stream(0, Overflow::Reject),
        ],
    );
    for (way, line) in ways.into_iter().zip(first..) {
        assert_eq!(line_of(way), line as usize);
    }
}

/// A stream says what it has without asking for more.
#[test]
fn a_stream_is_a_stream() {
    fn is_stream<S: Stream<Item = Result<u32, Lagged>> + Send + Unpin + 'static>(_: &S) {}
    let signal = Signal::<u32>::new();
    let stream = signal.stream(4, Overflow::Reject);
    is_stream(&stream);
    signal.emit(&1);
    assert_eq!(stream.size_hint(), (1, None));
    assert!(format!("{stream:?} {:?}", signal.next()).contains("len: 1"));
}

#[test]
fn a_stream_that_has_ended_loses_nothing_more() {
    let signal = Signal::<u32>::new();
    let shelf: Arc<Mutex<Option<EventStream<u32>>>> = Arc::default();
    let (own, from) = (signal.downgrade(), shelf.clone());
    let stream = signal
        .subscribe()
        .stream_map(4, Overflow::Reject, move |_| -> Option<u32> {
            own.upgrade().unwrap().close();
            assert_eq!(from.lock().unwrap().as_mut().unwrap().wait(), None);
            boom("too late")
        });
    *shelf.lock().unwrap() = Some(stream);
    assert_eq!(panic_of(|| signal.emit(&1)), "too late");
    let mut stream = shelf.lock().unwrap().take().unwrap();
    assert_eq!(stream.wait(), None);
}

#[test]
fn a_stream_that_blocks_is_made_whatever_is_handed_to_it() {
    let signal = Signal::<u32>::new();
    signal.retain(2);
    (1..=2).for_each(|n| _ = signal.emit(&n));
    let mut stream = signal.stream(1, Overflow::Block);
    assert_eq!(stream.len(), 2);
    assert_eq!((stream.wait(), stream.wait()), (Some(Ok(1)), Some(Ok(2))));
}
