//! Hooks that one thread replaces while another one needs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use slotcast::{Bus, Topic};

const TOPIC: Topic<u32> = Topic::new("file.saved");
const FAILURES: usize = 5_000;

#[test]
fn a_failure_is_reported_although_its_hook_is_just_being_replaced() {
    let (bus, told) = (Bus::new(), Arc::new(AtomicUsize::new(0)));
    let set = || {
        let told = told.clone();
        bus.set_error_hook(move |_| _ = told.fetch_add(1, SeqCst));
    };
    set();
    let _fails = bus.on(&TOPIC, |_| Err::<(), _>("no"));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..FAILURES).for_each(|_| _ = bus.emit(&TOPIC, &1));
            done.store(true, SeqCst);
        });
        while !done.load(SeqCst) {
            set();
        }
    });
    assert_eq!(told.load(SeqCst), FAILURES);
}
