//! How many instructions does an operation take? Those are the same on a busy machine.
//!
//! ```sh
//! benches/instructions/count
//! ```
//!
//! `slotcast-instructions NAME TIMES` does one operation so many times; without arguments it lists the names.
//! What an operation takes is the difference between two runs, so what a program takes to start does not count.

use std::hint::black_box;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Waker};

use slotcast::{Bus, Queue, Signal, Topic, local};

#[derive(Clone)]
struct Event(u64);

const TOPIC: Topic<Event> = Topic::new("order.placed");

static SUM: AtomicU64 = AtomicU64::new(0);

fn add(event: &Event) {
    SUM.store(SUM.load(Relaxed) + event.0, Relaxed);
}

// Not inlined, as in a program that emits in more places than one.
#[inline(never)]
fn emit(signal: &Signal<Event>, event: &Event) {
    black_box(signal.emit(event));
}

#[inline(never)]
fn emit_local(signal: &local::Signal<Event>, event: &Event) {
    black_box(signal.emit(event));
}

fn shared<const HANDLERS: usize>(times: u64) {
    let signal = Signal::new();
    let _subs: [_; HANDLERS] = std::array::from_fn(|_| signal.on(add));
    (0..=times).for_each(|_| emit(&signal, &Event(3)));
}

fn of_local<const HANDLERS: usize>(times: u64) {
    let signal = local::Signal::new();
    let _subs: [_; HANDLERS] = std::array::from_fn(|_| signal.on(add));
    (0..=times).for_each(|_| emit_local(&signal, &Event(3)));
}

fn by_name(times: u64) {
    let bus = Bus::new();
    let _sub = bus.on(&TOPIC, add);
    (0..times).for_each(|_| _ = black_box(bus.emit(&TOPIC, &Event(3))));
}

fn by_name_local(times: u64) {
    let bus = local::Bus::new();
    let _sub = bus.on(&TOPIC, add);
    (0..times).for_each(|_| _ = black_box(bus.emit(&TOPIC, &Event(3))));
}

fn filtered(times: u64) {
    let signal = Signal::<Event>::new();
    let _sub = signal.subscribe().filter(|event| event.0 > 2).on(add);
    (0..=times).for_each(|_| emit(&signal, &Event(3)));
}

fn mutable(times: u64) {
    let (signal, mut sum) = (Signal::<Event>::new(), 0);
    let _sub = signal.on_mut(move |event| {
        sum += event.0;
        SUM.store(sum, Relaxed);
    });
    (0..=times).for_each(|_| emit(&signal, &Event(3)));
}

fn of_pattern(times: u64) {
    let bus = Bus::new();
    let _sub = bus.on_pattern("order.*", |any| any.payload().into_iter().for_each(add));
    let signal = bus.signal(&TOPIC);
    (0..=times).for_each(|_| emit(&signal, &Event(3)));
}

fn without_topic(times: u64) {
    let bus = Bus::new();
    let _sub = bus.on_pattern("order.*", |any| any.payload().into_iter().for_each(add));
    (0..times).for_each(|_| _ = black_box(bus.emit(&TOPIC, &Event(3))));
}

/// Events that are deferred at a time. The operation is one of them.
const BATCH: u64 = 64;

fn deferred<const HANDLERS: usize>(times: u64) {
    let bus = Bus::new();
    let _subs: [_; HANDLERS] = std::array::from_fn(|_| bus.on(&TOPIC, add));
    let signal = bus.signal(&TOPIC);
    for _ in 0..times / BATCH {
        (0..BATCH).for_each(|_| signal.defer(Event(1)).unwrap());
        black_box(bus.drain());
    }
}

fn deferred_local(times: u64) {
    let bus = local::Bus::new();
    let _sub = bus.on(&TOPIC, add);
    let signal = bus.signal(&TOPIC);
    for _ in 0..times / BATCH {
        (0..BATCH).for_each(|_| signal.defer(Event(1)).unwrap());
        black_box(bus.drain());
    }
}

fn deferred_by_name(times: u64) {
    let bus = Bus::new();
    let _sub = bus.on(&TOPIC, add);
    for _ in 0..times / BATCH {
        (0..BATCH).for_each(|_| bus.defer(&TOPIC, Event(1)).unwrap());
        black_box(bus.drain());
    }
}

fn one_by_one(times: u64) {
    let bus = Bus::new();
    let _sub = bus.on(&TOPIC, add);
    let signal = bus.signal(&TOPIC);
    for _ in 0..times {
        signal.defer(Event(1)).unwrap();
        black_box(bus.drain());
    }
}

fn through_on_queue(times: u64) {
    let (signal, queue) = (Signal::<Event>::new(), Queue::new());
    let _sub = signal.subscribe().on_queue(&queue, |(), event| add(event));
    for _ in 0..times / BATCH {
        (0..BATCH).for_each(|_| emit(&signal, &Event(1)));
        black_box(queue.drain());
    }
}

fn posted(times: u64) {
    let queue = Queue::new();
    for _ in 0..times / BATCH {
        (0..BATCH).for_each(|_| queue.post(|| SUM.store(1, Relaxed)).unwrap());
        black_box(queue.drain());
    }
}

fn replaced_events(times: u64) {
    let bus = Bus::new();
    let _sub = bus.on(&TOPIC, add);
    let signal = bus.signal(&TOPIC);
    for _ in 0..times {
        signal.defer_latest(Event(1)).unwrap();
        signal.defer_latest(Event(2)).unwrap();
        black_box(bus.drain());
    }
}

fn subscribed(times: u64) {
    let signal = Signal::new();
    (0..times).for_each(|_| drop(black_box(signal.on(add))));
}

fn changed<const OTHERS: usize>(times: u64) {
    let signal = Signal::new();
    let _subs: [_; OTHERS] = std::array::from_fn(|_| signal.on(add));
    for _ in 0..times {
        let sub = signal.on(add);
        emit(&signal, &Event(3));
        drop(sub);
    }
}

fn changed_local<const OTHERS: usize>(times: u64) {
    let signal = local::Signal::new();
    let _subs: [_; OTHERS] = std::array::from_fn(|_| signal.on(add));
    for _ in 0..times {
        let sub = signal.on(add);
        emit_local(&signal, &Event(3));
        drop(sub);
    }
}

fn once(times: u64) {
    let signal = Signal::new();
    for _ in 0..times {
        signal.once(add).detach();
        emit(&signal, &Event(3));
    }
}

fn replaced(times: u64) {
    let signal = Signal::<Event>::new();
    let sub = signal.on(add);
    for _ in 0..times {
        assert!(sub.replace(add).is_ok());
        emit(&signal, &Event(3));
    }
}

fn waited(times: u64) {
    let signal = Signal::new();
    for _ in 0..times {
        let sub = signal.on(add);
        emit(&signal, &Event(3));
        sub.cancel_and_wait().unwrap();
    }
}

fn awaited(times: u64) {
    let signal = Signal::<Event>::new();
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..times {
        let mut next = pin!(signal.next());
        assert!(next.as_mut().poll(&mut cx).is_pending());
        emit(&signal, &Event(3));
        assert!(next.as_mut().poll(&mut cx).is_ready());
    }
}

fn submitted(times: u64) {
    let jobs = slotcast::Jobs::with_executor(|task: Box<dyn FnOnce() + Send>| task());
    for _ in 0..times {
        let job = jobs.submit(|_| 3_u64);
        job.on_done(|outcome| _ = black_box(&outcome));
    }
}

fn promised(times: u64) {
    for _ in 0..times {
        let (promise, job) = slotcast::jobs::promise::<u64>();
        job.on_done(|outcome| _ = black_box(&outcome));
        promise.complete(3);
    }
}

/// A name, and what does the operation so many times.
type Operation = (&'static str, fn(u64));

const OPERATIONS: &[Operation] = &[
    ("emit to no handler", shared::<0>),
    ("emit to 1", shared::<1>),
    ("emit to 4", shared::<4>),
    ("emit to 64", shared::<64>),
    ("emit to no handler, local", of_local::<0>),
    ("emit to 1, local", of_local::<1>),
    ("emit to 4, local", of_local::<4>),
    ("emit to 64, local", of_local::<64>),
    ("emit by name", by_name),
    ("emit by name, local", by_name_local),
    ("emit to 1 with a filter", filtered),
    ("emit to 1 that changes its captures", mutable),
    ("emit to 1 of a pattern", of_pattern),
    (
        "emit to 1 of a pattern, a name without a topic",
        without_topic,
    ),
    ("defer and drain, 1 handler", deferred::<1>),
    ("defer and drain, 4 handlers", deferred::<4>),
    ("defer and drain, 1 handler, local", deferred_local),
    ("defer by name and drain", deferred_by_name),
    ("defer and drain one by one", one_by_one),
    ("emit and drain through on_queue", through_on_queue),
    ("post and drain", posted),
    ("defer_latest twice and drain", replaced_events),
    ("subscribe and cancel", subscribed),
    ("subscribe, emit, cancel", changed::<0>),
    ("subscribe, emit, cancel, 4 others", changed::<4>),
    (
        "subscribe, emit, cancel, 4 others, local",
        changed_local::<4>,
    ),
    ("once and emit", once),
    ("replace and emit", replaced),
    ("subscribe, emit, cancel and wait", waited),
    ("next, emit, poll", awaited),
    ("promise, on_done, complete", promised),
    ("submit to an inline executor, on_done", submitted),
];

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(times)) = (args.next(), args.next()) else {
        OPERATIONS.iter().for_each(|(name, _)| println!("{name}"));
        return;
    };
    let found = OPERATIONS.iter().find(|(it, _)| *it == name);
    let (_, operation) = found.unwrap_or_else(|| panic!("no such operation: {name}"));
    operation(times.parse().expect("a number of times"));
}
