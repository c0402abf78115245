//! Promise 15: an emission allocates nothing after a thread's first one.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use slotcast::flavour::{Bus, Signal};
use slotcast::{Flow, Topic};

use super::{Either, Nest, Nested, Plain, allocations_of, bytes_of, subscribe_all_kinds, times};

on_both! {
    emitting_allocates_nothing_after_the_first;
    nested_emissions_allocate_nothing_after_the_first;
    emitting_to_nobody_allocates_nothing;
    awaited_emissions_leave_nothing;
    turns_and_targets_and_replacements_allocate_nothing;
}

fn emitting_allocates_nothing_after_the_first<M: Either>() {
    const TICK: Topic<u32> = Topic::new("tick");
    let bus = Bus::<M>::new();
    let made = Topic::<u32>::named("made.by.name").unwrap();
    let (tick, alone) = (bus.signal(&TICK), Signal::<M, u32>::new());
    let _subs = [&tick, &alone, &bus.signal(&made)].map(subscribe_all_kinds);
    let emit = |n: u32| {
        // The paused one stays out, the filtering ones at odd numbers, and after a stop all others.
        let ran = match n {
            3 => 1,
            n if n % 2 == 0 => 6,
            _ => 4,
        };
        assert_eq!(tick.emit(&n).ran(), ran);
        assert_eq!(tick.emit_lazy(|| n).ran(), ran);
        assert_eq!(alone.emit(&n).ran(), ran);
        assert_eq!(bus.emit(&TICK, &n).ran(), ran);
        assert_eq!(bus.emit(&made, &n).ran(), ran);
        assert_eq!(bus.emit_lazy(&made, || n).stopped(), n == 3);
    };
    emit(0);
    assert_eq!(allocations_of(|| (0..100).for_each(emit)), 0);
    // A pause is no change of the handlers.
    let sub = M::on_nothing(&tick);
    tick.emit(&0);
    let pausing = || {
        let pause = sub.pause();
        assert_eq!(tick.emit(&0).ran(), 6);
        drop(pause);
        assert_eq!(tick.emit(&0).ran(), 7);
    };
    assert_eq!(allocations_of(pausing), 0);
}

#[test]
fn emitting_allocates_nothing_after_the_first_of_each_thread() {
    let signal = slotcast::Signal::<u32>::new();
    let _subs = subscribe_all_kinds(&signal);
    for _ in 0..3 {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                signal.emit(&1);
                assert_eq!(
                    allocations_of(|| (0..100).for_each(|n| _ = signal.emit(&n))),
                    0
                );
            });
        });
    }
}

fn nested_emissions_allocate_nothing_after_the_first<M: Either>() {
    let signal = Signal::<M, u32, Nest<M>>::with_context();
    let handler: Nested<M> = |nest, level| {
        nest.deepest = nest.deepest.max(*level);
        if *level < 40 {
            nest.signal.clone().emit_with(nest, &(level + 1));
        }
    };
    let _sub = signal
        .subscribe()
        .priority(1)
        .label("nesting")
        .on_with(handler);
    let mut nest = Nest {
        signal: signal.clone(),
        deepest: 0,
    };
    signal.emit_with(&mut nest, &40);
    let emit = || {
        let done = signal.emit_with(&mut nest, &1);
        assert_eq!((done.ran(), nest.deepest), (1, 40));
    };
    assert_eq!(allocations_of(emit), 0);
}

fn emitting_to_nobody_allocates_nothing<M: Either>() {
    const NOBODY: Topic<u32> = Topic::new("nobody");
    let (bus, signal) = (Bus::<M>::new(), Signal::<M, u32>::new());
    let emit = || {
        assert_eq!(bus.emit(&NOBODY, &1).ran(), 0);
        assert_eq!(signal.emit(&1).ran(), 0);
        assert_eq!(bus.emit_lazy(&NOBODY, || unreachable!()).ran(), 0);
    };
    assert_eq!(allocations_of(emit), 0);
    signal.close();
    bus.close();
    assert_eq!(
        allocations_of(|| assert!(
            signal.emit(&1).is_closed() && bus.emit(&NOBODY, &1).is_closed()
        )),
        0
    );
}

fn awaited_emissions_leave_nothing<M: Either>() {
    let signal = Signal::<M, u32>::new();
    let _subs = [
        M::on_started(&signal),
        M::on_nothing(&signal),
        M::on_started(&signal),
    ];
    let mut cx = Context::from_waker(Waker::noop());
    let mut emit = |n: usize| {
        let mut emission = match n % 2 {
            0 => signal.emit_async(7),
            _ => signal.emit_async(7).in_order(),
        };
        match n % 5 {
            // Never polled.
            0 => drop(emission),
            _ => assert!(Pin::new(&mut emission).poll(&mut cx).is_ready()),
        }
    };
    (0..100).for_each(&mut emit);
    let count = times(50_000);
    assert_eq!(bytes_of(|| (0..count).for_each(&mut emit)).0, 0);
}

fn turns_and_targets_and_replacements_allocate_nothing<M: Either>() {
    let (signal, target) = (Signal::<M, u32>::new(), Signal::<M, u32>::new());
    let handler: Plain = |_| Flow::Continue;
    let (_kept, _weak) = M::on_target(&signal);
    let _subs = [
        signal.on_mut(handler),
        signal.forward_to(&target),
        M::on_nothing(&target),
    ];
    let replaced = M::on_nothing(&signal);
    replaced.replace(handler).unwrap();
    assert_eq!(signal.emit(&1).ran(), 4);
    let emit = || (0..100).for_each(|n| assert_eq!(signal.emit(&n).ran(), 4));
    assert_eq!(allocations_of(emit), 0);
}
