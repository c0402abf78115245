//! Several threads may be inside the same handler.

use slotcast::Signal;
#[allow(unused_imports)]
use std::{cell::Cell, sync::atomic::AtomicU32};

fn main() {
    let last = Cell::new(0_u32);
    let _sub = Signal::<u32>::new().on(move |_| _ = &last);
}
