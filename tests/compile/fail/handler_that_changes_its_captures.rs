//! A handler is called by reference, but for one that is called once.

use slotcast::Signal;

fn main() {
    let mut total = 0;
    let _sub = Signal::<u32>::new().on(move |n| {
        total += n;
        println!("{total}");
    });
}
