//! The closure of an executor has to name the type of its argument.

use slotcast::Bus;

pub type Task = Box<dyn FnOnce() + Send>;

fn main() {
    let _bus: Bus = Bus::builder().executor(|task: Task| task()).build();
}
