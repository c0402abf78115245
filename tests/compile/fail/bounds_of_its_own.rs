//! What may go to another thread is no matter of opinion.

use slotcast::flavour::Shared;

#[allow(dead_code)]
mod own {
    pub mod flavour {
        pub trait SyncBound<T> {}
    }
}

#[allow(dead_code)]
trait Callback: Fn(&u32) {}

impl slotcast::flavour::SyncBound<&'static dyn Callback> for Shared {}

fn main() {}
