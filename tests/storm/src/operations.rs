//! What workers do, and how often.
//!
//! They are for workers at depth 0, where waiting is allowed. What handlers do is in `nested.rs`.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use slotcast::{
    Bus, Delayed, Demand, Drained, Emission, EventStream, Flow, Next, Pause, Queue, Scope, Topic,
};

use crate::handlers::Place;
use crate::ledger::{self, caught};
use crate::random::{below, one_in, pick};
use crate::subscriptions as subs;
use crate::tracked::{Capture, Event, Kind, Manners, Seat, Token, tick};
use crate::world::{App, World, current, enter, wild_topic};
use crate::{background, controlled, situations, watchdog};

/// A worker, with what only it has.
pub struct Worker {
    pub world: Arc<World>,
    /// Its number, from 0.
    pub number: usize,
    pub pauses: Vec<Pause>,
    pub scope: Scope,
    pub scoped: Vec<Arc<Seat>>,
    pub nexts: Vec<Next<Event>>,
    pub streams: Vec<EventStream<Event>>,
    pub demands: Vec<Demand<Event>>,
    pub delayed: Vec<Delayed>,
}

impl Worker {
    pub fn new(world: Arc<World>, number: usize) -> Self {
        let (pauses, scope, scoped, nexts) = (Vec::new(), Scope::new(), Vec::new(), Vec::new());
        let (streams, demands, delayed) = (Vec::new(), Vec::new(), Vec::new());
        Worker {
            world,
            number,
            pauses,
            scope,
            scoped,
            nexts,
            streams,
            demands,
            delayed,
        }
    }
}

type Operation = (usize, &'static str, fn(&mut Worker));

/// The operations: how often, relative to one another, their names, and what they do.
const OPERATIONS: &[Operation] = &[
    (60, "emit", |it| emit(&it.world)),
    (15, "emit_lazy", |it| emit_lazy(&it.world)),
    (15, "emit_async", |it| emit_async(&it.world)),
    (15, "emit_with", |it| emit_with(&it.world)),
    (1, "an emission that recurs", |it| recur(&it.world)),
    (40, "defer", |it| it.delayed.extend(defer(&it.world, true))),
    (10, "cancel of a delayed event", cancel_delayed),
    (25, "drain", |it| drain(&it.world)),
    (8, "post", |it| post(&it.world)),
    (2, "on_ready and clear of a queue", |it| {
        tend_queue(&it.world)
    }),
    (50, "subscribe", |it| subs::add(&it.world)),
    (12, "subscribe to a pattern", |it| {
        subs::add_pattern(&it.world)
    }),
    (10, "subscribe with context", |it| subs::add_app(&it.world)),
    (50, "cancel", |it| subs::cancel(&it.world, true)),
    (20, "replace", |it| subs::replace(&it.world)),
    (10, "pause", subs::pause),
    (10, "scope", subs::scope),
    (15, "next", subs::next),
    (15, "stream", subs::stream),
    (4, "on_demand", subs::demand),
    (5, "forward_to and retain", |it| subs::forward(&it.world)),
    (10, "hooks", |it| subs::hooks(&it.world)),
    (5, "wiring", |it| look(&it.world)),
    (3, "clear, close or drop of a signal", |it| {
        subs::renew_signal(&it.world)
    }),
    (1, "close or drop of a bus", |it| subs::renew_bus(&it.world)),
    (30, "submit", |it| background::submit(&it.world)),
    (10, "promise", |it| background::promise_one(&it.world)),
    (10, "completion of a promise", |it| {
        background::complete_one(&it.world)
    }),
    (15, "wait for a job", background::wait),
    (1, "shutdown of a pool", background::renew_pool),
    (10, "opening of a gate", |it| open_gate(&it.world)),
    (60, "control: emission", controlled::emit),
    (30, "control: defer", controlled::defer),
    (15, "control: on_queue", controlled::hand),
    (15, "control: room", controlled::room),
    (15, "control: bounds", controlled::bounded),
    (10, "control: stream", controlled::flow),
    (10, "control: futures", controlled::futures),
    (15, "control: drain", controlled::drain),
    (5, "control: replace", |it| it.world.control.replace_one()),
    (1, "a situation made on purpose", situations::one),
];

/// Does one operation.
pub fn one(worker: &mut Worker) {
    let mut at = below(OPERATIONS.iter().map(|it| it.0).sum());
    for (weight, name, operation) in OPERATIONS {
        if at < *weight {
            watchdog::now(name);
            RECURS.set(64);
            _ = caught(|| operation(worker));
            return;
        }
        at -= weight;
    }
}

pub static EVENTS: AtomicU64 = AtomicU64::new(0);
pub static CALLS: AtomicU64 = AtomicU64::new(0);

/// An emission has returned.
pub fn emitted(emission: &Emission) {
    EVENTS.fetch_add(1, Relaxed);
    CALLS.fetch_add(emission.ran() as u64, Relaxed);
    ledger::listed(emission.errors());
}

/// A drain has returned.
pub fn drained(drained: &Drained) {
    CALLS.fetch_add(drained.delivered() as u64, Relaxed);
    ledger::listed(drained.errors());
}

/// Looks at who is there, while others come and go.
fn look(world: &World) {
    match wild(world) {
        Wild::Alone(signal) => drop(signal.handlers()),
        Wild::Of(bus, topic) => {
            let wiring = bus.wiring();
            drop((wiring.to_string(), wiring.to_dot(), wiring.warnings()));
            drop(bus.signal(&topic).handlers());
        }
    }
}

/// A signal without a bus, or a topic of a wild bus.
enum Wild {
    Alone(slotcast::Signal<Event>),
    Of(Bus, Topic<Event>),
}

fn wild(world: &World) -> Wild {
    match one_in(4) {
        true => Wild::Alone(pick(&world.signals).get()),
        false => Wild::Of(pick(&world.buses).get(), wild_topic()),
    }
}

pub fn emit(world: &World) {
    let clone_fails = one_in(50);
    emitted(&match wild(world) {
        Wild::Alone(signal) => signal.emit(&Event::new()),
        Wild::Of(bus, topic) => {
            let event = Event::with(Manners {
                clone_fails,
                ..Manners::default()
            });
            match one_in(2) {
                true => bus.emit(&topic, &event),
                false => bus.signal(&topic).emit(&event),
            }
        }
    });
}

pub fn emit_lazy(world: &World) {
    // Taken before: the emission has begun when the event is made.
    let id = tick();
    emitted(&match wild(world) {
        Wild::Alone(signal) => signal.emit_lazy(|| Event::at(id)),
        Wild::Of(bus, topic) => bus.emit_lazy(&topic, || Event::at(id)),
    });
}

fn emit_async(world: &World) {
    let mut emission = match wild(world) {
        Wild::Alone(signal) => signal.emit_async(Event::new()),
        Wild::Of(bus, topic) => bus.emit_async(&topic, Event::new()),
    };
    if one_in(2) {
        emission = emission.in_order();
    }
    // What is not complete by then is dropped halfway.
    let most = Duration::from_micros(300);
    crate::executor::poll_for(&mut emission, most)
        .iter()
        .for_each(emitted);
}

fn emit_with(world: &World) {
    let mut app = App::new();
    let topic = wild_topic();
    emitted(
        &world
            .app_bus
            .get()
            .emit_with(&mut app, &topic, &Event::new()),
    );
}

thread_local! {
    /// How many emissions may still recur in this operation.
    static RECURS: Cell<usize> = const { Cell::new(0) };
}

fn recur(world: &World) {
    let event = Event::with(Manners {
        recurs: true,
        ..Manners::default()
    });
    emitted(&world.buses[2].get().emit(&Topic::new("wild.rare"), &event));
}

/// What the handler of an event that recurs does, until the limit of nesting refuses it.
pub fn emit_again(_event: &Event) {
    let left = RECURS.get();
    if left > 0 {
        RECURS.set(left - 1);
        current()
            .iter()
            .filter_map(|world| caught(|| recur(world)).err())
            .for_each(ledger::forget);
    }
}

/// Defers an event, wildly: to a bus, a signal, a queue; now, as the latest, or later.
pub fn defer(world: &World, may_wait: bool) -> Option<Delayed> {
    let manners = Manners {
        drop_fails: one_in(50),
        clone_fails: one_in(50),
        recurs: false,
    };
    let (bus, topic) = (pick(&world.buses).get(), wild_topic());
    let delay = Duration::from_micros(below(3000) as u64);
    EVENTS.fetch_add(1, Relaxed);
    let event = Event::with(manners);
    let result = match below(if may_wait { 8 } else { 7 }) {
        0 => bus.defer(&topic, event),
        1 => bus.signal(&topic).defer(event),
        2 => bus.queue().defer(&bus.signal(&topic), event),
        3 => bus.defer_latest(&topic, event),
        4 => bus.signal(&topic).defer_latest(event),
        5 => match bus.defer_after(delay, &topic, event) {
            Ok(delayed) => return Some(delayed),
            Err(refused) => Err(refused),
        },
        // A signal of its own in the queue of a bus: nobody would be told of a drop that fails.
        6 => {
            let mut event = event;
            event.manners = Manners::default();
            bus.queue().defer(&pick(&world.signals).get(), event)
        }
        _ => bus.defer_timeout(&topic, event, Duration::from_micros(100)),
    };
    if let Err(refused) = result {
        // It is ours again, and its drop nobody's failure.
        refused.into_event().manners = Manners::default();
    }
    None
}

fn cancel_delayed(worker: &mut Worker) {
    while worker.delayed.len() > 16 {
        let delayed = worker.delayed.swap_remove(below(worker.delayed.len()));
        _ = delayed.is_waiting();
        if one_in(2) {
            delayed.cancel();
        }
    }
}

fn drain(world: &World) {
    if one_in(4) {
        let (queue, mut app): (Queue<App>, App) = (world.app_bus.get().queue(), App::new());
        drained(&queue.drain_with(&mut app));
        return;
    }
    let queue = pick(&world.buses).get().queue();
    drain_somehow(&queue);
}

pub fn drain_somehow(queue: &Queue) {
    drained(&match below(6) {
        0 => queue.try_drain(),
        1 => queue.drain_one(),
        2 => queue.drain_for(Duration::from_micros(50)),
        3 => queue.drain_until_idle(40),
        4 => {
            _ = queue.wait_timeout(Duration::from_micros(50));
            queue.drain()
        }
        _ => queue.drain(),
    });
}

fn post(world: &World) {
    let (queue, seat) = (pick(&world.buses).get().queue(), Seat::new(u64::MAX));
    let capture = Capture::new(&seat, false);
    _ = queue.post(move || {
        capture.look();
        let _inside = enter();
        match ledger::may_fail().then(|| below(16)) {
            Some(0) => Err(ledger::error_of(0, "a posted closure")),
            Some(1) => ledger::panic_now("a posted closure"),
            _ => Ok(Flow::Continue),
        }
    });
}

fn tend_queue(world: &World) {
    let queue = pick(&world.buses).get().queue();
    let token = Token::new(Kind::Hook);
    match one_in(4) {
        true => _ = queue.clear(),
        false => queue.on_ready(move || ledger::in_hook(|| token.look())),
    }
}

pub fn open_gate(world: &World) {
    crate::world::take_one(&world.gates)
        .iter()
        .for_each(|gate| gate.open());
}

/// The signal of some place, for those that do not care which.
pub fn any_signal(world: &World) -> slotcast::Signal<Event> {
    loop {
        match Place::any(world) {
            Place::Control(_) => {}
            place => return place.signal(),
        }
    }
}
