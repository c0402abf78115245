//! One emission, by the number of handlers.
//!
//! Through a function that is not inlined, as most are that emit, and inlined into the loop that measures; with
//! handlers of one type, which a processor predicts, and of eight types in random order, which it cannot.

use std::hint::black_box;

use crate::handlers::{EVENT, Event, counter, handlers_text, random_type, typed_counter};
use crate::measure::{Contestant, Run};
use crate::peers::{
    self, Bare, Bevy, Evenio, Local, LocalNamed, Named, Peer, RsEvents, RxLocal, RxShared, Shared,
    Signals2, Snapshot, Swap, Threads,
};

#[derive(Clone, Copy)]
struct Setting {
    handlers: usize,
    types: Types,
    call: Call,
}

#[derive(Clone, Copy)]
enum Types {
    One,
    Eight,
}

#[derive(Clone, Copy)]
enum Call {
    Outlined,
    Inlined,
}

pub fn run(run: &mut Run) {
    let tables = [
        (
            "Emission, not inlined, one type of handlers",
            Types::One,
            Call::Outlined,
        ),
        (
            "Emission, inlined, one type of handlers",
            Types::One,
            Call::Inlined,
        ),
        (
            "Emission, not inlined, eight types of handlers",
            Types::Eight,
            Call::Outlined,
        ),
        (
            "Emission, inlined, eight types of handlers",
            Types::Eight,
            Call::Inlined,
        ),
    ];
    let counts: &[usize] = match run.is_test {
        true => &[0, 1, 4],
        false => &[0, 1, 4, 16, 64, 1024, 10_000],
    };
    for (table, types, call) in tables {
        for &handlers in counts {
            let setting = Setting {
                handlers,
                types,
                call,
            };
            let mut all = vec![
                contestant::<Swap>(setting),
                contestant::<Snapshot>(setting),
                contestant::<Shared>(setting),
                contestant::<Local>(setting),
                contestant::<Named>(setting),
                contestant::<LocalNamed>(setting),
            ];
            if !run.few {
                all.extend([
                    contestant::<RxLocal>(setting),
                    contestant::<RxShared>(setting),
                    contestant::<Signals2>(setting),
                    contestant::<RsEvents>(setting),
                    contestant::<Evenio>(setting),
                    contestant::<Bevy>(setting),
                ]);
            }
            let is_first = matches!((types, call), (Types::One, Call::Outlined));
            if !run.few && is_first && handlers <= 4 {
                all.push(contestant::<Threads>(setting));
            }
            let case = handlers_text(handlers);
            run.compare(table, &case, contestant::<Bare>(setting), all);
        }
    }
}

fn contestant<P: Peer>(setting: Setting) -> Contestant<'static> {
    peers::check::<P>();
    let mut peer = P::new();
    let handles: Vec<_> = (0..setting.handlers)
        .map(|n| match setting.types {
            Types::One => peer.subscribe(counter()),
            Types::Eight => subscribe_one_of_eight(&mut peer, n),
        })
        .collect();
    match setting.call {
        Call::Outlined => Contestant::each(P::NAME, setting.handlers, move || {
            let _held = &handles;
            outlined(black_box(&mut peer), black_box(&EVENT));
        }),
        Call::Inlined => Contestant::each(P::NAME, setting.handlers, move || {
            let _held = &handles;
            black_box(&mut peer).emit(black_box(&EVENT));
        }),
    }
}

#[inline(never)]
fn outlined<P: Peer>(peer: &mut P, event: &Event) {
    peer.emit(event);
}

fn subscribe_one_of_eight<P: Peer>(peer: &mut P, n: usize) -> P::Handle {
    match random_type(n) {
        0 => peer.subscribe(typed_counter::<1>()),
        1 => peer.subscribe(typed_counter::<2>()),
        2 => peer.subscribe(typed_counter::<3>()),
        3 => peer.subscribe(typed_counter::<4>()),
        4 => peer.subscribe(typed_counter::<5>()),
        5 => peer.subscribe(typed_counter::<6>()),
        6 => peer.subscribe(typed_counter::<7>()),
        _ => peer.subscribe(typed_counter::<8>()),
    }
}
