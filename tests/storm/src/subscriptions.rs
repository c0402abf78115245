//! Operations on subscriptions: they come, are replaced, paused and scoped, and go in every way there is; and what
//! signals have besides: futures, streams, demand, forwarding, kept events, hooks.

use std::sync::Arc;
use std::time::Duration;

use slotcast::{AnyEvent, Topic};

use crate::handlers::{self, May, call, overflow};
use crate::ledger::{caught, in_hook};
use crate::operations::{Worker, any_signal};
use crate::random::{below, one_in, pick};
use crate::tracked::{Capture, Event, Kind, Seat, Token};
use crate::world::{PATTERNS, Sub, World, depth, new_app_bus, new_bus, set_hook, wild_topic};

/// Shelves it; what does not fit is cancelled somehow.
fn shelve(world: &World, sub: Option<Sub>) {
    if let Some(victim) = sub.and_then(|sub| world.shelve(sub)) {
        end(victim, depth() == 0);
    }
}

pub fn add(world: &World) {
    shelve(world, handlers::subscribe(world));
}

pub fn add_pattern(world: &World) {
    shelve(world, handlers::subscribe_pattern(world));
}

pub fn add_app(world: &World) {
    shelve(world, Some(handlers::subscribe_app(world)));
}

pub fn cancel(world: &World, may_wait: bool) {
    if let Some(sub) = world.take() {
        end(sub, may_wait);
    }
}

/// Ends a subscription, and notes that it has ended.
fn end(sub: Sub, may_wait: bool) {
    let Sub {
        subscription,
        seats,
        target,
        ..
    } = sub;
    let ways = if may_wait { 7 } else { 6 };
    let waited = match below(ways) {
        0 => {
            drop(target);
            drop(subscription);
            false
        }
        1 => {
            let id = seats[0]
                .own_id
                .get()
                .and_then(|(bus, id)| Some((bus.upgrade()?, *id)));
            if id.is_some_and(|(bus, id)| bus.cancel(id)) {
                seats.iter().for_each(|seat| seat.leave());
            }
            drop(subscription);
            false
        }
        2 => {
            subscription.cancel();
            false
        }
        // Also from inside: then it is refused, or ends in time.
        3 if one_in(4) => subscription
            .cancel_and_wait_timeout(Duration::from_millis(2))
            .is_ok(),
        3 => subscription.cancel_and_wait_timeout(Duration::ZERO).is_ok(),
        6 => subscription.cancel_and_wait().is_ok(),
        _ => {
            drop(subscription);
            false
        }
    };
    for seat in &seats {
        if waited { seat.end() } else { seat.leave() }
    }
}

/// A handler cancels itself, by its id.
pub fn cancel_own(seat: &Seat) {
    let Some((bus, id)) = seat.own_id.get() else {
        return;
    };
    if bus.upgrade().is_some_and(|bus| bus.cancel(*id)) {
        seat.leave();
    }
}

/// Replaces the handler of a subscription.
pub fn replace(world: &World) {
    let Some(mut sub) = world.take() else { return };
    if sub.is_plain {
        let last = &sub.seats[sub.seats.len() - 1];
        let seat = last.renewed();
        let capture = Capture::new(&seat, false);
        let may = May {
            fail: sub.may_fail,
            nest: sub.may_fail,
            stop: false,
        };
        let replaced = caught(|| {
            sub.subscription
                .replace(move |event: &Event| call(&capture, may, event))
        });
        // A panic comes from the drop of the old captures: it has been replaced.
        if !matches!(replaced, Ok(Err(_))) {
            last.leave();
            sub.seats.push(seat);
        }
    }
    shelve(world, Some(sub));
}

pub fn pause(worker: &mut Worker) {
    if worker.pauses.len() > 3 {
        drop(worker.pauses.swap_remove(below(4)));
    }
    let Some(sub) = worker.world.take() else {
        return;
    };
    worker.pauses.push(sub.subscription.pause());
    shelve(&worker.world, Some(sub));
}

/// Moves subscriptions into a scope, and ends that.
pub fn scope(worker: &mut Worker) {
    if let Some(sub) = worker.world.take() {
        worker.scope.add(sub.subscription);
        worker.scoped.extend(sub.seats);
    }
    if worker.scope.len() < 6 {
        return;
    }
    let waited = match below(4) {
        0 => worker.scope.cancel_and_wait().is_ok(),
        1 => worker
            .scope
            .cancel_and_wait_timeout(Duration::from_millis(1))
            .is_ok(),
        2 => {
            worker.scope.clear();
            false
        }
        _ => {
            drop(std::mem::take(&mut worker.scope));
            false
        }
    };
    for seat in worker.scoped.drain(..) {
        if waited { seat.end() } else { seat.leave() }
    }
}

/// Futures of one event: made, looked at, dropped.
pub fn next(worker: &mut Worker) {
    let bus = pick(&worker.world.buses).get();
    worker.nexts.push(match below(4) {
        0 => bus.next_pattern(*pick(&PATTERNS), |any: &AnyEvent| {
            any.payload::<Event>().cloned()
        }),
        1 => bus.next_where(&Topic::new("wild.a"), |event: &Event| event.id & 1 == 0),
        _ => any_signal(&worker.world).next(),
    });
    if worker.nexts.len() > 6 {
        let next = worker.nexts.swap_remove(below(6));
        if let Ok(Ok(event)) = next.wait_timeout(Duration::from_micros(below(100) as u64)) {
            event.look();
        }
    }
}

/// Streams: made, read, dropped.
pub fn stream(worker: &mut Worker) {
    let world = &worker.world;
    if worker.streams.len() < 3 {
        let (signal, has_hook) = match one_in(3) {
            true => (pick(&world.signals).get(), false),
            false => (pick(&world.buses).get().signal(&wild_topic()), true),
        };
        worker
            .streams
            .push(signal.stream(1 + below(8), overflow(has_hook)));
        return;
    }
    let which = below(3);
    for _ in 0..8 {
        match worker.streams[which].wait_timeout(Duration::ZERO) {
            Ok(Some(Ok(event))) => event.look(),
            Ok(Some(Err(_))) => {}
            Ok(None) | Err(_) => break,
        }
    }
    if one_in(4) || worker.streams[which].is_closed() {
        drop(worker.streams.swap_remove(which));
    }
}

pub fn demand(worker: &mut Worker) {
    if worker.demands.len() > 2 {
        drop(worker.demands.swap_remove(below(3)));
    }
    let token = Token::new(Kind::Hook);
    let told = move |_| in_hook(|| token.look());
    worker
        .demands
        .push(any_signal(&worker.world).on_demand(told));
}

/// Forwards from one wild topic to a signal that nobody forwards from; or keeps events.
pub fn forward(world: &World) {
    let bus = pick(&world.buses).get();
    let from = bus.signal::<Event>(&Topic::new("wild.a"));
    if one_in(2) {
        let to = bus.signal(&Topic::new("wild.b.c"));
        let subscription = from.forward_to(&to);
        let (seats, target) = (vec![Seat::new(u64::MAX)], None);
        shelve(
            world,
            Some(Sub {
                subscription,
                seats,
                target,
                may_fail: false,
                is_plain: false,
            }),
        );
        return;
    }
    match below(3) {
        0 => bus.retain_last(&Topic::<Event>::new("kept.a")),
        1 => bus.signal::<Event>(&Topic::new("kept.a")).retain(3),
        _ => pick(&world.signals).get().retain_last(),
    }
}

/// Sets hooks in place of others.
pub fn hooks(world: &World) {
    let bus = pick(&world.buses).get();
    match below(3) {
        0 => {
            let token = Token::new(Kind::Hook);
            bus.set_unhandled_hook(move |any| {
                in_hook(|| {
                    token.look();
                    any.payload::<Event>().into_iter().for_each(Event::look);
                });
            });
        }
        1 => set_hook(&world.app_bus.get()),
        _ => set_hook(&bus),
    }
}

/// Clears, closes or drops a signal, and makes a new one of those without a bus.
pub fn renew_signal(world: &World) {
    let slot = pick(&world.signals);
    match below(5) {
        0 => _ = any_signal(world).clear(),
        1 => any_signal(world).close(),
        2 => slot.replace(slotcast::Signal::new()).close(),
        3 => drop(slot.replace(slotcast::Signal::new())),
        // Dropped inside of an emission of its own.
        _ => {
            let signal = slotcast::Signal::<Event>::new();
            let weak = signal.downgrade();
            let held = Arc::new(std::sync::Mutex::new(Some(signal)));
            let inner = held.clone();
            let sub = weak
                .upgrade()
                .map(|it| it.on(move |_| drop(inner.lock().unwrap().take())));
            weak.upgrade()
                .into_iter()
                .for_each(|it| _ = it.emit(&Event::new()));
            drop((sub, held));
        }
    }
}

/// Closes or drops a bus, and makes a new one.
pub fn renew_bus(world: &World) {
    if one_in(4) {
        let old = world.app_bus.replace(new_app_bus());
        if one_in(2) {
            old.close();
        }
        return;
    }
    let which = below(world.buses.len());
    let old = world.buses[which].replace(new_bus(which, &world.executor));
    match below(3) {
        0 => old.close(),
        1 => old.queue().close(),
        _ => drop(old),
    }
}
