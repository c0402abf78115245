//! Futures of one event, and streams of events from one thread to another.
//!
//! All under the same `block_on`: one task on one thread, which is parked where it has to wait.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use futures_core::Stream;
use slotcast::{Overflow, Signal, local};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::handlers::{EVENT, Event};
use crate::measure::{Contestant, Run};

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

pub fn run(run: &mut Run) {
    one_event(run);
    one_event_waited_for(run);
    streams(run);
}

fn one_event(run: &mut Run) {
    let (signal, alone) = (Signal::<Event>::new(), local::Signal::<Event>::new());
    let heard = Signal::<Event>::new();
    let _others: Vec<_> = (0..4)
        .map(|_| heard.on(|event| _ = black_box(event.amount)))
        .collect();
    let (sender, mut receiver) = broadcast::channel(16);
    let (flume_sender, flume_receiver) = flume::bounded(1);
    let (kanal_sender, kanal_receiver) = kanal::bounded_async(1);
    let all = vec![
        Contestant::each("tokio broadcast, kept", 0, move || {
            sender.send(EVENT).unwrap();
            got(block_on(receiver.recv()));
        }),
        Contestant::each("flume, kept", 0, move || {
            flume_sender.send(EVENT).unwrap();
            got(block_on(flume_receiver.recv_async()));
        }),
        Contestant::each("kanal, kept", 0, move || {
            kanal_sender.try_send(EVENT).unwrap();
            got(block_on(kanal_receiver.recv()));
        }),
        Contestant::each("slotcast, `next`", 0, || {
            let next = signal.next();
            signal.emit(&EVENT);
            got(block_on(next));
        }),
        Contestant::each("slotcast, local, `next`", 0, || {
            let next = alone.next();
            alone.emit(&EVENT);
            got(block_on(next));
        }),
        Contestant::each("slotcast, `next` beside 4 handlers", 0, || {
            let next = heard.next();
            heard.emit(&EVENT);
            got(block_on(next));
        }),
    ];
    let bare = Contestant::each("tokio oneshot", 0, || {
        let (sender, receiver) = oneshot::channel();
        _ = sender.send(EVENT);
        got(block_on(receiver));
    });
    run.compare(
        "One event awaited: made, sent, received",
        "sent before",
        bare,
        all,
    );
}

fn got<E: std::fmt::Debug>(event: Result<Event, E>) {
    assert_eq!(event.unwrap().amount, 1);
}

fn one_event_waited_for(run: &mut Run) {
    let signal = Signal::<Event>::new();
    let alone = local::Signal::<Event>::new();
    let all = vec![
        Contestant::each("slotcast, `next`", 0, || {
            let mut next = signal.next();
            begin(&mut next);
            signal.emit(&EVENT);
            got(block_on(next));
        }),
        Contestant::each("slotcast, local, `next`", 0, || {
            let mut next = alone.next();
            begin(&mut next);
            alone.emit(&EVENT);
            got(block_on(next));
        }),
    ];
    let bare = Contestant::each("tokio oneshot", 0, || {
        let (sender, mut receiver) = oneshot::channel();
        begin(&mut receiver);
        _ = sender.send(EVENT);
        got(block_on(receiver));
    });
    run.compare(
        "One event awaited: made, sent, received",
        "polled before it is sent",
        bare,
        all,
    );
}

const CAPACITY: usize = 1024;

/// So many are under way at most, so that none is lost: whoever sends looks how far the other is.
const WINDOW: u64 = 512;

fn streams(run: &mut Run) {
    let all = vec![
        stream("tokio broadcast", || {
            let (sender, mut receiver) = broadcast::channel(CAPACITY);
            let next = async move || receiver.recv().await.ok();
            (move |event| _ = sender.send(event).unwrap(), next)
        }),
        stream("flume", || {
            let (sender, receiver) = flume::bounded(CAPACITY);
            let next = async move || receiver.recv_async().await.ok();
            (move |event| sender.send(event).unwrap(), next)
        }),
        stream("kanal", || {
            let (sender, receiver) = kanal::bounded_async(CAPACITY);
            let sender = sender.to_sync();
            let next = async move || receiver.recv().await.ok();
            (move |event| sender.send(event).unwrap(), next)
        }),
        stream("slotcast, drops the oldest", || own(Overflow::DropOldest)),
        stream("slotcast, rejects", || own(Overflow::Reject)),
        stream("slotcast, waits for room", || own(Overflow::Block)),
    ];
    let bare = stream("tokio mpsc", || {
        let (sender, mut receiver) = mpsc::channel(CAPACITY);
        let next = async move || receiver.recv().await;
        (move |event| sender.try_send(event).unwrap(), next)
    });
    run.compare(
        "A stream from one thread to another, an event",
        "two threads",
        bare,
        all,
    );
}

fn own(overflow: Overflow) -> (impl FnMut(Event), impl AsyncFnMut() -> Option<Event>) {
    let signal = Signal::<Event>::new();
    let mut stream = signal.stream(CAPACITY, overflow);
    let next = async move || {
        let next = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await;
        next.map(|event| event.unwrap())
    };
    // The signal ends with the closure, and the stream with the signal.
    (move |event| _ = signal.emit(&event), next)
}

/// What sends, and what returns the next event until the sender was dropped.
fn stream<S, N>(
    name: &'static str,
    mut make: impl FnMut() -> (S, N) + 'static,
) -> Contestant<'static>
where
    S: FnMut(Event),
    N: AsyncFnMut() -> Option<Event> + Send + 'static,
{
    let work = move |times: u64| {
        let (mut send, mut next) = make();
        let received = Arc::new(AtomicU64::new(0));
        let taken = received.clone();
        let taking = thread::spawn(move || {
            block_on(async {
                let mut n = 0;
                while next().await.is_some() {
                    n += 1;
                    if n % 64 == 0 {
                        taken.store(n, Release);
                    }
                }
                n
            })
        });
        let start = Instant::now();
        for n in 0..times {
            while n - received.load(Acquire) >= WINDOW {
                thread::yield_now();
            }
            send(EVENT);
        }
        drop(send);
        let n = taking.join().unwrap();
        assert_eq!(n, times);
        (start.elapsed(), times)
    };
    Contestant::new(name, 0, Box::new(work)).long_samples()
}
