//! Handlers of the shared flavour run on whatever thread emits; those of the local one need not.

use slotcast::Topic;
use slotcast::flavour::{Shared as Flavour, Bus};
use std::cell::Cell;
use std::rc::Rc;

const PLACED: Topic<u32> = Topic::new("order.placed");

fn main() {
    let total = Rc::new(Cell::new(0));
    let bus = Bus::<Flavour>::new();
    bus.on(&PLACED, move |n| total.set(total.get() + n)).detach();
}
