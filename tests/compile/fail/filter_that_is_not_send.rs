//! Filters run where handlers do.

use slotcast::Signal;
#[allow(unused_imports)]
use std::{rc::Rc, sync::Arc};

fn main() {
    let least = Rc::new(10_u32);
    let _sub = Signal::<u32>::new().subscribe().filter(move |n| *n >= *least).on(|_| ());
}
