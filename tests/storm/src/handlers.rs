//! Handlers: what they do when they are called, and all the ways to subscribe them.
//!
//! A handler sits on its [`Seat`], which knows whether it may be called at all. While it runs it may do a nested
//! operation, and then it goes on, stops the emission, returns an error or panics.

use std::sync::Arc;

use slotcast::{AnyEvent, Bus, Flow, Overflow, Queue, Signal, Subscription, Topic};

use crate::executor::{Gate, Pauses};
use crate::ledger::{self, Failure};
use crate::nested::nested;
use crate::random::{below, one_in, pick};
use crate::tracked::{Capture, Event, Kind, Seat, Token};
use crate::world::{App, PATTERNS, Sub, TOPICS, Target, World, depth, enter, wild_topic};

/// What a handler may do.
#[derive(Clone, Copy)]
pub struct May {
    /// Do other operations while it runs. Not where it has its turn (`on_mut`), nor on signals without a hook.
    pub nest: bool,
    /// Fail, and panic. Only where a hook is told.
    pub fail: bool,
    /// Stop the emission. Not on control signals.
    pub stop: bool,
}

impl May {
    pub const NOTHING: May = May {
        nest: false,
        fail: false,
        stop: false,
    };
}

/// The call of a handler.
pub fn call(capture: &Capture, may: May, event: &Event) -> Result<Flow, Failure> {
    let seat = &capture.seat;
    capture.look();
    seat.enter(event);
    let inside = enter();
    if event.manners.recurs && may.nest && depth() < 200 {
        crate::operations::emit_again(event);
    } else if may.nest && depth() < 4 && one_in(24) {
        nested(seat, may.fail);
    }
    drop(inside);
    event.look();
    capture.look();
    seat.must_not_be_over("was running");
    if may.fail && ledger::may_fail() && one_in(64) {
        if one_in(2) {
            return Err(ledger::error_of(seat.label, seat.kind()));
        }
        ledger::fail_of(seat.label, seat.kind());
    }
    let stops = may.stop && one_in(100);
    Ok(if stops { Flow::Stop } else { Flow::Continue })
}

/// The filter of a handler. It may panic.
fn passes(capture: &Capture, may: May, event: &Event) -> bool {
    event.look();
    capture.look();
    if may.fail && ledger::may_fail() && one_in(200) {
        ledger::fail_of(capture.seat.label, "a filter");
    }
    !one_in(4)
}

/// Where to subscribe.
pub enum Place {
    /// A signal without a bus.
    Alone(Signal<Event>),
    /// A topic of a wild bus.
    Wild(Bus, &'static str),
    /// A control signal, among those who stay.
    Control(Signal<Event>),
}

impl Place {
    pub fn any(world: &World) -> Self {
        match below(8) {
            0 | 1 => Place::Alone(pick(&world.signals).get()),
            2 | 3 => Place::Control(world.control.any_signal()),
            _ => Place::Wild(pick(&world.buses).get(), pick::<&str>(&TOPICS)),
        }
    }

    pub fn signal(&self) -> Signal<Event> {
        match self {
            Place::Alone(signal) | Place::Control(signal) => signal.clone(),
            Place::Wild(bus, topic) => bus.signal(&Topic::new(topic)),
        }
    }

    fn may(&self) -> May {
        match self {
            Place::Alone(_) => May {
                nest: false,
                fail: false,
                stop: true,
            },
            Place::Wild(..) => May {
                nest: true,
                fail: true,
                stop: true,
            },
            Place::Control(_) => May {
                nest: true,
                fail: true,
                stop: false,
            },
        }
    }
}

/// The names of the ends of a subscription.
const KINDS: [&str; 9] = [
    "on_mut",
    "on_weak",
    "send_to",
    "on",
    "on",
    "on_queue",
    "on_queue with context",
    "on_async",
    "once",
];

/// The ends of a subscription, for a builder of any type.
macro_rules! finish {
    ($builder:expr, $seat:ident, $may:ident, $fails:ident, $limit:ident, $target:ident, $world:ident) => {{
        // Without a hook nobody would be told of a full queue or a missing executor: the log would.
        let kinds = if $may.fail { 8 } else { 5 };
        let calm = May { nest: false, ..$may };
        let kind = if $limit == 1 && one_in(8) { 8 } else { below(kinds) };
        $seat.set_kind(KINDS[kind]);
        // What `once` captures goes inside of its call: a panic there takes the place of what it returns.
        let capture = Capture::new(&$seat, $fails && kind != 8);
        match kind {
            0 => $builder.on_mut(move |event| call(&capture, calm, event)),
            1 => $builder.on_weak(&$target, move |it, event| {
                it.0.look();
                call(&capture, $may, event)
            }),
            5 => {
                let queue = pick(&$world.buses).get().queue();
                $builder.on_queue(&queue, move |(), event| call(&capture, $may, event))
            }
            6 => {
                let queue: Queue<App> = $world.app_bus.get().queue();
                $builder.on_queue(&queue, move |app: &mut App, event| {
                    app.calls += 1;
                    call(&capture, $may, event)
                })
            }
            7 => {
                let gates = pauses_for($world);
                $builder.on_async(move |event: Arc<Event>| {
                    let outcome = call(&capture, May { fail: false, ..$may }, &event);
                    let (pauses, seat) = (gates(), capture.seat.clone());
                    let fails = $may.fail;
                    async move {
                        pauses.await;
                        event.look();
                        end_of_future(&seat, fails).and(outcome)
                    }
                })
            }
            2 => $builder.send_to(move |event: Event| call(&capture, $may, &event)),
            8 => $builder.once(move |event| call(&capture, $may, event)),
            _ => $builder.on(move |event| call(&capture, $may, event)),
        }
    }};
}

/// Subscribes somewhere, somehow. A signal that keeps events hands them over at once, so a panic may come out.
pub fn subscribe(world: &World) -> Option<Sub> {
    let place = Place::any(world);
    let signal = place.signal();
    let may = place.may();
    let limit = if one_in(4) {
        1 + below(3) as u64
    } else {
        u64::MAX
    };
    let seat = Seat::new(limit);
    let fails = may.fail && one_in(16);
    let mut builder = signal
        .subscribe()
        .priority(below(5) as i32 - 2)
        .label(seat.label.to_string());
    if limit < u64::MAX {
        builder = builder.limit(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let target = Arc::new(Target(Token::new(Kind::Capture)));
    let is_filtered = one_in(3);
    let filter = Capture::new(&seat, is_filtered && fails && one_in(4));
    let made = ledger::caught(|| match is_filtered {
        true => {
            let builder = builder.filter(move |event: &Event| passes(&filter, may, event));
            finish!(builder, seat, may, fails, limit, target, world)
        }
        false => {
            drop(filter);
            finish!(builder, seat, may, fails, limit, target, world)
        }
    });
    let subscription = made.ok()?;
    if let Place::Wild(bus, _) = &place {
        _ = seat.own_id.set((bus.downgrade(), subscription.id()));
    }
    let (seats, target, may_fail) = (vec![seat], Some(target), may.fail);
    Some(Sub {
        subscription,
        seats,
        target,
        may_fail,
        is_plain: true,
    })
}

/// The end of a future that a handler has started: after a waiting cancel there is none.
fn end_of_future(seat: &Seat, fails: bool) -> Result<Flow, Failure> {
    seat.must_not_be_over("was still a future");
    match fails && ledger::may_fail() && one_in(32) {
        true if one_in(2) => Err(ledger::error_of(seat.label, "the future of a handler")),
        true => ledger::fail_of(seat.label, "the future of a handler"),
        false => Ok(Flow::Continue),
    }
}

/// What the futures of a handler wait for: turns, or a gate that is opened by somebody.
fn pauses_for(world: &World) -> impl Fn() -> Pauses + Send + Sync + 'static {
    let gate = one_in(8).then(Arc::<Gate>::default);
    world.gates.lock().unwrap().extend(gate.clone());
    move || match &gate {
        Some(gate) => Pauses::Gate(gate.clone()),
        None => Pauses::Turns(below(3)),
    }
}

/// Subscribes to a pattern.
pub fn subscribe_pattern(world: &World) -> Option<Sub> {
    let bus = pick(&world.buses).get();
    let may = May {
        nest: true,
        fail: true,
        stop: true,
    };
    let seat = Seat::new(if one_in(4) { 1 } else { u64::MAX });
    let is_once = seat.limit() == 1;
    let capture = Capture::new(&seat, !is_once && one_in(16));
    let mut builder = bus
        .subscribe_pattern(*pick(&PATTERNS))
        .label(seat.label.to_string());
    builder = builder.priority(below(5) as i32 - 2);
    let called = move |any: &AnyEvent| match any.payload::<Event>() {
        Some(event) => call(&capture, may, event),
        None => Ok(Flow::Continue),
    };
    let made = ledger::caught(|| {
        if is_once {
            builder.once(called)
        } else {
            builder.on(called)
        }
    });
    let subscription: Subscription = made.ok()?;
    _ = seat.own_id.set((bus.downgrade(), subscription.id()));
    Some(Sub {
        subscription,
        seats: vec![seat],
        target: None,
        may_fail: true,
        is_plain: false,
    })
}

/// Subscribes to the bus with a context, by its short forms.
pub fn subscribe_app(world: &World) -> Sub {
    let (bus, topic) = (world.app_bus.get(), wild_topic());
    let seat = Seat::new(u64::MAX);
    let capture = Capture::new(&seat, false);
    let may = May {
        nest: true,
        ..May::NOTHING
    };
    let called = move |app: &mut App, event: &Event| {
        app.calls += 1;
        call(&capture, may, event)
    };
    let subscription = match below(3) {
        0 => bus.on_with(&topic, called),
        1 => bus.once_with(&topic, called),
        _ => bus.subscribe(&topic).priority(1).on_with(called),
    };
    Sub {
        subscription,
        seats: vec![seat],
        target: None,
        may_fail: false,
        is_plain: false,
    }
}

/// How a stream of a wild signal overflows: in any way that does not wait, and fails only where a hook is told.
pub fn overflow(has_hook: bool) -> Overflow {
    let ways = [Overflow::DropOldest, Overflow::DropNewest, Overflow::Reject];
    ways[below(if has_hook { 3 } else { 2 })]
}
