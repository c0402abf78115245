//! What is deferred may be delivered on another thread; what is emitted is not.

use slotcast::{Bus, Topic};
#[allow(unused_imports)]
use std::{cell::Cell, rc::Rc};

fn main() {
    let bus = Bus::new();
    bus.emit(&Topic::new("shared"), &Rc::new(1));
    let _ = bus.defer(&Topic::new("later"), Rc::new(1));
}
