//! What handlers, and jobs, do while they run. Nothing of it waits.
//!
//! What panics come out is caught; a handler may let one pass, at once or later, or panic anew.

use std::panic::resume_unwind;
use std::sync::Arc;

use crate::ledger::{self, caught};
use crate::operations::{defer, drained, emit, emit_lazy, open_gate};
use crate::random::{below, one_in, pick};
use crate::tracked::Seat;
use crate::world::{World, current};
use crate::{background, subscriptions as subs};

/// What a handler does while it runs. Panics that come out pass on, if the handler may fail, or end here.
pub fn nested(seat: &Seat, may_fail: bool) {
    let Some(world) = current() else { return };
    let Err(payload) = caught(|| nested_one(&world, Some(seat))) else {
        return;
    };
    if !may_fail || !ledger::may_fail() {
        return ledger::forget(payload);
    }
    match below(8) {
        0..4 => {
            ledger::note(seat.label, "let a panic pass");
            resume_unwind(payload)
        }
        // It has been told of; what happens in between must not make it look like a new one.
        4 if !ledger::is_mute(&*payload) => {
            ledger::note(seat.label, "resumed a panic later");
            _ = caught(|| nested_one(&world, None));
            resume_unwind(payload)
        }
        // A new failure, that looks like the old one.
        5 => {
            ledger::note(seat.label, "panicked after it had caught another panic");
            ledger::forget(payload);
            ledger::fail_of(seat.label, "a handler that caught another panic")
        }
        _ => ledger::forget(payload),
    }
}

/// The same, outside of handlers, on a thread of a pool.
pub fn nested_alone() {
    if let Some(world) = current() {
        _ = caught(|| nested_one(&world, None));
    }
}

fn nested_one(world: &Arc<World>, seat: Option<&Seat>) {
    match below(12) {
        0..3 => emit(world),
        3 => emit_lazy(world),
        4 => drop(defer(world, false)),
        5 => subs::add(world),
        6 => subs::cancel(world, false),
        7 => subs::replace(world),
        8 => drained(&pick(&world.buses).get().queue().try_drain()),
        9 => match one_in(2) {
            true => background::submit(world),
            false => background::complete_one(world),
        },
        10 => open_gate(world),
        _ => seat.into_iter().for_each(subs::cancel_own),
    }
}
