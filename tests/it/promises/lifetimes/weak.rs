//! Promise 4: a handler with a weak target is called as long as the target lives.

use std::sync::{Arc, Mutex};

use slotcast::{Flow, Topic};

use super::{Bus, Ptr, Signal, WeakSignal};
use crate::log::{Dropped, Log, OnDrop, boom, panic_of};

/// A target that writes down what it is shown.
struct Dialog(Log, &'static str);

impl Dialog {
    fn new(log: &Log, name: &'static str) -> Ptr<Dialog> {
        Ptr::new(Dialog(log.clone(), name))
    }
    fn show(&self, n: u32) {
        self.0.add(format!("{} {n}", self.1));
    }
}

/// Any target that can be shown a name.
trait Show: Send + Sync {
    fn show_name(&self, name: &str);
}

impl Show for Dialog {
    fn show_name(&self, name: &str) {
        self.0.add(name);
    }
}

impl Drop for Dialog {
    fn drop(&mut self) {
        self.0.add(format!("drop {}", self.1));
    }
}

#[test]
fn a_weak_handler_is_called_while_its_target_lives() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let dialog = Dialog::new(&log, "dialog");
    let captured = Dropped(log.clone(), "captures");
    let sub = signal.on_weak(&dialog, move |dialog, n| {
        let _captured = &captured;
        dialog.show(*n);
    });
    assert_eq!(signal.emit(&1).ran(), 1);
    assert!(sub.is_active() && signal.len() == 1);
    assert_eq!(log.take(), ["dialog 1"]);
    drop(dialog);
    assert_eq!(log.take(), ["drop dialog"]);
    // Inactive at once, and met by nobody yet.
    assert!(!sub.is_active() && signal.is_empty());
    assert_eq!(signal.emit(&2).ran(), 0);
    assert_eq!(
        log.take(),
        ["drop captures"],
        "removed by the emission that met it"
    );
    assert!(!sub.cancel());
}

#[test]
fn a_weak_handler_has_its_place_and_all_that_others_have() {
    let signal = Signal::<u32, Vec<String>>::with_context();
    let target = Ptr::new("target");
    let say = |target: &&'static str, said: &mut Vec<String>, n: &u32| {
        said.push(format!("{target} {n}"));
        Flow::Stop
    };
    let _first = signal.on_with(|said, _| said.push("first".to_owned()));
    let weak = signal
        .subscribe()
        .label("weak")
        .limit(2)
        .filter(|n| n % 2 == 0)
        .on_weak_with(&target, say);
    let _last = signal.on_with(|said, _| said.push("last".to_owned()));
    let mut said = Vec::new();
    (0..=4).for_each(|n| _ = signal.emit_with(&mut said, &n));
    assert_eq!(
        said,
        [
            "first", "target 0", "first", "last", "first", "target 2", "first", "last", "first",
            "last"
        ]
    );
    assert!(!weak.is_active());
}

#[test]
fn a_weak_target_may_be_unsized_and_a_pattern_may_have_one() {
    let (bus, log) = (Bus::new(), Log::default());
    let dialog: Ptr<dyn Show> = Dialog::new(&log, "dialog");
    let sub = bus
        .subscribe_pattern("order.*")
        .on_weak(&dialog, |dialog, event| dialog.show_name(event.topic()));
    let held = bus.signal(&Topic::<u32>::new("order.placed"));
    assert_eq!(held.emit(&1).ran(), 1);
    assert_eq!(bus.emit(&Topic::new("order.paid"), &"cash").ran(), 1);
    assert_eq!(log.take(), ["order.placed", "order.paid"]);
    drop(dialog);
    assert!(!sub.is_active());
    log.take();
    assert_eq!(bus.emit(&Topic::new("order.paid"), &"cash").ran(), 0);
    assert_eq!(held.emit(&1).ran(), 0);
    // Gone for good, for the topics that exist too.
    assert!(!sub.cancel());
}

#[test]
fn a_target_that_dies_during_its_call_is_seen_to_the_end() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let dialog = Dialog::new(&log, "dialog");
    let shelf = Arc::new(Mutex::new(Some(dialog.clone())));
    let captured = Dropped(log.clone(), "captures");
    let _sub = signal.on_weak(&dialog, {
        let shelf = shelf.clone();
        move |dialog, n| {
            let _captured = &captured;
            drop(shelf.lock().unwrap().take());
            dialog.show(*n);
        }
    });
    drop(dialog);
    assert_eq!(signal.emit(&1).ran(), 1);
    assert_eq!(log.take(), ["dialog 1", "drop dialog"]);
    assert_eq!(signal.emit(&2).ran(), 0);
    assert_eq!(log.take(), ["drop captures"]);
}

#[test]
fn the_drop_of_a_target_may_use_the_signal_and_may_fail() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    for handler_panics in [false, true] {
        let own: WeakSignal<u32> = signal.downgrade();
        let dies = Ptr::new(OnDrop({
            let log = log.clone();
            move || {
                let signal = own.upgrade().unwrap();
                let _late = signal.on(|_| ());
                log.add(format!("{} left", signal.len()));
                boom("in the drop")
            }
        }));
        let shelf = Arc::new(Mutex::new(Some(dies.clone())));
        let _sub = signal.on_weak(&dies, move |_, _| {
            drop(shelf.lock().unwrap().take());
            if handler_panics {
                boom("in the handler");
            }
        });
        let _after = signal.on({
            let log = log.clone();
            move |_| log.add("after")
        });
        drop(dies);
        let first = panic_of(|| signal.emit(&1));
        assert_eq!(
            first, "in the drop",
            "which came first, when the call unwound"
        );
        assert_eq!(log.take(), ["2 left", "after"]);
        signal.clear();
    }
}

#[test]
fn a_dead_target_is_asked_for_before_pauses_and_filters() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let dialog = Dialog::new(&log, "dialog");
    let sub = signal
        .subscribe()
        .filter({
            let log = log.clone();
            move |_| {
                log.add("filter");
                true
            }
        })
        .on_weak(&dialog, |dialog, n| dialog.show(*n));
    let pause = sub.pause();
    drop(dialog);
    assert_eq!(signal.emit(&1).ran(), 0);
    assert_eq!(log.take(), ["drop dialog"]);
    drop(pause);
    assert!(!sub.cancel(), "removed although it was paused");
}

#[test]
fn a_target_that_its_own_filter_ends_is_not_called() {
    let (signal, log) = (Signal::<u32>::new(), Log::default());
    let dialog = Dialog::new(&log, "dialog");
    let shelf = Arc::new(Mutex::new(Some(dialog.clone())));
    let sub = signal
        .subscribe()
        .filter(move |_| {
            drop(shelf.lock().unwrap().take());
            true
        })
        .on_weak(&dialog, |dialog, n| dialog.show(*n));
    drop(dialog);
    assert_eq!(signal.emit(&1).ran(), 0);
    assert_eq!(log.take(), ["drop dialog"]);
    assert!(!sub.is_active() && !sub.cancel());
}

#[test]
fn dead_targets_do_not_keep_their_topic() {
    let bus = Bus::new();
    let target = Ptr::new(0);
    let topic = Topic::<u32>::new("tick");
    bus.on_weak(&topic, &target, |_, _| ()).detach();
    drop(target);
    assert_eq!(bus.emit(&topic, &1).ran(), 0);
    assert!(bus.topics().is_empty());
}
