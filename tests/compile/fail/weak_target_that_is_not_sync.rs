//! A target is lent to its handler on any thread, by several at a time.

use slotcast::Signal;
#[allow(unused_imports)]
use std::{cell::Cell, sync::Arc};

fn main() {
    let target = Arc::new(Cell::new(42_u32));
    let _sub = Signal::<u32>::new().on_weak(&target, |_, _| ());
}
