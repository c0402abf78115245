//! One emission by name, over a thousand names in turn, and by type, over sixteen types in turn.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::sync::{Arc, Mutex, RwLock};

use bevy_ecs::observer::On;
use evenio::event::Receiver;
use rs_events::EventHandler;
use slotcast::{Topic, local};

use crate::handlers::{Boxed, Counter, EVENT, Event, Handler, counter};
use crate::measure::{Contestant, Run};

pub fn run(run: &mut Run) {
    by_name(run);
    by_type(run);
}

fn by_name(run: &mut Run) {
    let count = if run.is_test { 10 } else { 1000 };
    let names: Vec<String> = (0..count).map(|n| format!("room.{n}.joined")).collect();
    let names = &names;
    let lists: Vec<Vec<Boxed>> = (0..count).map(|_| vec![Box::new(counter()) as _]).collect();
    let bare = in_turn("bare `Vec`, by index", count, move |n| {
        call(&lists[n], &EVENT);
    });
    let (sip, quick) = (map(names, RandomState::new()), fold(names));
    let (mutex, lock) = (Mutex::new(fold(names)), RwLock::new(fold(names)));
    let mut emitter = rs_events::EventEmitter::new(1);
    for name in names {
        let handler = counter();
        let handler = Arc::new(move |event: &Arc<Event>| handler(event));
        emitter.add(name, None, handler).unwrap();
    }
    let mut all = vec![
        in_turn("`HashMap` + `Vec`", count, move |n| {
            call(&sip[&*names[n]], &EVENT);
        }),
        in_turn("`HashMap` + `Vec`, foldhash", count, move |n| {
            call(&quick[&*names[n]], &EVENT);
        }),
        in_turn("the same in a `Mutex`", count, move |n| {
            call(&mutex.lock().unwrap()[&*names[n]], &EVENT);
        }),
        in_turn("the same in an `RwLock`", count, move |n| {
            call(&lock.read().unwrap()[&*names[n]], &EVENT);
        }),
        in_turn("rs_events", count, move |n| {
            emitter.emit(&names[n], Arc::new(EVENT)).unwrap();
        }),
    ];
    all.extend(own_by_name(names));
    let table = "An emission by name, a handler each";
    run.compare(table, &format!("{count} names in turn"), bare, all);
}

/// Emits under one name behind the other.
fn in_turn<'n>(
    name: &'static str,
    count: usize,
    mut emit: impl FnMut(usize) + 'n,
) -> Contestant<'n> {
    let mut turn = 0;
    Contestant::each(name, 1, move || {
        turn = if turn + 1 < count { turn + 1 } else { 0 };
        emit(black_box(turn));
    })
}

#[inline(always)]
fn call(handlers: &[Boxed], event: &Event) {
    for handler in handlers {
        handler(black_box(event));
    }
}

fn map<S: BuildHasher>(names: &[String], hasher: S) -> HashMap<Box<str>, Vec<Boxed>, S> {
    let mut map = HashMap::with_hasher(hasher);
    for name in names {
        map.insert(name.as_str().into(), vec![Box::new(counter()) as Boxed]);
    }
    map
}

fn fold(names: &[String]) -> HashMap<Box<str>, Vec<Boxed>, foldhash::fast::RandomState> {
    map(names, foldhash::fast::RandomState::default())
}

macro_rules! own_by_name {
    ($($handle:literal, $topic:literal, $text:literal: $bus:ty;)*) => {
        fn own_by_name(names: &[String]) -> Vec<Contestant<'_>> {
            let mut all = Vec::new();
            let topics: Vec<Topic<Event>> =
                names.iter().map(|name| Topic::named(name).unwrap()).collect();
            $({
                let (bus, topics) = (<$bus>::new(), topics.clone());
                let subs: Vec<_> = topics.iter().map(|it| bus.on(it, counter())).collect();
                let signals: Vec<_> = topics.iter().map(|it| bus.signal(it)).collect();
                all.push(in_turn($handle, names.len(), move |n| {
                    let _held = &subs;
                    signals[n].emit(black_box(&EVENT));
                }));
                let bus = <$bus>::new();
                let subs: Vec<_> = topics.iter().map(|it| bus.on(it, counter())).collect();
                all.push(in_turn($topic, names.len(), move |n| {
                    let _held = &subs;
                    bus.emit(&topics[n], black_box(&EVENT));
                }));
                // With a topic that is made of the text each time.
                let bus = <$bus>::new();
                let subs: Vec<_> = names
                    .iter()
                    .map(|name| bus.on(&Topic::named(name).unwrap(), counter()))
                    .collect();
                all.push(in_turn($text, names.len(), move |n| {
                    let _held = &subs;
                    bus.emit(&Topic::named(&*names[n]).unwrap(), black_box(&EVENT));
                }));
            })*
            all
        }
    };
}

own_by_name! {
    "slotcast, by handle", "slotcast, by topic", "slotcast, by text": slotcast::Bus;
    "slotcast, local, by handle", "slotcast, local, by topic", "slotcast, local, by text": local::Bus;
}

const TYPES: u64 = 16;

/// Sixteen event types. Their fields are those of [`Event`].
#[derive(Clone, Copy, bevy_ecs::event::Event, evenio::event::GlobalEvent)]
struct Typed<const N: usize> {
    amount: u64,
    _other: u64,
}

impl<const N: usize> Typed<N> {
    const NEW: Self = Typed {
        amount: 1,
        _other: 0,
    };
}

const NAMES: [&str; TYPES as usize] = [
    "type.0", "type.1", "type.2", "type.3", "type.4", "type.5", "type.6", "type.7", "type.8",
    "type.9", "type.10", "type.11", "type.12", "type.13", "type.14", "type.15",
];

impl<const N: usize> slotcast::Event for Typed<N> {
    const NAME: &'static str = NAMES[N];
}

fn typed<const N: usize>() -> impl Handler<Typed<N>> {
    let sum = Counter::default();
    move |event: &Typed<N>| sum.add(event.amount)
}

/// Does the same for each of the types, with what is named behind it.
macro_rules! for_each_type {
    ($do:ident $($name:ident)*) => {
        $do!([$($name)*] 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
}

fn by_type(run: &mut Run) {
    let all = vec![
        by_type_id(),
        shared_by_type(),
        local_by_type(),
        evenio_by_type(),
        bevy_by_type(),
    ];
    let table = "An emission by type, a handler each";
    run.compare(table, "16 types in turn", bare_by_type(), all);
}

/// All sixteen types in turn.
fn types(name: &'static str, mut emit_all: impl FnMut() + 'static) -> Contestant<'static> {
    Contestant::batches(name, 1, TYPES, move |_| emit_all())
}

fn list<const N: usize>() -> Vec<Boxed<Typed<N>>> {
    vec![Box::new(typed::<N>())]
}

fn bare_by_type() -> Contestant<'static> {
    macro_rules! lists {
        ([] $($n:literal)*) => { ($(list::<$n>(),)*) };
    }
    let lists = for_each_type!(lists);
    macro_rules! emit {
        ([] $($n:tt)*) => {{ $(
            for handler in &black_box(&lists).$n {
                handler(black_box(&Typed::NEW));
            }
        )* }};
    }
    types("bare `Vec`, a field each", move || for_each_type!(emit))
}

fn by_type_id() -> Contestant<'static> {
    let mut lists = HashMap::<TypeId, Box<dyn Any>, foldhash::fast::RandomState>::default();
    macro_rules! insert {
        ([] $($n:literal)*) => {
            $( lists.insert(TypeId::of::<Typed<$n>>(), Box::new(list::<$n>())); )*
        };
    }
    for_each_type!(insert);
    macro_rules! emit {
        ([] $($n:literal)*) => {{ $(
            let list = &lists[&TypeId::of::<Typed<$n>>()];
            for handler in list.downcast_ref::<Vec<Boxed<Typed<$n>>>>().unwrap() {
                handler(black_box(&Typed::NEW));
            }
        )* }};
    }
    types("`HashMap` of `TypeId`, foldhash", move || {
        for_each_type!(emit)
    })
}

macro_rules! subscribe_each {
    ([$bus:ident $subs:ident] $($n:literal)*) => {
        $( $subs.push($bus.on(&Topic::of::<Typed<$n>>(), typed::<$n>())); )*
    };
}

macro_rules! emit_each {
    ([$bus:ident] $($n:literal)*) => {
        $( $bus.emit(&Topic::of::<Typed<$n>>(), black_box(&Typed::NEW)); )*
    };
}

macro_rules! own_by_type {
    ($($make:ident $name:literal: $bus:ty;)*) => { $(
        fn $make() -> Contestant<'static> {
            let bus = <$bus>::new();
            let mut subs = Vec::new();
            for_each_type!(subscribe_each bus subs);
            types($name, move || {
                let _held = &subs;
                for_each_type!(emit_each bus);
            })
        }
    )* };
}

own_by_type! {
    shared_by_type "slotcast": slotcast::Bus;
    local_by_type "slotcast, local": local::Bus;
}

fn evenio_by_type() -> Contestant<'static> {
    let mut world = evenio::world::World::new();
    macro_rules! subscribe {
        ([] $($n:literal)*) => { $(
            let handler = typed::<$n>();
            world.add_handler(move |received: Receiver<Typed<$n>>| handler(received.event));
        )* };
    }
    for_each_type!(subscribe);
    macro_rules! emit {
        ([] $($n:literal)*) => {{ $( world.send(black_box(Typed::<$n>::NEW)); )* }};
    }
    types("evenio", move || for_each_type!(emit))
}

fn bevy_by_type() -> Contestant<'static> {
    let mut world = bevy_ecs::world::World::new();
    macro_rules! subscribe {
        ([] $($n:literal)*) => { $(
            let handler = typed::<$n>();
            world.add_observer(move |event: On<Typed<$n>>| handler(&event));
        )* };
    }
    for_each_type!(subscribe);
    macro_rules! emit {
        ([] $($n:literal)*) => {{ $( world.trigger(black_box(Typed::<$n>::NEW)); )* }};
    }
    types("bevy_ecs observers", move || for_each_type!(emit))
}
