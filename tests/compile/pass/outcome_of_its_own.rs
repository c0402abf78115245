//! The outcomes are sealed.

#[allow(unused_imports)]
use slotcast::{Flow, Signal};

#[derive(Default)]
pub struct Done;

fn main() {
    let _sub = Signal::<u32>::new().on(|_| Flow::default());
}
