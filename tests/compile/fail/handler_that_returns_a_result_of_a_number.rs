//! A result may hold what could be returned without it.

use slotcast::{BoxError, Signal};
#[allow(unused_imports)]
use slotcast::Flow;

fn main() {
    let _sub = Signal::<u32>::new().on(|_| -> Result<u32, BoxError> { Ok(Default::default()) });
}
