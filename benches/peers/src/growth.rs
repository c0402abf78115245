//! Whether the cost of a piece grows with the number of all: from a thousand to a million.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hint::black_box;
use std::time::{Duration, Instant};

use slotcast::{Topic, local};

use crate::handlers::{Boxed, EVENT, Event, counter, shuffled};
use crate::measure::Run;
use crate::peers::{Bare, Local, Peer, Shared};

pub fn run(run: &mut Run) {
    let counts: &[usize] = match run.is_test {
        true => &[100],
        false => &[1000, 10_000, 100_000, 1_000_000],
    };
    for &count in counts {
        let bare = handlers::<Bare>(count);
        record(run, count, Bare::NAME, bare, bare);
        record(run, count, Shared::NAME, handlers::<Shared>(count), bare);
        record(run, count, Local::NAME, handlers::<Local>(count), bare);
        let bare = deferred_by_hand(count);
        record(run, count, "bare `Vec`", bare, bare);
        record(run, count, "slotcast", deferred(count), bare);
        record(run, count, "slotcast, local", deferred_locally(count), bare);
        let bare = delayed_by_hand(count);
        record(run, count, "`BinaryHeap`", bare, bare);
        record(run, count, "slotcast", delayed(count), bare);
        record(run, count, "slotcast, local", delayed_locally(count), bare);
        let names: Vec<String> = (0..count).map(|n| format!("room.{n}.joined")).collect();
        let bare = named_by_hand(&names);
        record(run, count, "`HashMap` + `Vec`, foldhash", bare, bare);
        record(run, count, "slotcast", named(&names), bare);
        record(run, count, "slotcast, local", named_locally(&names), bare);
    }
}

type Costs<const N: usize> = [(&'static str, f64); N];

fn record<const N: usize>(
    run: &mut Run,
    count: usize,
    contestant: &str,
    costs: Costs<N>,
    bare: Costs<N>,
) {
    for ((what, cost), (_, bare)) in costs.into_iter().zip(bare) {
        let table = format!("Growth: {what}");
        run.record(
            [&table, &format!("of {count}"), contestant],
            "ns",
            cost,
            bare,
        );
    }
}

/// The best of three, for each of `count`.
fn best<const N: usize>(count: usize, mut costs: impl FnMut() -> Costs<N>) -> Costs<N> {
    let mut best = costs();
    for _ in 1..3 {
        for (best, new) in best.iter_mut().zip(costs()) {
            best.1 = best.1.min(new.1);
        }
    }
    best.map(|(what, cost)| (what, cost / count as f64))
}

/// How long it takes, in nanoseconds.
fn timed<R>(work: impl FnOnce() -> R) -> (R, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_nanos() as f64)
}

fn handlers<P: Peer>(count: usize) -> Costs<4> {
    best(count, || {
        let mut peer = P::new();
        let (handles, subscribed) = timed(|| peer.subscribe_many(count));
        let ((), first) = timed(|| peer.emit(black_box(&EVENT)));
        let ((), second) = timed(|| peer.emit(black_box(&EVENT)));
        let mut handles: Vec<_> = handles.into_iter().map(Some).collect();
        let ((), cancelled) = timed(|| {
            for at in 0..count {
                if let Some(handle) = handles[shuffled(at, count)].take() {
                    peer.cancel(handle);
                }
            }
        });
        [
            ("subscribing a handler", subscribed),
            ("the first emission, a handler", first),
            ("the second emission, a handler", second),
            ("cancelling a handler at random", cancelled),
        ]
    })
}

const DEFERRED: &str = "deferring an event";
const DRAINED: &str = "draining an event";

fn deferred_by_hand(count: usize) -> Costs<2> {
    let handler: Boxed = Box::new(counter());
    best(count, || {
        let mut waiting = Vec::new();
        let ((), deferred) = timed(|| (0..count).for_each(|_| waiting.push(black_box(EVENT))));
        let ((), drained) = timed(|| waiting.drain(..).for_each(|event| handler(&event)));
        [(DEFERRED, deferred), (DRAINED, drained)]
    })
}

const DELAYED: &str = "delaying an event, in any order";
const DUE: &str = "draining a delayed event";

/// The deadlines of delayed events, in no order.
fn deadlines(start: Instant, count: usize) -> impl Iterator<Item = Instant> {
    (0..count).map(move |at| start + Duration::from_micros(shuffled(at, count) as u64))
}

fn delayed_by_hand(count: usize) -> Costs<2> {
    let handler: Boxed = Box::new(counter());
    best(count, || {
        let start = Instant::now();
        let mut waiting = BinaryHeap::new();
        let ((), delayed) = timed(|| {
            for (number, deadline) in deadlines(start, count).enumerate() {
                waiting.push(Reverse((deadline, number, EVENT.amount, EVENT.other)));
            }
        });
        let ((), drained) = timed(|| {
            while let Some(Reverse((_, _, amount, other))) = waiting.pop() {
                handler(black_box(&Event { amount, other }));
            }
        });
        [(DELAYED, delayed), (DUE, drained)]
    })
}

fn named_by_hand(names: &[String]) -> Costs<2> {
    best(names.len(), || {
        let mut lists = HashMap::<String, Vec<Boxed>, foldhash::fast::RandomState>::default();
        let ((), subscribed) = timed(|| {
            for name in names {
                let list = lists.entry(name.clone()).or_default();
                list.push(Box::new(counter()));
            }
        });
        let ((), emitted) = timed(|| {
            for at in 0..names.len() {
                let name = &names[shuffled(at, names.len())];
                lists[name].iter().for_each(|handler| handler(&EVENT));
            }
        });
        [(SUBSCRIBED, subscribed), (EMITTED, emitted)]
    })
}

const SUBSCRIBED: &str = "a handler of a new topic, by name";
const EMITTED: &str = "an emission by name, at random";

macro_rules! own {
    ($($deferred:ident, $delayed:ident, $named:ident: $bus:ty, $signal:ty, $queue:ty;)*) => { $(
        fn $deferred(count: usize) -> Costs<2> {
            let signal = <$signal>::new();
            let _sub = signal.on(counter());
            best(count, || {
                let queue = <$queue>::new();
                let ((), deferred) = timed(|| {
                    (0..count).for_each(|_| queue.defer(&signal, black_box(EVENT)).unwrap());
                });
                let (delivered, drained) = timed(|| queue.drain().delivered());
                assert_eq!(delivered, count);
                [(DEFERRED, deferred), (DRAINED, drained)]
            })
        }

        fn $delayed(count: usize) -> Costs<2> {
            let signal = <$signal>::new();
            let _sub = signal.on(counter());
            best(count, || {
                let (queue, start) = (<$queue>::new(), Instant::now());
                let ((), delayed) = timed(|| {
                    for deadline in deadlines(start, count) {
                        drop(queue.defer_at(deadline, &signal, black_box(EVENT)).unwrap());
                    }
                });
                let end = start + Duration::from_micros(count as u64);
                let (delivered, drained) = timed(|| queue.drain_at(end).delivered());
                assert_eq!(delivered, count);
                [(DELAYED, delayed), (DUE, drained)]
            })
        }

        fn $named(names: &[String]) -> Costs<2> {
            let topics: Vec<_> =
                names.iter().map(|name| Topic::<Event>::named(name).unwrap()).collect();
            best(names.len(), || {
                let bus = <$bus>::new();
                let (_subs, subscribed) = timed(|| {
                    topics.iter().map(|topic| bus.on(topic, counter())).collect::<Vec<_>>()
                });
                let (ran, emitted) = timed(|| {
                    let topics = (0..topics.len()).map(|at| &topics[shuffled(at, topics.len())]);
                    topics.map(|topic| bus.emit(topic, &EVENT).ran()).sum::<usize>()
                });
                assert_eq!(ran, names.len());
                [(SUBSCRIBED, subscribed), (EMITTED, emitted)]
            })
        }
    )* };
}

own! {
    deferred, delayed, named: slotcast::Bus, slotcast::Signal<Event>, slotcast::Queue;
    deferred_locally, delayed_locally, named_locally: local::Bus, local::Signal<Event>, local::Queue;
}
