//! A signal with a context is emitted on with one: by `emit_with`.

use slotcast::Signal;

pub struct App;
pub type Nothing = ();

fn main() {
    Signal::<u32, Nothing>::with_context().emit(&1);
}
