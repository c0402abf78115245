//! Promises 13 and 14: what a handler takes, and that nothing of it is left when it has gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use slotcast::flavour::{Bus, Queue, Scope, Signal, Subscription};
use slotcast::{Flow, Topic};

use super::{
    Capturing, Either, Passes, Plain, allocations_of, bytes_of, shuffle, signed,
    subscribe_all_kinds, times,
};

on_both! {
    idle_signal_takes_at_most_256_bytes;
    further_handler_takes_at_most_160_bytes;
    signal_that_goes_leaves_nothing;
    captures_go_with_each_cancel_oldest_first;
    captures_go_with_each_cancel_at_random;
    captures_go_with_each_cancel_between_emissions;
    a_million_subscribed_and_cancelled_leave_nothing;
    changes_between_emissions_build_no_list;
    a_list_gives_the_room_of_many_back;
    a_burst_of_handlers_does_not_add_up;
    a_cleared_signal_is_as_small_as_a_new_one;
    weak_targets_that_died_do_not_add_up;
    looking_for_many_handlers_costs_nothing_while_there_are_as_many;
    a_scope_does_not_grow_by_what_has_ended;
    replacing_leaves_nothing;
    forwarding_to_what_has_gone_leaves_nothing;
    handlers_that_come_and_go_before_a_context_is_lent_leave_nothing;
}

fn idle_signal_takes_at_most_256_bytes<M: Either>() {
    let (bytes, signal) = bytes_of(Signal::<M, u32>::new);
    assert!(bytes <= 256, "{bytes} bytes");
    let (emitted, _) = bytes_of(|| signal.emit(&1));
    assert!(
        bytes + emitted <= 256,
        "{bytes} bytes, and {emitted} more by an emission"
    );
}

fn further_handler_takes_at_most_160_bytes<M: Either>() {
    let mut too_much = Vec::new();
    for count in [1, 2, 5, 9, 17, 100, 1000, 1025].map(times) {
        let signal = Signal::<M, u32>::new();
        // So that nothing of the thread is counted.
        let other = Signal::<M, u32>::new();
        let _sub = M::on_nothing(&other);
        other.emit(&1);
        let _first = M::on_nothing(&signal);
        signal.emit(&1);
        let mut subscriptions = Vec::with_capacity(count);
        let (bytes, ()) = bytes_of(|| {
            subscriptions.extend((0..count).map(|_| M::on_nothing(&signal)));
            assert_eq!(signal.emit(&1).ran(), count + 1);
        });
        if bytes > 160 * signed(count) {
            too_much.push(format!(
                "{count} handlers take {bytes} bytes, {} each",
                bytes / signed(count)
            ));
        }
    }
    assert!(too_much.is_empty(), "{too_much:#?}");
}

fn signal_that_goes_leaves_nothing<M: Either>() {
    M::on_nothing(&Signal::new()).detach();
    let go = || {
        let signal = Signal::<M, u32>::new();
        let subs = subscribe_all_kinds(&signal);
        signal.emit(&1);
        let queue = Queue::<M>::new();
        queue.defer(&signal, 1).unwrap();
        queue.drain();
        drop(signal);
        drop(subs);
    };
    go();
    assert_eq!(bytes_of(go).0, 0);
    let go = || {
        let bus = Bus::<M>::new();
        let names = (0..100).map(|n| Topic::<u32>::named(format!("topic.{n}")).unwrap());
        let subs: Vec<_> = names
            .map(|name| M::on_nothing(&bus.signal(&name)))
            .collect();
        subs.into_iter().for_each(Subscription::detach);
        bus.emit(&Topic::new("topic.1"), &1_u32);
    };
    assert_eq!(bytes_of(go).0, 0);
}

/// Counts drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn capturing(drops: &Arc<AtomicUsize>) -> Capturing {
    let counted = Counted(drops.clone());
    Box::new(move |_| _ = &counted)
}

/// Cancels ten thousand handlers in an order, and looks for their captures after each.
fn cancel_in_order<M: Either>(order: impl FnOnce(&mut Vec<Subscription<M>>), emit_every: usize) {
    let (signal, drops) = (Signal::<M, u32>::new(), Arc::new(AtomicUsize::new(0)));
    let all = times(10_000);
    let mut subscriptions: Vec<_> = (0..all).map(|_| signal.on(capturing(&drops))).collect();
    assert_eq!(signal.emit(&1).ran(), all);
    order(&mut subscriptions);
    for (gone, subscription) in subscriptions.into_iter().enumerate() {
        assert_eq!(drops.load(Relaxed), gone);
        match gone % 3 {
            0 => drop(subscription),
            _ => assert!(subscription.cancel()),
        }
        assert_eq!(drops.load(Relaxed), gone + 1);
        if gone % emit_every == 0 {
            assert_eq!(signal.emit(&1).ran(), all - gone - 1);
        }
    }
    assert!(signal.is_empty());
}

fn captures_go_with_each_cancel_oldest_first<M: Either>() {
    cancel_in_order::<M>(|_| (), usize::MAX);
}

fn captures_go_with_each_cancel_at_random<M: Either>() {
    cancel_in_order::<M>(|all| shuffle(all), usize::MAX);
}

fn captures_go_with_each_cancel_between_emissions<M: Either>() {
    cancel_in_order::<M>(|all| shuffle(all), 97);
}

/// Where nobody reads the list: the handler is all that is allocated.
fn changes_between_emissions_build_no_list<M: Either>() {
    let signal = Signal::<M, u32>::new();
    let mut subscriptions: Vec<_> = (0..1000).map(|_| M::on_nothing(&signal)).collect();
    let mut change = |at: usize| {
        let allocations = allocations_of(|| {
            subscriptions[at] = M::on_nothing(&signal);
            signal.emit(&1);
            subscriptions[at].cancel();
            signal.emit(&1);
            subscriptions[at] = M::on_nothing(&signal);
            assert_eq!(signal.emit(&1).ran(), 1000);
        });
        (at, allocations)
    };
    change(0);
    for at in [0, 500, 999, 499, 1, 998] {
        assert_eq!(change(at), (at, 2));
    }
}

fn a_list_gives_the_room_of_many_back<M: Either>() {
    let signal = Signal::<M, u32>::new();
    let mut subscriptions: Vec<_> = (0..10).map(|_| M::on_nothing(&signal)).collect();
    signal.emit(&1);
    let (bytes, ()) = bytes_of(|| {
        let mut many: Vec<_> = (0..times(10_000)).map(|_| M::on_nothing(&signal)).collect();
        while let Some(subscription) = many.pop() {
            signal.emit(&1);
            drop(subscription);
        }
        subscriptions.truncate(9);
        signal.emit(&1);
    });
    // The places of the handlers are kept for as many.
    assert!(bytes <= signed(times(10_000)) * 42, "{bytes} bytes");
    drop(subscriptions);
}

fn a_million_subscribed_and_cancelled_leave_nothing<M: Either>() {
    let (lonely, signal) = (Signal::<M, u32>::new(), Signal::<M, u32>::new());
    let _stays = M::on_nothing(&signal);
    let handler: Plain = |_| Flow::Continue;
    let both = |n: usize| {
        drop(M::on_nothing(&lonely));
        assert!(
            signal
                .subscribe()
                .label("short lived")
                .priority(3)
                .limit(n)
                .on(handler)
                .cancel()
                == (n > 0)
        );
    };
    (0..10).for_each(both);
    assert_eq!(bytes_of(|| (0..times(500_000)).for_each(both)).0, 0);
    assert_eq!((lonely.emit(&1).ran(), signal.emit(&1).ran()), (0, 1));
}

fn a_burst_of_handlers_does_not_add_up<M: Either>() {
    let signal = Signal::<M, u32>::new();
    let burst = || {
        let count = times(100_000);
        let subscriptions: Vec<_> = (0..count).map(|_| M::on_nothing(&signal)).collect();
        assert_eq!(signal.emit(&1).ran(), count);
        drop(subscriptions);
        assert_eq!(signal.emit(&1).ran(), 0);
    };
    let (first, ()) = bytes_of(burst);
    // Places in the roster are kept for the next ones, and nothing else.
    assert!(
        first <= 32 * signed(times(100_000)),
        "{first} bytes are kept"
    );
    assert_eq!(bytes_of(|| (0..3).for_each(|_| burst())).0, 0);
}

fn a_cleared_signal_is_as_small_as_a_new_one<M: Either>() {
    let signal = Signal::<M, u32>::new();
    let go = || {
        for _ in 0..times(100_000) {
            M::on_nothing(&signal).detach();
        }
        signal.emit(&1);
        assert_eq!(signal.clear(), times(100_000));
    };
    // The first emission of a thread gets it what it keeps.
    go();
    assert_eq!(bytes_of(go).0, 0);
}

fn weak_targets_that_died_do_not_add_up<M: Either>() {
    let signal = Signal::<M, u32>::new();
    let (living, _sub) = M::on_target(&signal);
    // Nobody emits, and nobody cancels.
    let dies = || {
        let (target, sub) = M::on_target(&signal);
        sub.detach();
        drop(target);
    };
    (0..100).for_each(|_| dies());
    let (bytes, ()) = bytes_of(|| (0..times(100_000)).for_each(|_| dies()));
    assert!(bytes.abs() < 2048, "{bytes} bytes more");
    assert_eq!(signal.len(), 1);
    assert_eq!(signal.emit(&1).ran(), 1);
    drop(living);
    // Many at a time cost as much as each alone: they are looked for when room is made.
    let many: Vec<_> = (0..times(20_000)).map(|_| M::on_target(&signal)).collect();
    assert_eq!(signal.len(), many.len());
    let subs: Vec<_> = many.into_iter().map(|(_, sub)| sub).collect();
    assert!(signal.is_empty() && subs.iter().all(|sub| !sub.is_active()));
    assert_eq!(signal.emit(&1).ran(), 0);
    assert_eq!(signal.clear(), 0);
}

fn looking_for_many_handlers_costs_nothing_while_there_are_as_many<M: Either>() {
    let bus = Bus::<M>::new();
    let signal = bus.signal(&Topic::<u32>::new("room.joined"));
    let _subs: Vec<_> = (0..63).map(|_| M::on_nothing(&signal)).collect();
    let one_more = || drop(M::on_nothing(&signal));
    one_more();
    let rounds = 100;
    let allocations = allocations_of(|| (0..rounds).for_each(|_| one_more()));
    assert_eq!(allocations, rounds, "the handlers themselves");
}

fn a_scope_does_not_grow_by_what_has_ended<M: Either>() {
    let (signal, mut scope) = (Signal::<M, u32>::new(), Scope::<M>::new());
    let handler: Plain = |_| Flow::Continue;
    scope.add(M::on_nothing(&signal));
    let round = |scope: &mut Scope<M>| {
        // Ended by their limit, by themselves, by their signal, by their target.
        scope.add(signal.subscribe().limit(1).on(handler));
        let cancelled = M::on_nothing(&signal);
        cancelled.cancel();
        scope.add(cancelled);
        scope.add(M::on_nothing(&Signal::new()));
        let (target, sub) = M::on_target(&signal);
        scope.add(sub);
        assert_eq!(signal.emit(&1).ran(), 3);
        drop(target);
        assert_eq!(scope.len(), 1);
    };
    (0..100).for_each(|_| round(&mut scope));
    let (bytes, ()) = bytes_of(|| (0..times(25_000)).for_each(|_| round(&mut scope)));
    assert!(bytes.abs() < 4096, "{bytes} bytes more");
    assert_eq!(scope.clear(), 1);
    // A crowd leaves no room behind.
    let (bytes, scope) = bytes_of(|| {
        let mut scope = Scope::<M>::new();
        scope.extend((0..times(10_000)).map(|_| M::on_nothing(&signal)));
        assert_eq!(signal.clear(), scope.len() + times(10_000));
        scope.extend((0..times(10_000)).map(|_| M::on_nothing(&Signal::new())));
        scope
    });
    assert!(bytes < 200 * signed(times(10_000)), "{bytes} bytes");
    drop(scope);
}

fn replacing_leaves_nothing<M: Either>() {
    let (signal, drops) = (Signal::<M, u32>::new(), Arc::new(AtomicUsize::new(0)));
    let even: Passes = |n| n % 2 == 0;
    let subs = [
        M::on_nothing(&signal),
        signal
            .subscribe()
            .filter(even)
            .label("even")
            .limit(usize::MAX)
            .on(capturing(&drops)),
    ];
    let replace = |n: usize| {
        subs.iter()
            .for_each(|sub| sub.replace(capturing(&drops)).unwrap());
        if n % 3 == 0 {
            assert_eq!(signal.emit(&2).ran(), 2);
        }
    };
    (0..100).for_each(replace);
    let before = drops.load(Relaxed);
    // A multiple of three, so that as much is published after as before.
    let count = times(50_000) / 300 * 300;
    replace(0);
    assert_eq!(bytes_of(|| (1..=count).for_each(replace)).0, 0);
    assert_eq!(drops.load(Relaxed), before + 2 * (count + 1));
    drop(subs);
    assert_eq!(Arc::strong_count(&drops), 1);
    // All of it, from the first to the last.
    let go = || {
        let sub = signal.subscribe().filter(even).on(capturing(&drops));
        let pause = sub.pause();
        (0..3).for_each(|_| sub.replace(capturing(&drops)).unwrap());
        drop(sub);
        drop(pause);
    };
    go();
    assert_eq!(bytes_of(go).0, 0);
}

fn forwarding_to_what_has_gone_leaves_nothing<M: Either>() {
    let source = Signal::<M, u32>::new();
    let forward = || source.forward_to(&Signal::new()).detach();
    (0..100).for_each(|_| forward());
    let (bytes, ()) = bytes_of(|| (0..times(50_000)).for_each(|_| forward()));
    assert!(bytes.abs() < 2048, "{bytes} bytes more");
    assert!(source.is_empty());
}

fn handlers_that_come_and_go_before_a_context_is_lent_leave_nothing<M: Either>() {
    const LEVEL: Topic<u32> = Topic::new("level");
    let (bus, handler): (_, Plain) = (Bus::<M, u8>::with_context(), |_| Flow::Continue);
    let (in_bus, alone) = (bus.signal(&LEVEL), Signal::<M, u32, u8>::with_context());
    for signal in [in_bus, alone] {
        signal.retain_last();
        signal.emit_with(&mut 0, &1);
        let come_and_go = |_: usize| drop(signal.on(handler));
        (0..100).for_each(come_and_go);
        let bytes = bytes_of(|| (0..times(20_000)).for_each(come_and_go)).0;
        assert!(bytes < 10_000, "{bytes} bytes more");
    }
    assert_eq!(bus.queue().len(), 1);
}
