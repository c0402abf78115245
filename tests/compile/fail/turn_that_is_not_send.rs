//! A handler that is called in turns goes from thread to thread, and is shared by none.

use slotcast::Signal;
#[allow(unused_imports)]
use std::{cell::Cell, rc::Rc};

fn main() {
    let answer = Rc::new(42_u32);
    let _sub = Signal::<u32>::new().on_mut(move |_| _ = answer.clone());
}
