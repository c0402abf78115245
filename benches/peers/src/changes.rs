//! Subscribing and cancelling: one handler beside others, many in different orders, and between emissions.

use std::hint::black_box;

use slotcast::{Topic, local};

use crate::handlers::{EVENT, Event, counter, shuffled};
use crate::measure::{Contestant, Run};
use crate::peers::{
    self, Bare, Bevy, Evenio, Holes, Local, LocalNamed, Named, Peer, RsEvents, RxLocal, RxShared,
    Shared, Signals2, Snapshot, Swap, Threads,
};

pub fn run(run: &mut Run) {
    one(run);
    many(run);
    alternating(run);
    patterns(run);
}

fn one(run: &mut Run) {
    let table = "Subscribing a handler and cancelling it";
    let counts = match run.is_test {
        true => [0, 10, 100],
        false => [0, 1000, 100_000],
    };
    for others in counts {
        let mut all = vec![
            one_of::<Holes>(others),
            one_of::<Snapshot>(others),
            one_of::<Swap>(others),
            one_of::<Shared>(others),
            one_of::<Local>(others),
            one_of::<Named>(others),
            one_of::<LocalNamed>(others),
            one_of::<RxLocal>(others),
            one_of::<RxShared>(others),
            one_of::<RsEvents>(others),
            one_of::<Evenio>(others),
            one_of::<Bevy>(others),
            one_of::<Threads>(others),
        ];
        if others <= 1000 {
            // Copies its list for each of them.
            all.push(one_of::<Signals2>(others));
        }
        if others == 0 {
            all.extend(by_handle());
        }
        let case = format!("{others} others");
        run.compare(table, &case, one_of::<Bare>(others), all);
    }
}

fn one_of<P: Peer>(others: usize) -> Contestant<'static> {
    peers::check::<P>();
    let mut peer = P::new();
    let held = peer.subscribe_many(others);
    Contestant::each(P::NAME, 0, move || {
        let _held = &held;
        let handle = black_box(peer.subscribe(counter()));
        peer.cancel(handle);
    })
}

/// A topic whose handle is kept. Those above come into being with their only handler, and go with it.
fn by_handle() -> [Contestant<'static>; 2] {
    let topic = Topic::<Event>::new("bench.event");
    let (shared, alone) = (slotcast::Bus::new(), local::Bus::new());
    let (signal, own_signal) = (shared.signal(&topic), alone.signal(&topic));
    let own_topic = topic.clone();
    [
        Contestant::each("slotcast, by name, topic held", 0, move || {
            let _held = &signal;
            drop(black_box(shared.on(&topic, counter())));
        }),
        Contestant::each("slotcast, local, by name, topic held", 0, move || {
            let _held = &own_signal;
            drop(black_box(alone.on(&own_topic, counter())));
        }),
    ]
}

#[derive(Clone, Copy)]
enum Order {
    OneGo,
    OldestFirst,
    NewestFirst,
    AtRandom,
}

fn many(run: &mut Run) {
    let count = if run.is_test { 100 } else { 10_000 };
    let table = format!("{count} handlers subscribed and cancelled, a handler");
    let cases = [
        ("in one go", Order::OneGo),
        ("oldest first", Order::OldestFirst),
        ("newest first", Order::NewestFirst),
        ("at random", Order::AtRandom),
    ];
    for (case, order) in cases {
        let mut all = vec![
            many_of::<Snapshot>(count, order),
            many_of::<Shared>(count, order),
            many_of::<Local>(count, order),
            many_of::<Named>(count, order),
            many_of::<LocalNamed>(count, order),
            many_of::<RxLocal>(count, order),
            many_of::<RxShared>(count, order),
            many_of::<Evenio>(count, order),
            many_of::<Bevy>(count, order),
        ];
        if matches!(order, Order::OldestFirst) {
            // In the square of the number, which takes seconds.
            all.extend([
                many_of::<Swap>(count, order),
                many_of::<Signals2>(count, order),
                many_of::<RsEvents>(count, order),
            ]);
        }
        run.compare(&table, case, many_of::<Holes>(count, order), all);
    }
}

fn many_of<P: Peer>(count: usize, order: Order) -> Contestant<'static> {
    peers::check::<P>();
    let mut peer = P::new();
    let batch = move |_| {
        let handles = peer.subscribe_many(count);
        if let Order::OneGo = order {
            for handle in handles {
                peer.cancel(handle);
            }
            return;
        }
        // Taken out one by one in all orders, so that they differ in nothing else.
        let mut handles: Vec<_> = handles.into_iter().map(Some).collect();
        for at in 0..count {
            let at = match order {
                Order::NewestFirst => count - 1 - at,
                Order::AtRandom => shuffled(at, count),
                Order::OldestFirst | Order::OneGo => at,
            };
            if let Some(handle) = handles[at].take() {
                peer.cancel(handle);
            }
        }
    };
    Contestant::batches(P::NAME, 0, count as u64, batch)
}

fn alternating(run: &mut Run) {
    let table = "Subscribe, emit, cancel, emit";
    let counts: &[usize] = match run.is_test {
        true => &[10],
        false => &[1000, 10_000],
    };
    for &others in counts {
        let all = vec![
            alternating_of::<Holes>(others),
            alternating_of::<Snapshot>(others),
            alternating_of::<Swap>(others),
            alternating_of::<Shared>(others),
            alternating_of::<Local>(others),
            alternating_of::<Named>(others),
            alternating_of::<LocalNamed>(others),
            alternating_of::<RxLocal>(others),
            alternating_of::<RxShared>(others),
            alternating_of::<Signals2>(others),
            alternating_of::<RsEvents>(others),
            alternating_of::<Evenio>(others),
            alternating_of::<Bevy>(others),
        ];
        let case = format!("{others} others");
        run.compare(table, &case, alternating_of::<Bare>(others), all);
    }
}

fn alternating_of<P: Peer>(others: usize) -> Contestant<'static> {
    let mut peer = P::new();
    let held = peer.subscribe_many(others);
    Contestant::each(P::NAME, 2 * others + 1, move || {
        let _held = &held;
        let handle = peer.subscribe(counter());
        peer.emit(black_box(&EVENT));
        peer.cancel(handle);
        peer.emit(black_box(&EVENT));
    })
}

/// Handlers of a pattern that has one already. With an emission to one of the topics after each, or to none.
fn patterns(run: &mut Run) {
    let count = if run.is_test { 10 } else { 10_000 };
    let table =
        format!("Another handler of a pattern that {count} topics match, subscribed and cancelled");
    for (case, emits) in [
        ("nothing emitted", false),
        ("an event to a topic after each", true),
    ] {
        let (shared, alone) = (slotcast::Bus::new(), local::Bus::new());
        let topics = (0..count).map(|n| Topic::<Event>::named(format!("room.{n}.joined")).unwrap());
        let topics: Vec<_> = topics.collect();
        let signals: Vec<_> = topics.iter().map(|topic| shared.signal(topic)).collect();
        let own_signals: Vec<_> = topics.iter().map(|topic| alone.signal(topic)).collect();
        let first = shared.on_pattern("room.>", |_| ());
        let own_first = alone.on_pattern("room.>", |_| ());
        let mut turn = 0;
        let shared = Contestant::each("slotcast", 0, move || {
            let (_, handler) = (&first, shared.on_pattern("room.>", |_| ()));
            turn += 1;
            if emits {
                signals[turn % count].emit(&EVENT);
            }
            drop(black_box(handler));
        });
        let mut turn = 0;
        let alone = Contestant::each("slotcast, local", 0, move || {
            let (_, handler) = (&own_first, alone.on_pattern("room.>", |_| ()));
            turn += 1;
            if emits {
                own_signals[turn % count].emit(&EVENT);
            }
            drop(black_box(handler));
        });
        run.compare(&table, case, one_of::<Bare>(0), vec![shared, alone]);
    }
}
