//! A handler that is called once is handed over, but called by one thread only.

use slotcast::Signal;
#[allow(unused_imports)]
use std::{cell::Cell, rc::Rc};

fn main() {
    let answer = Rc::new(42_u32);
    let _sub = Signal::<u32>::new().once(move |_| drop(answer));
}
